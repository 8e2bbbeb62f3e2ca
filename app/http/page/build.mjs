// Builds the page: src/ becomes static/, byte for byte the same on every machine.
//   node build.mjs --types OPENAPI.json   writes src/api/schema.d.ts from the API's OpenAPI document
//   node build.mjs                        writes static/

import { build } from "esbuild";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "static");

if (process.argv[2] === "--types") await writeTypes(process.argv[3]);
else await writePage();

async function writeTypes(document) {
  const { default: openapi, astToString } = await import("openapi-typescript");
  const text = astToString(await openapi(JSON.parse(await readFile(document, "utf8"))));
  await writeFile(join(HERE, "src/api/schema.d.ts"), `// Made from the OpenAPI document by \`make page\`.\n\n${text}`);
}

async function writePage() {
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT);
  const { metafile } = await build({
    absWorkingDir: HERE,
    entryPoints: { main: "src/main.tsx", "layout.worker": "src/drawing/layout.worker.ts", page: "src/style/page.css" },
    outdir: OUT,
    bundle: true,
    splitting: true,
    // Names of parts depend on paths: those of packages must not lead to where node_modules really lies.
    preserveSymlinks: true,
    format: "esm",
    target: ["chrome111", "firefox113", "safari16.4"],
    minify: true,
    charset: "utf8",
    legalComments: "none",
    chunkNames: "part-[hash]",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { "process.env.NODE_ENV": '"production"' },
    metafile: true,
    logLevel: "warning",
  });
  for (const name of ["index.html", "favicon.svg"]) await copyFile(join(HERE, "src", name), join(OUT, name));
  await writeFile(join(OUT, "THIRD_PARTY.txt"), await licences(Object.keys(metafile.inputs)));
  await report();
}

/** The licence texts of every package whose code is in the page. */
async function licences(inputs) {
  const names = new Set();
  for (const input of inputs) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) names.add(found[1]);
  }
  const texts = [];
  for (const name of [...names].sort()) {
    const directory = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
    const file = (await readdir(directory)).find((each) => /^licen[cs]e/i.test(each));
    const text = file && existsSync(join(directory, file)) ? await readFile(join(directory, file), "utf8") : `Licence: ${license}`;
    texts.push(`${name} ${version}\n\n${text.trim()}\n`);
  }
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

async function report() {
  let all = 0;
  for (const name of (await readdir(OUT)).sort()) {
    const size = gzipSync(await readFile(join(OUT, name)), { level: 9 }).length;
    if (name !== "THIRD_PARTY.txt") all += size;
    console.log(`${name.padEnd(24)} ${(size / 1000).toFixed(1).padStart(7)} kB gzipped`);
  }
  console.log(`${"in all".padEnd(24)} ${(all / 1000).toFixed(1).padStart(7)} kB`);
}
