-- Brings a dead letter back to life. ARGV: queue, id, message.
-- Returns 1, or 0 when it is no longer among the dead.

local dead = key(ARGV[1], '.XQ')
if redis.call('ZREM', dead, ARGV[2]) == 0 then
    return 0
end
redis.call('HDEL', dead .. '.msgs', ARGV[2])
redis.call('HDEL', dead .. '.why', ARGV[2])
put(ARGV[1], ARGV[2], '', ARGV[3])
return 1
