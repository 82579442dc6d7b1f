// node in_node.mjs MODULES PACKAGE: replays the vectors with onnxruntime-node or onnxruntime-web of MODULES/node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { replay } from "./replay.mjs";

const [modules, name] = process.argv.slice(2);
const require = createRequire(pathToFileURL(resolve(modules, "package.json")));
const ort = require(name);
if (name === "onnxruntime-web") ort.env.wasm.numThreads = 1;
const file = new URL("./vectors.json.gz", import.meta.url);
const document = JSON.parse(gunzipSync(readFileSync(file)).toString());
const options = name === "onnxruntime-web" ? { executionProviders: ["wasm"] } : {};
const started = performance.now();
const found = await replay(ort, document, options);
const { version } = JSON.parse(readFileSync(resolve(modules, "node_modules", name, "package.json")));
const facts = { where: `${name} ${version}, node ${process.version}, ${process.arch}` };
console.log(JSON.stringify({ ...facts, seconds: (performance.now() - started) / 1000, ...found }));
process.exit(found.different > 0 ? 1 : 0);
