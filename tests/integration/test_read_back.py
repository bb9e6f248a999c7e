"""`perigee query --into x.hdf5`, and queries of that file: the same rows, NULLs and types as plain
DuckDB has in a table of the same SELECT, on 1 to 3 ranks, with the index and without; h5py reads
the same file."""
import h5py
import numpy as np

import harness
from harness import Ref

SELECT = """SELECT (i * 7919 % 40000)::INTEGER AS z, i AS b,
  CASE WHEN i % 10 <> 3 THEN i END AS k, CASE WHEN i % 4 <> 1 THEN i / 8.0::DOUBLE END AS x,
  CASE WHEN i % 5 <> 0 THEN (i % 90)::SMALLINT END AS small, CASE WHEN i % 3 <> 0 THEN i % 2 = 0 END AS flag,
  CASE i % 4 WHEN 0 THEN '' WHEN 1 THEN NULL WHEN 2 THEN 'null' ELSE 'h\u00e9' || i END AS s,
  CASE WHEN i % 6 <> 2 THEN DATE '1960-01-01' + (i % 30000)::INTEGER END AS d,
  CASE WHEN i % 7 <> 2 THEN TIMESTAMP '2020-01-01' + to_seconds(i) END AS t,
  CASE WHEN i % 8 <> 2 THEN (i / 8)::DECIMAL(9,3) END AS dec, CASE WHEN i > 39000 THEN i::HUGEINT END AS huge,
  CASE WHEN i % 8 <> 3 THEN (i - 9000) * 12345678901234567.25::DECIMAL(30,4) END AS wide,
  CASE WHEN i % 8 <> 4 THEN (i::HUGEINT - 9000) * 9223372036854775808 END AS hugest,
  CASE WHEN i % 8 <> 5 THEN i::UHUGEINT * 9223372036854775808 END AS uhugest,
  (CASE WHEN i % 9 <> 2 THEN [i, NULL, -i] END)::DOUBLE[3] AS v, CASE WHEN i % 5 <> 2 THEN [i, NULL] END AS l,
  CASE WHEN i % 5 <> 2 THEN {'a': i, 'b': DATE '2024-01-01'} END AS st,
  (CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' END)::ENUM('low', 'high') AS e,
  CASE WHEN i < 20000 THEN NULL ELSE i END AS late
FROM (SELECT range::BIGINT AS i FROM range(40000)) ORDER BY b"""

QUERIES = (
    "SELECT * REPLACE (v::VARCHAR AS v, l::VARCHAR AS l, st::VARCHAR AS st) FROM r",
    "SELECT count(*), count(k), count(x), count(small), count(flag), count(s), count(d), count(t), "
    "count(dec), count(huge), count(wide), count(hugest), count(uhugest), count(v), count(l), count(st), count(e), count(late) FROM r",
    "SELECT typeof(z), typeof(k), typeof(flag), typeof(d), typeof(t), typeof(dec), typeof(huge), "
    "typeof(wide), typeof(hugest), typeof(uhugest), "
    "typeof(v), typeof(l), typeof(st), typeof(e) FROM r WHERE b = 5",
    "SELECT count(*) FROM r WHERE k IS NULL", "SELECT count(*) FROM r WHERE late IS NULL",
    "SELECT count(*) FROM r WHERE late = 0", "SELECT b FROM r WHERE k = 0",
    "SELECT count(*) FROM r WHERE k < 100", "SELECT count(*) FROM r WHERE NOT (late > 20010)",
    "SELECT count(*) FROM r WHERE k IS NULL OR k > 39990", "SELECT count(*) FROM r WHERE x <= 1",
    "SELECT count(*) FROM r WHERE late IS NOT DISTINCT FROM NULL",
    "SELECT count(*) FROM r WHERE coalesce(late, -1) = -1",
    "SELECT count(*) FROM r WHERE s = ''", "SELECT count(*) FROM r WHERE s IS NULL",
    "SELECT min(d), max(d), min(t), max(t), sum(dec), sum(huge), avg(x), min(late) FROM r",
    "SELECT count(*) FROM r WHERE d < DATE '1960-02-01'", "SELECT count(*) FROM r WHERE d = '1960-01-02'",
    "SELECT count(*) FROM r WHERE t >= TIMESTAMP '2020-01-01 10:00:00'",
    "SELECT count(*) FROM r WHERE dec = 12.5", "SELECT count(*) FROM r WHERE dec < 0.25",
    "SELECT sum(wide), min(wide), max(hugest), max(uhugest) FROM r",
    "SELECT b, wide, hugest, uhugest FROM r WHERE k < 100", "SELECT count(*) FROM r WHERE wide < 0",
    "SELECT b FROM r WHERE wide = 12345678901234567.25", "SELECT count(*) FROM r WHERE hugest IS NULL OR uhugest < 5",
    "SELECT count(*) FROM r WHERE huge > 39998", "SELECT count(*) FROM r WHERE huge = 0",
    "SELECT count(*) FROM r WHERE v[1] = 0", "SELECT count(*) FROM r WHERE v[2] IS NULL",
    "SELECT count(*) FROM r WHERE v IS NULL", "SELECT small, count(*) FROM r GROUP BY small",
    "SELECT flag, e, count(*), count(k) FROM r GROUP BY flag, e",
    "SELECT d, count(x) FROM r WHERE b < 300 GROUP BY d", "SELECT l[1], st.a, st.b FROM r WHERE b < 50",
    "SELECT a.b, c.k FROM r a JOIN r c ON a.k = c.late WHERE a.b % 1000 = 7",
    "SELECT DISTINCT small, flag FROM r",
)


