"""Statements that write tables of one's own: the same statement in plain DuckDB leaves the same
table; what is refused, and that it changes nothing; views, parameters, scripts."""
import json
import os
import random
import signal
import subprocess
import time

import h5py

import harness

TYPES = [("k", "INTEGER"), ("big", "BIGINT"), ("u", "UBIGINT"), ("f", "FLOAT"), ("d", "DOUBLE"),
         ("dec", "DECIMAL(9,3)"), ("b", "BOOLEAN"), ("t", "VARCHAR"), ("day", "DATE"),
         ("moment", "TIMESTAMP"), ("v", "DOUBLE[3]"), ("l", "INTEGER[]"),
         ("s", "STRUCT(x INTEGER, y VARCHAR)")]


def rows_text(rng, n):
    """VALUES for a table of TYPES: edges of each type, NULLs, and what is between."""
    texts = ["''", "'it''s'", "'ä\n\"b\",c'", "'NULL'", "'0123'", "'--'"]

    def one(name):
        if name != "k" and rng.random() < 0.15:
            return "NULL"
        return {
            "k": lambda: str(rng.randint(0, 20)),
            "big": lambda: rng.choice(["9223372036854775807", "-9223372036854775808", "0",
                                       str(rng.randint(-2**60, 2**60))]),
            "u": lambda: rng.choice(["18446744073709551615", "0", str(rng.randint(0, 2**64 - 1))]),
            "f": lambda: rng.choice(["'nan'", "'inf'", "-0.5", "1e30", "0.1"]),
            "d": lambda: rng.choice(["'nan'", "'-inf'", "0.1", "1e300", "5e-324",
                                     repr(rng.random())]),
            "dec": lambda: rng.choice(["999999.999", "-0.001", str(rng.randint(-9999, 9999))]),
            "b": lambda: rng.choice(["true", "false"]),
            "t": lambda: rng.choice(texts),
            "day": lambda: rng.choice(["'2024-02-29'", "'0044-03-15 (BC)'", "'1970-01-01'"]),
            "moment": lambda: rng.choice(["'2024-02-29 12:34:56.789012'", "'infinity'",
                                      "'1901-01-01'"]),
            "v": lambda: f"[{rng.random()!r}, {rng.randint(0, 9)}, -1.5]",
            "l": lambda: rng.choice(["[]", "[1, NULL, 3]", f"[{rng.randint(0, 9)}]"]),
            "s": lambda: rng.choice(["{'x': 1, 'y': 'a'}", "{'x': NULL, 'y': ''}"]),
        }[name]()

    return ", ".join(f"({', '.join(one(name) for name, _ in TYPES)})" for _ in range(n))


