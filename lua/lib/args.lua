-- Reads ARGV from the front, by name. The names are those of the script's header and
-- of the encoder in Python; a test holds the three together.

local args_at = 0

local function args_count()
    args_at = args_at + 1
    return tonumber(ARGV[args_at])
end

local function args_read(names)
    local row = {}
    for i = 1, #names do
        row[names[i]] = ARGV[args_at + i]
    end
    args_at = args_at + #names
    return row
end

local function args_rows_of(count, names)
    local rows = {}
    for i = 1, count do
        rows[i] = args_read(names)
    end
    return rows
end

-- A list: its length, then so many rows.
local function args_rows(names)
    return args_rows_of(args_count(), names)
end
