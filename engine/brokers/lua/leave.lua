-- A holder goes. If it still holds something, its heartbeat stays to grow old, so that others
-- take that over. ARGV: queue, holder.

if redis.call('SCARD', key(ARGV[1], '.held.' .. ARGV[2])) == 0 then
    redis.call('ZREM', key(ARGV[1], '.beats'), ARGV[2])
end
