-- A token bucket that counts what is owed instead of what is left: the debt, in
-- millionths of a unit, as of the moment `at`, which is the latest act booked and may lie
-- ahead. Debt drains at the rate; a cost fits when debt + cost <= capacity.
--
--   debt 16
--
-- All costs are whole units, so rounding the debt up, by less than a millionth of a unit
-- per booking, never costs a caller more than that, and never lets one through too many.
-- Safe in any order of processing: a booking before `at` is charged at `at`, later than
-- it acts (generic cell rate algorithm, ITU-T I.371, in units instead of time).
--
-- limit.p1 period, us    limit.p2 units refilled per period

local bucket = {}

local BUCKET_UNIT = 1000000
local BUCKET_MOST = 9000000000000000

-- Millionths of a unit that drain per us.
local function bucket_rate(limit)
    return limit.p2 * BUCKET_UNIT / limit.p1
end

local function bucket_owe(section, debt)
    section.debt = math.min(BUCKET_MOST, math.max(0, math.ceil(debt)))
    section.body = string.format("%016.0f", section.debt)
end

function bucket.open(limit, now)
    local section = limit.section
    if not section.body then
        section.at = now
        bucket_owe(section, 0)
    end
    section.debt = tonumber(string.sub(section.body, 1, 16))
end

-- Debt as a caller at `moment` sees it: beyond what drains until `at` if that is ahead.
local function bucket_debt(limit, moment)
    local section = limit.section
    return math.max(0, section.debt - (moment - section.at) * bucket_rate(limit))
end

-- The earliest moment >= now at which cost fits.
function bucket.earliest(limit, now, cost)
    local section = limit.section
    local drain = section.debt + (cost - limit.capacity) * BUCKET_UNIT
    return math.max(now, section.at + math.ceil(drain / bucket_rate(limit)))
end

function bucket.full()
    return nil -- one number holds any number of bookings
end

function bucket.book(limit, moment, cost)
    local section = limit.section
    local debt = section.debt
    if moment > section.at then
        debt = bucket_debt(limit, moment)
        section.at = moment
    end
    bucket_owe(section, debt + cost * BUCKET_UNIT)
end

-- An overrun is charged now, as debt. A refund gives back what surely has not drained
-- since: of a debt made at `moment`, as much as the time up to `at` cannot have paid.
function bucket.settle(limit, now, moment, change)
    local section = limit.section
    if change > 0 then
        return bucket.book(limit, now, change)
    end
    local drained = math.max(0, section.at - moment) * bucket_rate(limit)
    local refund = math.max(0, -change * BUCKET_UNIT - math.ceil(drained))
    bucket_owe(section, section.debt - refund)
end

function bucket.remaining(limit, now)
    local free = limit.capacity * BUCKET_UNIT - bucket_debt(limit, now)
    return math.max(0, math.floor(free / BUCKET_UNIT))
end

-- us until as if never used.
function bucket.reset(limit, now)
    local section = limit.section
    if section.debt == 0 then
        return 0
    end
    return math.max(0, section.at + math.ceil(section.debt / bucket_rate(limit)) - now)
end
