// Draws one snapshot. Builds elements and sets text; what devices and people wrote never becomes markup.

import { ask, pendingFor, pendingWords } from "./acknowledge.js";
import {
  CENTRE_DOUBTS, CONTACTS, KINDS, SEVERITIES, STANDINGS, age, classWords, clockTime, counted, drillWords, factWords,
  leftWords, level, levelWords, reasonWords, ruleWords, sentence, staleWords, typeWords,
} from "./words.js";

const byId = (id) => document.getElementById(id);

/** One element: `{class, text-free attributes}` and children (strings become text, empty ones are left out). */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function shape(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

const chip = ({ word, shape: form, tone }) => el("span", { class: `chip ${tone}` }, shape(form), word);

function moment(ms, now) {
  if (ms === null) return el("span", {}, "at an unknown time (clock not set)");
  return el("time", { datetime: new Date(ms).toISOString(), title: new Date(ms).toISOString() }, clockTime(ms, now));
}

const aged = (ms, now) => (ms === null ? null : el("span", { class: "age", "data-age": ms }, age(ms, now)));

/** Keeps elements whose item is unchanged, so that focus and reading position stay where they are. */
function keyed(list, items, now, build, extra = () => "") {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const focused = document.activeElement?.closest("[data-key]")?.dataset.key;
  const day = now === null ? "" : new Date(now).toDateString();
  const next = items.map((item) => {
    const key = item.id ?? item.name;
    const face = JSON.stringify([item, extra(item), day]);
    const kept = old.get(key);
    if (kept && kept.dataset.face === face) return kept;
    const made = build(item, now);
    made.dataset.key = key;
    made.dataset.face = face;
    return made;
  });
  const same = next.length === list.children.length && next.every((child, at) => child === list.children[at]);
  if (same) return;
  const inside = list.contains(document.activeElement);
  list.replaceChildren(...next);
  const again = inside && next.find((child) => child.dataset.key === focused);
  if (again) (again.querySelector("button") ?? again).focus();
}

/** Everything. `now` is the gateway's time, `null` where its clock was never set. */
export function draw(status, now) {
  byId("site").textContent = status.site;
  byId("gateway").textContent = status.gateway + levelWords(status.level);
  drawState(status);
  drawLink(status.link, now);
  drawNotes(status);
  const drilled = (alarm) => (status.drill?.equipment.includes(alarm.equipment) ? status.drill.id : "");
  keyed(byId("alarm-list"), status.alarms, now, (alarm, at) => alarmCard(alarm, at, drilled(alarm)),
    (alarm) => [pendingFor(alarm.id), drilled(alarm)]);
  drawEquipment(status.equipment, now);
  keyed(byId("incident-list"), status.incidents, now, incident);
  byId("incidents").hidden = status.incidents.length === 0;
  keyed(byId("threat-list"), status.threats, now, threat);
  byId("threats").hidden = status.threats.length === 0;
  keyed(byId("finding-list"), status.nonconformities, now, finding);
  keyed(byId("line-list"), status.lines, now, line);
  byId("findings").classList.toggle("none", status.nonconformities.length === 0);
  byId("findings-title").dataset.count = status.nonconformities.length;
  byId("alarms").hidden = status.alarms.length === 0;
  byId("jump-alarms").textContent = status.alarms.length;
  byId("jump-equipment").textContent = status.equipment.length;
  byId("jump-findings").textContent = status.nonconformities.length;
  showWanted();
}

let shownWanted = "";

/** Once for each label: who reads on is not pulled back by the next news. */
function showWanted() {
  const id = wanted();
  const row = id === "" || id === shownWanted ? null : document.getElementById(`e/${id}`);
  if (row === null) return;
  shownWanted = id;
  row.scrollIntoView({ block: "center" });
}

/** "All quiet" only where something is watched, and all of it is heard: from what is not heard, quiet says nothing. */
function drawState({ alarms, nonconformities, equipment, site }) {
  const open = alarms.length;
  const unseen = alarms.filter((alarm) => alarm.acknowledged_by === null).length;
  const unheard = equipment.filter((item) => !["seen", "unwatched"].includes(item.contact)).length;
  const worst = Math.max(-1, ...alarms.filter((alarm) => alarm.rings).map((alarm) => alarm.severity));
  const quiet = unheard === 0 && equipment.some((item) => item.contact === "seen");
  const calm = quiet ? "none" : "warn";
  byId("state").dataset.worst = worst < 0 ? calm : level(SEVERITIES, worst).tone;
  byId("state-line").textContent = open > 0 ? counted(open, "open alarm", "open alarms")
    : quiet ? "All quiet" : "No open alarms";
  const silence = open > 0 ? "" : ": no alarm from there would show";
  byId("state-more").textContent = sentence([
    open === 0 ? "" : unseen === 0 ? "all acknowledged" : `${unseen} not acknowledged`,
    nonconformities.length === 0 ? "no nonconformities"
      : counted(nonconformities.length, "nonconformity", "nonconformities"),
    quiet || unheard > 0 ? "" : "nothing is heard",
    unheard === 0 ? "" : `${counted(unheard, "piece", "pieces")} of equipment not heard${silence}`,
  ].filter(Boolean).join(", "));
  document.title = open === 0 ? `${site} – Picket` : `(${open}) ${site} – Picket`;
}

function drawLink(link, now) {
  const receipt = link.receipt_ms === null ? ["no receipt yet"] : ["last receipt ", moment(link.receipt_ms, now)];
  const doubt = CENTRE_DOUBTS[link.state];
  const told = ["Reporting to centre, ", ...receipt, `, ${link.waiting} waiting`];
  const up = doubt ? [el("strong", {}, doubt), ". ", ...told] : told;
  const cause = link.cause ? `: ${link.cause}` : "";
  const since = link.since_ms === null ? [] : [" since ", moment(link.since_ms, now)];
  const kept = link.waiting === 0
    ? "Nothing is waiting." : `${counted(link.waiting, "record is", "records are")} waiting, stored here.`;
  const down = [el("strong", {}, "Not reporting"), ...since, `${cause}. ${kept}`];
  const calm = link.up && !doubt;
  byId("link").className = calm ? "link" : "link warn";
  byId("link").replaceChildren(shape(calm ? "tick" : "triangle"), el("span", {}, ...(link.up ? up : down)));
}

function drawNotes(status) {
  const { journal, register_refused: refused, drill, order, link } = status;
  const notes = [
    drill && ["drill", "diamond", drillWords(drill)],
    journal.anew && ["bad", "diamond", "The records of this gateway are not where they were: a new store was begun. "
      + "Is its disk mounted? Tell the installer."],
    link.left && ["bad", "diamond", leftWords(link.left)],
    order?.stale && ["warn", "triangle", staleWords(order)],
    journal.fault && ["bad", "diamond", `Records cannot be stored: ${journal.fault}. Tell the installer.`],
    journal.dropped > 0 && ["warn", "triangle",
      `${counted(journal.dropped, "event was", "events were")} dropped so far; the signed records count them.`],
    journal.fill_permille >= 700 && ["warn", "triangle",
      `The record store is ${Math.floor(journal.fill_permille / 10)} % full.`],
    !status.clock_trusted && ["warn", "triangle", "Clock not trusted: times may be wrong, due dates are not judged."],
    refused && ["warn", "triangle", `New register refused: ${refused}. Register ${status.register} stays in force.`],
  ].filter(Boolean);
  const made = notes.map(([tone, form, text]) => el("li", { class: `note ${tone}` }, shape(form), el("span", {}, text)));
  if (byId("notes").textContent !== notes.map((note) => note[2]).join("")) byId("notes").replaceChildren(...made);
}

function alarmCard(alarm, now, drill) {
  const severity = level(SEVERITIES, alarm.severity);
  const title = `alarm-${alarm.id}`;
  return el("li", { class: `alarm ${severity.tone}${alarm.acknowledged_by === null ? " unseen-yet" : ""}`, tabindex: -1 },
    el("article", { "aria-labelledby": title },
      el("div", { class: "body" },
        el("div", { class: "what" },
          el("p", { class: "sign" }, shape(severity.shape), severity.word, alarm.rings ? null : " · silent"),
          el("h3", { id: title }, ruleWords(alarm.rule)),
          el("p", { class: "where" }, alarm.place || "place not stated", el("code", {}, alarm.equipment))),
        facts(alarm.facts),
        el("ul", { class: "marks" }, marks(alarm, drill).map(([tone, text]) => el("li", { class: tone }, text)))),
      el("div", { class: "side" },
        el("p", { class: "when" }, moment(alarm.since_ms, now), aged(alarm.since_ms, now)),
        alarmFoot(alarm, now))));
}

function marks(alarm, drill) {
  const standing = level(STANDINGS, alarm.standing);
  const trust = alarm.guard_must_close
    ? ["warn", `${standing.word}: this equipment's silence is not trusted. A guard must close.`] : null;
  return [
    drill === "" ? null : ["drill", `Drill “${drill}” runs`],
    trust,
    alarm.active ? null : ["calm", "Went back to normal"],
    alarm.times > 1 ? ["calm", `${alarm.times} times`] : null,
    alarm.rings ? null : ["calm", "Withdrawn equipment: does not ring"],
    alarm.recorded ? null : ["warn", "Not yet recorded"],
    alarm.reported ? ["calm", "Reported to centre"] : ["calm", "Centre does not know yet"],
  ].filter(Boolean);
}

function facts(facts) {
  const rows = Object.entries(facts);
  if (rows.length === 0) return null;
  return el("dl", { class: "facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, factWords(name)),
    el("dd", {}, name === "points" ? el("code", {}, value) : value))));
}

