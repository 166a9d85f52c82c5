-- Puts any number of messages, of any tier.
-- ARGV: queue, id, delay in ms or empty, message; and so on. Returns how many were new.

local added = 0
for i = 1, #ARGV, 4 do
    added = added + put(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
return added
