-- The way of nearly every call: all requests fit now, and nobody is booked ahead of them.
-- Either it decides and writes exactly what the rest of the script would (a test compares
-- the two on random histories), or it changes nothing, returns nil, and the rest decides.
--
-- Making the functions of the rest alone costs more than all of this, for Lua makes them
-- anew at each call; the rest also parses and formats every number. Here there are few
-- functions, arguments are read where they stand, and text that does not change is copied.

-- Arguments per row, as the script's header has them.
local QUICK_HEAD, QUICK_LIMIT, QUICK_REQUEST, QUICK_CHARGE = 7, 7, 8, 2

local QUICK_SLACK_MS, QUICK_PURGE = 1000, 64

-- No shift, no cool-down and no turns; and the record of a request that went at once.
local QUICK_STILL = "000000000000000000000000000000000000000000000000"
local QUICK_WENT = " 10000000000000000   0"

-- Reads a field's head; its live sections go to the limits that are wanted, by tag, and
-- as text to the others.
local function quick_field(name, value, now, wanted)
    local last = quick_sub(value, 34, 49) + 0
    if last > now then
        return nil
    end
    local still, stop, shift = quick_sub(value, 50, 97), 0, 0
    if still ~= QUICK_STILL then
        shift = quick_sub(still, 1, 16) + 0
        stop = math.max(quick_sub(still, 17, 32) + 0, quick_sub(still, 33, 48) + 0)
        if quick_sub(still, 17, 32) + 0 > now then
            return nil
        end
    end
    local others, from, size = "", 114, #value
    while from <= size do
        local sizes = quick_sub(value, from, from + 7) + 0
        local body = from + 53 + (sizes - sizes % 1000000) / 1000000
        local next_from = body + sizes % 1000000
        local ends = quick_sub(value, from + 37, from + 52) + 0
        if ends > now then
            local limit = wanted[quick_sub(value, from + 53, body - 1)]
            if limit then
                limit.from, limit.body, limit.next, limit.stop = from, body, next_from, ends
            else
                others = others .. quick_sub(value, from, next_from - 1)
                stop = math.max(stop, ends)
            end
        end
        from = next_from
    end
    return {
        name = name,
        value = value,
        epoch = quick_sub(value, 1, 20),
        seq = quick_sub(value, 21, 33) + 0,
        shift = shift,
        still = still,
        parts = { "", others },
        stop = stop,
        dirty = false,
    }
end

-- A field that is not there yet, or not any more.
local function quick_new(name, now)
    return {
        name = name,
        epoch = quick_format("%016.0f%04d", now, ARGV[5]),
        seq = 0,
        shift = 0,
        still = QUICK_STILL,
        parts = { "", "" },
        stop = 0,
        new = true,
        dirty = false,
    }
end

-- The client's lane with this call's record, or nil if the call is none that is new.
local function quick_lane(value, number, oldest)
    local kept, from = "", 30
    if value then
        local known = quick_sub(value, 17, 29) + 0
        oldest = known > oldest and known or oldest
        while from <= #value do
            local each = quick_sub(value, from, from + 12) + 0
            local stop = from + 18 + quick_sub(value, from + 13, from + 18)
            if each == number then
                return nil
            elseif each >= oldest then
                kept = kept .. quick_sub(value, from, stop)
            end
            from = stop + 1
        end
    end
    return number >= oldest and quick_format("%013d%s%013d", oldest, kept, number) or nil
end

-- The arguments' limits, by number and by account and tag; and where the requests begin.
local function quick_limits(at, accounts)
    local limits, wanted = {}, {}
    for account = 1, accounts do
        wanted[account] = {}
    end
    local count = ARGV[at] + 0
    for i = 1, count do
        local row = at + QUICK_LIMIT * (i - 1)
        local account, tag = ARGV[row + 1] + 0, ARGV[row + 2]
        local p1, p2 = ARGV[row + 5] + 0, ARGV[row + 6] + 0
        local limit = {
            account = account,
            tag = tag,
            kind = string.byte(tag),
            capacity = ARGV[row + 3] + 0,
            p1 = p1,
            p2 = p2,
            rate = p2 * QUICK_UNIT / p1,
            lows = {},
            from = 0,
            next = 1,
            stop = 0,
            others = 0,
            at = 0,
            sum = 0,
            first = 0,
            t = 0,
            entry = "",
            changed = false,
        }
        limits[i], wanted[account][tag] = limit, limit
    end
    return limits, wanted, at + QUICK_LIMIT * count + 1
end

-- Decides a request as often as it stands there, from place on; false if it does not fit.
local function quick_row(charged, costs, now, place, times, reply)
    local count, n = #charged, #reply
    for k = 1, times do
        for i = 1, count do
            if costs[i] > 0 and not quick_charge(charged[i], now, costs[i], place + k) then
                return false
            end
        end
        reply[n + 1], reply[n + 2], reply[n + 3] = 1, 0, 0
        n = n + 3
        for i = 1, count do
            local left, reset = quick_status(charged[i], now)
            if not left then
                return false
            end
            reply[n + 1], reply[n + 2] = left, reset
            n = n + 2
        end
    end
    return true
