--[[
note -- keep small facts that all processes share for a while, and tell what is kept.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  now          us since the epoch, or "" for the server's clock
  list of
  field        name of a field of facts
  list of
  account      a field, counted from 1
  name         of a fact, 1 to 99 bytes
  value        up to 9999 bytes; it takes the place of the one before
  life         us from now for which it holds; 0 forgets it; below 0: for as long, but
               not in the place of one that holds

Returns        { 1, now, per field: how many facts, then (name, value, us left) of each }

Writes         KEYS[1], if there are rows; it expires no sooner than its facts
Cost           O(facts of the fields)
]]

--- @include "lib/args"
--- @include "lib/clock"
--- @include "lib/facts"

local now = clock_now(args_read({ "now" }).now)
local names = {}
for i, row in ipairs(args_rows({ "field" })) do
    names[i] = row.field
end
local values = redis.call("HMGET", KEYS[1], unpack(names))
local kept = {}
for i = 1, #names do
    kept[i] = facts_decode(values[i], now)
end

local rows = args_rows({ "account", "name", "value", "life" })
for _, row in ipairs(rows) do
    local facts, life = kept[tonumber(row.account)], tonumber(row.life)
    if life >= 0 or not facts_has(facts, row.name) then
        facts_put(facts, row.name, row.value, now + math.abs(life))
    end
end
if #rows > 0 then
    facts_save(names, kept, now)
end

local reply = { 1, now }
for _, facts in ipairs(kept) do
    facts_tell(facts, now, reply)
end
return reply
