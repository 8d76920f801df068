--[[
peek -- how the limits stand; writes nothing.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  now          us since the epoch, or "" for the server's clock
  list of
  field        name of an account's field
  list of
  account      the limit's field, counted from 1
  tag          kind/unit/period: the identity of the limit's state
  capacity     units it can hold, >= 1
  grace        not used here
  p1 p2 p3     as in acquire

Returns        { 0, now } if a calendar's boundaries are not of the server's day, else
               { 1, now, (epoch, seq, shift, cool) per field, (remaining, reset) per limit }

Writes         nothing
Cost           O(limits * log entries)
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

local head = args_read({ "now" })
local scope = scope_open(clock_now(head.now), head)
scope_limits(scope)
if scope.other_day then
    return { 0, scope.now }
end

local reply = { 1, scope.now }
scope_report(scope, reply)
for _, limit in ipairs(scope.limits) do
    scope_status(scope, limit, reply)
end
return reply
