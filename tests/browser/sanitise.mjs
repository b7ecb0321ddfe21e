// Runs every NAME.html of a folder through JupyterLab's own sanitiser and writes NAME.sanitised.html beside it.
//   node sanitise.mjs FOLDER
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// The package's main file loads the whole of JupyterLab's interface; the sanitiser alone needs no browser.
const here = dirname(fileURLToPath(import.meta.url));
createRequire(import.meta.url).resolve("sanitize-html");
const file = join(here, "node_modules/@jupyterlab/apputils/lib/sanitizer.js");
const { Sanitizer } = await import(pathToFileURL(file).href);
const folder = process.argv[2];
for (const name of readdirSync(folder)) {
  if (!name.endsWith(".html") || name.endsWith(".sanitised.html")) continue;
  const clean = new Sanitizer().sanitize(readFileSync(join(folder, name), "utf8"));
  writeFileSync(join(folder, name.replace(/\.html$/, ".sanitised.html")), clean);
}
