-- Concurrency: so many calls at a time. Each holds a lease; who crashes holds it until it
-- ends, who takes longer renews it, who is done releases it.
--
-- Holders are counted by the end of their lease, rounded up to a slot:
--
--   ordered by end: end 16, holders 13
--
-- Ends are of a clock that never steps back: the server's, plus all by which it did (the
-- field's shift), so that an end names its slot for ever. A slot goes when it ends, and
-- no later booking can end in it; so a late release finds nothing to release.
--
-- limit.p1 lease, us    limit.p2 slot, us

local lease = {}

local LEASE_ENTRY = 29

function lease.open(limit, now)
    local section = limit.section
    local virtual = now + limit.field.shift
    section.at, section.ends, section.held, section.busy = 0, {}, {}, 0
    for from = 1, #(section.body or ""), LEASE_ENTRY do
        local stop = tonumber(string.sub(section.body, from, from + 15))
        if stop > virtual then
            local held = tonumber(string.sub(section.body, from + 16, from + 28))
            section.ends[#section.ends + 1], section.held[#section.held + 1] = stop, held
            section.busy = section.busy + held
        end
    end
end

local function lease_write(section)
    local parts = {}
    for i, stop in ipairs(section.ends) do
        parts[i] = string.format("%016.0f%013.0f", stop, section.held[i])
    end
    section.body = table.concat(parts)
end

-- The moment at which it surely fits; a release may come sooner.
function lease.earliest(limit, now, cost, capacity)
    local section = limit.section
    local busy, i, moment = section.busy, 0, now
    while busy + cost > capacity and i < #section.ends do
        i = i + 1
        busy = busy - section.held[i]
        moment = section.ends[i] - limit.field.shift
    end
    return moment
end

-- Change the holders whose lease ends at `stop` by `change`; false if there are none.
local function lease_change(section, stop, change)
    local i = 1
    while i <= #section.ends and section.ends[i] < stop do
        i = i + 1
    end
    if section.ends[i] ~= stop then
        if change < 0 then
            return false
        end
        table.insert(section.ends, i, stop)
        table.insert(section.held, i, 0)
    end
    section.held[i] = section.held[i] + change
    section.busy = section.busy + change
    if section.held[i] <= 0 then
        table.remove(section.ends, i)
        table.remove(section.held, i)
    end
    lease_write(section)
    return true
end

-- When a lease that begins now ends.
local function lease_end(limit, now)
    return math.ceil((now + limit.field.shift + limit.p1) / limit.p2) * limit.p2
end

function lease.book(limit, now, cost)
    lease_change(limit.section, lease_end(limit, now), cost)
end

-- A release, named by the end of its lease.
function lease.settle(limit, _, stop, change)
    lease_change(limit.section, stop, change)
end

-- A holder goes on holding: the new end, or 0 if its lease had ended and all is taken.
function lease.renew(limit, now, stop)
    local section = limit.section
    if not lease_change(section, stop, -1) and section.busy + 1 > limit.capacity then
        return 0
    end
    local later = lease_end(limit, now)
    lease_change(section, later, 1)
    return later
end

function lease.remaining(limit)
    return math.max(0, limit.capacity - limit.section.busy)
end

-- us until as if never used, if nobody releases.
function lease.reset(limit, now)
    local last = limit.section.ends[#limit.section.ends]
    return last and last - limit.field.shift - now or 0
end
