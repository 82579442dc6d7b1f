// node features.mjs MODULES PACKAGE FILE: runs a features graph on FILE's tails and counts the bits that differ.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const [modules, name, file] = process.argv.slice(2);
const require = createRequire(pathToFileURL(resolve(modules, "package.json")));
const ort = require(name);
if (name === "onnxruntime-web") ort.env.wasm.numThreads = 1;
const document = JSON.parse(readFileSync(file).toString());
const arrays = { int64: BigInt64Array, float64: Float64Array, bool: Uint8Array };
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const plain = { graphOptimizationLevel: "disabled", enableMemPattern: false, enableCpuMemArena: false };
const web = name === "onnxruntime-web" ? { executionProviders: ["wasm"] } : {};
const session = await ort.InferenceSession.create(bytesOf(document.model), { ...plain, ...web });
const found = { compared: 0, different: 0 };
for (const { feeds, expected } of document.tails) {
  const inputs = {};
  for (const [input, { type, data }] of Object.entries(feeds)) {
    const values = new arrays[type](bytesOf(data).buffer);
    inputs[input] = new ort.Tensor(type, values, [values.length]);
  }
  const { features } = await session.run(inputs, ["features"]);
  const answers = features.data.slice();
  const bits = new Uint32Array(answers.buffer, answers.byteOffset, answers.length);
  const due = new Uint32Array(bytesOf(expected).buffer);
  bits.forEach((b, i) => (found.different += b !== due[i] ? 1 : 0));
  found.different += Math.abs(bits.length - due.length);
  found.compared += due.length;
}
const { version } = JSON.parse(readFileSync(resolve(modules, "node_modules", name, "package.json")));
console.log(JSON.stringify({ where: `${name} ${version}, node ${process.version}, ${process.arch}`, ...found }));
process.exit(found.different > 0 ? 1 : 0);
