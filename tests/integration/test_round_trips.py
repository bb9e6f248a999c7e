"""One table of MyDB with every type and the nastiest values, out in every format and loaded back:
each value and type as plain DuckDB has it in the same SELECT. What cannot be held is refused.
astropy reads the FITS file and the VOTable, pandas the CSV file, hyparquet the Parquet file, h5py the HDF5 file
with its units."""
import json
import os
import subprocess
import warnings

import h5py
import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

import harness
from harness import Ref

READERS = os.path.join(harness.SOURCE, "deps", "readers")
ROWS = 2500  # more than a chunk of DuckDB
# name: type, the values that its rows have in turn
COLUMNS = {
    "n": ("BIGINT", "NULL"),  # the row's number
    "flag": ("BOOLEAN", "true, NULL, false"),
    "i8": ("TINYINT", "-128, 127, NULL, 0"),
    "i16": ("SMALLINT", "-32768, 32767, NULL, 0"),
    "i32": ("INTEGER", "-2147483648, 2147483647, NULL, 0"),
    "i64": ("BIGINT", "-9223372036854775808, 9223372036854775807, NULL, 0, 9007199254740993"),
    "u8": ("UTINYINT", "255, 0, NULL"),
    "u16": ("USMALLINT", "65535, 0, NULL"),
    "u32": ("UINTEGER", "4294967295, 0, NULL"),
    "u64": ("UBIGINT", "18446744073709551615, 0, NULL, 9223372036854775809"),
    "huge": ("HUGEINT", "-9223372036854775808, 9223372036854775807, NULL"),
    "hugest": ("HUGEINT", "-170141183460469231731687303715884105728, 9223372036854775808, NULL, "
                          "170141183460469231731687303715884105727"),
    "uhuge": ("UHUGEINT", "9223372036854775807, 0, NULL"),
    "uhugest": ("UHUGEINT", "340282366920938463463374607431768211455, 18446744073709551616, 0, NULL"),
    "f32": ("FLOAT", "'nan', 'inf', '-inf', '-0.0', 3.4028235e38, 1e-45, NULL, 0.1"),
    "f64": ("DOUBLE", "'nan', 'inf', '-inf', '-0.0', 1.7976931348623157e308, 5e-324, NULL, 0.1"),
    "dec": ("DECIMAL(4,1)", "-999.9, 999.9, 0.1, NULL"),
    "dec15": ("DECIMAL(15,7)", "-99999999.9999999, 12345678.7654321, 0.0000001, NULL"),
    "dec18": ("DECIMAL(18,2)", "9007199254740993.01, -0.01, NULL"),
    "dec38full": ("DECIMAL(38,20)", "999999999999999999.99999999999999999999, "
                                    "-0.00000000000000000001, NULL"),
    "dec38": ("DECIMAL(38,10)", "-12345.0123456789, 0.0000000001, 123456789, NULL"),
    "d": ("DATE", "'2024-02-29', '0044-03-15 (BC)', 'infinity', '-infinity', NULL, '12345-06-07'"),
    "t": ("TIME", "'00:00:00', '23:59:59.999999', NULL"),
    "ts": ("TIMESTAMP", "'2024-02-29 01:02:03.000004', 'infinity', '1901-01-01', NULL, "
                        "'0044-03-15 (BC) 01:02:03', '12345-06-07 08:09:10'"),
    "ts_s": ("TIMESTAMP_S", "'2024-02-29 01:02:03', '1901-01-01', NULL"),
    "ts_ms": ("TIMESTAMP_MS", "'2024-02-29 01:02:03.004', '1901-01-01', NULL"),
    "ts_ns": ("TIMESTAMP_NS", "'2024-02-29 01:02:03.000000004', '1901-01-01', NULL"),
    "ts_tz": ("TIMESTAMPTZ", "'2024-02-29 01:02:03.000004+02', '1901-01-01', NULL"),
    "t_tz": ("TIMETZ", "'01:02:03.000004+02:30', '23:59:59-11', NULL"),
    "iv": ("INTERVAL", "'1 year 2 months -3 days', '-30:00:00.000001', '0 days', NULL"),
    "id": ("UUID", "'550e8400-e29b-41d4-a716-446655440000', NULL"),
    "raw": ("BLOB", r"""'\x00\xFF\x5Cx41 \x27\x22', '', NULL, '\xC3\xA9', '\x5Cu0041', ' '"""),
    "bits": ("BIT", "'1', '0101010101', NULL"),
    "big": ("BIGNUM", "'123456789012345678901234567890', '-1', NULL"),
    "e": ("ENUM('a b', 'c''d', '', ' ', 'é')", "'a b', 'c''d', '', NULL, ' ', 'é'"),
    "s": ("VARCHAR", r"""'', NULL, 'hélium ★ 😀', 'null', 'NULL', E'two\nlines\r\n\ttab', ' x ', ' ', '   ',
          '\u0041', '\\u00e9', '\', '\N', '""', '"', '\""', 'a,b', '<b>&amp;</b>', E'\x01\x7f', 'nan', '1e5',
          'true', '2024-01-01', '#x', '[1]', '{}', 'trailing  ', '\', '‏x', '"é"★', E'\té', E'\\tä'"""),
    "v2": ("FLOAT[2]", "[1, 2], NULL, [NULL, -0.0], ['nan', 'inf'], ['nan', NULL]"),
    "v1": ("DOUBLE[1]", "[1], NULL, ['nan']"),
    "vb": ("BOOLEAN[3]", "[true, NULL, false], NULL"),
    "vi": ("INTEGER[2]", "[-2147483648, NULL], [2147483647, 0], NULL"),
    "vh": ("SMALLINT[2]", "[-32768, NULL], [32767, 0], NULL"),
    "vl": ("BIGINT[2]", "[-9223372036854775808, NULL], [9223372036854775807, 0], NULL"),
    "vu": ("UTINYINT[2]", "[255, NULL], [0, 1], NULL"),
    "vd": ("DATE[2]", "['2024-01-01', NULL], NULL, ['1969-12-31', 'infinity']"),
    "vdec": ("DECIMAL(6,2)[3]", "[1.25, NULL, -9999.99], NULL"),
    "vs": ("VARCHAR[2]", "['a', NULL], NULL, ['', 'null']"),
    "vv": ("INTEGER[2][2]", "[[1, 2], [3, 4]], NULL, [NULL, [5, NULL]]"),
    "l": ("DOUBLE[]", "[], NULL, [NULL], ['nan', '-0.0', 0.1, 1e300, NULL]"),
    "li": ("INTEGER[]", "[], NULL, [NULL, -2147483648, 7]"),
    "ls": ("VARCHAR[][]", "[[]], NULL, [['a', 'q\"', NULL], NULL]"),
    "lb": ("BLOB[]", r"['\x00\xFFa'], NULL"),
    "ldec": ("DECIMAL(17,3)[]", "[12345678901234.123, NULL, -0.001], NULL"),
    "lbig": ("DECIMAL(38,10)[]", "[1234567890123456789012345678.0123456789, 0.1], NULL"),
    "lt": ("TIMESTAMP[]", "['2024-02-29 01:02:03.000004', NULL], NULL"),
    "lh": ("HUGEINT[]", "[170141183460469231731687303715884105727, NULL], NULL"),
    "st": ("STRUCT(\"a b\" INTEGER, \"c\"\"\" VARCHAR[])", "ROW(1, ['x']), ROW(NULL, NULL), NULL"),
    "m": ("MAP(VARCHAR, INTEGER)", "MAP{'k': 1, '': NULL}, MAP{}, NULL"),
    "mk": ("MAP(INTEGER[], VARCHAR)", "MAP{[1, NULL]: 'x', []: NULL}, MAP{}, NULL"),
    "un": ("UNION(a INTEGER, \"b x\" VARCHAR, c BLOB)",
           r"5, 'x', '\x00'::BLOB, NULL, union_value(a := NULL::INTEGER)"),
    "a.b/c": ("INTEGER", "1, NULL"),
    "UPPER Case é": ("INTEGER", "1, NULL"),
}
# Readers of JSON take such numbers for doubles.
ROUNDED = {"lbig": "[1234567.0123456789, 0.1], NULL"}
# Text files may be anybody's: names become such as need no quotes in SQL.
LEGAL = [c.replace(".", "_").replace("/", "_").replace(" ", "_") for c in COLUMNS]
UNITS = {"f64": "kpc/h", "v2": "km/s"}


