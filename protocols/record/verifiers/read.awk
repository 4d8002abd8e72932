# Reads lines of signed text strictly: FORMAT.md sections 3, 4 and 6. For each line a row of fields, separated by tabs, whose
# first is `ok` or the word of the broken rule. `as`: record, receipt, enrol, root, order or sidecar (one JSON text).
# To be run with LC_ALL=C, so that a character is a byte.

function refuse(word) { if (!R) R = word }

# --- Base64url ---

function strict(text, size,    n, last) {
  n = length(text)
  if (text !~ /^[A-Za-z0-9_-]*$/ || n % 4 == 1) return "base64"
  last = index(A64, substr(text, n)) - 1
  if (n % 4 == 2 && last % 16 || n % 4 == 3 && last % 4) return "base64"
  if (size && int(n * 6 / 8) != size) return "length"
  return ""
}
function decode(text,    i, n, bits, held, out) {
  n = length(text)
  for (i = 1; i <= n; i++) {
    bits = bits * 64 + VAL[substr(text, i, 1)]
    held += 6
    if (held >= 8) {
      held -= 8
      out = out CHR[int(bits / 2 ^ held)]
      bits %= 2 ^ held
    }
  }
  return out
}
function encode(text,    i, n, bits, held, out) {
  n = length(text)
  for (i = 1; i <= n; i++) {
    bits = bits * 256 + (substr(text, i, 1) == NUL ? 0 : ORD[substr(text, i, 1)])
    held += 8
    while (held >= 6) {
      held -= 6
      out = out substr(A64, int(bits / 2 ^ held) + 1, 1)
      bits %= 2 ^ held
    }
  }
  if (held) out = out substr(A64, bits * 2 ^ (6 - held) + 1, 1)
  return out
}

# --- UTF-8 (RFC 3629) ---

function is_utf8(text,    i, n, c, more, low, high) {
  if (text !~ /[\200-\377]/) return 1
  n = length(text)
  for (i = 1; i <= n; i++) {
    c = ORD[substr(text, i, 1)]
    if (more) {
      if (c < low || c > high) return 0
      more--; low = 128; high = 191
    } else if (c >= 128) {
      low = 128; high = 191
      if (c >= 194 && c <= 223) more = 1
      else if (c >= 224 && c <= 239) { more = 2; if (c == 224) low = 160; if (c == 237) high = 159 }
      else if (c >= 240 && c <= 244) { more = 3; if (c == 240) low = 144; if (c == 244) high = 143 }
      else return 0
    }
  }
  return !more
}
function utf8(n) {
  if (n == 0) return NUL
  if (n < 128) return CHR[n]
  if (n < 2048) return CHR[192 + int(n / 64)] CHR[128 + n % 64]
  if (n < 65536) return CHR[224 + int(n / 4096)] CHR[128 + int(n / 64) % 64] CHR[128 + n % 64]
  return CHR[240 + int(n / 262144)] CHR[128 + int(n / 4096) % 64] CHR[128 + int(n / 64) % 64] CHR[128 + n % 64]
}

# --- JSON: types and values by path, as `.data.lost[0][1]`; K: keys of an object in order ---

