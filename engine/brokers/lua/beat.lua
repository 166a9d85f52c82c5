-- Says that a holder lives, takes over from those that do not, and mends a lost wake token.
-- ARGV: queue, holder, dead after (ms), grace (ms).
-- Returns how many messages were taken over.

local queue, holder = ARGV[1], ARGV[2]
local dead_after, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
local beats = key(queue, '.beats')
local ready = key(queue, '')

local seen = redis.call('ZRANGE', beats, 0, -1, 'WITHSCORES')
redis.call('ZADD', beats, now(), holder)

-- When nobody at all has beaten for a while, this server was away, not the workers: wait until
-- those that live have had time to say so.
if #seen > 0 and now() - seen[#seen] > dead_after / 2 then
    redis.call('SET', key(queue, '.grace'), 1, 'PX', grace)
end

local rescued = 0
for i = 1, #seen, 2 do
    local other = seen[i]
    if other ~= holder and now() - seen[i + 1] >= dead_after
        and redis.call('EXISTS', key(queue, '.grace')) == 0 then
        local held = key(queue, '.held.' .. other)
        for _, id in ipairs(redis.call('SMEMBERS', held)) do
            if redis.call('HEXISTS', key(queue, '.msgs'), id) == 1 then
                redis.call('LPUSH', ready, id) -- it has waited longest
                rescued = rescued + 1
            end
        end
        redis.call('DEL', held)
        redis.call('ZREM', beats, other)
    end
end

promote(queue)
-- A token may have died with the worker that took it.
if redis.call('LLEN', ready) > 0 then
    wake(queue)
end
return rescued
