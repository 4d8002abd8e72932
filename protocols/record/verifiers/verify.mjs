#!/usr/bin/env node
// Verifies bundles of signed records, from FORMAT.md alone: Node.js and `jose`, no code of the product.
//
//   verify.mjs BUNDLE_DIR... [--identity=KEY] [--root=HASH] [--no-manifest]
//   verify.mjs --mutations VECTORS_DIR
//
// Prints what is verified, what is declared as lost and what contradicts. Exits 0 where nothing contradicts, 1 where
// something does, 2 when called wrongly. `jose` is looked for beside this file, or in the folder that VERIFIER_MODULES
// names (the one that holds node_modules).
import { createHash, createPublicKey, verify as verifyRaw } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.VERIFIER_MODULES;
const require = createRequire(modules ? pathToFileURL(join(resolve(modules), "x.js")) : import.meta.url);
const { compactVerify, importJWK } = await load();

async function load() {
  try {
    return await import(pathToFileURL(require.resolve("jose")));
  } catch {
    console.error("jose is not there: npm ci in this folder, or name the folder of its node_modules in VERIFIER_MODULES");
    process.exit(2);
  }
}

const LINE_MAX = 11264, PAYLOAD_MAX = 8192, DEPTH_MAX = 4, LISTED = 1000, WITNESSES = 65536;
const HELD = 65536, SUMMARIES = 1048576;
const WHOLE_MAX = 16 << 20, SLICE = 1 << 20, SHOWN = 300;
const FILES = ["root.jws", "enrol.jws", "receipts.jws", "summaries.jws", "sidecar.json", "orders.jws", "records.jws",
  "branches.jws", "MANIFEST.jws", "REPORT.txt"];
const KINDS = new Set(`log.genesis epoch.open epoch.close heartbeat snapshot gap.dropped clock.step journal.recovered
  receipt.bad register.applied register.rejected settings.applied records.disposed records.exported records.backed_up
  records.restored personal.erased order.applied root.applied order.rejected summary.day exercise.started
  exercise.ended exercise.reviewed exercise.unreviewed exercise.action_done exercise.action_late
  level.changed register.imported
  readings alarm.raised alarm.cleared alarm.closed nonconformity.opened nonconformity.contained
  nonconformity.agreed nonconformity.done nonconformity.verified nonconformity.reopened nonconformity.escalated
  nonconformity.closed incident.opened incident.joined incident.classified incident.closed measure.begun measure.ended
  shift.planned shift.begun shift.ended shift.taken shift.missed shift.left shift.closed
  threat.changed affected.listed calibration.done maintenance.done inspection.done test.done equipment.commissioned
  equipment.withdrawn equipment.returned equipment.identified change.planned health.line health.input health.central
  health.certificate act.acknowledged act.started act.stopped seal.checked seal.mismatch seal.affixed seal.removed
  custody.changed unit.inspected`.split(/\s+/));

class Refused extends Error {
  constructor(word, sentence = word) {
    super(sentence);
    this.word = word;
  }
}
const need = (condition, word, sentence) => {
  if (!condition) throw new Refused(word, sentence);
};

// --- Base64url, keys, signatures ---

const encode = (bytes) => Buffer.from(bytes).toString("base64url");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
const digest = (bytes) => encode(sha256(bytes));

function decode(text, size) {
  const bytes = Buffer.from(text, "base64url");
  need(/^[A-Za-z0-9_-]*$/.test(text) && encode(bytes) === text, "base64");
  need(size === undefined || bytes.length === size, "length");
  return bytes;
}

const P = 2n ** 255n - 19n, L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (n) => ((n % P) + P) % P;
function power(base, exponent) {
  let result = 1n;
  for (base = mod(base); exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P;
    base = (base * base) % P;
  }
  return result;
}
const D = mod(-121665n * power(121666n, P - 2n));

// RFC 8032 section 5.1.4.
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = (y1 - x1) * (y2 - x2), b = (y1 + x1) * (y2 + x2), c = mod(2n * t1 * t2) * D, d = 2n * z1 * z2;
  const e = mod(b - a), f = mod(d - c), g = mod(d + c), h = mod(b + a);
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}
function times(n, point) {
  let result = [0n, 1n, 1n, 0n];
  for (; n > 0n; n >>= 1n) {
    if (n & 1n) result = add(result, point);
    point = add(point, point);
  }
  return result;
}
const neutral = ([x, y, z]) => x === 0n && mod(y - z) === 0n;

// The point that bytes encode, or null where they are no canonical encoding of one.
function point(bytes) {
  const value = BigInt("0x" + Buffer.from(bytes).reverse().toString("hex"));
  const sign = value >> 255n, y = value & (2n ** 255n - 1n);
  if (y >= P) return null;
  const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x - u) !== 0n) x = mod(x * power(2n, (P - 1n) / 4n));
  if (mod(v * x * x - u) !== 0n || (x === 0n && sign === 1n)) return null;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

const keys = new Map();
async function keyOf(text) {
  const bytes = decode(text, 32);
  if (!keys.has(text)) {
    const at = point(bytes);
    need(at, "key-encoding");
    need(!neutral(times(8n, at)), "key-weak");
    need(neutral(times(L, at)), "key-torsion");
    const jwk = { kty: "OKP", crv: "Ed25519", x: text };
    keys.set(text, { text, jose: await importJWK(jwk, "EdDSA"), raw: createPublicKey({ key: jwk, format: "jwk" }) });
  }
  return keys.get(text);
}

