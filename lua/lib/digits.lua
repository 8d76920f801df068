-- Whole numbers as seven printable characters: digits in base 95, a space for zero. They
-- take half of the room of decimals, and two together less time to write.

local DIGITS_ZERO, DIGITS_MOST = 23773184547872, 999999999999

-- The number that begins at a place of a text.
local function digits_read(text, from)
    local a, b, c, d, e, f, g = string.byte(text, from, from + 6)
    return ((((((a * 95 + b) * 95 + c) * 95 + d) * 95 + e) * 95 + f) * 95 + g) - DIGITS_ZERO
end

-- Two numbers, one behind the other.
local function digits_pair(one, two)
    local g = one % 95
    local high = (one - g) / 95
    local f = high % 95
    high = (high - f) / 95
    local e = high % 95
    high = (high - e) / 95
    local d = high % 95
    high = (high - d) / 95
    local c = high % 95
    high = (high - c) / 95
    local b = high % 95
    local n = two % 95
    local top = (two - n) / 95
    local m = top % 95
    top = (top - m) / 95
    local l = top % 95
    top = (top - l) / 95
    local k = top % 95
    top = (top - k) / 95
    local j = top % 95
    top = (top - j) / 95
    local i = top % 95
    return string.char(
        (high - b) / 95 + 32,
        b + 32,
        c + 32,
        d + 32,
        e + 32,
        f + 32,
        g + 32,
        (top - i) / 95 + 32,
        i + 32,
        j + 32,
        k + 32,
        l + 32,
        m + 32,
        n + 32
    )
end
