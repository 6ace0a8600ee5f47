#!lua name=footfall
-- What has to happen in one step on the server. Loaded by every publication; needs Redis 7 or Valkey.

-- ff_get ff:current id... -> {version or nil, record, ...}, each record {field, value, ...}, all of one publication.
redis.register_function{
  function_name = 'ff_get',
  flags = {'no-writes'},
  callback = function(keys, ids)
    local version = redis.call('GET', keys[1])
    local answer = {version}
    for i, id in ipairs(ids) do
      answer[i + 1] = version and redis.call('HGETALL', 'ff:' .. version .. ':c:' .. id) or {}
    end
    return answer
  end,
}

-- ff_digest prefix n field1 ... fieldn id... -> each record's SHA-1: of how many fields it has and the pairs
-- field\0value in the order of the fields named, joined by \0. '' = no such record. A record that fits into one
-- piece of memory has its fields in that order, as they were written; a hash table (long values) has them in any.
redis.register_function{
  function_name = 'ff_digest',
  flags = {'no-writes'},
  callback = function(keys, arguments)
    local count = tonumber(arguments[1])
    local place = {}
    for i = 1, count do
      place[arguments[i + 1]] = i
    end
    local function order(one, other)
      return (place[one[1]] or count + 1) < (place[other[1]] or count + 1)
    end
    local digests = {}
    for i = count + 2, #arguments do
      local flat = redis.call('HGETALL', keys[1] .. arguments[i])
      local last, in_order = 0, true
      for j = 1, #flat, 2 do
        local at = place[flat[j]] or count + 1
        in_order = in_order and at > last
        last = at
      end
      if not in_order then
        local sorted = {}
        for j = 1, #flat, 2 do
          sorted[#sorted + 1] = {flat[j], flat[j + 1]}
        end
        table.sort(sorted, order)
        for j, pair in ipairs(sorted) do
          flat[2 * j - 1], flat[2 * j] = pair[1], pair[2]
        end
      end
      digests[#digests + 1] = #flat == 0 and '' or redis.sha1hex(#flat / 2 .. '\0' .. table.concat(flat, '\0'))
    end
    return digests
  end,
}

-- ff_flip ff:current ff:flip version epoch expires_at at seen -> {1 done | 0 fenced, last epoch}
-- The pointer moves only for a greater epoch than the last one's; the version it leaves is remembered. It does not move if
-- the server has gone back behind the epoch that the publisher saw (flushed, failed over): what was written may be gone.
redis.register_function('ff_flip', function(keys, arguments)
  local version, epoch, expires_at, at, seen = unpack(arguments)
  local last = redis.call('HGET', keys[2], 'epoch')
  if tonumber(last or 0) < tonumber(seen or 0) or last and tonumber(epoch) <= tonumber(last) then
    return {0, last or ''}
  end
  local left = redis.call('HGET', keys[2], 'version')
  if left and left ~= version then
    redis.call('HSET', keys[2], 'previous', left)
  end
  local newest = tonumber(redis.call('HGET', keys[2], 'newest') or 0)
  redis.call('SET', keys[1], version, 'EXAT', expires_at)
  redis.call('HSET', keys[2], 'version', version, 'epoch', epoch, 'at', at,
    'newest', math.max(newest, tonumber(version)))
  local kept = redis.call('EXPIRETIME', keys[2])
  redis.call('EXPIREAT', keys[2], math.max(kept, tonumber(expires_at)))
  return {1, epoch}
end)

-- ff_apply ff:current ff:flip version staged epoch base_epoch at n id1 ... idn gone1 ... -> {1 done, id left alone ...} | {0 fenced, last epoch}
-- The delta that lies under `staged` takes its place in the live version, all of it in one step: nobody reads between.
-- Only on the state that it was worked out for (base_epoch). A record never gives way to one that knows less: as_of,
-- then scored_at, are compared as text without the final Z, which sorts fractions of seconds right.
redis.register_function('ff_apply', function(keys, arguments)
  local version, staged, epoch, base_epoch, at, count = unpack(arguments, 1, 6)
  local last = redis.call('HGET', keys[2], 'epoch')
  if last ~= base_epoch or redis.call('GET', keys[1]) ~= version then
    return {0, last or ''}
  end
  local function age(key)
    local times = redis.call('HMGET', key, 'as_of', 'scored_at')
    return times[1] and times[2] and string.sub(times[1], 1, -2) .. ' ' .. string.sub(times[2], 1, -2)
  end
  local moves, left_alone = {}, {1}
  for i = 7, 6 + tonumber(count) do
    local from = 'ff:' .. staged .. ':c:' .. arguments[i]
    local to = 'ff:' .. version .. ':c:' .. arguments[i]
    local new, old = age(from), age(to)
    if not new then
      return redis.error_reply('the staged record ' .. from .. ' is gone')
    elseif old and old > new then
      left_alone[#left_alone + 1] = arguments[i]
    else
      moves[#moves + 1] = {from, to}
    end
  end
  for _, move in ipairs(moves) do
    redis.call('RENAME', move[1], move[2])
  end
  for i = 7 + tonumber(count), #arguments do
    redis.call('UNLINK', 'ff:' .. version .. ':c:' .. arguments[i])
  end
  redis.call('HSET', keys[2], 'epoch', epoch, 'at', at)
  return left_alone
end)
