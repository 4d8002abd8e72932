// Pictures of the guards' page, and what axe-core says of it: node console.mjs URL OUTDIR [PID]
// With the process id of the gateway it also acknowledges the first alarm, stops the process without closing anything,
// and expects the page to say NOT LIVE, then to come back by itself. Ends with 1 when the page breaks its own security
// policy, throws, or fails a check at level A or AA. `tests/run browser` runs it against the agent.

import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [url, out, pid] = process.argv.slice(2);
if (!url || !out) {
  console.error("usage: node console.mjs URL OUTDIR [PID]");
  process.exit(2);
}
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = {
  desk: { viewport: { width: 1280, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
const LOOKS = ["light", "dark"];
const faults = [];

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

/** A page that shows its first status; whatever it complains of becomes a fault. */
async function opened(name, size, look) {
  const context = await browser.newContext({ ...SIZES[size], colorScheme: look, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`${name}: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`${name}: ${message.text()}`));
  await page.goto(url);
  await page.locator("#live[data-live=true]").waitFor();
  await page.waitForFunction(() => document.querySelector("#state-line").textContent !== "Connecting…");
  return page;
}

async function check(name, page) {
  // Through the debugger: the page's own policy would refuse an inline script.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
  for (const { id, help, nodes } of found.violations) {
    for (const node of nodes) faults.push(`${name}: ${id}: ${help}: ${node.target.join(" ")}`);
  }
}

for (const size of Object.keys(SIZES)) {
  for (const look of LOOKS) {
    const name = `${size}-${look}`;
    const page = await opened(name, size, look);
    await page.screenshot({ path: join(out, `${name}.png`) });
    await page.screenshot({ path: join(out, `${name}-whole.png`), fullPage: true });
    await check(name, page);
    const acknowledge = page.locator(".alarm button").first();
    if (await acknowledge.count() > 0) {
      await acknowledge.click();
      await page.screenshot({ path: join(out, `${name}-ask.png`) });
      await check(`${name}-ask`, page);
    }
    await page.context().close();
  }
}
/** What a guard lives through: one acknowledgement, and a gateway that falls silent with its connections open. */
async function livedThrough() {
  const page = await opened("drive", "phone", "light");
  const card = page.locator(".alarm").filter({ has: page.locator("button") }).first();
  const key = await card.getAttribute("data-key");
  await card.locator("button").click();
  await page.keyboard.press("Enter");
  await page.locator("#ask-fault", { hasText: "Write your name" }).waitFor();
  await page.locator("#ask-by").fill("Ana Ferreira");
  await page.keyboard.press("Enter");
  await page.locator(`.alarm[data-key="${key}"] .seen`, { hasText: "Ana Ferreira" }).waitFor();
  process.kill(Number(pid), "SIGSTOP");
  await page.locator("#dead", { hasText: "NOT LIVE since" }).waitFor({ timeout: 20000 });
  await page.screenshot({ path: join(out, "phone-light-not-live.png") });
  process.kill(Number(pid), "SIGCONT");
  await page.locator("#dead").waitFor({ state: "hidden", timeout: 20000 });
}

if (pid) {
  await livedThrough().catch((error) => faults.push(`drive: ${error.message}`));
  process.kill(Number(pid), "SIGCONT");
}
await browser.close();
for (const fault of faults) console.error(fault);
console.log(`${out}: ${faults.length === 0 ? "pictures taken, nothing to complain of" : `${faults.length} faults`}`);
process.exit(faults.length === 0 ? 0 : 1);
