// Rows of a Parquet file as JSON, as Rust's arrow reads them:
//   node parquet_arrow.mjs READERS FILE COLUMN...
// READERS has parquet-wasm/ and uwdata-flechette/ (scripts/setup). Integers of 64 bits, and decimals without
// their point, are texts, as are NaN and infinities.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [readers, path, ...columns] = process.argv.slice(2);
const { readParquet } = await import(`${readers}/parquet-wasm/package/node/parquet_wasm.js`);
// Its bundle: the sources want another package.
const { tableFromIPC } = createRequire(import.meta.url)(`${readers}/uwdata-flechette/package/dist/flechette.cjs`);
const stream = readParquet(readFileSync(path), { columns }).intoIPCStream();
const table = tableFromIPC(stream, { useBigInt: true, useDecimalInt: true });
const write = (_, v) =>
  typeof v === "bigint" || (typeof v === "number" && !Number.isFinite(v)) ? v.toString() : v;
process.stdout.write(JSON.stringify(table.toArray(), write));
