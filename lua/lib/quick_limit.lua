-- Limits on the quick way (lib/quick): bookings for now, with nobody ahead. What stands
-- where in a field is told by `lib/field` and by the kinds' own files.

local QUICK_BUCKET, QUICK_WINDOW, QUICK_CALENDAR = 98, 119, 100
local QUICK_UNIT, QUICK_MOST_DEBT, QUICK_LOWS = 1000000, 9000000000000000, 32
local QUICK_MOST = 1000000000000000

-- "%.0f" takes half a microsecond, "%d" a third of it, but not everywhere does it take
-- more than 31 bits: large numbers are written as two halves, of which one has 9 digits.
local QUICK_HALF = 1000000000

local quick_sub, quick_format, quick_ceil = string.sub, string.format, math.ceil

-- Reads what the field has of a limit; false if it is none of the simple cases. A number
-- that is to be changed is t and sum: a bucket's debt, a window's last entry and its
-- running sum, a calendar's count.
local function quick_open(limit, now)
    local kind, value, body, stop = limit.kind, limit.field.value, limit.body, limit.next - 1
    if limit.from == 0 then
        limit.at = kind == QUICK_WINDOW and now - limit.p1 or now
        limit.t, limit.at_text = now, quick_format("%016.0f", limit.at)
        limit.text = kind == QUICK_WINDOW and "000000000000" or ""
        return kind == QUICK_WINDOW or kind == QUICK_BUCKET
    end
    limit.at_text = quick_sub(value, limit.from + 8, limit.from + 23)
    limit.others = quick_sub(value, limit.from + 24, limit.from + 36) + 0
    local at = limit.at_text + 0
    limit.at = at
    if kind == QUICK_WINDOW then
        -- text: the log up to the last entry; first: what has left the window.
        limit.sum = quick_sub(value, stop - 11, stop) + 0
        if now - at > 4000000000000 or limit.sum > 400000000000 then
            return false
        end
        local entry, gone = body + 12, now - limit.p1 - at
        local last = stop - 24
        local t = last >= entry and quick_sub(value, last, last + 12) + 0 or gone
        limit.t = at + t
        if t <= gone then
            limit.text, limit.first = quick_sub(value, stop - 11, stop), limit.sum
            return true
        end
        while quick_sub(value, entry, entry + 12) + 0 <= gone do
            entry = entry + 25
        end
        limit.text, limit.first =
            quick_sub(value, entry - 12, last - 1), quick_sub(value, entry - 12, entry - 1) + 0
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

