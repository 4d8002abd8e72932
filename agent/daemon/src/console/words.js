// Every word for rules, reasons, standings and refusals, and how moments are told. Knows no element of the page.

const RULES = {
  "door-forced": "Door forced open",
  "door-held": "Door held open",
  "unseen-entry": "Door opened while its camera saw nothing",
  "tamper": "Tampering",
  "view-lost": "Camera view lost",
  "panel-alarm": "Alarm panel in alarm",
  "mains-lost": "Mains power lost",
  "battery-low": "Battery low",
  "seal-mismatch": "Seal does not match",
  "seal-missing": "Seal missing",
  "seal-broken": "Seal broken",
  "seal-duplicate": "Seal on another unit, or used before",
  "seal-reseal": "Seal exchanged without a report",
  "seal-class": "Seal of a lower class than needed",
  "silent": "Equipment went silent",
  "device-fault": "Equipment reports a fault",
  "certificate": "Certificate of the link to the centre needs attention",
  "order-stale": "Orders of the centre are stale",
};

/** What a receipt says of this gateway's records, where it is not as it should be. */
export const CENTRE_DOUBTS = {
  "fork": "The centre knows two histories of this gateway: tell security",
  "bad": "The centre refuses records in the name of this gateway: tell security",
  "revoked": "The centre no longer trusts this gateway: tell security",
};

const REASONS = {
  "calibration-overdue": "Calibration overdue",
  "calibration-failed": "Calibration failed",
  "calibration-date-unknown": "Calibration date unknown",
  "maintenance-overdue": "Maintenance overdue",
  "maintenance-failed": "Maintenance failed",
  "maintenance-date-unknown": "Maintenance date unknown",
  "inspection-overdue": "Inspection overdue",
  "inspection-failed": "Inspection failed",
  "inspection-date-unknown": "Inspection date unknown",
  "test-overdue": "Test of operability overdue",
  "test-failed": "Test of operability failed",
  "test-date-unknown": "Date of the test of operability unknown",
  "calibration-untraceable": "Calibration without a known basis",
  "assurance-missing": "Contractor without an assurance",
  "assurance-date-unknown": "Assurance of the contractor without an end",
  "assurance-expired": "Assurance of the contractor expired",
  "out-of-tolerance": "Found out of its tolerance when it was calibrated",
  "not-commissioned": "Not commissioned",
  "commissioning-failed": "Commissioning failed",
  "unauthorised-change": "Changed, and nobody had planned it",
  "identity-mismatch": "Not the device that the register names",
  "unlisted": "Heard, but not in the register",
  "silent": "Not heard any more",
  "line-lost": "Nobody on the line is heard any more",
  "point-refused": "A contact or value is not read any more",
  "implausible": "Measures what it cannot measure",
  "drift": "Differs from its reference by more than its accuracy",
  "degrading": "Declines, and will fail",
  "missing": "In the register, and never heard since the start a week ago",
  "withdrawn-used": "Withdrawn, but still in use",
  "bypass-expired": "A bypass ran out, and nobody had ended it",
  "measure-expired": "What stood in for it ran out",
  "repeated-faults": "Three faults within ninety days",
  "clock-not-trusted": "Clock not trusted",
};

const TYPES = {
  "life-safety": "Life safety",
  "blinded-entry": "Entry that no camera saw",
  "tamper-in-outage": "Tampering during an outage",
  "forced-entry": "Forced entry",
  "tamper": "Tampering",
  "cargo-seal": "Cargo seal",
  "panel-alarm": "Alarm panel in alarm",
  "view-lost": "Camera view lost",
  "door-held": "Door held open",
};

const CLASSES = {
  "genuine": "genuine",
  "false-alarm": "false alarm",
  "near-miss": "near miss",
  "fault": "fault of equipment",
  "test": "test",
  "authorised": "authorised",
  "other": "other",
};

export const SEVERITIES = [
  { word: "Information", shape: "circle", tone: "calm" },
  { word: "Notice", shape: "circle", tone: "notice" },
  { word: "Fault", shape: "triangle", tone: "warn" },
  { word: "Security", shape: "diamond", tone: "bad" },
  { word: "Life safety", shape: "diamond", tone: "life" },
];

export const STANDINGS = {
  good: { word: "In order", shape: "tick", tone: "good" },
  due: { word: "Due soon", shape: "circle", tone: "notice" },
  overdue: { word: "Overdue", shape: "triangle", tone: "warn" },
  unknown: { word: "Not known", shape: "triangle", tone: "warn" },
  unlisted: { word: "Not listed", shape: "triangle", tone: "warn" },
  mismatched: { word: "Wrong device", shape: "diamond", tone: "bad" },
  withdrawn: { word: "Withdrawn", shape: "dash", tone: "calm" },
};

