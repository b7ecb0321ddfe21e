// Gives the tests a module of src: esbuild translates it, and it runs here as it does in a browser.
import { build } from "esbuild";

/** The exports of src/NAME.ts. */
export async function load(name) {
  const { outputFiles } = await build({
    absWorkingDir: new URL("..", import.meta.url).pathname,
    entryPoints: [`src/${name}.ts`],
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
