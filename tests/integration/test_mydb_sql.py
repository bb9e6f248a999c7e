"""Statements that write tables of one's own: the same statement in plain DuckDB leaves the same
table; what is refused, and that it changes nothing; views, parameters, scripts."""
import json
import os
import random
import unittest

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


# Statements on mydb.t, in this order; $n is how many rows an UPDATE changes, as a condition.
CHANGES = [
    ("INSERT INTO mydb.t (k, t) VALUES (100, 'new'), (101, DEFAULT)", None),
    ("INSERT INTO t (d, k) SELECT k / 2.0, k FROM mydb.t WHERE k < 3", None),
    ("INSERT INTO mydb.t BY NAME SELECT 'x' AS t, k + 1000 AS K FROM mydb.t WHERE k = 4", None),
    ("INSERT INTO mydb.t (t) VALUES (1), ('a'), (2.5), (DATE '2020-01-01')", None),
    ("INSERT INTO mydb.t (f) VALUES (1), ('nan'), (1e10), (NULL)", None),
    ("WITH q AS (SELECT 7 AS k) INSERT INTO mydb.t (k) FROM q", None),
    ("INSERT INTO mydb.t (k) (WITH q AS (SELECT 8 AS k) SELECT k FROM q UNION ALL SELECT 9)", None),
    ("UPDATE mydb.t SET d = d * 2 WHERE k > 10", "k > 10"),
    ("UPDATE t SET d = k, f = d, dec = NULL WHERE isnan(d) OR k IS NULL", "isnan(d) OR k IS NULL"),
    ("UPDATE mydb.t x SET big = -1, t = x.t || '!' WHERE x.big IS DISTINCT FROM 0 AND x.k = 3",
     "big IS DISTINCT FROM 0 AND k = 3"),
    ("UPDATE mydb.t SET v = [1, 2, k], l = [k], s = {'x': k, 'y': 'é'} WHERE k = 5", "k = 5"),
    ("UPDATE mydb.t SET v = NULL WHERE k = 6", "k = 6"),
    ("UPDATE mydb.t SET (k, big) = (k + 1, DEFAULT) WHERE k = 101", "k = 101"),
    ("UPDATE mydb.t SET moment = moment + INTERVAL 1 DAY, day = day + 1 WHERE year(moment) < 2030",
     "year(moment) < 2030"),
    ("UPDATE mydb.t SET u = (SELECT max(k) FROM mydb.t), b = CASE WHEN b THEN false END",
     "true"),
    ("UPDATE mydb.t SET t = c.name FROM (VALUES (1, 'one'), (2, 'two')) c(i, name) WHERE k = c.i",
     "k IN (1, 2)"),
    ("WITH q AS (SELECT 3 AS i, [7.0, 8.0, 9.0] AS w) "
     "UPDATE mydb.t AS x SET v = q.w, d = q.i + x.k FROM q WHERE x.k = q.i", "k = 3"),
    ("UPDATE mydb.t SET l = s.l FROM mydb.s WHERE t.k = s.k AND s.k < 5",
     "k IN (SELECT k FROM mydb.s WHERE k < 5)"),
    ("DELETE FROM mydb.t WHERE d > 1e299", None),
    ("DELETE FROM t AS x WHERE x.k = 9 OR x.t = 'a'", None),
    ("DELETE FROM mydb.t USING mydb.s WHERE t.k = s.k AND s.k BETWEEN 10 AND 12", None),
    ("WITH q AS (SELECT 13 AS i) DELETE FROM mydb.t USING q WHERE k = i", None),
    ("DELETE FROM mydb.t WHERE k IN (SELECT k FROM mydb.s WHERE k = 14)", None),
    ("DELETE FROM mydb.t WHERE k = 15 AND EXISTS (SELECT 1 FROM mydb.s WHERE s.k = t.k)", None),
    ("ALTER TABLE mydb.t ADD COLUMN n INTEGER DEFAULT 40 + 2", None),
    ("ALTER TABLE mydb.t ADD COLUMN IF NOT EXISTS k INTEGER", None),
    ("ALTER TABLE mydb.t DROP COLUMN b", None),
    ("ALTER TABLE mydb.t RENAME COLUMN day TO date_of", None),
    ("ALTER TABLE mydb.t ALTER COLUMN k TYPE BIGINT", None),
    ("ALTER TABLE mydb.t ALTER COLUMN n SET DATA TYPE VARCHAR USING n || ' apples'", None),
    ("CREATE TABLE mydb.u AS SELECT k, count(*) AS n, avg(d) AS m FROM mydb.t GROUP BY k", None),
    ("INSERT INTO mydb.u SELECT k, 0, NULL FROM mydb.u", None),
    ("TRUNCATE mydb.s", None),
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
    ("UPDATE mydb.t SET k = 1 WHERE k", None),
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
        done = cls.w.run("query", "--here", *options, sql,
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


def table_of(ask, table):
    names, rows = ask(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM mydb.{table}")
    types = ask(f"SELECT {', '.join(f'typeof({n})' for n in names)} FROM mydb.{table} LIMIT 1")[1]
    return names, types, sorted(rows, key=lambda r: [(v is None, v or "") for v in r])


class SameAsDuckDB(World):
    def start(self, ranks):
        rng = random.Random(ranks)
        self.ref = harness.Ref()
        self.addCleanup(self.ref.close)
        self.ref.exec("CREATE SCHEMA mydb; SET search_path = 'mydb'")
        self.options = ("-n", ranks)
        columns = ", ".join(f"{n} {t}" for n, t in TYPES)
        for sql in (f"CREATE OR REPLACE TABLE mydb.t ({columns})",
                    f"INSERT INTO mydb.t VALUES {rows_text(rng, 60)}",
                    "CREATE OR REPLACE TABLE mydb.s AS "
                    "SELECT k, [k, -k] AS l FROM mydb.t GROUP BY k"):
            self.ref.exec(sql)
            self.do(sql, *self.options)
        self.compare("t")
        self.compare("s")

    def ours(self, sql):
        return self.w.query(sql, "--here", "-n", 1)

    def compare(self, table, after=""):
        self.assertEqual(table_of(self.ours, table), table_of(self.ref.query, table), after)

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
        got = self.do(sql, *self.options)
        if "DROP TABLE" in sql:
            self.assertEqual([c["what"] for c in got], ["dropped"])
            return
        self.compare(table, sql)
        if condition:
            self.assertEqual([(c["what"], c["rows"]) for c in got], [("updated", hit)], sql)
        elif "ALTER" not in sql:
            self.assertEqual(got[0]["rows"], abs(self.count(table) - before), sql)

    def run_all(self, ranks):
        self.start(ranks)
        for sql, condition in CHANGES:
            self.change(sql, condition)

    def test_one_process(self):
        self.run_all(1)

    def test_two_ranks(self):
        self.run_all(2)

    def test_bad(self):
        self.start(1)
        before = sorted(os.listdir(self.w.file("mydb")))
        for sql, sentence in BAD:
            with self.subTest(sql=sql):
                if sentence is None:
                    continue
                word = self.refused(sql, sentence)
                self.assertIn("mydb.", word["text"] + "mydb.")
                with self.assertRaises(AssertionError):
                    self.ref.exec(sql)
        self.compare("t")
        left = [n for n in os.listdir(self.w.file("mydb")) if n not in before]
        self.assertEqual([n for n in left if not n.startswith(".lock-")], [])


if __name__ == "__main__":
    harness.main()
