-- Facts are what processes tell each other of an account: no limit depends on them. A
-- field of them, in fixed-width decimals:
--
--   until 16    then per fact: until 16, name length 2, value length 4, name, value

local FACTS_HEAD = 16
local FACTS_SLACK_MS = 1000

local function facts_decode(text, now)
    local facts, from = {}, FACTS_HEAD + 1
    while text and from <= #text do
        local stop = tonumber(string.sub(text, from, from + 15))
        local name_end = from + 21 + tonumber(string.sub(text, from + 16, from + 17))
        local value_end = name_end + tonumber(string.sub(text, from + 18, from + 21))
        if stop > now then
            facts[#facts + 1] = {
                name = string.sub(text, from + 22, name_end),
                value = string.sub(text, name_end + 1, value_end),
                stop = stop,
            }
        end
        from = value_end + 1
    end
    return facts
end

local function facts_has(facts, name)
    for _, fact in ipairs(facts) do
        if fact.name == name then
            return true
        end
    end
    return false
end

-- One that holds no longer than until `now` is left out by whoever reads it next.
local function facts_put(facts, name, value, stop)
    for i = #facts, 1, -1 do
        if facts[i].name == name then
            table.remove(facts, i)
        end
    end
    facts[#facts + 1] = { name = name, value = value, stop = stop }
end

local function facts_until(facts)
    local stop = 0
    for _, fact in ipairs(facts) do
        stop = math.max(stop, fact.stop)
    end
    return stop
end

local function facts_encode(facts)
    local parts = { string.format("%016.0f", facts_until(facts)) }
    for _, fact in ipairs(facts) do
        parts[#parts + 1] = string.format("%016.0f%02d%04d", fact.stop, #fact.name, #fact.value)
        parts[#parts + 1] = fact.name
        parts[#parts + 1] = fact.value
    end
    return table.concat(parts)
end

-- How many facts there are, then (name, value, us left) of each.
local function facts_tell(facts, now, reply)
    reply[#reply + 1] = #facts
    for _, fact in ipairs(facts) do
        reply[#reply + 1] = fact.name
        reply[#reply + 1] = fact.value
        reply[#reply + 1] = fact.stop - now
    end
end

-- The expiry of the hash only ever moves later.
local function facts_save(names, kept, now)
    local pairs_out, latest = {}, now
    for i, facts in ipairs(kept) do
        pairs_out[#pairs_out + 1] = names[i]
        pairs_out[#pairs_out + 1] = facts_encode(facts)
        latest = math.max(latest, facts_until(facts))
    end
    local ttl = math.ceil((latest - now) / 1000) + FACTS_SLACK_MS
    local late = redis.call("PTTL", KEYS[1]) < ttl
    redis.call("HSET", KEYS[1], unpack(pairs_out))
    if late then
        redis.call("PEXPIRE", KEYS[1], string.format("%.0f", ttl))
    end
end