// Strict: R is no point of small order. The libraries see to S.
const rIsSmall = (signature) => {
  const r = point(signature.subarray(0, 32));
  return r !== null && neutral(times(8n, r));
};

async function signedBy(key, token) {
  if (rIsSmall(token.signature)) return false;
  try {
    await compactVerify(token.line, key.jose, { algorithms: ["EdDSA"] });
    return true;
  } catch {
    return false;
  }
}
const firstSigner = async (candidates, token) => {
  for (const key of candidates) if (await signedBy(key, token)) return key;
  return null;
};

// --- JSON, strictly: `JSON.parse` knows neither duplicate keys nor the limits ---

class Json {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }
  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found?.[0] ?? null;
  }
  space() {
    this.match(/[ \t\n\r]*/y);
  }
  whole() {
    this.space();
    need(this.text[this.at] === "{", "payload-syntax");
    const value = this.value(1);
    this.space();
    need(this.at === this.text.length, "payload-syntax");
    return value;
  }
  value(depth) {
    const first = this.text[this.at];
    if (first === "{" || first === "[") {
      need(depth <= DEPTH_MAX, "payload-too-deep");
      return first === "{" ? this.object(depth) : this.array(depth);
    }
    if (first === '"') return this.string();
    const word = this.match(/true|false|null/y);
    if (word) return JSON.parse(word);
    const number = this.match(/[-0-9][-+.eE0-9]*/y);
    need(number, "payload-syntax");
    need(/^(0|-?[1-9][0-9]{0,15})$/.test(number) && Number.isSafeInteger(Number(number)), "payload-number");
    return Number(number);
  }
  string() {
    const from = this.at;
    this.quote();
    // In pieces: of a repetition with a choice in it the engine remembers every round.
    // eslint-disable-next-line no-control-regex
    while (this.match(/[^"\\\x00-\x1f]{1,512}|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}/y) !== null);
    this.quote();
    const value = JSON.parse(this.text.slice(from, this.at));
    need(value.isWellFormed(), "payload-syntax");
    return value;
  }
  quote() {
    need(this.text[this.at++] === '"', "payload-syntax");
  }
  items(close, item) {
    this.at++;
    this.space();
    if (this.text[this.at] === close) return void this.at++;
    for (;;) {
      item();
      this.space();
      const next = this.text[this.at++];
      if (next === close) return;
      need(next === ",", "payload-syntax");
      this.space();
    }
  }
  array(depth) {
    const list = [];
    this.items("]", () => list.push(this.value(depth + 1)));
    return list;
  }
  object(depth) {
    const map = new Map();
    let twice = false;
    this.items("}", () => {
      const key = this.string();
      this.space();
      need(this.text[this.at++] === ":", "payload-syntax");
      this.space();
      twice ||= map.has(key);
      map.set(key, this.value(depth + 1));
    });
    need(!twice, "payload-duplicate-key");
    return map;
  }
}

// What is no payload and as strict: whatever is wrong with it, its word is [field].
function strictly(text, what) {
  try {
    return new Json(text).whole();
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    throw new Refused("field", `${what} is not JSON as in a payload: ${refused.word}`);
  }
}

// --- Fields ---

const isText = (value) => typeof value === "string";
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isObject = (value) => value instanceof Map;
const bytesOf = (text) => Buffer.byteLength(text);

function isMoment(text) {
  const found = isText(text) && /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z$/.exec(text);
  if (!found) return false;
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] && hour < 24 && minute < 60 && second < 60;
}

function field(payload, name, good) {
  need(payload.has(name), "field-missing", `the field ${name} is missing`);
  need(good(payload.get(name)), "field", `the field ${name}`);
  return payload.get(name);
}
const text = (p, name, most = PAYLOAD_MAX, least = 0) =>
  field(p, name, (value) => isText(value) && bytesOf(value) >= least && bytesOf(value) <= most);
// Characters that change what a person sees around them.
const UNSEEN = new RegExp("[\\u{0}-\\u{1f}\\u{7f}-\\u{9f}\\u{ad}\\u{61c}\\u{180e}\\u{200b}-\\u{200f}\\u{2028}-\\u{202e}" +
  "\\u{2060}-\\u{206f}\\u{feff}\\u{fff9}-\\u{fffb}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e007f}]", "u");
const shown = (p, name) => need(!UNSEEN.test(text(p, name, 128, 1)), "field", `the field ${name}`);
const count = (p, name, least = 0) => field(p, name, (value) => isCount(value) && value >= least);
const moment = (p, name) => field(p, name, isMoment);
const link = (p, name, size = 32) => encode(decode(field(p, name, isText), size));
const nameOf = (p, name) => {
  const value = field(p, name, isText);
  need(/^[a-z0-9-]{1,63}$/.test(value), "name", `${name} is not a name`);
  return value;
};
const inOrder = (p, names) => {
  let at = 0;
  for (const key of p.keys()) {
    const found = names.indexOf(key, at);
    need(found >= 0, "field-place", `the field ${key}`);
    at = found + 1;
  }
};
const isRising = (pairs) => {
  let last = 0;
  return Array.isArray(pairs) && pairs.length <= 32 && pairs.every((pair) => {
    const good = Array.isArray(pair) && pair.length === 2 && pair.every(isCount) && last < pair[0] && pair[0] <= pair[1];
    last = good ? pair[1] : Infinity;
    return good;
  });
};

const isNamed = (value, most) => isText(value) && bytesOf(value) >= 1 && bytesOf(value) <= most;
const hasOnly = (map, names) => isObject(map) && map.size === names.length && names.every((name) => map.has(name));
const areEquipment = (list) => Array.isArray(list) && list.length <= 64 && list.every((id) => isNamed(id, 256));
const isRegister = (map) => hasOnly(map, ["sha256", "bytes"]) && isText(map.get("sha256")) && isCount(map.get("bytes"));
const isSetting = (value) => ["number", "boolean"].includes(typeof value) || (isText(value) && bytesOf(value) <= 256);
const areSettings = (map) => isObject(map) && map.size <= 64 && [...map.values()].every(isSetting);
const isDrill = (map) => hasOnly(map, ["id", "from", "to", "equipment"]) && isNamed(map.get("id"), 64) &&
  isMoment(map.get("from")) && isMoment(map.get("to")) && map.get("from") < map.get("to") && areEquipment(map.get("equipment"));
const areDrills = (list) => Array.isArray(list) && list.length <= 16 && list.every(isDrill);
const ACTS = { "drill.start": ["do", "id", "for_s", "equipment"], "drill.end": ["do", "id"], heartbeat: ["do"] };
const isAct = (map) => {
  const act = isObject(map) && map.get("do");
  if (!isText(act) || !Object.hasOwn(ACTS, act) || !hasOnly(map, ACTS[act])) return false;
  const lasts = (n) => isCount(n) && n >= 1 && n <= 28800;
  return (act === "heartbeat" || isNamed(map.get("id"), 64)) &&
    (act !== "drill.start" || (lasts(map.get("for_s")) && areEquipment(map.get("equipment"))));
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const decodeText = (bytes, word) => {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Refused(word);
  }
};

class Token {
  constructor(bytes) {
    need(bytes.length <= LINE_MAX, "line-too-long");
    this.line = decodeText(bytes, "not-text");
    const parts = this.line.split(".");
    need(parts.length === 3, "not-three-parts");
    [this.header, this.body] = parts;
    this.signature = decode(parts[2], 64);
    const data = decode(this.body);
    need(data.length <= PAYLOAD_MAX, "payload-too-large");
    this.payload = new Json(decodeText(data, "payload-not-utf8")).whole();
    this.link = digest(`${this.header}.${this.body}`);
  }
  version() {
    need(this.payload.has("v"), "field-missing", "the field v is missing");
    need(count(this.payload, "v") === 1, "version");
  }
  isA(kid, typ) {
    return this.header === encode(`{"alg":"EdDSA","kid":"${kid}","typ":"${typ}+jws"}`);
  }
  carries(kid, typ) {
    need(this.isA(kid, typ), "header");
  }
}

// --- Records ---

class Record extends Token {
  constructor(bytes) {
    super(bytes);
    this.version();
    const p = this.payload;
    this.gw = nameOf(p, "gw");
    this.kind = field(p, "kind", isText);
    need(KINDS.has(this.kind), "kind", `the kind ${this.kind.slice(0, 80)}`);
    this.ep = count(p, "ep", 1);
    this.opens = this.kind === "epoch.open";
    this.carries(this.opens ? `${this.gw}#id` : `${this.gw}#${this.ep}`, this.opens ? "open" : "rec");
    const mode = field(p, "mode", (value) => ["live", "drill", "test", "maintenance"].includes(value));
    field(p, "sev", (value) => isCount(value) && value <= 4);
    if (mode === "drill") {
      const drill = field(p, "drill", isObject);
      text(drill, "id", 64, 1);
      link(drill, "auth");
    } else need(!p.has("drill"), "field", "a drill outside mode drill");
    this.pii = p.has("pii") ? link(p, "pii") : null;
    this.site = nameOf(p, "site");
    this.seq = count(p, "seq", 1);
    this.prev = link(p, "prev");
    text(p, "boot", 36);
    count(p, "mono_us");
    field(p, "wall", (value) => value === null || isMoment(value));
    field(p, "clk", isObject);
    for (const name of ["src", "data"]) if (p.has(name)) field(p, name, isObject);
    if (p.has("dev_ts")) text(p, "dev_ts", 64);
    if (p.has("eq")) {
      text(p, "eq", 256);
      count(p, "reg");
      field(p, "standing", isObject);
    }
    this.data = p.get("data") ?? new Map();
  }
  get leaves() {
    return this.opens && ["rollback", "reset"].includes(this.data.get("tail_state"));
  }
  get tail() {
    const tail = this.data.get("tail");
    try {
      return isObject(tail) ? { seq: count(tail, "seq"), link: link(tail, "hash") } : null;
    } catch {
      return null;
    }
  }
}

class Epochs {
  constructor(identity, gw, site, keys = new Map()) {
    Object.assign(this, { identity, gw, site, keys });
  }
  copy() {
    return new Epochs(this.identity, this.gw, this.site, new Map(this.keys));
  }
  own(record) {
    need(record.gw === this.gw && record.site === this.site, "stranger", `of ${record.gw} at ${record.site}`);
  }
  async verify(record) {
    this.own(record);
    if (!record.opens) {
      need(this.keys.has(record.ep), "unknown-epoch", `epoch ${record.ep} was never opened`);
      return need(await signedBy(this.keys.get(record.ep), record), "signature");
    }
    need(await signedBy(this.identity, record), "signature");
    const key = await keyOf(field(record.data, "epk", isText));
    const pop = decode(field(record.data, "pop", isText), 64);
    const statement = Buffer.from(`pop1|${record.gw}|${record.ep}|${record.payload.get("prev")}`);
    need(!rIsSmall(pop) && verifyRaw(null, statement, key.raw, pop), "possession");
    if (!this.keys.has(record.ep)) this.keys.set(record.ep, key);
    need(this.keys.get(record.ep) === key, "epoch-taken");
  }
}

// What a bundle says moves no cursor and turns no line around: it is shown as it is or not at all.
const clean = (text) => String(text).slice(0, SHOWN).replace(/(?! )[\p{C}\p{Z}]/gu, "?");

class Report {
  counts = new Map();
  losses = [];
  found = [];
  total = 0;
  count(what, n = 1) {
    this.counts.set(what, (this.counts.get(what) ?? 0) + n);
  }
  loss(word, sentence) {
    this.losses.push(`${word}: ${clean(sentence)}`);
  }
  contradiction(file, line, word, sentence = word) {
    this.total++;
    if (this.found.length < LISTED) this.found.push(`${file}${line ? ` line ${line}` : ""}: ${word}: ${clean(sentence)}`);
  }
  get ok() {
    return this.total === 0 && (this.counts.get("records") ?? 0) > 0;
  }
  show() {
    console.log("verified: " + ([...this.counts].map(([what, n]) => `${n} ${what}`).join(", ") || "nothing"));
    for (const loss of this.losses.slice(0, LISTED)) console.log(`declared loss: ${loss}`);
    for (const found of this.found) console.log(`contradiction: ${found}`);
    console.log(`declared losses ${this.losses.length}, contradictions ${this.total}`);
    console.log(`verdict: ${this.ok ? "verified" : "refused"}`);
  }
}

// Ranges of numbers, joined where they touch. Where HELD of them are kept, one more that touches none is passed over.
class Ranges {
  all = [];
  constructor(most = HELD) {
    this.most = most;
  }
  // How many of them fulfil what the first ones do and the last ones do not.
  #before(holds) {
    let low = 0, high = this.all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(this.all[middle])) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  insert(a, b) {
    const low = this.#before((range) => range[1] < a - 1), high = this.#before((range) => range[0] <= b + 1);
    if (low === high && this.all.length >= this.most) return;
    const joined = low < high ? [Math.min(a, this.all[low][0]), Math.max(b, this.all[high - 1][1])] : [a, b];
    this.all.splice(low, high - low, joined);
  }
  // What of a range is in none of them.
  rest(from, to) {
    const left = [];
    for (let at = this.#before((range) => range[1] < from); at < this.all.length && this.all[at][0] <= to; at++) {
      if (from < this.all[at][0]) left.push([from, this.all[at][0] - 1]);
      from = this.all[at][1] + 1;
    }
    if (from <= to) left.push([from, to]);
    return left;
  }
  covers(from, to) {
    return this.rest(from, to).length === 0;
  }
}