# Statements on mydb.t, in this order, and which rows an UPDATE changes, as a condition. With
# a 2: by two ranks too (an mpirun for each SELECT), one for each way rows go from rank to rank.
CHANGES = [
    ("INSERT INTO mydb.t (k, t) VALUES (100, 'new'), (101, DEFAULT)", None, 2),
    ("INSERT INTO t (d, k) SELECT k / 2.0, k FROM mydb.t WHERE k < 3", None, 2),
    ("INSERT INTO mydb.t BY NAME SELECT 'x' AS t, k + 1000 AS K FROM mydb.t WHERE k = 4", None),
    ("INSERT INTO mydb.t (t) VALUES (1), ('a'), (2.5), (DATE '2020-01-01')", None),
    ("INSERT INTO mydb.t (f) VALUES (1), ('nan'), (1e10), (NULL)", None),
    ("WITH q AS (SELECT 7 AS k) INSERT INTO mydb.t (k) FROM q", None),
    ("INSERT INTO mydb.t (k) (WITH q AS (SELECT 8 AS k) SELECT k FROM q UNION ALL SELECT 9)", None),
    ("UPDATE mydb.t SET d = d * 2 WHERE k > 10", "k > 10", 2),
    ("UPDATE t SET d = k, f = d, dec = NULL WHERE isnan(d) OR k IS NULL", "isnan(d) OR k IS NULL"),
    ("UPDATE mydb.t x SET big = -1, t = x.t || '!' WHERE x.big IS DISTINCT FROM 0 AND x.k = 3",
     "big IS DISTINCT FROM 0 AND k = 3"),
    ("UPDATE mydb.t SET v = [1, 2, k], l = [k], s = {'x': k, 'y': 'é'} WHERE k = 5", "k = 5", 2),
    ("UPDATE mydb.t SET v = NULL WHERE k = 6", "k = 6"),
    ("UPDATE mydb.t SET (k, big) = (k + 1, DEFAULT) WHERE k = 101", "k = 101"),
    ("UPDATE mydb.t SET moment = moment + INTERVAL 1 DAY, day = day + 1 WHERE year(moment) < 2030",
     "year(moment) < 2030"),
    ("UPDATE mydb.t SET u = (SELECT max(k) FROM mydb.t), b = CASE WHEN b THEN false END",
     "true", 2),
    ("UPDATE mydb.t SET t = c.name FROM (VALUES (1, 'one'), (2, 'two')) c(i, name) WHERE k = c.i",
     "k IN (1, 2)"),
    ("WITH q AS (SELECT 3 AS i, [7.0, 8.0, 9.0] AS w) "
     "UPDATE mydb.t AS x SET v = q.w, d = q.i + x.k FROM q WHERE x.k = q.i", "k = 3"),
    ("UPDATE mydb.t SET l = s.l FROM mydb.s WHERE t.k = s.k AND s.k < 5",
     "k IN (SELECT k FROM mydb.s WHERE k < 5)", 2),
    ("DELETE FROM mydb.t WHERE d > 1e299", None, 2),
    ("DELETE FROM t AS x WHERE x.k = 9 OR x.t = 'a'", None),
    ("DELETE FROM mydb.t USING mydb.s WHERE t.k = s.k AND s.k BETWEEN 10 AND 12", None, 2),
    ("WITH q AS (SELECT 13 AS i) DELETE FROM mydb.t USING q WHERE k = i", None),
    ("DELETE FROM mydb.t WHERE k IN (SELECT k FROM mydb.s WHERE k = 14)", None),
    ("DELETE FROM mydb.t WHERE k = 15 AND EXISTS (SELECT 1 FROM mydb.s WHERE s.k = t.k)", None, 2),
    ("ALTER TABLE mydb.t ADD COLUMN n INTEGER DEFAULT 40 + 2", None, 2),
    ("ALTER TABLE mydb.t ADD COLUMN IF NOT EXISTS k INTEGER", None),
    ("ALTER TABLE mydb.t DROP COLUMN b", None),
    ("ALTER TABLE mydb.t RENAME COLUMN day TO date_of", None),
    ("ALTER TABLE mydb.t ALTER COLUMN k TYPE BIGINT", None, 2),
    ("ALTER TABLE mydb.t ALTER COLUMN n SET DATA TYPE VARCHAR USING n || ' apples'", None),
    ("CREATE TABLE mydb.u AS SELECT k, count(*) AS n, avg(d) AS m FROM mydb.t GROUP BY k", None, 2),
    ("INSERT INTO mydb.u SELECT k, 0, NULL FROM mydb.u", None, 2),
    ("TRUNCATE mydb.s", None, 2),
    ("INSERT INTO mydb.s SELECT * FROM mydb.u", "error"),
    ("DELETE FROM mydb.t", None),
    ("DROP TABLE mydb.u", None),
]

