--[[
birth -- since when this server has had its data.

KEYS[1]        a hash of the server's own, which never expires

ARGV           in this order
  now          us since the epoch, or "" for the server's clock

Returns        { 1, now, born }; us: when somebody first asked

Writes         KEYS[1], if nobody asked before, or it is lost
Cost           O(1)
]]

--- @include "lib/args"
--- @include "lib/clock"

local head = args_read({ "now" })
local now = clock_now(head.now)
local born = redis.call("HMGET", KEYS[1], "born")[1]
if not born then
    born = string.format("%016.0f", now)
    redis.call("HSET", KEYS[1], "born", born)
end
return { 1, now, tonumber(born) }