def name(c):
    return '"' + c.replace('"', '""') + '"'


def select(changed=None):
    parts = []
    for c, (kind, values) in COLUMNS.items():
        values = (changed or {}).get(c, values)
        list_ = f"[{values}]::{kind}[]" if "ROW(" in values or "MAP{" in values else None
        if c == "n":
            parts.append("i AS n")
            continue
        # Each value cast by itself: DuckDB would find one type for all of them first.
        items = list_ or "[" + ", ".join(f"({v})::{kind}" for v in split(values)) + "]"
        parts.append(f"({items})[1 + i % len({items})] AS {name(c)}")
    return f"SELECT {', '.join(parts)} FROM (SELECT range::BIGINT AS i FROM range({ROWS})) ORDER BY n"


def split(values):
    """At commas outside of quotes and brackets."""
    out, depth, quote, start = [], 0, False, 0
    for k, ch in enumerate(values):
        if ch == "'":
            quote = not quote
        elif not quote and ch in "[{(":
            depth += 1
        elif not quote and ch in "]})":
            depth -= 1
        elif not quote and not depth and ch == ",":
            out.append(values[start:k].strip())
            start = k + 1
    return out + [values[start:].strip()]


def as_text(source, names=COLUMNS):
    texts = ", ".join(f"{name(c)}::VARCHAR AS {name(c)}" for c in names)
    return f"SELECT {texts} FROM {source} ORDER BY {name('n')}::BIGINT"