# These fail, here and there, and change nothing.
BAD = [
    ("INSERT INTO mydb.t (k) VALUES ('abc')", "abc"),
    ("INSERT INTO mydb.t (k) VALUES (3000000000)", "3000000000"),
    ("INSERT INTO mydb.t (k) SELECT 'x' || k FROM mydb.t", "x"),
    ("INSERT INTO mydb.t (k, nope) VALUES (1, 2)", 'no column "nope"'),
    ("INSERT INTO mydb.t (k, k) VALUES (1, 2)", "named twice"),
    ("INSERT INTO mydb.t VALUES (1, 2)", "has 13 columns, and the row has 2"),
    ("INSERT INTO mydb.t (k) VALUES (1, 2)", "is given 1 column, and the row has 2"),
    ("INSERT INTO mydb.t (k, d) SELECT 1, 2, 3", "and the SELECT gives 3 values"),
    ("INSERT INTO mydb.t BY NAME SELECT 1 AS nope", 'no column "nope"'),
    ("UPDATE mydb.t SET nope = 1", 'no column "nope"'),
    ("UPDATE mydb.t SET k = 1, K = 2", "named twice"),
    ("UPDATE mydb.t SET k = 'abc' WHERE k = 1", "abc"),
    ("UPDATE mydb.t SET k = nope", "nope"),
    ("UPDATE mydb.t SET k = sum(k)", "is of many rows"),
    ("UPDATE mydb.t SET k = 1 WHERE (SELECT 1, 2)", "columns"),
    ("DELETE FROM mydb.t WHERE nope = 1", "nope"),
    ("DELETE FROM mydb.nope", 'no table "nope"'),
    ("INSERT INTO mydb.nope VALUES (1)", 'no table "nope"'),
    ("ALTER TABLE mydb.t DROP COLUMN nope", 'no column "nope"'),
    ("ALTER TABLE mydb.t RENAME k TO big", "already"),
    ("ALTER TABLE mydb.t ALTER t TYPE INTEGER", "Could not convert"),
    ("ALTER TABLE mydb.t ADD x NOTYPE", 'the type of "x" is not possible'),
    ("CREATE TABLE mydb.t AS SELECT 1 AS a", "already"),
    ("CREATE TABLE mydb.x (a NOTYPE)", 'the type of "a" is not possible'),
    ("CREATE TABLE mydb.x AS SELECT * FROM mydb.nope", 'no table "nope"'),
    ("CREATE VIEW mydb.x AS SELECT nope FROM mydb.t", "nope"),
]


class World(harness.Case):
    @classmethod
    def run_sql(cls, sql, *options, **more):
        """Done, and the object that says how it ended."""
        done = cls.w.run("query", "--here", *options, "--", sql,
                         env={"PERIGEE_WORD": "1", **more.pop("env", {})}, **more)
        return done, json.loads(done.err.rsplit("\x1e", 1)[1])

    def do(self, sql, *options, **more):
        done, word = self.run_sql(sql, *options, **more)
        self.assertEqual(done.status, 0, f"{sql}\n{done.err}")
        return word["changed"]

    def refused(self, sql, sentence, *options, **more):
        done, word = self.run_sql(sql, *options, **more)
        self.assertNotEqual(done.status, 0, sql)
        self.assertIn(sentence, word["text"], sql)
        return word

    def rows(self, sql, *options):
        return self.w.query(sql, "--here", *(options or ("-n", 1)))[1]


def in_order(rows):
    return sorted(rows, key=lambda r: [(v is None, v or "") for v in r])


