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

-- Reads a field's value: the head, and where the limits that are wanted stand in it; the
-- other live sections are kept as text. False if that is none of the simple cases.
local function quick_field(field, value, now)
    local still, stop = quick_sub(value, 50, 97), 0
    if quick_sub(value, 34, 49) + 0 > now then
        return false
    end
    if still ~= QUICK_STILL then
        local cool, tail = quick_sub(still, 17, 32) + 0, quick_sub(still, 33, 48) + 0
        if cool > now then
            return false
        end
        field.shift, field.still = quick_sub(still, 1, 16) + 0, still
        stop = cool > tail and cool or tail
    end
    local wanted, others, from, size = field.wanted, "", 114, #value
    while from <= size do
        local sizes = quick_sub(value, from, from + 7) + 0
        local ends = quick_sub(value, from + 37, from + 52) + 0
        local length = sizes % 1000000
        local body = from + 53 + (sizes - length) / 1000000
        local next_from = body + length
        if ends > now then
            local limit = wanted[quick_sub(value, from + 53, body - 1)]
            if limit then
                limit.from, limit.body, limit.next, limit.stop = from, body, next_from, ends
            else
                others = others .. quick_sub(value, from, next_from - 1)
                stop = ends > stop and ends or stop
            end
        end
        from = next_from
    end
    field.value, field.epoch, field.parts[2] = value, quick_sub(value, 1, 20), others
    field.seq, field.stop = quick_sub(value, 21, 33) + 0, stop
    return true
end

-- The client's lane without this call, or nil if the call is none that is new.
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
    return number >= oldest and quick_format("%013d", oldest) .. kept or nil
end

-- Decides all rows of requests, from ARGV[at + 1] on, and appends their answers to reply.
-- Returns how many requests there are, or nil.
local function quick_decide(limits, now, at, rows, reply)
    local place, n = 0, #reply
    for _ = 1, rows do
        if ARGV[at + 6] ~= "1000" then
            return nil
        end
        local times, charges = ARGV[at + 1] + 0, ARGV[at + QUICK_REQUEST] + 0
        local step = 3 + 2 * charges
        for k = n + 1, n + step * times do
            reply[k] = 0
        end
        for k = n + 1, n + step * times, step do
            reply[k] = 1
        end
        at = at + QUICK_REQUEST
        for i = n + 3, n + step - 2, 2 do
            local limit, cost = limits[ARGV[at + 1] + 0], ARGV[at + 2] + 0
            if cost > 0 then
                limit.field.dirty = true
                if not quick_charge(limit, now, cost, times, place) then
                    return nil
                end
            end
            if not quick_status(limit, now, cost, times, reply, i, step) then
                return nil
            end
            at = at + QUICK_CHARGE
        end
        place, n = place + times, n + step * times
    end
    return place
end

-- Writes the fields that changed, the lane and the expiry of the hash.
local function quick_save(fields, limits, now, lane, requests)
    local now_text, life = quick_moment(now), 0
    for i = 1, #limits do
        local limit = limits[i]
        local field, stop = limit.field, limit.stop
        if field.dirty then
            stop = now + limit.life
            local text = quick_moment(stop)
            field.n = quick_section(limit, text, field.parts, field.n)
            if stop >= field.stop then
                field.stop_text = text
            end
        end
        field.stop = stop > field.stop and stop or field.stop
    end
    local out, record = {}, now_text
    for i = 1, #fields do
        local field = fields[i]
        local seq, stop = quick_format("%013d", field.seq), field.stop
        life = stop - now > life and stop - now or life
        if field.dirty then
            local n = #out
            field.parts[1] = field.epoch
                .. seq
                .. now_text
                .. field.still
                .. (field.stop_text or quick_moment(stop))
            out[n + 1], out[n + 2] = field.name, table.concat(field.parts, "", 1, field.n)
            if not field.value and ARGV[6] ~= "" then
                out[n + 3], out[n + 4] = "n", ARGV[6]
            end
        end
        if lane then
            record = record .. field.epoch .. seq .. quick_sub(field.still, 1, 16)
        end
    end
    if lane then
        local n = #out
        local went = QUICK_WENT
        record = record .. (requests == 1 and went or string.rep(went, requests))
        out[n + 1] = "l:" .. ARGV[1]
        out[n + 2] = now_text .. lane .. quick_format("%013d%06d", ARGV[2], #record) .. record
    end
    local ttl = math.ceil(life / 1000) + QUICK_SLACK_MS
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
    if named then
        names[accounts + 1] = "l:" .. ARGV[1]
    end
    local now, fields, limits = clock_now(ARGV[4]), {}, {}
    local values = redis.call("HMGET", KEYS[1], unpack(names))
    local reply = { 1, now }
    for i = 1, accounts do
        fields[i] = {
            name = names[i],
            value = false,
            epoch = "",
            seq = 0,
            shift = 0,
            still = QUICK_STILL,
            wanted = {},
            parts = { "", "", "", "", "" },
            n = 2,
            stop = 0,
            stop_text = false,
            dirty = false,
        }
    end
    at = at + accounts + 1
    for i = 1, ARGV[at] + 0 do
        local tag, field = ARGV[at + 2], fields[ARGV[at + 1] + 0]
        local p1, p2 = ARGV[at + 5] + 0, ARGV[at + 6] + 0
        limits[i] = {
            field = field,
            tag = tag,
            kind = string.byte(tag),
            capacity = ARGV[at + 3] + 0,
            p1 = p1,
            p2 = p2,
            rate = p2 * QUICK_UNIT / p1,
            lows = false,
            from = 0,
            next = 1,
            stop = 0,
            life = false,
            others = 0,
            at = 0,
            sum = 0,
            first = 0,
            t = 0,
            entry = "",
            changed = false,
        }
        field.wanted[tag] = limits[i]
        at = at + QUICK_LIMIT
    end
    for i = 1, accounts do
        local field, value, n = fields[i], values[i], 4 * i - 1
        if not value then
            field.epoch = quick_format("%016.0f%04d", now, ARGV[5])
        elseif not quick_field(field, value, now) then
            return nil
        end
        reply[n], reply[n + 1], reply[n + 2], reply[n + 3] = field.epoch, 0, field.shift, 0
    end
    for i = 1, #limits do
        if not quick_open(limits[i], now) then
            return nil
        end
    end
    local lane = named and quick_lane(values[accounts + 1], ARGV[2] + 0, ARGV[3] + 0)
    if lane == nil then
        return nil
    end
    local count = quick_decide(limits, now, at + 1, ARGV[at + 1] + 0, reply)
    if not count then
        return nil
    end
    local dirty = false
    for i = 1, accounts do
        local field = fields[i]
        if field.dirty then
            dirty, field.seq = true, field.seq + 1
            if field.seq % QUICK_PURGE == 0 then
                return nil
            end
        end
        reply[4 * i] = field.seq
    end
    for i = 1, #limits do
        local others = limits[i].others
        if not limits[i].life then
            return nil
        end
        if others ~= limits[i].capacity and others > 0 then
            reply[#reply + 1], reply[#reply + 2] = i, others
        end
    end
    if dirty then
        quick_save(fields, limits, now, lane, count)
    end
    return reply
end
