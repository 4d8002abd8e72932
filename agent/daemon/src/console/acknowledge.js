// Acknowledging: asks for the name, sends, and waits until the gateway's own status shows it. Claims nothing before.

import { clockTime, refusalWords, ruleWords } from "./words.js";

const PENDING_MS = 20000;
const NAME_KEY = "picket-name";

const byId = (id) => document.getElementById(id);
/** Characters as the gateway counts them: code points, not UTF-16 units. */
const length = (text) => [...text].length;

const pending = new Map();
let token = document.querySelector("meta[name=picket-token]").content;
let asked = null;
let redraw = () => {};
let currentTime = () => null;

export const isAsking = () => byId("ask").open;

/** Whether a status still shows the occurrence that was seen when something was sent. */
const same = (sent, alarm) => alarm.times === sent.times && alarm.since_ms === sent.since_ms;

/** What was sent and is not yet seen in a status: who, when, whether it takes too long, and whether it rang again. */
export const pendingFor = (id) => pending.get(id);

/** Forgets what the status shows as done, or what it does not show at all any more. */
export function settle(status) {
  for (const id of pending.keys()) {
    const alarm = status.alarms.find((alarm) => alarm.id === id);
    if (!alarm || alarm.acknowledged_by !== null) pending.delete(id);
    else if (!same(pending.get(id), alarm)) pending.get(id).again = true;
  }
}

/** Opens the question for one alarm. */
export function ask(alarm) {
  asked = alarm;
  byId("ask-what").textContent = `${ruleWords(alarm.rule)} — ${alarm.place || alarm.equipment}`;
  byId("ask-note").value = "";
  byId("ask-by").value = remembered();
  byId("ask-fault").textContent = "";
  byId("ask").showModal();
  byId(byId("ask-by").value ? "ask-send" : "ask-by").focus();
}

/** Wires the dialog. `status` gives the last one, `now` the gateway's time, `show` draws. */
export function startAsking(status, now, show) {
  currentTime = now;
  redraw = () => status() && show(status());
  byId("ask-cancel").addEventListener("click", () => byId("ask").close());
  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
}

async function send() {
  const by = byId("ask-by").value.trim();
  const note = byId("ask-note").value.replace(/\s+/g, " ").trim();
  if (by === "" || length(by) > 64) return refuse("bad-name", "ask-by");
  if (length(note) > 500) return refuse("bad-note", "ask-note");
  const { id: alarm, times, since_ms } = asked;
  byId("ask-fault").textContent = "";
  busy(true);
  const refused = await post({ alarm, times, since_ms, by, note });
  busy(false);
  if (refused !== null) return refuse(refused, "ask-send");
  remembered(by);
  const sent = { by, times, since_ms, at: currentTime(), late: false, again: false };
  pending.set(alarm, sent);
  setTimeout(() => {
    sent.late = true;
    redraw();
  }, PENDING_MS);
  byId("ask").close();
  redraw();
}

/** `null` = taken; else the word of the refusal. A page from before a restart fetches the new token and tries once more. */
async function post(wish, again = true) {
  try {
    const answer = await fetch("/api/v1/acknowledge", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...wish, token }),
      signal: AbortSignal.timeout(10000),
    });
    if (answer.status === 202) return null;
    const { refused } = await answer.json();
    if (refused !== "wrong-token" || !again) return refused;
    const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
    token = page.querySelector("meta[name=picket-token]").content;
    return post(wish, false);
  } catch {
    return "unreached";
  }
}

function refuse(word, field) {
  byId("ask-fault").textContent = refusalWords(word);
  byId(field).focus();
}

function busy(yes) {
  byId("ask-send").disabled = yes;
  byId("ask-send").textContent = yes ? "Sending…" : "Acknowledge";
}

/** The name lasts as long as the tab. Where storage is switched off it is asked each time. */
function remembered(name) {
  try {
    if (name) sessionStorage.setItem(NAME_KEY, name);
    return sessionStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

/** "Pending" in words. */
export function pendingWords(sent, now) {
  const when = sent.at === null ? "" : ` at ${clockTime(sent.at, now)}`;
  if (sent.again) return `It rang again after ${sent.by} acknowledged it${when}. Look again.`;
  return sent.late
    ? `Sent by ${sent.by}${when}, but the gateway has not confirmed it. Send again.`
    : `Pending: sent by ${sent.by}${when}, not yet confirmed by the gateway.`;
}