class SameAsDuckDB(World):
    LOOK = "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM mydb.{}"

    def start(self, ranks):
        rng = random.Random(ranks)
        self.ref = harness.Ref()
        self.addCleanup(self.ref.close)
        self.ref.exec("CREATE SCHEMA mydb; SET search_path = 'mydb'")
        self.options = ("-n", ranks)
        columns = ", ".join(f"{n} {t}" for n, t in TYPES)
        sql = (f"CREATE OR REPLACE TABLE mydb.t ({columns});"
               f"INSERT INTO mydb.t VALUES {rows_text(rng, 60)};"
               "CREATE OR REPLACE TABLE mydb.s AS "
               "SELECT k, [k, -k] AS l FROM mydb.t GROUP BY k")
        self.ref.exec(sql)
        self.do(sql)
        self.compare("t", types=True)
        self.compare("s")

    def compare(self, table, after="", types=False, got=None):
        sql = self.LOOK.format(table)
        names, want = self.ref.query(sql)
        ours, got = got or self.w.query(sql, "--here", "-n", 1)
        self.assertEqual((ours, in_order(got)), (names, in_order(want)), after)
        if types:
            sql = f"SELECT {', '.join(f'typeof({n})' for n in names)} FROM mydb.{table} LIMIT 1"
            self.assertEqual(self.rows(sql), self.ref.query(sql)[1], after)

    def count(self, table, where="true"):
        return int(self.ref.query(f"SELECT count(*) FROM mydb.{table} WHERE {where}")[1][0][0])

    def change(self, sql, condition):
        words = sql.split()
        changed = next(w for w in words if w.startswith(("mydb.", "t")) and w[-1] != ",")
        table = changed.replace("mydb.", "")
        if condition == "error":
            self.run_sql(sql, *self.options)
            with self.assertRaises(AssertionError):
                self.ref.exec(sql)
            return
        before = self.count(table) if "CREATE" not in sql else 0
        hit = self.count(table, condition) if condition else 0
        self.ref.exec(sql)
        if "DROP TABLE" in sql:
            self.assertEqual([c["what"] for c in self.do(sql)], ["dropped"])
            return
        done, word = self.run_sql(f"{sql};\n{self.LOOK.format(table)}", "--format", "csv", *self.options)
        self.assertEqual(done.status, 0, f"{sql}\n{done.err}")
        got, seen = word["changed"], harness.parse_csv(done.out)
        self.compare(table, sql, "ALTER" in sql or "CREATE" in sql, (seen[0], seen[1:]))
        if condition:
            self.assertEqual([(c["what"], c["rows"]) for c in got], [("updated", hit)], sql)
        elif "ALTER" not in sql:
            self.assertEqual(got[0]["rows"], abs(self.count(table) - before), sql)

    def test_one_process(self):
        self.start(1)
        for sql, condition, *_ in CHANGES:
            self.change(sql, condition)

    def test_two_ranks(self):
        """Those that say so, several in one script, then a look."""
        self.start(2)
        script = [sql for sql, _, *ranks in CHANGES if ranks]
        for part in (script[:5], script[5:9], script[9:]):
            self.ref.exec(";\n".join(part))
            self.do(";\n".join(part), *self.options)
            self.compare("t", part[-1], types=True)
        for table in "su":
            self.compare(table)

    def test_bad(self):
        self.start(1)
        before = sorted(os.listdir(self.w.file("mydb")))
        for sql, sentence in BAD:
            with self.subTest(sql=sql):
                word = self.refused(sql, sentence)
                self.assertNotIn("peri_", word["text"])
                with self.assertRaises(AssertionError):
                    self.ref.exec(sql)
        self.compare("t", types=True)
        left = [n for n in os.listdir(self.w.file("mydb")) if n not in before]
        self.assertEqual([n for n in left if not n.startswith(".lock-")], [])


