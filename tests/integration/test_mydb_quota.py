#!/usr/bin/env python3
"""A quota that is full in the middle of INTO, of an upload, of an INSERT, and a disk that really is: the table is as
it was before, nothing is left behind, and the sentence says how much was needed.
"""
import hashlib
import json
import os
import random
import re
import subprocess
import time
import unittest

import h5py

import harness
from harness import Workplace
from portal_world import Portal

SIZE = r"[0-9.]+ [kMG]?B"
# As core/mydb/change.c has it: what it would take, what is left of what, where; how much is too few.
SENTENCE = re.compile(rf"would take ({SIZE})( more)?, and ({SIZE}) are left of ({SIZE}) in "
                      rf"(\S+) \(({SIZE}) too few\); (mydb\.\w+) is (as it was|not made)")
MAKE = "CREATE TABLE mydb.t AS SELECT range AS i, random() AS x FROM range(1000)"
LARGE = MAKE.replace("1000", "70000")  # 0.6 MB; rows are added to a copy of it
FILL = "SELECT range AS i, random() AS x FROM range(200000)"  # 3.2 MB that cannot be made smaller


def content(folder):
    """What is in a schema's folder, but for locks."""
    found = {}
    for name in os.listdir(folder):
        if not name.startswith(".lock-"):
            with open(os.path.join(folder, name), "rb") as f:
                found[name] = hashlib.sha256(f.read()).hexdigest()
    return found


def random_csv(rows):
    """8 bytes a row that cannot be made smaller."""
    rng = random.Random(1)
    return "i,x\n" + "".join(f"{i},{rng.random()!r}\n" for i in range(rows))


class Local(unittest.TestCase):
    """The command itself, as it is in a sandbox: PERIGEE_SCHEMAS says what is left."""

    def setUp(self):
        self.w = Workplace()
        self.addCleanup(self.w.close)
        self.folder = self.w.file("mydb")
        os.mkdir(self.folder)

    def query(self, sql, left=None):
        schema = {"name": "mydb", "folder": self.folder, "write": True, "owner": "ana/persistent"}
        if left is not None:
            schema.update(left=left, quota=10**7)
        return self.w.run("query", sql, env={"PERIGEE_SCHEMAS": json.dumps([schema])})

    def load(self, path, *options, left=None):
        schema = {"name": "mydb", "folder": self.folder, "write": True, "owner": "ana/persistent",
                  "left": left, "quota": 10**7}
        return self.w.run("table", "load", path, *options, env={"PERIGEE_SCHEMAS": json.dumps([schema])})

    def refused(self, done, table="mydb.t", before=None):
        self.assertNotEqual(done.status, 0)
        said = SENTENCE.search(done.err)
        self.assertTrue(said, done.err)
        self.assertEqual(said[7], table)
        self.assertEqual(said[8], "as it was" if before else "not made")
        self.assertEqual(content(self.folder), before or {})

    def csv(self, rows):
        return self.w.write("big.csv", random_csv(rows))

    def test_new(self):
        self.refused(self.query(f"CREATE TABLE mydb.t AS {FILL}", left=1000000))
        self.refused(self.query(FILL.replace("FROM", "INTO mydb.t FROM"), left=1000000))
        self.refused(self.load(self.csv(100000), "t", left=500000))
        self.assertEqual(self.query(f"CREATE TABLE mydb.t AS {FILL}", left=10**7).status, 0)

    def test_change(self):
        made = self.query(MAKE, left=10**6)
        self.assertEqual(made.status, 0, made.err)
        before = content(self.folder)
        big = self.csv(100000)
        for sql in (f"INSERT INTO mydb.t {FILL}", f"CREATE OR REPLACE TABLE mydb.t AS {FILL}",
                    "ALTER TABLE mydb.t ADD COLUMN more VARCHAR DEFAULT repeat('x', 2000)"):
            with self.subTest(sql=sql):
                self.refused(self.query(sql, left=500000), before=before)
        self.refused(self.load(big, "t", "--append", left=500000), before=before)
        # What takes no more is done also if nothing is left.
        less = self.query("DELETE FROM mydb.t WHERE i >= 500", left=0)
        self.assertEqual(less.status, 0, less.err)
        self.assertEqual(self.query("DROP TABLE mydb.t", left=0).status, 0)

    def test_added(self):
        """To a copy of a table's file: it is there twice meanwhile, and counts once."""
        made = self.query(LARGE, left=10**6)
        self.assertEqual(made.status, 0, made.err)
        before = content(self.folder)
        self.refused(self.query("INSERT INTO mydb.t VALUES (1, 2)", left=0), before=before)
        self.refused(self.query(f"INSERT INTO mydb.t {FILL}", left=500000), before=before)
        self.refused(self.load(self.csv(100000), "t", "--append", left=500000), before=before)
        done = self.query("INSERT INTO mydb.t VALUES (1, 2)", left=100000)
        self.assertEqual(done.status, 0, done.err)
        with h5py.File(os.path.join(self.folder, "t.h5")) as f:
            self.assertIn("compact_size", f.attrs)

    def test_statements_before_it_stay(self):
        done = self.query(f"{MAKE}; INSERT INTO mydb.t SELECT 7, 7; INSERT INTO mydb.t {FILL}; DROP TABLE mydb.t",
                          left=500000)
        self.assertTrue(SENTENCE.search(done.err), done)
        self.assertEqual(self.query("SELECT 'n=' || count(*)::VARCHAR FROM mydb.t").out.count("n=1001"), 1)

    def test_disk(self):
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", self.folder], capture_output=True,
                                 check=False)
        if mounted.returncode:
            self.skipTest("a full disk was not tried: no right to mount a small one")
        self.addCleanup(subprocess.run, ["umount", self.folder], check=True)
        made = self.query(MAKE)
        self.assertEqual(made.status, 0, made.err)
        self.full(content(self.folder))
        self.assertEqual(self.query("DROP TABLE mydb.t").status, 0)
        # With room for the copy and some of the new rows; and with room for a part of the copy.
        for pad in (0, 1000000):
            made = self.query(LARGE)
            self.assertEqual(made.status, 0, made.err)
            self.w.write("mydb/pad", "x" * pad)
            self.full(content(self.folder))
            self.assertEqual(self.query("DROP TABLE mydb.t").status, 0)

    def full(self, before):
        more = FILL.replace("200000", "1000000")
        for sql in (f"CREATE TABLE mydb.u AS {more}", f"INSERT INTO mydb.t {more}"):
            with self.subTest(sql=sql):
                done = self.query(sql)
                self.assertNotEqual(done.status, 0)
                self.assertRegex(done.err, "(?i)no space|no room|is full")
                self.assertEqual(content(self.folder), before)
        done = self.load(self.csv(400000), "t", "--append", left=10**7)
        self.assertRegex(done.err, "(?i)no space|no room|is full")
        self.assertEqual(content(self.folder), before)


