"""The same rows however a query runs: 1 to 4 ranks, with the index and without, and in plain
DuckDB over the same values, which h5py and not Perigee read.

The tables, written here:
  stars   a group of columns in 4 files: contiguous, empty, chunked, shuffle+deflate; integers
          of several widths and byte orders, half floats, NaN and infinities, strings, a vector,
          a boolean, a column that one file lacks
  events  one compound dataset, deflated
  kinds   small, with a row that no star has
  halos   three snapshots, with links from one to the next
"""
import concurrent.futures
import os
import re

import h5py
import numpy as np

import harness
from harness import SOURCE, Ref, text_of

STAR_FILES = ((40000, None), (0, None), (30000, 4096), (50000, 2048))
NAMES = np.array([b"rr_lyr", b"cepheid", b"mira", b"", b"delta_sc"], "S8")
LABELS = ("", "plain", "with,comma", 'quo"te', "h\u00e9lium", "two\nlines")
DESCRIPTOR = """\
name: t
title: Made by a test
root: {root}
tables:
  stars:
    files: [stars.*.hdf5]
    path: /Stars
  events:
    files: [events.hdf5]
    path: /events
  kinds:
    files: [kinds.hdf5]
    path: /Kinds
  halos:
    files: [snap_*.hdf5]
    path: /Halo
"""


def make_stars(rng, first, n):
    i = np.arange(first, first + n, dtype=np.int64)
    x = rng.normal(size=n).astype("f4")
    x[::97] = np.nan
    mass = 10.0 ** rng.uniform(0, 12, n)
    mass[5::1001], mass[6::1003], mass[7::1009] = np.inf, -np.inf, np.nan
    return {
        "id": i * 3,
        "x": x,
        "y": rng.random(n, "f4"),
        "z": rng.random(n).astype(">f8"),
        "sorted_f": (i / 120000).astype("f4"),
        "mass": mass,
        "pos": (rng.random((n, 3)) * 10).astype("f4"),
        "kind": rng.integers(0, 5, n).astype("i2"),
        "flag": rng.random(n) < 0.3,
        "name": NAMES[rng.integers(0, len(NAMES), n)],
        "label": np.array(LABELS, object)[rng.integers(0, len(LABELS), n)],
        "be": rng.integers(-2**30, 2**30, n).astype(">i4"),
        "half": rng.uniform(0, 100, n).astype("f2"),
        "u8": rng.integers(0, 256, n).astype("u1"),
        "u64": np.uint64(2**64 - 1) - rng.integers(0, 10**6, n).astype("u8"),
    }


def write_group(path, group, columns, chunk, compress):
    with h5py.File(path, "w") as f:
        g = f.create_group(group)
        for name, v in columns.items():
            more = {}
            if chunk and len(v):
                more["chunks"] = (min(chunk, len(v)),) + v.shape[1:]
                if compress:
                    more.update(shuffle=True, compression="gzip", compression_opts=1)
            if v.dtype == object:
                more["dtype"] = h5py.string_dtype()
            g.create_dataset(name, data=v, **more)


def make_tables(folder):
    """Write the HDF5 files; the values that went in are not kept: h5py reads them back."""
    rng = np.random.default_rng(20)
    first = 0
    for number, (n, chunk) in enumerate(STAR_FILES):
        columns = make_stars(rng, first, n) if n else {}
        if n and number != 2:
            columns["opt"] = rng.random(n, "f4")
        write_group(f"{folder}/stars.{number}.hdf5", "Stars", columns, chunk, number == 3)
        first += n
    n = 5000
    events = np.zeros(n, [("t", "f8"), ("code", "i4"), ("tag", "S6"), ("v", "f4", (2,)),
                          ("bef", ">f4")])
    events["t"] = np.cumsum(rng.random(n))
    events["code"] = rng.permutation(n)
    events["tag"] = np.array([b"flare", b"dip", b"burst"])[rng.integers(0, 3, n)]
    events["v"] = rng.normal(size=(n, 2))
    events["bef"] = rng.random(n)
    with h5py.File(f"{folder}/events.hdf5", "w") as f:
        f.create_dataset("events", data=events, chunks=(512,), compression="gzip")
    write_group(f"{folder}/kinds.hdf5", "Kinds", {
        "kind": np.array([0, 1, 2, 3, 9], "i2"),
        "title": np.array([b"main", b"giant", b"dwarf", b"binary", b"none"]),
        "weight": np.array([0.5, 1, 1.5, 2, 2.5]),
    }, None, False)
    for snap in (1, 2, 3):
        n = 50 * snap
        write_group(f"{folder}/snap_{snap:03d}.hdf5", "Halo", {
            "hid": np.arange(n), "m": rng.random(n, "f4") * snap,
            "parent": rng.integers(0, 50 * max(snap - 1, 1), n),
        }, 16, snap == 2)


