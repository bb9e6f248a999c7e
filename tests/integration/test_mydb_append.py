"""Rows that are added to a table: what a copy of its file gets is, dataset by dataset, what a file of all the rows
would have; which files get it, and which are written anew; nothing is left of one that fails."""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

import h5py
import numpy as np

import harness
from test_load import SELECT
from test_mydb_sql import CHANGES, TYPES, rows_text

CHUNK = 65536
# As many rows as wanted of the columns that test_load has for some thousands; not those whose values decide together
# what they are in the file.
ROWS = SELECT.replace("i AS b", "n AS b").replace("(i - 500)::HUGEINT AS huge,", "").replace("range::BIGINT AS i FROM range(ROWS)) ORDER BY b",
                                                  "range AS n, range % 3000 AS i FROM range({}, {}))")


def part(first, end):
    return ROWS.replace("range({}, {})", f"range({first}, {end})")


class World(harness.Case):
    def path(self, name):
        return self.w.file("mydb", name + ".h5")

    def setUp(self):
        folder = self.w.file("mydb")
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            os.unlink(os.path.join(folder, name))

    def do(self, sql, *options):
        done = self.w.run("query", "--here", *options, "--", sql, env={"PERIGEE_WORD": "1"})
        self.assertEqual(done.status, 0, f"{sql}\n{done.err}")
        return json.loads(done.err.rsplit("\x1e", 1)[1])["changed"]

    def rows(self, sql):
        return self.w.query(sql, "--here", "-n", 1)[1]

    SUMS = "SELECT count(*), sum(hash(COLUMNS(*)::VARCHAR) % 1000003) FROM mydb.{}"

    def sums(self, name):
        return self.rows(self.SUMS.format(name))

    def is_extended(self, name):
        with h5py.File(self.path(name)) as f:
            return "compact_size" in f.attrs

    def content(self, name):
        """All of a table's file but where it comes from; values as digests."""
        found = {}

        def look(path, o):
            if path.startswith("provenance"):
                return
            attrs = {k: list(v) if isinstance(v, np.ndarray) else v for k, v in o.attrs.items()}
            for changes in ("created", "query", "compact_size"):
                attrs.pop(changes, None)
            found[path] = [attrs]
            if isinstance(o, h5py.Dataset):
                v = o[()]
                raw = repr(v.tolist()).encode() if v.dtype == object else v.tobytes()
                found[path] += [str(o.dtype), o.shape, o.maxshape, o.chunks, o.compression, o.shuffle,
                                o.id.get_create_plist().fill_value_defined(), hashlib.sha256(raw).hexdigest()]
        with h5py.File(self.path(name)) as f:
            look("/", f)
            f.visititems(look)
        return found

    def alike(self, name, other):
        got, want = self.content(name), self.content(other)
        self.assertEqual(sorted(got), sorted(want))
        for path in want:
            self.assertEqual(got[path], want[path], path)

    def left(self):
        return sorted(n for n in os.listdir(self.w.file("mydb")) if not n.startswith(".lock-"))


