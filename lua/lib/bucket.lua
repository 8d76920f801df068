-- A token bucket that counts what is owed instead of what is left: debt, in millionths of
-- a unit, as of a moment. Debt drains at the rate; a cost fits when debt + cost <=
-- capacity (generic cell rate algorithm, ITU-T I.371, in units instead of time).
--
-- Bookings are kept in the order in which they were made, and one that acts before
-- another made earlier is charged at that one's moment: later, the safe side. Those whose
-- moment is past are folded into the base; those ahead are kept, so that a waiter's
-- cancel takes its cost out as if it had never been:
--
--   base debt 16, T - at 13    debt before the last entry 16, T - at 13
--   debt of all 16, T - at 13  entries ahead 4    entries: T - at 13, stamp 16, cost 12
--   then the lows (lib/lows), for refunds of what is folded
--
-- All costs are whole units, so rounding debts up, by less than a millionth of a unit
-- per booking, never costs a caller more than that, and never lets one through too many.
--
-- limit.p1 period, us    limit.p2 units refilled per period    limit.p3 slot, us

local bucket = {}

local BUCKET_UNIT = 1000000
local BUCKET_MOST = 9000000000000000
local BUCKET_HEAD = 91
local BUCKET_ENTRY = 41

-- More waiters than that and the oldest are folded before their time.
local BUCKET_AHEAD = 480

-- Millionths of a unit that drain per us.
local function bucket_rate(limit)
    return limit.p2 * BUCKET_UNIT / limit.p1
end

local function bucket_round(debt)
    return math.min(BUCKET_MOST, math.max(0, math.ceil(debt)))
end

-- Debt of a balance as a caller at `moment` sees it: beyond what drains until the
-- balance's own moment if that is ahead.
local function bucket_debt(limit, balance, moment)
    return math.max(0, balance.debt - (moment - balance.t) * bucket_rate(limit))
end

local function bucket_charge(limit, balance, moment, cost)
    local debt = bucket_debt(limit, balance, moment) + cost * BUCKET_UNIT
    return { debt = bucket_round(debt), t = moment }
end

local function bucket_read(section, from)
    local debt = tonumber(string.sub(section.body, from, from + 15))
    local t = section.at + tonumber(string.sub(section.body, from + 16, from + 28))
    return { debt = debt, t = t }
end

-- Entry i ahead: its moment, the stamp of its first booking, its cost.
local function bucket_entry(section, i)
    local from = BUCKET_ENTRY * (i - 1)
    return section.at + tonumber(string.sub(section.ahead, from + 1, from + 13)),
        tonumber(string.sub(section.ahead, from + 14, from + 29)),
        tonumber(string.sub(section.ahead, from + 30, from + 41))
end

local function bucket_text(section, t, stamp, cost)
    return string.format("%013.0f%016.0f%012.0f", t - section.at, stamp, cost)
end

local function bucket_write(section)
    local base, before, all = section.base, section.before, section.all
    section.body = string.format(
        "%016.0f%013.0f%016.0f%013.0f%016.0f%013.0f%04.0f",
        base.debt,
        base.t - section.at,
        before.debt,
        before.t - section.at,
        all.debt,
        all.t - section.at,
        section.n
    ) .. section.ahead .. section.lows
end

-- The oldest entry ahead becomes part of the base.
local function bucket_fold(limit, section)
    local t, stamp, cost = bucket_entry(section, 1)
    section.lows = lows_push(section.lows, stamp, bucket_round(bucket_debt(limit, section.base, t)))
    section.base = bucket_charge(limit, section.base, t, cost)
    section.ahead = string.sub(section.ahead, BUCKET_ENTRY + 1)
    section.n = section.n - 1
    if section.n == 0 then
        section.before, section.all = section.base, section.base
    end
end

-- Offsets have room for 115 days: start them anew.
local function bucket_rebase(limit, section, now)
    local entries = {}
    for i = 1, section.n do
        entries[i] = { bucket_entry(section, i) }
    end
    if section.base.t < now then
        section.base = bucket_charge(limit, section.base, now, 0)
    end
    section.at = now
    for i, entry in ipairs(entries) do
        entries[i] = bucket_text(section, unpack(entry))
    end
    section.ahead = table.concat(entries)
    if section.n == 0 then
        section.before, section.all = section.base, section.base
    elseif section.before.t < now then
        section.before = bucket_charge(limit, section.before, now, 0)
    end
    bucket_write(section)
end

