// node in_chromium.mjs MODULES BROWSER: replays the vectors with onnxruntime-web of MODULES/node_modules in a headless
// Chromium. The page fetches everything from a server on this machine and posts back what it found.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";

const [modules, browser = "chromium"] = process.argv.slice(2);
const LIMIT_SECONDS = 300;
const TYPES = { ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html", ".gz": "application/gzip" };
const PAGE = `<!doctype html><script type="module">
  import * as ort from "/dist/ort.wasm.min.mjs";
  import { replay } from "/vectors/replay.mjs";
  const post = (value) => fetch("/found", { method: "POST", body: JSON.stringify(value) });
  try {
    ort.env.wasm.wasmPaths = "/dist/";
    ort.env.wasm.numThreads = Number(new URLSearchParams(location.search).get("threads"));
    const packed = await fetch("/vectors/vectors.json.gz");
    const text = await new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).text();
    const found = await replay(ort, JSON.parse(text), { executionProviders: ["wasm"] });
    await post({ browser: navigator.userAgent, isolated: self.crossOriginIsolated, ...found });
  } catch (e) {
    await post({ error: String(e) });
  }
</script>`;

function fileOf(path) {
  const [, folder, name] = path.match(/^\/(dist|vectors)\/([\w.-]+)$/) ?? [];
  if (folder === "dist") return resolve(modules, "node_modules/onnxruntime-web/dist", name);
  if (folder === "vectors") return new URL(`./${name}`, import.meta.url);
}

function ask(threads) {
  return new Promise((done, failed) => {
    const profile = mkdtempSync(join(tmpdir(), "gradus-chromium-"));
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url, "http://localhost");
      // Threads of WebAssembly need a page that is isolated from others.
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
      if (request.method === "POST") {
        let body = "";
        request.on("data", (part) => (body += part));
        request.on("end", () => (response.end(), finish(() => done(JSON.parse(body)))));
        return;
      }
      try {
        const file = pathname === "/" ? null : fileOf(pathname);
        response.setHeader("Content-Type", TYPES[file ? extname(String(file)) : ".html"] ?? "text/plain");
        response.end(file ? readFileSync(file) : PAGE);
      } catch {
        response.writeHead(404).end();
      }
    });
    let child, timer;
    const finish = (then) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      server.close();
      server.closeAllConnections();
      child.once("exit", () => {
        rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
        then();
      });
    };
    server.listen(0, "127.0.0.1", () => {
      const url = `http://127.0.0.1:${server.address().port}/?threads=${threads}`;
      const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`];
      child = spawn(browser, [...flags, url], { stdio: "ignore" });
      child.on("error", failed);
      timer = setTimeout(() => finish(() => failed(new Error("the page did not answer"))), LIMIT_SECONDS * 1000);
    });
  });
}

const { version } = JSON.parse(readFileSync(resolve(modules, "node_modules/onnxruntime-web/package.json")));
let bad = 0;
for (const threads of [1, 4]) {
  const found = await ask(threads);
  console.log(JSON.stringify({ where: `onnxruntime-web ${version}, ${threads} threads`, ...found }));
  bad += found.error || found.different > 0 ? 1 : 0;
}
process.exit(bad > 0 ? 1 : 0);
