#!/usr/bin/env python3
"""Verifies an exported bundle of records. Shares no code with the product: stdlib and `cryptography` only.

    verify_bundle.py BUNDLE_DIR --identity B64URL [--receipt-key B64URL]

Reads records.jws (one record per line, from an epoch.open on) and, with --receipt-key, receipts.jws. Prints counts and
every contradiction; exits 0 without contradictions, 1 with any, 2 when called wrongly.
"""
import argparse
import base64
import datetime
import hashlib
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAME = re.compile(r"[a-z0-9-]{1,63}\Z")
PAYLOAD_MAX, DEPTH_MAX, INTEGER_MAX = 8192, 4, 2**53 - 1


class Contradiction(Exception):
    pass


def require(condition, reason):
    if not condition:
        raise Contradiction(reason)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text, what, size=None):
    require(re.fullmatch(r"[A-Za-z0-9_-]*", text) is not None and len(text) % 4 != 1, f"{what} is not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(encode(data) == text, f"{what} is not strict base64url")
    require(size is None or len(data) == size, f"{what} has {len(data)} bytes instead of {size}")
    return data


# Edwards curve arithmetic of RFC 8032 section 5.1, for the key checks only.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
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


def accept_key(data):
    """Canonical, not of small order, torsion-free; everything else would let verifiers disagree."""
    value = int.from_bytes(data, "little")
    sign, y = value >> 255, value & ((1 << 255) - 1)
    require(y < P, "the key is not canonical")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    require((v * x * x - u) % P == 0 and not (x == 0 and sign), "the key is not a point of the curve")
    x = P - x if x & 1 != sign else x
    point = (x, y, 1, x * y % P)
    require(not neutral(times(8, point)), "the key is of small order")
    require(neutral(times(L, point)), "the key is not torsion-free")
    return Ed25519PublicKey.from_public_bytes(data)


def verify(key, signature, message, whose):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise Contradiction(f"the signature is not by the {whose} key") from None


def no_duplicates(pairs):
    require(len({key for key, _ in pairs}) == len(pairs), "a key stands twice in one object")
    return dict(pairs)


def refuse_number(text):
    raise Contradiction(f"{text} is not an integer")


def check_value(value, depth):
    if isinstance(value, (dict, list)):
        require(depth <= DEPTH_MAX, "the payload nests too deeply")
        for inner in value.values() if isinstance(value, dict) else value:
            check_value(inner, depth + 1)
    elif isinstance(value, str):
        require(not any("\ud800" <= c <= "\udfff" for c in value), "half a surrogate")
    elif isinstance(value, int) and not isinstance(value, bool):
        require(abs(value) <= INTEGER_MAX, f"{value} is 2^53 or more")


def read_payload(text):
    data = decode(text, "the payload")
    require(len(data) <= PAYLOAD_MAX, f"the payload has {len(data)} bytes")
    try:
        payload = json.loads(data.decode(), object_pairs_hook=no_duplicates, parse_float=refuse_number,
                             parse_constant=refuse_number)
    except (ValueError, RecursionError) as error:
        raise Contradiction(f"the payload is not JSON: {error}") from None
    require(isinstance(payload, dict), "the payload is not an object")
    require(b"-0" not in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", data), "minus zero")
    check_value(payload, 1)
    return payload


def token(line):
    parts = line.split(".")
    require(len(parts) == 3, "the line is not three parts")
    header, payload, signature = parts
    return header, payload, decode(signature, "the signature", 64), f"{header}.{payload}".encode()


def is_moment(text):
    try:
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        return False
    return len(text) == 24


class Walk:
    def __init__(self, identity):
        self.identity = identity
        self.keys = {}
        self.seq = self.ep = self.prev = self.gw = self.site = None
        self.closed = True
        self.links = {}
        self.records = self.declared = 0
        self.unclosed = []

    def record(self, line):
        header, body, signature, message = token(line)
        payload = read_payload(body)
        for field in ("v", "site", "gw", "ep", "seq", "prev", "boot", "mono_us", "wall", "clk", "mode", "kind", "sev"):
            require(field in payload, f"the field {field} is missing")
        gw, ep, seq, kind = payload["gw"], payload["ep"], payload["seq"], payload["kind"]
        require(payload["v"] == 1, "version is not 1")
        require(NAME.match(str(gw)) and NAME.match(str(payload["site"])), "gw or site is not a name")
        require(type(ep) is int and ep > 0 and type(seq) is int and seq > 0, "ep or seq is not a number from 1")
        require(self.gw in (None, gw), f"the record is of {gw}")
        require(self.site in (None, payload["site"]), f"the record is of site {payload['site']}")
        require(payload["sev"] in range(5), "sev is not 0 to 4")
        require(payload["mode"] in ("live", "drill", "test", "maintenance"), "mode is not known")
        require(isinstance(payload["clk"], dict), "clk is not an object")
        require(payload["wall"] is None or is_moment(payload["wall"]), "wall is not a UTC time with milliseconds")
        opens = kind == "epoch.open"
        kid, typ = (f"{gw}#id", "open+jws") if opens else (f"{gw}#{ep}", "rec+jws")
        require(header == encode(f'{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}'.encode()), "another header")
        if opens:
            verify(self.identity, signature, message, "identity")
            self.open(payload)
        else:
            require(ep in self.keys, f"epoch {ep} was never opened")
            verify(self.keys[ep], signature, message, "epoch")
        self.place(payload, hashlib.sha256(message).digest())

    def open(self, payload):
        data, ep = payload["data"], payload["ep"]
        raw = decode(data["epk"], "epk", 32)
        key = accept_key(raw)
        statement = f"pop1|{payload['gw']}|{ep}|{payload['prev']}".encode()
        verify(key, decode(data["pop"], "pop", 64), statement, "announced")
        known = self.keys.setdefault(ep, key)
        require(known.public_bytes_raw() == raw, f"epoch {ep} has a second key")

    def place(self, payload, link):
        seq, ep, opens = payload["seq"], payload["ep"], payload["kind"] == "epoch.open"
        expected, before, last_ep, closed = self.seq, self.prev, self.ep, self.closed
        if opens and not self.closed:
            self.unclosed.append(self.ep)
        if payload["kind"] == "gap.dropped":
            self.declared += payload.get("data", {}).get("n", 0)
        self.gw, self.site = payload["gw"], payload["site"]
        self.seq, self.prev, self.ep = seq + 1, link, ep
        self.closed = payload["kind"] == "epoch.close"
        self.links[seq] = link
        if expected is None:
            require(opens, "the file does not begin with an epoch.open")
        else:
            require(seq == expected, f"record {seq} where record {expected} belongs")
            require(decode(payload["prev"], "prev", 32) == before, f"record {seq} does not name the record before it")
            require(ep == last_ep + opens, f"record {seq} is of epoch {ep} after epoch {last_ep}")
            require(opens or not closed, f"record {seq} follows the close of epoch {ep}")
        self.records += 1


def check_receipts(path, key, walk):
    count, last, link, heads = 0, 0, None, {}
    for line in path.read_text().splitlines():
        header, body, signature, message = token(line)
        payload = read_payload(body)
        expected = f'{{"alg":"EdDSA","kid":"{payload["sms"]}#receipt","typ":"receipt+jws"}}'
        require(header == encode(expected.encode()), "another header in a receipt")
        verify(key, signature, message, "receipt")
        require(payload["gw"] == walk.gw, "a receipt for another gateway")
        require(payload["n"] > last, f"receipt {payload['n']} after receipt {last}")
        if link is not None and payload["n"] == last + 1:
            require(payload["prev"] == link, f"receipt {payload['n']} does not name the one before")
        head = walk.links.get(payload["upto"])
        require(head is None or encode(head) == payload["head"], f"receipt {payload['n']} names another record")
        known = heads.setdefault(payload["upto"], payload["head"])
        require(known == payload["head"], f"receipt {payload['n']} names another record than an earlier receipt")
        count, last, link = count + 1, payload["n"], encode(hashlib.sha256(message).digest())
    end = (walk.seq or 1) - 1
    require(max(heads, default=0) <= end, f"records {end + 1} to {max(heads, default=0)} have receipts and are missing")
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--identity", required=True, help="public identity key of the gateway, base64url")
    parser.add_argument("--receipt-key", help="public receipt key of the central system, base64url")
    arguments = parser.parse_args()
    contradictions = receipts = 0
    walk = Walk(accept_key(decode(arguments.identity, "the identity", 32)))
    with open(arguments.bundle / "records.jws", encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            try:
                walk.record(line.removesuffix("\n"))
            except (Contradiction, KeyError, TypeError, ValueError) as error:
                contradictions += 1
                print(f"line {number}: {error if isinstance(error, Contradiction) else repr(error)}")
    if arguments.receipt_key:
        try:
            key = accept_key(decode(arguments.receipt_key, "the receipt key", 32))
            receipts = check_receipts(arguments.bundle / "receipts.jws", key, walk)
        except (Contradiction, KeyError, TypeError, ValueError) as error:
            contradictions += 1
            print(f"receipts: {error if isinstance(error, Contradiction) else repr(error)}")
    if walk.records == 0:
        contradictions += 1
        print("no record at all")
    print(f"verified {walk.records} records, {len(walk.keys)} epochs, {receipts} receipts; "
          f"declared losses {walk.declared}; epochs not closed {walk.unclosed}; contradictions {contradictions}")
    return 1 if contradictions else 0


if __name__ == "__main__":
    sys.exit(main())
