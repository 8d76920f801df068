-- The 429s that processes met on an account: a fact among the others (lib/facts), so no
-- limit depends on it, and it goes when none came for a day:
--
--   count 13   since 16   last 16

local REFUSALS = "429s"
local REFUSALS_WIDTH = 45
local REFUSALS_LIFE = 86400000000

-- The names of the accounts' fields of facts, what each holds, and whose it is.
local function refusals_read(fields, now)
    local names, kept, owners = {}, {}, {}
    for _, field in ipairs(fields) do
        if string.sub(field.name, 1, 2) == "m:" then
            names[#names + 1] = "f:" .. string.sub(field.name, 3)
            owners[#names] = field
        end
    end
    local values = #names > 0 and redis.call("HMGET", KEYS[1], unpack(names))
    for i = 1, #names do
        kept[i] = facts_decode(values[i], now)
    end
    return names, kept, owners
end

local function refusals_count(facts, now)
    local count, since = 0, now
    for _, fact in ipairs(facts) do
        -- What another release may have put there is none.
        if fact.name == REFUSALS and #fact.value == REFUSALS_WIDTH then
            count = tonumber(string.sub(fact.value, 1, 13)) or 0
            since = tonumber(string.sub(fact.value, 14, 29)) or now
        end
    end
    -- The clock may have stepped back.
    since = math.min(since, now)
    local value = string.format("%013.0f%016.0f%016.0f", count + 1, since, now)
    facts_put(facts, REFUSALS, value, now + REFUSALS_LIFE)
end

-- Whether there were any.
local function refusals_forget(facts, now)
    if not facts_has(facts, REFUSALS) then
        return false
    end
    facts_put(facts, REFUSALS, "", now)
    return true
end