function alarmFoot(alarm, now) {
  if (alarm.acknowledged_by !== null) {
    return el("p", { class: "seen" }, shape("tick"), `Acknowledged by ${alarm.acknowledged_by}`);
  }
  const sent = pendingFor(alarm.id);
  const words = sent ? el("p", { class: "pending", role: "status" }, pendingWords(sent, now)) : null;
  if (sent && !sent.late && !sent.again) return words;
  const name = `${ruleWords(alarm.rule)}, ${alarm.place || alarm.equipment}`;
  const button = el("button", { type: "button", class: "act", "aria-label": `Acknowledge: ${name}` }, "Acknowledge");
  button.addEventListener("click", () => ask(alarm));
  return el("div", { class: "foot" }, words, button);
}

/** Worst first. */
const WORST = ["mismatched", "unlisted", "unknown", "overdue", "due", "withdrawn", "good"];
const FARTHEST = ["silent", "stale", "never", "unwatched", "seen"];
const worstFirst = (a, b) => FARTHEST.indexOf(a.contact) - FARTHEST.indexOf(b.contact)
  || WORST.indexOf(a.standing) - WORST.indexOf(b.standing)
  || a.place.localeCompare(b.place) || a.id.localeCompare(b.id);

function drawEquipment(equipment, now) {
  byId("equipment-sum").replaceChildren(...sums(equipment));
  const order = [...Object.keys(KINDS), ...equipment.map((item) => item.kind)];
  const kinds = [...new Set(order)].filter((kind) => equipment.some((item) => item.kind === kind));
  keyed(byId("equipment-list"), kinds.map((id) => ({ id })), now, ({ id }) => el("section", { class: "kind" },
    el("h3", {}, KINDS[id] ?? sentence(id || "other")), el("ul", { class: "rows" })));
  for (const section of byId("equipment-list").children) {
    const items = equipment.filter((item) => item.kind === section.dataset.key).sort(worstFirst);
    keyed(section.querySelector("ul"), items, now, equipmentRow);
  }
}