class Tables(World):
    """What is said of a table stays with it; where tables come from and go to."""

    def setUp(self):
        self.addCleanup(self.empty)

    def empty(self):
        folder = self.w.file("mydb")
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            os.unlink(os.path.join(folder, name))

    @classmethod
    def prepare(cls):
        added = cls.w.run("dataset", "add", os.path.join(harness.EXAMPLE, "gadget4_run64.yaml"))
        assert added.status == 0, added.err

    def columns(self, name):
        with h5py.File(self.w.file("mydb", name + ".h5")) as f:
            return {c: {k: f[c].attrs.get(k) for k in ("unit", "description", "ucd", "sql_type")}
                    for c in f.attrs["columns"]}

    def query_of(self, name):
        with h5py.File(self.w.file("mydb", name + ".h5")) as f:
            return f.attrs["query"]

    def test_into(self):
        sql = "SELECT GroupPos AS p, GroupMass * 2 AS m INTO MyDB.G FROM gadget4_run64.groups WHERE snapnum = 23 AND GroupMass > 500"
        for ranks in (1, 2):
            changed = self.do(sql, "-n", ranks)
            n = int(self.rows("SELECT count(*) FROM gadget4_run64.groups WHERE snapnum = 23 AND GroupMass > 500")[0][0])
            self.assertEqual(changed, [{"schema": "mydb", "name": "g", "what": "created", "rows": n}])
            self.assertEqual(self.query_of("g"), sql)
            self.assertEqual(self.rows("SELECT count(*), min(m) > 1000 FROM mydb.g"),
                             [[str(n), "true"]])
            self.do("DROP TABLE g")
        self.assertEqual([n for n in os.listdir(self.w.file("mydb")) if n[0] != "."], [])

    def test_words_about_columns_stay(self):
        said = {"unit": "cMpc/h", "description": "where", "ucd": "pos.cartesian",
                "sql_type": "FLOAT[3]"}
        self.do("CREATE TABLE g AS SELECT GroupPos AS p, DATE '2020-01-01' AS day, 1 AS n "
                "FROM gadget4_run64.groups LIMIT 3")
        self.do("COMMENT ON TABLE g IS 'Gruppen: ä'; COMMENT ON COLUMN g.n IS 'how many'")
        done = self.w.run("table", "describe", "g", "--here", "--ucd", "p=pos.cartesian",
                          "--column", "p=where")
        self.assertEqual(done.status, 0, done.err)
        for sql in ("UPDATE g SET p = [1, 2, 3], n = 2 WHERE n = 1",
                    "UPDATE g SET p = s.p FROM (SELECT p FROM mydb.g LIMIT 1) s",
                    "INSERT INTO g (n) VALUES (5)", "DELETE FROM g WHERE n = 5",
                    "ALTER TABLE g ADD COLUMN m DOUBLE", "TRUNCATE g"):
            self.do(sql)
            self.assertEqual(self.columns("g")["p"], said, sql)
            self.assertEqual(self.columns("g")["n"]["description"], "how many", sql)
            self.assertIn("days since", self.columns("g")["day"]["unit"])
            with h5py.File(self.w.file("mydb", "g.h5")) as f:
                self.assertEqual(f.attrs["description"], "Gruppen: ä", sql)
            self.assertEqual(self.query_of("g"), sql)
        self.do("ALTER TABLE g RENAME COLUMN p TO pos; ALTER TABLE g ALTER day TYPE VARCHAR")
        self.assertEqual(self.columns("g")["pos"], said)
        self.assertIsNone(self.columns("g")["day"]["unit"])
        self.do("COMMENT ON COLUMN g.n IS NULL; ALTER TABLE g RENAME TO h")
        self.assertIsNone(self.columns("h")["n"]["description"])

    def test_odd_names(self):
        self.do('CREATE TABLE o ("a b" INTEGER, "c/d" DOUBLE, "e.f" VARCHAR, "G""h" INTEGER, '
                '"select" INTEGER, "nulls" INTEGER, "row" INTEGER)')
        self.do("""INSERT INTO o VALUES (1, 2, '3', 4, 5, 6, 7), (1, NULL, 'x', 0, 0, 0, 0);
                   UPDATE o SET "c/d" = "a b" + 1, "e.f" = 'ä', "SELECT" = 9 WHERE "G""h" = 4;
                   UPDATE o SET "nulls" = s.v FROM (VALUES (7, 70)) s(k, v) WHERE o."row" = s.k;
                   ALTER TABLE o RENAME "c/d" TO "c.d"; ALTER TABLE o DROP "G""h" """)
        names, rows = self.w.query("SELECT * FROM mydb.o ORDER BY nulls", "--here")
        self.assertEqual(names, ["a b", "c.d", "e.f", "select", "nulls", "row"])
        self.assertEqual(rows, [["1", None, "x", "0", "0", "0"], ["1", "2.0", "ä", "9", "70", "7"]])
        # Its own column for counting finds another name.
        self.do("CREATE TABLE c AS SELECT range AS peri_changed, 1 AS peri_changed_ FROM range(9)")
        self.assertEqual(self.do("UPDATE c SET peri_changed = 5 WHERE peri_changed > 6")[0]["rows"], 2)
        self.assertEqual(self.do("UPDATE c SET peri_changed_ = NULL FROM (VALUES (5)) s(v) "
                                 "WHERE peri_changed = s.v")[0]["rows"], 3)
        self.assertEqual(self.w.query("SELECT count(*), count(peri_changed_) FROM mydb.c", "--here"),
                         (["count_star()", 'count(peri_changed_)'], [["9", "6"]]))
        self.do('ALTER TABLE o ADD COLUMN idx INTEGER')
        self.refused("UPDATE o SET nulls = 1 FROM (VALUES (1)) s(v)", "called row and idx")

    def test_kernels(self):
        self.do("CREATE VIEW p AS SELECT Coordinates AS pos FROM dm", "-c", "gadget4_run64")
        made = self.do("SELECT * INTO halos FROM fof('mydb.p', b => 0.2, box => 50)", "-n", 2)
        more = self.do("INSERT INTO halos SELECT * FROM fof('SELECT pos FROM mydb.p WHERE pos[1] < 9', "
                       "b => 0.2)", "-n", 2)
        self.assertEqual(self.rows("SELECT count(*) FROM mydb.halos"),
                         [[str(made[0]["rows"] + more[0]["rows"])]])
        self.refused("CREATE VIEW h AS SELECT * FROM fof('mydb.p', b => 0.2)", "calls no kernels")
        self.refused("INSERT INTO halos SELECT 1, * FROM fof('mydb.p', b => 0.2)", "number", "-n", 2)
        for _ in range(2):
            done = self.w.run("run", "fof", "mydb.p", "--b", "0.1", "--into", "mydb.h2", "-n", 2)
        self.assertEqual(done.status, 1)
        self.assertIn("already", done.err)
        self.assertIn("SELECT * FROM fof('mydb.p'", self.query_of("h2"))
        done = self.w.run("query", "--into", "mydb.h2", "--overwrite", "SELECT 1 AS one", "--here")
        self.assertEqual((done.status, self.rows("SELECT * FROM mydb.h2")), (0, [["1"]]))

    def test_explain(self):
        self.do("CREATE TABLE e AS SELECT 1 AS a")
        for sql, words in (("UPDATE e SET a = 2 WHERE a = 1", "CASE"), ("DROP TABLE e", ""),
                           ("SELECT a INTO f FROM mydb.e", "mydb.e")):
            done = self.w.run("query", "--here", "--explain", sql)
            self.assertEqual(done.status, 0, done.err)
            self.assertIn(words, done.out)
        self.assertEqual(self.rows("SELECT a FROM mydb.e"), [["1"]])
        self.assertFalse(os.path.exists(self.w.file("mydb", "f.h5")))

    # -- views --

    def test_views(self):
        self.do("CREATE TABLE t AS SELECT range AS a, range % 3 AS b FROM range(10);"
                "CREATE VIEW v AS SELECT a, b FROM mydb.t WHERE a > 2;"
                "CREATE VIEW w (x, y) AS SELECT b, count(*) FROM mydb.v GROUP BY b")
        for ranks in (1, 2):  # by two only the last three: a view is gone before it is spread
            for sql, want in (
                    ("SELECT count(*), min(mydb.v.a) FROM mydb.v", [["7", "3"]]),
                    ("SELECT q.a FROM mydb.v AS q JOIN MYDB.t USING (a) WHERE q.b = 1", [["4"], ["7"]]),
                    ("SELECT x, y FROM mydb.w ORDER BY x", [["0", "3"], ["1", "2"], ["2", "2"]]),
                    ("SELECT a FROM mydb.t WHERE a IN (SELECT y FROM mydb.w)", [["2"], ["3"]]),
                    ("WITH v AS (SELECT 1 AS a) SELECT v.a, n.c FROM v, "
                     "(SELECT count(*) AS c FROM mydb.v) n", [["1", "7"]]),
                    ("SELECT z FROM mydb.v AS k(z, u) WHERE z = 5", [["5"]]),
                    ("SELECT count(*) FROM v", [["7"]]))[0 if ranks == 1 else -3:]:
                with self.subTest(sql=sql, ranks=ranks):
                    self.assertEqual(sorted(self.rows(sql, "-n", ranks, "-c", "mydb")), want)
        self.assertEqual(self.do("DELETE FROM t USING mydb.w WHERE a = w.y")[0]["rows"], 2)
        self.do("CREATE OR REPLACE VIEW v AS SELECT 1 AS a, 2 AS b; ALTER VIEW w RENAME TO u")
        self.assertEqual(self.rows("SELECT * FROM mydb.u"), [["2", "1"]])
        self.do("DROP VIEW v")
        self.refused("SELECT * FROM mydb.u", 'no table "v" in mydb')

    def test_views_go_in_no_circle(self):
        self.do("CREATE TABLE t AS SELECT 1 AS a; CREATE VIEW v0 AS SELECT a FROM mydb.t;" +
                "".join(f"CREATE VIEW v{i} AS SELECT a FROM mydb.v{i - 1};" for i in range(1, 8)))
        self.assertEqual(self.rows("SELECT a FROM mydb.v7"), [["1"]])
        self.refused("CREATE VIEW v8 AS SELECT a FROM mydb.v7", "8 deep")
        self.refused("CREATE OR REPLACE VIEW v0 AS SELECT a FROM mydb.v3", "circle")
        self.refused("CREATE OR REPLACE VIEW v0 AS SELECT a FROM mydb.v0", "circle")
        with open(self.w.file("mydb", "v0.view.sql"), "w", encoding="utf-8") as f:
            f.write("SELECT a FROM mydb.v7")
        self.refused("SELECT a FROM mydb.v3", "circle")
        many = " UNION ALL ".join(["SELECT a FROM mydb.{}"] * 12)
        self.do("CREATE OR REPLACE VIEW v0 AS SELECT a FROM mydb.t; CREATE VIEW b0 AS " +
                many.format(*["t"] * 12) + ";CREATE VIEW b1 AS " + many.format(*["b0"] * 12))
        self.refused("CREATE VIEW b2 AS " + many.format(*["b1"] * 12), "500 tables")
        for text in ("DROP TABLE mydb.t", "SELECT 1; SELECT 2", "SELECT * FROM read_text('/etc/passwd')",
                     "nonsense"):
            with open(self.w.file("mydb", "v0.view.sql"), "w", encoding="utf-8") as f:
                f.write(text)
            done, word = self.run_sql("SELECT * FROM mydb.v0")
            self.assertNotEqual(done.status, 0, text)
            self.assertNotIn("root:", done.out + done.err)

    def test_views_mean_the_same_elsewhere(self):
        file = os.path.relpath(f"{harness.EXAMPLE}/groups_023", self.w.path)
        self.do("CREATE VIEW g AS SELECT count(*) AS n FROM groups", "-c", "gadget4_run64")
        self.do(f"CREATE VIEW f AS WITH groups AS (FROM '{file}/fof_subhalo_tab_023.*.hdf5:/Group') SELECT count(*) AS n FROM groups",
                "-c", "gadget4_run64")
        for view, where in (("g", "true"), ("f", "snapnum = 23")):
            n = self.rows(f"SELECT count(*) FROM gadget4_run64.groups WHERE {where}")
            done = self.w.run("query", "--here", "--format", "csv", f"SELECT n FROM mydb.{view}", cwd="/")
            self.assertEqual(done.out, f"n\n{n[0][0]}\n", done.err)

    # -- schemas --

    def test_others(self):
        bob = self.w.file("bob")
        os.makedirs(bob, exist_ok=True)
        mine = [{"name": "mydb", "folder": bob, "write": True}]
        self.do("CREATE TABLE t AS SELECT 7 AS a; CREATE VIEW v AS SELECT a FROM mydb.t",
                env={"PERIGEE_SCHEMAS": json.dumps(mine)})
        schemas = [{"name": "mydb", "folder": self.w.file("mydb"), "write": True},
                   {"name": "gadget4_run64", "folder": bob, "write": True},
                   {"name": "bob", "folder": bob, "write": False, "owner": "bob/persistent"}]
        env = {"PERIGEE_SCHEMAS": json.dumps(schemas)}
        self.do("CREATE TABLE t AS SELECT 5 AS a", env=env)
        done, _ = self.run_sql("SELECT v.a, t.a FROM bob.v, mydb.t", "--format", "csv", env=env)
        self.assertEqual(done.out.split()[-1], "7,5", "mydb in bob's view is not ours")
        for sql, sentence in (("INSERT INTO bob.t VALUES (1)", "belongs to bob/persistent"),
                              ("DROP VIEW bob.v", "belongs to bob/persistent"),
                              ("CREATE TABLE bob.x AS SELECT 1 AS a", "belongs to bob/persistent"),
                              ("SELECT 1 AS a INTO bib.x", "did you mean bob"),
                              ("DELETE FROM gadget4_run64.groups", "gadget4_run64 is a dataset")):
            self.refused(sql, sentence, env=env)
        self.assertEqual(sorted(n for n in os.listdir(bob) if n[0] != "."), ["t.h5", "v.view.sql"])

    def test_quota(self):
        schemas = [{"name": "mydb", "folder": self.w.file("mydb"), "write": True,
                    "owner": "ana/persistent", "left": 100000, "quota": 200000, "spare": 1000000}]
        env = {"PERIGEE_SCHEMAS": json.dumps(schemas)}
        self.do("CREATE TABLE t AS SELECT range AS a FROM range(1000)", env=env)
        for sql in ("SELECT random() AS r INTO x FROM range(100000)",
                    "INSERT INTO t SELECT hash(range) % 1000000000 FROM range(100000)",
                    "CREATE TABLE x AS SELECT random() AS r FROM range(30000000)"):
            word = self.refused(sql, "too few", env=env)
            self.assertEqual(word["code"], 13)
        self.assertEqual(self.rows("SELECT count(*), max(a) FROM mydb.t"), [["1000", "999"]])
        self.assertEqual(sorted(n for n in os.listdir(self.w.file("mydb")) if "lock" not in n), ["t.h5"])

    # -- scripts and parameters --

    def test_script(self):
        sql = """-- a script
            CREATE TABLE IF NOT EXISTS s (a INTEGER); /* ; */ INSERT INTO s VALUES (1), (2);
            SELECT 'not;shown';
            SELECT sum(a) AS n FROM mydb.s; DROP TABLE s; DROP TABLE IF EXISTS s;"""
        done, word = self.run_sql(sql, "--format", "csv")
        self.assertEqual(done.out, "n\n3\n")
        self.assertEqual([c["what"] for c in word["changed"]], ["created", "inserted", "dropped"])
        self.refused("CREATE TABLE s AS SELECT 1 AS a;\nSELECT nope FROM mydb.s",
                     "statement 2 of 2, in line 2")
        self.assertEqual(self.rows("SELECT a FROM mydb.s"), [["1"]], "the first is done")
        word = self.refused("DROP TABLE s;\n\nUPDATE s SET a = = 3", "line 3, column 18")
        self.assertIn("UPDATE s SET a = = 3\n", word["text"])
        self.refused("DROP TABLE s; COPY s TO 'x'", "COPY statements are refused")
        self.refused("DROP TABLE s; BEGIN", "each statement is whole by itself")
        self.assertEqual(self.rows("SELECT a FROM mydb.s"), [["1"]], "mistakes are told first")
        self.refused("SELECT 1 AS a; SELECT 2 AS a", "one SELECT", "--into", "mydb.z")

    def test_parameters(self):
        done = self.w.run("query", "--here", "--format", "csv", "--param", "n=5", "--param", "s=it's",
                          "--param", "x=-1.5", "--param", 'q="5"', "--param", "z=null",
                          "SELECT $n + 1 AS a, $s AS b, 2-$x AS c, typeof($q) AS d, $z AS e, '$n' AS f")
        self.assertEqual(done.out, "a,b,c,d,e,f\n6,it's,3.5,VARCHAR,,$n\n", done.err)
        self.do("CREATE TABLE p AS SELECT $n AS n", "--param", "n=3")
        self.assertEqual(self.query_of("p"), "CREATE TABLE p AS SELECT 3 AS n")
        self.refused("SELECT $n AS a", "the parameter $n has no value")
        self.refused("SELECT 1 AS a", "no parameter $n", "--param", "n=3")

    # -- two at a time, killed --

    def test_two_writers(self):
        self.do("CREATE TABLE c (a INTEGER)")
        words = [os.path.join(harness.BIN, "perigee"), "query", "--here", "-q"]
        all_ = [subprocess.Popen([*words, f"INSERT INTO c SELECT {i} FROM range(1000)"],
                                 env=self.w.env, cwd=self.w.path, stdin=subprocess.DEVNULL)
                for i in range(6)]
        self.assertEqual([p.wait(60) for p in all_], [0] * 6)
        self.assertEqual(self.rows("SELECT count(*), count(DISTINCT a) FROM mydb.c"), [["6000", "6"]])

    def test_killed(self):
        self.do("CREATE TABLE k AS SELECT 1 AS a")
        words = [os.path.join(harness.BIN, "perigee"), "query", "--here", "-q", "-n"]
        slow = "UPDATE k SET a = (SELECT count(*) FROM range(1000000) x, range(1000000) y WHERE x.range + y.range = a)"
        for ranks, sig in (("1", signal.SIGINT), ("1", signal.SIGKILL), ("2", signal.SIGTERM)):
            p = subprocess.Popen([*words, ranks, slow], env=self.w.env, cwd=self.w.path,
                                 stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(0.4)
            p.send_signal(sig)
            p.communicate(timeout=30)
            self.assertEqual(p.returncode, -9 if sig == signal.SIGKILL else 130)
            self.assertEqual(self.rows("SELECT a FROM mydb.k"), [["1"]])
        self.do("UPDATE k SET a = 2")
        self.assertEqual(sorted(os.listdir(self.w.file("mydb"))), ["k.h5"])
        self.refused(slow, "time limit", "--timeout", "1s")


if __name__ == "__main__":
    harness.main()