// --- The walk along records.jws: FORMAT.md section 7 ---

class Chain {
  receipts = new Map();
  kept = new Map();
  disclosed = new Map();
  epochs = null;
  head = null;
  denied = null;
  closed = true;
  nextKey = undefined;
  number = 0;
  first = 0;
  last = 0;
  waiting = [];
  holes = [];
  held = 0;
  lost = new Ranges();
  disposed = new Ranges();
  left = new Ranges();
  // Openings by the last record of the branch that each names; what branches hold; whether there is such a file.
  tails = [];
  met = new Set();
  numbers = new Ranges();
  branches = false;
  constructor(report, identity, accepted) {
    Object.assign(this, { report, identity, accepted });
  }
  complain(line, word, sentence) {
    this.report.contradiction("records.jws", line, word, sentence);
  }
  flush() {
    for (const [line, refused] of this.waiting) this.complain(line, refused.word, refused.message);
    this.waiting = [];
  }
  async line(bytes) {
    this.number++;
    let record;
    try {
      record = new Record(bytes);
      if (!this.epochs) {
        if (!record.opens) return this.complain(this.number, "start");
        const { gw, site } = this.accepted ?? record;
        this.epochs = new Epochs(this.identity, gw, site);
      }
      await this.epochs.verify(record);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      if (this.waiting.length === HELD) return this.complain(this.number, refused.word, refused.message);
      return void this.waiting.push([this.number, refused]);
    }
    let placed = false;
    try {
      this.place(record);
      placed = true;
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      this.complain(this.number, refused.word, refused.message);
    }
    this.advance(record);
    if (!placed) return;
    try {
      this.witness(record);
      this.report.count("records");
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      this.complain(this.number, refused.word, refused.message);
    }
  }
  place(record) {
    this.deny(record);
    const { seq, prev, head = this.head } = record;
    if (!head) {
      this.flush();
      const tail = record.tail?.seq ?? 0;
      if (record.leaves && tail + 1 < seq) this.report.loss("rollback", `records ${tail + 1} to ${seq - 1}`);
      return this.behind(record);
    }
    if (record.leaves && seq > head.seq && (seq > head.seq + 1 || prev !== head.link)) {
      this.flush();
      return this.leave(record, head);
    }
    const opens = record.opens ? 1 : 0;
    if (seq > head.seq + 1) {
      if (this.waiting.length > seq - head.seq - 1) this.flush();
      this.hole(head.seq + 1, seq - 1);
      need(record.ep >= head.ep + opens, "break-epoch");
      return this.behind(record);
    }
    this.flush();
    need(seq > head.seq, "backwards", `record ${seq} after record ${head.seq}`);
    need(record.ep === head.ep + opens || (record.leaves && record.ep > head.ep), "break-epoch");
    need(prev === head.link, "break-prev", `record ${seq} does not name the one before it`);
    need(record.opens || !this.closed, "break-closed");
    if (this.nextKey !== undefined && record.data.get("epk") !== this.nextKey) {
      need(record.leaves, "break-key", `record ${seq} opens another epoch than the one before names`);
      this.report.loss("branch", `record ${seq} goes on elsewhere`);
    }
  }
  // Numbers that are missing: a record further on may declare them.
  hole(from, to) {
    const held = this.held + this.waiting.length;
    if (this.holes.length === HELD || held > HELD) {
      this.flush();
      return this.complain(this.number, "missing", `records ${from} to ${to}`);
    }
    this.held = held;
    this.holes.push({ from, to, line: this.number, refused: this.waiting });
    this.waiting = [];
  }
  behind(record) {
    const known = this.receipts.get(record.seq - 1);
    if (known && known.head !== record.prev) this.complain(this.number, "receipt-head", `record ${record.seq - 1}`);
  }
  leave(record, head) {
    const { seq, tail } = record;
    const moved = tail && tail.seq > head.seq;
    need(tail && (moved || (tail.seq === head.seq && tail.link === head.link)), "tail", `record ${seq}`);
    need(record.ep > head.ep, "break-epoch");
    if (moved) {
      need(this.tails.length < HELD, "too-many");
      this.tails.push({ tail, before: head.seq, seq, line: this.number });
    }
    const proof = this.receipts.get(seq - 1)?.head === record.prev ? "a receipt shows it" : "no receipt here shows it";
    if (head.seq + 1 < seq) {
      this.report.loss("rollback", `records ${head.seq + 1} to ${seq - 1} are with the central system (${proof})`);
    } else this.report.loss("branch", `record ${seq} goes on elsewhere (${proof})`);
    this.behind(record);
  }
  witness(record) {
    const { seq } = record;
    need(seq !== 1 || !this.accepted || this.accepted.link === record.prev, "acceptance");
    need((this.kept.get(seq) ?? record.link) === record.link, "summary");
    if (this.disclosed.has(seq)) {
      const commitment = this.disclosed.get(seq);
      this.disclosed.delete(seq);
      need(commitment === record.pii, "disclosure");
      this.report.count("disclosures");
    }
    const known = this.receipts.get(seq);
    if (known && known.head !== record.link) this.denied = { line: this.number, seq, ...known };
    else if (known) this.report.count("receipts that agree");
  }
  deny(record) {
    if (!this.denied) return;
    const { line, seq, n, head } = this.denied;
    this.denied = null;
    if (!(record?.leaves && record.seq === seq + 1 && record.prev === head)) {
      this.complain(line, "receipt-head", `record ${seq} is not the one that receipt ${n} names`);
    }
  }
  advance(record) {
    const { data, seq, kind } = record;
    if (record.opens) {
      this.report.count("epochs");
      if (!this.closed) this.report.loss("unclosed", `epoch ${this.head.ep} after record ${this.head.seq}`);
    } else if (kind === "gap.dropped") {
      const reason = data.get("reason") ?? data.get("cause");
      this.report.loss("dropped", `${data.get("n") ?? 0} events (${reason}), as record ${seq} says`);
    } else if (kind === "journal.recovered") {
      const lost = data.get("lost") ?? [];
      if (isRising(lost) && lost.every(([, b]) => b < seq)) {
        for (const [a, b] of lost) {
          this.lost.insert(a, b);
          this.report.loss("lost", `records ${a} to ${b}, as record ${seq} says`);
        }
      }
    } else if (kind === "records.disposed") {
      const branch = data.get("branch");
      if (Array.isArray(branch) && branch.length === 2 && branch.every(isCount) && branch[0] <= branch[1]) {
        this.left.insert(...branch);
      }
      const [a, b] = [data.get("from"), data.get("to")];
      if (isCount(a) && isCount(b) && 1 <= a && a <= b && b < seq) {
        this.disposed.insert(a, b);
        this.report.loss("disposed", `records ${a} to ${b} (${data.get("why")}), as record ${seq} says`);
      }
    }
    if (!this.head) this.first = seq;
    this.last = seq;
    this.closed = kind === "epoch.close";
    this.nextKey = this.closed ? data.get("next_epk") : undefined;
    this.head = { seq, ep: record.ep, link: record.link };
  }
  // A record of a branch.
  leftBehind(record) {
    this.met.add(`${record.seq} ${record.link}`);
    this.numbers.insert(record.seq, record.seq);
    const { tail } = record;
    if (record.leaves && tail && tail.seq + 1 < record.seq) this.numbers.insert(tail.seq + 1, record.seq - 1);
  }
  settleBranches() {
    const known = new Ranges(3 * HELD);
    for (const [a, b] of [this.numbers, this.lost, this.left].flatMap(({ all }) => all)) known.insert(a, b);
    for (const { tail, before, seq, line } of this.tails) {
      const disposed = this.left.covers(tail.seq, tail.seq);
      const gap = before + 1 < seq;
      const there = this.met.has(`${tail.seq} ${tail.link}`) || disposed || !(gap || this.branches);
      if (!there || (gap && !known.covers(before + 1, tail.seq))) {
        this.complain(line, "tail", `the branch that record ${seq} names is not here`);
      }
    }
  }
  finish() {
    this.deny(null);
    this.flush();
    for (const { from, to, line, refused } of this.holes) {
      const left = this.lost.rest(from, to);
      if (left.length) for (const [number, why] of refused) this.complain(number, why.word, why.message);
      for (const [a, b] of left) this.complain(line, "missing", `records ${a} to ${b}`);
    }
    for (const [a, b] of this.disposed.rest(1, this.first - 1)) {
      this.report.loss("outside", `records ${a} to ${b} are not in this file`);
    }
    for (const seq of this.disclosed.keys()) this.complain(null, "disclosure", `record ${seq} is not here`);
    const newest = [...this.receipts.keys()].reduce((most, upto) => Math.max(most, upto), 0);
    if (newest > this.last) this.complain(null, "missing", `records ${this.last + 1} to ${newest} have receipts`);
  }
}

