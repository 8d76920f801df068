-- Limits on the quick way (lib/quick): bookings for now, with nobody ahead. What stands
-- where in a field is told by `lib/field` and by the kinds' own files.

local QUICK_BUCKET, QUICK_WINDOW, QUICK_CALENDAR = 98, 119, 100
local QUICK_UNIT, QUICK_MOST_DEBT, QUICK_LOWS = 1000000, 9000000000000000, 32
local QUICK_MOST = 1000000000000000

-- "%.0f" takes half a microsecond, "%d" a third of it, but not everywhere does it take
-- more than 31 bits: large numbers are written as two halves, of which one has 9 digits.
local QUICK_HALF = 1000000000

-- A number is rounded up by x + -x % 1: a call of math.ceil would take ten times as long.
local quick_sub, quick_format = string.sub, string.format

--- @include "lib/digits"

-- A moment, as text of 16 digits.
local function quick_moment(moment)
    local low = moment % QUICK_HALF
    return quick_format("%07d%09d", (moment - low) / QUICK_HALF, low)
end

-- Reads what the field has of a limit; false if it is none of the simple cases. A number
-- that is to be changed is t and sum: a bucket's debt, a window's last entry and its
-- running sum, a calendar's count.
local function quick_open(limit, now)
    local kind, value, body, stop = limit.kind, limit.field.value, limit.body, limit.next - 1
    if limit.from == 0 then
        limit.at = kind == QUICK_WINDOW and now - limit.p1 or now
        limit.t, limit.at_text = now, quick_moment(limit.at)
        limit.text = kind == QUICK_WINDOW and "       " or ""
        return kind == QUICK_WINDOW or kind == QUICK_BUCKET
    end
    limit.at_text = quick_sub(value, limit.from + 8, limit.from + 23)
    limit.others = quick_sub(value, limit.from + 24, limit.from + 36) + 0
    local at = limit.at_text + 0
    limit.at = at
    if kind == QUICK_WINDOW then
        -- text: the log up to the last entry; first: what has left the window.
        limit.sum = digits_read(value, stop - 6)
        if now - at > 4000000000000 or limit.sum > 400000000000 then
            return false
        end
        local entry, gone = body + 7, now - limit.p1 - at
        local last = stop - 13
        local t = last >= entry and digits_read(value, last) or gone
        limit.t = at + t
        if t <= gone then
            limit.text, limit.first = quick_sub(value, stop - 6, stop), limit.sum
            return true
        end
        while digits_read(value, entry) <= gone do
            entry = entry + 14
        end
        limit.text, limit.first =
            quick_sub(value, entry - 7, last - 1), digits_read(value, entry - 7)
        limit.entry = quick_sub(value, last, stop)
        return limit.t <= now
    elseif kind == QUICK_BUCKET then
        -- text: the lows.
        limit.sum, limit.t =
            quick_sub(value, body, body + 15) + 0, at + quick_sub(value, body + 16, body + 28)
        limit.text = quick_sub(value, body + 91, stop)
        return limit.t <= now
            and now - at <= 4000000000000
            and quick_sub(value, body + 87, body + 90) == "0000"
    elseif kind ~= QUICK_CALENDAR then
        return false
    end
    limit.first, limit.t =
        quick_sub(value, body, body + 15) + 0, quick_sub(value, body + 16, body + 31) + 0
    limit.sum = quick_sub(value, body + 32, body + 44) + 0
    return limit.p1 <= now
        and now < limit.p2
        and limit.first <= now
        and now < limit.t
        and quick_sub(value, body + 61, body + 73) == "0000000000000"
end

-- Books a cost for now, `times` in a row from `place` on; false if that does not fit now:
-- if the last fits, so did those before.
local function quick_charge(limit, now, cost, times, place)
    local kind, sum = limit.kind, limit.sum
    if kind == QUICK_WINDOW then
        sum = sum + cost * times
        if sum - limit.capacity > limit.first then
            return false
        end
        if not limit.changed then
            local slot, t = limit.p2, limit.t
            -- Both begin the same slot.
            if t - t % slot == now - now % slot then
                limit.entry = ""
            end
            limit.t, limit.changed = now, true
        end
        limit.sum = sum
        return true
    elseif kind == QUICK_CALENDAR then
        limit.sum, limit.changed = sum + cost * times, true
        return limit.sum <= limit.capacity
    end
    local rate, each, t = limit.rate, cost * QUICK_UNIT, limit.t
    local most = limit.capacity * QUICK_UNIT
    local fits = (sum + each - most) / rate
    if t + fits + -fits % 1 > now or each > most then
        return false
    end
    local debt = sum - (now - t) * rate
    if debt < 0 then
        debt = 0
    end
    local low, lows = debt + -debt % 1, limit.lows
    sum = low + each
    local n = lows and #lows + 2 or 2
    if lows then
        lows[n - 1], lows[n] = place + 1, low
    else
        local text = limit.text
        local kept = #text
        while kept > 0 and quick_sub(text, kept - 15, kept) + 0 >= low do
            kept = kept - 32
        end
        lows = { place + 1, low }
        limit.text, limit.lows, limit.changed = quick_sub(text, 1, kept), lows, true
    end
    for k = 2, times do
        lows[n + 1], lows[n + 2] = place + k, sum
        n, sum = n + 2, sum + each
    end
    limit.sum, limit.t = sum, now
    return (times == 1 or sum <= most) and sum < QUICK_MOST_DEBT
