-- One field of the hash holds every limit of one account (a model, or what all models
-- of a key share) in one value of fixed-width decimals:
--
--   epoch 20   seq 13   last 16   shift 16   cool 16      then per limit:
--   tag length 2   body length 6   at 16   tag   body
--
-- epoch  names this life of the field: the moment it was created and a random number
-- seq    counts the scripts that wrote it
-- last   the latest server time at which it was written
-- shift  us by which its moments were moved back, in all, because the clock was
-- cool   nobody goes before this moment; 0 is none
-- at     the moment to which a limit's body is relative, so that one number moves it
--
-- A limit that this client does not know is copied as it is: policies and releases
-- share a field without losing each other's history.

local FIELD_HEAD = 81

local function field_decode(name, value, now, nonce)
    local field = { name = name, sections = {}, order = {}, now = now }
    if not value then
        field.absent = true
        field.epoch = string.format("%016.0f%04.0f", now, tonumber(nonce))
        field.seq, field.last, field.shift, field.cool = 0, now, 0, 0
        return field
    end
    field.epoch = string.sub(value, 1, 20)
    field.seq = tonumber(string.sub(value, 21, 33))
    field.last = tonumber(string.sub(value, 34, 49))
    field.shift = tonumber(string.sub(value, 50, 65))
    field.cool = tonumber(string.sub(value, 66, 81))
    local from = FIELD_HEAD + 1
    while from <= #value do
        local tag_end = from + 23 + tonumber(string.sub(value, from, from + 1))
        local body_end = tag_end + tonumber(string.sub(value, from + 2, from + 7))
        local section = {
            tag = string.sub(value, from + 24, tag_end),
            at = tonumber(string.sub(value, from + 8, from + 23)),
            body = string.sub(value, tag_end + 1, body_end),
        }
        field.sections[section.tag] = section
        field.order[#field.order + 1] = section
        from = body_end + 1
    end
    return field
end

-- The clock stepped back (or a replica whose clock is behind was promoted): move every
-- moment back by as much, or all would wait for the step to be caught up. Calendar
-- moments are not ours to move.
local function field_follow_clock(field)
    local back = field.last - field.now
    if back <= 0 then
        return
    end
    for _, section in ipairs(field.order) do
        if string.sub(section.tag, 1, 1) ~= "d" then
            section.at = section.at - back
        end
    end
    if field.cool > 0 then
        field.cool = math.max(0, field.cool - back)
    end
    field.shift = field.shift + back
    field.last = field.now
    field.dirty = true
end

local function field_section(field, tag)
    local section = field.sections[tag]
    if not section then
        section = { tag = tag }
        field.sections[tag] = section
        field.order[#field.order + 1] = section
    end
    return section
end

local function field_encode(field)
    local parts = {
        field.epoch,
        string.format(
            "%013.0f%016.0f%016.0f%016.0f",
            field.seq,
            field.last,
            field.shift,
            field.cool
        ),
    }
    for _, section in ipairs(field.order) do
        if section.body then
            parts[#parts + 1] =
                string.format("%02d%06d%016.0f", #section.tag, #section.body, section.at)
            parts[#parts + 1] = section.tag
            parts[#parts + 1] = section.body
        end
    end
    return table.concat(parts)
end