def types(source, names=COLUMNS):
    return "SELECT " + ", ".join(f"typeof({name(c)})" for c in names) + f" FROM {source} LIMIT 1"


class RoundTrips(harness.Case):
    @classmethod
    def prepare(cls):
        cls.w.env["XDG_DATA_HOME"] = cls.w.file("data")
        cls.ref = Ref()
        cls.addClassCleanup(cls.ref.close)
        cls.want = {}
        for table, changed in (("every", None), ("every_json", ROUNDED)):
            cls.ref.exec(f"SET timezone = 'UTC'; CREATE TABLE {table} AS {select(changed)}")
            cls.want[table] = cls.ref.query(as_text(table))[1], cls.ref.query(types(table))[1]
            cls.query(f"CREATE TABLE mydb.{table} AS {select(changed)}")
            units = [w for column, unit in UNITS.items() for w in ("--unit", f"{column}={unit}")]
            done = cls.w.run("table", "describe", table, *units)
            assert done.status == 0, done.err

    @classmethod
    def query(cls, sql, *options):
        done = cls.w.run("query", "-q", "-n", 1, *options, sql)
        assert done.status == 0, f"{sql[:300]}\n{done.err}"
        return done

    def write(self, ending, table="every"):
        path = self.w.file(f"{table}.{ending}")
        if not os.path.exists(path):
            self.query(f"SELECT * FROM mydb.{table} ORDER BY n", "--into", path)
        return path

    def same(self, table, original, names=COLUMNS):
        """mydb.TABLE against plain DuckDB, which has seen none of our files."""
        rows, kinds = self.want[original]
        self.assertEqual(self.w.query(f"SELECT * FROM mydb.{table} LIMIT 0")[0], list(names))
        self.assertEqual(self.w.query(types(f"mydb.{table}", names))[1], kinds)
        got = self.w.query(as_text(f"mydb.{table}", names))[1]
        self.assertEqual(len(got), len(rows))
        wrong = {c: (g[k], w[k]) for g, w in zip(got, rows)
                 for k, c in enumerate(COLUMNS) if g[k] != w[k]}
        self.assertEqual(wrong, {})
        self.assertEqual(self.w.value(f"""SELECT count(*) FROM (
            (FROM mydb.{table} EXCEPT ALL FROM mydb.{original}) UNION ALL
            (FROM mydb.{original} EXCEPT ALL FROM mydb.{table}))"""), 0)

    def round_trip(self, ending, table="every", *options, names=COLUMNS):
        path = self.write(ending, table)
        done = self.w.run("table", "load", "-q", path, f"from_{ending}", *options)
        self.assertEqual(done.status, 0, done.err)
        self.same(f"from_{ending}", table, names)
        return path

    def said_types(self):
        return [w for c, (kind, _) in COLUMNS.items() for w in ("--type", f"{c}={kind}")]

    def test_original(self):
        self.same("every", "every")

    def test_text(self):
        for ending in ("csv", "tsv", "json", "ndjson"):
            with self.subTest(ending):
                table = "every_json" if "json" in ending else "every"
                self.round_trip(ending, table, *self.said_types(), names=LEGAL)

    def test_typed(self):
        for ending in ("parquet", "h5", "fits"):
            with self.subTest(ending):
                self.round_trip(ending)
                self.units(f"from_{ending}")

    def test_votable(self):
        self.round_trip("vot")
        self.units("from_vot")

    def units(self, table):
        o = json.loads(self.w.run("table", "show", "--json", table).out)
        self.assertEqual({c["name"]: c["unit"] for c in o["columns"] if c.get("unit")}, UNITS)

    def test_astropy(self):
        with fits.open(self.write("fits")) as f:
            d = f[1].data
            self.assertEqual(f[1].columns["f64"].unit, "kpc/h")
            self.assertEqual([int(x) for x in d["u64"][:2]], [2**64 - 1, 0])
            self.assertEqual([int(x) for x in d["i64"][:2]], [-2**63, 2**63 - 1])
            self.assertEqual([x == f[1].columns["i64"].null for x in d["i64"][:5].tolist()],
                             [False, False, True, False, False])
            self.assertTrue(np.isnan(d["f64"][[0, 6]]).all())
            self.assertEqual(d["f64"][[1, 2, 5]].tolist(), [np.inf, -np.inf, 5e-324])
            self.assertEqual(list(d["s"][:4]), ["", "", "h\\u00e9lium \\u2605 \\U0001f600", "null"])
            self.assertEqual(d["ts"][0], "2024-02-29T01:02:03.000004")
            self.assertEqual(d["v2"][0].tolist(), [1, 2])
        self.assertEqual(len(Table.read(self.w.file("every.fits"))), ROWS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = parse(self.write("vot"), verify="exception").get_first_table()
        a = table.array
        self.assertEqual(str(table.get_field_by_id_or_name("f64").unit), "kpc / h")
        self.assertEqual([int(x) for x in a["i64"][:2]], [-2**63, 2**63 - 1])
        self.assertEqual(a["i64"].mask[:4].tolist(), [False, False, True, False])
        self.assertEqual(str(a["s"][2]), "hélium ★ 😀")
        # To astropy NaN is no value, either.
        self.assertEqual(a["f64"].mask[:8].tolist(), [True] + [False] * 5 + [True, False])
        self.assertTrue(np.isnan(a["f64"].data[0]))

    def frame(self, d):
        self.assertEqual(len(d), ROWS)
        self.assertEqual([int(x) for x in d["i64"][:2]], [-2**63, 2**63 - 1])
        self.assertTrue(pd.isna(d["i64"][2]))
        self.assertEqual(list(d["s"][2:4]), ["hélium ★ 😀", "null"])
        self.assertEqual([int(x) for x in d["u32"][:2]], [2**32 - 1, 0])

    def test_pandas_csv(self):
        # Text, because pandas reads a column of integers with gaps as floats.
        self.frame(pd.read_csv(self.write("csv"), keep_default_na=False, na_values={"i64": ""},
                               dtype={"i64": str}))

    def test_parquet_elsewhere(self):
        """pandas reads Parquet by pyarrow, which Debian has not: another reader makes its columns."""
        if not os.path.isdir(os.path.join(READERS, "hyparquet")):
            self.skipTest("npm did not bring hyparquet (scripts/setup)")
        here = os.path.dirname(os.path.abspath(__file__))
        rows = subprocess.run(["node", os.path.join(here, "parquet_rows.mjs"), READERS, self.write("parquet"),
                               "i64", "s", "u32"], check=True, capture_output=True, text=True).stdout
        self.frame(pd.DataFrame(json.loads(rows), dtype=object))

    def test_h5py(self):
        with h5py.File(self.write("h5")) as f:
            self.assertEqual((f["f64"].attrs["unit"], f["v2"].attrs["unit"]), ("kpc/h", "km/s"))
            self.assertEqual(f["u64"][:2].tolist(), [2**64 - 1, 0])
            self.assertEqual(f[f["i64"].attrs["null_mask"]][:4].tolist(), [False, False, True, False])
            self.assertEqual(f["s"].asstr()[2], "hélium ★ 😀")


if __name__ == "__main__":
    harness.main()
