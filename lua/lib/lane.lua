-- Idempotence: a call that is sent again, because its reply was lost, gets its answer and
-- changes nothing.
--
-- A lane is a field of the hash, of one client that numbers its calls on it; it keeps what
-- was answered to its last eight. The client lets no call be more than seven ahead of one
-- that is still unanswered, so a number that is not kept and not older than all that are
-- is new, in whatever order calls arrive:
--
--   last used 16    then, oldest first: number 13, length 6, record
--
-- The record of an acquire, from which its reply is made anew (the limits' standing is
-- that of today); a settlement's ends after the fields:
--
--   now 16    per field: epoch 20, seq 13, shift 16    per request: code 2, wait 16, why 4

local LANE_KEPT = 8

-- Opens what the client's head names; "" asks for no lane.
local function lane_open(head, value)
    local lane = { name = "l:" .. head.lane, number = tonumber(head.number), records = {} }
    local from = 17
    while value and from <= #value do
        local number = tonumber(string.sub(value, from, from + 12))
        local stop = from + 18 + tonumber(string.sub(value, from + 13, from + 18))
        lane.records[#lane.records + 1] = { number, string.sub(value, from + 19, stop) }
        from = stop + 1
    end
    return lane
end

-- What was answered to this call; or false: too long ago to know.
local function lane_recall(lane)
    local newest = 0
    for _, record in ipairs(lane.records) do
        if record[1] == lane.number then
            return record[2]
        end
        newest = math.max(newest, record[1])
    end
    if lane.number <= newest - LANE_KEPT then
        return false
    end
end

local function lane_encode(lane, now, answer)
    local kept = lane.records
    kept[#kept + 1] = { lane.number, answer }
    table.sort(kept, function(a, b)
        return a[1] < b[1]
    end)
    local parts = { string.format("%016.0f", now) }
    for i = math.max(1, #kept - LANE_KEPT + 1), #kept do
        parts[#parts + 1] = string.format("%013.0f%06.0f", kept[i][1], #kept[i][2])
        parts[#parts + 1] = kept[i][2]
    end
    return table.concat(parts)
end

-- The record of a script's answers, whose requests' outcomes are rows {code, wait, why}.
local function lane_record(scope, outcomes)
    local parts = { string.format("%016.0f", scope.now) }
    for _, field in ipairs(scope.fields) do
        local seq = field.seq + (field.dirty and 1 or 0)
        parts[#parts + 1] = string.format("%s%013.0f%016.0f", field.epoch, seq, field.shift)
    end
    for _, outcome in ipairs(outcomes) do
        parts[#parts + 1] = string.format("%2.0f%016.0f%4.0f", unpack(outcome))
    end
    return table.concat(parts)
end
