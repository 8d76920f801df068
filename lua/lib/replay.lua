-- The reply to a call sent again: { 2, us since it was decided, the reply of then }, or
-- { 3, now } if that was too long ago to know; nil if the call is new.
local function replay(scope, requests)
    local record = scope.lane and lane_recall(scope.lane)
    if record == false then
        return { 3, scope.now }
    elseif not record then
        return nil
    end
    local decided = tonumber(string.sub(record, 1, 16))
    local reply = { 2, scope.now - decided, 1, decided }
    local from = 17
    for _, field in ipairs(scope.fields) do
        reply[#reply + 1] = string.sub(record, from, from + 19)
        reply[#reply + 1] = tonumber(string.sub(record, from + 20, from + 32))
        reply[#reply + 1] = tonumber(string.sub(record, from + 33, from + 48))
        reply[#reply + 1] = math.max(0, field.cool - scope.now)
        from = from + 49
    end
    for _, request in ipairs(requests) do
        for _, width in ipairs({ 2, 16, 4 }) do
            reply[#reply + 1] = tonumber(string.sub(record, from, from + width - 1))
            from = from + width
        end
        for _, charge in ipairs(request.charges or {}) do
            scope_status(scope, scope.limits[tonumber(charge.limit)], reply)
        end
    end
    return reply
end
