-- The scope: one hash per API key (or named quota), all its accounts and limits opened
-- for this script. Everything is read and decided first and written last: an error
-- before the write changes nothing, and none can follow it but the expiry's.

local SCOPE_KINDS = { w = window, b = bucket, d = calendar }

-- Rounding a TTL up, and a client's clock that a test drives, both want some slack.
local SCOPE_SLACK_MS = 1000

-- What a server takes for a TTL, and what survives the way from a number of Lua's to an
-- integer: the debt of a bucket may take longer than that to drain.
local SCOPE_MOST = 1000000000000000

local function scope_open(now, nonce)
    local scope = { now = now, fields = {}, limits = {} }
    local names = args_rows({ "field" })
    for i = 1, #names do
        names[i] = names[i].field
    end
    local values = redis.call("HMGET", KEYS[1], unpack(names))
    for i = 1, #names do
        local field = field_decode(names[i], values[i], now, nonce)
        field_follow_clock(field)
        scope.fields[i] = field
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
        limit.kind.open(limit, scope.now)
        scope.limits[i] = limit
    end
end

-- us until everything known of the scope is as if never used.
local function scope_life(scope)
    local life = 0
    for _, limit in ipairs(scope.limits) do
        life = math.max(life, limit.kind.reset(limit, scope.now))
    end
    for _, field in ipairs(scope.fields) do
        life = math.max(life, field.cool - scope.now)
    end
    return life
end

-- Write what changed. The expiry of the hash only ever moves later: fields and limits
-- that this client does not know may need it.
local function scope_save(scope, display)
    local pairs_out = {}
    for _, field in ipairs(scope.fields) do
        if field.dirty then
            field.seq = field.seq + 1
            field.last = math.max(field.last, scope.now)
            pairs_out[#pairs_out + 1] = field.name
            pairs_out[#pairs_out + 1] = field_encode(field)
            if field.absent and display ~= "" then
                pairs_out[#pairs_out + 1] = "n"
                pairs_out[#pairs_out + 1] = display
            end
        end
    end
    if #pairs_out == 0 then
        return
    end
    local ttl = math.min(SCOPE_MOST, math.ceil(scope_life(scope) / 1000)) + SCOPE_SLACK_MS
    local late = redis.call("PTTL", KEYS[1]) < ttl
    redis.call("HSET", KEYS[1], unpack(pairs_out))
    if late then
        redis.call("PEXPIRE", KEYS[1], string.format("%.0f", ttl))
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
