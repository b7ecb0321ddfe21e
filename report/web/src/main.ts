// Runs where a report is shown: puts the timeline in the place of the picture before the script.

import { inflate, unpack, type Config } from "./data.ts";
import { link } from "./page.ts";
import { element } from "./panel.ts";
import { Timeline } from "./timeline.ts";

/**
 * The data that a script was written with: the element before it. VS Code executes a script at the end of the output
 * that it came in, others in the page's head; there it serves every report of that place that has no timeline yet.
 */
function dataOf(script: HTMLOrSVGScriptElement | null): Element[] {
  const before = script?.previousElementSibling;
  if (before?.tagName === "SCRIPT" && before.previousElementSibling?.tagName === "DIV") return [before];
  const parent = script?.parentElement;
  const place = parent && parent !== document.head ? parent : document;
  return [...place.querySelectorAll("div:not([data-inferscope]) + script[type='application/json']")];
}

async function mount(data: Element): Promise<void> {
  const picture = data.previousElementSibling;
  const report = picture?.parentElement;
  // Without all of these the page is not as it was written: then it stays as it is.
  if (!report || !(picture instanceof HTMLElement) || !picture.querySelector("img[alt^=Timeline]")) return;
  if (typeof DecompressionStream === "undefined" || picture.dataset["inferscope"]) return;
  picture.dataset["inferscope"] = "timeline";
  const config = JSON.parse(data.textContent ?? "") as Config;
  const scene = unpack(await inflate(config.data));
  const image = picture.querySelector("img");
  const host = element("div");
  picture.after(host);
  const timeline = new Timeline(host, scene, config, image?.alt ?? "Timeline.");
  picture.hidden = true; // only now: whatever fails before leaves it in its place
  link(timeline, report);
}

for (const data of dataOf(document.currentScript)) {
  mount(data).catch((e: unknown) => console.warn("InferScope's timeline stays a picture:", e));
}
