// Builds the pages. `node build.mjs` writes dist/; `--tests` bundles the unit tests into build/tests/;
// `--harness` builds the tile harness, a page for looking at layouts, into build/harness/.
import { createHash } from "node:crypto";
import { readFile, readdir, rm, mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
/** A page: its template, its script and its style. */
const PAGE = { name: "page", template: "index.html", entry: "src/main.ts", style: "src/style/page.css" };
const CONSOLE = { name: "console", template: "console.html", entry: "src/console/main.ts", style: "src/style/console-page.css" };
const shared = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", logLevel: "warning" };

if (process.argv.includes("--tests")) {
  await buildTests();
} else if (process.argv.includes("--harness")) {
  await buildPages("build/harness", [{ ...PAGE, entry: "src/harness.ts" }], false);
} else {
  await buildPages("dist", [PAGE, CONSOLE], true);
}

async function buildTests() {
  await rm(join(here, "build/tests"), { recursive: true, force: true });
  const folders = ["src/tests", "im/tests"];
  const names = await Promise.all(folders.map(async (folder) => (await readdir(join(here, folder))).map((name) => join(folder, name))));
  await build({
    ...shared,
    entryPoints: names.flat().filter((name) => name.endsWith(".test.ts")),
    outdir: "build/tests",
    entryNames: "[name]",
    outExtension: { ".js": ".mjs" },
    platform: "node",
  });
}

async function buildPages(out, pages, minify) {
  const outdir = join(here, out);
  await rm(outdir, { recursive: true, force: true });
  const result = await build({
    ...shared,
    entryPoints: pages.flatMap(({ name, entry, style }) => [{ in: entry, out: name }, { in: style, out: name }]),
    entryNames: "assets/[name]-[hash]",
    outdir: out,
    minify,
    legalComments: "none",
    metafile: true,
  });

  const outputs = Object.keys(result.metafile.outputs).map((path) => relative(out, path));
  const licences = await addAsset(outdir, "licences.txt", await licenceText(result.metafile));
  const icon = await addAsset(outdir, "icon.svg", await readFile(join(here, "src/icon.svg"), "utf8"));
  const manifestTemplate = await readFile(join(here, "src/page.webmanifest"), "utf8");
  const manifest = await addAsset(outdir, "page.webmanifest", manifestTemplate.replaceAll("{{icon}}", basename(icon)));

  for (const { name, template } of pages) {
    const made = (ending) => outputs.find((path) => path.startsWith(`assets/${name}-`) && path.endsWith(ending));
    const urls = { script: made(".js"), style: made(".css"), icon, manifest, licences };
    const text = await readFile(join(here, "src", template), "utf8");
    await writeFile(join(outdir, template), fill(text, urls, template));
  }
}

function fill(template, values, file) {
  return template.replace(/\{\{(\w+)\}\}/g, (_, name) => {
    if (!values[name]) throw new Error(`${file} asks for {{${name}}}, which the build does not make`);
    return values[name];
  });
}

async function addAsset(outdir, name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const ext = extname(name);
  const path = `assets/${basename(name, ext)}-${hash}${ext}`;
  await mkdir(join(outdir, "assets"), { recursive: true });
  await writeFile(join(outdir, path), content);
  return path;
}

/** The licences of every package that went into the bundle, as its authors ask. */
async function licenceText(metafile) {
  const folders = new Set();
  for (const path of Object.keys(metafile.inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (found) folders.add(found[1]);
  }
  const parts = [];
  for (const folder of [...folders].sort()) {
    const about = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
    const names = (await readdir(join(here, folder))).filter((name) => /^(licen[cs]e|notice)/i.test(name));
    const texts = await Promise.all(names.sort().map((name) => readFile(join(here, folder, name), "utf8")));
    parts.push([`${about.name} ${about.version} (${about.license ?? "see below"})`, ...texts].join("\n\n"));
  }
  return parts.join(`\n\n${"-".repeat(78)}\n\n`) + "\n";
}