-- Books a cost for now; false if it does not fit now.
local function quick_charge(limit, now, cost, place)
    local kind, sum = limit.kind, limit.sum
    if kind == QUICK_WINDOW then
        if sum + cost - limit.capacity > limit.first then
            return false
        end
        if not limit.changed then
            local slot = limit.p2
            if math.floor(limit.t / slot) == math.floor(now / slot) then
                limit.entry = ""
            end
            limit.t, limit.changed = now, true
        end
        limit.sum = sum + cost
        return true
    elseif kind == QUICK_CALENDAR then
        limit.sum, limit.changed = sum + cost, true
        return limit.sum <= limit.capacity
    end
    local rate, lows = limit.rate, limit.lows
    if limit.t + quick_ceil((sum + (cost - limit.capacity) * QUICK_UNIT) / rate) > now then
        return false
    end
    local debt = sum - (now - limit.t) * rate
    if debt < 0 then
        debt = 0
    end
    local low = quick_ceil(debt)
    if not limit.changed then
        local kept = #limit.text
        while kept > 0 and quick_sub(limit.text, kept - 15, kept) + 0 >= low do
            kept = kept - 32
        end
        limit.text, limit.changed = quick_sub(limit.text, 1, kept), true
    end
    lows[#lows + 1] = place
    lows[#lows + 1] = low
    limit.sum, limit.t = quick_ceil(debt + cost * QUICK_UNIT), now
    return limit.sum < QUICK_MOST_DEBT
end

-- Units left, and us until as if never used; nil if that is not simple.
local function quick_status(limit, now)
    local kind, sum = limit.kind, limit.sum
    if kind == QUICK_WINDOW then
        local used = sum - limit.first
        local left = limit.capacity - used
        if used == 0 then
            return left, 0
        elseif not limit.changed and quick_sub(limit.text, -12) + 0 == sum then
            return nil
        end
        return left > 0 and left or 0, limit.t + limit.p1 - now
    elseif kind == QUICK_CALENDAR then
        local left = limit.capacity - sum
        return left > 0 and left or 0, sum > 0 and limit.t - now or 0
    end
    local debt = sum - (now - limit.t) * limit.rate
    local left = limit.capacity * QUICK_UNIT - (debt > 0 and debt or 0)
    local reset = sum > 0 and limit.t + quick_ceil(sum / limit.rate) - now or 0
    if reset > QUICK_MOST then
        return nil
    end
    return left > 0 and math.floor(left / QUICK_UNIT) or 0, reset > 0 and reset or 0
end

-- Appends the bucket's lows with those of this script, of which only the last can be left.
local function quick_lows(limit, seq, parts)
    local text, lows, n = limit.text, limit.lows, #parts
    local old, new = #text / 32, #lows / 2
    local drop = old + new - QUICK_LOWS
    if drop > 0 then
        local least = old > 0 and quick_sub(text, 17, 32) or quick_format("%016.0f", lows[2])
        local stamp = drop < old and quick_sub(text, 32 * drop + 1, 32 * drop + 16)
            or quick_format("%016.0f", seq * 1000 + lows[2 * (drop - old) + 1])
        parts[n + 1], parts[n + 2] = stamp .. least, quick_sub(text, 32 * drop + 33)
        n = n + 2
    else
        n = n + 1
        parts[n] = text
    end
    for i = math.max(1, drop - old + 2), new do
        local stamp, low = seq * 1000 + lows[2 * i - 1], lows[2 * i]
        local stamp_low, low_low = stamp % QUICK_HALF, low % QUICK_HALF
        n = n + 1
        parts[n] = quick_format(
            "%07d%09d%07d%09d",
            (stamp - stamp_low) / QUICK_HALF,
            stamp_low,
            (low - low_low) / QUICK_HALF,
            low_low
        )
    end
    return 32 * math.min(QUICK_LOWS, old + new)
end

-- Appends the limit's section. Parts are joined once per field: a text of a window's size
-- takes microseconds to make.
local function quick_section(limit, parts)
    local field, kind, place = limit.field, limit.kind, #parts + 1
    local n = place
    local size
    local sum_low = limit.sum % QUICK_HALF
    local sum_high = (limit.sum - sum_low) / QUICK_HALF
    local t_low = (limit.t - limit.at) % QUICK_HALF
    local t_high = (limit.t - limit.at - t_low) / QUICK_HALF
    parts[place] = ""
    if kind == QUICK_WINDOW then
        parts[n + 1], parts[n + 2] = limit.text, limit.entry
        size = #limit.text + #limit.entry
        if limit.changed then
            parts[n + 3] = quick_format("%04d%09d%03d%09d", t_high, t_low, sum_high, sum_low)
            size = size + 25
        end
    elseif not limit.changed and limit.from > 0 then
        size = limit.next - limit.body
        parts[n + 1] = quick_sub(field.value, limit.body, limit.next - 1)
    elseif kind == QUICK_CALENDAR then
        size = 74
        parts[n + 1] = quick_sub(field.value, limit.body, limit.body + 31)
        parts[n + 2] = quick_format("%04d%09d", sum_high, sum_low)
        parts[n + 3] = quick_sub(field.value, limit.body + 45, limit.next - 1)
    else
        local base = quick_format("%07d%09d%04d%09d", sum_high, sum_low, t_high, t_low)
        parts[n + 1] = base .. base .. base .. "0000"
        size = 91 + quick_lows(limit, field.seq, parts)
    end
    local stop_low = limit.stop % QUICK_HALF
    parts[place] = quick_format(
        "%02d%06d%s%s%07d%09d%s",
        #limit.tag,
        size,
        limit.at_text,
        limit.others == limit.capacity and quick_sub(field.value, limit.from + 24, limit.from + 36)
            or quick_format("%013.0f", limit.capacity),
        (limit.stop - stop_low) / QUICK_HALF,
        stop_low,
        limit.tag
    )
end
