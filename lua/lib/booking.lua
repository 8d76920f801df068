-- One request: book at the act time. Each limit yields the earliest moment at which the
-- cost fits; the act is the latest of these, and every limit is charged at the act, not
-- at now. (Charging now and sleeping would let the limits that do not bind be overrun.)

-- Turns to ask again are given out no further ahead of the queue than this: whoever had
-- one may have gone for good.
local BOOKING_TURNS = 10000000

-- Answers: booked; not booked; come back when told; never.
local BOOKING_YES, BOOKING_NO, BOOKING_LATER, BOOKING_NEVER = 1, 0, 2, -1

-- What this request may fill of a limit: a part of it, but always its own cost if it is
-- alone.
local function booking_part(request, charge, limit)
    return math.max(charge.cost, math.floor(limit.capacity * request.part / 1000))
end

local function booking_earliest(scope, request, charge, moment)
    local limit = scope.limits[charge.index]
    return limit.kind.earliest(limit, moment, charge.cost, booking_part(request, charge, limit))
end

-- A calendar is not monotone and a lease is decided now: they only hold others up.
local function booking_holds(limit)
    return limit.kind == calendar or limit.kind == lease
end

local function booking_fits(scope, request)
    local act, why = scope.now, 0
    for _, charge in ipairs(request.charges) do
        local limit = scope.limits[charge.index]
        if charge.cost > limit.capacity then
            return nil, charge.index
        end
        if charge.cost > 0 and not booking_holds(limit) then
            local moment = booking_earliest(scope, request, charge, scope.now)
            if moment > act then
                act, why = moment, charge.index
            end
        end
    end
    return act, why
end

-- A wait that only a calendar, a cool-down or a concurrency limit demands is never
-- booked: a booking for tomorrow would count in today's windows and block everybody. The
-- moment is a hint.
local function booking_hold(scope, request, act, why)
    local moment, cool = act, scope.fields[request.own].cool
    if cool > moment then
        moment, why = cool, -1
    end
    repeat
        local before = moment
        for _, charge in ipairs(request.charges) do
            if charge.cost > 0 and booking_holds(scope.limits[charge.index]) then
                local later = booking_earliest(scope, request, charge, moment)
                if later > moment then
                    moment, why = later, charge.index
                end
            end
        end
    until moment == before
    return moment, why
end

-- Whether the booking must be for now: a lease begins when it is given.
local function booking_only_now(scope, request)
    for _, charge in ipairs(request.charges) do
        if charge.cost > 0 and scope.limits[charge.index].kind == lease then
            return true
        end
    end
    return false
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

-- us that the binding limit takes to admit the cost.
local function booking_service(scope, request, why)
    for _, charge in ipairs(request.charges) do
        if charge.index == why then
            local limit = scope.limits[why]
            local per_unit = limit.kind == bucket and limit.p1 / limit.p2
                or limit.p1 / limit.capacity
            return math.ceil(charge.cost * per_unit)
        end
    end
    return 0
end

-- Too far ahead to book: the moment to ask again, one turn for each who asks, so that
-- many processes do not ask all at once for the one booking that has become possible.
local function booking_turn(scope, request, act, why)
    local field, service = scope.limits[why].field, booking_service(scope, request, why)
    local due = act - request.horizon - service
    if due <= scope.now then
        return nil
    end
    if request.again == 1 and due - scope.now <= service then
        return due
    end
    local turn = math.min(math.max(due, field.tail), due + BOOKING_TURNS)
    field.tail = turn + service + scope.limits[why].grace
    field.dirty = true
    return turn
end

local function booking_charge(scope, request, act, place)
    for _, charge in ipairs(request.charges) do
        local limit = scope.limits[charge.index]
        if charge.cost > 0 then
            local moment = act
            if not booking_holds(limit) then
                local late = act > scope.now and math.max(limit.grace, request.span) or 0
                moment = act + scope.guard + late
            end
            limit.kind.book(limit, moment, charge.cost, scope_stamp(limit.field, place))
            limit.field.dirty = true
        end
    end
end

-- Returns code, act, why.
local function booking_wait(scope, request, act, why, place)
    if act > scope.now then
        if booking_only_now(scope, request) or act - scope.now > request.max_wait then
            return BOOKING_NO, act, why
        end
        local turn = request.horizon >= 0 and booking_turn(scope, request, act, why)
        if turn then
            return BOOKING_LATER, turn, why
        end
        local free, limit = booking_full(scope, request, act)
        if free then
            return BOOKING_NO, free, limit
        end
    end
    booking_charge(scope, request, act, place)
    return BOOKING_YES, act, why
end

-- Decides the request that is `place`th of the script; appends code, wait, why and the
-- limits' standing to answers, and the first three as a row to outcomes.
local function booking_decide(scope, request, place, answers, outcomes)
    for _, charge in ipairs(request.charges) do
        charge.index, charge.cost = tonumber(charge.limit), tonumber(charge.cost)
    end
    local code, act, why = BOOKING_NO, booking_fits(scope, request)
    if not act then
        code, act = BOOKING_NEVER, scope.now
    else
        local moment, reason = booking_hold(scope, request, act, why)
        if moment > act then
            act, why = moment, reason
        else
            code, act, why = booking_wait(scope, request, act, why, place)
        end
    end
    local outcome = { code, math.min(SCOPE_MOST, act - scope.now), why }
    outcomes[#outcomes + 1] = outcome
    for _, value in ipairs(outcome) do
        answers[#answers + 1] = value
    end
    for _, charge in ipairs(request.charges) do
        scope_status(scope, scope.limits[charge.index], answers)
    end
end