export const CONTACTS = {
  seen: { word: "Heard", shape: "tick", tone: "good" },
  silent: { word: "Silent", shape: "cross", tone: "bad" },
  stale: { word: "Lost with its line", shape: "triangle", tone: "warn" },
  never: { word: "Not heard yet", shape: "triangle", tone: "warn" },
  unwatched: { word: "Not watched", shape: "dash", tone: "calm" },
};

export const KINDS = {
  "door": "Doors",
  "camera": "Cameras",
  "alarm-panel": "Alarm panels",
  "seal-reader": "Seal readers",
  "module": "Modules",
  "sensor": "Sensors",
  "power": "Power supplies",
};

const REFUSALS = {
  "wrong-token": "The gateway was restarted while this page was open. Reload the page and acknowledge again.",
  "bad-name": "Write your name: 1 to 64 characters, on one line.",
  "bad-note": "Shorten the note: at most 500 characters, on one line.",
  "no-such-alarm": "This alarm is already closed. Nothing more to do.",
  "rang-again": "It rang again since you looked. Cancel, look at the alarm again, and acknowledge what you see now.",
  "busy": "The gateway is busy. Wait a few seconds and send again.",
  "too-slow": "The gateway did not get the whole message. Check the network of this device and send again.",
  "foreign-origin": "This page was opened under an address that the gateway does not know. Open it as the installer told you.",
  "unreached": "The gateway did not answer: nothing was acknowledged. Check the network of this device and send again.",
};

export const ruleWords = (id) => RULES[id] ?? `Alarm “${id}”`;
export const typeWords = (id) => TYPES[id] ?? sentence(id);
export const classWords = (id) => CLASSES[id] ?? String(id);
export const reasonWords = (id) => REASONS[id] ?? sentence(id);
export const refusalWords = (id) => REFUSALS[id] ?? `The gateway refused (${id}). Reload the page and try again.`;

/** A level from a table; what the table does not name is shown as it is, and never as good. */
export const level = (table, id) => table[id] ?? { word: String(id), shape: "triangle", tone: "warn" };

/** Facts whose short name says too little by itself; the others are read as they stand. */
const FACTS = {
  "read": "Seal read",
  "expected": "Seal expected",
  "unit": "Container or unit",
  "misread": "Container number with a wrong check digit",
  "also_on": "Also on unit",
  "was_on": "Was on unit",
  "class": "Class of the seal",
  "needed": "Class needed",
  "failed": "Check failed",
  "points": "Told by",
  "affects": "Tells about",
  "limit_s": "Longest opening, seconds",
  "release": "Release before it opened",
  "line": "Lost with its line",
  "devices": "Devices on the line",
  "names": "Among them",
};
export const factWords = (id) => FACTS[id] ?? sentence(id);

/** `serial_listed` as "Serial listed". */
export function sentence(id) {
  const words = String(id).replace(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The security level of the site, where it is not the usual one. */
export const levelWords = (level) => (level > 1 ? ` · security level ${level} of 3: ${level === 2 ? "heightened" : "exceptional"}`
  : "");

/** A drill that runs: nothing rings less because of it. */
export const drillWords = ({ id, equipment, left_s: left }) => `DRILL “${id}” with ${equipment.join(", ")}, `
  + `${counted(Math.ceil(left / 60), "minute", "minutes")} left at most. What this equipment tells is marked as a drill. `
  + "Everything rings as ever: treat what you cannot explain as real.";

/** The chain went on behind a receipt of another history. */
export const leftWords = (left) => `${left.tail === "reset" ? "The records on this disk had been lost"
  : "This disk held an older state than the centre knows"} (it ended at record ${left.found}, the centre had `
  + `${left.upto}). ${counted(left.records, "record", "records")} of the other branch kept here, `
  + `${left.sent ? "and at the centre" : "on the way to the centre, which has not receipted them yet"}. Tell security.`;

/** What is in force stays in force. */
export const staleWords = ({ ver, stale }) => `Order ${ver} of the centre is stale (${stale}). It stays in force; `
  + "tell the centre.";

export const counted = (n, one, many) => `${n} ${n === 1 ? one : many}`;

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const LONG_AGO_MS = 300 * 86400000;

/** Local time; with the day where it is another one than `now`. */
export function clockTime(ms, now) {
  if (ms === null || ms === undefined) return "unknown time";
  const date = new Date(ms);
  const sameDay = now === null || now === undefined || date.toDateString() === new Date(now).toDateString();
  if (sameDay) return CLOCK.format(date);
  const year = now - ms > LONG_AGO_MS ? ` ${date.getFullYear()}` : "";
  return `${DAY.format(date)}${year}, ${CLOCK.format(date).slice(0, 5)}`;
}

/** How long ago, in one unit or two. */
export function age(ms, now) {
  if (ms === null || ms === undefined || now === null || now === undefined) return "";
  const s = Math.max(0, Math.floor((now - ms) / 1000));
  if (s < 10) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min ago`;
  return `${counted(Math.floor(s / 86400), "day", "days")} ago`;
}
