#!/usr/bin/env python3
"""Whose tables a job finds by name: its own, its teams', those that others share, and no others. What it may do
with them, and what is gone when a right is taken away, also while the job waits.
"""
import json
import os
import shlex
import time
import unittest

import harness
from portal_world import Portal


def setUpModule():
    World.portal = Portal("limits: {requests_per_minute: 0}\nschedulers: {local: {cores: 2}}\n"
                          "storage: {persistent_quota: 10GB, team_quota: 5GB}\n").up()
    unittest.addModuleCleanup(World.portal.close)


class World(unittest.TestCase):
    portal = None

    @classmethod
    def person(cls, name):
        who = cls.portal.person(name)
        who.ok("GET", "/volumes")  # they are made when they are first looked for
        return who

    def over(self, who, spec):
        """(state, what it wrote on stdout, on stderr)"""
        number = who.ok("POST", "/jobs", spec)["number"]
        return self.wait(who, number)

    def wait(self, who, number):
        until = time.monotonic() + 60
        while (job := who.ok("GET", f"/jobs/{number}"))["state"] in ("waiting", "queued", "submitting", "running"):
            self.assertLess(time.monotonic(), until, job)
            time.sleep(0.1)
        logs = [who.get(f"/jobs/{number}/logs?stream={s}").body.decode() for s in ("stdout", "stderr")]
        reason = " ".join(t["reason"] or "" for t in job["task_list"])
        return job["state"], logs[0], logs[1] + reason

    def schemas(self, who, **spec):
        state, out, err = self.over(who, dict(spec, kind="script", command=["printenv", "PERIGEE_SCHEMAS"]))
        self.assertEqual(state, "succeeded", err)
        return {s["name"]: s for s in json.loads(out)}

    def share(self, who, what, to, rights):
        who.ok("POST", "/grants", {"kind": "volume", "thing": what, "to": to, "rights": rights})

    def unshare(self, who):
        mine = who.ok("GET", f"/grants?kind=volume&thing={who.name}/persistent:")["grants"]
        for g in mine:
            who.ok("DELETE", f"/grants/{g['id']}")

    def team(self, name, owner, *members, **more):
        owner.ok("POST", "/teams", dict(name=name, **more))
        for m in members:
            owner.ok("POST", f"/teams/{name}/invitations", {"account": m.name})
            m.ok("POST", f"/invitations/{name}/accept")


