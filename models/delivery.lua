-- One user's history: open it, then write one event to it or read on from a position.
--
-- KEYS  1 meta (hash: replid, epoch, seq, forks, counted, since)   2 stream   3 seen (sorted set)
--       4 count of unread notifications; only where it is touched
-- ARGV  1 'write', 'read', 'count' or 'recount'   2 seconds that the history lives after its last use
--       3 eight fresh random hexadecimal digits, used if a new epoch has to begin
--   write: 4 channel   5 event id   6 frame: a JSON object with at least one field and no "id"
--          7 how many events are kept   8 with a 4th key, 'add' or 'forget': one more is
--          unread, or how many is no longer known       → {epoch, seq, 1 if new or 0}
--   read:  4 epoch of the position, '' if there is none   5 its seq   6 most frames to return
--          → {epoch, head, 1 if whole or 0, frame, frame, …}
--   count: → {epoch, head, unread or -1 if that is not known}
--   recount: 4 epoch and 5 head of before the counting   6 unread   7 seconds to keep it
--          8 seconds that an epoch must have lasted
--          → {epoch, head, 1 if stored or 0}
--
-- The count of unread notifications is true while its key exists and `counted` is the epoch: a
-- server that came back older, or lost half, has another one. It is stored only if no event was
-- written since before it was counted in PostgreSQL, so that none is counted twice or not at all;
-- and not while an epoch is young, in which the relay may be about to send events once more.
--
-- The server is asked for its replication id in here, not by the caller: an id remembered from
-- before a restart would hide the restart.

local meta, stream, seen = KEYS[1], KEYS[2], KEYS[3]
local replid = string.match(redis.call('INFO', 'replication'), '_replid:(%x+)')
local state = redis.call('HMGET', meta, 'replid', 'epoch', 'seq', 'forks', 'counted', 'since')
local epoch, seq, forks = state[2], tonumber(state[3] or 0), state[4] or ''

-- A number as text; tostring() would write large ones as 1e+15.
local function digits(number)
  return string.format('%.0f', number)
end

local function begin_epoch()
  epoch = string.sub(replid, 1, 12) .. ARGV[3]
  redis.call('HSET', meta, 'replid', replid, 'epoch', epoch, 'seq', digits(seq), 'forks', forks,
    'since', redis.call('TIME')[1])
  state[6] = redis.call('TIME')[1]
end

if not epoch or (seq > 0 and redis.call('EXISTS', stream, seen) < 2) then
  -- Nothing is known, or half of it is gone: another history, unrelated to any before.
  redis.call('DEL', stream, seen)
  seq, forks = 0, ''
  begin_epoch()
elseif state[1] ~= replid then
  -- The server restarted or another one took over, and may have come back older than what it
  -- told its clients. What it still has is true as far as it goes: positions up to here stay
  -- good in the new epoch, later ones of the old epoch do not. The newest forks are enough.
  forks = string.sub(epoch .. ':' .. digits(seq) .. ' ' .. forks, 1, 512)
  begin_epoch()
end

local function keep_alive()
  redis.call('EXPIRE', meta, ARGV[2])
  redis.call('EXPIRE', stream, ARGV[2])
  redis.call('EXPIRE', seen, ARGV[2])
end

local function is_counted()
  return state[5] == epoch and redis.call('EXISTS', KEYS[4]) == 1
end

if ARGV[1] == 'write' then
  local known = redis.call('ZSCORE', seen, ARGV[5])
  if known then
    return {epoch, tonumber(known), 0}
  end
  seq = redis.call('HINCRBY', meta, 'seq', 1)
  local number = digits(seq)
  local frame = '{"id":"' .. epoch .. '-' .. number .. '",' .. string.sub(ARGV[6], 2)
  redis.call('XADD', stream, 'MAXLEN', ARGV[7], number .. '-0', 'frame', frame)
  redis.call('ZADD', seen, number, ARGV[5])
  redis.call('ZREMRANGEBYRANK', seen, 0, -1 - ARGV[7])
  keep_alive()
  if ARGV[8] == 'add' and is_counted() then
    redis.call('INCR', KEYS[4])
  elseif ARGV[8] then
    redis.call('DEL', KEYS[4])
  end
  redis.call('PUBLISH', ARGV[4], frame)
  return {epoch, seq, 1}
end

keep_alive()

if ARGV[1] == 'count' then
  return {epoch, seq, is_counted() and tonumber(redis.call('GET', KEYS[4])) or -1}
end

local after = tonumber(ARGV[5])

if ARGV[1] == 'recount' then
  local is_young = redis.call('TIME')[1] - (state[6] or 0) < tonumber(ARGV[8])
  if ARGV[4] ~= epoch or after ~= seq or is_young then
    return {epoch, seq, 0}
  end
  redis.call('SET', KEYS[4], ARGV[6], 'EX', ARGV[7])
  redis.call('HSET', meta, 'counted', epoch)
  return {epoch, seq, 1}
end

if ARGV[4] == epoch then
  if after > seq then
    return {epoch, seq, 0}
  end
else
  local fork = string.match(' ' .. forks, ' ' .. ARGV[4] .. ':(%d+) ')
  if ARGV[4] == '' or not fork or after > tonumber(fork) then
    return {epoch, seq, 0}
  end
end
if after == seq then
  return {epoch, seq, 1}
end
local entries = redis.call('XRANGE', stream, digits(after + 1) .. '-0', '+', 'COUNT', ARGV[6])
local answer = {epoch, seq, 1}
for index, entry in ipairs(entries) do
  if entry[1] ~= digits(after + index) .. '-0' then
    return {epoch, seq, 0}
  end
  answer[index + 3] = entry[2][2]
end
if #entries == 0 then
  return {epoch, seq, 0}
end
return answer