function sums(equipment) {
  if (equipment.length === 0) return ["The register is empty: no equipment is listed."];
  const fine = equipment.filter((item) => item.contact === "seen" && item.standing === "good").length;
  const by = (field, table) => Object.keys(table).filter((id) => id !== "good" && id !== "seen").map((id) => {
    const n = equipment.filter((item) => item[field] === id).length;
    return n === 0 ? null : chip({ ...table[id], word: `${n} ${table[id].word.toLowerCase()}` });
  });
  return [`${fine} of ${equipment.length} heard and in order`, ...by("contact", CONTACTS), ...by("standing", STANDINGS)]
    .filter(Boolean);
}

/** A label was scanned: its equipment is marked, and brought into view by the first drawing. */
function wanted() {
  try {
    return decodeURIComponent(location.hash).replace(/^#e\//, "");
  } catch {
    return "";
  }
}

function equipmentRow(item, now) {
  const far = item.contact !== "seen";
  const contact = level(CONTACTS, item.contact);
  const seen = item.seen_ms === null || !far ? null : el("span", { class: "sub" }, "last ", moment(item.seen_ms, now));
  const why = item.why.length === 0 ? null : el("span", { class: "sub" }, item.why.map(sentence).join(", "));
  const due = item.due === null ? null : el("span", { class: "sub" }, "due ", el("time", { datetime: item.due }, item.due));
  return el("li", { class: item.id === wanted() ? "row wanted" : "row", id: `e/${item.id}` },
    el("p", { class: "who" }, el("strong", {}, item.place || "place not stated"), el("code", {}, item.id)),
    el("p", { class: "cell" }, chip(contact), seen),
    el("p", { class: "cell" }, chip(level(STANDINGS, item.standing)), why, due, ...item.measures.map((one) => held(one, now))),
    el("p", { class: "signals" }, Object.entries(item.signals).map(([name, value]) => signal(name, value, far))));
}

function signal(name, text, far) {
  const told = / \(stale\)$/.test(text);
  const value = text.replace(/ \(stale\)$/, "");
  const stale = told || far;
  const unknown = value === "" || /^unknown/i.test(value);
  return el("span", { class: `signal${stale ? " stale" : ""}${unknown ? " unknown" : ""}` },
    `${sentence(name)}: `, el("b", {}, value === "" ? "unknown" : value), stale ? " (stale)" : null);
}

/** What holds for a time: a bypass, or what stands in for the equipment. */
function held({ measure, what, until_ms }, now) {
  const words = measure === "bypass" ? "Bypassed" : "In its place";
  const until = until_ms === null ? [] : [" until ", moment(until_ms, now)];
  return el("span", { class: "sub" }, el("strong", {}, words), ...until, `: ${what}`);
}

/** What belongs together; nobody has said what it was, or its alarms are not over. */
function incident(item, now) {
  const state = item.class === null ? "Nobody has said what it was" : `Classified: ${classWords(item.class)}`;
  const drill = item.exercise === null ? [] : [` · drill ${item.exercise}`];
  return el("li", {},
    el("strong", {}, typeWords(item.type)),
    el("code", {}, item.id),
    el("span", {}, `${item.zone} · ${counted(item.count, "alarm", "alarms")}`, ...drill),
    el("span", { class: "sub" }, state),
    el("span", { class: "sub" }, "since ", moment(item.since_ms, now), " · ", aged(item.since_ms, now)));
}

/** A scenario against which less protects than was planned. */
function threat(item) {
  const lost = `${item.lost} of ${counted(item.measures, "measure", "measures")} lost`;
  return el("li", {},
    el("strong", {}, item.title),
    el("code", {}, item.id),
    el("span", {}, `Likelihood ${item.likelihood}, consequence ${item.consequence} · ${lost}`),
    item.needed ? el("span", {}, el("strong", {}, "Countermeasures needed")) : null);
}

function finding(item, now) {
  return el("li", {},
    el("strong", {}, reasonWords(item.reason)),
    el("code", {}, item.equipment),
    facts(item.facts),
    el("span", { class: "sub" }, ...answerWords(item, now)),
    el("span", { class: "sub" }, "since ", moment(item.since_ms, now), " · ", aged(item.since_ms, now)));
}

/** How far the answer has come, and what is due next. */
function answerWords({ step, ended, due_ms, escalated, times }, now) {
  const next = step === "agreed" ? "Agreed, to be done"
    : step === "done" ? (ended ? "Done, to be verified" : "Done, and its reason holds still")
      : step === "contained" ? "Contained, action to be agreed" : "To be answered";
  const parts = [next];
  if (due_ms !== null && due_ms !== undefined) parts.push(" by ", moment(due_ms, now));
  if (escalated > 0) parts.push(" · ", el("strong", {}, "overdue"));
  if (times > 1) parts.push(` · opened ${times} times`);
  return parts;
}

function line(item) {
  const state = item.fault === null ? { word: "Good", shape: "tick", tone: "good" }
    : { word: "Fault", shape: "cross", tone: "bad" };
  return el("li", {},
    el("span", { class: "name" }, el("strong", {}, item.name), el("span", { class: "sub" }, item.driver)),
    chip(state),
    item.fault === null ? null : el("span", { class: "told" }, item.fault),
    el("span", { class: "sub" }, `${item.good.toLocaleString("en-GB")} good, ${item.faults.toLocaleString("en-GB")} faults`));
}

/** Tells screen readers what changed: security and life at once, the rest when there is a pause. */
export function announce(before, next) {
  if (before === null) {
    byId("say").textContent = byId("state-line").textContent;
    return;
  }
  const about = (alarm) => `${ruleWords(alarm.rule)}, ${alarm.place || alarm.equipment}`;
  const name = (alarm) => `${level(SEVERITIES, alarm.severity).word}: ${about(alarm)}`;
  const old = new Map(before.alarms.map((alarm) => [alarm.id, alarm]));
  const open = new Set(next.alarms.map((alarm) => alarm.id));
  const rings = (alarm) => alarm.severity >= 3 && alarm.rings;
  const fresh = next.alarms.filter((alarm) => !old.has(alarm.id));
  const urgent = fresh.filter(rings).map(name);
  const calm = fresh.filter((alarm) => !rings(alarm)).map(name);
  for (const alarm of old.values()) if (!open.has(alarm.id)) calm.push(`Closed: ${about(alarm)}`);
  for (const alarm of next.alarms) {
    const by = alarm.acknowledged_by;
    if (by !== null && old.get(alarm.id)?.acknowledged_by === null) calm.push(`Acknowledged by ${by}: ${about(alarm)}`);
  }
  if (before.link.up !== next.link.up) calm.push(next.link.up ? "Reporting to centre again" : "Not reporting to centre");
  if (urgent.length > 0) byId("say-now").textContent = urgent.join(". ");
  if (calm.length > 0) byId("say").textContent = calm.join(". ");
}
