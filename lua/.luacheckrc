-- Exactly what every server's sandbox, and fakeredis, offers a script: Lua 5.1 without
-- io, os, require and print, and without bit, cmsgpack and struct. No globals may be set.
std = "none"
max_line_length = 100
read_globals = {
    "KEYS", "ARGV", "redis",
    "cjson", "math", "string", "table",
    "assert", "error", "ipairs", "next", "pairs", "pcall", "select",
    "tonumber", "tostring", "type", "unpack",
}
-- A part that is included need not be used whole; every function there has a prefix.
ignore = { "211/.+_.+" }