function bucket.open(limit, now)
    local section = limit.section
    if not section.body then
        section.at, section.n, section.ahead, section.lows = now, 0, "", ""
        section.base = { debt = 0, t = now }
        section.before, section.all = section.base, section.base
        bucket_write(section)
        return
    end
    section.base = bucket_read(section, 1)
    section.before = bucket_read(section, 30)
    section.all = bucket_read(section, 59)
    section.n = tonumber(string.sub(section.body, 88, 91))
    local ahead = BUCKET_HEAD + BUCKET_ENTRY * section.n
    section.ahead = string.sub(section.body, BUCKET_HEAD + 1, ahead)
    section.lows = string.sub(section.body, ahead + 1)
    while section.n > 0 and bucket_entry(section, 1) <= now do
        bucket_fold(limit, section)
    end
    if now - section.at > 4000000000000 then
        bucket_rebase(limit, section, now)
    end
end

-- The earliest moment >= now at which cost fits.
function bucket.earliest(limit, now, cost, capacity)
    local all = limit.section.all
    local drain = all.debt + (cost - capacity) * BUCKET_UNIT
    return math.max(now, all.t + math.ceil(drain / bucket_rate(limit)))
end

function bucket.full()
    return nil -- whatever is ahead beyond what is kept folds into one number
end

-- Whether a booking at `moment` may join the last entry: in its slot, and without
-- anything that would have drained in vain between the two.
local function bucket_joins(limit, section, moment)
    local drained = (moment - section.before.t) * bucket_rate(limit)
    return section.n > 0
        and math.floor(section.all.t / limit.p3) == math.floor(moment / limit.p3)
        and section.before.debt >= drained
end

function bucket.book(limit, moment, cost, stamp)
    local section, now = limit.section, limit.field.now
    moment = math.max(moment, section.all.t)
    if section.n == 0 and moment <= now then
        local low = bucket_round(bucket_debt(limit, section.base, moment))
        section.lows = lows_push(section.lows, stamp, low)
        section.base = bucket_charge(limit, section.base, moment, cost)
        section.before, section.all = section.base, section.base
    elseif bucket_joins(limit, section, moment) then
        local _, first, held = bucket_entry(section, section.n)
        section.ahead = string.sub(section.ahead, 1, BUCKET_ENTRY * (section.n - 1))
            .. bucket_text(section, moment, first, held + cost)
        section.all = bucket_charge(limit, section.before, moment, held + cost)
    else
        section.ahead = section.ahead .. bucket_text(section, moment, stamp, cost)
        section.n = section.n + 1
        section.before = section.all
        section.all = bucket_charge(limit, section.all, moment, cost)
        if section.n > BUCKET_AHEAD then
            bucket_fold(limit, section)
        end
    end
    bucket_write(section)
end

-- After a change in the base or among the entries: what is owed when all have acted.
local function bucket_sum_up(limit, section)
    section.before, section.all = section.base, section.base
    for i = 1, section.n do
        local t, _, cost = bucket_entry(section, i)
        section.before = section.all
        section.all = bucket_charge(limit, section.all, t, cost)
    end
end

-- The entry ahead that holds the booking; nil if it is folded.
local function bucket_find(section, stamp)
    for i = section.n, 1, -1 do
        local _, first = bucket_entry(section, i)
        if first <= stamp then
            return i
        end
    end
end

local function bucket_take_out(section, i, units)
    local t, first, held = bucket_entry(section, i)
    local left = held - math.min(held, units)
    local entry = left > 0 and bucket_text(section, t, first, left) or ""
    section.n = section.n - (left > 0 and 0 or 1)
    section.ahead = string.sub(section.ahead, 1, BUCKET_ENTRY * (i - 1))
        .. entry
        .. string.sub(section.ahead, BUCKET_ENTRY * i + 1)
end

-- An overrun is charged now, as debt. A refund of a booking ahead takes it out; of a
-- folded one, it gives back as much as no later booking has found already drained.
function bucket.settle(limit, now, _, change, stamp, new_stamp)
    local section = limit.section
    if change > 0 then
        return bucket.book(limit, now, change, new_stamp)
    end
    local i = bucket_find(section, stamp)
    if i then
        bucket_take_out(section, i, -change)
    else
        local refund
        refund, section.lows = lows_refund(section.lows, stamp, -change * BUCKET_UNIT)
        section.base = { debt = bucket_round(section.base.debt - refund), t = section.base.t }
    end
    bucket_sum_up(limit, section)
    bucket_write(section)
end

function bucket.remaining(limit, now)
    local free = limit.capacity * BUCKET_UNIT - bucket_debt(limit, limit.section.all, now)
    return math.max(0, math.floor(free / BUCKET_UNIT))
end

-- us until as if never used.
function bucket.reset(limit, now)
    local all = limit.section.all
    if all.debt == 0 then
        return 0
    end
    return math.max(0, all.t + math.ceil(all.debt / bucket_rate(limit)) - now)
end
