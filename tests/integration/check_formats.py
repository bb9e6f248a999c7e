#!/usr/bin/python3
"""Read back, with the tools scientists use, what core/out wrote.

    check_formats.py PROGRAM      PROGRAM is test_out_write

The queries and what must come back are both written here by hand: h5py, astropy, pandas and
Python's own csv and json are the judges. Exit status 77: those are not installed.
"""
import csv
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

try:
    import h5py
    import numpy as np
    import pandas as pd
    from astropy.io import fits
    from astropy.io.votable import parse
    from astropy.table import Table
    import warnings

    warnings.simplefilter("ignore")
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

PROGRAM = None
FOLDER = None

# name, SQL type, values as SQL, values as Python; the third row is NULL
INTEGERS = [
    ("i8", "TINYINT", -128, 127),
    ("i16", "SMALLINT", -32768, 32767),
    ("i32", "INTEGER", -(2**31), 2**31 - 1),
    ("i64", "BIGINT", -(2**63), 2**63 - 1),
    ("u8", "UTINYINT", 0, 255),
    ("u16", "USMALLINT", 0, 65535),
    ("u32", "UINTEGER", 0, 2**32 - 1),
    ("u64", "UBIGINT", 0, 2**64 - 1),
]


def write(fmt, sql, name=None, **pairs):
    """The result of sql as a file; its path."""
    path = os.path.join(FOLDER, name or f"t.{fmt}")
    options = [f for k, v in pairs.items() for p in v for f in ("-" + k, p)]
    run = subprocess.run([PROGRAM, "-f", *options, fmt, path, sql], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return path


def values(name, sql_type, *items):
    """SELECT list that makes one column of the given rows."""
    rows = ", ".join(f"({i}, {v})" for i, v in enumerate(items))
    return f"SELECT v::{sql_type} AS {name} FROM (VALUES {rows}) t(i, v) ORDER BY i"


def columns(*parts):
    """Several one-column queries side by side."""
    return "SELECT * FROM " + " POSITIONAL JOIN ".join(f"({p})" for p in parts)


def integer_query(null=True):
    return columns(*(values(n, t, f"({a})", f"({b})", *(["NULL"] if null else []))
                     for n, t, a, b in INTEGERS))


FLOATS = columns(
    values("f32", "FLOAT", 0.1, "'nan'", "'inf'", "'-inf'", "NULL", 16777216, 1e-45),
    values("f64", "DOUBLE", 0.1, "'nan'", "'inf'", "'-inf'", "NULL", 2**53, 5e-324),
)
STRINGS = ["plain", "", "é日😀", 'say "hi", <b>&amp;</b>', "line 1\nline 2\r\n", "tab\there", " pad "]


def text_query(items):
    quoted = ["E'" + s.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
              .replace("\r", "\\r").replace("\t", "\\t") + "'" for s in items]
    return values("s", "VARCHAR", *quoted, "NULL")


def same(a, b):
    """Equal, NaN too."""
    return a == b or (isinstance(a, float) and isinstance(b, float) and a != a and b != b)


class Csv(unittest.TestCase):
    def read(self, sql, fmt="csv"):
        with open(write(fmt, sql), newline="", encoding="utf-8") as f:
            return f.read()

    def test_strings(self):
        rows = list(csv.reader(io.StringIO(self.read(
            "SELECT 1 AS i, s FROM (" + text_query(STRINGS) + ")"), newline="")))
        self.assertEqual(rows[0], ["i", "s"])
        self.assertEqual([r[1] for r in rows[1:]], STRINGS + [""])

    def test_null_is_not_empty(self):
        self.assertEqual(self.read("SELECT 1 AS a, NULL AS b, '' AS c"), 'a,b,c\n1,,""\n')

    def test_numbers(self):
        frame = pd.read_csv(write("csv", integer_query(null=False)), dtype="object")
        for n, _, a, b in INTEGERS:
            self.assertEqual([int(x) for x in frame[n]], [a, b])
        rows = list(csv.DictReader(io.StringIO(self.read(FLOATS))))
        want = [0.1, math.nan, math.inf, -math.inf, None, 2.0**53, 5e-324]
        for row, w in zip(rows, want):
            if w is None:
                self.assertEqual(row["f64"], "")
            else:
                self.assertTrue(same(float(row["f64"]), w))
        frame = pd.read_csv(write("csv", FLOATS))
        self.assertEqual(frame["f32"].dtype, "float64")
        self.assertEqual(np.float32(frame["f32"][0]), np.float32(0.1))

    def test_duckdb_reads_it_back(self):
        path = write("csv", "SELECT range AS i, random() AS x, 'a,' || range AS s FROM range(100000)")
        sums = write("ndjson", f"SELECT count(*) AS n, sum(i) AS i, count(DISTINCT s) AS s FROM '{path}'")
        with open(sums) as f:
            self.assertEqual(json.load(f), {"n": 100000, "i": 4999950000, "s": 100000})

    def test_tsv(self):
        rows = self.read("SELECT 1 AS i, s FROM (" + text_query(STRINGS) + ")", "tsv").split("\n")
        self.assertEqual(rows.pop(), "")
        back = [r.split("\t")[1].replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r")
                for r in rows[1:]]
        self.assertEqual(back, [s or '""' for s in STRINGS] + [""])


class Json(unittest.TestCase):
    def read(self, sql, fmt="json"):
        with open(write(fmt, sql), encoding="utf-8") as f:
            return json.load(f) if fmt == "json" else [json.loads(line) for line in f]

    def test_both_forms(self):
        for fmt in ("json", "ndjson"):
            rows = self.read(integer_query(), fmt)
            for n, _, a, b in INTEGERS:
                self.assertEqual([r[n] for r in rows], [a, b, None])
            rows = self.read(text_query(STRINGS + ["nul \\u0000"]), fmt)
            self.assertEqual([r["s"] for r in rows], STRINGS + ["nul \\u0000", None])
            self.assertEqual(self.read("SELECT 1 AS a WHERE false", fmt), [])

    def test_floats(self):
        rows = self.read(FLOATS)
        self.assertEqual([r["f64"] for r in rows],
                         [0.1, "NaN", "Infinity", "-Infinity", None, 2.0**53, 5e-324])
        self.assertEqual(np.float32(rows[0]["f32"]), np.float32(0.1))
        self.assertEqual([float(r["f64"]) for r in rows[2:4]], [math.inf, -math.inf])

    def test_nested(self):
        row = self.read("SELECT [1, NULL] AS l, {'a': [1.5, 'nan'::DOUBLE]} AS s, MAP {'k': 1} AS m,"
                        " [1, 2]::FLOAT[2] AS v, chr(0) AS z, sum(range) AS h FROM range(10)")[0]
        self.assertEqual(row, {"l": [1, None], "s": {"a": [1.5, "NaN"]}, "m": {"k": 1},
                               "v": [1.0, 2.0], "z": "\0", "h": 45})

    def test_many_rows(self):
        rows = self.read("SELECT range AS i FROM range(100000)")
        self.assertEqual([r["i"] for r in rows], list(range(100000)))


class Hdf5(unittest.TestCase):
    def open(self, sql, **pairs):
        return h5py.File(write("hdf5", sql, **pairs), "r")

    def test_integers_and_nulls(self):
        with self.open(integer_query()) as f:
            for n, t, a, b in INTEGERS:
                kind = np.dtype(f"{'u' if n[0] == 'u' else ''}int{n[1:]}")
                self.assertEqual(f[n].dtype, kind)
                self.assertEqual(list(f[n][:2]), [a, b])
                self.assertEqual(f[n].attrs["null_mask"], f"/nulls/{n}")
                self.assertEqual(f["nulls"][n].dtype, bool)
                self.assertEqual(list(f["nulls"][n]), [False, False, True])
                self.assertEqual(f[n].attrs["sql_type"], t)

    def test_floats(self):
        with self.open(FLOATS) as f:
            self.assertEqual(f["f32"].dtype, "f4")
            want = [0.1, math.nan, math.inf, -math.inf, math.nan, 2.0**53, 5e-324]
            np.testing.assert_array_equal(f["f64"][:], want)
            self.assertEqual(f["f32"][0], np.float32(0.1))
            self.assertEqual(list(f["nulls/f64"][:]), [False] * 4 + [True, False, False])

    def test_strings(self):
        with self.open(text_query(STRINGS)) as f:
            self.assertEqual(h5py.check_string_dtype(f["s"].dtype).encoding, "utf-8")
            self.assertEqual(list(f["s"].asstr()), STRINGS + [""])
            self.assertTrue(f["nulls/s"][-1])

    def test_others(self):
        sql = ("SELECT true AS b, DATE '1970-01-11' AS d, TIMESTAMP '1970-01-01 00:00:01.5' AS t,"
               " TIME '00:00:02' AS h, [1, 2, 3]::FLOAT[3] AS v, [1, 2] AS l, {'a': 1} AS o,"
               " 12.5::DECIMAL(10, 2) AS dec, sum(1) AS n, 'x'::ENUM('x') AS e, 'ab'::BLOB AS raw")
        with self.open(sql) as f:
            self.assertEqual(f["b"].dtype, bool)
            self.assertTrue(f["b"][0])
            self.assertEqual((f["d"].dtype, f["d"][0]), (np.dtype("i4"), 10))
            self.assertEqual(f["d"].attrs["unit"], "days since 1970-01-01")
            self.assertEqual(f["t"][0], 1500000)
            self.assertEqual(f["t"].attrs["unit"], "microseconds since 1970-01-01T00:00:00Z")
            self.assertEqual(f["h"][0], 2000000)
            self.assertEqual(f["v"].shape, (1, 3))
            self.assertEqual(list(f["v"][0]), [1, 2, 3])
            self.assertEqual(f["l"].asstr()[0], "[1,2]")
            self.assertEqual(f["o"].asstr()[0], '{"a":1}')
            self.assertEqual(f["dec"][0], 12.5)
            self.assertEqual((f["n"].dtype, f["n"][0]), (np.dtype("i8"), 1))
            self.assertEqual(f["e"].asstr()[0], "x")
            self.assertEqual(f["raw"].asstr()[0], "ab")
            self.assertNotIn("nulls", f)

    def test_nulls_in_vectors(self):
        sql = values("v", "INT[2]", "[1, NULL]", "[3, 4]", "NULL")
        with self.open(sql) as f:
            self.assertEqual(f["v"][:].tolist(), [[1, 0], [3, 4], [0, 0]])
            self.assertEqual(f["nulls/v"][:].tolist(), [[False, True], [False] * 2, [True] * 2])

    def test_provenance_and_order(self):
        sql = "SELECT 1 AS z, 2 AS a, 3 AS \"m/h\", 4 AS nulls, 5 AS provenance, 6 AS \".\""
        with self.open(sql, u=["z=kpc/h", "a=Msun"], d=["z=what é"], c=["z=pos.eq"]) as f:
            self.assertEqual(f.attrs["query"], sql)
            self.assertTrue(f.attrs["version"].startswith("perigee"))
            self.assertIn("T", f.attrs["created"])
            sources = f["provenance/sources"][:]
            self.assertEqual(sources["path"][0], b"/data/snap_099.0.hdf5")
            self.assertEqual(sources["size"][0], 123456789)
            self.assertEqual(sources["mtime_ns"][0], 1700000000123456789)
            names = []  # in the order of creation, which h5py keeps to itself
            f.id.links.iterate(lambda k: names.append(k.decode()), idx_type=h5py.h5.INDEX_CRT_ORDER)
            names = [k for k in names if isinstance(f[k], h5py.Dataset)]
            self.assertEqual(names, ["z", "a", "m_h", "nulls_1", "provenance_1", "_"])
            self.assertEqual(f["m_h"].attrs["sql_name"], "m/h")
            self.assertEqual(dict(f["z"].attrs), {"unit": "kpc/h", "description": "what é",
                                                  "ucd": "pos.eq", "sql_type": "INTEGER"})

    def test_many_rows(self):
        # over several chunks, nulls only in the third, the last chunk not full
        n = 200001
        sql = (f"SELECT range AS i, range / 3.0 AS x, random() AS r, 's' || range AS s, "
               f"[range, range + 1]::INT[2] AS v, "
               f"CASE WHEN range > 150000 AND range % 2 = 0 THEN NULL ELSE range END AS k "
               f"FROM range({n})")
        with self.open(sql) as f:
            i = np.arange(n)
            np.testing.assert_array_equal(f["i"][:], i)
            np.testing.assert_array_equal(f["x"][:], i / 3.0)
            self.assertTrue((f["r"][:] < 1).all() and f["r"][:].std() > 0.2)
            self.assertEqual(f["s"].asstr()[n - 1], f"s{n - 1}")
            np.testing.assert_array_equal(f["v"][:], np.stack([i, i + 1], 1))
            null = (i > 150000) & (i % 2 == 0)
            np.testing.assert_array_equal(f["nulls/k"][:], null)
            np.testing.assert_array_equal(f["k"][:], np.where(null, 0, i))
            self.assertEqual(f["i"].maxshape, (None,))
            self.assertEqual(f["i"].chunks, (65536,))
            self.assertEqual((f["i"].compression, f["i"].shuffle), ("gzip", True))

    def test_empty(self):
        with self.open("SELECT 1 AS a, 'x' AS s, [1]::INT[1] AS v WHERE false") as f:
            self.assertEqual([f[k].shape for k in "asv"], [(0,), (0,), (0, 1)])


class Fits(unittest.TestCase):
    def open(self, sql, **pairs):
        hdus = fits.open(write("fits", sql, **pairs))
        hdus.verify("exception")
        return hdus

    def test_integers(self):
        with self.open(integer_query(null=False)) as f:
            for n, _, a, b in INTEGERS:
                self.assertEqual([int(x) for x in f[1].data[n]], [a, b], n)

    def test_nulls(self):
        parts = [values(n, t, "1", "NULL", "2") for n, t, _, _ in INTEGERS]
        path = write("fits", columns(*parts, values("s", "VARCHAR", "'a'", "NULL", "'ccc'"),
                                     values("b", "BOOLEAN", "true", "NULL", "false"),
                                     values("f", "FLOAT", "1", "NULL", "2")))
        table = Table.read(path)
        for n, _, _, _ in INTEGERS:
            if n in ("i8", "u16", "u32", "u64"):
                continue  # astropy knows no TNULL in columns with TZERO
            self.assertEqual(list(table[n].mask), [False, True, False], n)
        with fits.open(path) as f:
            self.assertEqual(f[1].columns["u64"].null, 2**63 - 1)
            self.assertEqual(f[1].columns["s"].format, "3A")
            self.assertEqual(list(f[1].data["s"]), ["a", "", "ccc"])
            self.assertEqual(f[1].data["b"].tolist(), [True, False, False])
            self.assertTrue(np.isnan(f[1].data["f"][1]))

    def test_floats(self):
        with self.open(FLOATS) as f:
            want = [0.1, math.nan, math.inf, -math.inf, math.nan, 2.0**53, 5e-324]
            np.testing.assert_array_equal(f[1].data["f64"], want)
            self.assertEqual(f[1].data["f32"].dtype.itemsize, 4)

    def test_strings(self):
        with self.open(text_query(["plain", "é😀", "", "a\nb", " pad"])) as f:
            self.assertEqual(list(f[1].data["s"]),
                             ["plain", "\\u00e9\\U0001f600", "", "a\\u000ab", " pad", ""])
            raw = np.frombuffer(f[1].data.tobytes(), np.uint8).reshape(6, -1)
            self.assertEqual(raw[2].tolist()[:2], [32, 0])  # an empty text
            self.assertEqual(raw[5].max(), 0)               # NULL: the standard's null string

    def test_marks_of_null(self):
        """TNULL is no value of its column, whatever the column holds."""
        for text in ("", ", 'x' AS s"):
            sql = ("SELECT CASE WHEN range % 3 <> 1 THEN (range - 128)::TINYINT END AS i8, "
                   "CASE WHEN range % 3 <> 1 THEN (255 - range)::UTINYINT END AS u8, "
                   "CASE WHEN range % 3 <> 1 THEN -9223372036854775808 + range END AS i64, "
                   "CASE WHEN range % 3 <> 1 THEN 4294967295 - range END::UINTEGER AS u32, "
                   "[-2147483648, NULL]::INT[2] AS v, 7 AS k" + text + " FROM range(256)")
            with self.open(sql) as f:
                null = np.arange(256) % 3 == 1
                for n, want in (("i8", np.arange(256) - 128), ("u8", 255 - np.arange(256)),
                                ("i64", np.arange(256) + np.int64(-2**63)), ("u32", 2**32 - 1 - np.arange(256))):
                    column = f[1].columns[n]
                    got = [int(x) - int(column.bzero or 0) for x in f[1].data[n]]  # as stored
                    self.assertEqual([x == column.null for x in got], null.tolist(), n)
                    self.assertEqual([int(x) for x in f[1].data[n][~null]],
                                     [int(x) for x in want[~null]], n)
                self.assertEqual(f[1].data["v"].tolist(),
                                 [[-(2**31), f[1].columns["v"].null]] * 256)
                self.assertEqual(set(f[1].data["k"]), {7})
                self.assertEqual(json.loads(f[1].header["SQLTYPES"])["v"], "INTEGER[2]")

    def test_header(self):
        sql = "SELECT 1 AS z,\n  2 AS alpha -- é"
        long = "very " * 30 + "long"
        with self.open(sql, u=["z=kpc/h"], d=["z=" + long], c=["z=pos.eq"]) as f:
            h = f[1].header
            self.assertEqual((h["TTYPE1"], h["TUNIT1"], h["TCOMM1"], h["TUCD1"]),
                             ("z", "kpc/h", long, "pos.eq"))
            self.assertNotIn("TUNIT2", h)
            history = list(h["HISTORY"])
            self.assertEqual(history[:3], ["query:", "SELECT 1 AS z,", "  2 AS alpha -- \\u00e9"])
            self.assertIn("/data/snap_099.0.hdf5 (123456789 bytes", "".join(history))
            self.assertTrue(h["CREATOR"].startswith("perigee"))

    def test_vectors_and_times(self):
        with self.open("SELECT [1, NULL, 3]::FLOAT[3] AS v, [1, NULL]::INT[2] AS w, "
                       "[1, 2]::UBIGINT[2] AS u, [true, NULL]::BOOLEAN[2] AS b, "
                       "TIMESTAMP '2024-01-02 03:04:05.5' AS t, [1, 2] AS l") as f:
            d = f[1].data
            np.testing.assert_array_equal(d["v"][0], [1, math.nan, 3])
            self.assertEqual(list(d["w"][0]), [1, f[1].header["TNULL2"]])
            self.assertEqual([int(x) for x in d["u"][0]], [1, 2])
            self.assertEqual(d["t"][0], "2024-01-02T03:04:05.5")
            self.assertEqual(d["l"][0], "[1,2]")

    def test_many_rows(self):
        for text in ("", ", 's' || range AS s"):
            with self.open(f"SELECT range AS i, range::DOUBLE / 7 AS x{text} FROM range(100000)") as f:
                i = np.arange(100000)
                np.testing.assert_array_equal(f[1].data["i"], i)
                np.testing.assert_array_equal(f[1].data["x"], i / 7)
                if text:
                    self.assertEqual(f[1].data["s"][99999], "s99999")

    def test_wide_and_empty(self):
        with self.open("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(999))) as f:
            self.assertEqual([int(f[1].data[f"c{i}"][0]) for i in range(999)], list(range(999)))
        for text in ("", ", 'x' AS s"):
            with self.open(f"SELECT 1 AS a{text} WHERE false") as f:
                self.assertEqual(len(f[1].data), 0)


class Votable(unittest.TestCase):
    def read(self, sql, **pairs):
        path = write("votable", sql, **pairs)
        xml.dom.minidom.parse(path)
        return parse(path, verify="exception")

    def test_integers_and_nulls(self):
        sql = columns(*(values(n, t, f"({a})", f"({min(b, 2**63 - 1)})", "NULL")
                        for n, t, a, b in INTEGERS))
        array = self.read(sql).get_first_table().array
        for n, _, a, b in INTEGERS:
            self.assertEqual([int(x) for x in array[n][:2]], [a, min(b, 2**63 - 1)], n)
            self.assertTrue(array[n].mask[2], n)

    def test_floats(self):
        array = self.read(FLOATS).get_first_table().array
        np.testing.assert_array_equal(array["f64"].data[:4], [0.1, math.nan, math.inf, -math.inf])
        self.assertEqual(list(array["f64"].data[5:]), [2.0**53, 5e-324])
        self.assertTrue(array["f64"].mask[4] or np.isnan(array["f64"].data[4]))
        self.assertEqual(array["f32"].dtype, "f4")

    def test_strings(self):
        array = self.read(text_query(STRINGS)).get_first_table().array
        # astropy shows NULL as an empty string, on purpose (its issue 8995)
        self.assertEqual([str(x) for x in array["s"]], STRINGS + [""])
        array = self.read("SELECT 'a' || chr(1) || chr(0) || chr(127) || 'b' AS s").get_first_table().array
        self.assertEqual(str(array["s"][0]), "a\x01\x00\x7fb")

    def test_types(self):
        doc = self.read("SELECT 1.5::DECIMAL(4,1) AS \"x\"\"y\", [1, NULL, -2147483648]::INT[] AS v, "
                        "NULL::SMALLINT[2] AS w, [NULL, 'nan']::DOUBLE[2] AS n")
        types = [i.value for i in doc.resources[0].infos if i.name == "SQL_TYPES"]
        self.assertEqual(json.loads(types[0]), {"x\"y": "DECIMAL(4,1)", "v": "INTEGER[]",
                                                "w": "SMALLINT[2]", "n": "DOUBLE[2]"})
        array = doc.get_first_table().array
        self.assertEqual(array["v"][0].tolist(), [1, None, -(2**31)])
        self.assertTrue(array["w"].mask[0].all())
        bits = np.asarray(array["n"].data[0]).view("u8")
        self.assertNotEqual(bits[0], bits[1])  # NULL is a NaN of its own

    def test_fields(self):
        doc = self.read("SELECT 1 AS \"a<b\", 2.5::DECIMAL(5,2) AS d, '<&\"' AS q",
                        u=["a<b=kpc/h"], d=["a<b=less & \"more\""], c=["a<b=pos.eq.ra"])
        table = doc.get_first_table()
        f = table.fields[0]
        self.assertEqual((f.name, str(f.unit), f.ucd, f.description),
                         ("a<b", "kpc / h", "pos.eq.ra", 'less & "more"'))
        self.assertEqual(table.fields[1].datatype, "double")
        self.assertEqual(table.array["d"][0], 2.5)
        infos = [(i.name, i.value) for i in doc.resources[0].infos]
        self.assertEqual(infos[0], ("QUERY_STATUS", "OK"))
        self.assertEqual(infos[1][0], "QUERY")
        self.assertIn("'<&\"' AS q", infos[1][1])
        self.assertEqual(sum(n == "SOURCE" for n, _ in infos), 2)

    def test_others(self):
        doc = self.read("SELECT true AS b, NULL::BOOLEAN AS n, DATE '2024-01-02' AS d, "
                        "TIMESTAMPTZ '2024-01-02 03:04:05+00' AS t, [1, NULL, 3]::DOUBLE[3] AS v, "
                        "[1, 2, 3] AS l, [1, NULL]::INT[2] AS w, {'a': 'é'} AS o")
        table = doc.get_first_table()
        a = table.array
        self.assertTrue(a["b"][0])
        self.assertTrue(a["n"].mask[0])
        self.assertEqual(str(a["d"][0]), "2024-01-02")
        self.assertEqual(str(a["t"][0]), "2024-01-02T03:04:05Z")
        self.assertEqual(table.fields[3].xtype, "timestamp")
        np.testing.assert_array_equal(np.array(a["v"].data[0]), [1, math.nan, 3])
        self.assertEqual(list(a["l"][0]), [1, 2, 3])
        self.assertEqual(list(a["w"].mask[0]), [False, True])
        self.assertEqual(str(a["o"][0]), '{"a":"é"}')

    def test_many_rows_and_none(self):
        array = self.read("SELECT range AS i FROM range(100000)").get_first_table().array
        np.testing.assert_array_equal(array["i"].data, np.arange(100000))
        table = self.read("SELECT 1 AS a WHERE false").get_first_table()
        self.assertEqual(([f.name for f in table.fields], len(table.array)), (["a"], 0))


class Stream(unittest.TestCase):
    def test_reader_leaves(self):
        shell = f"'{PROGRAM}' csv - 'SELECT range AS a FROM range(10000000)' | head -n 2"
        run = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
        self.assertEqual(run.stdout, "a\n0\n")
        self.assertEqual(run.stderr.strip(), "the reader of the output closed it")

    def test_memory_does_not_grow(self):
        sql = "SELECT range AS a, random() AS b FROM range(%d)"
        for fmt in ("csv", "json", "hdf5", "fits", "votable", "parquet"):
            peaks = []
            for rows in (1000000, 4000000):
                path = os.path.join(FOLDER, "big")
                pid = os.spawnlp(os.P_NOWAIT, PROGRAM, PROGRAM, "-f", fmt, path, sql % rows)
                _, status, usage = os.wait4(pid, 0)
                self.assertEqual(status, 0)
                peaks.append(usage.ru_maxrss / 1024)
            self.assertLess(peaks[1], peaks[0] + 25, fmt)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as FOLDER:
        unittest.main()