class SameFile(World):
    def test_all_types(self):
        """The last chunk is full, or not; the new rows stay in it, or need others."""
        for old, new in ((CHUNK, 1), (CHUNK + 5000, CHUNK - 4999), (CHUNK + 9, CHUNK - 9)):
            with self.subTest(old=old, new=new):
                self.do(f"CREATE OR REPLACE TABLE g AS {part(0, old)};"
                        f"CREATE OR REPLACE TABLE f AS {part(0, old + new)}")
                changed = self.do(f"INSERT INTO g {part(old, old + new)}")
                self.assertEqual(changed, [{"schema": "mydb", "name": "g", "what": "inserted", "rows": new}])
                self.assertTrue(self.is_extended("g"))
                self.alike("g", "f")
        self.assertEqual(self.sums("g"), self.sums("f"))

    def test_as_duckdb(self):
        """Statements of test_mydb_sql, after which DuckDB has the same rows."""
        ref = harness.Ref()
        self.addCleanup(ref.close)
        ref.exec("CREATE SCHEMA mydb; SET search_path = 'mydb'")
        columns = ", ".join(f"{n} {t}" for n, t in TYPES)
        make = [f"CREATE TABLE mydb.t ({columns})", f"INSERT INTO mydb.t VALUES {rows_text(random.Random(7), 60)}",
                "INSERT INTO mydb.t SELECT t.* FROM mydb.t, range(1100)"]
        inserts = [c[0] for c in CHANGES if "INSERT" in c[0] and ("mydb.t " in c[0] or "INTO t" in c[0])]
        self.assertGreater(len(inserts), 5)
        others = ["UPDATE mydb.t SET d = k WHERE k > 18", "DELETE FROM mydb.t WHERE k = 4"]
        for sql in (";".join(make), *inserts, *others, inserts[0]):
            ref.exec(sql)
            done = self.w.run("query", "--here", "--format", "csv", f"{sql};{self.SUMS.format('t')}")
            self.assertEqual(done.status, 0, done.err)
            want = ref.query(self.SUMS.format("t"))[1]
            self.assertEqual(harness.parse_csv(done.out)[1:], want, sql)
            self.assertEqual(self.is_extended("t"), sql in inserts, sql)

    def test_ranks(self):
        self.do(f"CREATE TABLE g AS {part(0, CHUNK + 9)}; CREATE TABLE s AS {part(CHUNK + 9, CHUNK + 5009)};"
                f"CREATE TABLE f AS {part(0, CHUNK + 5009)}")
        self.do("INSERT INTO g SELECT * FROM mydb.s", "-n", 2)
        self.assertTrue(self.is_extended("g"))
        self.assertEqual(self.sums("g"), self.sums("f"))
        self.do("INSERT INTO g (b) VALUES (-1), (-2)", "-n", 2)
        self.assertEqual(self.rows("SELECT count(*), min(b), count(s) FILTER (b < 0) FROM mydb.g"),
                         [[str(CHUNK + 5011), "-2", "0"]])

    def test_first_null(self):
        """A column that had no NULL gets flags; so does each of an array."""
        base = f"SELECT range AS i, range / 2 AS d, [range, 1]::INTEGER[2] AS v, 'x' || range AS t FROM range({CHUNK + 7})"
        more = "UNION ALL VALUES (NULL, 1.5, [2, NULL], NULL), (8, NULL, NULL, '')"
        self.do(f"CREATE TABLE g AS {base}; CREATE TABLE f AS {base} {more}")
        with h5py.File(self.path("g")) as f:
            self.assertNotIn("nulls", f)
        self.do("INSERT INTO g VALUES (NULL, 1.5, [2, NULL], NULL), (8, NULL, NULL, '')")
        self.assertTrue(self.is_extended("g"))
        self.alike("g", "f")
        # One more without NULLs, in a chunk that has some; and in the next one.
        more = f"{more} UNION ALL SELECT 1, 2, [3, 4], 'z' FROM range({CHUNK})"
        self.do(f"CREATE OR REPLACE TABLE f AS {base} {more}; INSERT INTO g SELECT 1, 2, [3, 4], 'z' FROM range({CHUNK})")
        self.alike("g", "f")

    def test_statements(self):
        """Of every form, after one another in one script; the table itself is read, too."""
        self.do(f'CREATE TABLE g AS SELECT range AS i, range % 7 AS "a/b", NULL::VARCHAR AS "c.d" FROM range({CHUNK})')
        changed = self.do("INSERT INTO g VALUES (-1, 2, 'x'), (-2, 3 + 4, DEFAULT);"
                          "INSERT INTO g (\"c.d\") VALUES ('only');"
                          "INSERT INTO g DEFAULT VALUES;"
                          "INSERT INTO g BY NAME SELECT 'by' AS \"C.D\", -3 AS i;"
                          "WITH q AS (SELECT -4 AS i) INSERT INTO g (i) SELECT i FROM q;"
                          "INSERT INTO g (i) SELECT i FROM mydb.g WHERE i < 0;"
                          "INSERT INTO g SELECT * FROM mydb.g;"
                          "INSERT INTO g SELECT * FROM mydb.g WHERE false;")
        self.assertEqual([c["rows"] for c in changed], [2, 1, 1, 1, 1, 4, CHUNK + 10, 0])
        self.assertTrue(self.is_extended("g"))
        names, rows = self.w.query("SELECT * FROM mydb.g WHERE i < 0 OR i IS NULL ORDER BY ALL", "--here")
        self.assertEqual(names, ["i", "a/b", "c.d"])
        once = [["-4", None, None]] * 2 + [["-3", None, "by"], ["-3", None, None], ["-2", "7", None], ["-2", None, None],
                                           ["-1", "2", "x"], ["-1", None, None], [None, None, "only"], [None, None, None]]
        self.assertEqual(sorted(rows, key=str), sorted(once * 2, key=str))
        self.assertEqual(self.rows("SELECT count(*), sum(i) FILTER (i >= 0) FROM mydb.g"),
                         [[str(2 * (CHUNK + 10)), str(CHUNK * (CHUNK - 1))]])
        self.assertEqual(self.left(), ["g.h5"])

    def test_what_is_said(self):
        """Units and descriptions stay; the origin is that of the last change."""
        self.do(f"CREATE TABLE g AS SELECT range AS i FROM range({CHUNK}); CREATE TABLE o AS SELECT 5 AS i;"
                "COMMENT ON TABLE g IS 'große'; COMMENT ON COLUMN g.i IS 'a number'")
        self.w.run("table", "describe", "g", "--here", "--unit", "i=kpc", "--ucd", "i=meta.id")
        before = os.stat(self.path("g"))
        sql = "INSERT INTO g SELECT i FROM mydb.o"
        self.do(sql)
        with h5py.File(self.path("g")) as f:
            a = {k: f["i"].attrs[k] for k in ("unit", "description", "ucd")}
            self.assertEqual(a, {"unit": "kpc", "description": "a number", "ucd": "meta.id"})
            self.assertEqual((f.attrs["query"], f.attrs["description"]), (sql, "große"))
            sources = f["provenance/sources"][:]
            self.assertEqual([os.path.basename(s["path"]) for s in sources], [b"g.h5", b"o.h5"])
            self.assertEqual((sources[0]["size"], sources[0]["mtime_ns"]), (before.st_size, before.st_mtime_ns))

    def test_load(self):
        self.do(f"CREATE TABLE g AS SELECT range AS i, 'n' || range AS t FROM range({CHUNK + 1});"
                f"CREATE TABLE f AS SELECT range AS i, 'n' || range AS t FROM range({CHUNK + 3})")
        self.do("COMMENT ON TABLE g IS 'mine'; COMMENT ON TABLE f IS 'mine'")
        more = self.w.write("more.csv", f"t,i\nn{CHUNK + 1},{CHUNK + 1}\nn{CHUNK + 2},{CHUNK + 2}\n")
        done = self.w.run("table", "load", "--here", "--append", "--json", more, "g")
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(json.loads(done.out)["rows"], CHUNK + 3)
        self.assertTrue(self.is_extended("g"))
        self.alike("g", "f")
        with h5py.File(self.path("g")) as f:
            self.assertIn("-- appended: " + more, f.attrs["query"])
        bad = self.w.write("bad.csv", "i\n1\nx\n")
        before = self.content("g")
        done = self.w.run("table", "load", "--here", "--append", bad, "g")
        self.assertNotEqual(done.status, 0)
        self.assertIn("line 3", done.err)
        self.assertEqual((self.content("g"), self.left()), (before, ["f.h5", "g.h5"]))

    def test_fails_late(self):
        """In its last row, or by a text that the format cannot hold, or cut off: the table is as it was."""
        self.do(f"CREATE TABLE g AS SELECT range AS i, 'n' || range AS t FROM range({CHUNK + 1})")
        with open(self.path("g"), "rb") as f:
            before = f.read()
        for sql, says in (("INSERT INTO g (i) SELECT CASE range WHEN 299999 THEN 'x' ELSE range::VARCHAR END FROM range(300000)",
                           "Could not convert"),
                          ("INSERT INTO g (t) SELECT CASE range WHEN 299999 THEN 'a' || chr(0) ELSE 'b' END FROM range(300000)",
                           "NUL character in row 300000"),
                          ("INSERT INTO g (nope) VALUES (1)", "no column")):
            done = self.w.run("query", "--here", sql)
            self.assertNotEqual(done.status, 0, sql)
            self.assertIn(says, done.err)
            self.assertEqual(self.left(), ["g.h5"])
        slow = "INSERT INTO g (i) SELECT count(*) FROM range(1000000) x, range(1000000) y WHERE x.range + y.range = 5"
        words = [os.path.join(harness.BIN, "perigee"), "query", "--here", "-q", "-n", "1", slow]
        for sig in (signal.SIGINT, signal.SIGKILL):
            p = subprocess.Popen(words, env=self.w.env, cwd=self.w.path, stdin=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
            until = time.monotonic() + 60
            while len(self.left()) < 2 and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.2)
            p.send_signal(sig)
            self.assertEqual(p.wait(60), -9 if sig == signal.SIGKILL else 130)
        with open(self.path("g"), "rb") as f:
            self.assertEqual(f.read(), before)
        self.do("INSERT INTO g (i) VALUES (1)")
        self.assertEqual(self.left(), ["g.h5"])
        self.assertEqual(self.rows("SELECT count(*) FROM mydb.g"), [[str(CHUNK + 2)]])

    def test_an_old_reader(self):
        """Who has the file open reads what was there."""
        self.do(f"CREATE TABLE g AS SELECT range AS i FROM range({CHUNK + 10})")
        with h5py.File(self.path("g")) as f:
            self.do("INSERT INTO g VALUES (-1)")
            self.assertEqual((f["i"].shape, int(f["i"][:].min())), ((CHUNK + 10,), 0))
        self.assertEqual(self.rows("SELECT min(i) FROM mydb.g"), [["-1"]])


    def test_index(self):
        """An index of the file's chunks is of the old version."""
        self.do(f"CREATE TABLE g AS SELECT range AS i FROM range({CHUNK + 10})")
        file = f"{self.path('g')}:/"
        self.assertEqual(self.w.run("index", file).status, 0)
        self.assertIn("fresh", self.w.run("index", "--check", file).out)
        look = f"SELECT i FROM '{file}' WHERE i < 0"
        self.assertEqual(self.rows(look), [])
        self.do("INSERT INTO g VALUES (-1)")
        self.assertTrue(self.is_extended("g"))
        self.assertIn("stale for 1 of 1 files", self.w.run("index", "--check", file).out)
        self.assertEqual(self.rows(look), [["-1"]])
        shutil.rmtree(self.w.file("mydb", ".perigee"))


