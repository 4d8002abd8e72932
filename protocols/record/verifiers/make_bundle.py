#!/usr/bin/env python3
"""Makes bundles from FORMAT.md alone, with an encoder of its own: one that is good, and one for each broken rule.

    make_bundle.py FOLDER

Writes FOLDER/good, FOLDER/rollback and FOLDER/lost (good too), FOLDER/<mutant>... and FOLDER/expected.tsv (mutant, reason word); prints the identity. Every mutant
is signed and sealed as if nothing were wrong, so that the broken rule alone speaks against it.
"""
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def private(name):
    """A key that is the same in every run: nobody may use it for anything."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"made by python: {name}".encode()).digest())


def public(name):
    return b64(private(name).public_key().public_bytes_raw())


def compact(value):
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Line:
    def __init__(self, kid, typ, payload, key, header=None):
        header = header or f'{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}+jws"}}'
        signed = f"{b64(header.encode())}.{b64(compact(payload).encode())}"
        self.link = b64(hashlib.sha256(signed.encode()).digest())
        self.body = signed.split(".")[1]
        self.text = f"{signed}.{b64(private(key).sign(signed.encode()))}\n"


def moment(second):
    return f"2026-03-01T10:{second // 60:02}:{second % 60:02}.000Z"


class Bundle:
    """Two epochs of one gateway. `broken` names the rule that this one breaks."""

    SMS, SITE, GW = "centre", "south-dock", "gw-42"

    def __init__(self, broken=""):
        self.broken, self.lines, self.links = broken, [], {}
        self.seq, self.ep, self.prev, self.second = 0, 0, None, 0
        self.files, self.branch, self.keys = {}, [], {}
        # Record 4 is missing, and a record declares it as lost.
        self.lost = broken.startswith("lost")

    def broke(self, rule):
        return self.broken == rule

    def record(self, kind, data=None, sev=0, mode="live", key=None, **fields):
        self.seq += 2 if (self.lost or self.broke("missing")) and self.seq == 3 else 1
        self.second += 1
        opens = kind == "epoch.open"
        if opens:
            self.ep += 2 if self.broke("break-epoch") and self.ep else 1
        prev = b64(b"\1" * 32) if self.broke("break-prev") and self.seq == 4 else self.prev
        if self.broke("tail") and opens and self.ep == 2:
            prev = b64(b"\1" * 32)
            data = data | {"tail_state": "rollback", "tail": {"seq": self.seq - 1, "hash": b64(b"\2" * 32)}}
        payload = {"v": 1, "site": self.SITE, "gw": self.GW, "ep": self.ep, "seq": self.seq, "prev": prev,
                   "boot": "4c1e6b0a-2222-4444-8888-0123456789ab", "mono_us": 5_000_000 + self.second,
                   "wall": None if self.seq == 2 else moment(self.second),
                   "clk": {"src": "rtc", "sync": False, "err_ms": 16000, "age_s": 0, "era": 0}, "mode": mode}
        if "drill" in fields:
            payload["drill"] = fields.pop("drill")
        payload |= {"kind": kind, "sev": sev} | fields
        if opens:
            key = key or self.keys.get(self.ep, f"epoch {self.ep}")
            statement = f"pop1|{self.GW}|{self.ep}|{prev}".encode()
            pop = private("somebody" if self.broke("possession") and self.ep == 2 else key).sign(statement)
            data = {"epk": public(key), "pop": b64(pop), "tail": {"seq": self.seq - 1, "hash": self.prev}} | data
        if data:
            payload["data"] = data
        line = self.changed(payload, opens)
        self.lines.append(line)
        self.links[self.seq] = self.prev = line.link
        return line

    def changed(self, payload, opens):
        kid, typ, key = (f"{self.GW}#id", "open", "identity") if opens else (
            f"{self.GW}#{self.ep}", "rec", self.keys.get(self.ep, f"epoch {self.ep}"))
        header = None
        if self.seq == 5:
            text = compact(payload)
            swaps = {"payload-number": ('"sev":0', '"sev":0.0'),
                     "twice-around-number": ('"sev":0', '"sev":0,"x":{"y":1},"x":{"y":2},"z":1.5'),
                     "twice-within-twice": ('"sev":0', '"sev":0,"x":{"y":1},"x":{"y":1,"y":2}'), "payload-duplicate-key": ('"sev":0', '"sev":0,"sev":0'),
                     "version": ('"v":1', '"v":2'), "kind": ("heartbeat", "heart\\u001b]0;beats"), "name": ('"gw-42"', '"gw_42"'), "duplicate-nul": ('"sev":0', '"sev":0,"\\u0000":0,"\\u0000":0'),
                     "field-missing": ('"boot"', '"boo"'), "field": ('"live"', '"alive"'),
                     "payload-syntax": ('"sev":0', '"sev":0,'), "stranger": ('"south-dock"', '"north-dock"')}
            if self.broken in swaps:
                payload = text.replace(*swaps[self.broken], 1)
            if self.broke("header"):
                header = f'{{"alg":"EdDSA","typ":"rec+jws","kid":"{kid}"}}'
            if self.broke("signature"):
                key = "identity"
        return Line(kid, typ, payload, key, header)

    def receipt(self, n, upto, prev):
        sms = "another" if self.broke("system") and n == 2 else self.SMS
        head = b64(b"\2" * 32) if self.broke("receipt-head") and n == 2 else self.links[upto]
        prev = b64(b"\3" * 32) if self.broke("receipt-chain") and n == 2 else prev
        head = b64(b"\7" * 32) if n == 3 or n == 1 and self.broke("lost-head") else head
        payload = {"v": 1, "sms": sms, "gw": self.GW, "n": n, "prev": prev, "upto": upto, "head": head,
                   "ep": self.ep, "received": moment(30), "ts": moment(31), "state": "ok", "have": [], "resend": []}
        return Line(f"{sms}#receipt", "receipt", payload, "receipt")

    def root(self, ver=1):
        second = ROOT_KEYS.get(self.broken, public("root 2"))
        payload = {"v": 1, "sms": self.SMS, "ver": 2 if self.broke("root-version") else ver, "ts": moment(0),
                   "keys": [public("root 1"), second, public("root 3")], "accept": public("accept"),
                   "receipt": public("receipt"), "order": public("order"), "order_floor": 1}
        signers = [3] if self.broke("root-threshold") else [3, 3] if self.broke("root-signer") else [3, 1]
        keys = [f"root {n}" for n in signers]
        return [Line(f"{self.SMS}#root:{public(key)}", "root", payload, key) for key in keys]

    def order(self, ver, prev):
        payload = {"v": 1, "sms": self.SMS, "aud": self.GW, "ver": ver, "prev": prev, "iat": moment(1),
                   "exp": moment(59), "root": 1, "settings": {"zone": "Europe/Zürich"},
                   "drills": [{"id": "march", "from": moment(2), "to": moment(3), "equipment": ["DOOR 1"]}]}
        if self.broke("field-place"):
            payload["sudo"] = True
        if self.broken in ORDERED:
            payload = {name: payload[name] for name in list(payload)[:8]} | ORDERED[self.broken]
        return Line(f"{self.SMS}#order", "order", payload, "order")

    def request(self):
        payload = {"v": 1, "sms": self.SMS, "site": self.SITE, "gw": self.GW, "token": b64(b"python's token16"),
                   "identity": IDENTITIES.get(self.broken, public("identity")), "machine": MACHINES.get(self.broken, "box 42"), "ts": moment(0),
                   "csr": CSRS.get(self.broken, b64(b"\x30" * 2048))}
        return Line(f"{self.GW}#id", "enrol", payload, "identity")

    def command(self, n):
        start = {"do": "drill.start", "id": "march", "for_s": 600, "equipment": ["DOOR 1"]}
        body = ASKED.get(self.broken, [start, {"do": "drill.end", "id": "march"}, {"do": "heartbeat"}][n - 1])
        payload = {"v": 1, "sms": self.SMS, "aud": self.GW, "n": n, "seq": 2, "on": self.links[2], "body": body}
        return Line(f"{self.SMS}#order", "command", payload, "order")

    def another_opening(self):
        """Of the epoch that runs, with another key."""
        self.ep -= 1
        self.record("epoch.open", {"tail_state": "rotate", "version": "py"}, key="epoch of somebody")

    def put_back(self):
        """The disk is put back to record 7, writes 8 to 10 once more, and then meets the receipt for record 9."""
        stood, shown = self.links[9], self.lines[:7]
        self.seq, self.ep, self.prev, self.keys = 7, 1, self.links[7], {2: "epoch of the branch"}
        self.record("epoch.open", {"tail_state": "clean", "version": "py"})
        self.record("heartbeat", {"again": 1})
        self.record("heartbeat", {"again": 2})
        self.branch = self.lines[9:]
        tail, self.links[9] = {"seq": 10, "hash": self.prev}, stood
        self.seq, self.prev, self.lines = 9, stood, shown
        self.record("epoch.open", {"tail_state": "rollback", "tail": tail, "version": "py"})
        self.record("heartbeat", {"on": 1})
        if self.broke("rollback-hole"):
            del self.branch[1]

    def summaries(self, first):
        """Record 5 as the summary of a day, which the records show as something else."""
        other = Bundle()
        other.prev = first
        other.record("epoch.open", {"tail_state": "genesis", "version": "py"})
        other.seq = 4
        other.record("summary.day", {"day": "2026-03-01", "from": 1, "to": 4})
        return other.lines

    def build(self):
        accept = {"v": 1, "sms": self.SMS, "site": self.SITE, "gw": self.GW, "identity": public("identity"),
                  "receipt_key": public("receipt"), "ts": moment(0), "by": "Jürg \"J\" Ømund"}
        accept = Line(f"{self.SMS}#accept", "accept", accept, "accept")
        self.prev = b64(b"\4" * 32) if self.broke("acceptance") else accept.link
        order = self.order(1, accept.link)
        second = self.order(2, b64(b"\5" * 32) if self.broke("order-chain") else order.link)
        salt, text = b"python's salt 16", '{"guard":"Zoë' + ("\\u0000\\u0001" if self.lost else "") + '"}'
        self.record("epoch.open", {"tail_state": "genesis", "version": "py"})
        self.record("log.genesis", {"layout": 1})
        drill = {"id": "march", "auth": second.link}
        drill.pop(self.broken.removeprefix("drill-"), None)
        self.record("alarm.raised", {"alarm": "door"}, 3, "drill", drill=drill)
        self.record("act.acknowledged", {"alarm": "door"}, pii=b64(hashlib.sha256(salt + text.encode()).digest()))
        if self.lost:
            # Keys that look like paths of others are fields that nobody knows.
            unknown = {"data.lost": [[1, 2]], "a": {"b": [1]}, "a.b": 1, "a.b[0]": 1, "a\\.b": 1, "": {"": 1}, ".": 1,
                       "\0": 1, "\1": 1, "\0\1": 1}
            self.record("journal.recovered", {"n": 1, "lost": [[4, 4]]}, 2, **unknown)
        else:
            self.record("heartbeat", {"by_sev": [1, 0, 0, 1, 0], "nested": {"deep": [1, -2]}, "escaped": "\u2028 \" \\ é"})
        # Nothing of it may reach a terminal as it is.
        self.record("gap.dropped", {"n": 3, "reason": "disk\x1b[2J full\u202e\u2028\x9b"}, 2)
        self.record("epoch.close", {"why": "rotate", "next_epk": public("somebody" if self.broke("break-key") else "epoch 2")})
        if self.broke("break-closed"):
            self.record("heartbeat", {"late": 1})
        self.record("epoch.open", {"tail_state": "rotate", "version": "py"})
        if self.broke("epoch-taken"):
            self.another_opening()
        equipment = {"eq": "SENSOR 1", "reg": 3, "standing": {"st": "good"},
                     "src": {"drv": "modbus-tcp", "raw": b64(b"\6" * 32), "identity": "reported"}, "dev_ts": "10:00"}
        self.record("readings", {"dev": "s1", "p": {"t": {"v": 215, "e": -1, "u": "Cel"}}}, **equipment)
        last = self.seq
        if self.broken.startswith("rollback"):
            self.put_back()
        first = self.receipt(1, 5 if self.broken != "missing" else 3, accept.link)
        receipts = [first, self.receipt(2, last, first.link)]
        if self.broke("receipts-differ"):
            receipts.append(self.receipt(3, last, receipts[1].link))
        disclosed = text.replace("Zoë", "Ana") if self.broke("disclosure") else text
        sidecar = {"v": 1, "openings": [{"seq": 5 if self.lost or self.broke("missing") else 4, "salt": b64(salt), "text": disclosed}]}
        versions = {"root-empty": 0, "root-too-long": 65}.get(self.broken, 1)
        self.put("root.jws", [line for ver in range(1, versions + 1) for line in self.root(ver)])
        asked = self.lost or self.broken in CSRS | MACHINES | IDENTITIES
        self.put("enrol.jws", [self.request(), accept] if asked else [accept])
        self.put("receipts.jws", receipts)
        self.put("orders.jws", [order, second] + [self.command(n) for n in (1, 2, 3)])
        beginning = 1 if self.broke("start") else 0
        again = self.lines[4:5] if self.broke("backwards") else []
        self.put("records.jws", self.lines[beginning:] + again)
        if self.broke("summary"):
            self.put("summaries.jws", self.summaries(accept.link))
        if self.broke("unverifiable"):
            del self.files["root.jws"]
        self.files["sidecar.json"] = (SIDECARS | BARE | OTHER_V).get(self.broken, compact(sidecar)).encode()
        self.files["REPORT.txt"] = "Nine records.\n".encode()
        if self.branch:
            self.put("branches.jws", self.branch)
        self.seal(self.seq)
        return self

    def put(self, name, lines):
        self.files[name] = "".join(line.text for line in lines).encode()

    def seal(self, last):
        files = {name: [len(data), b64(hashlib.sha256(data).digest())] for name, data in self.files.items()}
        if self.broke("file"):
            files["records.jws"][0] += 1
        top = last - 1 if self.broke("range") else last
        # Who asked and what for are shown to a reader, whom neither may tell a verdict.
        by, reason = ("auditor\nverdict           verified", "\x1b[2J\u202e\x9b") if self.lost else ("auditor", "test")
        data = {"files": files, "from": 1, "to": top, "by": by, "reason": reason}
        if self.broke("misplaced"):
            manifest = self.record("snapshot", data)
        else:
            manifest = self.record("records.exported", data)
        if not self.broke("unsealed"):
            self.files["MANIFEST.jws"] = manifest.text.encode()

    def write(self, folder):
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)


MUTANTS = ["missing", "break-epoch", "break-prev", "break-closed", "possession", "payload-number",
           "payload-duplicate-key", "payload-syntax", "version", "kind", "name", "field-missing", "field", "stranger",
           "header", "signature", "receipt-head", "receipt-chain", "acceptance", "root-version", "root-threshold",
           "root-signer", "field-place", "order-chain", "disclosure", "file", "range", "misplaced", "unsealed", "start",
           "backwards", "tail", "receipts-differ", "epoch-taken", "summary", "system", "unverifiable", "root-empty",
           "root-too-long", "break-key"]
# What stands behind `root` in both orders, and the body of every command: each is refused as a [field].
MARCH = {"id": "march", "from": moment(2), "to": moment(3), "equipment": ["DOOR 1"]}
ORDERED = {
    "order-register-more": {"register": {"sha256": b64(b"\1" * 32), "bytes": 1, "name": "x"}},
    "order-register-size": {"register": {"sha256": b64(b"\1" * 32), "bytes": -1}},
    "order-settings-many": {"settings": {f"s{n}": n for n in range(65)}},
    "order-settings-nested": {"settings": {"zone": ["Europe"]}},
    "order-settings-long": {"settings": {"zone": "x" * 257}},
    "order-drills-many": {"drills": [MARCH] * 17},
    "order-drill-backwards": {"drills": [MARCH | {"to": moment(1)}]},
    "order-drill-unnamed": {"drills": [MARCH | {"id": ""}]},
    "order-drill-more": {"drills": [MARCH | {"why": "x"}]},
    "order-drill-equipment": {"drills": [MARCH | {"equipment": ["x"] * 65}]},
}
ASKED = {
    "command-unknown": {"do": "open"},
    "command-more": {"do": "heartbeat", "id": "march"},
    "command-long": {"do": "drill.start", "id": "march", "for_s": 28801, "equipment": []},
    "command-no-time": {"do": "drill.start", "id": "march", "for_s": 0, "equipment": []},
    "command-no-equipment": {"do": "drill.start", "id": "march", "for_s": 600},
    "command-unnamed": {"do": "drill.end", "id": "x" * 65},
}
CSRS = {"request-csr-number": 7, "request-csr-base64": "MII=", "request-csr-long": b64(b"\x30" * 2049)}
MACHINES = {"request-machine-nul": "box\0 42", "request-machine-turned": "box\u202e42"}
# The neutral element; a point with a part of small order (speccheck, case 3); the neutral element with y = 1 + p.
BAD_KEYS = {"key-weak": bytes([1] + [0] * 31), "key-encoding": bytes([0xee] + [0xff] * 30 + [0x7f]),
            "key-torsion": bytes.fromhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d")}
ROOT_KEYS = {f"root-{word}": b64(key) for word, key in BAD_KEYS.items()}
IDENTITIES = {f"request-{word}": b64(key) for word, key in BAD_KEYS.items()}
SIDECARS = {"sidecar-null": '{"v":1,"openings":[null]}', "sidecar-deep": "[" * 100_000, "sidecar-list": "[]",
            "sidecar-text-v": '{"v":"1","openings":[]}', "sidecar-rows": '{"v":1,"openings":{}}',
            "sidecar-v-twice": '{"v":1,"v":1,"openings":[]}', "sidecar-v-fraction": '{"v":1.0,"openings":[]}',
            "sidecar-v-exponent": '{"v":1e0,"openings":[]}', "sidecar-twice-escaped": '{"v":1,"openings":[],"a":0,"\\u0061":0}',
            "sidecar-openings-twice": '{"v":1,"openings":[],"openings":[]}', "sidecar-deeper": '{"v":1,"openings":[],"a":[[[[]]]]}'}
# A row of which a member is missing.
ROW = {"seq": 4, "salt": b64(b"python's salt 16"), "text": "{}"}
# Of each name twice the one that a reader may drop is wrong: the last is the real one, and then the first.
SAID = compact(ROW | {"text": '{"guard":"Zoë"}'})
SIDECARS |= {"sidecar-text-twice-last": f'{{"v":1,"openings":[{SAID.replace(",", ""","text":"{}",""", 1)}]}}',
             "sidecar-text-twice-first": f'{{"v":1,"openings":[{SAID[:-1]},"text":"{{}}"}}]}}',
             "sidecar-seq-twice": f'{{"v":1,"openings":[{SAID.replace("4", """3,"seq":4""", 1)}]}}',
             "sidecar-seq-fraction": f'{{"v":1,"openings":[{SAID.replace("4", "4.0", 1)}]}}',
             "sidecar-seq-exponent": f'{{"v":1,"openings":[{SAID.replace("4", "4e0", 1)}]}}',
             "sidecar-unknown-fraction": f'{{"v":1,"openings":[{SAID}],"a":1.5}}',
             "sidecar-unknown-nan": f'{{"v":1,"openings":[{SAID}],"a":NaN}}',
             "sidecar-unknown-infinity": f'{{"v":1,"openings":[{SAID}],"a":-Infinity}}',
             "sidecar-text-surrogate": f'{{"v":1,"openings":[{SAID.replace("Zoë", chr(92) + "ud800")}]}}'}
# Texts that are no payload: each opens nothing, whatever its record commits to.
TEXTS = {"empty": "", "list": "[]", "no-json": "{no json", "two": "{} {}", "by-twice": '{"by":1,"by":2}',
         "by-twice-escaped": '{"by":1,"b\\u0079":2}', "fraction": '{"by":1.5}', "deeper": '{"a":{"b":{"c":{"d":[]}}}}',
         "half": '{"by":"\\ud800"}', "zero": '{"by":"\0"}', "zero-behind": '{"by":"x"}\0', "control": '{"by":"\1"}'}
SIDECARS |= {f"sidecar-text-{name}": compact({"v": 1, "openings": [ROW | {"text": text}]}) for name, text in TEXTS.items()}
# The first row that is wrong gives the word.
SIDECARS["sidecar-text-then-salt"] = compact({"v": 1, "openings": [ROW | {"text": "{no json"}, {"seq": 5, "salt": "="}]})
BARE = {f"sidecar-no-{gone}": compact({"v": 1, "openings": [{name: ROW[name] for name in ROW if name != gone}]}) for gone in ROW}
OTHER_V = {"sidecar-v": '{"v":2,"openings":[]}'}
BARE |= {"sidecar-no-v": '{"openings":[]}', "sidecar-no-openings": '{"v":1}'}
OTHERS = {"rollback-hole": "tail", "lost-head": "receipt-head", "drill-id": "field-missing", "drill-auth": "field-missing",
          "request-csr-base64": "base64"}


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    Bundle().build().write(folder / "good")
    for whole in ("rollback", "lost"):
        Bundle(whole).build().write(folder / whole)
    mutants = {rule: rule for rule in MUTANTS} | OTHERS
    mutants |= {"duplicate-nul": "payload-duplicate-key", "sidecar-v": "version"} | dict.fromkeys(BARE, "field-missing")
    mutants |= {"twice-around-number": "payload-number", "twice-within-twice": "payload-duplicate-key"}
    mutants |= {made: made.split("-", 1)[1] for made in ROOT_KEYS | IDENTITIES}
    mutants |= dict.fromkeys(["request-csr-number", "request-csr-long", *MACHINES, *SIDECARS, *ORDERED, *ASKED], "field")
    for mutant in mutants:
        Bundle(mutant).build().write(folder / mutant)
    (folder / "expected.tsv").write_text("".join(f"{mutant}\t{word}\n" for mutant, word in mutants.items()))
    print(public("identity"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