def sql_type(dtype):
    if dtype.subdtype:
        base, shape = dtype.subdtype
        return f"{sql_type(base)}[{shape[0]}]"
    if dtype.kind in "SOU":
        return "VARCHAR"
    return {"b1": "BOOLEAN", "i1": "TINYINT", "i2": "SMALLINT", "i4": "INTEGER", "i8": "BIGINT",
            "u1": "UTINYINT", "u2": "USMALLINT", "u4": "UINTEGER", "u8": "UBIGINT",
            "f2": "FLOAT", "f4": "FLOAT", "f8": "DOUBLE"}[dtype.kind + str(dtype.itemsize)]


def csv_field(v):
    """A value for DuckDB's CSV reader: all strings quoted, NULL is the empty field."""
    if v is None:
        return ""
    if isinstance(v, (bytes, str)):
        s = v.decode() if isinstance(v, bytes) else v
        return '"' + s.replace('"', '""') + '"'
    if isinstance(v, np.ndarray):
        return '"[' + ", ".join(csv_field(e) for e in v) + ']"'
    if isinstance(v, (np.floating, float)):
        return repr(float(v))
    return str(v)


def load(ref, folder, table, files, path):
    """Read with h5py, write CSV, let DuckDB read that. T has the columns of the files, T_v
    also the virtual ones, which "SELECT *" must not show."""
    columns, parts = {}, []
    for name in files:
        with h5py.File(f"{folder}/{name}", "r") as f:
            node = f[path]
            if isinstance(node, h5py.Dataset):
                part = {k: node[k] for k in node.dtype.names}
                types = {k: node.dtype[k] for k in node.dtype.names}
            else:
                part = {k: d[:] for k, d in node.items()}
                types = {k: np.dtype((d.dtype, d.shape[1:])) for k, d in node.items()}
        columns.update({k: types[k] for k in types if k not in columns})
        parts.append((name, part))
    idx = 0
    with open(f"{folder}/{table}.csv", "w", newline="") as out:
        for name, part in parts:
            rows = len(next(iter(part.values()))) if part else 0
            snap = re.search(r"_(\d{3})\.", name)
            lists = [part[c] if c in part else [None] * rows for c in columns]
            start = 0 if snap else idx  # a snapshot of one file is a set of its own
            for i in range(rows):
                fields = [csv_field(v[i]) for v in lists]
                fields += [csv_field(name), str(i), snap.group(1) if snap else "",
                           str(start + i)]
                out.write(",".join(fields) + "\r\n")
            idx = start + rows
    names = list(columns) + ["file", "row", "snapnum", "idx"]
    types = [sql_type(t) for t in columns.values()] + ["VARCHAR", "BIGINT", "INTEGER", "BIGINT"]
    spec = ", ".join(f"'{n}': '{t}'" for n, t in zip(names, types))
    ref.exec(f"CREATE TABLE {table}_v AS SELECT * FROM read_csv('{folder}/{table}.csv', "
             f"columns={{{spec}}}, header=false, auto_detect=false, delim=',', quote='\"', "
             "escape='\"', new_line='\\r\\n', nullstr='', allow_quoted_nulls=false)")
    ref.exec(f"CREATE VIEW {table} AS SELECT * EXCLUDE (file, row, snapnum, idx) FROM {table}_v")


# What core/engine/space.c computes, in SQL: the nearest of all images, and boxes over the border.
MACROS = """
CREATE MACRO nearest(d, box) AS d - box * round(d / box);
CREATE MACRO distance(a, b) AS sqrt((a[1]::DOUBLE - b[1])^2 + (a[2]::DOUBLE - b[2])^2 +
                                    (a[3]::DOUBLE - b[3])^2),
    (a, b, box) AS sqrt(nearest(a[1]::DOUBLE - b[1], box)^2 + nearest(a[2]::DOUBLE - b[2], box)^2 +
                        nearest(a[3]::DOUBLE - b[3], box)^2);
CREATE MACRO in_sphere(a, b, r, box) AS distance(a, b, box) <= r;
CREATE MACRO between_images(x, lo, hi, box) AS
    hi >= lo AND ((x - lo) - box * floor((x - lo) / box) <= hi - lo OR hi - lo >= box);
CREATE MACRO in_box(a, lo, hi, box) AS between_images(a[1]::DOUBLE, lo[1], hi[1], box) AND
    between_images(a[2]::DOUBLE, lo[2], hi[2], box) AND
    between_images(a[3]::DOUBLE, lo[3], hi[3], box);
"""