class Names(World):
    """PERIGEE_SCHEMAS, as a script sees it."""

    @classmethod
    def setUpClass(cls):
        cls.ana, cls.bea, cls.carl = (cls.person(n) for n in ("ana", "bea", "carl-x"))
        cls.writes = cls.ana.ok("POST", "/jobs", {"kind": "script", "command": [
            "sh", "-c", "head -c 3000000 /dev/zero > /volumes/ana/scratch/zeros"]})["number"]

    def test_own(self):
        s = self.schemas(self.ana)
        self.assertEqual(list(s), ["mydb", "ana", "user:ana"])
        left = s["mydb"]["left"]
        self.assertEqual(s["mydb"], {"name": "mydb", "folder": "/volumes/ana/persistent/mydb", "write": True,
                                     "owner": "ana/persistent", "left": left, "quota": 10**10})
        self.assertTrue(0 < left <= 10**10)
        self.assertEqual(s["ana"], dict(s["mydb"], name="ana"))
        mine = {"kind": "script", "command": ["true"], "env": {"PERIGEE_SCHEMAS": "[]"}}
        self.assertEqual(self.ana.post("/jobs", mine).status, 400)

    def test_quota(self):
        """What is left is what no volume of the same quota has taken."""
        boss = self.portal.person("boss", scopes=("all", "admin"), admin=True)
        dora = self.portal.person("dora")
        boss.ok("PATCH", "/admin/users/dora", {"quota": 10**6})
        before = self.schemas(dora)["mydb"]
        dora.ok("POST", "/volumes", {"name": "more"})
        dora.ok("PUT", "/files/dora/persistent/a.bin", b"x" * 200000)
        dora.ok("PUT", "/files/dora/more/b.bin", b"x" * 300000)
        after = self.schemas(dora)["mydb"]
        self.assertEqual(before["quota"], 10**6)
        self.assertEqual(after["quota"], 10**6)
        self.assertTrue(500000 <= before["left"] - after["left"] < 600000, (before, after))

    def test_volumes_that_are_named(self):
        """Its own tables are there also then; those of others only if their volume is named."""
        self.share(self.bea, "bea/persistent:mydb", {"account": "ana"}, ["read"])
        self.addCleanup(self.unshare, self.bea)
        self.assertIn("bea", self.schemas(self.ana))
        s = self.schemas(self.ana, volumes=["scratch"])
        self.assertEqual(list(s), ["mydb", "ana", "user:ana"])
        self.assertTrue(s["mydb"]["write"])
        state, out, err = self.over(self.ana, {"kind": "script", "volumes": ["scratch"], "command": [
            "sh", "-c", "cd /volumes/ana/persistent; ls -A; touch mydb/f && rm mydb/f; touch g"]})
        self.assertEqual((state, out), ("failed", "mydb\n"), err)
        self.assertIn("'g': Read-only", err)
        s = self.schemas(self.ana, volumes=["persistent:ro", "bea/persistent"])
        self.assertEqual(list(s), ["mydb", "ana", "user:ana", "bea", "user:bea"])
        self.assertFalse(s["mydb"]["write"])
        self.assertNotIn("left", s["mydb"])

    def test_team(self):
        gil, hal = self.person("gil"), self.person("hal")
        self.team("mhd", gil, hal)
        self.team("lab", gil, hal, kind="class")
        for who, lectures in ((gil, True), (hal, False)):
            s = self.schemas(who)
            for name in ("mhd", "team:mhd"):
                self.assertEqual(s[name], {"name": name, "folder": "/volumes/team:mhd/files/mydb", "write": True,
                                           "owner": "team:mhd/files", "left": s[name]["left"], "quota": 5 * 10**9})
            self.assertEqual(s["lab"]["folder"], "/volumes/team:lab/lectures/mydb")
            self.assertEqual(s["lab"]["write"], lectures)
        self.assertNotIn("mhd", self.schemas(self.carl))
        hal.ok("POST", "/teams/mhd/leave")
        self.assertNotIn("team:mhd", self.schemas(hal))

    def test_shared_folder(self):
        """As it is shared; what lies elsewhere makes no tables."""
        cases = (("mydb", ["read"], False), ("mydb", ["read", "write"], True), ("", ["read"], False),
                 ("mydb2", ["read"], None), ("other", ["read", "write"], None), ("mydb/deep/x.h5", ["read"], None))
        for path, rights, write in cases:
            with self.subTest(path=path, rights=rights):
                self.share(self.carl, f"carl-x/persistent:{path}", {"account": "bea"}, rights)
                s = self.schemas(self.bea)
                self.unshare(self.carl)
                if write is None:
                    self.assertNotIn("carl-x", s)
                    continue
                self.assertEqual(s["carl-x"]["folder"], "/volumes/carl-x/persistent/mydb")
                self.assertEqual(s["user:carl-x"], dict(s["carl-x"], name="user:carl-x"))
                self.assertIs(s["carl-x"]["write"], write)
                self.assertEqual("left" in s["carl-x"], write)

    def test_shared_table(self):
        """Only it is seen, and it cannot be changed: that takes the folder."""
        for name in ("x.h5", "y.h5", "z.view.sql"):
            self.put(self.ana, "mydb/" + name, name)
        for path, rights in (("mydb/x.h5", ["read"]), ("mydb/z.view.sql", ["read"]), ("mydb/no.h5", ["read"])):
            self.share(self.ana, "ana/persistent:" + path, {"account": "bea"}, rights)
        self.addCleanup(self.unshare, self.ana)
        self.assertIs(self.schemas(self.bea)["ana"]["write"], False)
        state, out, err = self.over(self.bea, {"kind": "script", "command": [
            "sh", "-c", "cd /volumes/ana/persistent; ls -A . mydb; cat mydb/x.h5; cd mydb; mv x.h5 y.h5; touch n; "
            "echo > z.view.sql"]})
        self.assertEqual((state, out), ("failed", ".:\nmydb\n\nmydb:\nx.h5\nz.view.sql\nx.h5"), err)
        self.assertIn("cannot move", err)
        self.assertIn("'n': Read-only", err)
        self.assertIn("z.view.sql: Read-only", err)

    def test_write_on_one_table(self):
        """It cannot be: as a file, it would be changed past the locks of tables."""
        for path, status in (("mydb/x.h5", 400), ("/mydb/x.view.sql/", 400), ("mydb", 201), ("x.h5", 201),
                             ("mydb/sub/x.h5", 201), ("mydb/./x.h5", 400), ("mydb//x.h5", 400)):
            for rights in (["read", "write"], ["write", "grant"]):
                a = self.ana.post("/grants", {"kind": "volume", "thing": "ana/persistent:" + path,
                                              "to": {"account": "bea"}, "rights": rights})
                self.assertEqual(a.status, status, (path, a.body))
        self.addCleanup(self.unshare, self.ana)
        self.assertIn("only be shared for reading", self.ana.post(
            "/grants", {"kind": "volume", "thing": "persistent:mydb/x.h5", "to": {"account": "bea"},
                        "rights": ["write"]}).json["detail"])

    def test_first_use(self):
        """Who has never looked at her volumes can share them."""
        ivy = self.portal.person("ivy")
        self.share(ivy, "ivy/persistent:mydb", {"account": "bea"}, ["read"])
        self.addCleanup(self.unshare, ivy)
        self.assertIn("ivy", self.schemas(self.bea))
        joe = self.portal.person("joe")
        self.assertEqual(joe.get("/grants?kind=volume&thing=joe/scratch:").status, 200)
        self.assertEqual(joe.get("/grants?kind=volume&thing=joe/none:").status, 404)

    def test_replaced_while_it_is_read(self):
        """Who reads has the table that was there when she started."""
        self.put(self.ana, "mydb/r.h5", "before")
        self.share(self.ana, "ana/persistent:mydb/r.h5", {"account": "bea"}, ["read"])
        self.addCleanup(self.unshare, self.ana)
        number = self.bea.ok("POST", "/jobs", {"kind": "script", "command": [
            "sh", "-c", "echo up; cd /volumes/bea/persistent; until [ -e go ]; do sleep 0.1; done; rm go; "
            "cat /volumes/ana/persistent/mydb/r.h5"]})["number"]
        self.addCleanup(self.bea.post, f"/jobs/{number}/cancel")
        until = time.monotonic() + 30
        while b"up" not in self.bea.get(f"/jobs/{number}/logs").body:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)
        self.put(self.ana, "mydb/new", "after")
        self.ana.ok("POST", "/files/ana/persistent/mydb/new",
                    {"action": "move", "to": "mydb/r.h5", "overwrite": True})
        self.put(self.bea, "go", "")
        self.assertEqual(self.wait(self.bea, number)[1], "up\nbefore")
        self.assertEqual(self.over(self.bea, {"kind": "script", "command":
                                              ["cat", "/volumes/ana/persistent/mydb/r.h5"]})[1], "after")

    def test_z_counted(self):
        """What a job has written counts soon after it."""
        state, _, err = self.wait(self.ana, self.writes)
        self.assertEqual(state, "succeeded", err)
        until = time.monotonic() + 30
        while self.ana.ok("GET", "/volumes/ana/scratch")["used"] < 3 * 10**6:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.2)

    def test_name_that_two_have(self):
        """The team's; with what is in front of it, each."""
        eve, fay = self.person("eve"), self.person("fay")
        self.team("eve", self.carl, fay)
        self.team("mydb", self.carl, fay)
        self.share(eve, "eve/persistent:mydb", {"account": "fay"}, ["read"])
        s = self.schemas(fay)
        self.assertEqual(s["eve"]["owner"], "team:eve/files")
        self.assertEqual(s["user:eve"]["owner"], "eve/persistent")
        self.assertEqual(s["mydb"]["owner"], "fay/persistent")
        self.assertEqual(s["team:mydb"]["owner"], "team:mydb/files")

    def put(self, who, path, text):
        if "/" in path:
            who.ok("POST", f"/files/{who.name}/persistent/mydb", {"action": "mkdir", "parents": True})
        who.ok("PUT", f"/files/{who.name}/persistent/{path}", text)


