"""`perigee table` without a portal: listing, showing, describing, renaming, deleting and getting tables
that queries have written; schemas that the environment names; what a program is told; strange
files in the folder; readers on two ranks while the table is replaced."""
import json
import os
import threading
import time
import unittest

import h5py
import numpy as np

import harness

SELECT = """SELECT i AS id, i / 2 AS ra, CASE WHEN i % 3 <> 0 THEN i::SMALLINT END AS n,
  (i / 8)::DECIMAL(9,3) AS d, 'ü' || i AS name FROM (SELECT range AS i FROM range(1000))"""


class Tables(unittest.TestCase):
    def setUp(self):
        self.w = harness.Workplace()
        self.addCleanup(self.w.close)
        self.db = self.w.env["PERIGEE_MYDB"]
        os.makedirs(self.db)
        self.make("stars")

    def make(self, name, sql=SELECT):
        self.ok("query", "-q", "--into", f"{self.db}/{name}.h5", "--overwrite", sql)

    def run_it(self, *args, **env):
        return self.w.run(*args, env={"PERIGEE_PORTAL": "local", **env})

    def ok(self, *args, **env):
        done = self.run_it(*args, **env)
        self.assertEqual(done.status, 0, done.err)
        return done.out

    def fails(self, *args, says, status=1, **env):
        done = self.run_it(*args, **env)
        self.assertEqual(done.status, status, done.out + done.err)
        self.assertIn(says, done.err)
        self.assertEqual(done.out, "")

    def show(self, name, **env):
        return json.loads(self.ok("table", "show", "--json", name, **env))

    # ---- what there is

    def test_list_and_show(self):
        self.make("bright")
        self.ok("query", "CREATE VIEW mydb.v AS SELECT id FROM mydb.stars")
        said = json.loads(self.ok("table", "ls", "--json"))
        self.assertEqual(said["schemas"], [{"name": "mydb", "owner": "", "write": True, "left": None, "quota": None}])
        self.assertEqual([(t["name"], t["kind"], t.get("rows"), t.get("columns")) for t in said["tables"]],
                         [("bright", "table", 1000, 5), ("stars", "table", 1000, 5), ("v", "view", None, None)])
        for t in said["tables"][:2]:
            st = os.stat(f"{self.db}/{t['name']}.h5")
            self.assertEqual(t["bytes"], st.st_size)
            self.assertAlmostEqual(t["modified"], st.st_mtime, places=3)
        text = self.ok("table", "ls")
        self.assertRegex(text, r"mydb\.stars +1,000 +5 ")
        stars = self.show("STARS")
        self.assertEqual([(c["name"], c["type"], c["nulls"]) for c in stars["columns"]],
                         [("id", "BIGINT", False), ("ra", "DOUBLE", False), ("n", "SMALLINT", True),
                          ("d", "DECIMAL(9,3)", False), ("name", "VARCHAR", False)])
        self.assertEqual(stars["query"], SELECT)
        view = self.show("mydb.v")
        self.assertIn("SELECT id FROM mydb.stars", view["sql"])
        self.assertEqual([(c["name"], c["type"]) for c in view["columns"]], [("id", "BIGINT")])
        self.ok("query", "-q", "COMMENT ON VIEW mydb.v IS 'Only numbers'")
        self.assertRegex(self.ok("table", "ls"), r"mydb\.v +view .*Only numbers")
        view = self.show("v")
        self.assertEqual((view["description"], view["sql"]), ("Only numbers", "SELECT id FROM mydb.stars"))
        self.ok("table", "describe", "v", "--text", "Or -- not\nonly")
        self.assertEqual(self.show("v")["description"], "Or -- not\nonly")
        self.assertEqual(self.w.query("SELECT count(*) FROM mydb.v")[1], [["1000"]])
        self.fails("table", "describe", "v", "--unit", "id=m", says="its columns are described where they come from")
        self.fails("query", "COMMENT ON TABLE mydb.v IS 'x'", says="mydb.v is a view: write COMMENT ON VIEW")
        self.fails("query", "COMMENT ON VIEW mydb.stars IS 'x'", says="mydb.stars is a table: write COMMENT ON TABLE")
        self.fails("query", "ALTER TABLE mydb.v RENAME TO w", says="mydb.v is a view: write ALTER VIEW")
        self.ok("table", "mv", "stars", "gone")
        done = self.run_it("table", "show", "--json", "v")
        self.assertIn("its columns cannot be told", done.err)
        self.assertEqual(json.loads(done.out)["columns"], [])
        self.ok("table", "mv", "gone", "stars")
        self.assertIn("DECIMAL(9,3)", self.ok("table", "show", "stars"))
        self.assertRegex(self.ok("describe", "mydb.Stars"), r"d +DECIMAL\(9,3\).*deflate")
        self.fails("describe", "mydb.stas", says="did you mean mydb.stars?")
        self.fails("table", "show", "stas", says="did you mean mydb.stars?")
        self.w.describe("sky", f"name: sky\nroot: {self.db}\ntables:\n  stars: {{files: stars.h5, path: /}}\n")
        self.addCleanup(os.remove, self.w.file("datasets", "sky.yaml"))
        self.fails("query", "SELECT * FROM STARS", says='no table "STARS" without a dataset; did you mean '
                   "mydb.stars, sky.STARS?")
        self.fails("query", "SELECT * FROM star", says="or mydb.table, choose one with --context")
        self.fails("table", "show", "other.stars", says='no schema "other"')
        self.fails("table", "show", "a-b", says="cannot be the name of a table", status=2)
        self.fails("table", "ls", "nobody", says='no schema "nobody"')

    def test_nothing_yet(self):
        none = self.w.file("none")
        self.assertEqual(json.loads(self.ok("table", "ls", "--json", PERIGEE_MYDB=none))["tables"], [])
        self.assertFalse(os.path.exists(none))
        self.fails("query", "SELECT * FROM mydb.t", says="which has no tables yet", PERIGEE_MYDB=none)

    # ---- rows

    def test_get(self):
        names, rows = self.w.query("SELECT * FROM mydb.stars")
        self.assertEqual(len(rows), 1000)
        out = harness.parse_csv(self.ok("table", "get", "stars"))
        self.assertEqual(out, [names] + rows)
        self.assertEqual(json.loads(self.ok("table", "get", "--json", "stars"))[4],
                         {"id": 4, "ra": 2.0, "n": 4, "d": 0.5, "name": "ü4"})
        into = self.w.file("stars.parquet")
        self.ok("table", "get", "stars", "-o", into)
        self.fails("table", "get", "stars", "-o", into, says="exists already", status=2)
        self.ok("table", "get", "stars", "-o", into, "--overwrite")
        self.ok("query", "CREATE VIEW mydb.v AS SELECT id FROM mydb.stars WHERE id < 2")
        self.assertEqual(self.ok("table", "get", "v"), "id\n0\n1\n")

    # ---- changes

    def test_describe(self):
        before = h5py.File(f"{self.db}/stars.h5")
        self.ok("table", "describe", "stars", "--text", "Mine, ä", "--unit", "RA=deg", "--ucd", "ra=pos.eq.ra",
                "--column", "n=a = b")
        with h5py.File(f"{self.db}/stars.h5") as f:
            self.assertEqual(f.attrs["description"], "Mine, ä")
            self.assertEqual((f["ra"].attrs["unit"], f["ra"].attrs["ucd"]), ("deg", "pos.eq.ra"))
            self.assertEqual(f["n"].attrs["description"], "a = b")
            self.assertEqual(set(f), set(before))
            for name in ("id", "ra", "n", "d", "nulls/n"):
                np.testing.assert_array_equal(f[name][:], before[name][:])
                self.assertEqual(f[name].chunks, before[name].chunks)
            self.assertEqual(f.attrs["query"], SELECT)
            np.testing.assert_array_equal(f.attrs["columns"], before.attrs["columns"])
        before.close()
        # They go with the column into what is made of it.
        self.ok("query", "SELECT ra AS x INTO mydb.t FROM mydb.stars")
        column = self.show("t")["columns"][0]
        self.assertEqual((column["name"], column["unit"], column["ucd"]), ("x", "deg", "pos.eq.ra"))
        shown = json.loads(self.ok("table", "describe", "stars", "--unit", "ra=", "--json"))
        self.assertEqual(shown["columns"][1]["unit"], "")
        self.assertEqual(shown["description"], "Mine, ä")
        self.fails("table", "describe", "stars", "--unit", "rb=deg", says="did you mean ra?")
        self.fails("table", "describe", "stars", "--unit", "deg", says="COLUMN=TEXT", status=2)
        self.fails("table", "describe", "stars", says="say what to note", status=2)

    def test_mv_rm(self):
        self.make("other")
        self.assertEqual(self.ok("table", "mv", "stars", "Sterne"), "mydb.stars is mydb.sterne now\n")
        self.fails("table", "mv", "sterne", "other", says="there is a table mydb.other already")
        self.fails("table", "mv", "sterne", "ana.x", says="stays in its schema", status=2)
        self.fails("table", "rm", "stars", says='no table "stars"')
        done = self.run_it("table", "rm", "nothing", "other", "sterne")
        self.assertEqual((done.status, done.out), (1, "mydb.other is deleted\nmydb.sterne is deleted\n"))
        self.assertEqual([f for f in os.listdir(self.db) if not f.startswith(".lock-")], [])

    # ---- who may do what

    def schemas(self, **more):
        mine, hers = self.db, self.w.file("hers")
        os.makedirs(hers, exist_ok=True)
        return json.dumps([{"name": "mydb", "folder": mine, "write": True, "owner": "ana/persistent", **more},
                           {"name": "ben", "folder": hers, "owner": "ben/persistent"},
                           {"name": "user:ben", "folder": hers, "owner": "ben/persistent"}])

    def test_schemas(self):
        env = {"PERIGEE_SCHEMAS": self.schemas()}
        os.rename(f"{self.db}/stars.h5", self.w.file("hers", "stars.h5"))
        self.make("mine")
        said = json.loads(self.ok("table", "ls", "--json", **env))
        self.assertEqual([f"{t['schema']}.{t['name']}" for t in said["tables"]], ["mydb.mine", "ben.stars"])
        self.assertEqual(self.ok("query", "-q", "--format", "csv",
                                 'SELECT count(*) AS n FROM BEN.Stars JOIN "user:ben".stars USING (id) '
                                 "JOIN mydb.mine USING (id)", **env), "n\n1000\n")
        for words in (["rm", "ben.stars"], ["mv", "ben.stars", "x"], ["describe", "ben.stars", "--text", "x"]):
            self.fails("table", *words, says="yours to read only", **env)
        self.fails("query", "SELECT * FROM bem.stars", says="did you mean ben?", **env)
        self.fails("query", "SELECT * FROM ben.sters", says="did you mean ben.stars?", **env)
        self.fails("table", "ls", says="PERIGEE_SCHEMAS is not a JSON array", status=2, PERIGEE_SCHEMAS="[")
        self.fails("query", "SELECT * FROM mydb.t", says="PERIGEE_SCHEMAS is not a JSON array", status=2,
                   PERIGEE_SCHEMAS="[")
        # A dataset counts before a schema, but never before mydb.
        for name in ("ben", "mydb"):
            self.w.describe(name, f"name: {name}\nroot: {self.w.path}\ntables:\n  stars:\n    files: nowhere.h5\n    path: /\n")
        self.fails("query", "SELECT * FROM ben.stars", says="nowhere.h5", **env)
        self.assertEqual(self.ok("query", "-q", "--format", "csv", "SELECT count(*) AS n FROM mydb.mine", **env),
                         "n\n1000\n")

    def test_quota(self):
        size = os.stat(f"{self.db}/stars.h5").st_size
        env = {"PERIGEE_SCHEMAS": self.schemas(left=size // 2, quota=2 * size)}
        self.fails("query", "-q", "SELECT * INTO mydb.t FROM mydb.stars", says="too few); mydb.t is not made", **env)
        # One that is dropped makes room for the next statement.
        self.ok("query", "-q", "DROP TABLE mydb.stars; SELECT range AS x INTO mydb.t FROM range(1000)", **env)

    def test_word(self):
        env = {"PERIGEE_WORD": "1"}

        def word(*words):
            done = self.run_it(*words, **env)
            last = done.err.rstrip("\n").split("\n")[-1]
            self.assertEqual(last[0], "\x1e", done.err)
            return done, json.loads(last[1:])

        done, said = word("query", "--format", "csv", "SELECT id FROM mydb.stars LIMIT 2")
        self.assertEqual((done.status, done.out), (0, "id\n0\n1\n"))
        self.assertEqual((said["code"], said["rows"], said["cut"], said["changed"]), (0, 2, None, []))
        done, said = word("query", "SELECT id FROM mydb.nothing")
        self.assertEqual((done.status, said["code"]), (1, 2))
        self.assertIn('no table "nothing"', said["text"])
        self.assertEqual(done.err.count("nothing"), 1)  # the sentence is told once
        self.assertEqual(word("table", "mv", "stars", "t")[1]["changed"],
                         [{"schema": "mydb", "name": "t", "what": "renamed"}])
        self.assertEqual(word("table", "describe", "t", "--text", "x")[1]["changed"],
                         [{"schema": "mydb", "name": "t", "what": "described"}])
        self.assertEqual(word("table", "rm", "t")[1]["changed"],
                         [{"schema": "mydb", "name": "t", "what": "dropped"}])
        done, said = word("table", "get", "t")
        self.assertEqual((done.status, said["code"]), (1, 2))
        self.assertEqual(word("table", "ls", "--wrong")[1]["code"], 1)

    # ---- strange files

    def test_strange_files(self):
        with open(f"{self.db}/stars.h5", "rb") as f:
            whole = f.read()
        for name, content in (("empty", b""), ("cut", whole[:len(whole) // 2]), ("text", b"hello\n" * 1000)):
            with open(f"{self.db}/{name}.h5", "wb") as f:
                f.write(content)
        with h5py.File(f"{self.db}/groups.h5", "w") as f:
            f["a/x"] = np.arange(3)
        with h5py.File(f"{self.db}/ragged.h5", "w") as f:
            f["x"], f["y"] = np.arange(3), np.arange(4)
        with h5py.File(f"{self.db}/away.h5", "w") as f:
            f["x"] = h5py.ExternalLink(harness.EXAMPLE + "/nothing.h5", "/x")
            f["y"] = np.arange(3)
        os.symlink(f"{self.db}/stars.h5", f"{self.db}/link.h5")
        os.mkfifo(f"{self.db}/pipe.h5")
        os.mkdir(f"{self.db}/folder.h5")
        tables = {t["name"]: t for t in json.loads(self.ok("table", "ls", "--json"))["tables"]}
        self.assertEqual(sorted(tables), ["away", "cut", "empty", "groups", "ragged", "stars", "text"])
        for name, says in (("empty", "is empty"), ("cut", "is truncated"), ("text", "not an HDF5 file")):
            self.assertIn(says, tables[name]["error"])
            self.fails("query", f"SELECT * FROM mydb.{name}", says=says)
            self.fails("table", "show", name, says=says)
        self.assertEqual(tables["stars"]["rows"], 1000)
        self.fails("query", "SELECT * FROM mydb.ragged", says="different lengths", status=2)
        for name in ("link", "pipe", "folder"):
            self.fails("query", f"SELECT * FROM mydb.{name}", says=f'no table "{name}"')
            self.fails("table", "rm", name, says="rename or remove it")
            self.fails("query", f"CREATE OR REPLACE TABLE mydb.{name} AS SELECT 1 AS x", says="rename or remove it")
        self.ok("table", "rm", "empty", "cut", "text")

    def test_nothing_is_done_to_the_terminal(self):
        """By descriptions, SQL, names and units that others write."""
        esc, c1 = "\x1b]0;x\x07", "\x9b31m"
        self.make("evil", f"SELECT 1 AS \"a{esc}\", '{esc}{c1}' AS v")
        self.ok("query", "-q", f"COMMENT ON TABLE mydb.evil IS '{esc}{c1}'")
        self.ok("table", "describe", "evil", "--unit", f"v={esc}", "--column", f"v={c1}")
        self.ok("query", "-q", f"CREATE VIEW mydb.evil_view AS SELECT '{esc}' AS v")
        for words in (("table", "ls"), ("table", "show", "evil"), ("table", "show", "evil_view"),
                      ("describe", "mydb.evil"), ("query", "--format", "table", "SELECT * FROM mydb.evil"),
                      ("query", f'SELECT "{esc}" FROM mydb.evil'), ("query", "SELECT b FROM mydb.evil")):
            with self.subTest(words=words):
                done = self.run_it(*words)
                for said in (done.out, done.err):
                    self.assertFalse({c for c in said if c in "\x1b\x07\x9b"}, said)
        self.ok("table", "rm", "evil", "evil_view")

    # ---- readers on several ranks

    def test_ranks_read_one_version(self):
        """Each version says which one it is in every row, and how many rows it has."""
        stop, wrong = threading.Event(), []
        for v in (0, 1):
            self.make(f"v{v}", f"SELECT {v} AS v FROM range({300000 + v})")

        def write():
            for i in range(10**6):
                if stop.wait(0.15):
                    return
                os.link(f"{self.db}/v{i % 2}.h5", f"{self.db}/.next")
                os.rename(f"{self.db}/.next", f"{self.db}/t.h5")
        self.make("t", "SELECT 0 AS v FROM range(300000)")
        writer = threading.Thread(target=write)
        writer.start()
        reads, refused = 0, 0
        until = time.monotonic() + (60 if os.environ.get("PERIGEE_BIG") else 3)
        try:
            while time.monotonic() < until or reads < 3:
                done = self.run_it("query", "-q", "-n", "2", "--into", "out.csv", "--overwrite",
                                   "SELECT min(a.v) AS low, max(b.v) AS high, count(*) AS n FROM mydb.t a, "
                                   "(SELECT max(v) AS v FROM mydb.T) b")
                if done.status:  # twice just then: told, never a mixture
                    self.assertIn("was changed while it was read", done.err)
                    refused += 1
                    self.assertLess(refused, 20)
                    continue
                low, high, n = map(int, harness.parse_csv(harness.text_of(self.w.file("out.csv")))[1])
                if not (low == high and n == 300000 + low):
                    wrong.append((low, high, n))
                reads += 1
        finally:
            stop.set()
            writer.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    harness.main()