def read_queries():
    """[(sql, ordered, rel)] of same_rows.sql."""
    out, lines, ordered, rel = [], [], False, 1e-9
    for line in text_of(f"{SOURCE}/tests/integration/same_rows.sql").splitlines():
        line = line.rstrip()
        if line.startswith("--"):
            ordered = ordered or line == "-- ordered"
            m = re.match(r"-- rel (\S+)$", line)
            rel = float(m.group(1)) if m else rel
        elif line:
            lines.append(line)
            if line.endswith(";"):
                out.append(("\n".join(lines)[:-1], ordered, rel))
                lines, ordered, rel = [], False, 1e-9
    return out


def for_duckdb(sql):
    """Tables with the virtual columns where the query names one of those."""
    if re.search(r"\b(file|row|snapnum|idx)\b", sql):
        return re.sub(r"\b(stars|halos)\b(?!\.)", r"\1_v", re.sub(r"'[^']*'", keep, sql)) \
            .replace("\0", "stars")
    return sql


def keep(literal):
    """Names inside a string literal are not tables."""
    return literal.group(0).replace("stars", "\0")


class SameRows(harness.Case):
    @classmethod
    def prepare(cls):
        make_tables(cls.w.path)
        cls.w.describe("t", DESCRIPTOR.format(root=cls.w.path))
        cls.ref = ref = Ref()
        cls.addClassCleanup(ref.close)
        ref.exec(MACROS)
        stars = [f"stars.{i}.hdf5" for i in range(len(STAR_FILES))]
        load(ref, cls.w.path, "stars", stars, "Stars")
        load(ref, cls.w.path, "events", ["events.hdf5"], "events")
        load(ref, cls.w.path, "kinds", ["kinds.hdf5"], "Kinds")
        load(ref, cls.w.path, "halos", [f"snap_{i:03d}.hdf5" for i in (1, 2, 3)], "Halo")
        cls.queries = [(q, o, r) + ref.query(for_duckdb(q)) for q, o, r in read_queries()]
        done = cls.w.run("index", "t")
        assert done.status == 0, done.err

    def compare(self, *options, every=1):
        def run(query):
            return self.w.query(query[0], *options, "--context", "t")

        queries = self.queries[::every]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            runs = [pool.submit(run, q) for q in queries]
        for (sql, ordered, rel, names, want), done in zip(queries, runs):
            with self.subTest(sql=sql, options=options):
                got_names, got = done.result()
                self.assertEqual([n.lower() for n in got_names], [n.lower() for n in names])
                self.assertIsNone(harness.difference(got, want, ordered, rel))

    def test_enough_queries(self):
        self.assertGreaterEqual(len(self.queries), 60)

    def test_same_errors(self):
        """No row is skipped whose comparison fails in DuckDB."""
        for condition in ("u64 < 2.4999999999999999999999", "u64 BETWEEN -1 AND 2.4999999999999999999999",
                          "2.4999999999999999999999 = u64", "u64 // 2 > 5.0000000000000000000000000000000001"):
            sql = f"SELECT count(*) FROM stars WHERE {condition}"
            with self.assertRaisesRegex(AssertionError, "Could not cast value"):
                self.ref.query(sql)
            for option in ("-q", "--no-index"):
                done = self.w.run("query", option, "-n", 1, "--context", "t", sql)
                self.assertEqual(done.status, 2, (sql, option, done.out))
                self.assertIn("Could not cast value", done.err)

    def test_one_rank(self):
        self.compare("-n", 1)

    def test_one_rank_no_index(self):
        self.compare("-n", 1, "--no-index")

    def test_one_thread(self):
        self.compare("-n", 1, "-t", 1, every=3)

    def test_two_ranks(self):
        self.compare("-n", 2, "-t", 1)

    def test_two_ranks_no_index(self):
        self.compare("-n", 2, "-t", 1, "--no-index", every=4)

    def test_three_ranks(self):
        self.compare("-n", 3, "-t", 1)

    def test_four_ranks(self):
        self.compare("-n", 4, "-t", 1)

    def test_four_ranks_no_index(self):
        self.compare("-n", 4, "-t", 1, "--no-index", every=4)


if __name__ == "__main__":
    harness.main()
