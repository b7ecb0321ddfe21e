// Runs where a report is shown: puts the timeline in the place of the picture before the script.

import { inflate, unpack, type Config } from "./data.ts";
import { link } from "./page.ts";
import { element } from "./panel.ts";
import { Timeline } from "./timeline.ts";

async function mount(script: HTMLOrSVGScriptElement | null): Promise<void> {
  const data = script?.previousElementSibling;
  const picture = data?.previousElementSibling;
  const report = picture?.parentElement;
  // Without all of these the page is not as it was written: then it stays as it is.
  if (!data || !report || !(picture instanceof HTMLElement) || data.tagName !== "SCRIPT" || picture.tagName !== "DIV") return;
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

mount(document.currentScript).catch((e: unknown) => console.warn("InferScope's timeline stays a picture:", e));
