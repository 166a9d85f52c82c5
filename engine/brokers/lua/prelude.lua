-- Put in front of every script here: the names of the keys, and the steps that several scripts share.
--
-- KEYS[1] is the namespace, a hash tag such as {sns}: all keys below share one Redis Cluster slot.
--
-- <ns>:<queue>                list    ids that are ready to run, oldest first
-- <ns>:<queue>.msgs           hash    id -> message, for ready, delayed and held ids alike
-- <ns>:<queue>.DQ             zset    delayed ids by the time they are due (ms, this server's clock)
-- <ns>:<queue>.wake           list    empty, or one token for whoever waits for work
-- <ns>:<queue>.beats          zset    holders (worker processes) by their last heartbeat (ms)
-- <ns>:<queue>.held.<holder>  set     ids that a worker process has fetched and not finished
-- <ns>:<queue>.grace          string  present while nobody may be declared dead
-- <ns>:<queue>.XQ             zset    dead letters' ids by time of death (ms)
-- <ns>:<queue>.XQ.msgs, .why  hashes  id -> message, id -> reason in one line

local namespace = KEYS[1]

local function key(queue, suffix)
    return namespace .. ':' .. queue .. suffix
end

-- One reading of the clock per script, and only for scripts that need it.
local clock
local function now()
    if not clock then
        local time = redis.call('TIME')
        clock = time[1] * 1000 + math.floor(time[2] / 1000)
    end
    return clock
end

-- One token is enough: who takes it fetches, and leaves a new one when messages remain.
local function wake(queue)
    if redis.call('LLEN', key(queue, '.wake')) == 0 then
        redis.call('RPUSH', key(queue, '.wake'), 1)
    end
end

-- Idempotent while the message lives: an id that is ready, delayed or held is left alone.
-- An empty delay (ms) means at once.
local function put(queue, id, delay, payload)
    if redis.call('HSETNX', key(queue, '.msgs'), id, payload) == 0 then
        return 0
    end
    delay = tonumber(delay) or 0
    if delay <= 0 then
        redis.call('RPUSH', key(queue, ''), id)
        wake(queue)
        return 1
    end
    local delayed = key(queue, '.DQ')
    redis.call('ZADD', delayed, now() + delay, id)
    if redis.call('ZRANGE', delayed, 0, 0)[1] == id then
        wake(queue) -- somebody has to set a nearer timer
    end
    return 1
end

-- Moves delayed messages that are due to the ready list. Returns the ms until the next one is
-- due, 0 when more are due already, -1 when none is delayed.
local function promote(queue)
    local delayed = key(queue, '.DQ')
    local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
    if #first == 0 then
        return -1
    end
    if first[2] - now() > 0 then
        return first[2] - now()
    end
    local ids = redis.call('ZRANGE', delayed, '-inf', now(), 'BYSCORE', 'LIMIT', 0, 1000)
    redis.call('RPUSH', key(queue, ''), unpack(ids))
    redis.call('ZREM', delayed, unpack(ids))
    first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
    if #first == 0 then
        return -1
    end
    return math.max(0, first[2] - now())
end
