--[[
cool_down -- nobody uses this account before a moment; an earlier one never shortens it.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  now          us since the epoch, or "" for the server's clock
  nonce        0 to 9999, random: part of a new field's epoch
  display      how people see the scope, or ""
  list of
  field        name of an account's field
  duration     us from now, >= 0
  refused      1 if a 429 is why: the accounts count it; else 0

Returns        { 1, now, (epoch, seq, shift, cool) per field }

Writes         KEYS[1], as acquire does; if refused, it is kept for a day
Cost           O(fields), and if refused O(facts of the fields)
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
--- @include "lib/facts"
--- @include "lib/refusals"

local head = args_read({ "now", "nonce", "display" })
local scope = scope_open(clock_now(head.now), head)
local why = args_read({ "duration", "refused" })
local until_us = scope.now + tonumber(why.duration)
for _, field in ipairs(scope.fields) do
    if until_us > field.cool then
        field.cool = until_us
        field.dirty = true
    end
end

local names, kept = {}, {}
if why.refused == "1" then
    names, kept = refusals_read(scope.fields, scope.now)
    for _, facts in ipairs(kept) do
        refusals_count(facts, scope.now)
    end
end

scope_save(scope, head.display)
if #names > 0 then
    facts_save(names, kept, scope.now)
end
local reply = { 1, scope.now }
scope_report(scope, reply)
return reply
