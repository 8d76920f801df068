-- One field of the hash holds every limit of one account (a model, or what all models
-- of a key share) in one value of fixed-width decimals (a window's log, which is long,
-- has shorter digits: lib/digits):
--
--   epoch 20   seq 13   last 16   shift 16   cool 16   tail 16   until 16
--   then per limit:
--   tag length 2   body length 6   at 16   capacity 13   until 16   tag   body
--
-- epoch     names this life of the field: the moment it was created, a random number
-- seq       counts the scripts that wrote it
-- last      the latest server time at which it was written
-- shift     us by which its moments were moved back, in all, because the clock was
-- cool      nobody goes before this moment; 0 is none
-- tail      up to this moment turns to ask again were given out (lib/booking)
-- until     from this moment on the field, or the limit, is as if never used
-- at        the moment to which a limit's body is relative, so that one number moves it
-- capacity  what the last client that wrote it takes for the limit's capacity
--
-- A limit that this client does not know is copied as it is, until it is as if never
-- used: policies and releases share a field without losing each other's history.

local FIELD_HEAD = 113
local FIELD_SECTION = 53

-- Calendar boundaries are not ours to move; leases count by a clock of their own.
local FIELD_UNMOVED = { d = true, c = true }

local function field_number(value, from, width)
    return tonumber(string.sub(value, from, from + width - 1))
end

local function field_sections(field, value)
    local from = FIELD_HEAD + 1
    while from <= #value do
        local tag_end = from + FIELD_SECTION - 1 + field_number(value, from, 2)
        local body_end = tag_end + field_number(value, from + 2, 6)
        local section = {
            at = field_number(value, from + 8, 16),
            capacity = field_number(value, from + 24, 13),
            stop = field_number(value, from + 37, 16),
            tag = string.sub(value, from + FIELD_SECTION, tag_end),
            body = string.sub(value, tag_end + 1, body_end),
        }
        if section.stop > math.max(field.last, field.now) then
            field.sections[section.tag] = section
            field.order[#field.order + 1] = section
        end
        from = body_end + 1
    end
end

local function field_decode(name, value, now, nonce)
    local field = { name = name, sections = {}, order = {}, now = now }
    if not value then
        field.absent = true
        field.epoch = string.format("%016.0f%04.0f", now, tonumber(nonce))
        field.seq, field.last, field.shift, field.cool, field.tail = 0, now, 0, 0, 0
        return field
    end
    field.epoch = string.sub(value, 1, 20)
    field.seq = field_number(value, 21, 13)
    field.last = field_number(value, 34, 16)
    field.shift = field_number(value, 50, 16)
    field.cool = field_number(value, 66, 16)
    field.tail = field_number(value, 82, 16)
    field_sections(field, value)
    return field
end

-- The clock stepped back (or a replica whose clock is behind was promoted): move every
-- moment back by as much, or all would wait for the step to be caught up.
local function field_follow_clock(field)
    local back = field.last - field.now
    if back <= 0 then
        return
    end
    for _, section in ipairs(field.order) do
        local kind = string.sub(section.tag, 1, 1)
        if not FIELD_UNMOVED[kind] then
            section.at = section.at - back
        end
        if kind ~= "d" then
            section.stop = section.stop - back
        end
    end
    field.cool = math.max(0, field.cool - back)
    field.tail = math.max(0, field.tail - back)
    field.shift = field.shift + back
    field.last = field.now
    field.dirty = true
end

local function field_section(field, tag)
    local section = field.sections[tag]
    if not section then
        section = { tag = tag, capacity = 0, stop = 0 }
        field.sections[tag] = section
        field.order[#field.order + 1] = section
    end
    return section
end

-- From when on the field is as if never used.
local function field_until(field)
    local stop = math.max(field.cool, field.tail)
    for _, section in ipairs(field.order) do
        stop = math.max(stop, section.stop)
    end
    return stop
end

local function field_encode(field)
    local parts = {
        field.epoch,
        string.format(
            "%013.0f%016.0f%016.0f%016.0f%016.0f%016.0f",
            field.seq,
            field.last,
            field.shift,
            field.cool,
            field.tail,
            field_until(field)
        ),
    }
    for _, section in ipairs(field.order) do
        if section.body then
            parts[#parts + 1] = string.format(
                "%02.0f%06.0f%016.0f%013.0f%016.0f",
                #section.tag,
                #section.body,
                section.at,
                section.capacity,
                section.stop
            )
            parts[#parts + 1] = section.tag
            parts[#parts + 1] = section.body
        end
    end
    return table.concat(parts)
end
