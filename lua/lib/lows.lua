-- What a refund from a bucket is worth. Debt is the workload of a queue (Lindley's
-- recursion): taking `refund` out of an earlier booking lowers the debt by no more than
-- the least debt that any later booking found before it, for below that it had drained
-- and somebody may have used the room. Giving back more hands quota out twice; giving
-- back only what cannot have drained (as others do) wastes it.
--
-- The lows are the suffix minima of the debts found, oldest first, so that the first one
-- made after a booking is the least since:
--
--   stamp 16    debt found, in millionths, rounded up as it is charged 16
--
-- After a refund the later ones have sunk by as much, so that older ones above them are
-- no minima any more. The oldest go when there are too many; what is older than the
-- oldest kept then gets the lower of the two, which is the safe side.

local LOWS_ENTRY = 32
local LOWS_MOST = 32

local function lows_at(lows, i)
    local from = LOWS_ENTRY * (i - 1)
    return tonumber(string.sub(lows, from + 1, from + 16)),
        tonumber(string.sub(lows, from + 17, from + 32))
end

local function lows_text(stamp, debt)
    return string.format("%016.0f%016.0f", stamp, debt)
end

-- How many of the first `n` are below `debt`: they stay when one of `debt` follows.
local function lows_below(lows, n, debt)
    while n > 0 do
        local _, found = lows_at(lows, n)
        if found < debt then
            return n
        end
        n = n - 1
    end
    return 0
end

local function lows_push(lows, stamp, debt)
    local kept = lows_below(lows, #lows / LOWS_ENTRY, debt)
    lows = string.sub(lows, 1, LOWS_ENTRY * kept) .. lows_text(stamp, debt)
    if kept >= LOWS_MOST then
        local _, least = lows_at(lows, 1)
        local second = lows_at(lows, 2)
        lows = lows_text(second, least) .. string.sub(lows, 2 * LOWS_ENTRY + 1)
    end
    return lows
end

-- The first low of a booking made after `stamp`.
local function lows_since(lows, stamp)
    local n = #lows / LOWS_ENTRY
    for i = 1, n do
        if lows_at(lows, i) > stamp then
            return i, n
        end
    end
    return n + 1, n
end

-- Returns how much of `wanted` goes back, and the lows after that.
local function lows_refund(lows, stamp, wanted)
    local first, n = lows_since(lows, stamp)
    if first > n then
        return wanted, lows
    end
    local _, least = lows_at(lows, first)
    local refund = math.min(wanted, least)
    local kept = lows_below(lows, first - 1, least - refund)
    local parts = { string.sub(lows, 1, LOWS_ENTRY * kept) }
    for i = first, n do
        local made, found = lows_at(lows, i)
        parts[#parts + 1] = lows_text(made, found - refund)
    end
    return refund, table.concat(parts)
end
