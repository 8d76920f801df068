--[[
clients -- how many processes used the scope lately, and what they told; writes nothing.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  now          us since the epoch, or "" for the server's clock
  life         us: who used it before that is not counted, >= 1
  list of
  field        name of a field of facts

Returns        { 1, now, count, per field: how many facts, then (name, value, us left)
                 of each }
  count        clients that have a lane which was used since now - life

Writes         nothing
Cost           O(size of the hash)
]]

--- @include "lib/args"
--- @include "lib/clock"
--- @include "lib/facts"

-- A lane is named after its client, which may have several: l:client-number.
local head = args_read({ "now", "life" })
local now = clock_now(head.now)
local all, seen, count, values = redis.call("HGETALL", KEYS[1]), {}, 0, {}
for i = 1, #all, 2 do
    local client = string.match(all[i], "^l:([^-]*)")
    values[all[i]] = all[i + 1]
    if client and not seen[client] then
        if tonumber(string.sub(all[i + 1], 1, 16)) + tonumber(head.life) > now then
            seen[client] = true
            count = count + 1
        end
    end
end
local reply = { 1, now, count }
for _, row in ipairs(args_rows({ "field" })) do
    facts_tell(facts_decode(values[row.field], now), now, reply)
end
return reply
