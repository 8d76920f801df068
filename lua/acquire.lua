--[[
acquire -- decide a batch of requests for one scope, in order, each as if sent alone.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  lane         name of the client's lane, or "": then nothing is remembered of the call
  number       of this call on its lane, counted from 1
  oldest       number on the lane whose answer the client may still ask for
  now          us since the epoch, or "" for the server's clock
  nonce        0 to 9999, random: part of a new field's epoch
  display      how people see the scope, or ""
  guard        us for which every permit may be used late, >= 0
  list of
  field        name of an account's field; the first of a request is its own account
  list of
  account      the limit's field, counted from 1
  tag          kind/unit/period: the identity of the limit's state
  capacity     units it can hold, >= 1
  grace        us for which a permit that waited may be used late, >= 0
  p1           window: length, us    bucket: period, us    calendar: start, us
               concurrency: lease, us
  p2           window: slot, us      bucket: units/period  calendar: end, us
               concurrency: slot, us
  p3           window: most entries  bucket: slot, us      calendar: next end, us
  list of
  times        that this request stands here in a row, >= 1
  own          the request's own account, counted from 1: its cool-down holds
  max_wait     us that the caller will wait, >= 0
  horizon      us ahead, beside its own time of service, that it may book; -1 no bound
  span         us for which its permit may be used late if it waits, where above grace
  part         thousandths of each limit that it may fill
  again        1 if it was told before to come back
  charges      how many limits apply to it; for each, appended to its row:
  limit        counted from 1
  cost         units, >= 0

Returns        { 0, now } if a calendar's boundaries are not of the server's day;
               { 1, now, (epoch, seq, shift, cool) per field, per request
                 (code, wait, why, (remaining, reset) per charge),
                 (limit, capacity) per limit that others take for another,
                 (-3 limit, ahead), (-3 limit - 1, acted), (-3 limit - 2, rest) per limit
                 of which a part is booked ahead };
               { 2, age, the reply of then } if it was decided before, age us ago;
               { 3, now } if that was too long ago to know
  cool         us until the account's cool-down ends
  code         1 charged, to be used after wait; 0 not charged; -1 never: cost > capacity;
               2 not charged, too far ahead to book: come back after wait
  wait         us until this cost could be granted, or to come back; 0 is now
  why          the limit that decided, counted from 1; 0 is none, -1 the cool-down
  remaining    units left now
  reset        us until the limit is as if never used
  ahead        units whose moment, or period, is to come
  acted, rest  the other units, and us until they are as if never used

Writes         KEYS[1], if something was charged, a turn to ask again was given out, or
               the clock stepped back; it expires when every limit is as if never used,
               never sooner than before
Cost           O(requests * charges * log entries)
]]

--- @include "lib/clock"
--- @include "lib/quick_limit"
--- @include "lib/quick"

local quick_reply = quick()
if quick_reply then
    return quick_reply
end

--- @include "lib/args"
--- @include "lib/field"
--- @include "lib/window"
--- @include "lib/lows"
--- @include "lib/bucket"
--- @include "lib/calendar"
--- @include "lib/lease"
--- @include "lib/lane"
--- @include "lib/scope"
--- @include "lib/replay"
--- @include "lib/booking"

local head = args_read({ "lane", "number", "oldest", "now", "nonce", "display", "guard" })
local scope = scope_open(clock_now(head.now), head)
scope.guard = tonumber(head.guard)
scope_limits(scope)
if scope.other_day then
    return { 0, scope.now }
end

local requests = {}
for _ = 1, args_count() do
    local request = args_read({
        "times",
        "own",
        "max_wait",
        "horizon",
        "span",
        "part",
        "again",
        "charges",
    })
    for name, value in pairs(request) do
        request[name] = tonumber(value)
    end
    request.charges = args_rows_of(request.charges, { "limit", "cost" })
    for _ = 1, request.times do
        requests[#requests + 1] = request
    end
end

local known = replay(scope, requests)
if known then
    return known
end

local answers, outcomes = {}, {}
for i, request in ipairs(requests) do
    booking_decide(scope, request, i, answers, outcomes)
end
scope_save(scope, head.display, outcomes)
local reply = { 1, scope.now }
scope_report(scope, reply)
for _, value in ipairs(answers) do
    reply[#reply + 1] = value
end
scope_disagreements(scope, reply)
scope_ahead(scope, reply)
return reply
