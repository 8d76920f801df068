-- Counts per calendar period. Where periods begin and end (zones, daylight saving) comes
-- from the client as moments; a stored period stands until its end, whatever a client
-- sends. The current and the next period are kept, for a booking may cross the boundary.
--
--   start 16   end 16   count 13   next end 16   next count 13
--
-- limit.p1 start, us    limit.p2 end, us    limit.p3 end of the next period, us

local calendar = {}

-- Whether the client's boundaries are of the day that the server's clock shows.
function calendar.agrees(limit, now)
    return limit.p1 <= now and now < limit.p2
end

local function calendar_write(section)
    section.at = 0
    section.body = string.format(
        "%016.0f%016.0f%013.0f%016.0f%013.0f",
        section.start,
        section.finish,
        section.count,
        section.next_stop,
        section.next_count
    )
end

function calendar.open(limit, now)
    local section, body = limit.section, limit.section.body
    if body then
        section.start = tonumber(string.sub(body, 1, 16))
        section.finish = tonumber(string.sub(body, 17, 32))
        section.count = tonumber(string.sub(body, 33, 45))
        section.next_stop = tonumber(string.sub(body, 46, 61))
        section.next_count = tonumber(string.sub(body, 62, 74))
    end
    if not body or now >= section.next_stop then
        section.start, section.finish, section.count = limit.p1, limit.p2, 0
        section.next_stop, section.next_count = limit.p3, 0
    elseif now < section.start then
        -- The clock stepped back over the boundary: what was counted counts now, and when
        -- its own period comes again.
        section.start, section.finish, section.next_stop = limit.p1, limit.p2, limit.p3
        section.next_count = math.max(section.count, section.next_count)
    elseif now >= section.finish then
        section.start, section.finish, section.count =
            section.finish, section.next_stop, section.next_count
        section.next_stop, section.next_count = math.max(limit.p3, section.finish + 1), 0
    end
end

-- The earliest moment >= `from` at which cost fits. Not monotone: today may have room
-- when tomorrow is already booked full.
function calendar.earliest(limit, from, cost, capacity)
    local section = limit.section
    if from < section.finish and section.count + cost <= capacity then
        return from
    end
    if from < section.next_stop and section.next_count + cost <= capacity then
        return math.max(from, section.finish)
    end
    return math.max(from, section.next_stop)
end

-- Bookings reach no further than the next period: the moment when they do, if later.
function calendar.full(limit, act)
    return act >= limit.section.next_stop and limit.section.finish or nil
end

function calendar.settle(limit, _, moment, change)
    local section = limit.section
    if moment < section.start or moment >= section.next_stop then
        return
    end
    if moment < section.finish then
        section.count = math.max(0, section.count + change)
    else
        section.next_count = math.max(0, section.next_count + change)
    end
    calendar_write(section)
end

function calendar.book(limit, moment, cost)
    calendar.settle(limit, nil, moment, cost)
end

function calendar.remaining(limit)
    return math.max(0, limit.capacity - limit.section.count)
end

-- us until as if never used.
function calendar.reset(limit, now)
    local section = limit.section
    if section.next_count > 0 then
        return section.next_stop - now
    end
    return section.count > 0 and section.finish - now or 0
end

-- If bookings are of the next period: their units, those of this one, and us to its end.
function calendar.ahead(limit, now)
    local section = limit.section
    if section.next_count > 0 then
        return section.next_count, section.count, section.finish - now
    end
end
