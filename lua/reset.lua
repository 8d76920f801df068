--[[
reset -- forget accounts of a scope.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  list of
  field        name of an account's field

Returns        how many there were

Writes         KEYS[1]: the fields are deleted
Cost           O(fields)
]]

--- @include "lib/args"

local forgotten = 0
for _, row in ipairs(args_rows({ "field" })) do
    forgotten = forgotten + redis.call("HDEL", KEYS[1], row.field)
end
return forgotten
