// Reads all of an HDF5 file with H5Web's own h5grove client and prints what it got, as JSON.
//   node h5web_client.mjs FOLDER_OF_@h5web/app SOCKET TOKEN FILE
// The library is a whole viewer; of it only the provider runs here, so that what it imports
// for the page (React, three.js) need not be installed: those names stand for nothing.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , folder, socketPath, token, file] = process.argv;
const main = path.resolve(folder, "dist", "index.js");
const text = readFileSync(main, "utf8");
const names = {};
for (const [, list, from] of text.matchAll(/^import \{([^}]*)\} from "([^"]+)";/gm))
    (names[from] ??= new Set()) && list.split(",").forEach((n) => names[from].add(n.trim().split(/ as /)[0]));
for (const [, , from] of text.matchAll(/^import (\w+)(?:, \{[^}]*\})? from "([^"]+)";/gm))
    (names[from] ??= new Set()).add("default");
const stubs = {};
for (const [from, wanted] of Object.entries(names)) {
    let code = "const none = new Proxy(function () {}, { get: (t, k) => k === Symbol.toPrimitive ? () => 0 : none," +
        " apply: () => none, construct: () => none });\n";
    for (const n of wanted)
        code += n === "default" ? "export default none;\n"
            : n === "useMemo" ? "export const useMemo = (f) => f();\n"
                : n === "jsx" ? "export const jsx = (type, props) => ({ type, props });\n"
                    : `export const ${n} = none;\n`;
    stubs[from] = "data:text/javascript," + encodeURIComponent(code);
}
register("data:text/javascript," + encodeURIComponent(
    `const stubs = ${JSON.stringify(stubs)};
     export const resolve = (s, c, next) => stubs[s] ? { url: stubs[s], shortCircuit: true } : next(s, c);`),
    import.meta.url);
const { H5GroveProvider, createBasicFetcher } = await import(pathToFileURL(main));

// The library's own fetcher asks; only that it comes by a Unix socket is ours.
globalThis.fetch = (url, { headers }) =>
    new Promise((resolve, reject) => {
        const { pathname, search } = new URL(url);
        request({ socketPath, path: pathname + search, headers }, (res) => {
            const parts = [];
            res.on("data", (d) => parts.push(d));
            res.on("end", () => resolve(new Response(Buffer.concat(parts), { status: res.statusCode })));
        }).on("error", reject).end();
    });

const fetcher = createBasicFetcher({ headers: { Authorization: `Bearer ${token}` } });
const api = H5GroveProvider({ url: "http://portal/api/v1/h5", filepath: file, fetcher }).props.api;
const out = { values: {}, attributes: {}, types: {}, kinds: {} };
const plain = (v) =>
    typeof v === "bigint" ? String(v)
        : typeof v === "number" && !Number.isFinite(v) ? String(v)
            : ArrayBuffer.isView(v) ? Array.from(v, plain) : v;

async function visit(where) {
    const entity = await api.getEntity(where);
    out.kinds[where] = entity.kind;
    if (entity.attributes.length) out.attributes[where] = await api.getAttrValues(entity);
    if (entity.kind === "dataset") {
        out.types[where] = entity.type.class;
        const dims = entity.shape.dims;
        const skipped = ["/huge", "/wide", "/virtual", "/elsewhere"].includes(where);
        if (dims && !skipped) {
            const selection = dims.length === 3 ? "1,:,2" : undefined;
            out.values[where] = plain(await api.getValue({ dataset: entity, selection }));
        }
    }
    for (const child of entity.children ?? [])
        await visit((where === "/" ? "" : where) + "/" + child.name);
}
await visit("/");
out.paths = await api.getSearchablePaths("/");
out.missing = await api.getEntity("/nope").catch((e) => e.message);
console.log(JSON.stringify(out));
