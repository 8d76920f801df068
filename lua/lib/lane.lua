-- Idempotence: a call that is sent again, because its reply was lost, gets its answer and
-- changes nothing.
--
-- A lane is a field of the hash, of one client that numbers its calls on it and says with
-- each which is the oldest that it still wants to hear of. Answers from that one on are
-- kept; a number below it was answered, and comes too late; any other is new, in whatever
-- order calls arrive:
--
--   last used 16    oldest 13    records: number 13, length 6, record
--
-- The record of an acquire, from which its reply is made anew (the limits' standing is
-- that of today); a settlement's ends after the fields:
--
--   now 16    per field: epoch 20, seq 13, shift 16    per request: code 2, wait 16, why 4

-- Opens what the client's head names; "" asks for no lane.
local function lane_open(head, value)
    local oldest = tonumber(head.oldest)
    local lane = { name = "l:" .. head.lane, number = tonumber(head.number), records = {} }
    lane.oldest = math.max(oldest, value and tonumber(string.sub(value, 17, 29)) or 0)
    local from = 30
    while value and from <= #value do
        local number = tonumber(string.sub(value, from, from + 12))
        local stop = from + 18 + tonumber(string.sub(value, from + 13, from + 18))
        if number == lane.number then
            lane.found = string.sub(value, from + 19, stop)
        end
        if number >= lane.oldest then
            lane.records[#lane.records + 1] = string.sub(value, from, stop)
        end
        from = stop + 1
    end
    return lane
end

-- What was answered to this call; or false: it was answered before, and comes too late.
local function lane_recall(lane)
    if lane.number < lane.oldest then
        return false
    end
    return lane.found
end

local function lane_encode(lane, now, answer)
    return string.format("%016.0f%013.0f", now, lane.oldest)
        .. table.concat(lane.records)
        .. string.format("%013.0f%06.0f", lane.number, #answer)
        .. answer
end

-- The record of a script's answers, whose requests' outcomes are rows {code, wait, why}.
local function lane_record(scope, outcomes)
    local parts = { string.format("%016.0f", scope.now) }
    for _, field in ipairs(scope.fields) do
        parts[#parts + 1] = string.format("%s%013.0f%016.0f", field.epoch, field.seq, field.shift)
    end
    for _, outcome in ipairs(outcomes) do
        parts[#parts + 1] = string.format("%2.0f%016.0f%4.0f", unpack(outcome))
    end
    return table.concat(parts)
end
