-- A strict sliding window in bounded memory: a log of acts, coalesced into slots.
--
-- An entry is a slot: T, the last moment booked in it, and S, the running sum of costs
-- up to and with it, so that a sum is a difference and only the ends are parsed:
--
--   sum before the first entry    then, ordered by T:  T - at, S    (lib/digits)
--
-- A cost fits at t when all costs with T > t - length, future ones included, leave room
-- for it. Then no window ever holds more than the capacity: of the acts in one window
-- take the one decided last; every other was in its sum, since its T is no earlier than
-- its act. Coalescing only moves T later, which is the safe side.
--
-- limit.p1 length, us    limit.p2 slot, us    limit.p3 most entries when booking ahead

--- @include "lib/digits"

local window = {}

-- So many capacities may be booked ahead beyond the one in use; at the largest capacity
-- the sums then still fit their digits.
local WINDOW_AHEAD = 5

-- The sum of a log without entries.
local WINDOW_NOTHING = "       "

local function window_time(section, i)
    return section.at + digits_read(section.body, 14 * i - 6)
end

local function window_sum(section, i)
    return digits_read(section.body, 14 * i + 1)
end

-- Overruns beyond all reason must not outgrow the digits.
local function window_entry(offset, sum)
    return digits_pair(offset, math.min(sum, DIGITS_MOST))
end

-- The first i below `high` at which `get` reaches a value; `high` if none does.
local function window_first(section, get, value, high)
    local low = 1
    while low < high do
        local middle = math.floor((low + high) / 2)
        if get(section, middle) >= value then
            high = middle
        else
            low = middle + 1
        end
    end
    return low
end

-- The first entry i in 1..n+1 with T >= moment.
local function window_find(section, moment)
    return window_first(section, window_time, moment, section.n + 1)
end

-- Room for another 50 days and another full capacity before digits run out.
local function window_rebase(section, at)
    local first, parts = window_sum(section, 0), { WINDOW_NOTHING }
    for i = 1, section.n do
        parts[i + 1] = window_entry(window_time(section, i) - at, window_sum(section, i) - first)
    end
    section.at, section.body = at, table.concat(parts)
end

function window.open(limit, now)
    local section = limit.section
    if not section.body then
        section.at, section.body, section.n = now - limit.p1, WINDOW_NOTHING, 0
        return
    end
    section.n = (#section.body - 7) / 14
    if section.n % 1 > 0 or window_sum(section, 0) > DIGITS_MOST then
        error("a window's log in a format of another release")
    end
    -- Entries that have left the window go; what they cost stays in the first sum.
    local live = window_find(section, now - limit.p1 + 1)
    if live > 1 then
        section.body = string.sub(section.body, 14 * live - 13)
        section.n = section.n - live + 1
    end
    if now - section.at > 4000000000000 or window_sum(section, section.n) > 400000000000 then
        window_rebase(section, now - limit.p1)
    end
end

-- The first entry whose running sum reaches `sum`.
local function window_reach(section, sum)
    return window_first(section, window_sum, sum, section.n)
end

-- The earliest moment >= now at which cost fits.
function window.earliest(limit, now, cost, capacity)
    local section = limit.section
    local free = window_sum(section, section.n) + cost - capacity
    if window_sum(section, 0) >= free then
        return now
    end
    return window_time(section, window_reach(section, free)) + limit.p1
end

-- When a booking ahead must wait for memory, of entries or of digits: the moment when
-- the oldest entry leaves.
function window.full(limit, _, cost)
    local section = limit.section
    local sum = window_sum(section, section.n) - window_sum(section, 0) + cost
    if section.n >= limit.p3 or sum > WINDOW_AHEAD * limit.capacity then
        return window_time(section, 1) + limit.p1
    end
end

-- Add cost (or, negative, take it back) to entry i and all sums after it.
local function window_add(section, i, cost)
    local parts = { string.sub(section.body, 1, 14 * i - 7) }
    for k = i, section.n do
        parts[#parts + 1] =
            window_entry(window_time(section, k) - section.at, window_sum(section, k) + cost)
    end
    section.body = table.concat(parts)
end

-- A booking goes to the entry of its slot, or makes one.
function window.book(limit, moment, cost)
    local section, slot = limit.section, math.floor(moment / limit.p2)
    local i = window_find(section, moment)
    if i > section.n or math.floor(window_time(section, i) / limit.p2) ~= slot then
        local kept = i
        if i > 1 and math.floor(window_time(section, i - 1) / limit.p2) == slot then
            i = i - 1
        else
            section.n = section.n + 1
        end
        local sum = window_sum(section, kept - 1)
        section.body = string.sub(section.body, 1, 14 * i - 7)
            .. window_entry(moment - section.at, sum)
            .. string.sub(section.body, 14 * kept - 6)
    end
    window_add(section, i, cost)
end

-- Post the difference to a booking, in its slot. What has left the window is history; a
-- refund may still find its slot there, held by a later act, unless slots have moved.
function window.settle(limit, now, moment, change)
    local section = limit.section
    if moment <= now - limit.p1 and (change > 0 or limit.moved) then
        return
    end
    if change > 0 then
        return window.book(limit, moment, change)
    end
    local i = window_find(section, moment)
    if i <= section.n then
        local entry = window_time(section, i)
        local held = window_sum(section, i) - window_sum(section, i - 1)
        if math.floor(entry / limit.p2) == math.floor(moment / limit.p2) then
            window_add(section, i, math.max(change, -held))
        end
    end
end

function window.remaining(limit)
    local section = limit.section
    local used = window_sum(section, section.n) - window_sum(section, 0)
    return math.max(0, limit.capacity - used)
end

-- us until as if never used.
function window.reset(limit, now)
    local section = limit.section
    local sum = window_sum(section, section.n)
    if sum == window_sum(section, 0) then
        return 0
    end
    -- Entries that cancelled waiters left behind hold nothing.
    return math.max(0, window_time(section, window_reach(section, sum)) + limit.p1 - now)
end

-- If bookings are ahead: their units, those of the others, and us until the latter go.
function window.ahead(limit, now)
    local section = limit.section
    if section.n == 0 or window_time(section, section.n) <= now then
        return nil
    end
    local i = window_find(section, now + 1)
    local acted = window_sum(section, i - 1)
    local rest = i > 1 and window_time(section, i - 1) + limit.p1 - now or 0
    return window_sum(section, section.n) - acted, acted - window_sum(section, 0), rest
end