// --- The root document ---

async function rootsOf(bytes) {
  const versions = [], lines = linesOf(bytes);
  for (let at = 0; at < lines.length; ) {
    need(versions.length < 64, "root-too-long");
    const first = new Token(lines[at]), root = await rootOf(first), before = versions.at(-1);
    need(root.ver === versions.length + 1, "root-version");
    need(!before || before.sms === root.sms, "stranger");
    const signers = [];
    for (; at < lines.length; at++) {
      const token = new Token(lines[at]);
      if (token.body !== first.body) break;
      const key = [...root.keys, ...(before?.keys ?? [])].find((key) => token.isA(`${root.sms}#root:${key.text}`, "root"));
      need(key && !signers.includes(key), "root-signer");
      need(await signedBy(key, token), "signature");
      signers.push(key);
    }
    for (const of of [root, before]) {
      need(!of || of.keys.filter((key) => signers.includes(key)).length >= 2, "root-threshold");
    }
    versions.push(root);
  }
  need(versions.length, "root-empty");
  return versions;
}

async function rootOf(token) {
  const p = token.payload;
  token.version();
  inOrder(p, ["v", "sms", "ver", "ts", "keys", "accept", "receipt", "order", "order_floor"]);
  const root = { sms: nameOf(p, "sms"), ver: count(p, "ver"), hash: digest(token.body), keys: [] };
  moment(p, "ts");
  const texts = field(p, "keys", (list) => Array.isArray(list) && list.every(isText));
  for (const key of texts) root.keys.push(await keyOf(key));
  need(texts.length === 3 && new Set(texts).size === 3, "field", "keys");
  for (const role of ["accept", "receipt", "order"]) root[role] = await keyOf(field(p, role, isText));
  count(p, "order_floor");
  return root;
}