function space() { while (index(" \t\n\r", substr(J, at, 1)) && at <= length(J)) at++ }
function parse(text, most) {
  split("", TYPE); split("", VALUE); split("", SIZE); split("", KEYS)
  taken("")
  J = text; at = 1; DEEP = most
  space()
  if (substr(J, at, 1) != "{") return refuse("payload-syntax")
  value("", 1)
  if (R) return
  space()
  if (at <= length(J)) refuse("payload-syntax")
}
function value(path, depth,    c, text) {
  if (R) return
  c = substr(J, at, 1)
  if (c == "{" || c == "[") {
    if (depth > DEEP) return refuse("payload-too-deep")
    if (c == "{") object(path, depth); else array(path, depth)
  } else if (c == "\"") {
    TYPE[path] = "s"
    VALUE[path] = string()
  } else if (match(substr(J, at, 5), /^(true|false|null)/)) {
    TYPE[path] = substr(J, at, 1) == "n" ? "z" : "b"
    at += RLENGTH
  } else if (c ~ /[-0-9]/ && c != "") {
    match(substr(J, at, 64), /^[-+.eE0-9]+/)
    text = substr(J, at, RLENGTH)
    at += RLENGTH
    TYPE[path] = "n"
    VALUE[path] = text
    sub(/^-/, "", text)
    if (VALUE[path] !~ /^(0|-?[1-9][0-9]*)$/ || length(text) > 16 || \
        length(text) == 16 && (text "") > "9007199254740991") refuse("payload-number")
  } else refuse("payload-syntax")
}
function array(path, depth,    n) {
  TYPE[path] = "a"
  at++; space()
  if (substr(J, at, 1) == "]") { at++; SIZE[path] = 0; return }
  for (;;) {
    value(path "[" n + 0 "]", depth + 1)
    n++
    if (R || follows("]") == 0) break
  }
  SIZE[path] = n
}
# A key as it stands in a path: one that looks like a path is no path.
function step(key) { if (key ~ /[.[\\]/) gsub(/[.[\\]/, "\\\\&", key); return key }
function object(path, depth,    key, twice, n) {
  TYPE[path] = "o"
  at++; space()
  if (substr(J, at, 1) == "}") { at++; SIZE[path] = 0; return }
  for (;;) {
    if (substr(J, at, 1) != "\"") return refuse("payload-syntax")
    key = string()
    if (R) return
    space()
    if (substr(J, at, 1) != ":") return refuse("payload-syntax")
    at++; space()
    KEYS[path, n + 0] = key
    n++
    key = path "." step(key)
    # It is told at the end of its object: what stands in it a second time has a path of its own until then.
    if (key in TYPE) { twice = 1; key = path ".\\" n }
    value(key, depth + 1)
    if (R || follows("}") == 0) break
  }
  SIZE[path] = n
  if (twice) refuse("payload-duplicate-key")
}
function follows(close_with,    c) {
  space()
  c = substr(J, at, 1)
  at++
  if (c == ",") { space(); return 1 }
  if (c != close_with) refuse("payload-syntax")
  return 0
}
function unit(    i, n) {
  for (i = 0; i < 4; i++) {
    n = n * 16 + index("0123456789abcdef", tolower(substr(J, at + i, 1))) - 1
    if (substr(J, at + i, 1) !~ /[0-9a-fA-F]/) { refuse("payload-syntax"); return 0 }
  }
  at += 4
  return n
}
# A long text comes together from pieces as a number is counted up in binary: each byte is copied once for each doubling,
# and not once for each piece.
function put(piece,    i) {
  for (i = 0; (i in PIECES); i++) { piece = PIECES[i] piece; delete PIECES[i] }
  PIECES[i] = piece
  if (i >= PLACES) PLACES = i + 1
}
function taken(end,    i) {
  for (i = 0; i < PLACES; i++) if (i in PIECES) { end = PIECES[i] end; delete PIECES[i] }
  PLACES = 0
  return end
}
function string(    out, c, n, low) {
  at++
  for (;;) {
    # In pieces: of what is left a copy is made.
    while (match(substr(J, at, 512), /^[^"\\\001-\037]+/)) {
      out = out substr(J, at, RLENGTH)
      at += RLENGTH
      if (length(out) > 4096) { put(out); out = "" }
    }
    if (length(out) > 4096) { put(out); out = "" }
    c = substr(J, at, 1)
    at++
    if (c == "\"") return taken(out)
    if (c != "\\") { refuse("payload-syntax"); return out }
    c = substr(J, at, 1)
    at++
    if (c != "" && index("\"\\/", c)) out = out c
    else if (c != "" && index("bfnrt", c)) out = out substr("\b\f\n\r\t", index("bfnrt", c), 1)
    else if (c == "u") {
      n = unit()
      if (R) return out
      if (n >= 55296 && n <= 56319) {
        if (substr(J, at, 2) != "\\u") { refuse("payload-syntax"); return out }
        at += 2
        low = unit()
        if (low < 56320 || low > 57343) refuse("payload-syntax")
        n = 65536 + (n - 55296) * 1024 + low - 56320
      } else if (n >= 56320 && n <= 57343) refuse("payload-syntax")
      if (R) return out
      out = out utf8(n)
    } else { refuse("payload-syntax"); return out }
  }
}

# --- Fields ---

function there(path) { if (!(path in TYPE)) refuse("field-missing"); return path in TYPE }
function is(path, type) { if (there(path) && TYPE[path] != type) refuse("field"); return R ? "" : VALUE[path] }
function text_of(path, most, least,    v) {
  v = is(path, "s")
  if (!R && (length(v) > most || length(v) < least)) refuse("field")
  return v
}
# Characters that change what a person sees around them, as UTF-8.
function shown(path,    v) {
  v = text_of(path, 128, 1)
  if (R) return v
  if (v ~ /[\001-\037\177]|\302[\200-\237\255]|\330\234|\341\240\216|\342\200[\213-\217\250-\256]/) refuse("field")
  if (v ~ /\342\201[\240-\257]|\357\273\277|\357\277[\271-\273]|\360\235\205[\263-\272]|\363\240[\200-\201]/) refuse("field")
  if (index(v, NUL)) refuse("field")
  return v
}
function count(path, least,    v) {
  v = is(path, "n")
  if (!R && v + 0 < least + 0) refuse("field")
  return v
}
function name(path,    v) { v = is(path, "s"); if (!R && (v !~ /^[a-z0-9-]+$/ || length(v) > 63)) refuse("name"); return v }
function b64(path, size,    v, word) {
  v = is(path, "s")
  if (R) return ""
  word = strict(v, size)
  if (word) refuse(word)
  return v
}
function key_of(path) { return b64(path, 32) }
function is_moment(v,    y, m, d, days) {
  if (v !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9][0-9][0-9]Z$/) return 0
  y = substr(v, 1, 4) + 0; m = substr(v, 6, 2) + 0; d = substr(v, 9, 2) + 0
  split("31 28 31 30 31 30 31 31 30 31 30 31", days, " ")
  if (y % 4 == 0 && y % 100 != 0 || y % 400 == 0) days[2] = 29
  return m >= 1 && m <= 12 && d >= 1 && d <= days[m] && substr(v, 12, 2) < 24 && substr(v, 15, 2) < 60 && substr(v, 18, 2) < 60
}
function moment(path,    v) { v = is(path, "s"); if (!R && !is_moment(v)) refuse("field"); return v }
function one_of(path, words,    v) { v = is(path, "s"); if (!R && !index(" " words " ", " " v " ")) refuse("field"); return v }
function version() { if (count(".v", 0) != 1 && !R) refuse("version") }
function in_order(names,    list, n, i, j) {
  n = split(names, list, " ")
  for (i = 0; i < SIZE[""] && !R; i++) {
    while (++j <= n && list[j] != KEYS["", i]) ;
    if (j > n) refuse("field-place")
  }
}
function carries(kid, typ) {
  if (!R && HEAD != encode("{\"alg\":\"EdDSA\",\"kid\":\"" kid "\",\"typ\":\"" typ "+jws\"}")) refuse("header")
}
function is_rising(path, below,    i, p, last) {
  if (TYPE[path] != "a" || SIZE[path] > 32) return 0
  for (i = 0; i < SIZE[path]; i++) {
    p = path "[" i "]"
    if (TYPE[p] != "a" || SIZE[p] != 2 || TYPE[p "[0]"] != "n" || TYPE[p "[1]"] != "n") return 0
    if (VALUE[p "[0]"] + 0 <= last + 0 || VALUE[p "[1]"] + 0 < VALUE[p "[0]"] + 0) return 0
    last = VALUE[p "[1]"]
    if (below != "" && last + 0 >= below + 0) return 0
  }
  return 1
}
function plain(v) { gsub(/[^A-Za-z0-9_. -]/, "_", v); return v == "" ? "-" : v }
function number_or_dash(path) { return TYPE[path] == "n" && VALUE[path] >= 0 ? VALUE[path] : "-" }
function row(a) { OUT = OUT "\t" (a == "" ? "-" : a) }
# A value that is only looked at when the record is believed: itself, or `!` and the word.
function later(path, size,    kept, v) {
  kept = R
  R = ""
  v = b64(path, size)
  if (R) v = "!" R
  R = kept
  return v
}

function record(    gw, ep, mode, opens, i, v, tail, p) {
  version()
  gw = name(".gw")
  v = is(".kind", "s")
  if (!R && !(v in KIND)) refuse("kind")
  ep = count(".ep", 1)
  opens = v == "epoch.open"
  carries(gw (opens ? "#id" : "#" ep), opens ? "open" : "rec")
  mode = one_of(".mode", "live drill test maintenance")
  if (count(".sev", 0) > 4) refuse("field")
  if (mode == "drill") { is(".drill", "o"); text_of(".drill.id", 64, 1); b64(".drill.auth", 32) }
  else if (".drill" in TYPE) refuse("field")
  if (".pii" in TYPE) b64(".pii", 32)
  name(".site")
  count(".seq", 1)
  b64(".prev", 32)
  text_of(".boot", 36, 0)
  count(".mono_us", 0)
  if (there(".wall") && TYPE[".wall"] != "z") moment(".wall")
  is(".clk", "o")
  if (".src" in TYPE) is(".src", "o")
  if (".data" in TYPE) is(".data", "o")
  if (".dev_ts" in TYPE) text_of(".dev_ts", 64, 0)
  if (".eq" in TYPE) { text_of(".eq", 256, 0); count(".reg", 0); is(".standing", "o") }
  if (R) return
  row(v); row(gw); row(VALUE[".site"]); row(ep); row(VALUE[".seq"]); row(VALUE[".prev"]); row(VALUE[".pii"])
  row(later(".data.epk", 32)); row(later(".data.pop", 64))
  tail = later(".data.tail.hash", 32)
  row(tail ~ /^!/ ? "-" : number_or_dash(".data.tail.seq")); row(tail); row(plain(VALUE[".data.tail_state"]))
  row(number_or_dash(".data.n")); row(plain(VALUE[(".data.reason" in TYPE) ? ".data.reason" : ".data.cause"]))
  v = ""
  if (is_rising(".data.lost", VALUE[".seq"])) for (i = 0; i < SIZE[".data.lost"]; i++) {
    p = ".data.lost[" i "]"
    v = v (i ? "," : "") VALUE[p "[0]"] ":" VALUE[p "[1]"]
  }
  row(v); row(number_or_dash(".data.from")); row(number_or_dash(".data.to")); row(plain(VALUE[".data.why"]))
  v = VALUE[".data.next_epk"]
  if (!(".data.next_epk" in TYPE)) v = "-"; else if (TYPE[".data.next_epk"] != "s" || v !~ /^[A-Za-z0-9_-]+$/) v = "!"
  row(v)
  p = ".data.branch"
  v = TYPE[p] == "a" && SIZE[p] == 2 ? number_or_dash(p "[0]") " " number_or_dash(p "[1]") : ""
  row(v ~ /^[0-9]+ [0-9]+$/ ? v : ""); row(files())
}
function files(    i, n, p, k, out) {
  if (TYPE[".data.files"] != "o") return "!field"
  n = SIZE[".data.files"]
  for (i = 0; i < n; i++) {
    k = KEYS[".data.files", i]
    p = ".data.files." step(k)
    if (TYPE[p] != "a" || SIZE[p] != 2 || TYPE[p "[0]"] != "n" || TYPE[p "[1]"] != "s") return "!field"
    if (strict(VALUE[p "[1]"], 32)) return "!" strict(VALUE[p "[1]"], 32)
    gsub(/[^A-Za-z0-9_.-]/, "_", k)
    out = out (i ? "," : "") k ":" VALUE[p "[0]"] ":" VALUE[p "[1]"]
  }
  return out
}
function receipt(    sms, i, list, p) {
  version()
  sms = name(".sms")
  carries(sms "#receipt", "receipt")
  if (R) return
  row(sms)
  count(".n", 0); count(".upto", 0); b64(".head", 32); b64(".prev", 32); count(".ep", 0)
  moment(".received"); moment(".ts"); one_of(".state", "ok gap fork bad revoked"); name(".gw")
  if (there(".have") && !is_rising(".have")) refuse("field")
  if (there(".resend") && !is_rising(".resend")) refuse("field")
  split(".rebase .register .settings", list, " ")
  for (i = 1; i <= 3; i++) if (list[i] in TYPE) {
    p = list[i]
    if (TYPE[p] != "a" || SIZE[p] != 2 || TYPE[p "[0]"] != "n") refuse("field")
    b64(p "[1]", 32)
  }
  if (R) return unsaid(5)
  row(VALUE[".gw"]); row(VALUE[".n"]); row(VALUE[".prev"]); row(VALUE[".upto"]); row(VALUE[".head"]); row("-")
}
# Of a document whose signature comes before its fields: none of them, and the word, for whoever believes the signature.
function unsaid(rows,    word) {
  word = R
  R = ""
  while (rows-- > 0) row("-")
  row(word)
}
function enrol(    is_request, sms, gw) {
  version()
  is_request = !(".by" in TYPE)
  if (is_request) in_order("v sms site gw token identity machine ts csr")
  sms = name(".sms"); gw = name(".gw"); name(".site")
  if (is_request) carries(gw "#id", "enrol"); else carries(sms "#accept", "accept")
  key_of(".identity"); moment(".ts")
  if (".csr" in TYPE && is_request && length(b64(".csr")) > 2731) refuse("field")
  if (is_request) { b64(".token", 16); shown(".machine") } else { key_of(".receipt_key"); shown(".by") }
  row(is_request ? "request" : "acceptance"); row(sms); row(gw); row(VALUE[".site"]); row(VALUE[".identity"])
  row(VALUE[".receipt_key"])
}
function root(    i, list, k) {
  version()
  in_order("v sms ver ts keys accept receipt order order_floor")
  name(".sms"); count(".ver", 0); moment(".ts"); is(".keys", "a")
  if (!R && SIZE[".keys"] != 3) refuse("field")
  for (i = 0; i < 3 && !R; i++) { k = key_of(".keys[" i "]"); if (index(list, k)) refuse("field"); list = list (i ? " " : "") k }
  key_of(".accept"); key_of(".receipt"); key_of(".order"); count(".order_floor", 0)
  if (R) { R = "fields:" R; return }
  # Which key the header names: its base64 is compared with that of every key that was met.
  split(list, ONE, " ")
  for (i = 1; i <= 3; i++) MET[ONE[i]] = 1
  k = "-"
  for (i in MET) if (HEAD == encode("{\"alg\":\"EdDSA\",\"kid\":\"" VALUE[".sms"] "#root:" i "\",\"typ\":\"root+jws\"}")) k = i
  row(BODY); row(VALUE[".sms"]); row(VALUE[".ver"]); row(list); row(VALUE[".accept"]); row(VALUE[".receipt"])
  row(VALUE[".order"]); row(k)
}
function has_text(path, most) { return TYPE[path] == "s" && VALUE[path] != "" && length(VALUE[path]) <= most }
function is_equipment(path,    i) {
  if (TYPE[path] != "a" || SIZE[path] > 64) return 0
  for (i = 0; i < SIZE[path]; i++) if (!has_text(path "[" i "]", 256)) return 0
  return 1
}
function is_act(    act) {
  act = TYPE[".body.do"] == "s" ? VALUE[".body.do"] : ""
  if (act == "heartbeat") return SIZE[".body"] == 1
  if (!has_text(".body.id", 64)) return 0
  if (act == "drill.end") return SIZE[".body"] == 2
  return act == "drill.start" && SIZE[".body"] == 4 && TYPE[".body.for_s"] == "n" && VALUE[".body.for_s"] + 0 >= 1 && \
    VALUE[".body.for_s"] + 0 <= 28800 && is_equipment(".body.equipment")
}
function is_drill(p,    at_first, at_last) {
  if (TYPE[p] != "o" || SIZE[p] != 4 || !has_text(p ".id", 64) || !is_equipment(p ".equipment")) return 0
  if (TYPE[p ".from"] != "s" || TYPE[p ".to"] != "s") return 0
  at_first = VALUE[p ".from"]; at_last = VALUE[p ".to"]
  return is_moment(at_first) && is_moment(at_last) && at_first < at_last
}
function ordered(    i, k, t, p) {
  p = ".register"
  if (p in TYPE) {
    if (TYPE[p] != "o" || SIZE[p] != 2 || TYPE[p ".sha256"] != "s" || TYPE[p ".bytes"] != "n") refuse("field")
    else { b64(p ".sha256", 32); count(p ".bytes", 0) }
  }
  p = ".settings"
  if (p in TYPE) {
    if (TYPE[p] != "o" || SIZE[p] > 64) refuse("field")
    for (i = 0; i < SIZE[p]; i++) {
      k = p "." step(KEYS[p, i])
      t = TYPE[k]
      if (t != "n" && t != "b" && !(t == "s" && length(VALUE[k]) <= 256)) refuse("field")
    }
  }
  p = ".drills"
  if (p in TYPE) {
    if (TYPE[p] != "a" || SIZE[p] > 16) refuse("field")
    for (i = 0; i < SIZE[p]; i++) if (!is_drill(p "[" i "]")) refuse("field")
  }
}
function order(    command, sms) {
  version()
  command = ".body" in TYPE
  sms = name(".sms")
  carries(sms "#order", command ? "command" : "order")
  if (R) return
  row(command ? "command" : "order"); row(sms)
  in_order(command ? "v sms aud n seq on body" : "v sms aud ver prev iat exp root register settings drills")
  name(".aud")
  if (command) { count(".n", 0); count(".seq", 0); b64(".on", 32); is(".body", "o"); if (!R && !is_act()) refuse("field") }
  else {
    count(".ver", 1); b64(".prev", 32); count(".root", 0); moment(".iat"); moment(".exp")
    if (!R && VALUE[".iat"] >= VALUE[".exp"]) refuse("field")
    ordered()
  }
  if (R) return unsaid(4)
  row(VALUE[".aud"]); row(command ? VALUE[".n"] : VALUE[".ver"]); row(VALUE[".prev"]); row(VALUE[".root"]); row("-")
}
function sidecar(    i, n, p, last, word, SEQ, SALT, TEXT) {
  R = ""
  J0 = taken(J0)
  if (!is_utf8(J0)) refuse("field")
  else { parse(J0, 4); if (R) R = "field" }
  version()
  is(".openings", "a")
  if (!R && SIZE[".openings"] > 65536) refuse("field")
  for (n = 0; n < SIZE[".openings"] && !R; n++) {
    p = ".openings[" n "]"
    is(p, "o"); count(p ".seq", last + 1); b64(p ".salt", 16); text_of(p ".text", 2048, 0)
    SEQ[n] = last = VALUE[p ".seq"]; SALT[n] = VALUE[p ".salt"]; TEXT[n] = VALUE[p ".text"]
  }
  # The first row that is wrong gives the word, and each text is read for itself.
  word = R
  if (word) n--
  R = ""
  for (i = 0; i < n && !R; i++) said(TEXT[i])
  if (!R) R = word
  if (R) { print "!" R "\t-\t-"; return }
  for (i = 0; i < n; i++) print SEQ[i] "\t" SALT[i] "\t" encode(TEXT[i])
}
function said(text) {
  parse(text, 4)
  # As it is, a zero byte is a control character here.
  if (R || index(text, NUL)) R = "field"
}

function line(text,    parts, n, word, payload) {
  R = ""; OUT = ""
  if (length(text) > 11264) return refuse("line-too-long")
  if (!is_utf8(text)) return refuse("not-text")
  n = split(text, parts, ".")
  if (n != 3) return refuse("not-three-parts")
  word = strict(parts[3], 64)
  if (word) return refuse(word)
  word = strict(parts[2])
  if (word) return refuse(word)
  HEAD = parts[1]; BODY = parts[2]
  payload = decode(BODY)
  if (length(payload) > 8192) return refuse("payload-too-large")
  if (!is_utf8(payload)) return refuse("payload-not-utf8")
  parse(payload, 4)
  if (R) return
  row(HEAD "." BODY); row(parts[3])
  if (as == "record") record()
  else if (as == "receipt") receipt()
  else if (as == "enrol") enrol()
  else if (as == "root") root()
  else if (as == "order") order()
}

BEGIN {
  RS = "\n"; FS = "\034"
  A64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  for (i = 1; i <= 64; i++) VAL[substr(A64, i, 1)] = i - 1
  # No awk need hold a zero byte. As it is, it stands as 1, which JSON forbids as well; escaped it is a character of a
  # text, and stands as a byte that no UTF-8 has.
  for (i = 1; i < 256; i++) { CHR[i] = sprintf("%c", i); ORD[CHR[i]] = i }
  CHR[0] = CHR[1]
  NUL = CHR[255]
  n = split("log.genesis epoch.open epoch.close heartbeat snapshot gap.dropped clock.step journal.recovered receipt.bad " \
    "register.applied register.rejected settings.applied records.disposed records.exported records.backed_up " \
    "records.restored personal.erased order.applied root.applied order.rejected summary.day exercise.started " \
    "exercise.ended exercise.reviewed exercise.unreviewed exercise.action_done exercise.action_late " \
    "level.changed register.imported " \
    "readings alarm.raised alarm.cleared alarm.closed nonconformity.opened nonconformity.contained " \
    "nonconformity.agreed nonconformity.done nonconformity.verified nonconformity.reopened " \
    "nonconformity.escalated nonconformity.closed incident.opened incident.joined incident.classified " \
    "incident.closed measure.begun measure.ended " \
    "shift.planned shift.begun shift.ended shift.taken shift.missed shift.left shift.closed " \
    "threat.changed affected.listed calibration.done maintenance.done " \
    "inspection.done test.done equipment.commissioned equipment.withdrawn equipment.returned equipment.identified " \
    "change.planned health.line health.input health.central health.certificate act.acknowledged act.started " \
    "act.stopped seal.checked seal.mismatch seal.affixed seal.removed custody.changed unit.inspected", list, " ")
  for (i = 1; i <= n; i++) KIND[list[i]] = 1
}
as == "sidecar" {
  J0 = J0 $0 "\n"
  if (length(J0) > 4096) { put(J0); J0 = "" }
  next
}
{
  line($0)
  print (R ? R : "ok") (R ? "" : OUT)
}
END { if (as == "sidecar") sidecar() }
