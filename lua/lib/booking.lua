-- One request: book at the act time. Each limit yields the earliest moment at which the
-- cost fits; the act is the latest of these, and every limit is charged at the act, not
-- at now. (Charging now and sleeping would let the limits that do not bind be overrun.)

local function booking_fits(scope, request)
    local act, why = scope.now, 0
    for _, charge in ipairs(request.charges) do
        local limit = scope.limits[charge.index]
        if charge.cost > limit.capacity then
            return nil, charge.index
        end
        if charge.cost > 0 and limit.kind ~= calendar then
            local moment = limit.kind.earliest(limit, scope.now, charge.cost)
            if moment > act then
                act, why = moment, charge.index
            end
        end
    end
    return act, why
end

-- A wait that only a calendar or a cool-down demands is never booked: a booking for
-- tomorrow would count in today's windows and block everybody. The moment is a hint.
local function booking_hold(scope, request, act, why)
    local moment, cool = act, scope.fields[request.own].cool
    if cool > moment then
        moment, why = cool, -1
    end
    repeat
        local before = moment
        for _, charge in ipairs(request.charges) do
            local limit = scope.limits[charge.index]
            if charge.cost > 0 and limit.kind == calendar then
                local later = limit.kind.earliest(limit, moment, charge.cost)
                if later > moment then
                    why = charge.index
                end
                moment = later
            end
        end
    until moment == before
    return moment, why
end

-- What a limit's memory cannot hold so far ahead: the moment to ask again, if any.
local function booking_full(scope, request, act)
    for _, charge in ipairs(request.charges) do
        local limit = scope.limits[charge.index]
        local moment = charge.cost > 0 and limit.kind.full(limit, act, charge.cost)
        if moment then
            return moment, charge.index
        end
    end
end

local function booking_charge(scope, request, act, guard)
    for _, charge in ipairs(request.charges) do
        local limit = scope.limits[charge.index]
        if charge.cost > 0 then
            local moment = act
            if limit.kind ~= calendar then
                moment = act + guard + (act > scope.now and limit.grace or 0)
            end
            limit.kind.book(limit, moment, charge.cost)
            limit.field.dirty = true
        end
    end
end

-- Appends code, wait, why and the limits' standing to answers.
local function booking_decide(scope, request, guard, answers)
    for _, charge in ipairs(request.charges) do
        charge.index, charge.cost = tonumber(charge.limit), tonumber(charge.cost)
    end
    local code, act, why = 0, booking_fits(scope, request)
    if not act then
        code, act = -1, scope.now
    else
        local moment, reason = booking_hold(scope, request, act, why)
        if moment > act then
            act, why = moment, reason
        elseif act - scope.now <= request.max_wait then
            local free, limit
            if act > scope.now then
                free, limit = booking_full(scope, request, act)
            end
            if free then
                act, why = free, limit
            else
                code = 1
                booking_charge(scope, request, act, guard)
            end
        end
    end
    answers[#answers + 1] = code
    answers[#answers + 1] = math.min(SCOPE_MOST, act - scope.now)
    answers[#answers + 1] = why
    for _, charge in ipairs(request.charges) do
        scope_status(scope, scope.limits[charge.index], answers)
    end
end
