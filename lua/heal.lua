--[[
heal -- give back to fields what a client remembers of lives of theirs that were lost.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  now          us since the epoch, or "" for the server's clock
  nonce        0 to 9999, random: part of a new field's epoch
  list of
  field        name of an account's field
  list of
  account      the limit's field, counted from 1
  tag          kind/unit/period: the identity of the limit's state
  capacity     units it can hold, >= 1
  grace        not used here
  p1 p2 p3     as in acquire
  list of
  place        the field, counted from 1
  epoch        the life that was lost
  seq          of the field when the client last saw that life
  cool         us until the account's cool-down ends, >= 0
  list of
  life         counted from 1
  limit        counted from 1
  units        that were taken when the client last saw it, at most its capacity
  rest         us until these are as if never used
  ahead        window: more units, whose moment had not come    calendar: of the next period
  last         window: us until these are as if never used

Returns        { 0, now } if a calendar's boundaries are not of the server's day; else
               { 1, now, (epoch, seq, shift, cool) per field, units per row of the last
               list }: what was given back, less what was before

Writes         KEYS[1], as acquire does. Of one life what was seen last counts; what a
               field knew, or what was reset, changes nothing. If the field is still of
               that life (it is an older state of it) another one begins.
Cost           O(rows * log entries)
]]

--- @include "lib/args"
--- @include "lib/clock"
--- @include "lib/field"
--- @include "lib/window"
--- @include "lib/lows"
--- @include "lib/bucket"
--- @include "lib/calendar"
--- @include "lib/lease"
--- @include "lib/lane"
--- @include "lib/scope"
--- @include "lib/ghost"

local head = args_read({ "now", "nonce" })
local scope = scope_open(clock_now(head.now), head)
scope_limits(scope)
if scope.other_day then
    return { 0, scope.now }
end

local lives = args_rows({ "place", "epoch", "seq", "cool" })
for _, life in ipairs(lives) do
    life.field = scope.fields[tonumber(life.place)]
    life.seq = tonumber(life.seq)
    life.closed = ghost_find(ghost_list(life.field), life.epoch, "")
    local cool_until = scope.now + tonumber(life.cool)
    if not life.closed and tonumber(life.cool) > 0 and cool_until > life.field.cool then
        life.field.cool, life.field.dirty = cool_until, true
    end
end

local units = {}
for i, row in ipairs(args_rows({ "life", "limit", "units", "rest", "ahead", "last" })) do
    local life, limit = lives[tonumber(row.life)], scope.limits[tonumber(row.limit)]
    local want = {
        units = tonumber(row.units),
        rest = tonumber(row.rest),
        ahead = tonumber(row.ahead),
        last = tonumber(row.last),
    }
    local more = ghost_adopt(limit, life, want, scope_stamp(limit.field, i))
    life.adopted = life.adopted or more ~= nil
    units[i] = more or 0
end
for _, life in ipairs(lives) do
    if life.adopted and life.epoch == life.field.epoch then
        ghost_renew(life.field, tonumber(head.nonce))
    end
end

scope_save(scope, "")
local reply = { 1, scope.now }
scope_report(scope, reply)
for _, more in ipairs(units) do
    reply[#reply + 1] = more
end
return reply