end

-- Decides all rows of requests, from ARGV[at + 1] on, and appends their answers to reply.
-- Returns how many requests there are, or nil.
local function quick_decide(limits, now, at, rows, reply)
    local place = 0
    for _ = 1, rows do
        if ARGV[at + 6] ~= "1000" then
            return nil
        end
        local times, charges = ARGV[at + 1] + 0, ARGV[at + QUICK_REQUEST] + 0
        local charged, costs = {}, {}
        at = at + QUICK_REQUEST
        for i = 1, charges do
            local limit, cost = limits[ARGV[at + 1] + 0], ARGV[at + 2] + 0
            charged[i], costs[i] = limit, cost
            limit.field.dirty = limit.field.dirty or cost > 0
            at = at + QUICK_CHARGE
        end
        if not quick_row(charged, costs, now, place, times, reply) then
            return nil
        end
        place = place + times
    end
    return place
end

-- Writes the fields that changed, the lane and the expiry of the hash.
local function quick_save(fields, limits, now, lane, requests)
    local now_text, life = quick_format("%016.0f", now), 0
    for _, limit in ipairs(limits) do
        local field = limit.field
        if field.dirty then
            local _, reset = quick_status(limit, now)
            limit.stop = now + reset
            quick_section(limit, field.parts)
        end
        field.stop = limit.stop > field.stop and limit.stop or field.stop
    end
    local out, record = {}, now_text
    for _, field in ipairs(fields) do
        life = math.max(life, field.stop - now)
        if field.dirty then
            local seq, stop_low = field.seq, field.stop % QUICK_HALF
            field.parts[1] = quick_format(
                "%s%013d%s%s%07d%09d",
                field.epoch,
                seq,
                now_text,
                field.still,
                (field.stop - stop_low) / QUICK_HALF,
                stop_low
            )
            out[#out + 1] = field.name
            out[#out + 1] = table.concat(field.parts)
            if field.new and ARGV[6] ~= "" then
                out[#out + 1], out[#out + 2] = "n", ARGV[6]
            end
        end
        if lane then
            record = record
                .. quick_format(
                    "%s%013.0f%s",
                    field.epoch,
                    field.seq,
                    quick_sub(field.still, 1, 16)
                )
        end
    end
    if lane then
        record = record .. string.rep(QUICK_WENT, requests)
        out[#out + 1] = "l:" .. ARGV[1]
        out[#out + 1] = quick_format("%s%s%06d%s", now_text, lane, #record, record)
    end
    local ttl = quick_ceil(life / 1000) + QUICK_SLACK_MS
    local late = redis.call("PTTL", KEYS[1]) < ttl - QUICK_SLACK_MS / 2
    redis.call("HSET", KEYS[1], unpack(out))
    if late then
        redis.call("PEXPIRE", KEYS[1], quick_format("%.0f", ttl))
    end
end

-- Returns the reply, or nil.
local function quick()
    local at = QUICK_HEAD + 1
    local accounts, named = ARGV[at] + 0, ARGV[1] ~= ""
    if ARGV[QUICK_HEAD] ~= "0" then
        return nil
    end
    local names = { unpack(ARGV, at + 1, at + accounts) }
    names[accounts + 1] = named and "l:" .. ARGV[1] or nil
    local now, fields, reply = clock_now(ARGV[4]), {}, { 1 }
    reply[2] = now
    local values = redis.call("HMGET", KEYS[1], unpack(names))
    local limits, wanted, requests_at = quick_limits(at + accounts + 1, accounts)
    for i = 1, accounts do
        local field = values[i] and quick_field(names[i], values[i], now, wanted[i])
            or values[i] == false and quick_new(names[i], now)
        if not field then
            return nil
        end
        fields[i] = field
        local n = 4 * i - 1
        reply[n], reply[n + 1], reply[n + 2], reply[n + 3] = field.epoch, 0, field.shift, 0
    end
    for _, limit in ipairs(limits) do
        limit.field = fields[limit.account]
        if not quick_open(limit, now) then
            return nil
        end
    end
    local lane = named and quick_lane(values[accounts + 1], ARGV[2] + 0, ARGV[3] + 0)
    if lane == nil then
        return nil
    end
    local count = quick_decide(limits, now, requests_at, ARGV[requests_at] + 0, reply)
    if not count then
        return nil
    end
    local dirty = false
    for i, field in ipairs(fields) do
        if field.dirty then
            dirty, field.seq = true, field.seq + 1
            if field.seq % QUICK_PURGE == 0 then
                return nil
            end
        end
        reply[4 * i] = field.seq
    end
    for i, limit in ipairs(limits) do
        if limit.others ~= limit.capacity and limit.others > 0 then
            reply[#reply + 1] = i
            reply[#reply + 1] = limit.others
        end
    end
    if dirty then
        quick_save(fields, limits, now, lane, count)
    end
    return reply
end
