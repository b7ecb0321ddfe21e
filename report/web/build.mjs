// Checks the types, and writes bundle.js: what `go generate` runs.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const here = new URL(".", import.meta.url).pathname;
const stamp = `${here}node_modules/.inferscope-lock`;
const lock = readFileSync(`${here}package-lock.json`, "utf8");
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  execFileSync("npm", ["ci", "--silent", "--no-audit", "--no-fund"], { cwd: here, stdio: "inherit" });
  writeFileSync(stamp, lock);
}
execFileSync(process.execPath, [`${here}node_modules/typescript/bin/tsc`, "--noEmit"], { cwd: here, stdio: "inherit" });
const { build } = await import("esbuild");
const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  charset: "ascii",
  format: "iife",
  target: "es2021",
  legalComments: "none",
  write: false,
});
const text = outputFiles[0].text.trim();
// It stands inside of a script element.
if (/<\/script|<!--/i.test(text)) throw new Error("the bundle would end the element that holds it");
writeFileSync(`${here}bundle.js`, `${text}\n`);
