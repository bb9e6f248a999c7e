"""Whatever is wrong - files, SQL, options, limits, disks - the command says so in a sentence,
exits with a status that is not 0, prints no rows and leaves nothing behind.
"""
import os
import random
import subprocess
import time

import h5py
import numpy as np

import harness
from harness import BIN, SOURCE, text_of

NOBODY = 65534

# Beside the statements of tests/unit/data/sql/hostile.sql: what only a whole command can leak.
HOSTILE = """
SELECT * FROM '/etc/passwd'
SELECT * FROM '/etc/*.csv'
SELECT * FROM '/proc/self/environ:/T'
SELECT (SELECT content FROM read_text('/etc/passwd'))
SELECT count(*) FROM (SELECT * FROM read_csv('/etc/passwd')) AS x
SELECT list_transform([1], a -> (SELECT count(*) FROM read_text('/etc/passwd')))
WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x
SELECT * FROM peri_r0
SELECT * FROM peri_scan(0)
INSERT INTO 'good.hdf5:/T' VALUES (1)
DELETE FROM 'good.hdf5:/T'
COPY (SELECT * FROM 'good.hdf5:/T') TO 'out.csv'
EXPLAIN ANALYZE SELECT 1
""".strip().splitlines()

# Of these the planner takes none, but a script may have them.
HARMLESS = ("SELECT 1; SELECT 2", "CREATE VIEW v AS SELECT 1",
            "SELECT ';' AS \"a;b\" /* ; */; DROP TABLE groups")


def hostile_statements():
    """Paragraphs of a comment line and a statement; "SELECT groups" there needs a context."""
    for paragraph in text_of(f"{SOURCE}/tests/unit/data/sql/hostile.sql").split("\n\n"):
        lines = [x for x in paragraph.splitlines() if not x.startswith("--")]
        if lines and "\n".join(lines) not in HARMLESS:
            yield "\n".join(lines)


def write_table(path, rows=1000, **columns):
    with h5py.File(path, "w") as f:
        g = f.create_group("T")
        for name, v in (columns or {"a": np.arange(rows), "mass": np.ones(rows)}).items():
            g[name] = v


