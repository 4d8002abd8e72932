#!/usr/bin/env python3
"""Verifies bundles of signed records, from FORMAT.md alone: the standard library and `cryptography`, no code of the product.

    verify.py BUNDLE_DIR... [--identity KEY] [--root HASH] [--no-manifest]
    verify.py RECORDS_FILE --identity KEY
    verify.py --mutations VECTORS_DIR

Prints what is verified, what is declared as lost and what contradicts. Exits 0 where nothing contradicts, 1 where
something does, 2 when called wrongly. With --mutations: rule and reason word of each line of mutations.tsv.
"""
import argparse
import base64
import calendar
import hashlib
import re
import sys
from bisect import bisect_left, bisect_right
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LINE_MAX, PAYLOAD_MAX, DEPTH_MAX, INTEGER_MAX = 11264, 8192, 4, 2**53 - 1
LISTED, WHOLE_MAX, WITNESSES, HELD, SUMMARIES, SHOWN = 1000, 16 << 20, 65536, 65536, 1048576, 300
FILES = ["root.jws", "enrol.jws", "receipts.jws", "summaries.jws", "sidecar.json", "orders.jws", "records.jws",
         "branches.jws", "MANIFEST.jws", "REPORT.txt"]
KINDS = set("""log.genesis epoch.open epoch.close heartbeat snapshot gap.dropped clock.step journal.recovered
receipt.bad register.applied register.rejected settings.applied records.disposed records.exported records.backed_up
records.restored personal.erased order.applied root.applied order.rejected summary.day exercise.started exercise.ended
exercise.reviewed exercise.unreviewed exercise.action_done exercise.action_late level.changed register.imported
readings alarm.raised alarm.cleared alarm.closed nonconformity.opened nonconformity.contained nonconformity.agreed
nonconformity.done nonconformity.verified nonconformity.reopened nonconformity.escalated nonconformity.closed
incident.opened incident.joined incident.classified incident.closed measure.begun measure.ended
shift.planned shift.begun shift.ended shift.taken shift.missed shift.left shift.closed threat.changed
affected.listed calibration.done maintenance.done inspection.done test.done equipment.commissioned equipment.withdrawn
equipment.returned equipment.identified change.planned health.line health.input health.central health.certificate
act.acknowledged act.started act.stopped seal.checked seal.mismatch seal.affixed seal.removed custody.changed
unit.inspected""".split())


class Refused(Exception):
    """A rule is broken: its word, and a sentence."""

    def __init__(self, word, sentence=""):
        super().__init__(sentence or word)
        self.word = word


def need(condition, word, sentence=""):
    if not condition:
        raise Refused(word, sentence)


# --- Base64url, keys, signatures -----------------------------------------------------------------------------------

