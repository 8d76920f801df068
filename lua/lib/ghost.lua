-- What a lost life of a field had booked, as a surviving client remembers it: a ghost per
-- limit, booked into the live state as if somebody had done so now. The field keeps a
-- list of what it was told, so that of several clients who remember one life the one who
-- saw it last counts, and nobody counts twice:
--
--   per ghost: epoch 20, tag length 2, seq 13, units 13, moment - at 16, ahead 13,
--              last - at 16, until - at 16, tag
--
-- epoch, seq  the life that was lost, and how much of it the client had seen
-- moment      window: latest act    bucket: when the debt is paid    calendar: end of the
--             period    concurrency: latest end of a lease
-- ahead, last window: units whose moment had not come, and the latest    else 0
-- until       from then on the ghost holds nothing
--
-- A ghost without a tag closes its life: that was reset, and is not to come back.
--
-- Ghosts that end together hold no more than the capacity, and each ends with what it is
-- the ghost of: a loss costs one window at most.

local GHOST_TAG = "g"
local GHOST_CLOSED = 9999999999999
local GHOST_HEAD = 109

-- Moments may lie as far back as the longest window is long.
local GHOST_BACK = 3000000000000

-- More are only there if the store loses its data again and again within one window. A
-- ghost that is forgotten goes on holding what it holds, and may be told again.
local GHOST_MOST = 64

