--[[
settle -- post the true cost of bookings: refund or charge the difference.

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
  limit        counted from 1
  moment       us: the moment at which the booking was charged to this limit
  change       units: the true cost less the booked one; negative is a refund
  epoch        the epoch of the field when it was booked
  shift        the shift of the field when it was booked

Returns        { 0, now } if a calendar's boundaries are not of the server's day, else
               { 1, now, (epoch, seq, shift, cool) per field }

Writes         KEYS[1], as acquire does. A refund of another epoch is dropped: that
               history is gone. An overrun of another epoch is charged.
Cost           O(settlements * log entries)
]]

--- @include "lib/args"
--- @include "lib/clock"
--- @include "lib/field"
--- @include "lib/window"
--- @include "lib/bucket"
--- @include "lib/calendar"
--- @include "lib/scope"

local head = args_read({ "now", "nonce" })
local scope = scope_open(clock_now(head.now), head.nonce)
scope_limits(scope)
if scope.other_day then
    return { 0, scope.now }
end

for _, row in ipairs(args_rows({ "limit", "moment", "change", "epoch", "shift" })) do
    local limit = scope.limits[tonumber(row.limit)]
    local change, field = tonumber(row.change), limit.field
    local moment, same_life = tonumber(row.moment), row.epoch == field.epoch
    if same_life and limit.kind ~= calendar then
        moment = moment + tonumber(row.shift) - field.shift
    end
    if change > 0 or (change < 0 and same_life) then
        limit.kind.settle(limit, scope.now, moment, change)
        field.dirty = true
    end
end

scope_save(scope, "")
local reply = { 1, scope.now }
scope_report(scope, reply)
return reply
