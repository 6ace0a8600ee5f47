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

-- ff_put key expires_at field value ... : a record never stands without its TTL, nor mixed with an older one.
redis.register_function('ff_put', function(keys, arguments)
  local expires_at = table.remove(arguments, 1)
  redis.call('DEL', keys[1])
  redis.call('HSET', keys[1], unpack(arguments))
  return redis.call('EXPIREAT', keys[1], expires_at)
end)

-- ff_digest prefix n field1 ... fieldn id... -> each record's SHA-1: of how many fields it has and the pairs
-- field\0value in the order of the fields named, joined by \0. '' = no such record.
redis.register_function{
  function_name = 'ff_digest',
  flags = {'no-writes'},
  callback = function(keys, arguments)
    local count = tonumber(arguments[1])
    local fields = {unpack(arguments, 2, count + 1)}
    local digests = {}
    for i = count + 2, #arguments do
      local key = keys[1] .. arguments[i]
      local size = redis.call('HLEN', key)
      local parts = {tostring(size)}
      for j, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
        if value then
          parts[#parts + 1] = fields[j] .. '\0' .. value
        end
      end
      digests[#digests + 1] = size == 0 and '' or redis.sha1hex(table.concat(parts, '\0'))
    end
    return digests
  end,
}

-- ff_flip ff:current ff:flip version epoch expires_at at -> {1 done | 0 fenced, last epoch}
-- The pointer moves only for a greater epoch than the last one's; the version it leaves is remembered.
redis.register_function('ff_flip', function(keys, arguments)
  local version, epoch, expires_at, at = unpack(arguments)
  local last = redis.call('HGET', keys[2], 'epoch')
  if last and tonumber(epoch) <= tonumber(last) then
    return {0, last}
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