def contiguous(f):
    v = f["d"][:]
    keep = dict(f["d"].attrs)
    del f["d"]
    f["d"] = v
    f["d"].attrs.update(keep)


def remade(**how):
    """Column d as somebody else may have written it."""
    def change(f):
        v, keep = f["d"][:], dict(f["d"].attrs)
        del f["d"]
        f.create_dataset("d", data=v, **{"chunks": (CHUNK,), "maxshape": (None,), "compression": "gzip", "shuffle": True,
                                         **how}).attrs.update(keep)
    return change


def linked_twice(f):
    del f["e"]
    f["e"] = f["d"]


def soft_link(f):
    f.move("d", "nulls/x")
    f["d"] = h5py.SoftLink("/nulls/x")


def other_flags(f):
    f["t"].attrs["null_mask"] = "/nulls/other"
    f.move("nulls/t", "nulls/other")


def other_type(f):
    f["i"].attrs["sql_type"] = "INTEGER"


def no_type(f):
    del f["d"].attrs["sql_type"]


def a_group(f):
    f.create_group("mine")["x"] = 1


def much_unused(f):
    f.attrs["compact_size"] = np.uint64(1000)


class WrittenAnew(World):
    """The result is the same, whatever the file."""
    MAKE = (f"CREATE TABLE g AS SELECT range AS i, range * 0.5::DOUBLE AS d, range * 2.5::DOUBLE AS e, "
            f"CASE WHEN range % 3 > 0 THEN 'n' || range END AS t FROM range({CHUNK + 20})")

    def test_files_of_others(self):
        self.do(self.MAKE)
        made = self.path("g") + ".made"
        os.rename(self.path("g"), made)
        sums = "(SELECT count(*), sum(hash(i, d, e, t) % 1000003) FROM mydb.{})"
        # Without a change it is extended: it is these that make the difference.
        for change in (None, contiguous, remade(maxshape=(2 * CHUNK,)), remade(chunks=(1000,)), remade(shuffle=False),
                       remade(compression="lzf"), remade(fletcher32=True), remade(fillvalue=7.0), linked_twice, soft_link,
                       other_flags, other_type, no_type, a_group, much_unused):
            with self.subTest(change=change and change.__name__):
                shutil.copy(made, self.path("g"))
                if change:
                    with h5py.File(self.path("g"), "a") as f:
                        change(f)
                self.do("CREATE OR REPLACE TABLE f AS SELECT * FROM mydb.g UNION ALL SELECT 1, 2, 3, NULL;"
                        "INSERT INTO g VALUES (1, 2, 3, NULL)")
                self.assertEqual(self.is_extended("g"), not change)
                got, want = self.rows(f"{sums.format('g')} UNION ALL {sums.format('f')}")
                self.assertEqual(got, want)
                self.assertEqual(got[0], str(CHUNK + 21))

    def test_wide_numbers(self):
        """They become text with the first that is too wide; and numbers again."""
        self.do(f"CREATE TABLE g AS SELECT range::HUGEINT AS h, range::DECIMAL(30,4) AS d FROM range({CHUNK})")
        self.do("INSERT INTO g VALUES (1, 2)")
        self.assertFalse(self.is_extended("g"))
        wide = "170141183460469231731687303715884105727"
        self.do(f"INSERT INTO g VALUES ({wide}, 12345678901234567890.1234)")
        self.assertEqual(self.rows("SELECT max(h), max(d), count(*), typeof(max(h)) FROM mydb.g"),
                         [[wide, "12345678901234567890.1234", str(CHUNK + 2), "HUGEINT"]])
        self.assertEqual(self.do("UPDATE g SET h = 0 WHERE h > 1e30")[0]["rows"], 1)

    def test_wide_texts(self):
        """What is text in the file is so in new rows, small ones and NULL, too, until the table is written anew."""
        make = ("SELECT range AS i, CASE WHEN range % 9 > 0 THEN range * {0} END::HUGEINT AS h, "
                "range::UHUGEINT * {0} AS u, (range * 0.25 * {0})::DECIMAL(38,4) AS d, "
                "[range::HUGEINT * {0}, NULL]::HUGEINT[2] AS v FROM range({1}, {2})")
        wide = 2**63 + 1
        old, new = make.format(wide, 0, CHUNK + 20), make.format(1, 0, 3000)
        self.do(f"CREATE TABLE g AS {old}; CREATE TABLE f AS {old} UNION ALL {new}")
        self.do(f"INSERT INTO g {new}")
        self.assertTrue(self.is_extended("g"))
        self.alike("g", "f")
        self.assertEqual(self.rows("SELECT typeof(h), typeof(u), typeof(d), typeof(v), h, u, d, v[1] FROM mydb.g "
                                   "WHERE i = 2999 ORDER BY h DESC"),
                         [["HUGEINT", "UHUGEINT", "DECIMAL(38,4)", "HUGEINT[2]", str(n), str(n),
                           f"{n // 4}.{n % 4 * 25:02}00", str(n)] for n in (2999 * wide, 2999)])
        self.do("DELETE FROM g WHERE abs(h) > 3000 OR h IS NULL; DELETE FROM g WHERE u > 3000")
        with h5py.File(self.path("g")) as f:
            self.assertEqual([f[c].dtype for c in "hud"], ["int64", "uint64", "float64"])

    def test_wide_texts_and_numbers(self):
        """One column of numbers is enough for the table to be written anew; then both are text."""
        self.do(f"CREATE TABLE g AS SELECT range * {2**63}::HUGEINT AS h, range::HUGEINT AS n FROM range({CHUNK})")
        self.do("INSERT INTO g VALUES (1, 2)")
        self.assertFalse(self.is_extended("g"))
        self.do(f"INSERT INTO g VALUES (1, {2**64})")
        self.assertFalse(self.is_extended("g"))
        self.do("INSERT INTO g VALUES (NULL, 3)")
        self.assertTrue(self.is_extended("g"))
        self.assertEqual(self.rows("SELECT count(*), count(h), max(n), min(h) FROM mydb.g"),
                         [[str(CHUNK + 3), str(CHUNK + 2), str(2**64), "0"]])

    def test_grown(self):
        """Chunks get whole while the table is small; many small changes do not make the file much larger."""
        self.do("CREATE TABLE g (i BIGINT, t VARCHAR)")
        for size in (1, 1000, 20000, 60000, 1, 100000):
            self.do(f"INSERT INTO g SELECT range, 'n' || range FROM range({size})")
        self.assertTrue(self.is_extended("g"))
        with h5py.File(self.path("g")) as f:
            self.assertEqual(f["i"].chunks, (CHUNK,))
        self.do(";".join(["INSERT INTO g SELECT range, 'n' || range FROM range(300)"] * 40))
        self.assertEqual(self.rows("SELECT count(*) FROM mydb.g"), [[str(181002 + 12000)]])
        self.do("CREATE TABLE f AS SELECT * FROM mydb.g")
        grown, anew = (os.path.getsize(self.path(n)) for n in "gf")
        self.assertLess(grown, 1.25 * anew + 2**20)
        with h5py.File(self.path("g")) as f:
            self.assertLess(abs(int(f.attrs["compact_size"]) - anew), 0.05 * anew)


if __name__ == "__main__":
    harness.main()
