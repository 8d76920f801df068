--[[
clients -- how many processes used the scope lately; writes nothing.

KEYS[1]        the scope: a hash

ARGV           in this order
  now          us since the epoch, or "" for the server's clock
  life         us: who used it before that is not counted, >= 1

Returns        { 1, now, count }
  count        clients that have a lane which was used since now - life

Writes         nothing
Cost           O(size of the hash)
]]

--- @include "lib/args"
--- @include "lib/clock"

-- A lane is named after its client, which may have several: l:client-number.
local head = args_read({ "now", "life" })
local now = clock_now(head.now)
local all, seen, count = redis.call("HGETALL", KEYS[1]), {}, 0
for i = 1, #all, 2 do
    local client = string.match(all[i], "^l:([^-]*)")
    if client and not seen[client] then
        if tonumber(string.sub(all[i + 1], 1, 16)) + tonumber(head.life) > now then
            seen[client] = true
            count = count + 1
        end
    end
end
return { 1, now, count }
