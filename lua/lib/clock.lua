-- Microseconds since the epoch, read once per script.
--
-- The server's clock is the only one that every client shares, so production sends "".
-- Tests send a number: then a script is a pure function of its state and arguments.
-- A double holds microseconds exactly until the year 2255 (2^53).

local function clock_now(given)
    if given ~= "" then
        return tonumber(given)
    end
    local time = redis.call("TIME")
    return time[1] * 1000000 + time[2]
end
