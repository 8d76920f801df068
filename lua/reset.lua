--[[
reset -- forget accounts of a scope, for good: nobody who remembers them heals them back.

KEYS[1]        the scope: a hash

ARGV           in this order; a list is its length, then its rows
  now          us since the epoch, or "" for the server's clock
  nonce        0 to 9999, random: part of a new field's epoch
  list of
  field        name of an account's field
  list of
  account      a field, counted from 1
  epoch        a life of it that the client remembers
  rest         us for which others may remember it too, >= 0

Returns        how many there were

Writes         KEYS[1]: each field is deleted, or begins another life that lists those
               which are closed for as long as anybody may remember them; of an account's
               facts its 429s are forgotten
Cost           O(fields and their facts)
]]

--- @include "lib/args"
--- @include "lib/clock"
--- @include "lib/field"
--- @include "lib/window"
--- @include "lib/lows"
--- @include "lib/bucket"
--- @include "lib/calendar"
--- @include "lib/lease"
--- @include "lib/lane"
--- @include "lib/scope"
--- @include "lib/ghost"
--- @include "lib/facts"
--- @include "lib/refusals"

local head = args_read({ "now", "nonce" })
local scope = scope_open(clock_now(head.now), head)

local forgotten = 0
for _, field in ipairs(scope.fields) do
    if not field.absent then
        forgotten = forgotten + 1
        field.was = field.epoch
        local lives, stop = { field.epoch }, field_until(field)
        for _, ghost in ipairs(ghost_list(field).ghosts) do
            lives[#lives + 1] = ghost.epoch
        end
        field.sections, field.order, field.cool, field.tail = {}, {}, 0, 0
        ghost_renew(field, tonumber(head.nonce))
        -- No booking of the new life yet: writing it now is the 0th.
        field.seq, field.dirty = -1, false
        for _, epoch in ipairs(lives) do
            ghost_close(field, epoch, stop)
        end
        if not field.dirty then
            redis.call("HDEL", KEYS[1], field.name)
        end
    end
end
for _, row in ipairs(args_rows({ "account", "epoch", "rest" })) do
    local field = scope.fields[tonumber(row.account)]
    if row.epoch ~= field.was then
        ghost_close(field, row.epoch, scope.now + tonumber(row.rest))
    end
end
local names, kept = {}, {}
local all, facts_of, owners = refusals_read(scope.fields, scope.now)
for i, facts in ipairs(facts_of) do
    if refusals_forget(facts, scope.now) then
        names[#names + 1] = all[i]
        kept[#kept + 1] = facts
        -- Of an account that is idle for long they may be all that is left.
        forgotten = forgotten + (owners[i].absent and 1 or 0)
    end
end

scope_save(scope, "")
if #names > 0 then
    facts_save(names, kept, scope.now)
end
return forgotten