def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text, size=None):
    need(re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, "base64", "not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(encode(data) == text, "base64", "trailing bits")
    need(size in (None, len(data)), "length", f"{len(data)} bytes instead of {size}")
    return data


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SMALL = {bytes.fromhex(text) for text in (
    "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 32, "00" * 31 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")}


def add(a, b):
    """RFC 8032 section 5.1.4."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    h, g, k, m = f - e, d - c, d + c, f + e
    return (h * g % P, k * m % P, g * k % P, h * m % P)


def times(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def neutral(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


class Key:
    """A public key that passed every check."""

    def __init__(self, data):
        value = int.from_bytes(data, "little")
        sign, y = value >> 255, value & (2**255 - 1)
        need(y < P, "key-encoding")
        u, v = (y * y - 1) % P, (D * y * y + 1) % P
        x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
        if (v * x * x - u) % P:
            x = x * pow(2, (P - 1) // 4, P) % P
        need((v * x * x - u) % P == 0 and not (x == 0 and sign), "key-encoding")
        x = P - x if x & 1 != sign else x
        point = (x, y, 1, x * y % P)
        need(not neutral(times(8, point)), "key-weak")
        need(neutral(times(L, point)), "key-torsion")
        self.data, self.key = data, Ed25519PublicKey.from_public_bytes(data)

    def verifies(self, signature, message):
        if signature[:32] in SMALL:
            return False
        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@lru_cache(4096)
def take_key(data):
    return Key(data)


def key_of(text):
    return take_key(decode(text, 32))


def believe(key, token, word="signature"):
    need(key.verifies(token.signature, token.message), word)


# --- JSON, strictly -------------------------------------------------------------------------------------------------

SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"[0-9+.eE-]+")
# Of a text: of a repetition with a choice in it the engine would remember every round.
PIECE = re.compile(r'[^"\\\x00-\x1f]{1,512}|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}')
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Json:
    def __init__(self, text):
        self.text, self.at = text, 0

    def whole(self):
        self.space()
        need(self.peek() == "{", "payload-syntax")
        value = self.value(1)
        self.space()
        need(self.at == len(self.text), "payload-syntax")
        return value

    def space(self):
        self.at = SPACE.match(self.text, self.at).end()

    def peek(self):
        return self.text[self.at:self.at + 1]

    def take(self, word):
        need(self.text.startswith(word, self.at), "payload-syntax")
        self.at += len(word)

    def value(self, depth):
        first = self.peek()
        if first == "{" or first == "[":
            need(depth <= DEPTH_MAX, "payload-too-deep")
            return self.object(depth) if first == "{" else self.array(depth)
        if first == '"':
            return self.string()
        for word, value in (("true", True), ("false", False), ("null", None)):
            if first == word[0]:
                self.take(word)
                return value
        need(first and first in "-0123456789", "payload-syntax")
        text = NUMBER.match(self.text, self.at).group()
        self.at += len(text)
        need(re.fullmatch(r"0|-?[1-9][0-9]{0,15}", text) and abs(int(text)) <= INTEGER_MAX, "payload-number")
        return int(text)

    def string(self):
        self.take('"')
        first = self.at
        while found := PIECE.match(self.text, self.at):
            self.at = found.end()
        text = self.text[first:self.at]
        self.take('"')
        out = re.sub(r'\\(?:u(....)|(.))', lambda m: chr(int(m[1], 16)) if m[1] else ESCAPES[m[2]], text)
        try:
            return out.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise Refused("payload-syntax", "half a surrogate") from None

    def items(self, close, item):
        self.at += 1
        self.space()
        if self.peek() == close:
            self.at += 1
            return
        while True:
            item()
            self.space()
            if self.peek() != ",":
                return self.take(close)
            self.at += 1
            self.space()

    def array(self, depth):
        out = []
        self.items("]", lambda: out.append(self.value(depth + 1)))
        return out

    def object(self, depth):
        pairs = []

        def member():
            key = self.string()
            self.space()
            self.take(":")
            self.space()
            pairs.append((key, self.value(depth + 1)))

        self.items("}", member)
        out = dict(pairs)
        need(len(out) == len(pairs), "payload-duplicate-key")
        return out


def strictly(text, what):
    """What is no payload and as strict: whatever is wrong with it, its word is [field]."""
    try:
        return Json(text).whole()
    except Refused as refused:
        raise Refused("field", f"{what} is not JSON as in a payload: {refused.word}") from None


# --- Fields ---------------------------------------------------------------------------------------------------------

MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)


def is_moment(text):
    found = isinstance(text, str) and MOMENT.fullmatch(text)
    if not found:
        return False
    year, month, day, hour, minute, second, _ = map(int, found.groups())
    leap = calendar.isleap(year)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return 1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60


def field(payload, name, kind, good=lambda value: True):
    need(name in payload, "field-missing", f"the field {name} is missing")
    value = payload[name]
    need(type(value) is kind and good(value), "field", f"the field {name}")
    return value


def text_of(payload, name, most=PAYLOAD_MAX, least=0):
    return field(payload, name, str, lambda value: least <= len(value.encode()) <= most)


# Characters that change what a person sees around them.
UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
                    "\\ufff9-\\ufffb\\U0001d173-\\U0001d17a\\U000e0000-\\U000e007f]")


def shown_of(payload, name):
    return need(not UNSEEN.search(text_of(payload, name, 128, 1)), "field")


def count_of(payload, name, least=0):
    return field(payload, name, int, lambda value: value >= least)


def name_of(payload, name):
    text = field(payload, name, str)
    need(re.fullmatch(r"[a-z0-9-]{1,63}", text, re.ASCII), "name", f"{name} is not a name")
    return text


def moment_of(payload, name):
    return field(payload, name, str, is_moment)


def link_of(payload, name, size=32):
    return decode(field(payload, name, str), size)


def version(payload):
    need("v" in payload, "field-missing", "the field v is missing")
    need(count_of(payload, "v") == 1, "version")


def in_order(payload, names):
    rest = iter(names)
    need(all(any(key == name for name in rest) for key in payload), "field-place")


def is_text(value, most):
    return type(value) is str and 1 <= len(value.encode()) <= most


def are_equipment(value):
    return type(value) is list and len(value) <= 64 and all(is_text(id, 256) for id in value)


def is_register(value):
    return set(value) == {"sha256", "bytes"} and type(value["sha256"]) is str and type(value["bytes"]) is int \
        and value["bytes"] >= 0


def are_settings(value):
    plain = lambda one: type(one) in (int, bool) or type(one) is str and len(one.encode()) <= 256
    return len(value) <= 64 and all(map(plain, value.values()))


def are_drills(value):
    def good(drill):
        return type(drill) is dict and set(drill) == {"id", "from", "to", "equipment"} and is_text(drill["id"], 64) \
            and is_moment(drill["from"]) and is_moment(drill["to"]) and drill["from"] < drill["to"] \
            and are_equipment(drill["equipment"])
    return len(value) <= 16 and all(map(good, value))


def is_act(body):
    members = {"drill.start": {"do", "id", "for_s", "equipment"}, "drill.end": {"do", "id"}, "heartbeat": {"do"}}
    do = body.get("do")
    if type(do) is not str or set(body) != members.get(do):
        return False
    named = do == "heartbeat" or is_text(body["id"], 64)
    return named and (do != "drill.start" or type(body["for_s"]) is int and 1 <= body["for_s"] <= 28800
                      and are_equipment(body["equipment"]))


class Token:
    def __init__(self, line):
        need(len(line) <= LINE_MAX, "line-too-long")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise Refused("not-text") from None
        parts = text.split(".")
        need(len(parts) == 3, "not-three-parts")
        self.header, self.body, signature = parts
        self.signature = decode(signature, 64)
        data = decode(self.body)
        need(len(data) <= PAYLOAD_MAX, "payload-too-large")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise Refused("payload-not-utf8") from None
        self.payload = Json(text).whole()
        self.message = f"{self.header}.{self.body}".encode()
        self.link = hashlib.sha256(self.message).digest()

    def carries(self, kid, typ):
        need(self.header == encode(f'{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}+jws"}}'.encode()), "header")


# --- Records --------------------------------------------------------------------------------------------------------

class Record(Token):
    def __init__(self, line):
        super().__init__(line)
        p = self.payload
        version(p)
        self.gw = name_of(p, "gw")
        self.kind = field(p, "kind", str)
        need(self.kind in KINDS, "kind", f"the kind {self.kind[:80]} is not known")
        self.ep = count_of(p, "ep", 1)
        self.opens = self.kind == "epoch.open"
        self.carries(f"{self.gw}#id" if self.opens else f"{self.gw}#{self.ep}", "open" if self.opens else "rec")
        mode = field(p, "mode", str, lambda mode: mode in ("live", "drill", "test", "maintenance"))
        field(p, "sev", int, lambda sev: 0 <= sev <= 4)
        if mode == "drill":
            drill = field(p, "drill", dict)
            text_of(drill, "id", 64, 1), link_of(drill, "auth")
        need(mode == "drill" or "drill" not in p, "field", "a drill outside mode drill")
        self.pii = link_of(p, "pii") if "pii" in p else None
        self.site = name_of(p, "site")
        self.seq = count_of(p, "seq", 1)
        self.prev = link_of(p, "prev")
        text_of(p, "boot", 36)
        count_of(p, "mono_us")
        need("wall" in p, "field-missing", "the field wall is missing")
        need(p["wall"] is None or is_moment(p["wall"]), "field", "the field wall")
        field(p, "clk", dict)
        for name in ("src", "data"):
            if name in p:
                field(p, name, dict)
        if "dev_ts" in p:
            text_of(p, "dev_ts", 64)
        if "eq" in p:
            text_of(p, "eq", 256)
            count_of(p, "reg")
            field(p, "standing", dict)
        self.data = p.get("data", {})

    def leaves(self):
        return self.opens and self.data.get("tail_state") in ("rollback", "reset")


class Epochs:
    """The keys of one gateway."""

    def __init__(self, identity, gw, site):
        self.identity, self.gw, self.site, self.keys = identity, gw, site, {}

    def copy(self):
        other = Epochs(self.identity, self.gw, self.site)
        other.keys = dict(self.keys)
        return other

    def verify(self, record):
        need(record.gw == self.gw and record.site == self.site, "stranger", f"of {record.gw} at {record.site}")
        if not record.opens:
            need(record.ep in self.keys, "unknown-epoch", f"epoch {record.ep} was never opened")
            return believe(self.keys[record.ep], record)
        believe(self.identity, record)
        key = key_of(field(record.data, "epk", str))
        pop = decode(field(record.data, "pop", str), 64)
        statement = f"pop1|{record.gw}|{record.ep}|{record.payload['prev']}".encode()
        need(key.verifies(pop, statement), "possession")
        need(self.keys.setdefault(record.ep, key).data == key.data, "epoch-taken")


def clean(text):
    """What a bundle says moves no cursor and turns no line around: it is shown as it is or not at all."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:SHOWN])


class Report:
    """The three lists."""

    def __init__(self):
        self.counts, self.losses, self.found, self.total = {}, [], [], 0

    def count(self, what, n=1):
        self.counts[what] = self.counts.get(what, 0) + n

    def loss(self, word, sentence):
        self.losses.append((word, clean(sentence)))

    def contradiction(self, file, line, word, sentence=""):
        self.total += 1
        if len(self.found) < LISTED:
            self.found.append((file, line, word, clean(sentence)))

    def ok(self):
        return self.total == 0 and self.counts.get("records", 0) > 0

    def show(self):
        print("verified: " + (", ".join(f"{n} {what}" for what, n in self.counts.items()) or "nothing"))
        for word, sentence in self.losses[:LISTED]:
            print(f"declared loss: {word}: {sentence}")
        for file, line, word, sentence in self.found:
            print(f"contradiction: {file}{f' line {line}' if line else ''}: {word}: {sentence}")
        print(f"declared losses {len(self.losses)}, contradictions {self.total}")
        print("verdict: " + ("verified" if self.ok() else "refused"))


class Ranges:
    """Ranges of numbers, joined where they touch. Where HELD of them are kept, one more that touches none is passed over."""

    def __init__(self, most=HELD):
        self.firsts, self.lasts, self.most = [], [], most

    def insert(self, a, b):
        low, high = bisect_left(self.lasts, a - 1), bisect_right(self.firsts, b + 1)
        if low < high:
            a, b = min(a, self.firsts[low]), max(b, self.lasts[high - 1])
        elif len(self.firsts) >= self.most:
            return
        self.firsts[low:high], self.lasts[low:high] = [a], [b]

    def rest(self, a, b):
        """What of a to b is in none of them."""
        for at in range(bisect_left(self.lasts, a), bisect_right(self.firsts, b)):
            if a < self.firsts[at]:
                yield a, self.firsts[at] - 1
            a = self.lasts[at] + 1
        if a <= b:
            yield a, b

    def cover(self, a, b):
        return next(self.rest(a, b), None) is None

    def all(self):
        return zip(self.firsts, self.lasts)


class Chain:
    """The walk along records.jws: FORMAT.md section 7."""

    FILE = "records.jws"

    def __init__(self, report, identity, accepted=None):
        self.report, self.identity, self.accepted = report, identity, accepted
        self.receipts, self.kept, self.disclosed = {}, {}, {}
        self.epochs = self.head = self.denied = None
        self.closed, self.next_key, self.number, self.first, self.last = True, None, 0, 0, 0
        self.waiting, self.holes, self.held = [], [], 0
        self.lost, self.disposed, self.left = Ranges(), Ranges(), Ranges()
        # Openings by the last record of the branch that each names; what branches hold; whether there is such a file.
        self.tails, self.met, self.numbers, self.branches = [], set(), Ranges(), False

    def complain(self, line, word, sentence=""):
        self.report.contradiction(self.FILE, line, word, sentence)

    def flush(self):
        for line, refused in self.waiting:
            self.complain(line, refused.word, str(refused))
        self.waiting = []

    def line(self, line):
        self.number += 1
        try:
            record = Record(line)
            if self.epochs is None:
                if not record.opens:
                    return self.complain(self.number, "start", "the file does not begin with an opening")
                gw, site = (self.accepted["gw"], self.accepted["site"]) if self.accepted else (record.gw, record.site)
                self.epochs = Epochs(self.identity, gw, site)
            self.epochs.verify(record)
        except Refused as refused:
            if len(self.waiting) == HELD:
                return self.complain(self.number, refused.word, str(refused))
            return self.waiting.append((self.number, refused))
        try:
            self.place(record)
        except Refused as refused:
            self.complain(self.number, refused.word, str(refused))
            return self.advance(record)
        self.advance(record)
        try:
            self.witness(record)
            self.report.count("records")
        except Refused as refused:
            self.complain(self.number, refused.word, str(refused))

    def place(self, record):
        self.deny(record)
        seq, prev = record.seq, record.prev
        if self.head is None:
            self.flush()
            tail = self.tail(record)
            if record.leaves() and (tail[0] if tail else 0) + 1 < seq:
                self.report.loss("rollback", f"records {(tail[0] if tail else 0) + 1} to {seq - 1}")
            return self.behind(record)
        last, last_ep, link = self.head
        if record.leaves() and seq > last and (seq > last + 1 or prev != link):
            self.flush()
            return self.leave(record)
        if seq > last + 1:
            missing = seq - last - 1
            if len(self.waiting) > missing:
                self.flush()
            self.hole(last + 1, seq - 1)
            need(record.ep >= last_ep + record.opens, "break-epoch")
            return self.behind(record)
        self.flush()
        need(seq > last, "backwards", f"record {seq} after record {last}")
        higher = record.leaves() and record.ep > last_ep
        need(record.ep == last_ep + record.opens or higher, "break-epoch")
        need(prev == link, "break-prev", f"record {seq} does not name the one before it")
        need(record.opens or not self.closed, "break-closed")
        if self.next_key is not None and record.data.get("epk") != self.next_key[0]:
            need(record.leaves(), "break-key", f"record {seq} opens another epoch than the one before names")
            self.report.loss("branch", f"record {seq} goes on elsewhere")

    def hole(self, first, last):
        """Numbers that are missing: a record further on may declare them."""
        held = self.held + len(self.waiting)
        if len(self.holes) == HELD or held > HELD:
            self.flush()
            return self.complain(self.number, "missing", f"records {first} to {last}")
        self.held = held
        self.holes.append((first, last, self.number, self.waiting))
        self.waiting = []

    def behind(self, record):
        known = self.receipts.get(record.seq - 1)
        if known and known[1] != record.prev:
            self.complain(self.number, "receipt-head", f"record {record.seq - 1}")

    def leave(self, record):
        seq, (last, last_ep, link) = record.seq, self.head
        tail = self.tail(record)
        moved = tail and tail[0] > last
        need(tail and (tail == (last, link) or moved), "tail", f"record {seq}")
        need(record.ep > last_ep, "break-epoch")
        if moved:
            need(len(self.tails) < HELD, "too-many")
            self.tails.append((tail, last, seq, self.number))
        known = self.receipts.get(seq - 1)
        proof = "a receipt shows it" if known and known[1] == record.prev else "no receipt here shows it"
        if last + 1 < seq:
            self.report.loss("rollback", f"records {last + 1} to {seq - 1} are with the central system ({proof})")
        else:
            self.report.loss("branch", f"record {seq} goes on elsewhere ({proof})")
        self.behind(record)

    @staticmethod
    def tail(record):
        tail = record.data.get("tail")
        try:
            return (count_of(tail, "seq"), link_of(tail, "hash")) if isinstance(tail, dict) else None
        except Refused:
            return None

    def witness(self, record):
        seq = record.seq
        need(seq != 1 or not self.accepted or self.accepted["link"] == record.prev, "acceptance")
        need(self.kept.get(seq, record.link) == record.link, "summary")
        if seq in self.disclosed:
            need(self.disclosed.pop(seq) == record.pii, "disclosure")
            self.report.count("disclosures")
        known = self.receipts.get(seq)
        if known and known[1] != record.link:
            self.denied = (self.number, seq, known)
        elif known:
            self.report.count("receipts that agree")

    def deny(self, record):
        if self.denied is None:
            return
        line, seq, (n, named) = self.denied
        self.denied = None
        if not (record and record.leaves() and record.seq == seq + 1 and record.prev == named):
            self.complain(line, "receipt-head", f"record {seq} is not the one that receipt {n} names")

    def advance(self, record):
        data, seq = record.data, record.seq
        if record.opens:
            self.report.count("epochs")
            if not self.closed:
                self.report.loss("unclosed", f"epoch {self.head[1]} after record {self.head[0]}")
        elif record.kind == "gap.dropped":
            reason = data.get("reason", data.get("cause"))
            self.report.loss("dropped", f"{data.get('n', 0)} events ({reason}), as record {seq} says")
        elif record.kind == "journal.recovered":
            for a, b in self.ranges(data.get("lost"), seq):
                self.lost.insert(a, b)
                self.report.loss("lost", f"records {a} to {b}, as record {seq} says")
        elif record.kind == "records.disposed":
            branch = data.get("branch")
            if isinstance(branch, list) and [type(n) for n in branch] == [int, int] and 0 <= branch[0] <= branch[1]:
                self.left.insert(*branch)
            a, b = data.get("from"), data.get("to")
            if type(a) is int and type(b) is int and 1 <= a <= b < seq:
                self.disposed.insert(a, b)
                self.report.loss("disposed", f"records {a} to {b} ({data.get('why')}), as record {seq} says")
        self.first = self.first if self.head else seq
        self.last, self.closed = seq, record.kind == "epoch.close"
        self.next_key = [data["next_epk"]] if self.closed and "next_epk" in data else None
        self.head = (seq, record.ep, record.link)

    @staticmethod
    def ranges(lost, seq):
        if not isinstance(lost, list) or len(lost) > 32:
            return []
        last = 0
        for pair in lost:
            good = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
            if not (good and last < pair[0] <= pair[1] < seq):
                return []
            last = pair[1]
        return lost

    def left_behind(self, record):
        """A record of a branch."""
        self.met.add((record.seq, record.link))
        self.numbers.insert(record.seq, record.seq)
        tail = self.tail(record)
        if record.leaves() and tail and tail[0] + 1 < record.seq:
            self.numbers.insert(tail[0] + 1, record.seq - 1)

    def settle_branches(self):
        known = Ranges(3 * HELD)
        for a, b in [*self.numbers.all(), *self.lost.all(), *self.left.all()]:
            known.insert(a, b)
        for tail, before, seq, line in self.tails:
            disposed = self.left.cover(tail[0], tail[0])
            gap = before + 1 < seq
            there = tail in self.met or disposed or not (gap or self.branches)
            if not there or gap and not known.cover(before + 1, tail[0]):
                self.complain(line, "tail", f"the branch that record {seq} names is not here")

    def finish(self):
        self.deny(None)
        self.flush()
        for a, b, line, refused in self.holes:
            rest = list(self.lost.rest(a, b))
            for number, why in refused if rest else []:
                self.complain(number, why.word, str(why))
            for c, d in rest:
                self.complain(line, "missing", f"records {c} to {d}")
        for a, b in self.disposed.rest(1, self.first - 1):
            self.report.loss("outside", f"records {a} to {b} are not in this file")
        for seq in self.disclosed:
            self.complain(None, "disclosure", f"record {seq} is not here")
        newest = max(self.receipts, default=0)
        if newest > self.last:
            self.complain(None, "missing", f"records {self.last + 1} to {newest} have receipts")


# --- The root document ----------------------------------------------------------------------------------------------

class Roots:
    def __init__(self, data):
        self.versions, lines = [], data.removesuffix(b"\n").split(b"\n") if data else []
        at = 0
        while at < len(lines):
            need(len(self.versions) < 64, "root-too-long")
            token = Token(lines[at])
            root, before = self.read(token), self.versions[-1] if self.versions else None
            need(root["ver"] == len(self.versions) + 1, "root-version")
            need(not before or before["sms"] == root["sms"], "stranger")
            own, old = root["keys"], before["keys"] if before else []
            signers = []
            while at < len(lines):
                token = Token(lines[at])
                if signers and token.body != root["body"]:
                    break
                signers.append(self.signer(token, root, own + old, signers))
                at += 1
            for keys in [own] + ([old] if before else []):
                need(sum(any(key.data == s.data for s in signers) for key in keys) >= 2, "root-threshold")
            self.versions.append(root)
        need(self.versions, "root-empty")

    @staticmethod
    def read(token):
        p = token.payload
        version(p)
        in_order(p, ["v", "sms", "ver", "ts", "keys", "accept", "receipt", "order", "order_floor"])
        root = {"sms": name_of(p, "sms"), "ver": count_of(p, "ver"), "body": token.body}
        moment_of(p, "ts")
        texts = field(p, "keys", list, lambda keys: all(type(key) is str for key in keys))
        root["keys"] = [key_of(text) for text in texts]
        need(len(texts) == 3 and len(set(texts)) == 3, "field", "keys")
        for role in ("accept", "receipt", "order"):
            root[role] = key_of(field(p, role, str))
        count_of(p, "order_floor")
        root["hash"] = encode(hashlib.sha256(token.body.encode()).digest())
        return root

    @staticmethod
    def signer(token, root, keys, earlier):
        for key in keys:
            try:
                token.carries(f"{root['sms']}#root:{encode(key.data)}", "root")
            except Refused:
                continue
            need(all(key.data != known.data for known in earlier), "root-signer")
            believe(key, token)
            return key
        raise Refused("root-signer")

    def keys(self, role):
        return list({root[role].data: root[role] for root in self.versions}.values())


# --- The bundle -----------------------------------------------------------------------------------------------------

class Bundle:
    def __init__(self, folder, identity, root_hash, sealed):
        self.folder, self.identity, self.root_hash, self.sealed = folder, identity, root_hash, sealed
        self.report, self.roots, self.accepted = Report(), None, None
        self.digests, self.manifest, self.chain = {}, None, None

    def check(self):
        names = sorted(path.name for path in self.folder.iterdir())
        if not set(FILES) & set(names):
            raise OSError(f"{self.folder} holds no file of a bundle")
        self.whole("root.jws", self.root)
        if self.root_hash and "root.jws" not in names:
            self.report.contradiction("root.jws", None, "root-unknown", "it is not there")
        self.each("enrol.jws", self.enrolment)
        if not self.accepted:
            self.report.contradiction("enrol.jws", None, "unverifiable", "there is no acceptance")
        identity = self.identity or (self.accepted and self.accepted["identity"])
        self.chain = Chain(self.report, identity, self.accepted)
        if identity is None:
            return self.report
        self.receipt_last = (0, self.accepted["link"] if self.accepted else None)
        self.each("receipts.jws", self.receipt)
        self.days, self.day_last = None, 0
        self.each("summaries.jws", self.day)
        self.whole("sidecar.json", self.sidecar)
        self.order_last, self.command_last = None, 0
        self.each("orders.jws", self.order)
        self.each("records.jws", lambda line: self.chain.line(line))
        self.chain.finish()
        main = self.chain.epochs.keys if self.chain.epochs else {}
        if self.days and any(ep in main and main[ep].data != key.data for ep, key in self.days.keys.items()):
            self.report.contradiction("summaries.jws", None, "epoch-taken")
        self.branch, self.branch_last = None, None
        self.chain.branches = "branches.jws" in names
        self.each("branches.jws", self.left)
        self.chain.settle_branches()
        self.sealing = None
        self.each("MANIFEST.jws", self.exported, digest=False)
        self.seal(names)
        return self.report

    def no_epochs(self, record):
        """Of the accepted gateway, or else of the one that a record names."""
        if not self.accepted:
            return Epochs(self.identity, record.gw, record.site)
        return Epochs(self.identity or self.accepted["identity"], self.accepted["gw"], self.accepted["site"])

    def each(self, name, check, digest=True):
        path = self.folder / name
        if not path.exists():
            return
        data, number = hashlib.sha256(), 0
        with open(path, "rb") as file:
            while True:
                line = file.readline(LINE_MAX + 2)
                if not line:
                    break
                data.update(line)
                while not line.endswith(b"\n") and len(line) > LINE_MAX:
                    more = file.readline(LINE_MAX)
                    data.update(more)
                    if not more or more.endswith(b"\n"):
                        break
                number += 1
                try:
                    check(line.removesuffix(b"\n"))
                except Refused as refused:
                    self.report.contradiction(name, number, refused.word, str(refused))
        if digest:
            self.digests[name] = [path.stat().st_size, encode(data.digest())]

    def whole(self, name, check):
        path = self.folder / name
        if not path.exists():
            return
        if path.stat().st_size > WHOLE_MAX:
            return self.report.contradiction(name, None, "too-many", "too large to be read as a whole")
        data = path.read_bytes()
        self.digests[name] = [len(data), encode(hashlib.sha256(data).digest())]
        try:
            check(data)
        except Refused as refused:
            self.report.contradiction(name, None, refused.word, str(refused))

    def digest(self, name):
        """What a manifest says of a file that is not read, of whatever size."""
        with open(self.folder / name, "rb") as file:
            found, size = hashlib.sha256(), 0
            while data := file.read(1 << 20):
                found.update(data)
                size += len(data)
        self.digests[name] = [size, encode(found.digest())]

    def root(self, data):
        self.roots = Roots(data)
        known = self.root_hash
        need(known is None or any(root["hash"] == known for root in self.roots.versions), "root-unknown")

    def enrolment(self, line):
        token = Token(line)
        p = token.payload
        version(p)
        if "by" not in p:
            in_order(p, ["v", "sms", "site", "gw", "token", "identity", "machine", "ts", "csr"])
            name_of(p, "sms"), name_of(p, "site"), link_of(p, "token", 16), shown_of(p, "machine")
            moment_of(p, "ts")
            need("csr" not in p or len(decode(field(p, "csr", str))) <= 2048, "field", "csr")
            token.carries(f"{name_of(p, 'gw')}#id", "enrol")
            key = key_of(field(p, "identity", str))
            believe(key, token)
            need(self.identity is None or self.identity.data == key.data, "acceptance")
            return
        sms = name_of(p, "sms")
        token.carries(f"{sms}#accept", "accept")
        accepted = {"sms": sms, "gw": name_of(p, "gw"), "site": name_of(p, "site"), "link": token.link,
                    "identity": key_of(field(p, "identity", str)), "receipt": key_of(field(p, "receipt_key", str))}
        moment_of(p, "ts")
        shown_of(p, "by")
        if self.roots:
            good = any(key.verifies(token.signature, token.message) for key in self.roots.keys("accept"))
            need(good, "signature", "not by a key of root.jws")
            need(self.roots.versions[-1]["sms"] == sms, "system")
        need(self.accepted is None, "acceptance", "two of them")
        self.accepted = accepted
        need(self.identity is None or self.identity.data == accepted["identity"].data, "acceptance")

    def receipt(self, line):
        token = Token(line)
        need(self.accepted, "unverifiable", "no acceptance")
        p = token.payload
        version(p)
        sms = name_of(p, "sms")
        token.carries(f"{sms}#receipt", "receipt")
        keys = [self.accepted["receipt"]] + (self.roots.keys("receipt") if self.roots else [])
        need(any(key.verifies(token.signature, token.message) for key in keys), "signature")
        n, upto, head, prev = count_of(p, "n"), count_of(p, "upto"), link_of(p, "head"), link_of(p, "prev")
        count_of(p, "ep"), moment_of(p, "received"), moment_of(p, "ts")
        field(p, "state", str, lambda state: state in ("ok", "gap", "fork", "bad", "revoked"))
        for name in ("have", "resend"):
            field(p, name, list, lambda pairs: self.rising(pairs))
        for name in ("rebase", "register", "settings"):
            if name in p:
                mark = field(p, name, list, lambda mark: [type(part) for part in mark] == [int, str])
                decode(mark[1], 32)
        need(name_of(p, "gw") == self.accepted["gw"], "stranger")
        need(sms == self.accepted["sms"], "system")
        self.report.count("receipts")
        last, link = self.receipt_last
        self.receipt_last = (max(n, last), token.link)
        known = self.chain.receipts.get(upto)
        need(known or len(self.chain.receipts) < WITNESSES, "too-many")
        self.chain.receipts[upto] = (n, head)
        need(not known or known[1] == head, "receipts-differ", f"receipts for record {upto}")
        need(n > last and (n != last + 1 or prev == link), "receipt-chain", f"receipt {n} after receipt {last}")

    @staticmethod
    def rising(pairs):
        last = 0
        for pair in pairs:
            good = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
            if not (good and last < pair[0] <= pair[1]):
                return False
            last = pair[1]
        return len(pairs) <= 32

    def day(self, line):
        record = Record(line)
        self.days = self.days or self.no_epochs(record)
        self.days.verify(record)
        need(record.opens or record.kind == "summary.day", "misplaced", record.kind)
        need(record.seq > self.day_last, "backwards")
        need(len(self.chain.kept) < SUMMARIES, "too-many")
        self.day_last = record.seq
        self.chain.kept[record.seq] = record.link
        self.report.count("days", int(not record.opens))

    def sidecar(self, data):
        try:
            whole = strictly(data.decode(), "the file")
        except UnicodeDecodeError:
            raise Refused("field", "the file is not UTF-8") from None
        version(whole)
        last, openings = 0, {}
        for row in field(whole, "openings", list, lambda rows: len(rows) <= 65536):
            need(isinstance(row, dict), "field")
            seq, salt = count_of(row, "seq", last + 1), decode(field(row, "salt", str), 16)
            text = text_of(row, "text", 2048)
            strictly(text, f"the text for record {seq}")
            openings[seq] = hashlib.sha256(salt + text.encode()).digest()
            last = seq
        self.chain.disclosed = openings

    def order(self, line):
        need(self.roots, "unverifiable", "no root.jws")
        token = Token(line)
        p = token.payload
        version(p)
        sms = name_of(p, "sms")
        command = "body" in p
        token.carries(f"{sms}#order", "command" if command else "order")
        key = next((key for key in self.roots.keys("order") if key.verifies(token.signature, token.message)), None)
        need(key, "signature")
        names = ["v", "sms", "aud", "n", "seq", "on", "body"] if command else [
            "v", "sms", "aud", "ver", "prev", "iat", "exp", "root", "register", "settings", "drills"]
        in_order(p, names)
        gw = name_of(p, "aud")
        if command:
            n = count_of(p, "n")
            count_of(p, "seq"), link_of(p, "on"), field(p, "body", dict, is_act)
        else:
            ver, prev, root = count_of(p, "ver", 1), link_of(p, "prev"), count_of(p, "root")
            need(moment_of(p, "iat") < moment_of(p, "exp"), "field", "exp")
            if "register" in p:
                decode(field(p, "register", dict, is_register)["sha256"], 32)
            for name, kind, good in (("settings", dict, are_settings), ("drills", list, are_drills)):
                if name in p:
                    field(p, name, kind, good)
        need(not self.accepted or self.accepted["gw"] == gw, "stranger")
        need(self.roots.versions[-1]["sms"] == sms, "system")
        if command:
            last, self.command_last = self.command_last, n
            self.report.count("orders")
            return need(n > last, "order-chain")
        versions = {root["ver"]: root for root in self.roots.versions}
        need(root in versions and versions[root]["order"].data == key.data, "signature")
        self.report.count("orders")
        before, self.order_last = self.order_last, (key.data, ver, token.link)
        if before and before[0] == key.data:
            need(ver > before[1] and (ver != before[1] + 1 or prev == before[2]), "order-chain")

    def left(self, line):
        record = Record(line)
        self.branch = self.branch or self.no_epochs(record)
        try:
            self.branch.verify(record)
        except Refused as refused:
            if refused.word != "unknown-epoch" or not self.chain.epochs:
                raise
            self.chain.epochs.verify(record)
        if self.branch_last != (record.seq - 1, record.prev):
            need(self.report.counts.get("branches", 0) < HELD, "too-many")
            self.report.count("branches")
        self.chain.left_behind(record)
        self.branch_last = (record.seq, record.link)

    def exported(self, line):
        record = Record(line)
        self.sealing = self.sealing or (self.chain.epochs and self.chain.epochs.copy()) or self.no_epochs(record)
        self.sealing.verify(record)
        if record.opens:
            return
        need(record.kind == "records.exported" and self.manifest is None, "misplaced", record.kind)
        data = record.data
        files = field(data, "files", dict)
        for row in files.values():
            need(isinstance(row, list) and [type(part) for part in row] == [int, str], "field", "files")
            decode(row[1], 32)
        self.manifest = (record, files, count_of(data, "from"), count_of(data, "to"))

    def seal(self, names):
        complain = lambda word, sentence="": self.report.contradiction("MANIFEST.jws", None, word, sentence)
        if self.manifest is None:
            return complain("unsealed") if self.sealed else None
        for name in (set(names) & set(FILES)) - set(self.digests) - {"MANIFEST.jws"}:
            self.digest(name)
        record, files, first, last = self.manifest
        for name in sorted(set(files) | (set(names) - {"MANIFEST.jws"})):
            if files.get(name) != self.digests.get(name) or name not in files:
                complain("file", f"{name} is not the file that the manifest names")
        if (first, last) != (self.chain.first, self.chain.last) or record.seq <= last:
            return complain("range", f"records {first} to {last}")
        if record.seq == last + 1 and self.chain.head and record.prev != self.chain.head[2]:
            complain("break-prev")


def check_records(path, identity):
    report = Report()
    chain = Chain(report, identity)
    with open(path, "rb") as file:
        for line in file:
            chain.line(line.removesuffix(b"\n"))
    chain.finish()
    chain.settle_branches()
    return report


def mutations(folder):
    """Each line of mutations.tsv is read after all of records.jws was accepted."""
    keys = dict(row.split("\t")[::2] for row in (folder / "keys.tsv").read_text().splitlines())
    epochs = Epochs(key_of(keys["identity"]), "gate-7", "harbour")
    for line in (folder / "records.jws").read_bytes().splitlines():
        epochs.verify(Record(line))
    for row in (folder / "mutations.tsv").read_text().splitlines():
        rule, _, line = row.split("\t")
        try:
            epochs.verify(Record(line.encode()))
            print(f"{rule}\taccepted")
        except Refused as refused:
            print(f"{rule}\t{refused.word}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", type=Path, nargs="+", help="folders of bundles, or one file of records")
    parser.add_argument("--identity", help="identity of the gateway that you trust, base64url")
    parser.add_argument("--root", help="hash of a version of the root document that you trust, base64url")
    parser.add_argument("--no-manifest", action="store_true", help="do not demand a manifest")
    parser.add_argument("--mutations", action="store_true", help="the folder is vectors/v1: tell each rule's word")
    arguments = parser.parse_args()
    try:
        identity = key_of(arguments.identity) if arguments.identity else None
        if arguments.mutations:
            mutations(arguments.bundles[0])
            return 0
        good = True
        for bundle in arguments.bundles:
            if len(arguments.bundles) > 1:
                print(f"== {clean(bundle)}")
            if bundle.is_dir():
                report = Bundle(bundle, identity, arguments.root, not arguments.no_manifest).check()
            else:
                need(identity, "unverifiable", "a file of records says nothing about whose they are: add --identity")
                report = check_records(bundle, identity)
            report.show()
            good = good and report.ok()
        if identity is None:
            print("note: verified with the identity that the bundle names itself; compare it with the one you trust")
        return 0 if good else 1
    except (Refused, OSError) as error:
        print(clean(error), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
