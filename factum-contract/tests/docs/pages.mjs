// Looks at a generated catalog as people do: every page, narrow and wide, light and dark, by keyboard, without a script,
// on paper. Prints one JSON object: what is wrong, and what was seen.
//
// usage: node pages.mjs TOOLS SITE CHROMIUM PICTURES
import { createRequire } from "node:module";
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

const [tools, site, program, pictures] = process.argv.slice(2);
const { chromium } = createRequire(join(tools, "package.json"))("playwright-core");
const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({
  executablePath: program,
  args: ["--no-sandbox", "--disable-component-update", "--disable-sync", ...quiet],
});

const wrong = [];
const seen = { pages: 0, links: 0, texts: 0 };
const root = pathToFileURL(`${site}/`).href;
const address = (path) => root + encodeURI(path);

const paths = readdirSync(site, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".html"))
  .map((entry) => relative(site, join(entry.parentPath, entry.name)))
  .sort();

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (entry) => wrong.push(`${page.url()}: the console says: ${entry.text()}`));
  page.on("pageerror", (error) => wrong.push(`${page.url()}: ${error}`));
  page.on("dialog", (dialog) => {
    wrong.push(`${page.url()}: a dialog says: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("requestfailed", (request) => {
    // Leaving a page stops what it still loads.
    const why = request.failure()?.errorText;
    if (why !== "net::ERR_ABORTED") wrong.push(`${page.url()}: ${request.url()} failed: ${why}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(root)) wrong.push(`${page.url()}: asks for ${request.url()}`);
  });
  return page;
}