function linesOf(bytes) {
  const lines = [];
  for (let from = 0; from < bytes.length; ) {
    const at = bytes.indexOf(10, from), to = at < 0 ? bytes.length : at;
    lines.push(bytes.subarray(from, to));
    from = to + 1;
  }
  return lines;
}

// --- The bundle: FORMAT.md section 14 ---

class Bundle {
  report = new Report();
  roots = null;
  accepted = null;
  digests = new Map();
  manifest = null;
  orderLast = null;
  commandLast = 0;
  constructor(folder, options) {
    Object.assign(this, { folder, ...options });
  }
  async check() {
    const names = readdirSync(this.folder);
    if (!FILES.some((name) => names.includes(name))) throw new Error(`${this.folder} holds no file of a bundle`);
    await this.whole("root.jws", async (bytes) => {
      this.roots = await rootsOf(bytes);
      need(!this.root || this.roots.some(({ hash }) => hash === this.root), "root-unknown");
    });
    if (this.root && !names.includes("root.jws")) {
      this.report.contradiction("root.jws", null, "root-unknown", "it is not there");
    }
    await this.each("enrol.jws", (line) => this.enrolment(line));
    if (!this.accepted) this.report.contradiction("enrol.jws", null, "unverifiable", "there is no acceptance");
    const identity = this.identity ?? this.accepted?.identity;
    this.chain = new Chain(this.report, identity, this.accepted);
    if (!identity) return this.report;
    // Of the accepted gateway, or else of the one that a record names.
    this.own = ({ gw, site }) => new Epochs(identity, this.accepted?.gw ?? gw, this.accepted?.site ?? site);
    this.receiptLast = { n: 0, link: this.accepted?.link };
    await this.each("receipts.jws", (line) => this.receipt(line));
    this.days = null;
    this.dayLast = 0;
    await this.each("summaries.jws", (line) => this.day(line));
    await this.whole("sidecar.json", (bytes) => this.sidecar(bytes));
    await this.each("orders.jws", (line) => this.order(line));
    await this.each("records.jws", (line) => this.chain.line(line));
    this.chain.finish();
    for (const [ep, key] of this.days?.keys ?? []) {
      const other = this.chain.epochs?.keys.get(ep);
      if (other && other !== key) this.report.contradiction("summaries.jws", null, "epoch-taken");
    }
    this.branch = null;
    this.chain.branches = names.includes("branches.jws");
    await this.each("branches.jws", (line) => this.left(line));
    this.chain.settleBranches();
    this.sealing = this.chain.epochs?.copy();
    await this.each("MANIFEST.jws", (line) => this.exported(line));
    this.seal(names);
    return this.report;
  }
  async each(name, check) {
    let number = 0;
    for (const line of this.lines(name)) await this.refusing(name, ++number, () => check(line));
  }
  async whole(name, check) {
    const size = statSync(join(this.folder, name), { throwIfNoEntry: false })?.size;
    if (size === undefined) return;
    await this.refusing(name, null, () => {
      need(size <= WHOLE_MAX, "too-many", "too large to be read as a whole");
      return check(Buffer.concat([...this.slices(name)]));
    });
  }
  async refusing(name, number, check) {
    try {
      await check();
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      this.report.contradiction(name, number, refused.word, refused.message);
    }
  }
  // A file in slices, of whatever size, and then what a manifest says of it.
  *slices(name) {
    const path = join(this.folder, name);
    if (!existsSync(path)) return;
    const hash = createHash("sha256"), file = openSync(path);
    let size = 0;
    try {
      for (;;) {
        const room = Buffer.allocUnsafe(SLICE), slice = room.subarray(0, readSync(file, room));
        if (slice.length === 0) break;
        hash.update(slice);
        size += slice.length;
        yield slice;
      }
    } finally {
      closeSync(file);
    }
    this.digests.set(name, `${size} ${encode(hash.digest())}`);
  }
  // Its lines; of one that is longer than a line may be, as much as refuses it.
  *lines(name) {
    let line = [], kept = 0;
    for (const slice of this.slices(name)) {
      for (let from = 0; from < slice.length; ) {
        const at = slice.indexOf(10, from), to = at < 0 ? slice.length : at;
        // A copy, or what is kept of a line would hold every slice of it.
        const part = Buffer.from(slice.subarray(from, Math.min(to, from + LINE_MAX + 1 - kept)));
        if (part.length > 0) line.push(part);
        kept += part.length;
        if (at >= 0) {
          yield Buffer.concat(line);
          line = [], kept = 0;
        }
        from = to + 1;
      }
    }
    if (kept) yield Buffer.concat(line);
  }
  async enrolment(line) {
    const token = new Token(line), p = token.payload;
    token.version();
    const known = (key) => need(!this.identity || this.identity === key, "acceptance");
    if (!p.has("by")) {
      inOrder(p, ["v", "sms", "site", "gw", "token", "identity", "machine", "ts", "csr"]);
      nameOf(p, "sms"), nameOf(p, "site"), link(p, "token", 16), shown(p, "machine"), moment(p, "ts");
      need(!p.has("csr") || decode(field(p, "csr", isText)).length <= 2048, "field", "csr");
      token.carries(`${nameOf(p, "gw")}#id`, "enrol");
      const key = await keyOf(field(p, "identity", isText));
      need(await signedBy(key, token), "signature");
      return known(key);
    }
    const sms = nameOf(p, "sms");
    token.carries(`${sms}#accept`, "accept");
    const accepted = { sms, gw: nameOf(p, "gw"), site: nameOf(p, "site"), link: token.link };
    accepted.identity = await keyOf(field(p, "identity", isText));
    accepted.receipt = await keyOf(field(p, "receipt_key", isText));
    moment(p, "ts");
    shown(p, "by");
    if (this.roots) {
      need(await firstSigner(this.roots.map((root) => root.accept), token), "signature");
      need(this.roots.at(-1).sms === sms, "system");
    }
    need(!this.accepted, "acceptance", "two of them");
    this.accepted = accepted;
    known(accepted.identity);
  }
  async receipt(line) {
    const token = new Token(line), p = token.payload;
    need(this.accepted, "unverifiable");
    token.version();
    const sms = nameOf(p, "sms");
    token.carries(`${sms}#receipt`, "receipt");
    need(await firstSigner([this.accepted.receipt, ...(this.roots ?? []).map((root) => root.receipt)], token), "signature");
    const n = count(p, "n"), upto = count(p, "upto"), head = link(p, "head"), prev = link(p, "prev");
    count(p, "ep"), moment(p, "received"), moment(p, "ts");
    field(p, "state", (state) => ["ok", "gap", "fork", "bad", "revoked"].includes(state));
    for (const name of ["have", "resend"]) field(p, name, isRising);
    for (const name of ["rebase", "register", "settings"].filter((name) => p.has(name))) {
      const mark = field(p, name, (mark) => Array.isArray(mark) && mark.length === 2 && isCount(mark[0]) && isText(mark[1]));
      decode(mark[1], 32);
    }
    need(nameOf(p, "gw") === this.accepted.gw, "stranger");
    need(sms === this.accepted.sms, "system");
    this.report.count("receipts");
    const last = this.receiptLast, known = this.chain.receipts.get(upto);
    this.receiptLast = { n: Math.max(n, last.n), link: token.link };
    need(known || this.chain.receipts.size < WITNESSES, "too-many");
    this.chain.receipts.set(upto, { n, head });
    need(!known || known.head === head, "receipts-differ", `receipts for record ${upto}`);
    need(n > last.n && (n !== last.n + 1 || prev === last.link), "receipt-chain", `receipt ${n} after ${last.n}`);
  }
  async day(line) {
    const record = new Record(line);
    this.days ??= this.own(record);
    await this.days.verify(record);
    need(record.opens || record.kind === "summary.day", "misplaced", record.kind);
    need(record.seq > this.dayLast, "backwards");
    need(this.chain.kept.size < SUMMARIES, "too-many");
    this.dayLast = record.seq;
    this.chain.kept.set(record.seq, record.link);
    if (!record.opens) this.report.count("days");
  }
  sidecar(bytes) {
    const whole = strictly(decodeText(bytes, "field"), "the file");
    need(count(whole, "v") === 1, "version");
    let last = 0;
    const openings = new Map();
    for (const row of field(whole, "openings", (list) => Array.isArray(list) && list.length <= 65536)) {
      need(isObject(row), "field");
      const seq = count(row, "seq", last + 1), salt = decode(field(row, "salt", isText), 16);
      const said = text(row, "text", 2048);
      strictly(said, `the text for record ${seq}`);
      openings.set(seq, digest(Buffer.concat([salt, Buffer.from(said)])));
      last = seq;
    }
    this.chain.disclosed = openings;
  }
  async order(line) {
    need(this.roots, "unverifiable", "no root.jws");
    const token = new Token(line), p = token.payload, isCommand = p.has("body");
    token.version();
    const sms = nameOf(p, "sms");
    token.carries(`${sms}#order`, isCommand ? "command" : "order");
    const key = await firstSigner(this.roots.map((root) => root.order), token);
    need(key, "signature");
    inOrder(p, isCommand
      ? ["v", "sms", "aud", "n", "seq", "on", "body"]
      : ["v", "sms", "aud", "ver", "prev", "iat", "exp", "root", "register", "settings", "drills"]);
    const gw = nameOf(p, "aud");
    need(!this.accepted || this.accepted.gw === gw, "stranger");
    need(this.roots.at(-1).sms === sms, "system");
    if (isCommand) {
      const n = count(p, "n"), last = this.commandLast;
      count(p, "seq"), link(p, "on"), field(p, "body", isAct);
      this.commandLast = n;
      this.report.count("orders");
      return need(n > last, "order-chain");
    }
    const ver = count(p, "ver", 1), prev = link(p, "prev"), root = count(p, "root"), before = this.orderLast;
    need(moment(p, "iat") < moment(p, "exp"), "field", "exp");
    if (p.has("register")) decode(field(p, "register", isRegister).get("sha256"), 32);
    if (p.has("settings")) field(p, "settings", areSettings);
    if (p.has("drills")) field(p, "drills", areDrills);
    need(this.roots.find((known) => known.ver === root)?.order === key, "signature");
    this.report.count("orders");
    this.orderLast = { key, ver, link: token.link };
    const follows = (last) => ver > last.ver && (ver !== last.ver + 1 || prev === last.link);
    need(before?.key !== key || follows(before), "order-chain");
  }
  async left(line) {
    const record = new Record(line);
    this.branch ??= this.own(record);
    this.branch.own(record);
    const known = record.opens || this.branch.keys.has(record.ep) || !this.chain.epochs;
    await (known ? this.branch : this.chain.epochs).verify(record);
    if (!(this.branchLast?.seq === record.seq - 1 && this.branchLast.link === record.prev)) {
      need((this.report.counts.get("branches") ?? 0) < HELD, "too-many");
      this.report.count("branches");
    }
    this.chain.leftBehind(record);
    this.branchLast = record;
  }
  async exported(line) {
    const record = new Record(line);
    this.sealing ??= this.own(record);
    await this.sealing.verify(record);
    if (record.opens) return;
    need(record.kind === "records.exported" && !this.manifest, "misplaced", record.kind);
    const files = new Map();
    for (const [name, row] of field(record.data, "files", isObject)) {
      need(Array.isArray(row) && row.length === 2 && isCount(row[0]) && isText(row[1]), "field", "files");
      decode(row[1], 32);
      files.set(name, `${row[0]} ${row[1]}`);
    }
    this.manifest = { record, files, from: count(record.data, "from"), to: count(record.data, "to") };
  }
  seal(names) {
    const complain = (word, sentence) => this.report.contradiction("MANIFEST.jws", null, word, sentence);
    if (!this.manifest) return this.sealed ? complain("unsealed") : undefined;
    const { record, files, from, to } = this.manifest, { first, last, head } = this.chain;
    // Of what was too large to be read, and of what nobody reads.
    for (const name of FILES.filter((name) => !this.digests.has(name))) for (const slice of this.slices(name)) void slice;
    for (const name of new Set([...files.keys(), ...names.filter((name) => name !== "MANIFEST.jws")])) {
      const here = this.digests.get(name);
      if (here === undefined || files.get(name) !== here) complain("file", `${name} is not the file that is named`);
    }
    if (from !== first || to !== last || record.seq <= last) return complain("range", `records ${from} to ${to}`);
    if (record.seq === last + 1 && head && record.prev !== head.link) complain("break-prev");
  }
}

