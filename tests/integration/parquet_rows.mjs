// Rows of a Parquet file as JSON, read by another program than the one that wrote it:
//   node parquet_rows.mjs READERS FILE COLUMN...
// READERS has hyparquet/ and fzstd/ (scripts/setup). Integers of 64 bits are texts.
import { readFileSync } from "node:fs";

const [readers, path, ...columns] = process.argv.slice(2);
const { parquetReadObjects } = await import(`${readers}/hyparquet/package/src/index.js`);
const { decompress } = await import(`${readers}/fzstd/package/esm/index.mjs`);
const bytes = readFileSync(path);
const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const rows = await parquetReadObjects({ file, columns, compressors: { ZSTD: (x) => decompress(x) } });
const write = (_, v) => (typeof v === "bigint" ? v.toString() : v);
process.stdout.write(JSON.stringify(rows, write));