class OverHTTP(unittest.TestCase):
    """An account's quota, in a quick query, an upload, a job."""

    @classmethod
    def setUpClass(cls):
        cls.portal = Portal("limits: {requests_per_minute: 0}\nschedulers: {local: {cores: 2}}\n").up()
        cls.addClassCleanup(cls.portal.close)
        cls.ana = cls.portal.person("ana")
        cls.ana.ok("GET", "/volumes")
        cls.portal.machine.ok("PATCH", "/admin/users/ana", {"quota": 10**6})

    def data(self):
        return self.ana.ok("GET", "/tables/mydb/t/data?format=csv")

    def refused(self, answer):
        self.assertEqual((answer.status, answer.json["code"]), (507, "full"), answer)
        self.assertTrue(SENTENCE.search(answer.json["detail"]), answer.json["detail"])
        self.assertIn("1.0 MB in ana/persistent", answer.json["detail"])

    def refused_job(self, sql, ranks):
        number = self.ana.ok("POST", "/jobs", {"kind": "sql", "sql": sql, "resources": {"ranks": ranks}})["number"]
        until = time.monotonic() + 60
        while (job := self.ana.ok("GET", f"/jobs/{number}"))["state"] not in ("failed", "succeeded"):
            self.assertLess(time.monotonic(), until, job)
            time.sleep(0.1)
        said = self.ana.ok("GET", f"/jobs/{number}/logs?stream=stderr").decode()
        self.assertEqual(job["state"], "failed")
        self.assertTrue(SENTENCE.search(said), said)

    def test_quota(self):
        ana = self.ana
        ana.ok("POST", "/query", {"sql": MAKE})
        before = self.data()
        for sql in (f"INSERT INTO mydb.t {FILL}", FILL.replace("FROM", "INTO mydb.u FROM")):
            with self.subTest(sql=sql):
                self.refused(ana.post("/query", {"sql": sql}))
        rows = random_csv(200000)
        for how in ("append=1", "overwrite=1"):
            with self.subTest(how=how):
                self.refused(ana.put(f"/tables/mydb/t?format=csv&{how}", rows, headers={"Content-Type": "text/csv"}))
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                self.refused_job(f"INSERT INTO mydb.t {FILL}", ranks)
        self.assertEqual(self.data(), before)
        self.assertEqual([t["name"] for t in ana.ok("GET", "/tables?schema=mydb")["tables"]], ["t"])
        # What is written counts at once, so that many small ones are not more than the quota.
        made = []
        while (a := ana.post("/query", {"sql": f"CREATE TABLE mydb.s{len(made)} AS SELECT random() AS x FROM "
                                               "range(40000)"})).status == 200:
            made.append(f"s{len(made)}")
            self.assertLess(len(made), 20)
        self.refused(a)
        tables = {t["name"]: t["bytes"] for t in ana.ok("GET", "/tables?schema=mydb")["tables"]}
        self.assertEqual(set(tables), {"t", *made})
        self.assertTrue(10**6 - 2 * tables["s0"] < sum(tables.values()) <= 10**6, tables)
        ana.ok("POST", "/query", {"sql": "DROP TABLE mydb.s0"})
        ana.ok("POST", "/query", {"sql": "CREATE TABLE mydb.again AS SELECT random() AS x FROM range(40000)"})


if __name__ == "__main__":
    harness.main()
