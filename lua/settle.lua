--[[
settle -- post the true cost of bookings: refund or charge the difference.

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
  limit        counted from 1
  moment       us: the moment at which the booking was charged to this limit;
               concurrency: the end of its lease
  change       units: the true cost less the booked one; negative is a refund
  epoch        the epoch of the field when it was booked
  shift        the shift of the field when it was booked
  stamp        seq of the field when it was booked, times 1000, and its place in the batch

Returns        { 0, now } if a calendar's boundaries are not of the server's day;
               { 1, now, (epoch, seq, shift, cool) per field };
               { 2, age, the reply of then } if it was posted before, age us ago;
               { 3, now } if that was too long ago to know

Writes         KEYS[1], as acquire does. A refund of another epoch is dropped: that
               history is gone. An overrun of another epoch is charged.
Cost           O(settlements * log entries)
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
if scope.other_day then
    return { 0, scope.now }
end
local known = replay(scope, {})
if known then
    return known
end

local rows = args_rows({ "limit", "moment", "change", "epoch", "shift", "stamp" })
for i, row in ipairs(rows) do
    local limit = scope.limits[tonumber(row.limit)]
    local change, field = tonumber(row.change), limit.field
    local moment, same_life = tonumber(row.moment), row.epoch == field.epoch
    if same_life and not FIELD_UNMOVED[string.sub(limit.tag, 1, 1)] then
        moment = moment + tonumber(row.shift) - field.shift
    end
    if (change > 0 and limit.kind ~= lease) or (change < 0 and same_life) then
        local new_stamp = scope_stamp(field, i)
        limit.moved = tonumber(row.shift) ~= field.shift
        limit.kind.settle(limit, scope.now, moment, change, tonumber(row.stamp), new_stamp)
        field.dirty = true
    end
end

scope_save(scope, "", {})
local reply = { 1, scope.now }
scope_report(scope, reply)
return reply