async function mutations(folder) {
  const read = (name) => readFileSync(join(folder, name));
  const known = new Map(read("keys.tsv").toString().trim().split("\n").map((row) => [row.split("\t")[0], row.split("\t")[2]]));
  const epochs = new Epochs(await keyOf(known.get("identity")), "gate-7", "harbour");
  for (const line of linesOf(read("records.jws"))) await epochs.verify(new Record(line));
  for (const row of read("mutations.tsv").toString().trim().split("\n")) {
    const [rule, , line] = row.split("\t");
    try {
      await epochs.verify(new Record(Buffer.from(line)));
      console.log(`${rule}\taccepted`);
    } catch (refused) {
      console.log(`${rule}\t${refused.word}`);
    }
  }
}

async function main() {
  const option = (name) => process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  const paths = process.argv.slice(2).filter((word) => !word.startsWith("--"));
  if (paths.length === 0) throw new Error("usage: verify.mjs BUNDLE_DIR... [--identity=KEY] [--root=HASH] [--no-manifest]");
  if (process.argv.includes("--mutations")) {
    await mutations(paths[0]);
    return 0;
  }
  const identity = option("identity") ? await keyOf(option("identity")) : null;
  let good = true;
  for (const path of paths) {
    if (paths.length > 1) console.log(`== ${clean(path)}`);
    if (!statSync(path).isDirectory()) throw new Error(`${path} is not a folder`);
    const sealed = !process.argv.includes("--no-manifest");
    const report = await new Bundle(path, { identity, root: option("root"), sealed }).check();
    report.show();
    good &&= report.ok;
  }
  if (!identity) console.log("note: verified with the identity that the bundle names itself; compare it with the one you trust");
  return good ? 0 : 1;
}

process.exitCode = await main().catch((error) => {
  console.error(clean(error instanceof Refused ? `the key: ${error.message}` : error.message));
  return 2;
});