end

-- Says after each of `times` equal bookings how many units were left, and us until as if
-- never used, from reply[n + 1] on; false if that is not simple.
local function quick_status(limit, now, cost, times, reply, n, step)
    local kind, sum, capacity, life = limit.kind, limit.sum, limit.capacity, 0
    if kind == QUICK_BUCKET then
        local rate, each, t = limit.rate, cost * QUICK_UNIT, limit.t
        sum = sum - each * times
        for _ = 1, times do
            sum = sum + each
            local debt = sum - (now - t) * rate
            local left = capacity * QUICK_UNIT - (debt > 0 and debt or 0)
            local drained = sum / rate
            life = sum > 0 and t + drained + -drained % 1 - now or 0
            if life > QUICK_MOST then
                return false
            end
            life = life > 0 and life or 0
            reply[n + 1], reply[n + 2] =
                left > 0 and (left - left % QUICK_UNIT) / QUICK_UNIT or 0, life
            n = n + step
        end
        limit.life = life
        return true
    elseif kind == QUICK_CALENDAR then
        life = sum > 0 and limit.t - now or 0
    elseif sum > limit.first then
        if not limit.changed and digits_read(limit.text, #limit.text - 6) == sum then
            return false
        end
        life = limit.t + limit.p1 - now
    end
    limit.life = life
    local left = capacity - sum + cost * times
    if kind == QUICK_WINDOW then
        left = left + limit.first
    end
    for _ = 1, times do
        left = left - cost
        reply[n + 1], reply[n + 2] = left > 0 and left or 0, life
        n = n + step
    end
    return true
end

-- The bucket's lows with those of this script, of which only the last can be left.
local function quick_lows(limit, seq)
    local text, lows = limit.text, limit.lows
    if not lows then
        return text
    end
    local old, new = #text / 32, #lows / 2
    local drop, parts = old + new - QUICK_LOWS, { text }
    local first = drop - old + 2
    if drop > 0 then
        local least = old > 0 and quick_sub(text, 17, 32) or quick_moment(lows[2])
        local stamp = drop < old and quick_sub(text, 32 * drop + 1, 32 * drop + 16)
            or quick_moment(seq * 1000 + lows[2 * (drop - old) + 1])
        parts[1] = stamp .. least .. quick_sub(text, 32 * drop + 33)
    end
    local n, form, stamp_high, low_high = 1, "", -1, -1
    for i = first > 1 and first or 1, new do
        local stamp, low = seq * 1000 + lows[2 * i - 1], lows[2 * i]
        local stamp_low, low_low = stamp % QUICK_HALF, low % QUICK_HALF
        if low - low_low ~= low_high or stamp - stamp_low ~= stamp_high then
            -- Bookings of a batch differ in the lower halves; the others are written once.
            stamp_high, low_high = stamp - stamp_low, low - low_low
            form =
                quick_format("%07d%%09d%07d%%09d", stamp_high / QUICK_HALF, low_high / QUICK_HALF)
        end
        n = n + 1
        parts[n] = quick_format(form, stamp_low, low_low)
    end
    return new == 1 and parts[1] .. (parts[2] or "") or table.concat(parts)
end

-- The body of a limit's section: what is kept of a window's log, and the rest.
local function quick_body(limit)
    local kind, value = limit.kind, limit.field.value
    if kind == QUICK_WINDOW and not limit.changed then
        return limit.text, limit.entry
    elseif not limit.changed and limit.from > 0 then
        return "", quick_sub(value, limit.body, limit.next - 1)
    end
    if kind == QUICK_WINDOW then
        return limit.text, limit.entry .. digits_pair(limit.t - limit.at, limit.sum)
    end
    local sum_low, t_low = limit.sum % QUICK_HALF, (limit.t - limit.at) % QUICK_HALF
    local sum_high = (limit.sum - sum_low) / QUICK_HALF
    local t_high = (limit.t - limit.at - t_low) / QUICK_HALF
    if kind == QUICK_CALENDAR then
        return quick_sub(value, limit.body, limit.body + 31) .. quick_format(
            "%04d%09d",
            sum_high,
            sum_low
        ),
            quick_sub(value, limit.body + 45, limit.next - 1)
    end
    local base = quick_format("%07d%09d%04d%09d", sum_high, sum_low, t_high, t_low)
    return base .. base .. base .. "0000", quick_lows(limit, limit.field.seq)
end

-- Appends the limit's section, as if never used from stop on, to parts of which there are
-- n; returns how many there are then. They are joined once per field: a text of a window's
-- size takes microseconds to make.
local function quick_section(limit, stop, parts, n)
    local kept, rest = quick_body(limit)
    local capacity = limit.others == limit.capacity
            and quick_sub(limit.field.value, limit.from + 24, limit.from + 36)
        or quick_format("%013.0f", limit.capacity)
    parts[n + 1] = quick_format("%02d%06d", #limit.tag, #kept + #rest)
        .. limit.at_text
        .. capacity
        .. stop
        .. limit.tag
    parts[n + 2], parts[n + 3] = kept, rest
    return n + 3
end
