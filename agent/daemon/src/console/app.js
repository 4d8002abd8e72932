// The live view: follows the gateway's events, says when they stop, and never gives up. Draws nothing by itself.

import { age, clockTime, counted } from "./words.js";
import { announce, draw } from "./view.js";
import { isAsking, settle, startAsking } from "./acknowledge.js";

const SILENCE_MS = 12000;
const REOPEN_MS = 2000;

const byId = (id) => document.getElementById(id);
const own = document.querySelector("meta[name=picket-start]").content;

/** Two clocks of the tablet: one of them may stand still while it sleeps. Neither tells the time of day here. */
const moment = () => ({ steady: performance.now(), wall: Date.now() });

let status = null;
let source = null;
let reopening = 0;
let tried = moment();
let heard = null;

const since = (then) => {
  const now = moment();
  return Math.max(now.steady - then.steady, Math.abs(now.wall - then.wall));
};

/** The gateway's time: what it said last, carried on. */
const serverNow = () => (heard === null || heard.at === null ? null : heard.at + performance.now() - heard.steady);

function hear(at, start) {
  heard = { ...moment(), at };
  if (start && start !== own && !isAsking()) location.reload();
  tick();
}

function show(next) {
  const before = status;
  status = next;
  settle(next);
  draw(next, serverNow() ?? next.at_ms);
  announce(before, next);
  tick();
}

function reopen(pause) {
  source?.close();
  source = null;
  clearTimeout(reopening);
  reopening = setTimeout(open, pause);
}

function open() {
  source?.close();
  tried = moment();
  source = new EventSource("/api/v1/events");
  source.addEventListener("status", (event) => {
    const next = JSON.parse(event.data);
    hear(serverNow() ?? next.at_ms);
    show(next);
  });
  source.addEventListener("beat", (event) => {
    const beat = JSON.parse(event.data);
    hear(beat.at_ms, beat.start);
  });
  // Also when every live view is taken: the page then asks again and again, and what it fetches is live.
  source.addEventListener("error", () => {
    reopen(REOPEN_MS + Math.random() * 1000);
    fetchStatus();
  });
}

async function fetchStatus() {
  try {
    const answer = await fetch("/api/v1/status", { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!answer.ok) return;
    const at = answer.headers.get("picket-time");
    const next = await answer.json();
    hear(at === null ? null : Number(at), answer.headers.get("picket-start"));
    show(next);
  } catch {
    // The banner tells it: nothing was heard.
  }
}

/** A phone kills the stream in the background without a word: begin anew whenever somebody looks. */
function wake() {
  if (document.visibilityState === "hidden") return;
  reopen(0);
  fetchStatus();
  tick();
}

function tick() {
  const alive = heard !== null && since(heard) <= SILENCE_MS;
  const now = alive ? serverNow() : heard?.at ?? null;
  tellDead(heard === null || alive ? "" : `NOT LIVE since ${clockTime(heard.at ?? heard.wall)}`);
  byId("live").textContent = heard === null ? "Connecting…" : alive ? "Live" : "Not live";
  byId("live").dataset.live = String(alive);
  byId("clock").textContent = now === null ? "--:--:--" : clockTime(now);
  for (const told of alive ? document.querySelectorAll("[data-age]") : []) {
    const text = age(Number(told.dataset.age), now);
    if (told.textContent !== text) told.textContent = text;
  }
}

function tellDead(text) {
  const dead = byId("dead");
  if ((dead.dataset.text ?? "") === text) return;
  dead.dataset.text = text;
  dead.hidden = text === "";
  dead.replaceChildren(...(text ? bannerParts(text) : []));
  document.body.classList.toggle("is-dead", text !== "");
}

function bannerParts(text) {
  const strong = document.createElement("strong");
  strong.textContent = text;
  const alarms = status === null ? "" : ` It showed ${counted(status.alarms.length, "open alarm", "open alarms")}.`;
  const rest = document.createElement("span");
  rest.textContent = `The gateway is not heard: this page shows what was, not what is.${alarms} Trying again…`;
  return [strong, rest];
}

/** Half open, or never opened: the network swallows the stream without a word. */
function watch() {
  tick();
  if ((heard === null || since(heard) > SILENCE_MS) && since(tried) > SILENCE_MS) open();
}

startAsking(() => status, () => serverNow(), show);
document.addEventListener("visibilitychange", wake);
window.addEventListener("pageshow", (event) => event.persisted && wake());
window.addEventListener("online", wake);
setInterval(watch, 1000);
open();