class ReadBack(harness.Case):
    @classmethod
    def prepare(cls):
        cls.path = cls.w.file("r.hdf5")
        done = cls.w.run("query", "-q", "--into", cls.path, SELECT)
        assert done.status == 0, done.err
        cls.w.describe("t", f"name: t\ntitle: A result\nroot: {cls.w.path}\n"
                            "tables:\n  r:\n    files: [r.hdf5]\n    path: /\n")
        ref = Ref()
        cls.addClassCleanup(ref.close)
        ref.exec(f"CREATE TABLE r AS {SELECT}")
        cls.want = [(q,) + ref.query(q) for q in QUERIES]

    def compare(self, *options, part=slice(None)):
        for sql, names, want in self.want[part]:
            with self.subTest(sql=sql, options=options):
                got_names, got = self.w.query(sql, *options, "--context", "t")
                self.assertEqual(got_names, names)  # also the order of "SELECT *"
                self.assertIsNone(harness.difference(got, want))

    def test_1_ranks(self):
        self.compare("-n", 1)
        self.compare("-n", 3, "-t", 1, part=slice(0, None, 4))

    def test_2_index(self):
        done = self.w.run("index", "t")
        self.assertEqual(done.status, 0, done.err)
        self.compare("-n", 1, part=slice(0, None, 2))
        self.compare("-n", 2, "-t", 1, part=slice(1, None, 4))

    def test_path_without_table(self):
        """The groups of masks and provenance are no tables of their own."""
        self.assertEqual(self.w.value(f"SELECT count(late) FROM '{self.path}'"), 20000)

    def test_written_again(self):
        """A result of a result is the same file's worth."""
        again = self.w.file("again.hdf5")
        done = self.w.run("query", "-q", "--into", again, f"SELECT * FROM '{self.path}'")
        self.assertEqual(done.status, 0, done.err)
        with h5py.File(self.path) as a, h5py.File(again) as b:
            self.assertEqual(list(a.attrs["columns"]), list(b.attrs["columns"]))
            for name in a.attrs["columns"]:
                self.assertEqual(dict(a[name].attrs), dict(b[name].attrs), name)
                np.testing.assert_array_equal(a[name][:], b[name][:])
                if "null_mask" in a[name].attrs:
                    mask = a[name].attrs["null_mask"]
                    np.testing.assert_array_equal(a[mask][:], b[mask][:])

    def test_h5py(self):
        with h5py.File(self.path) as f:
            self.assertEqual(list(f.attrs["columns"])[:4], ["z", "b", "k", "x"])
            self.assertEqual(f["d"].attrs["unit"], "days since 1970-01-01")
            self.assertEqual(f["e"].attrs["sql_type"], "ENUM('low', 'high')")
            null = f[f["k"].attrs["null_mask"]][:]
            i = f["b"][:]
            np.testing.assert_array_equal(null, i % 10 == 3)
            np.testing.assert_array_equal(f["k"][:][~null], i[~null])

    def test_describe(self):
        done = self.w.run("describe", self.path)
        self.assertEqual(done.status, 0, done.err)
        line = next(row for row in done.out.splitlines() if row.split()[:1] == ["d"])
        self.assertEqual(line.split()[1:3], ["DATE", "nullable"])

    def test_several_files(self):
        """One of two files has masks, or another type: the table is one."""
        for k, sql in enumerate(("SELECT 1 AS a, DATE '2024-01-01' AS d, 1::BIGINT AS n",
                                 "SELECT NULL::INTEGER AS a, NULL::DATE AS d, 2::HUGEINT AS n")):
            done = self.w.run("query", "-q", "--into", self.w.file(f"part.{k}.hdf5"), sql)
            self.assertEqual(done.status, 0, done.err)
        names, rows = self.w.query(f"SELECT * FROM '{self.w.file('part.*.hdf5')}:/' ORDER BY n")
        self.assertEqual((names, rows), (["a", "d", "n"], [["1", "2024-01-01", "1"],
                                                           [None, None, "2"]]))

    def test_wrong_masks(self):
        for k, (mask, says) in enumerate((("/nowhere", "nowhere"), ("/b", "null_mask"))):
            path = self.w.file(f"wrong{k}.hdf5")
            self.w.run("query", "-q", "--into", path, "SELECT range AS b, NULL::INTEGER AS a FROM range(9)")
            with h5py.File(path, "a") as f:
                f["a"].attrs["null_mask"] = mask
            done = self.w.run("query", f"SELECT a FROM '{path}:/'")
            self.assertEqual(done.status, 1)
            self.assertIn(says, done.err)

    def test_wrong_type(self):
        """A type's text from a file is never run as SQL."""
        path = self.w.file("type.hdf5")
        self.w.run("query", "-q", "--into", path, "SELECT 'x' AS a")
        for text, status in (("INTEGER) FROM range(3) --", 0), ("ENUM('x', 'x')", 1)):
            with h5py.File(path, "a") as f:
                f["a"].attrs["sql_type"] = text
            done = self.w.run("query", "--format", "csv", f"SELECT a FROM '{path}:/'")
            self.assertEqual(done.status, status, done.err)
            if status:
                self.assertIn("sql_type", done.err)

    def test_wrong_number(self):
        """Text that is no number of its column's type: an error where its value is asked for."""
        path = self.w.file("number.hdf5")
        self.w.run("query", "-q", "--into", path, "SELECT range AS i, CASE WHEN range <> 3 THEN "
                   "range + 12345678901234567890.25 END::DECIMAL(30,4) AS d FROM range(9)")
        for text, want in (("7.5 ", "7.5000"), ("1e3", "1000.0000"), ("1.00001", None), ("", None), ("9" * 27, None),
                           ("one\n\u00e9" * 20, None)):
            with h5py.File(path, "a") as f:
                f["d"][2] = text
                f["d"][3] = "of no account: it is NULL"
            done = self.w.run("query", "--format", "csv", f"SELECT d FROM '{path}:/' WHERE i BETWEEN 2 AND 3")
            self.assertEqual(done.status, 0 if want else 1, done.err)
            if want:
                self.assertEqual(done.out.split("\n")[1:3], [want, ""])
                continue
            shown = "one???one???one???one???one?..." if "\n" in text else text
            self.assertIn(f'column "d" of {path}: \'{shown}\' in row 2 is no DECIMAL(30,4)', done.err)
            self.assertEqual(self.w.query(f"SELECT count(i) FROM '{path}:/'")[1], [["9"]])


if __name__ == "__main__":
    harness.main()
