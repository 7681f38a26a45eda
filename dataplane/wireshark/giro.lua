-- Wireshark and tshark: what members and replicas of a Giro hub say over UDP. docs/protocol.md sections 3 and 6 are the format.
--
--   tshark -X lua_script:giro.lua -r capture.pcapng -O giro
--   GIRO_SESSION_KEYS=keys.log tshark -X lua_script:giro.lua -r capture.pcapng -O giro
--   wireshark: copy it to Help > About > Folders > Personal Lua Plugins; the key log is a preference of protocol "giro"
--
-- Every UDP datagram that begins with "GIRO" is taken, on any port. A session's datagrams are sealed: with a key log (lines
-- "GIRO1 <chain prefix> <receiver id> <key>", written by a member's tools when GIRO_SESSION_KEYS names a file) they are opened and
-- shown block by block, else only their header is. Needs nothing but Wireshark 3.6 to 4.x: the cipher is below, in Lua.
-- Reads what anyone may have sent: every size is checked before it is used, and the worst input is shown as malformed.

local giro = Proto("giro", "Giro member protocol")

-- ---- Numbers and names: as in include/giro/wire/*.h (tests/tools/check_wireshark compares them) -----------------------------

local KINDS = {
  [0x0101] = "FRAME", [0x0102] = "SKIP", [0x0103] = "CONTROL", [0x0107] = "HANDSHAKE",
  [0x0108] = "SESSION" }
local BLOCKS = {
  [1] = "FRAME", [2] = "RECEIPT", [3] = "ACK", [4] = "REFUSE", [5] = "ASK", [6] = "PROOF", [7] = "PING", [8] = "PONG",
  [9] = "PAD", [10] = "CLOSE", [11] = "CHANNEL" }
local STEPS = { [1] = "INIT", [2] = "COOKIE", [3] = "RESPONSE" }
local SERVICES = { [1] = "GROSS", [2] = "NET" }
local PAYMENT_KINDS = {
  [1] = "CREDIT_TRANSFER", [2] = "RETURN", [3] = "RECALL", [4] = "ADJUSTMENT", [5] = "SETTLEMENT", [6] = "FUNDING",
  [7] = "FEE" }
local PRIORITIES = { [0] = "NORMAL", [1] = "HIGH", [2] = "URGENT" }
local OPERATIONS = {
  [1] = "CLOSE_CYCLE", [2] = "DAY_SWITCH", [3] = "SET_CAP", [4] = "SET_ACCOUNT", [5] = "SET_MEMBER",
  [6] = "LIFT_CHANNEL", [7] = "CUT_FILES" }
local LEVELS = { [1] = "RECEIVED", [2] = "DURABLE", [3] = "CERTIFIED" }
local OUTCOMES = {
  [0] = "NONE", [1] = "EXECUTED", [2] = "DUPLICATE", [3] = "EQUIVOCATION", [4] = "OLD", [5] = "NOT_CONSUMED",
  [6] = "CHANNEL_STOPPED", [7] = "REFUSED" }
local STATUSES = {
  [0] = "NONE", [1] = "RCVD", [2] = "PDNG", [3] = "ACSP", [4] = "ACSC", [5] = "CANC", [6] = "RJCT", [7] = "ACCP",
  [8] = "ACWP", [9] = "ACCC" }
local REASONS = {
  [0] = "NONE", [1] = "AM01", [2] = "AM12", [3] = "AM03", [4] = "AM04", [5] = "AM05", [6] = "AM13", [7] = "AM14",
  [8] = "RC04", [9] = "AG10", [10] = "AG11", [11] = "AC04", [12] = "AC06", [13] = "DT01", [14] = "TM01", [15] = "AB03",
  [16] = "AG13", [17] = "AG03", [18] = "AC01", [19] = "NARR" }
local REJECTS = {
  [0] = "NONE", [1] = "TRUNCATED", [2] = "OVERSIZED", [3] = "MAGIC", [4] = "KIND", [5] = "VERSION", [6] = "RESERVED",
  [7] = "CHAIN", [8] = "MEMBER", [9] = "KEY", [10] = "CHANNEL", [11] = "COUNT", [12] = "FIELD", [13] = "SIGNATURE",
  [14] = "DUPLICATE", [15] = "STALE", [16] = "FUTURE", [17] = "EPOCH", [18] = "QUORUM", [19] = "SIGNER", [20] = "HASH",
  [21] = "PROOF", [22] = "PARENT", [23] = "LEADER", [24] = "TIME", [25] = "ROUND", [26] = "LIMIT",
  [27] = "EQUIVOCATION", [28] = "POLICED", [29] = "NETWORK", [30] = "CHECKSUM", [31] = "SESSION", [32] = "COOKIE",
  [33] = "SEAL", [34] = "ABSENT", [35] = "ADDRESS" }
local WANTS = { [1] = "RECEIPT", [2] = "PROOF", [3] = "CHANNEL" }
local CLOSES = { [1] = "DONE", [2] = "DISPLACED", [3] = "STOPPING" }

-- ---- Fields ------------------------------------------------------------------------------------------------------------

local f = {}
local function field(name, kind, text, ...)
  f[name] = ProtoField[kind]("giro." .. name, text, ...)
end

field("magic", "string", "Magic")
field("kind", "uint16", "Kind", base.HEX, KINDS)
field("version", "uint16", "Version")
field("chain_prefix", "bytes", "Chain id, first bytes")
field("reserved", "bytes", "Reserved")
-- frames
field("member", "uint16", "Member")
field("key_id", "uint16", "Key id")
field("channel", "uint16", "Channel")
field("record_count", "uint16", "Records")
field("sequence", "uint64", "Sequence")
field("details_bytes", "uint32", "Details, bytes")
field("checker_key_id", "uint16", "Checker's key id")
field("skip_to", "uint64", "Skipped up to")
field("signature", "bytes", "Signature")
field("checker_signature", "bytes", "Checker's signature")
field("record", "none", "Payment")
field("record.uetr", "guid", "UETR")
field("record.amount", "int64", "Amount, minor units")
field("record.link", "guid", "Link")
field("record.creditor", "uint16", "Creditor")
field("record.debtor_account", "uint16", "Debtor's account")
field("record.creditor_account", "uint16", "Creditor's account")
field("record.currency", "uint16", "Currency, ISO 4217")
field("record.service", "uint8", "Service", base.DEC, SERVICES)
field("record.kind", "uint8", "Kind", base.DEC, PAYMENT_KINDS)
field("record.priority", "uint8", "Priority", base.DEC, PRIORITIES)
field("record.flags", "uint8", "Flags", base.HEX)
field("record.value_date", "uint16", "Value date, days since 1970")
field("record.reason", "uint16", "Reason", base.DEC, REASONS)
field("record.earliest", "uint32", "Earliest, s since 1970")
field("record.latest", "uint32", "Latest, s since 1970")
field("control", "none", "Control")
field("control.op", "uint16", "Operation", base.DEC, OPERATIONS)
field("control.member", "uint16", "Member")
field("control.currency", "uint16", "Currency, ISO 4217")
field("control.account", "uint16", "Account")
field("control.amount", "int64", "Amount, minor units")
field("control.value", "uint64", "Value")
field("control.link", "guid", "Link")
field("details", "none", "Sealed details")
field("details.record", "uint16", "Of record")
field("details.ciphertext_bytes", "uint16", "Ciphertext, bytes")
field("details.creditor_key_id", "uint16", "Creditor's key id")
field("details.supervisor_key_id", "uint16", "Supervisor's key id")
field("details.commitment", "bytes", "Commitment")
field("details.nonce", "bytes", "Nonce")
field("details.creditor_box", "bytes", "Key, sealed to the creditor")
field("details.supervisor_box", "bytes", "Key, sealed to the supervisor")
field("details.ciphertext", "bytes", "Ciphertext")
-- receipts
field("replica", "uint16", "Replica")
field("receipt", "none", "Receipt")
field("receipt.sequence", "uint64", "Sequence")
field("receipt.frame_hash", "bytes", "Frame hash")
field("receipt.height", "uint64", "Height")
field("receipt.expiry", "absolute_time", "Dead after block time", base.UTC)
field("receipt.leaf", "uint32", "Leaf")
field("receipt.channel", "uint16", "Channel")
field("receipt.level", "uint8", "Level", base.DEC, LEVELS)
field("receipt.outcome", "uint8", "Outcome", base.DEC, OUTCOMES)
field("receipt.run_count", "uint16", "Runs")
field("run", "none", "Run")
field("run.count", "uint16", "Payments")
field("run.status", "uint8", "Status", base.DEC, STATUSES)
field("run.flags", "uint8", "Flags", base.HEX)
field("run.reason", "uint16", "Reason", base.DEC, REASONS)
field("run.cycle", "uint32", "Cycle")
-- handshakes
field("handshake.step", "uint8", "Step", base.DEC, STEPS)
field("handshake.version_min", "uint8", "Lowest session version")
field("handshake.version_max", "uint8", "Highest session version")
field("handshake.initiator_id", "bytes", "Initiator id")
field("handshake.cookie", "bytes", "Cookie")
field("handshake.ephemeral", "bytes", "Ephemeral key")
field("handshake.static", "bytes", "Static key, sealed")
field("handshake.body", "bytes", "Body, sealed")
-- sessions
field("session.receiver_id", "bytes", "Receiver id")
field("session.floor", "uint32", "Floor")
field("session.number", "uint64", "Number")
field("session.sealed", "bytes", "Sealed blocks")
field("session.tag", "bytes", "Tag")
field("session.opened", "bool", "Opened with the key log")
field("block", "none", "Block")
field("block.kind", "uint8", "Kind", base.DEC, BLOCKS)
field("block.size", "uint16", "Size")
field("block.padding", "bytes", "Zeros")
field("ack.cumulative", "uint64", "All arrived below")
field("ack.credit", "uint64", "Credit: frames may use numbers below")
field("ack.delay_us", "uint32", "Delay, us")
field("ack.word_count", "uint16", "Words")
field("ack.word", "uint64", "Arrived beyond", base.HEX)
field("refuse.sequence", "uint64", "Sequence")
field("refuse.channel", "uint16", "Channel")
field("refuse.reason", "uint16", "Reason", base.DEC, REJECTS)
field("refuse.wait_ms", "uint32", "Again after, ms")
field("ask.sequence", "uint64", "Sequence")
field("ask.channel", "uint16", "Channel")
field("ask.want", "uint16", "Wanted", base.DEC, WANTS)
field("ask.offset", "uint32", "From byte")
field("proof.sequence", "uint64", "Sequence")
field("proof.channel", "uint16", "Channel")
field("proof.offset", "uint32", "Offset")
field("proof.total", "uint32", "Of bytes")
field("proof.bytes", "bytes", "Bytes of the proof")
field("ping.token", "bytes", "Token")
field("ping.datagram_max", "uint32", "Largest UDP payload")
field("pong.token", "bytes", "Token")
field("pong.size", "uint32", "Bytes of the datagram answered")
field("close.reason", "uint16", "Reason", base.DEC, CLOSES)
field("channel_state.channel", "uint16", "Channel")
field("channel_state.stopped", "uint8", "Stopped")
field("channel_state.base", "uint64", "Base")
field("channel_state.frontier", "uint64", "Frontier")

local all = {}
for _, one in pairs(f) do all[#all + 1] = one end
giro.fields = all

local expert = {
  malformed = ProtoExpert.new("giro.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
  sealed = ProtoExpert.new("giro.sealed", "No key in the key log", expert.group.UNDECODED, expert.severity.NOTE),
  wrong_key = ProtoExpert.new("giro.wrong_key", "Does not open under the key of that id", expert.group.DECRYPTION,
    expert.severity.WARN),
}
giro.experts = { expert.malformed, expert.sealed, expert.wrong_key }

giro.prefs.keylog = Pref.string("Key log", os.getenv("GIRO_SESSION_KEYS") or "",
  "File of lines \"GIRO1 <chain prefix> <receiver id> <key>\"")

-- ---- ChaCha20-Poly1305, RFC 8439 ----------------------------------------------------------------------------------------

local bxor, rol, band
if bit32 then
  bxor, rol, band = bit32.bxor, bit32.lrotate, bit32.band
else -- newer Wiresharks: BitOp, whose results are signed
  bxor = function(a, b) return bit.bxor(a, b) % 4294967296 end
  rol = function(a, n) return bit.rol(a, n) % 4294967296 end
  band = function(a, b) return bit.band(a, b) % 4294967296 end
end

local function word32(text, at)
  local a, b, c, d = text:byte(at, at + 3)
  return a + b * 256 + c * 65536 + d * 16777216
end

local function bytes32(word)
  return string.char(word % 256, math.floor(word / 256) % 256, math.floor(word / 65536) % 256,
    math.floor(word / 16777216))
end

local function quarter(x, a, b, c, d)
  x[a] = (x[a] + x[b]) % 4294967296; x[d] = rol(bxor(x[d], x[a]), 16)
  x[c] = (x[c] + x[d]) % 4294967296; x[b] = rol(bxor(x[b], x[c]), 12)
  x[a] = (x[a] + x[b]) % 4294967296; x[d] = rol(bxor(x[d], x[a]), 8)
  x[c] = (x[c] + x[d]) % 4294967296; x[b] = rol(bxor(x[b], x[c]), 7)
end

-- One block of key stream as 16 words.
local function chacha_block(key, nonce, counter)
  local s = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }
  for i = 0, 7 do s[5 + i] = word32(key, 1 + 4 * i) end
  s[13] = counter
  for i = 0, 2 do s[14 + i] = word32(nonce, 1 + 4 * i) end
  local x = {}
  for i = 1, 16 do x[i] = s[i] end
  for _ = 1, 10 do
    quarter(x, 1, 5, 9, 13); quarter(x, 2, 6, 10, 14); quarter(x, 3, 7, 11, 15); quarter(x, 4, 8, 12, 16)
    quarter(x, 1, 6, 11, 16); quarter(x, 2, 7, 12, 13); quarter(x, 3, 8, 9, 14); quarter(x, 4, 5, 10, 15)
  end
  for i = 1, 16 do x[i] = (x[i] + s[i]) % 4294967296 end
  return x
end

local function chacha_xor(key, nonce, text)
  local out = {}
  local padded = text .. string.rep("\0", -#text % 64)
  for at = 1, #text, 64 do
    local stream = chacha_block(key, nonce, (at - 1) / 64 + 1)
    for i = 0, 15 do out[#out + 1] = bytes32(bxor(stream[1 + i], word32(padded, at + 4 * i))) end
  end
  return table.concat(out):sub(1, #text)
end

-- 16 bytes as ten limbs of 13 bits; products of limbs and their sums stay far below 2^53.
local function limbs(text, at, high)
  local t = {}
  for i = 0, 7 do
    local a, b = text:byte(at + 2 * i, at + 2 * i + 1)
    t[i] = a + b * 256
  end
  local function part(low, down, up, shift)
    return (math.floor(low / 2 ^ down) + (up and up * 2 ^ shift or 0)) % 8192
  end
  return { part(t[0], 0), part(t[0], 13, t[1], 3), part(t[1], 10, t[2], 6), part(t[2], 7, t[3], 9),
    part(t[3], 4, t[4], 12), part(t[4], 1), part(t[4], 14, t[5], 2), part(t[5], 11, t[6], 5),
    part(t[6], 8, t[7], 8), math.floor(t[7] / 32) + high }
end

local function carry(h)
  local over = 0
  for i = 1, 10 do
    h[i] = h[i] + over
    over = math.floor(h[i] / 8192)
    h[i] = h[i] % 8192
  end
  return over
end

local function poly1305(key, text)
  local clamped = {}
  for i = 1, 16 do
    local byte = key:byte(i)
    if i == 4 or i == 8 or i == 12 or i == 16 then byte = byte % 16 end
    if i == 5 or i == 9 or i == 13 then byte = byte - byte % 4 end
    clamped[i] = string.char(byte)
  end
  local r = limbs(table.concat(clamped), 1, 0)
  local h = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  for at = 1, #text, 16 do
    local m = limbs(text, at, 2048)
    for i = 1, 10 do h[i] = h[i] + m[i] end
    local d = {}
    for i = 1, 10 do
      local sum = 0
      for j = 1, 10 do
        sum = sum + (j <= i and h[j] * r[i - j + 1] or 5 * h[j] * r[i - j + 11])
      end
      d[i] = sum
    end
    h = d
    local over = carry(h)
    h[1] = h[1] + over * 5
    h[2] = h[2] + math.floor(h[1] / 8192)
    h[1] = h[1] % 8192
  end
  h[1] = h[1] + carry(h) * 5
  h[1] = h[1] + carry(h) * 5
  local g = {}
  for i = 1, 10 do g[i] = h[i] end
  g[1] = g[1] + 5
  if carry(g) > 0 then h = g end -- h was at least 2^130 - 5
  local out, over, bits, have, next_limb = {}, 0, 0, 0, 1
  for i = 0, 7 do
    while have < 16 do
      bits = bits + h[next_limb] * 2 ^ have
      have = have + 13
      next_limb = next_limb + 1
    end
    local a, b = key:byte(17 + 2 * i, 18 + 2 * i)
    local sum = bits % 65536 + a + b * 256 + over
    over = math.floor(sum / 65536)
    out[#out + 1] = string.char(sum % 256, math.floor(sum / 256) % 256)
    bits = math.floor(bits / 65536)
    have = have - 16
  end
  return table.concat(out)
end

local function length64(size) return bytes32(size) .. "\0\0\0\0" end

-- The plaintext, or nil if the tag is another.
local function aead_open(key, nonce, header, sealed, tag)
  local first = chacha_block(key, nonce, 0)
  local one_time = {}
  for i = 1, 8 do one_time[i] = bytes32(first[i]) end
  local text = header .. string.rep("\0", -#header % 16) .. sealed .. string.rep("\0", -#sealed % 16) ..
      length64(#header) .. length64(#sealed)
  if poly1305(table.concat(one_time), text) ~= tag then return nil end
  return chacha_xor(key, nonce, sealed)
end

-- ---- The key log ----------------------------------------------------------------------------------------------------------

local keys = {}      -- receiver id in hex -> list of keys
local keys_read = "" -- which file, and how long it was
local opened = {}    -- what was decrypted before: packets are dissected more than once
local opened_count = 0
local OPENED_MAX = 20000

local function from_hex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function keys_load()
  local path = giro.prefs.keylog
  if path == "" then return end
  local file = io.open(path, "r")
  if not file then return end
  local size = file:seek("end")
  if path .. size ~= keys_read then -- it grows while a capture runs
    keys_read = path .. size
    keys = {}
    file:seek("set")
    for line in file:lines() do
      local id, key = line:match("^GIRO1 %x+ (%x+) (%x+)%s*$")
      if id and #id == 8 and #key == 64 then
        id = id:lower()
        keys[id] = keys[id] or {}
        table.insert(keys[id], from_hex(key))
      end
    end
  end
  file:close()
end

-- ---- Parts ------------------------------------------------------------------------------------------------------------------

local function malformed(tree, text)
  tree:add_proto_expert_info(expert.malformed, text)
end

-- Little-endian fields one after the other: {name, bytes}, ...
local function row(tree, tvb, at, columns)
  for _, column in ipairs(columns) do
    tree:add_le(f[column[1]], tvb(at, column[2]))
    at = at + column[2]
  end
  return at
end

-- Fields of bytes in text order.
local function text_row(tree, tvb, at, columns)
  for _, column in ipairs(columns) do
    tree:add(f[column[1]], tvb(at, column[2]))
    at = at + column[2]
  end
  return at
end

local function reserved(tree, tvb, at, size)
  local range = tvb(at, size)
  if range:bytes():tohex():find("[^0]") then
    malformed(tree:add(f.reserved, range), "Reserved bytes are not zero")
  end
  return at + size
end

local function plural(count, word) return count .. " " .. word .. (count == 1 and "" or "s") end

local function record(tree, tvb, at, number)
  local own = tree:add(f.record, tvb(at, 64))
  text_row(own, tvb, at, { { "record.uetr", 16 } })
  row(own, tvb, at + 16, { { "record.amount", 8 } })
  text_row(own, tvb, at + 24, { { "record.link", 16 } })
  row(own, tvb, at + 40, { { "record.creditor", 2 }, { "record.debtor_account", 2 }, { "record.creditor_account", 2 },
    { "record.currency", 2 }, { "record.service", 1 }, { "record.kind", 1 }, { "record.priority", 1 },
    { "record.flags", 1 }, { "record.value_date", 2 }, { "record.reason", 2 }, { "record.earliest", 4 },
    { "record.latest", 4 } })
  own:append_text(string.format(" %d: %s of %s to member %d, %s", number, tostring(tvb(at + 16, 8):le_int64()),
    tvb(at + 46, 2):le_uint(), tvb(at + 40, 2):le_uint(), SERVICES[tvb(at + 48, 1):uint()] or "?"))
end

local function control(tree, tvb, at)
  local own = tree:add(f.control, tvb(at, 64))
  row(own, tvb, at, { { "control.op", 2 }, { "control.member", 2 }, { "control.currency", 2 }, { "control.account", 2 },
    { "control.amount", 8 }, { "control.value", 8 } })
  text_row(own, tvb, at + 24, { { "control.link", 16 } })
  reserved(own, tvb, at + 40, 24)
  own:append_text(": " .. (OPERATIONS[tvb(at, 2):le_uint()] or "?"))
end

local function details(tree, tvb, at, size)
  local stop = at + size
  while at < stop do
    if stop - at < 224 then return malformed(tree, "Details end within a header") end
    local ciphertext = tvb(at + 2, 2):le_uint()
    local whole = 224 + ciphertext
    whole = whole + -whole % 4
    if whole > stop - at then return malformed(tree, "Details end within a ciphertext") end
    local own = tree:add(f.details, tvb(at, whole))
    row(own, tvb, at, { { "details.record", 2 }, { "details.ciphertext_bytes", 2 }, { "details.creditor_key_id", 2 },
      { "details.supervisor_key_id", 2 } })
    text_row(own, tvb, at + 8, { { "details.commitment", 32 }, { "details.nonce", 24 }, { "details.creditor_box", 80 },
      { "details.supervisor_box", 80 } })
    if ciphertext > 0 then own:add(f["details.ciphertext"], tvb(at + 224, ciphertext)) end
    at = at + whole
  end
end

-- FRAME, SKIP, CONTROL: `size` bytes at `at`. Returns words for the info column.
local function frame(tree, tvb, at, size)
  if size < 40 then
    malformed(tree, "Shorter than its header")
    return "FRAME, malformed"
  end
  local kind = tvb(at + 4, 2):le_uint()
  row(tree, tvb, at + 16, { { "member", 2 }, { "key_id", 2 }, { "channel", 2 }, { "record_count", 2 }, { "sequence", 8 },
    { "details_bytes", 4 }, { "checker_key_id", 2 } })
  reserved(tree, tvb, at + 38, 2)
  local count, details_bytes = tvb(at + 22, 2):le_uint(), tvb(at + 32, 4):le_uint()
  local signatures = kind == 0x0103 and 128 or 64
  local body = kind == 0x0102 and 8 or count * 64 + details_bytes
  local words = string.format("%s member %d channel %d sequence %s", KINDS[kind], tvb(at + 16, 2):le_uint(),
    tvb(at + 20, 2):le_uint(), tostring(tvb(at + 24, 8):le_uint64()))
  if 40 + body + signatures ~= size then
    malformed(tree, string.format("%d bytes, but its counts say %d", size, 40 + body + signatures))
    return words .. ", malformed"
  end
  at = at + 40
  if kind == 0x0102 then
    words = words .. " to " .. tostring(tvb(at, 8):le_uint64())
    at = row(tree, tvb, at, { { "skip_to", 8 } })
  else
    for i = 1, count do
      if kind == 0x0103 then control(tree, tvb, at) else record(tree, tvb, at, i - 1) end
      at = at + 64
    end
    details(tree, tvb, at, details_bytes)
    at = at + details_bytes
    words = words .. ", " .. plural(count, kind == 0x0103 and "control" or "payment")
  end
  at = text_row(tree, tvb, at, { { "signature", 64 } })
  if kind == 0x0103 then text_row(tree, tvb, at, { { "checker_signature", 64 } }) end
  return words
end

-- Receipt items up to `stop`. Returns their number and the words for the last one.
local function items(tree, tvb, at, stop)
  local count, words = 0, ""
  while at < stop do
    if stop - at < 64 then
      malformed(tree, "Ends within a receipt")
      return count, words
    end
    local runs, level = tvb(at + 56, 2):le_uint(), tvb(at + 54, 1):uint()
    local whole = 64 + 12 * runs
    if whole > stop - at then
      malformed(tree, "Ends within a receipt's runs")
      return count, words
    end
    local own = tree:add(f.receipt, tvb(at, whole))
    row(own, tvb, at, { { "receipt.sequence", 8 } })
    own:add(f["receipt.frame_hash"], tvb(at + 8, 32))
    if level == 2 then
      local ns = tvb(at + 40, 8):le_uint64()
      own:add(f["receipt.expiry"], tvb(at + 40, 8), NSTime((ns / 1000000000):tonumber(), (ns % 1000000000):tonumber()))
    else
      row(own, tvb, at + 40, { { "receipt.height", 8 } })
    end
    row(own, tvb, at + 48, { { "receipt.leaf", 4 }, { "receipt.channel", 2 }, { "receipt.level", 1 },
      { "receipt.outcome", 1 }, { "receipt.run_count", 2 } })
    reserved(own, tvb, at + 58, 6)
    for i = 0, runs - 1 do
      local from = at + 64 + 12 * i
      local run = own:add(f.run, tvb(from, 12))
      row(run, tvb, from, { { "run.count", 2 } })
      reserved(run, tvb, from + 2, 2)
      row(run, tvb, from + 4, { { "run.status", 1 }, { "run.flags", 1 }, { "run.reason", 2 }, { "run.cycle", 4 } })
      run:append_text(string.format(": %d x %s", tvb(from, 2):le_uint(), STATUSES[tvb(from + 4, 1):uint()] or "?"))
    end
    words = string.format("channel %d sequence %s %s", tvb(at + 52, 2):le_uint(), tostring(tvb(at, 8):le_uint64()),
      LEVELS[level] or "?")
    if level == 3 then words = words .. " " .. (OUTCOMES[tvb(at + 55, 1):uint()] or "?") end
    own:append_text(": " .. words)
    count = count + 1
    at = at + whole
  end
  return count, words
end

local HANDSHAKE_BYTES = { [1] = 208, [2] = 64, [3] = 128 }
local function handshake(tree, tvb)
  if tvb:len() < 32 then
    malformed(tree, "Shorter than its header")
    return "HANDSHAKE, malformed"
  end
  local step = tvb(16, 1):uint()
  row(tree, tvb, 16, { { "handshake.step", 1 }, { "handshake.version_min", 1 }, { "handshake.version_max", 1 } })
  reserved(tree, tvb, 19, 1)
  row(tree, tvb, 20, { { "replica", 2 } })
  reserved(tree, tvb, 22, 2)
  text_row(tree, tvb, 24, { { "handshake.initiator_id", 4 } })
  reserved(tree, tvb, 28, 4)
  local words = string.format("HANDSHAKE %s, replica %d, initiator %s", STEPS[step] or "?", tvb(20, 2):le_uint(),
    tvb(24, 4):bytes():tohex(true))
  if tvb:len() ~= HANDSHAKE_BYTES[step] then
    malformed(tree, "Another size than its step has")
    return words .. ", malformed"
  end
  if step == 1 then
    text_row(tree, tvb, 32, { { "handshake.cookie", 32 }, { "handshake.ephemeral", 32 }, { "handshake.static", 48 },
      { "handshake.body", 64 } })
    if not tvb(32, 32):bytes():tohex():find("[^0]") then words = words .. ", no cookie" end
  elseif step == 2 then
    text_row(tree, tvb, 32, { { "handshake.cookie", 32 } })
  else
    text_row(tree, tvb, 32, { { "handshake.ephemeral", 32 }, { "handshake.body", 64 } })
  end
  return words
end

-- ---- Blocks of a session ------------------------------------------------------------------------------------------------------

local SIZES = { [3] = 24, [4] = 16, [5] = 16, [6] = 24, [7] = 16, [8] = 16, [10] = 4, [11] = 24 } -- at least
local bodies = {
  [1] = function(tree, tvb, at, size)
    local kind = size >= 40 and tvb(at, 4):string() == "GIRO" and tvb(at + 4, 2):le_uint() or 0
    if kind ~= 0x0101 and kind ~= 0x0102 then
      malformed(tree, "No frame and no skip")
      return "FRAME, malformed"
    end
    text_row(tree, tvb, at, { { "magic", 4 } })
    row(tree, tvb, at + 4, { { "kind", 2 }, { "version", 2 } })
    tree:add(f.chain_prefix, tvb(at + 8, 8))
    return frame(tree, tvb, at, size)
  end,
  [2] = function(tree, tvb, at, size)
    local count, words = items(tree, tvb, at, at + size)
    return count == 1 and "RECEIPT " .. words or "RECEIPT of " .. plural(count, "frame")
  end,
  [3] = function(tree, tvb, at, size)
    row(tree, tvb, at, { { "ack.cumulative", 8 }, { "ack.credit", 8 }, { "ack.delay_us", 4 }, { "ack.word_count", 2 } })
    reserved(tree, tvb, at + 22, 2)
    local count = tvb(at + 20, 2):le_uint()
    if size ~= 24 + 8 * count then malformed(tree, "Another size than its words have") else
      for i = 0, count - 1 do row(tree, tvb, at + 24 + 8 * i, { { "ack.word", 8 } }) end
    end
    return "ACK < " .. tostring(tvb(at, 8):le_uint64())
  end,
  [4] = function(tree, tvb, at)
    row(tree, tvb, at, { { "refuse.sequence", 8 }, { "refuse.channel", 2 }, { "refuse.reason", 2 },
      { "refuse.wait_ms", 4 } })
    return string.format("REFUSE channel %d sequence %s: %s", tvb(at + 8, 2):le_uint(),
      tostring(tvb(at, 8):le_uint64()), REJECTS[tvb(at + 10, 2):le_uint()] or "?")
  end,
  [5] = function(tree, tvb, at)
    row(tree, tvb, at, { { "ask.sequence", 8 }, { "ask.channel", 2 }, { "ask.want", 2 }, { "ask.offset", 4 } })
    return "ASK " .. (WANTS[tvb(at + 10, 2):le_uint()] or "?")
  end,
  [6] = function(tree, tvb, at, size)
    row(tree, tvb, at, { { "proof.sequence", 8 }, { "proof.channel", 2 } })
    reserved(tree, tvb, at + 10, 2)
    row(tree, tvb, at + 12, { { "proof.offset", 4 }, { "proof.total", 4 } })
    reserved(tree, tvb, at + 20, 4)
    if size > 24 then tree:add(f["proof.bytes"], tvb(at + 24, size - 24)) end
    return string.format("PROOF %d + %d of %d", tvb(at + 12, 4):le_uint(), size - 24, tvb(at + 16, 4):le_uint())
  end,
  [7] = function(tree, tvb, at)
    text_row(tree, tvb, at, { { "ping.token", 8 } })
    row(tree, tvb, at + 8, { { "ping.datagram_max", 4 } })
    reserved(tree, tvb, at + 12, 4)
    return "PING"
  end,
  [8] = function(tree, tvb, at)
    text_row(tree, tvb, at, { { "pong.token", 8 } })
    row(tree, tvb, at + 8, { { "pong.size", 4 } })
    reserved(tree, tvb, at + 12, 4)
    return "PONG"
  end,
  [9] = function(tree, tvb, at, size)
    if size > 0 then reserved(tree, tvb, at, size) end
    return "PAD " .. size
  end,
  [10] = function(tree, tvb, at)
    row(tree, tvb, at, { { "close.reason", 2 } })
    reserved(tree, tvb, at + 2, 2)
    return "CLOSE " .. (CLOSES[tvb(at, 2):le_uint()] or "?")
  end,
  [11] = function(tree, tvb, at)
    row(tree, tvb, at, { { "channel_state.channel", 2 }, { "channel_state.stopped", 1 } })
    reserved(tree, tvb, at + 3, 5)
    row(tree, tvb, at + 8, { { "channel_state.base", 8 }, { "channel_state.frontier", 8 } })
    return "CHANNEL " .. tvb(at, 2):le_uint()
  end,
}

-- All blocks of opened bytes. Returns words for the info column.
local function blocks(tree, tvb)
  local at, words = 0, {}
  while at < tvb:len() do
    if tvb:len() - at < 4 then
      malformed(tree, "Ends within a block's head")
      break
    end
    local kind, size = tvb(at, 1):uint(), tvb(at + 2, 2):le_uint()
    local padding = -size % 4
    if size + padding > tvb:len() - at - 4 then
      malformed(tree, "Ends within a block")
      break
    end
    local own = tree:add(f.block, tvb(at, 4 + size + padding))
    own:add(f["block.kind"], tvb(at, 1))
    reserved(own, tvb, at + 1, 1)
    row(own, tvb, at + 2, { { "block.size", 2 } })
    if not bodies[kind] or size < (SIZES[kind] or 0) then
      malformed(own, "No block of a known kind and size")
      words[#words + 1] = "?"
    else
      words[#words + 1] = bodies[kind](own, tvb, at + 4, size)
      own:append_text(" " .. words[#words])
    end
    if padding > 0 then own:add(f["block.padding"], tvb(at + 4 + size, padding)) end
    at = at + 4 + size + padding
  end
  return table.concat(words, ", ")
end

-- The plaintext of a session datagram, nil if no key of that id opens it; the second: whether there was one.
local function session_open(tvb, pinfo)
  local id = tvb(8, 4):bytes():tohex(true)
  local name = pinfo.number .. ":" .. id .. ":" .. tvb(16, 8):bytes():tohex() .. keys_read
  if opened[name] then return opened[name], true end
  keys_load()
  for _, key in ipairs(keys[id] or {}) do
    local text = aead_open(key, "\0\0\0\0" .. tvb(16, 8):raw(), tvb(0, 24):raw(), tvb(24, tvb:len() - 40):raw(),
      tvb(tvb:len() - 16, 16):raw())
    if text then
      if opened_count >= OPENED_MAX then opened, opened_count = {}, 0 end
      opened[name], opened_count = text, opened_count + 1
      return text, true
    end
  end
  return nil, keys[id] ~= nil
end

local function session(tree, tvb, pinfo)
  if tvb:len() < 44 then
    malformed(tree, "Too short for a header, a block and a tag")
    return "SESSION, malformed"
  end
  text_row(tree, tvb, 8, { { "session.receiver_id", 4 } })
  row(tree, tvb, 12, { { "session.floor", 4 }, { "session.number", 8 } })
  tree:add(f["session.sealed"], tvb(24, tvb:len() - 40))
  local tag = tree:add(f["session.tag"], tvb(tvb:len() - 16, 16))
  local words = string.format("SESSION %s #%s", tvb(8, 4):bytes():tohex(true), tostring(tvb(16, 8):le_uint64()))
  local text, known = session_open(tvb, pinfo)
  tree:add(f["session.opened"], text ~= nil):set_generated()
  if not text then
    tag:add_proto_expert_info(known and expert.wrong_key or expert.sealed)
    return words .. ", sealed"
  end
  return words .. ": " .. blocks(tree, ByteArray.new(text, true):tvb("Giro session blocks"))
end

-- ---- Datagrams ----------------------------------------------------------------------------------------------------------------

function giro.dissector(tvb, pinfo, root)
  if tvb:len() < 8 or tvb(0, 4):string() ~= "GIRO" then return 0 end
  pinfo.cols.protocol = "GIRO"
  local tree = root:add(giro, tvb())
  local kind = tvb(4, 2):le_uint()
  text_row(tree, tvb, 0, { { "magic", 4 } })
  row(tree, tvb, 4, { { "kind", 2 }, { "version", 2 } })
  local words
  if kind ~= 0x0108 and KINDS[kind] and tvb:len() >= 16 then tree:add(f.chain_prefix, tvb(8, 8)) end
  if kind == 0x0101 or kind == 0x0102 or kind == 0x0103 then
    words = frame(tree, tvb, 0, tvb:len())
  elseif kind == 0x0107 then
    words = handshake(tree, tvb)
  elseif kind == 0x0108 then
    words = session(tree, tvb, pinfo)
  else
    malformed(tree, "A kind that is not said over UDP")
    words = string.format("kind 0x%04x", kind)
  end
  pinfo.cols.info = words
  tree:append_text(", " .. words)
  return tvb:len()
end

function giro.init()
  keys, keys_read, opened, opened_count = {}, "", {}, 0
end

giro:register_heuristic("udp", function(tvb, pinfo, root)
  return giro.dissector(tvb, pinfo, root) > 0
end)
