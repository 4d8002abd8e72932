// Pictures of the guards' page, and what axe-core says of it: node console.mjs URL OUTDIR
// Ends with 1 when the page breaks its own security policy, throws, or fails a check at level A or AA.

import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [url, out] = process.argv.slice(2);
if (!url || !out) {
  console.error("usage: node console.mjs URL OUTDIR");
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
await browser.close();
for (const fault of faults) console.error(fault);
console.log(`${out}: ${faults.length === 0 ? "pictures taken, nothing to complain of" : `${faults.length} faults`}`);
process.exit(faults.length === 0 ? 0 : 1);
