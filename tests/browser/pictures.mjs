// Pictures for the README, of the page of a running demo: node pictures.mjs URL OUTDIR
// Run beside `cargo demo -- --for 90s`. Waits for the moments of its script: an alarm open while the centre is reached
// (desk and phone), then the link cut (desk). Ends with 1 when a moment does not come within its time.

import { chromium } from "playwright-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const [url, out] = process.argv.slice(2);
if (!url || !out) {
  console.error("usage: node pictures.mjs URL OUTDIR");
  process.exit(2);
}
const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const PATIENCE_MS = 120_000;

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function opened(size) {
  const context = await browser.newContext({ ...size, colorScheme: "light", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#live[data-live=true]").waitFor();
  return page;
}

/** Waits until the status satisfies a condition, asked in the page so that its own policy and host rules hold. */
async function moment(page, what, condition) {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const status = await page.evaluate(async () => (await fetch("/api/v1/status")).json());
    if (condition(status)) return;
    await page.waitForTimeout(250);
  }
  throw new Error(`no moment with ${what} within ${PATIENCE_MS / 1000} s`);
}

try {
  const desk = await opened(DESK);
  const phone = await opened(PHONE);
  const forced = (status) => status.alarms.some((alarm) => alarm.rule === "door-forced" && alarm.recorded);
  await moment(desk, "a forced door", (status) => forced(status) && status.link.up);
  await desk.waitForTimeout(600);
  await desk.screenshot({ path: join(out, "desk-alarm.png") });
  await phone.screenshot({ path: join(out, "phone-alarm.png") });
  await moment(desk, "the link cut", (status) => !status.link.up && status.link.waiting > 0);
  await desk.waitForTimeout(600);
  await desk.screenshot({ path: join(out, "desk-cut.png") });
  console.log(`${out}: desk-alarm.png, phone-alarm.png, desk-cut.png`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await browser.close();
}
