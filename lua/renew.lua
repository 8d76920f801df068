--[[
renew -- hold on to concurrency limits: leases of calls that take longer.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  lane         name of the client's lane, or "": then nothing is remembered of the call
  number       of this call on its lane, counted from 1
  oldest       number on the lane whose answer the client may still ask for
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
  limit        counted from 1; a concurrency limit
  stop         us: the end of the lease, as booked or last renewed
  epoch        the epoch of the field when it was booked

Returns        { 1, now, (epoch, seq, shift, cool) per field, (1, end, 0) per row };
               { 2, age, the reply of then }; { 3, now }, as settle does
  end          us; 0 if the lease had ended and all is taken, or the field is another

Writes         KEYS[1], as acquire does
Cost           O(rows * slots)
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
--- @include "lib/replay"

local head = args_read({ "lane", "number", "oldest", "now", "nonce" })
local scope = scope_open(clock_now(head.now), head)
scope_limits(scope)

local outcomes = {}
local rows = args_rows({ "limit", "stop", "epoch" })
local known = replay(scope, rows)
if known then
    return known
end
for i, row in ipairs(rows) do
    local limit, stop = scope.limits[tonumber(row.limit)], 0
    if row.epoch == limit.field.epoch then
        stop = limit.kind.renew(limit, scope.now, tonumber(row.stop))
        limit.field.dirty = true
    end
    outcomes[i] = { 1, stop, 0 }
end

scope_save(scope, "", outcomes)
local reply = { 1, scope.now }
scope_report(scope, reply)
for _, outcome in ipairs(outcomes) do
    for _, value in ipairs(outcome) do
        reply[#reply + 1] = value
    end
end
return reply
