"""Every type of DuckDB in every format. docs/results.md has a table of what each becomes: its rows are made here,
written, looked at with other programs and loaded back, so that the table cannot say what is not so. The types within
lists, arrays, structs, maps and unions; names, sizes and values at the edges."""
import json
import os
import re
import subprocess
import warnings

import h5py
from astropy.io import fits
from astropy.io.votable import parse

import harness
from harness import Ref
from test_round_trips import READERS, name, split

FORMATS = ("csv", "tsv", "json", "ndjson", "parquet", "h5", "fits", "vot")
TEXTS = FORMATS[:4]
BIG = "170141183460469231731687303715884105727"
# The table's row: type (None: the row's name) and values. A first value is what programs show; NULL is among all.
TYPES = {
    "BOOLEAN": (None, "true, false"),
    "TINYINT": (None, "-128, 127, 0"),
    "SMALLINT": (None, "-32768, 32767, 0"),
    "INTEGER": (None, "-2147483648, 2147483647, 0"),
    "BIGINT": (None, "-9223372036854775808, 9223372036854775807, 9007199254740993"),
    "UTINYINT": (None, "255, 0"),
    "USMALLINT": (None, "65535, 0"),
    "UINTEGER": (None, "4294967295, 0"),
    "UBIGINT": (None, "9223372036854775807, 0"),
    "UBIGINT, larger": ("UBIGINT", "18446744073709551615, 9223372036854775808, 0"),
    "HUGEINT": (None, "-9223372036854775808, 9223372036854775807"),
    "HUGEINT, larger": ("HUGEINT", f"{BIG}, -{BIG}-1, 9223372036854775808, 0"),
    "UHUGEINT": (None, "9223372036854775807, 0"),
    "UHUGEINT, larger": ("UHUGEINT", "340282366920938463463374607431768211455, 18446744073709551616, 0"),
    "BIGNUM": (None, "'123456789012345678901234567890123456789012345678901234567890', '-1'"),
    "FLOAT": (None, "0.1, 'nan', 'inf', '-inf', '-0.0', 1e-45, 3.4028235e38, 8589973000"),
    "DOUBLE": (None, "0.1, 'nan', 'inf', '-inf', '-0.0', 5e-324, 1.7976931348623157e308"),
    "DECIMAL(15,7)": (None, "-99999999.9999999, 12345678.7654321, 0.0000001"),
    "DECIMAL(38,10)": (None, "-12345.0123456789, 0.0000000001, 123456789"),
    "DECIMAL(38,10), more digits": (
        "DECIMAL(38,10)", "-9999999999999999999999999999.9999999999, 123456789012345.0123456789, 0"),
    "DATE": (None, "'2024-02-29', 'infinity', '-infinity', '0044-03-15 (BC)', '5881580-07-10', '5877642-06-25 (BC)'"),
    "TIME": (None, "'23:59:59.999999', '00:00:00', '24:00:00'"),
    "TIME_NS": (None, "'01:02:03.123456789'"),
    "TIMETZ": (None, "'01:02:03.000004+02:30', '23:59:59-15:59:59', '24:00:00'"),
    "TIMESTAMP": (None, "'2024-02-29 01:02:03.000004', 'infinity', '-infinity', '0044-03-15 (BC) 01:02:03', "
                        "'294247-01-10 04:00:54.775806', '290309-12-22 (BC) 00:00:00'"),
    "TIMESTAMP_S": (None, "'2024-02-29 01:02:03', '0044-03-15 (BC) 01:02:03'"),
    "TIMESTAMP_S, infinite": ("TIMESTAMP_S", "'2024-02-29 01:02:03', 'infinity', '-infinity'"),
    "TIMESTAMP_MS": (None, "'2024-02-29 01:02:03.004', '0044-03-15 (BC) 01:02:03'"),
    "TIMESTAMP_MS, infinite": ("TIMESTAMP_MS", "'2024-02-29 01:02:03.004', 'infinity', '-infinity'"),
    "TIMESTAMP_NS": (None, "'2024-02-29 01:02:03.000000004', 'infinity', '-infinity', '1677-09-22', "
                           "'2262-04-11 23:47:16.854775806'"),
    "TIMESTAMPTZ": (None, "'2024-02-29 01:02:03.000004+02', 'infinity', '-infinity', '0044-03-15 (BC) 01:02:03+00'"),
    "INTERVAL": (None, "'1 year 2 months -3 days', '-30:00:00.000001', '178956970 years', '0 days'"),
    "UUID": (None, "'550e8400-e29b-41d4-a716-446655440000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    "BIT": (None, "'1', '0101010101010101', '00000000'"),
    "BLOB": (None, r"'\x00\xFF\x5Cx41 \x27\x22', '', '\xC3\xA9', '\x5Cu0041', ' '"),
    "VARCHAR": (None, r"""'hélium ★ 😀', '', 'null', 'NULL', E'a\r\n\tb', ' x ', ' ', '\u0041', '\N', '"', '""',
                '"é"★', E'\té', E'\x01\x7f', '{', '￾', 'trailing  '"""),
    "JSON": (None, """'{"a": [1, null]}', 'null', '"x"', '1.50'"""),
    "ENUM('a b', '', 'null', 'é', 'c''d')": (None, "'a b', '', 'null', 'é', 'c''d'"),
    "NULL": ("NULL", ""),
    "FLOAT[2]": (None, "[1, 2], [NULL, -0.0], ['nan', 'inf'], ['nan', NULL], [NULL, NULL]"),
    "INTEGER[2]": (None, "[1, 2], [-2147483648, NULL], [2147483647, 0]"),
    "UBIGINT[2]": (None, "[1, 2], [9223372036854775807, NULL]"),
    "DECIMAL(6,2)[3]": (None, "[1.25, NULL, -9999.99]"),
    "DECIMAL(38,10)[2], more digits": ("DECIMAL(38,10)[2]", "[123456789012345.0123456789, NULL]"),
    "DATE[2]": (None, "['2024-01-01', NULL], ['1969-12-31', 'infinity'], ['0044-03-15 (BC)', '2024-01-01']"),
    "VARCHAR[2]": (None, "['a', NULL], ['', 'null'], [NULL, NULL]"),
    "INTEGER[2][2]": (None, "[[1, 2], [3, 4]], [NULL, [5, NULL]], [NULL, NULL]"),
    "INTEGER[2000]": (None, "range(2000)"),
    "DOUBLE[]": (None, "[1], [], [NULL], ['nan', '-0.0', 0.1, 1e300, NULL]"),
    "VARCHAR[][]": (None, "[['a', 'q\"', NULL], NULL], [[]], []"),
    "STRUCT(\"a b\" INTEGER, \"c\"\"\" VARCHAR[])": (None, "ROW(1, ['x']), ROW(NULL, NULL)"),
    "MAP(VARCHAR, INTEGER)": (None, "MAP{'k': 1, '': NULL}, MAP{}"),
    "MAP(INTEGER[], VARCHAR)": (None, "MAP{[1, NULL]: 'x', []: NULL}, MAP{}"),
    "UNION(a INTEGER, b VARCHAR)": (None, "5, 'x', union_value(a := NULL::INTEGER)"),
}
SCALARS = [t for t, (kind, _) in TYPES.items() if not kind and "[" not in t and t != "TIME_NS" and
           not re.match("STRUCT|MAP|UNION", t)] + ["HUGEINT, larger", "UBIGINT, larger", "UHUGEINT, larger",
                                                   "DECIMAL(38,10), more digits", "TIMESTAMP_MS, infinite"]
WITHIN = {  # of each scalar type
    "list": lambda t, v: (f"{t}[]", [f"[{', '.join(v)}, NULL]", "[]", "[NULL]"]),
    "array": lambda t, v: (f"{t}[2]", [f"[{x}, NULL]" for x in v]),
    "struct": lambda t, v: (f"STRUCT(x {t}, y {t}[])[]", [f"[ROW({x}, [{x}, NULL]), NULL]" for x in v]),
    "key": lambda t, v: (f"MAP({t}, {t})", ["MAP{" + ", ".join(f"{x}: {x}" for x in v) + "}"]),
    "keys": lambda t, v: (f"MAP({t}[], {t})", [f"MAP{{[{x}, NULL]: {x}}}" for x in v]),
    "union": lambda t, v: (f"UNION(x STRUCT(q TINYINT), y {t})",
                           [f"union_value(y := {x})" for x in v] + [f"union_value(y := NULL::{t})"]),
}


def select(columns, rows):
    """columns: name: (type, values)."""
    parts = []
    for c, (kind, values) in columns.items():
        items = "[" + ", ".join(f"({v})::{kind}" for v in [*values, "NULL"]) + "]"
        parts.append(f"({items})[1 + i % len({items})] AS {name(c)}" if kind != "NULL" else f"NULL AS {name(c)}")
    return f"SELECT i AS n, {', '.join(parts)} FROM (SELECT range::BIGINT AS i FROM range({rows})) ORDER BY i"


def documented():
    """The rows of the table in docs/results.md: {type: {format: what it becomes}}."""
    text = harness.text_of(os.path.join(harness.SOURCE, "docs", "results.md"))
    lines = [re.split(r" *(?<!\\)\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")]
    start = next(i for i, line in enumerate(lines) if line[0] == "SQL type")
    head, rows = lines[start], {}
    for line in lines[start + 2:]:
        if len(line) != len(head):
            break
        rows[line[0].strip("`")] = dict(zip(head[1:], line[1:]))
    return rows


CALLED = {"h5": "hdf5", "vot": "votable"}


class Types(harness.Case):
    @classmethod
    def prepare(cls):
        cls.w.env["XDG_DATA_HOME"] = cls.w.file("data")
        cls.ref = Ref()
        cls.addClassCleanup(cls.ref.close)
        cls.ref.exec("SET timezone = 'UTC'")

    def query(self, sql, *options):
        done = self.w.run("query", "-q", "-n", 1, *options, "-", stdin=sql.encode())
        self.assertEqual(done.status, 0, f"{sql[:300]}\n{done.err}")

    def write(self, table, ending):
        path = self.w.file(f"{table}.{ending}")
        self.query(f"SELECT * FROM mydb.{table} ORDER BY n", "--into", path, "--overwrite")
        return path

    def load(self, path, types):
        said = [w for c, t in types.items() for w in ("--type", f"{c}={t}")]
        done = self.w.run("table", "load", "-q", "--overwrite", path, "back", *said)
        self.assertEqual(done.status, 0, done.err)

    def make(self, table, columns, rows):
        """The table here and in plain DuckDB, which says what is right: rows as text, types."""
        sql = select(columns, rows)
        names = ["n", *columns]
        self.ref.exec(f"CREATE TABLE {table} AS {sql}")
        self.query(f"CREATE TABLE mydb.{table} AS {sql}")
        return self.seen(table, names, self.ref.query)

    @staticmethod
    def seen(source, names, query):
        texts = ", ".join(f"{name(c)}::VARCHAR AS {name(c)}" for c in names)
        types = ", ".join(f"typeof({name(c)}) AS {name(c)}" for c in names)
        return (dict(zip(names, zip(*query(f"SELECT {texts} FROM {source} ORDER BY {name('n')}::BIGINT")[1]))),
                dict(zip(names, query(f"SELECT {types} FROM {source} LIMIT 1")[1][0])))

    def check(self, source, want):
        rows, types = self.seen(source, list(want[0]), self.w.query)
        self.assertEqual(types, want[1])
        self.assertEqual({c: rows[c] for c in rows if rows[c] != want[0][c]},
                         {c: want[0][c] for c in rows if rows[c] != want[0][c]})

    # ---- the table of the documentation ----

    def json(self, path):
        with open(path, encoding="utf-8") as f:
            rows = json.load(f)
        kinds = {bool: "true, false", int: "number", float: "number", str: "string", list: "array", dict: "object"}
        return {c: next((kinds[type(r[c])] for r in rows if r[c] is not None), "null") for c in rows[0]}

    def parquet(self, path):
        rows = self.ref.query("SELECT name, type, converted_type, split_part(logical_type, '(', 1), "
                              f"num_children::INTEGER, precision FROM parquet_schema('{path}')")[1]
        out, at = {}, 1
        while at < len(rows):
            column, kind, converted, logical, children, _ = rows[at]
            out[column] = converted or (logical or "").removesuffix("Type").upper() or kind or "group"
            left = 1
            while left:  # over its members
                left += int(rows[at][4] or 0) - 1
                at += 1
            del children
        return out

    def h5(self, path):
        with h5py.File(path) as f:
            return {c: ("text" if h5py.check_string_dtype(d.dtype) else str(d.dtype)) +
                       "".join(f"[{n}]" for n in d.shape[1:]) for c, d in f.items() if isinstance(d, h5py.Dataset)}

    def fits(self, path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with fits.open(path) as f:
                self.assertEqual(len(f[1].data), f[1].header["NAXIS2"])
                columns = {c.name: c.format if not c.format.endswith("A") else "A" for c in f[1].columns}
                return {c: k + (", TZERO" if f[1].columns[c].bzero else "") for c, k in columns.items()}

    def vot(self, path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = parse(path, verify="exception").get_first_table()
        return {f.name: f.datatype + (f"[{f.arraysize}]" if f.arraysize else "") for f in table.fields}

    def test_documentation(self):
        said = documented()
        self.assertEqual(list(said), list(TYPES))
        self.assertEqual(set(said["TIME_NS"].values()), {"refused"})
        done = self.w.run("query", "-q", "-n", 1, "--format", "csv", "SELECT '01:02:03'::TIME_NS AS t")
        self.assertEqual(done.status, 1)
        self.assertIn('CAST("t" AS VARCHAR)', done.err)
        rows = [row for row in TYPES if row != "TIME_NS"]
        columns = {f"c{i}": (TYPES[row][0] or row, split(TYPES[row][1])) for i, row in enumerate(rows)}
        want = self.make("types", columns, 40)
        self.check("mydb.types", want)
        for ending in FORMATS:
            with self.subTest(ending):
                path = self.write("types", ending)
                if hasattr(self, ending):
                    is_so = getattr(self, ending)(path)
                    cells = {row: said[row][CALLED.get(ending, ending)] for row in rows}
                    self.assertEqual({row: is_so[f"c{i}"] for i, row in enumerate(rows)}, cells)
                self.load(path, {c: want[1][c] for c in columns} if ending in TEXTS else {})
                self.check("mydb.back", want)

    def test_within(self):
        columns = {}
        for i, row in enumerate(SCALARS):
            kind = TYPES[row][0] or row
            values = [f"({v})::{kind}" for v in split(TYPES[row][1])]
            for label, make in WITHIN.items():
                if not (row == "JSON" and label in ("key", "keys")):  # DuckDB does not compare them
                    columns[f"{label}_{i}"] = make(kind, values)
        want = self.make("within", columns, 20)
        self.check("mydb.within", want)
        for ending in FORMATS:
            with self.subTest(ending):
                self.load(self.write("within", ending),
                          {c: k for c, (k, _) in columns.items()} if ending in TEXTS else {})
                self.check("mydb.back", want)

    # ---- edges ----

    def trip(self, sql, types, formats=FORMATS):
        self.query(f"CREATE OR REPLACE TABLE mydb.edge AS {sql}")
        want = self.w.query(f"SELECT * FROM ({sql}) ORDER BY n")
        self.assertEqual(self.w.query("SELECT * FROM mydb.edge ORDER BY n"), want)
        for ending in formats:
            with self.subTest(ending):
                self.load(self.write("edge", ending), types if ending in TEXTS else {})
                names, rows = self.w.query("SELECT * FROM mydb.back ORDER BY n")
                self.assertEqual(rows, want[1])
                if ending not in TEXTS:
                    self.assertEqual(names, want[0])

    def refused(self, ending, sql, says):
        done = self.w.run("query", "-q", "-n", 1, "--into", self.w.file(f"no.{ending}"), sql)
        self.assertEqual(done.status, 1)
        self.assertIn(says, done.err)

    def test_names(self):
        names = ["n", "null", 'a"b', "sp ace", "Ünïcode★", "x" * 300, "é" * 150, "select", "a,b", "tab\there",
                 "nl\nhere", "cr\rhere", "trailing ", " lead", ".", "..", "nulls", "provenance", "columns",
                 "back\\slash", "\\u0041", "#hash", "100", "A/b", "<x>&amp;"]
        self.trip("SELECT " + ", ".join(f"{i} AS {name(c)}" for i, c in enumerate(names)), {})
        self.query("CREATE OR REPLACE TABLE mydb.edge AS SELECT 1 AS a, 2 AS \"A\", 3 AS a_1")
        self.assertEqual(self.w.query("FROM mydb.edge"), (["a", "A_1", "a_1_1"], [["1", "2", "3"]]))

    def test_sizes(self):
        types = {"n": "BIGINT", "s": "VARCHAR", "v": "DOUBLE[2]", "d": "DECIMAL(38,3)", "h": "HUGEINT"}
        row = "SELECT range AS n, 'x' AS s, [1, 2]::DOUBLE[2] AS v, 1.5::DECIMAL(38,3) AS d, 2::HUGEINT AS h FROM range"
        self.trip(row + "(1)", types)
        self.trip(row + "(0)", types, [f for f in FORMATS if "json" not in f])
        for ending, says in (("json", "no rows with columns"), ("ndjson", "is empty")):
            done = self.w.run("table", "load", "-q", self.write("edge", ending), "none")
            self.assertEqual(done.status, 1)
            self.assertIn(says, done.err)
        wide = ", ".join(f"(n * {i}) % 13 AS c{i}" for i in range(2000))
        self.trip(f"SELECT n, {wide} FROM (SELECT range AS n FROM range(3))", {}, ["csv"])
        self.refused("fits", "SELECT * FROM mydb.edge", "at most 999 columns, this result has 2001")
        self.trip("SELECT 1 AS n, repeat('é\"★', 1000000) AS s", {"s": "VARCHAR"},
                  ["csv", "tsv", "json", "parquet", "vot"])
        self.refused("fits", "SELECT * FROM mydb.edge", "choose hdf5 or parquet")

    def test_refused(self):
        """What has no place in a format is named, with what to do."""
        self.refused("h5", "SELECT 'a' || chr(0) AS s", "replace(\"s\", chr(0), '')")
        for vector in ("INTEGER", "BOOLEAN", "UBIGINT"):
            self.refused("fits", f"SELECT [NULL, NULL]::{vector}[2] AS v", f'CAST("v" AS {vector}[])')
        self.refused("fits", "SELECT CASE WHEN range < 256 THEN range END::UTINYINT AS u FROM range(257)",
                     "cast it to a wider type")
        self.refused("vot", "SELECT [-1975545401]::INTEGER[1] AS v", 'CAST("v" AS HUGEINT[])')

    # ---- another reader of Parquet ----

    def test_arrow(self):
        """Rust's arrow, by WebAssembly: it shares nothing with DuckDB's writer."""
        if not all(os.path.isdir(os.path.join(READERS, r)) for r in ("parquet-wasm", "uwdata-flechette")):
            self.skipTest("npm did not bring parquet-wasm (scripts/setup)")
        path = self.w.file("arrow.parquet")
        self.query("""SELECT unnest([-9223372036854775808, NULL]) AS i64, unnest([18446744073709551615, NULL]) AS u64,
            unnest([1234567890123456789012345678.25, NULL]::DECIMAL(38,2)[]) AS d, 'hélium ★ 😀' AS s,
            unnest(['nan'::DOUBLE, 0.1]) AS f, [1, NULL]::INTEGER[] AS l, MAP{'k': 1} AS m,
            TIMESTAMP '2024-01-02 03:04:05.000006' AS t, 9223372036854775808::HUGEINT AS h, true AS b""",
                   "--into", path)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "parquet_arrow.mjs")
        out = subprocess.run(["node", script, READERS, path, "i64", "u64", "d", "s", "f", "l", "m", "t", "h", "b"],
                             check=True, capture_output=True, text=True).stdout
        same = {"s": "hélium ★ 😀", "l": [1, None], "m": [["k", 1]], "t": 1704164645000.006,
                "h": "9223372036854775808", "b": True}
        self.assertEqual(json.loads(out), [
            {"i64": "-9223372036854775808", "u64": "18446744073709551615", "d": "123456789012345678901234567825",
             "f": "NaN", **same},
            {"i64": None, "u64": None, "d": None, "f": 0.1, **same}])


if __name__ == "__main__":
    harness.main()