local function ghost_list(field)
    local section = field_section(field, GHOST_TAG)
    if section.ghosts then
        return section
    end
    section.ghosts = {}
    local body, from = section.body or "", 1
    while from <= #body do
        local stop = from + GHOST_HEAD + field_number(body, from + 20, 2)
        local ghost = {
            epoch = string.sub(body, from, from + 19),
            seq = field_number(body, from + 22, 13),
            units = field_number(body, from + 35, 13),
            moment = section.at + field_number(body, from + 48, 16),
            ahead = field_number(body, from + 64, 13),
            last = section.at + field_number(body, from + 77, 16),
            stop = section.at + field_number(body, from + 93, 16),
            tag = string.sub(body, from + GHOST_HEAD, stop - 1),
        }
        if ghost.stop > field.now then
            section.ghosts[#section.ghosts + 1] = ghost
        end
        from = stop
    end
    return section
end

local function ghost_write(field, section)
    while #section.ghosts > GHOST_MOST do
        table.remove(section.ghosts, 1)
    end
    section.at, section.stop = field.now - GHOST_BACK, 0
    local parts = {}
    for i, ghost in ipairs(section.ghosts) do
        parts[i] = string.format(
            "%s%02.0f%013.0f%013.0f%016.0f%013.0f%016.0f%016.0f%s",
            ghost.epoch,
            #ghost.tag,
            ghost.seq,
            ghost.units,
            math.max(0, ghost.moment - section.at),
            ghost.ahead or 0,
            math.max(0, (ghost.last or 0) - section.at),
            ghost.stop - section.at,
            ghost.tag
        )
        section.stop = math.max(section.stop, ghost.stop)
    end
    section.body = table.concat(parts)
    field.dirty = true
end

local function ghost_find(section, epoch, tag)
    for _, ghost in ipairs(section.ghosts) do
        if ghost.epoch == epoch and (ghost.tag == tag or ghost.tag == "") then
            return ghost
        end
    end
end

-- What a kind has to take in of `want` = { units, rest, ahead, last }. `old` is what it
-- was told of the same life before, `others` are the ghosts of other lives. It returns
-- units, moment, until; a window ahead and last, too.
local GHOST_KINDS = {}

-- Capacities that the ghosts of a window may hold in all: its sums have so many digits.
local GHOST_SUMS = 5

-- What others leave of a capacity to one that ends at `moment`: those that end before it
-- make no room for each other.
local function ghost_room(limit, others, moment)
    local room, all = limit.capacity, GHOST_SUMS * limit.capacity
    for _, ghost in ipairs(others) do
        local ahead = ghost.ahead or 0
        all = all - ghost.units - ahead
        if ghost.moment >= moment then
            room = room - ghost.units
        end
        if ahead > 0 and ghost.last >= moment then
            room = room - ahead
        end
    end
    return math.max(0, math.min(room, all))
end

local function ghost_act(limit, others, moment, units)
    units = math.min(units, ghost_room(limit, others, moment))
    if units > 0 then
        window.book(limit, moment, units)
    end
    return units
end

-- What had acted all at its latest act, where it leaves the window last, and so what was
-- ahead. Whoever saw more of a life saw all of it: that takes the place of the old.
function GHOST_KINDS.w(limit, now, want, old, others)
    if old then
        window.settle(limit, now, old.moment, -old.units)
        window.settle(limit, now, old.last, -old.ahead)
    end
    local moment, last = now + want.rest - limit.p1, now + want.last - limit.p1
    local units = ghost_act(limit, others, moment, want.units)
    local ahead = ghost_act(limit, others, last, want.ahead)
    return units, moment, math.max(moment, last) + limit.p1, ahead, last
end

-- A debt that will be paid when it would have been.
function GHOST_KINDS.b(limit, now, want, old, others, stamp)
    local per_unit = limit.p1 / limit.p2
    local paid, held = now + want.rest, old and old.units or 0
    local since = old and old.moment or now
    local room, latest = limit.capacity - held, since
    for _, ghost in ipairs(others) do
        local left = math.ceil((ghost.moment - now) / per_unit)
        room = room - math.min(ghost.units, left)
        latest = math.max(latest, ghost.moment)
    end
    -- Beyond the capacity only what the others do not cover: turns booked far ahead.
    room = math.max(0, room, math.ceil((paid - latest) / per_unit))
    local more = math.min(room, limit.capacity, math.ceil((paid - since) / per_unit))
    if more > 0 then
        local due = math.ceil(paid - (more + held) * per_unit)
        bucket.book(limit, math.max(now, due), more, stamp)
    end
    paid = math.max(paid, since)
    return held + math.max(0, more), paid, paid
end

function GHOST_KINDS.d(limit, now, want, old, others)
    local section = limit.section
    local held = old and old.moment == section.finish and old.units or 0
    -- A period that ended while the client remembered it is over.
    local ended = now + want.rest < section.finish - 3600000000
    local units = ended and held or math.max(held, want.units)
    units = math.max(held, math.min(units, ghost_room(limit, others, section.finish)))
    section.next_count = math.max(section.next_count, want.ahead)
    calendar.settle(limit, now, now, units - held)
    local stop = section.next_count > 0 and section.next_stop or section.finish
    return units, section.finish, stop
end

-- Holders that nobody can release: their places come back when the latest lease ends.
function GHOST_KINDS.c(limit, now, want, old, others)
    local shift = limit.field.shift
    local units, moment = want.units, now + want.rest
    if old then
        lease_change(limit.section, old.moment + shift, -old.units)
        moment, units = math.max(moment, old.moment), math.max(units, old.units)
    end
    units = math.min(units, ghost_room(limit, others, moment))
    local stop = math.ceil((moment + shift) / limit.p2) * limit.p2
    lease_change(limit.section, stop, units)
    return units, stop - shift, stop - shift
end

-- Take in what a client remembers of one limit; returns how many units are new, or nil
-- if the field knew as much. A life with seq 0 is one that nobody remembers: it counts
-- where nobody does.
local function ghost_adopt(limit, life, want, stamp)
    local field = limit.field
    local section, now = ghost_list(field), field.now
    local old = ghost_find(section, life.epoch, limit.tag)
    if old and old.seq >= life.seq then
        return nil
    end
    local others = {}
    for _, ghost in ipairs(section.ghosts) do
        if life.seq == 0 and ghost.epoch ~= life.epoch then
            return nil
        elseif ghost.tag == limit.tag and ghost ~= old then
            others[#others + 1] = ghost
        end
    end
    local ghost, before = old, old and old.units + old.ahead or 0
    if not ghost then
        ghost = { epoch = life.epoch, tag = limit.tag }
        section.ghosts[#section.ghosts + 1] = ghost
    end
    local take_in = GHOST_KINDS[string.sub(limit.tag, 1, 1)]
    ghost.seq = life.seq
    ghost.units, ghost.moment, ghost.stop, ghost.ahead, ghost.last =
        take_in(limit, now, want, old, others, stamp)
    ghost_write(field, section)
    return ghost.units + (ghost.ahead or 0) - before
end

-- Another life of the field begins.
local function ghost_renew(field, nonce)
    local before = field.epoch
    repeat
        field.epoch = string.format("%016.0f%04.0f", field.now, nonce % 10000)
        nonce = nonce + 1
    until field.epoch ~= before
end

-- A life that nobody may bring back before `stop`, when nobody remembers it any more.
local function ghost_close(field, epoch, stop)
    local section = ghost_list(field)
    if ghost_find(section, epoch, "") or stop <= field.now then
        return
    end
    section.ghosts[#section.ghosts + 1] =
        { epoch = epoch, tag = "", seq = GHOST_CLOSED, units = 0, moment = 0, stop = stop }
    ghost_write(field, section)
end
