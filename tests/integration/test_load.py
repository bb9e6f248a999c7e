"""`perigee table load`: what `perigee query --into` writes in each format comes back as it was, types
too where text is told them; what pandas and pyarrow write is read as they mean it; tables are
appended to, kept, refused and replaced as a whole."""
import gzip
import json
import os
import signal
import subprocess
import time

import numpy as np
import pandas as pd

import harness

SELECT = """SELECT i AS b, (i % 200 - 100)::TINYINT AS i8, (i * 3)::SMALLINT AS i16, (i * -70000)::INTEGER AS i32,
  CASE WHEN i % 5 <> 1 THEN 9223372036854775807 - i END AS i64, (i % 256)::UTINYINT AS u8, (i * 20)::USMALLINT AS u16,
  (4294967295 - i)::UINTEGER AS u32, 18446744073709551615 - i::UBIGINT AS u64, (i - 500)::HUGEINT AS huge,
  CASE WHEN i % 4 <> 1 THEN 1 / (i + 3)::DOUBLE ELSE 'nan'::DOUBLE END AS f64, (i / 7)::FLOAT AS f32,
  CASE WHEN i % 3 <> 1 THEN i % 2 = 0 END AS flag, CASE WHEN i % 6 <> 2 THEN (i / 8)::DECIMAL(9,3) END AS dec,
  CASE i % 5 WHEN 0 THEN '' WHEN 1 THEN NULL WHEN 2 THEN '#x, "y"' WHEN 3 THEN E'a\\tb\\\\n\\nc\\r' ELSE 'h\u00e9' || i END AS s,
  CASE WHEN i % 6 <> 2 THEN DATE '1960-01-01' + (i * 20)::INTEGER END AS d,
  TIME '00:00:00' + to_microseconds(i * 86300001) AS tm, TIMESTAMP '1969-12-31 23:59:59.5' + to_microseconds(i) AS t,
  (TIMESTAMP '2020-01-01' + to_seconds(i))::TIMESTAMP_S AS ts, (TIMESTAMP '2020-01-01' + to_milliseconds(i))::TIMESTAMP_MS AS tms,
  '2024-01-01 00:00:00.123456789'::TIMESTAMP_NS AS tns, (TIMESTAMP '2020-01-01' + to_seconds(i))::TIMESTAMPTZ AS tz,
  to_microseconds(i * 999999937) AS iv, md5(i::VARCHAR)::UUID AS id, (i % 9)::BIT AS bits,
  CASE WHEN i % 7 <> 2 THEN encode(chr((i % 100 + 20)::INTEGER) || '\\x') END AS bytes,
  (CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' END)::ENUM('low', 'high') AS e,
  (CASE WHEN i % 9 <> 2 THEN [i, 0.5, -i] END)::FLOAT[3] AS v, CASE WHEN i % 5 <> 2 THEN [i, NULL] END AS l,
  CASE WHEN i % 5 <> 2 THEN {'a': i, 'b': DATE '2024-01-01', 'c': ['x', NULL]} END AS st,
  MAP {'k' || i: i / 4} AS m
FROM (SELECT range::BIGINT AS i FROM range(ROWS)) ORDER BY b"""
ROWS = 3000
TYPES = {"b": "BIGINT", "i8": "TINYINT", "i16": "SMALLINT", "i32": "INTEGER", "i64": "BIGINT", "u8": "UTINYINT",
         "u16": "USMALLINT", "u32": "UINTEGER", "u64": "UBIGINT", "huge": "HUGEINT", "f64": "DOUBLE",
         "f32": "FLOAT", "flag": "BOOLEAN", "dec": "DECIMAL(9,3)", "s": "VARCHAR", "d": "DATE",
         "tm": "TIME", "t": "TIMESTAMP", "ts": "TIMESTAMP_S", "tms": "TIMESTAMP_MS",
         "tns": "TIMESTAMP_NS", "tz": "TIMESTAMPTZ", "iv": "INTERVAL", "id": "UUID", "bits": "BIT",
         "bytes": "BLOB", "e": "ENUM('low', 'high')", "v": "FLOAT[3]", "l": "BIGINT[]",
         "st": "STRUCT(a BIGINT, b DATE, c VARCHAR[])", "m": "MAP(VARCHAR, DOUBLE)"}


def select():
    return SELECT.replace("ROWS", str(ROWS))