class Tables(World):
    """What people do with each other's tables, in SQL."""

    @classmethod
    def setUpClass(cls):
        cls.una, cls.bob, cls.cyd = (cls.person(n) for n in ("una", "bob", "cyd"))

    def rows(self, who, sql):
        """Of a quick query."""
        a = who.ok("POST", "/query", {"sql": sql, "format": "csv"})
        return harness.parse_csv(a.decode())[1:] if isinstance(a, bytes) else a["changed"]

    def refused(self, who, sql, *words):
        a = who.post("/query", {"sql": sql, "format": "csv"})
        self.assertIn(a.status, (403, 404), (sql, a.body))
        for w in words:
            self.assertIn(w, a.json["detail"])

    def job(self, who, sql, **spec):
        """The number of an SQL job on two ranks."""
        return who.ok("POST", "/jobs", dict({"kind": "sql", "sql": sql, "resources": {"ranks": 2}}, **spec))["number"]

    def result(self, who, number):
        state, _, err = self.wait(who, number)
        self.assertEqual(state, "succeeded", err)
        page = self.portal.machine.get(f"/jobs/{number}/files/result.csv?download=1")
        self.assertEqual(page.status, 200, page)
        return harness.parse_csv(page.body.decode())[1:]

    def leave(self, who, team):
        who.ok("POST", f"/teams/{team}/leave")

    def test_shared_with_a_team(self):
        """Read on two ranks, not written; gone with the membership, also for what waits."""
        una, bob = self.una, self.bob
        self.team("mag", una, bob)
        self.rows(una, "CREATE TABLE mydb.x AS SELECT range AS i, range * 0.5 AS v FROM range(1000)")
        self.rows(una, "CREATE TABLE mydb.hers AS SELECT 1 AS i")
        self.assertEqual(self.rows(una, "SELECT count(*), sum(v) FROM una.x"), [["1000", "249750.0"]])
        self.refused(bob, "SELECT * FROM una.x", "called una")
        self.share(una, "una/persistent:mydb/x.h5", {"team": "mag"}, ["read"])
        self.assertEqual(self.result(bob, self.job(bob, "SELECT count(*), sum(v) FROM una.x")), [["1000", "249750.0"]])
        self.assertEqual(self.rows(bob, 'SELECT max(i) FROM "user:una".x'), [["999"]])
        self.refused(bob, "SELECT * FROM una.hers", "hers", "in una")
        for sql in ("DELETE FROM una.x", "INSERT INTO una.x SELECT 1, 1", "DROP TABLE una.x",
                    "CREATE TABLE una.y AS SELECT 1 AS i", "ALTER TABLE una.x RENAME TO y"):
            with self.subTest(sql=sql):
                self.refused(bob, sql, "una")
        # What she takes from it is hers.
        self.rows(bob, "CREATE TABLE mydb.mine AS SELECT * FROM una.x WHERE i < 10")
        self.assertEqual(self.rows(bob, "SELECT count(*) FROM mydb.mine"), [["10"]])
        self.assertEqual(self.rows(una, "SELECT count(*) FROM mydb.x"), [["1000"]])

        blockers = [bob.ok("POST", "/jobs", {"kind": "script", "command": ["sleep", "600"]})["number"]
                    for _ in range(2)]
        for b in blockers:
            self.addCleanup(bob.post, f"/jobs/{b}/cancel")
        waiting = self.job(bob, "SELECT count(*) FROM una.x")
        until = time.monotonic() + 30
        # The job is "queued" before that, while its scheduler is still being asked.
        while [t["state"] for t in bob.ok("GET", f"/jobs/{waiting}/tasks")["tasks"]] != ["queued"]:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)
        self.leave(bob, "mag")
        # portal/jobs/recheck.c looks every five seconds.
        launch = os.path.join(self.portal.state, "jobs", bob.ok("GET", f"/jobs/{waiting}")["id"], "main/1/launch.json")
        until = time.monotonic() + 30
        while "user:una" in harness.text_of(launch):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)
        for b in blockers:
            bob.ok("POST", f"/jobs/{b}/cancel")
        state, _, err = self.wait(bob, waiting)
        self.assertEqual(state, "failed")
        self.assertIn("called una", err)
        self.refused(bob, "SELECT * FROM una.x", "called una")
        self.assertEqual(self.rows(bob, "SELECT count(*) FROM mydb.mine"), [["10"]])

    def test_of_a_team(self):
        """Written by one member, read and changed by another, seen by nobody else."""
        una, bob = self.una, self.bob
        self.team("stars", una, bob)
        self.rows(una, "CREATE TABLE stars.x AS SELECT range AS i FROM range(5)")
        self.rows(bob, "INSERT INTO stars.x SELECT 100")
        self.assertEqual(self.rows(una, 'SELECT count(*), max(i) FROM "team:stars".x'), [["6", "100"]])
        self.refused(self.cyd, "SELECT * FROM stars.x", "called stars")
        # Two at once: both are there.
        jobs = [self.job(who, f"INSERT INTO stars.x SELECT {n}") for who, n in ((una, 7), (bob, 8))]
        for who, number in zip((una, bob), jobs):
            state, _, err = self.wait(who, number)
            self.assertEqual(state, "succeeded", err)
        self.assertEqual(self.rows(bob, "SELECT count(*) FROM stars.x"), [["8"]])
        self.leave(bob, "stars")
        self.refused(bob, "SELECT * FROM stars.x", "called stars")

    def test_shared_with_write(self):
        """All her tables: then also new ones, which count as hers."""
        una, cyd = self.una, self.cyd
        self.rows(una, "CREATE TABLE mydb.log AS SELECT 1 AS i")
        self.share(una, "una/persistent:mydb", {"account": "cyd"}, ["read", "write"])
        self.addCleanup(self.unshare, una)
        before = self.left(una)
        self.rows(cyd, "INSERT INTO una.log SELECT 2")
        self.rows(cyd, "CREATE TABLE una.big AS SELECT random() AS x FROM range(200000)")
        self.assertEqual(self.rows(una, "SELECT count(*) FROM mydb.log"), [["2"]])
        self.assertEqual(self.rows(cyd, "SELECT count(*) FROM una.big"), [["200000"]])
        self.assertGreater(before - self.left(una), 500000)
        self.rows(una, "DROP TABLE mydb.big")

    def left(self, who):
        """What she may still write; a statement that writes counts what is in doubt."""
        self.rows(who, "CREATE OR REPLACE TABLE mydb.small AS SELECT 1 AS i")
        return next(s["left"] for s in who.ok("GET", "/tables")["schemas"] if s["name"] == "mydb")

    def test_what_a_job_leaves(self):
        """Links, pipes and views in mydb that a program of hers makes: refused at once, and nothing is read or
        changed through them; so are names that are paths."""
        una, cyd = self.una, self.cyd
        self.rows(cyd, "CREATE TABLE mydb.secret AS SELECT 42 AS i")
        self.rows(una, "CREATE TABLE mydb.keep AS SELECT 1 AS i")
        views = {"csv": "SELECT * FROM read_csv('/etc/passwd')", "file": "SELECT * FROM '/etc/passwd'",
                 "drop": "SELECT 1; DROP TABLE mydb.keep", "ring": "SELECT * FROM mydb.ring"}
        texts = "; ".join(f"printf %s {shlex.quote(sql)} > {name}.view.sql" for name, sql in views.items())
        state, _, err = self.over(una, {"kind": "script", "command": ["sh", "-ec", (
            "cd /volumes/una/persistent/mydb; ln -s /etc/passwd pw.h5; ln -s /dev/zero zero.view.sql; "
            "ln -s ../../../cyd/persistent/mydb/secret.h5 other.h5; mkfifo pipe.h5 pipe2.view.sql; "
            "ln -s keep.h5 .lock-locked; ") + texts]})
        self.assertEqual(state, "succeeded", err)
        began = time.monotonic()
        names = [*views, "pw", "zero", "other", "pipe", "pipe2", '"../../../cyd/persistent/mydb/secret"', '"/etc/passwd"']
        for name in names:
            a = una.post("/query", {"sql": f"SELECT * FROM mydb.{name}"})
            self.assertIn(a.status, (400, 403, 404), (name, a.body))
            self.assertNotIn(b"root:", a.body)
        a = una.post("/query", {"sql": "CREATE TABLE mydb.locked AS SELECT 1 AS i"})
        self.assertEqual(a.status, 409, a.body)
        self.assertIn("remove it", a.json["detail"])
        self.assertLess(time.monotonic() - began, 30)
        listed = {t["name"] for t in una.ok("GET", "/tables?schema=mydb")["tables"]}
        self.assertTrue({"keep", *views} <= listed)
        self.assertFalse({"pw", "zero", "other", "pipe", "pipe2"} & listed)
        self.assertEqual(self.rows(una, "SELECT i FROM mydb.keep"), [["1"]])

    def test_views(self):
        """mydb in a view is that of its owner; who reads the view must be given both."""
        una, cyd = self.una, self.cyd
        self.rows(una, "CREATE TABLE mydb.base AS SELECT range AS i FROM range(10)")
        self.rows(una, "CREATE VIEW mydb.even AS SELECT i FROM mydb.base WHERE i % 2 = 0")
        self.rows(cyd, "CREATE TABLE mydb.base AS SELECT -1 AS i")
        self.share(una, "una/persistent:mydb/even.view.sql", {"account": "cyd"}, ["read"])
        self.refused(cyd, "SELECT sum(i) FROM una.even", "base", "in una")
        self.share(una, "una/persistent:mydb/base.h5", {"account": "cyd"}, ["read"])
        self.assertEqual(self.rows(cyd, "SELECT sum(i) FROM una.even"), [["20"]])
        self.assertEqual(self.rows(cyd, "SELECT sum(i) FROM mydb.base"), [["-1"]])


if __name__ == "__main__":
    harness.main()
