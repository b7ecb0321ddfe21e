// Answers SQL about a trace with Perfetto's own trace processor, the engine of its web page compiled to WebAssembly.
//
//   node query.mjs ENGINE_FOLDER TRACE < queries > rows
//
// Each line of standard input is a JSON list of SQL texts, and is answered by a line on standard output: a JSON list
// with, for each, the list of its rows. The engine takes a second to start, the trace its time to be read.
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

const [folder, trace] = process.argv.slice(2);

// The engine expects to be a browser's worker, which reads its program with a synchronous request.
class FileRequest {
  open(_method, name) {
    this.name = path.basename(name);
  }
  setRequestHeader() {}
  send() {
    const bytes = readFileSync(path.join(folder, this.name));
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    this.status = 200;
  }
}
globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
globalThis.location = { href: pathToFileURL(folder + "/").href };
globalThis.XMLHttpRequest = FileRequest;
// It asks for another program, which the package lacks, where a module that is nothing but a 64-bit memory compiles.
const MEMORY_SECTION = 5;
const Module = WebAssembly.Module;
WebAssembly.Module = class extends Module {
  constructor(bytes) {
    if (bytes[8] === MEMORY_SECTION) throw new WebAssembly.CompileError("32-bit memory is wanted");
    super(bytes);
  }
};
// Standard output is for the answer.
console.log = console.warn = (...words) => process.stderr.write(words.join(" ") + "\n");

vm.runInThisContext(readFileSync(path.join(folder, "engine_bundle.node.js"), "utf8"), { filename: "engine_bundle.node.js" });
const { EngineBase } = await import(pathToFileURL(path.join(folder, "engine.mjs")).href);

class Engine extends EngineBase {
  id = "tests";
  mode = "WASM";
  constructor(port) {
    super();
    this.port = port;
    port.onmessage = (message) => this.onRpcResponseBytes(message.data);
  }
  rpcSendRequestBytes(bytes) {
    this.port.postMessage(bytes);
  }
}

const { port1, port2 } = new MessageChannel();
globalThis.onmessage({ data: port1 });
const engine = new Engine(port2);
const bytes = readFileSync(trace);
const chunk = 32 << 20;
for (let at = 0; at < bytes.length; at += chunk) await engine.parse(new Uint8Array(bytes.subarray(at, at + chunk)));
await engine.notifyEof();

async function rowsOf(sql) {
  const result = await engine.query(sql);
  const columns = result.columns();
  const rows = [];
  for (const it = result.iter({}); it.valid(); it.next()) {
    rows.push(Object.fromEntries(columns.map((name) => [name, it.get(name)])));
  }
  return rows;
}

for await (const line of createInterface({ input: process.stdin })) {
  const answers = [];
  for (const sql of JSON.parse(line)) answers.push(await rowsOf(sql));
  const text = JSON.stringify(answers, (_key, value) => (typeof value === "bigint" ? Number(value) : value));
  process.stdout.write(text + "\n");
}
port2.close();