class Load(harness.Case):
    def run_(self, *words, **more):
        return self.w.run("table", *words, **more)

    def load(self, *words, **more):
        done = self.run_("load", "-q", *words, **more)
        self.assertEqual(done.status, 0, done.err)
        return done

    def refuse(self, *words, status=1, says=""):
        done = self.run_("load", "-q", *words)
        self.assertEqual(done.status, status, done.out + done.err)
        self.assertIn(says, done.err)

    def csv(self, sql):
        done = self.w.run("query", "-q", "--format", "csv", sql)
        self.assertEqual(done.status, 0, done.err)
        return done.out

    def columns(self, table):
        o = json.loads(self.run_("show", "--json", table).out)
        return {c["name"]: c for c in o["columns"]}

    # ---- what we write ----

    def test_own_formats(self):
        typed = [w for name, t in TYPES.items() for w in ("--type", f"{name}={t}")]
        kinds = "SELECT " + ", ".join(f"typeof({c}) AS {c}" for c in TYPES) + " FROM {} LIMIT 1"
        for ending in ("csv", "tsv", "json", "ndjson", "parquet", "h5"):
            with self.subTest(ending):
                sql = select()
                path = self.w.file(f"own.{ending}")
                done = self.w.run("query", "-q", "--into", path, sql)
                self.assertEqual(done.status, 0, done.err)
                self.load(path, f"own_{ending}", *([] if ending in ("parquet", "h5") else typed))
                self.assertEqual(self.csv(f"SELECT * FROM mydb.own_{ending} ORDER BY b"),
                                 self.csv(sql))
                self.assertEqual(self.csv(kinds.format(f"mydb.own_{ending}")),
                                 self.csv(kinds.format(f"({sql})")))

    def test_guess_of_own_text(self):
        """Types that text shows by itself."""
        plain = ["b", "i64", "u64", "f64", "flag", "s", "d", "t", "tz", "tns"]
        for ending in ("csv", "json"):
            path = self.w.file(f"guess.{ending}")
            sql = f"SELECT {', '.join(plain)} FROM ({select()}) ORDER BY b"
            self.assertEqual(self.w.run("query", "-q", "--into", path, sql).status, 0)
            self.load(path, f"guess_{ending}")
            self.assertEqual(self.csv(f"SELECT * FROM mydb.guess_{ending}"), self.csv(sql))
            got = {n: c["type"] for n, c in self.columns(f"guess_{ending}").items()}
            self.assertEqual(got, {"b": "BIGINT", "i64": "BIGINT", "u64": "UBIGINT", "f64": "DOUBLE",
                                   "flag": "BOOLEAN", "s": "VARCHAR", "d": "DATE", "t": "TIMESTAMP",
                                   "tz": "TIMESTAMP WITH TIME ZONE", "tns": "TIMESTAMP_NS"})

    def test_units_come_back(self):
        path = self.w.file("u.csv")
        self.w.write("u.csv", "ra [deg],mass\n1.5,2\n")
        self.load(path, "units", "--unit", "mass=Msun", "--description", "Two of them")
        for ending in ("parquet", "h5"):
            out = self.w.file(f"u.{ending}")
            self.assertEqual(self.run_("get", "-o", out, "units").status, 0)
            self.load(out, f"units_{ending}")
            c = self.columns(f"units_{ending}")
            self.assertEqual((c["ra"]["unit"], c["mass"]["unit"]), ("deg", "Msun"))
        self.assertEqual(json.loads(self.run_("show", "--json", "units").out)["description"],
                         "Two of them")

    # ---- what others write ----

    def test_pandas(self):
        rng = np.random.default_rng(5)
        n = 5000
        df = pd.DataFrame({
            "id": rng.integers(-2**63, 2**63 - 1, n), "big": rng.integers(0, 2**64, n, dtype=np.uint64),
            "x": rng.normal(size=n) * 10.0 ** rng.integers(-300, 300, n),
            "f": rng.normal(size=n).astype(np.float32), "ok": rng.integers(0, 2, n).astype(bool),
            "name": [f"star {i}, \"{i}\"" for i in range(n)],
            "t": pd.to_datetime(rng.integers(0, 2 * 10**9, n), unit="s")})
        df.to_csv(self.w.file("p.csv"), index=False)
        with gzip.open(self.w.file("p2.csv.gz"), "wt") as f:
            df.to_csv(f, index=False, sep=";")
        df.to_json(self.w.file("p.json"), orient="records", date_format="iso", double_precision=15)
        for name, table in (("p.csv", "pandas_csv"), ("p2.csv.gz", "pandas_gz"),
                            ("p.json", "pandas_json")):
            self.load(self.w.file(name), table)
            out = self.w.file("back.h5")
            self.assertEqual(self.run_("get", "--overwrite", "-o", out, table).status, 0)
            import h5py
            with h5py.File(out) as f:
                self.assertTrue((f["id"][:] == df["id"]).all())
                self.assertTrue((f["big"][:] == df["big"]).all())
                self.assertEqual(f["big"].dtype, np.uint64)
                self.assertTrue((f["ok"][:] == df["ok"]).all())
                self.assertEqual([s.decode() for s in f["name"][:]], list(df["name"]))
                if name != "p.json":  # there pandas rounds
                    self.assertTrue((f["x"][:] == df["x"]).all())
                    self.assertTrue((f["t"][:] == df["t"].astype("int64") // 1000).all())

    def test_foreign_hdf5(self):
        import h5py
        with h5py.File(self.w.file("two.h5"), "w") as f:
            f["a/x"] = np.arange(5)
            f["a/x"].attrs["unit"] = "kpc"
            f["a/y"] = np.ones((5, 3))
            f["b/x"] = np.arange(7, dtype="f4")
            f["b/z"] = np.arange(7, dtype="u8") + 2**63
        self.refuse(self.w.file("two.h5"), "h", status=2, says='"path"')
        self.load("--path", "/b", self.w.file("two.h5"), "h")
        self.assertEqual(self.csv("SELECT max(z) AS m, count(*) AS n FROM mydb.h"),
                         "m,n\n9223372036854775814,7\n")
        self.load("--path", "a", self.w.file("two.h5"), "h2")
        self.assertEqual(self.columns("h2")["x"]["unit"], "kpc")
        self.assertEqual(self.columns("h2")["y"]["type"], "DOUBLE[3]")

    # ---- tables change as a whole ----

    def test_new_append_overwrite(self):
        a = self.w.write("a.csv", "id,x,name\n1,1.5,a\n2,,b\n")
        self.load(a, "t", "--type", "id=INTEGER")
        before = self.csv("SELECT * FROM mydb.t")
        self.refuse(a, "t", says="append to it, or overwrite it")
        b = self.w.write("b.json", '[{"NAME": "c", "id": 3}]')
        self.load("--append", b, "t")
        self.assertEqual(self.csv("SELECT * FROM mydb.t"), before + "3,,c\n")
        self.assertEqual(self.columns("t")["id"]["type"], "INTEGER")
        c = self.w.write("c.csv", "id,colour\n4,red\n")
        self.refuse("--append", c, "t", status=2, says="colour")
        d = self.w.write("d.csv", "id\n5\n6.5\n")
        self.refuse("--append", d, "t", says="line 3 of")
        e = self.w.write("e.csv", "id\n3000000000\n")
        self.refuse("--append", e, "t", says="3000000000")
        self.assertEqual(self.csv("SELECT count(*) AS n FROM mydb.t"), "n\n3\n")
        self.refuse("--append", a, "nowhere", says="nowhere")
        self.load("--overwrite", d, "t")
        self.assertEqual(self.csv("SELECT * FROM mydb.t"), "id\n5.0\n6.5\n")

    def test_preview(self):
        path = self.w.write("pre.csv", "id,u\n" + "".join(f"{i},{2**64 - 1 - i}\n" for i in range(50)))
        o = json.loads(self.load("--preview", "--json", path).out)
        self.assertEqual([(c["name"], c["type"]) for c in o["columns"]],
                         [("id", "BIGINT"), ("u", "UBIGINT")])
        self.assertEqual(len(o["rows"]), 20)
        self.assertEqual(o["rows"][1], [1, str(2**64 - 2)])
        self.assertIn(str(2**64 - 1), self.load("--preview", path).out)
        self.assertFalse(os.path.exists(os.path.join(self.w.env["PERIGEE_MYDB"], "pre.h5")))

    def test_standard_input(self):
        self.load("-", "piped", stdin=b"a,b\n1,x\n")
        self.assertEqual(self.csv("SELECT * FROM mydb.piped"), "a,b\n1,x\n")
        with open(self.w.write("in.json", '{"a": 1}\n{"a": 2}\n')) as f:
            subprocess.run([os.path.join(harness.BIN, "perigee"), "table", "load", "-q", "-",
                            "redirected"], stdin=f, env=self.w.env, check=True)
        self.assertEqual(self.csv("SELECT sum(a) AS s FROM mydb.redirected"), "s\n3\n")
        self.refuse("--format", "csv", "/dev/null", "none", status=2, says="regular")

    def test_word(self):
        env = dict(self.w.env, PERIGEE_WORD="1")
        path = self.w.write("w.csv", "a\n1\n2\n")
        done = subprocess.run([os.path.join(harness.BIN, "perigee"), "table", "load", "--json", path, "w"],
                              env=env, capture_output=True, text=True, check=True)
        word = json.loads(done.stderr.rsplit("\x1e", 1)[1])
        self.assertEqual((word["code"], word["rows"]), (0, 2))
        self.assertEqual(word["changed"], [{"schema": "mydb", "name": "w", "what": "created", "rows": 2}])
        self.assertEqual(json.loads(done.stdout)["rows"], 2)
        done = subprocess.run([os.path.join(harness.BIN, "perigee"), "table", "load", "--json", path, "w"],
                              env=env, capture_output=True, text=True, check=False)
        word = json.loads(done.stderr.rsplit("\x1e", 1)[1])
        self.assertEqual((done.returncode, word["code"] != 0), (1, True))

    def test_quota(self):
        folder = self.w.file("small")
        os.mkdir(folder)
        self.w.env["PERIGEE_SCHEMAS"] = json.dumps(
            [{"name": "mydb", "folder": folder, "write": True, "owner": "ana/persistent",
              "left": 100000, "quota": 100000}])
        try:
            path = self.w.write("q.csv", "x\n" + "".join(f"{i ** 3 % 1000003 / 7}\n" for i in range(40000)))
            self.refuse(path, "q", says="too few")
            self.assertEqual([n for n in os.listdir(folder) if not n.startswith(".lock")], [])
        finally:
            del self.w.env["PERIGEE_SCHEMAS"]

    def test_interrupt(self):
        """What was there stays, and nothing else does."""
        self.load(self.w.write("i.csv", "a\n1\n"), "kept")
        line = "123456789,0.123456789012,abcdefgh\n" * 1000
        with open(self.w.file("i2.csv"), "w") as f:
            f.write("a,b,c\n")
            for _ in range(1500):
                f.write(line)
        p = subprocess.Popen([os.path.join(harness.BIN, "perigee"), "table", "load", "-q",
                              "--overwrite", self.w.file("i2.csv"), "kept"], env=self.w.env,
                             stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        folder = self.w.env["PERIGEE_MYDB"]
        for _ in range(400):  # until it writes
            if any(".new-" in n for n in os.listdir(folder)):
                break
            time.sleep(0.01)
        p.send_signal(signal.SIGINT)
        err = p.communicate()[1]
        self.assertEqual(p.returncode, 130, err)
        self.assertEqual(self.csv("SELECT * FROM mydb.kept"), "a\n1\n")
        self.assertEqual([n for n in os.listdir(folder) if ".new-" in n], [])

    # ---- what is wrong ----

    def test_wrong(self):
        self.refuse(self.w.file("nothing.csv"), "z", says="nothing.csv")
        self.refuse(self.w.path, "z", status=2, says="folder")
        self.refuse(self.w.write("e.csv", ""), "z", says="is empty")
        self.refuse(self.w.write("x.parquet", b"PAR1" + b"\0" * 100), "z", says="x.parquet")
        self.refuse(self.w.write("x.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100), "z", says="x.h5")
        self.refuse(self.w.write("y.csv", b"PAR1" + b"\0" * 100), "z", says='"format": parquet')
        whole = gzip.compress(b"a,b\n" + b"1,2\n" * 100000)
        self.refuse(self.w.write("cut.csv.gz", whole[:len(whole) // 2]), "z", says="cut off")
        self.refuse("--format", "cvs", self.w.write("a1.csv", "a\n1\n"), "z", status=2, says="did you mean")
        self.refuse(self.w.write("r.csv", "a,b\n1,2\n3\n"), "z", says="line 3 of")
        self.assertEqual(self.run_("show", "z").status, 1)


if __name__ == "__main__":
    harness.main()