class BadInput(harness.Case):
    @classmethod
    def prepare(cls):
        w = cls.w
        os.chmod(w.path, 0o755)
        write_table(w.file("good.hdf5"))
        rng = np.random.default_rng(1)
        write_table(w.file("big.hdf5"), a=np.arange(3_000_000), mass=rng.random(3_000_000))
        with open(w.file("good.hdf5"), "rb") as f:
            cls.good = f.read()

    def setUp(self):
        self.before = set(os.listdir(self.w.path))

    def tearDown(self):
        super().tearDown()
        self.assertEqual(set(os.listdir(self.w.path)) - self.before - {"state", "mydb"}, set(),
                         "something was left in the working folder")

    def refused(self, words, *args, status=None, **more):
        """The command fails as it should; every one of words (any of a tuple) is in what
        it says."""
        done = self.w.run(*args, **more)
        said = done.err.lower()
        self.assertNotEqual(done.status, 0, f"{args} succeeded: {done.out[:200]}")
        self.assertGreater(done.status, 0, f"{args}: killed by a signal; {done.err}")
        if status is not None:
            self.assertEqual(done.status, status, done.err)
        self.assertEqual(done.out, "")
        self.assertTrue(said.strip(), f"{args}: nothing was said")
        for word in words:
            some = word if isinstance(word, tuple) else (word,)
            self.assertTrue(any(s.lower() in said for s in some), f"{some} not in: {done.err}")
        for bad in ("internal error", "assertion", "sanitizer", "stack trace", "traceback"):
            self.assertNotIn(bad, said)
        return done

    def bad_sql(self, words, sql, *options, **more):
        return self.refused(words, "query", *options, sql, **more)

    # -- files --

    def make_bad(self, name, data):
        path = self.w.write(name, data)
        self.addCleanup(os.unlink, path)
        self.before.add(name)
        return path

    def test_files(self):
        rng = random.Random(4)
        noise = bytes(rng.randrange(256) for _ in range(20000))
        for name, data, words in (
                ("empty.hdf5", b"", [("empty", "0 bytes")]),
                ("short.hdf5", self.good[:100], [("truncated", "damaged", "not an hdf5")]),
                ("cut.hdf5", self.good[:len(self.good) // 2], ["truncated"]),
                ("noise.hdf5", noise, [("not an hdf5", "not hdf5")]),
                ("text.hdf5", b"a,b\n1,2\n" * 100, [("not an hdf5", "not hdf5")]),
                ("head.hdf5", self.good[:8] + noise, [("damaged", "truncated", "not")])):
            self.make_bad(name, data)
            with self.subTest(file=name):
                self.bad_sql([name] + words, f"SELECT count(*) FROM '{name}:/T'")
                self.refused([name] + words, "describe", name)
                self.bad_sql([name] + words, f"SELECT count(*) FROM '{name}:/T'", "-n", 2)

    def test_places(self):
        self.bad_sql(["nowhere.hdf5"], "SELECT 1 FROM 'nowhere.hdf5:/T'")
        self.bad_sql(["*.h5"], "SELECT 1 FROM '*.h5:/T'")
        self.bad_sql(["tmp"], "SELECT 1 FROM 'tmp:/T'")
        self.refused(["tmp"], "describe", "tmp")
        self.bad_sql(["/U", "/T"], "SELECT 1 FROM 'good.hdf5:/U'")
        self.bad_sql(["/T/mas"], "SELECT 1 FROM 'good.hdf5:/T/mas'")

    def test_names(self):
        self.bad_sql(["mas", "mass"], "SELECT mas FROM 'good.hdf5:/T'", status=2)
        self.w.describe("halo", f"name: halo\ntitle: x\nroot: {self.w.path}\ntables:\n"
                        "  groups:\n    files: [good.hdf5]\n    path: /T\n")
        self.bad_sql(["groups"], "SELECT 1 FROM halo.group")
        self.bad_sql(["halo"], "SELECT 1 FROM hallo.groups")
        self.bad_sql(["hallo", "halo"], "SELECT 1 FROM groups", "--context", "hallo")
        self.refused(["hallo"], "dataset", "describe", "hallo")
        self.refused(["hallo"], "index", "hallo")

    def test_no_permission(self):
        if os.geteuid() != 0:
            path = self.make_bad("secret.hdf5", self.good)
            os.chmod(path, 0)
            self.bad_sql(["secret.hdf5", "permi"], "SELECT 1 FROM 'secret.hdf5:/T'")
            return
        path = self.make_bad("secret.hdf5", self.good)
        os.chmod(path, 0o600)
        os.chmod(self.w.temp, 0o777)
        state = self.w.file("state-nobody")
        os.mkdir(state)
        os.chmod(state, 0o777)
        self.before.add("state-nobody")
        self.bad_sql(["secret.hdf5", "permi"], "SELECT 1 FROM 'secret.hdf5:/T'",
                     user=NOBODY, env={"PERIGEE_STATE": state, "HOME": state})

    def test_missing_file_of_a_set(self):
        for i in (0, 1, 3):
            self.make_bad(f"set.{i}.hdf5", self.good)
        self.bad_sql(["set.2.hdf5", "--allow-missing"], "SELECT 1 FROM 'set.*.hdf5:/T'")
        self.assertEqual(self.w.value("SELECT count(*) FROM 'set.*.hdf5:/T'", "-n", 1,
                                      "--allow-missing"), 3000)

    def test_types_that_differ(self):
        self.make_bad("mix.0.hdf5", self.good)
        write_table(self.make_bad("mix.1.hdf5", b""), a=np.arange(5.0), mass=np.ones(5))
        self.bad_sql(["mix.0.hdf5", "mix.1.hdf5", "a"], "SELECT a FROM 'mix.*.hdf5:/T'")

    def test_out_of_the_root(self):
        inside = self.w.file("datasets")
        link = os.path.join(inside, "link.hdf5")
        with h5py.File(link, "w") as f:
            f["T"] = h5py.ExternalLink(self.w.file("good.hdf5"), "/T")
            f["ok/a"] = np.arange(3)
        raw = os.path.join(inside, "raw.hdf5")
        with h5py.File(raw, "w") as f:
            f.create_dataset("T/a", (8,), "i8", external=[(self.w.file("good.hdf5"), 0, 64)])
        soft = os.path.join(inside, "soft.hdf5")
        os.symlink(self.w.file("good.hdf5"), soft)
        for path in (link, raw, soft):
            self.addCleanup(os.unlink, path)
            with self.subTest(path=path):
                self.bad_sql([("outside", "out of")], f"SELECT count(a) FROM '{path}:/T'",
                             "--root", inside)
        self.assertEqual(self.w.value(f"SELECT sum(a) FROM '{link}:/ok'", "-n", 1, "--root",
                                      inside), 3)
        self.bad_sql([("outside", "out of")], "SELECT 1 FROM 'good.hdf5:/T'", "--root", inside)

    def test_descriptors(self):
        for text, words in (
                ("name: x\ntables: [", ["d.yaml:"]),
                ("name: X y\ntables: {}\n", ["d.yaml:1:", "name"]),
                ("name: d\ntabels: {}\n", ["d.yaml:2:1", "tables"]),
                ("name: d\ntables:\n  t:\n    fils: [a]\n", ["d.yaml:4:", "files"]),
                ("", ["d.yaml"]),
                ("\x00\x01", ["d.yaml"])):
            with self.subTest(text=text):
                self.make_bad("d.yaml", text)
                self.refused(words, "dataset", "add", "d.yaml")
                self.doCleanups()
        self.refused(["nowhere.yaml"], "dataset", "add", "nowhere.yaml")

    # -- statements --

    def test_bad_sql(self):
        for sql in ("SELEC 1", "SELECT FROM WHERE", "SELECT (1", "SELECT 'x", "SELECT 1 +",
                    "SELECT a FROM 'good.hdf5:/T' GROUP", "{not sql}", "SELECT \ud83d FROM"):
            sql = sql.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            with self.subTest(sql=sql):
                self.bad_sql([("^", "error")], sql, status=2)
        self.assertIn("^", self.bad_sql(["line"], "SELECT 1\nFROM WHERE x", status=2).err)
        self.bad_sql([("empty", "no sql", "statement")], "", status=2)
        self.bad_sql([("empty", "no sql", "statement")], "/* nothing */", status=2)
        self.bad_sql(["sum"], "SELECT sum(label) FROM (SELECT 'a' AS label)", status=2)
        self.bad_sql([("cast", "convert")], "SELECT CAST('x' AS INTEGER)")
        self.bad_sql(["aggregate"], "SELECT count(*) FROM 'good.hdf5:/T' WHERE sum(a) > 1")

    def test_hostile(self):
        statements = HOSTILE + list(hostile_statements())
        self.assertGreaterEqual(len(statements), 60)
        for sql in statements:
            with self.subTest(sql=sql):
                done = self.bad_sql([], sql)
                self.assertNotIn("root:", done.err)
                self.assertGreater(len(done.err.split()), 4, "not a sentence")

    def test_deep_and_long(self):
        """Too much of anything is refused, or done; it does not end the program."""
        for sql in ("SELECT " + "(" * 5000 + "1" + ")" * 5000,
                    "SELECT 1" + " + 1" * 25000,
                    "SELECT " + "-" * 1 + " -" * 20000 + "1",
                    "SELECT * FROM " + "(SELECT * FROM " * 2000 + "x" + ")" * 2000,
                    "SELECT 1 WHERE " + "NOT " * 20000 + "true",
                    " UNION ALL ".join(["SELECT 1"] * 5000),
                    "SELECT " + ", ".join("1" for _ in range(2000))):
            with self.subTest(sql=sql[:40]):
                done = self.w.run("query", "--format", "csv", "-f", "-", stdin=sql.encode())
                self.assertIn(done.status, (0, 1, 2), done.err[-300:])
                self.assertNotIn("internal error", done.err.lower())
                self.assertEqual(done.out != "", done.status == 0)
        done = self.w.run("query", "-", stdin=b"SELECT 1" + b" + 1" * 300000)
        self.assertGreater(done.status, 0)

    # -- options --

    def test_options(self):
        for args, words in (
                (["-n", "0"], ["ranks"]), (["-n", "x"], ["ranks"]), (["-t", "-1"], ["threads"]),
                (["--format", "docx"], ["docx", "csv"]), (["--limit", "many"], ["limit"]),
                (["--memory", "lots"], ["lots"]), (["--timeout", "soon"], ["soon"]),
                (["--into", "x.docx"], ["docx", "csv"]), (["--nonsense"], ["nonsense"]),
                (["--root", "nowhere"], ["nowhere"])):
            with self.subTest(args=args):
                self.refused(words, "query", *args, "SELECT 1")
        self.refused(["nonsense"], "nonsense")
        self.refused(["nonsense"], "dataset", "nonsense")
        self.refused([("sql", "query", "statement")], "query")
        self.refused(["nowhere.sql"], "query", "-f", "nowhere.sql")

    def assert_kept(self, path):
        self.assertEqual(text_of(path), "keep me\n")

    def test_into(self):
        old = self.make_bad("old.csv", "keep me\n")
        self.bad_sql(["old.csv", "overwrit"], "SELECT 1", "--into", "old.csv")
        self.assert_kept(old)
        self.bad_sql(["nowhere"], "SELECT 1", "--into", "nowhere/x.csv")
        self.bad_sql(["tmp"], "SELECT 1", "--into", "tmp")
        # A query that fails half-way leaves an old file as it was.
        self.bad_sql([], "SELECT CAST(CASE WHEN a = 2999999 THEN 'x' ELSE '1' END AS INTEGER)"
                     " FROM 'big.hdf5:/T'", "--into", "old.csv", "--overwrite")
        self.assert_kept(old)
        if os.path.isdir("/proc/self"):
            self.bad_sql(["/proc"], "SELECT 1", "--into", "/proc/x.csv")

    def test_disk_full(self):
        small = self.w.file("small")
        os.mkdir(small)
        self.addCleanup(os.rmdir, small)
        self.before.add("small")
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", small],
                               capture_output=True)
        if mount.returncode:
            self.skipTest("a full disk was not tried: no right to mount a small one")
        try:
            for ending in ("csv", "parquet", "h5", "fits", "vot"):
                with self.subTest(ending=ending):
                    self.bad_sql([("space", "full")], "SELECT a, mass FROM 'big.hdf5:/T'",
                                 "--into", f"small/x.{ending}")
                    self.assertEqual(os.listdir(small), [])
        finally:
            subprocess.run(["umount", small], check=True)

    def test_stdout_full(self):
        with open("/dev/full", "w") as full:
            p = subprocess.run([f"{BIN}/perigee", "query", "--format", "csv",
                                "SELECT a FROM 'big.hdf5:/T'"], stdout=full, timeout=60,
                               stderr=subprocess.PIPE, cwd=self.w.path, env=self.w.env)
        self.assertGreater(p.returncode, 0)
        self.assertIn(b"space", p.stderr.lower())

    def test_broken_pipe(self):
        for ranks in ("1", "2"):
            p = subprocess.Popen([f"{BIN}/perigee", "query", "-n", ranks, "--format", "csv",
                                  "SELECT a, mass FROM 'big.hdf5:/T'"], cwd=self.w.path,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=self.w.env)
            self.assertTrue(p.stdout.readline())
            p.stdout.close()
            start = time.monotonic()
            err = p.stderr.read()
            p.stderr.close()
            self.assertNotEqual(p.wait(timeout=20), 0)
            self.assertLess(time.monotonic() - start, 20)
            self.assertNotIn(b"INTERNAL", err)

    # -- limits --

    def test_memory(self):
        self.bad_sql(["memory"], "SELECT length(repeat('x', 1000000000) || "
                     "repeat('y', 1000000000))", "--memory", "200MB")
        self.bad_sql(["memory"], "SELECT count(*) FROM (SELECT list(mass) AS l "
                     "FROM 'big.hdf5:/T' GROUP BY a % 3) WHERE len(l) > 0", "--memory", "20MB",
                     "-t", 1)

    def test_temp_space(self):
        self.bad_sql([("temp", "space", "memory")], "SELECT a, mass FROM 'big.hdf5:/T' "
                     "ORDER BY mass", "--memory", "40MB", "--temp-size", "1MB", "-t", 1,
                     "--into", "sorted.csv")

    def test_time(self):
        slow = "SELECT sum(a.a * b.mass) FROM 'big.hdf5:/T' a, 'big.hdf5:/T' b WHERE " \
               "a.mass + b.mass < 1.5"
        for ranks in (1, 2):
            start = time.monotonic()
            self.bad_sql([("time", "seconds")], slow, "--timeout", "2s", "-n", ranks)
            self.assertLess(time.monotonic() - start, 15)


if __name__ == "__main__":
    harness.main()
