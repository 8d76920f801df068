-- The scope: one hash per API key (or named quota), all its accounts and limits opened
-- for this script. Everything is read and decided first and written last: an error
-- before the write changes nothing, and none can follow it but the expiry's.

local SCOPE_KINDS = { w = window, b = bucket, d = calendar, c = lease }

-- Rounding a TTL up, and a client's clock that a test drives, both want some slack.
local SCOPE_SLACK_MS = 1000

-- What a server takes for a TTL, and what survives the way from a number of Lua's to an
-- integer: the debt of a bucket may take longer than that to drain.
local SCOPE_MOST = 1000000000000000

-- Every so many writes of a field, what is idle in the hash goes.
local SCOPE_PURGE = 64

-- A lane that was silent for so long belongs to nobody: no client sends again so late.
local SCOPE_LANE_LIFE = 600000000

local function scope_open(now, head)
    local scope = { now = now, fields = {}, limits = {} }
    local names = args_rows({ "field" })
    for i = 1, #names do
        names[i] = names[i].field
    end
    local count = #names
    if head.lane and head.lane ~= "" then
        names[count + 1] = "l:" .. head.lane
    end
    local values = redis.call("HMGET", KEYS[1], unpack(names))
    for i = 1, count do
        local field = field_decode(names[i], values[i], now, head.nonce or 0)
        field_follow_clock(field)
        scope.fields[i] = field
    end
    if #names > count then
        scope.lane = lane_open(head, values[count + 1])
    end
    return scope
end

local function scope_limits(scope)
    local rows = args_rows({ "account", "tag", "capacity", "grace", "p1", "p2", "p3" })
    for i, limit in ipairs(rows) do
        limit.kind = SCOPE_KINDS[string.sub(limit.tag, 1, 1)]
        limit.capacity, limit.grace = tonumber(limit.capacity), tonumber(limit.grace)
        limit.p1, limit.p2, limit.p3 = tonumber(limit.p1), tonumber(limit.p2), tonumber(limit.p3)
        if limit.kind == calendar and not calendar.agrees(limit, scope.now) then
            scope.other_day = true
        end
        limit.field = scope.fields[tonumber(limit.account)]
        limit.section = field_section(limit.field, limit.tag)
        limit.others = limit.section.capacity
        limit.kind.open(limit, scope.now)
        scope.limits[i] = limit
    end
end

-- Names this booking among those of its field: seq of the write, place in the script.
local function scope_stamp(field, place)
    return (field.seq + 1) * 1000 + place
end

local function scope_encode(scope)
    for _, limit in ipairs(scope.limits) do
        if limit.field.dirty then
            local life = math.min(SCOPE_MOST, limit.kind.reset(limit, scope.now))
            limit.section.capacity = limit.capacity
            limit.section.stop = scope.now + life
        end
    end
    local pairs_out = {}
    for _, field in ipairs(scope.fields) do
        if field.dirty then
            field.seq = field.seq + 1
            field.last = math.max(field.last, scope.now)
            pairs_out[#pairs_out + 1] = field.name
            pairs_out[#pairs_out + 1] = field_encode(field)
            scope.purge = scope.purge or field.seq % SCOPE_PURGE == 0
        end
    end
    return pairs_out
end

local function scope_idle(scope, name, value)
    local kind = string.sub(name, 1, 2)
    if kind == "l:" then
        return tonumber(string.sub(value, 1, 16)) + SCOPE_LANE_LIFE < scope.now
    end
    if kind == "f" or kind == "f:" then
        return tonumber(string.sub(value, 1, 16)) < scope.now -- facts (lib/facts)
    end
    return (kind == "m:" or kind == "s") and field_number(value, 98, 16) < scope.now
end

local function scope_purge(scope)
    local all, idle = redis.call("HGETALL", KEYS[1]), {}
    for i = 1, #all, 2 do
        if #idle < 1000 and scope_idle(scope, all[i], all[i + 1]) then
            idle[#idle + 1] = all[i]
        end
    end
    if #idle > 0 then
        redis.call("HDEL", KEYS[1], unpack(idle))
    end
end

-- Write what changed; the lane, if any, keeps a record of the outcomes. The expiry of the
-- hash only ever moves later: fields and limits that this client does not know may need
-- it.
local function scope_save(scope, display, outcomes)
    local life = 0
    local pairs_out = scope_encode(scope)
    if #pairs_out == 0 then
        return
    end
    for _, field in ipairs(scope.fields) do
        life = math.max(life, field_until(field) - scope.now)
        if field.dirty and field.absent and display ~= "" then
            pairs_out[#pairs_out + 1] = "n"
            pairs_out[#pairs_out + 1] = display
        end
    end
    if scope.lane and outcomes then
        pairs_out[#pairs_out + 1] = scope.lane.name
        pairs_out[#pairs_out + 1] = lane_encode(scope.lane, scope.now, lane_record(scope, outcomes))
    end
    local ttl = math.ceil(life / 1000) + SCOPE_SLACK_MS
    local late = redis.call("PTTL", KEYS[1]) < ttl - SCOPE_SLACK_MS / 2
    redis.call("HSET", KEYS[1], unpack(pairs_out))
    if late then
        redis.call("PEXPIRE", KEYS[1], string.format("%.0f", ttl))
    end
    if scope.purge then
        scope_purge(scope)
    end
end

local function scope_report(scope, reply)
    for _, field in ipairs(scope.fields) do
        reply[#reply + 1] = field.epoch
        reply[#reply + 1] = field.seq
        reply[#reply + 1] = field.shift
        reply[#reply + 1] = math.max(0, field.cool - scope.now)
    end
end

local function scope_status(scope, limit, reply)
    reply[#reply + 1] = limit.kind.remaining(limit, scope.now)
    reply[#reply + 1] = math.min(SCOPE_MOST, limit.kind.reset(limit, scope.now))
end

-- Limits whose capacity was another when somebody last wrote them: which, and what.
local function scope_disagreements(scope, reply)
    for i, limit in ipairs(scope.limits) do
        if limit.others ~= limit.capacity and limit.others > 0 then
            reply[#reply + 1] = i
            reply[#reply + 1] = limit.others
        end
    end
end

-- Limits of which a part is booked ahead, for whoever has to remember how they stood.
local function scope_ahead(scope, reply)
    for i, limit in ipairs(scope.limits) do
        if limit.kind.ahead then
            local ahead, acted, rest = limit.kind.ahead(limit, scope.now)
            if ahead then
                for k, value in ipairs({ ahead, acted, rest }) do
                    reply[#reply + 1] = -3 * i + 1 - k
                    reply[#reply + 1] = value
                end
            end
        end
    end
end
