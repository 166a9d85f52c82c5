-- Reports what became of held messages and fetches new ones, in one step.
-- ARGV: queue, holder, room, how long dead letters are kept (ms), n, n ids that are simply done,
-- then steps:
--   done <id>                                 finished
--   dead <id> <message> <reason>              failed for good
--   back <id>                                 not started; first in line again
--   put  <queue> <id> <delay> <message>       follows from the message of the step before
-- Returns {ids, messages, ms until the next delayed message or -1, 1 when more are ready}.

local queue, holder, room, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local plain = tonumber(ARGV[5])
local ready = key(queue, '')
local messages = key(queue, '.msgs')
local held = key(queue, '.held.' .. holder)

-- Takes a message out of the queue. False: another worker has it by now and its outcome counts.
local function settle(id)
    if redis.call('SREM', held, id) == 0 and redis.call('HEXISTS', messages, id) == 1 then
        -- This worker was taken for dead. If nobody has started the message again, it is ours.
        if redis.call('LREM', ready, 1, id) == 0 then
            return false
        end
    end
    -- Neither held nor known: Redis has lost it, or this report is a repetition.
    redis.call('HDEL', messages, id)
    return true
end

local function bury(id, payload, reason)
    local dead = key(queue, '.XQ')
    redis.call('ZADD', dead, now(), id)
    redis.call('HSET', dead .. '.msgs', id, payload)
    redis.call('HSET', dead .. '.why', id, reason)
    local old = redis.call('ZRANGE', dead, '-inf', now() - keep, 'BYSCORE', 'LIMIT', 0, 1000)
    if #old > 0 then
        redis.call('ZREM', dead, unpack(old))
        redis.call('HDEL', dead .. '.msgs', unpack(old))
        redis.call('HDEL', dead .. '.why', unpack(old))
    end
end

if plain > 0 then
    local all_held = true
    for _, is_held in ipairs(redis.call('SMISMEMBER', held, unpack(ARGV, 6, 5 + plain))) do
        all_held = all_held and is_held == 1
    end
    if all_held then
        redis.call('SREM', held, unpack(ARGV, 6, 5 + plain))
        redis.call('HDEL', messages, unpack(ARGV, 6, 5 + plain))
    else
        for i = 6, 5 + plain do
            settle(ARGV[i])
        end
    end
end

local i = 6 + plain
local ours = true
while i <= #ARGV do
    local step, id = ARGV[i], ARGV[i + 1]
    if step == 'done' then
        ours = settle(id)
        i = i + 2
    elseif step == 'dead' then
        ours = settle(id)
        if ours then
            bury(id, ARGV[i + 2], ARGV[i + 3])
        end
        i = i + 4
    elseif step == 'back' then
        if redis.call('SREM', held, id) == 1 and redis.call('HEXISTS', messages, id) == 1 then
            redis.call('LPUSH', ready, id)
        end
        i = i + 2
    else
        if ours then
            put(id, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
        end
        i = i + 5
    end
end

local next_due = promote(queue)
local ids, payloads = {}, {}
if room > 0 then
    ids = redis.call('LPOP', ready, room) or {}
    if #ids > 0 then
        redis.call('SADD', held, unpack(ids))
        -- Whoever holds something must be known, or nobody would ever take it over.
        redis.call('ZADD', key(queue, '.beats'), 'NX', now(), holder)
        payloads = redis.call('HMGET', messages, unpack(ids))
    end
end
local more = 0
if #ids == room and redis.call('LLEN', ready) > 0 then
    more = 1
    wake(queue) -- for a worker that has room
end
return {ids, payloads, next_due, more}