// Runs in the page: texts that can hardly be read.
function faint() {
  const parts = (colour) => {
    const numbers = colour.match(/[\d.]+/g).map(Number);
    const scale = colour.startsWith("color(") ? 255 : 1;
    return [...numbers.slice(0, 3).map((part) => part * scale), numbers[3] ?? 1];
  };
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (element.ownerSVGElement) {
      const box = element.closest("g")?.querySelector("rect");
      if (box) return getComputedStyle(box).fill;
    }
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour)[3] > 0.99) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.tagName === "title" || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colour = element.ownerSVGElement ? style.fill : style.color;
    const [one, other] = [light(colour), light(ground(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    count += 1;
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.className.baseVal ?? element.className}: ${node.data.trim().slice(0, 40)}`);
  }
  return { found, count };
}

// Runs in the page: what is wider than the screen, beside what scrolls by itself.
function wide() {
  const most = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= most) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > most + 1 && !element.closest(".drawing, pre"))
    .map((element) => `${element.tagName}.${element.className}`)
    .slice(0, 5)
    .concat(`${document.documentElement.scrollWidth} of ${most}`);
}

// Every page on a phone, light and dark; every link leads to a page that is there, and to a place on it.
const phone = await open({ viewport: { width: 360, height: 720 } });
const places = new Map();
const links = [];
for (const path of paths) {
  await phone.goto(address(path));
  for (const colorScheme of ["light", "dark"]) {
    await phone.emulateMedia({ colorScheme });
    const { found, count } = await phone.evaluate(faint);
    seen.texts += count;
    found.forEach((text) => wrong.push(`${path}, ${colorScheme}: contrast ${text}`));
  }
  (await phone.evaluate(wide)).forEach((text) => wrong.push(`${path}: wider than 360: ${text}`));
  const ids = await phone.evaluate(() => [...document.querySelectorAll("[id]")].map((one) => one.id));
  places.set(phone.url(), new Set(ids));
  if (ids.length !== new Set(ids).size) wrong.push(`${path}: an id stands twice`);
  const targets = await phone.evaluate(() => [...document.querySelectorAll("a")].map((a) => a.href.baseVal ?? a.href));
  links.push(...targets.map((target) => [path, new URL(target, phone.url()).href]));
  seen.pages += 1;
}
for (const [path, target] of links) {
  const [file, anchor] = target.split("#");
  if (!places.has(file)) wrong.push(`${path}: ${target} leads nowhere`);
  else if (anchor && !places.get(file).has(decodeURIComponent(anchor))) wrong.push(`${path}: no place ${target}`);
  seen.links += 1;
}

// The side list opens on a phone, and closes by a key.
await phone.goto(address("index.html"));
await phone.click(".menu");
if (!(await phone.isVisible("#side .sections"))) wrong.push("the menu does not open");
await phone.keyboard.press("Escape");
if (await phone.isVisible("#side .sections")) wrong.push("the menu does not close");

// Search, by keyboard alone: by name, by a field, and for nothing.
const desk = await open({ viewport: { width: 1440, height: 900 } });
const searches = JSON.parse(process.env.SEARCHES ?? "[]");
for (const [words, path] of searches) {
  await desk.goto(address("index.html"));
  await desk.keyboard.press("/");
  await desk.keyboard.type(words);
  await desk.waitForSelector("#found [role=option]");
  const chosen = await desk.getAttribute(".search input", "aria-activedescendant");
  if (chosen !== "found-0") wrong.push(`search ${words}: ${chosen} is active`);
  await Promise.all([desk.waitForNavigation(), desk.keyboard.press("Enter")]);
  if (desk.url() !== address(path)) wrong.push(`search ${words}: led to ${desk.url()}`);
}
await desk.goto(address("index.html"));
await desk.fill(".search input", "no such thing at all");
await desk.waitForSelector("#found .nothing:text('Nothing found.')");
await desk.keyboard.press("Escape");
if (await desk.isVisible("#found")) wrong.push("search does not close");

// From the top of a page, the first key leads past everything to the content.
await desk.goto(address("contracts/_list.html"));
await desk.keyboard.press("Tab");
const first = await desk.evaluate(() => document.activeElement.className);
if (first !== "skip") wrong.push(`the first stop is ${first}`);
await desk.keyboard.press("Enter");
if ((await desk.evaluate(() => document.activeElement.id)) !== "content") wrong.push("the skip link does not skip");

// The theme goes round, and stays.
await desk.emulateMedia({ colorScheme: "light" });
const ground = () => desk.evaluate(() => getComputedStyle(document.body).backgroundColor);
const bright = await ground();
await desk.click(".theme");
await desk.click(".theme");
const dark = await ground();
if (bright === dark) wrong.push("the theme does not change");
await desk.goto(address("index.html"));
if ((await ground()) !== dark) wrong.push("the theme does not stay");
await desk.click(".theme");
if ((await ground()) !== bright) wrong.push("the theme does not go back");
const cookies = await desk.context().cookies();
if (cookies.length > 0) wrong.push("there is a cookie");

// Without a script everything is there but the search and the switch.
const plain = await open({ viewport: { width: 1440, height: 900 }, javaScriptEnabled: false });
await plain.goto(address("index.html"));
if (await plain.isVisible(".search")) wrong.push("without a script, a search that cannot work is shown");
if (!(await plain.isVisible("main h1")) || !(await plain.isVisible("#side"))) wrong.push("without a script, no content");

// On paper: no bars, everything unfolded.
for (const path of paths.filter((path) => path.includes("contracts/")).slice(0, 3)) {
  await desk.goto(address(path));
  await desk.evaluate(() => dispatchEvent(new Event("beforeprint")));
  await desk.emulateMedia({ media: "print" });
  if (await desk.isVisible(".bar")) wrong.push(`${path}: the bar is printed`);
  if (await desk.isVisible("#side")) wrong.push(`${path}: the side list is printed`);
  if (await desk.evaluate(() => document.querySelector("main details:not([open])"))) wrong.push(`${path}: folded on paper`);
  await desk.emulateMedia({ media: "screen" });
}

// Pictures, for people who change the style.
if (pictures) {
  for (const path of JSON.parse(process.env.PICTURES ?? "[]")) {
    for (const [name, width, colorScheme] of [["wide-light", 1440, "light"], ["wide-dark", 1440, "dark"], ["phone", 360, "light"]]) {
      const page = await open({ viewport: { width, height: width === 360 ? 780 : 900 }, colorScheme });
      await page.goto(address(path));
      const file = `${path.replaceAll("/", "-").replace(".html", "")}-${name}.png`;
      await page.screenshot({ path: join(pictures, file), fullPage: true });
      await page.close();
    }
  }
}
await browser.close();
console.log(JSON.stringify({ wrong, seen }));
