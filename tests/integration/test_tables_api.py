#!/usr/bin/env python3
"""Tables and queries over HTTP at a real portal: what was asked is kept, paged, searched and becomes a
job; queries are saved under names, with parameters, for a team.
"""
import glob
import hashlib
import json
import os
import signal
import socket
import threading
import time
import unittest

import harness
from portal_world import Person, Portal

FINAL = ("succeeded", "failed", "cancelled")


def problem(test, answer, status, *words):
    test.assertEqual(answer.status, status, answer.body[:500])
    for w in words:
        test.assertIn(w, answer.json["detail"])


def setUpModule():
    """One portal for all: starting it takes longer than most tests."""
    Tables.portal = p = Portal("limits: {requests_per_minute: 0}\nquick: {per_account: 4}\n").up()
    unittest.addModuleCleanup(p.close)
    for name in ("ana", "ben", "cyd"):
        setattr(Tables, name, p.person(name))
    p.machine.name = p.machine.ok("GET", "/account")["name"]


class Tables(unittest.TestCase):
    pass


class History(Tables):
    def test_pages_and_search(self):
        p = self.portal.person("pat")
        for i in range(25):  # some at the very same time
            self.portal.asked(p, f"SELECT {i} FROM stars", started=1e9 + i // 3, text=f"row {i}")
        self.portal.asked(p, "SELECT Mass\nFROM 'halos'", started=2e9, state="failed", text="no such FILE")
        seen, before, pages = [], "", 0
        while before is not None:
            page = p.ok("GET", f"/queries?limit=7&before={before}")
            self.assertLessEqual(len(page["queries"]), 7)
            seen += page["queries"]
            before = page["next"]
            pages += 1
        self.assertEqual(pages, 4)
        self.assertEqual(len({q["id"] for q in seen}), 26)
        self.assertEqual([q["started"] for q in seen], sorted((q["started"] for q in seen), reverse=True))
        self.assertEqual(seen[0]["sql"], "SELECT Mass\nFROM 'halos'")
        self.assertEqual(set(seen[0]), {"id", "sql", "parameters", "context", "format", "state", "cut", "rows",
                                        "bytes", "started", "seconds", "text", "job", "changed"})

        def found(words):
            return [q["sql"] for q in p.ok("GET", f"/queries?q={words}")["queries"]]
        self.assertEqual(len(found("mass")), 1)
        self.assertEqual(len(found("MASS%20file%20such")), 1)
        self.assertEqual(len(found("stars")), 25)
        self.assertEqual(found("mass%20stars"), [])
        self.assertEqual(found("%25"), [])  # no pattern
        self.assertEqual(self.ben.ok("GET", "/queries?q=stars")["queries"], [])
        for bad in ("limit=0", "limit=x", "before=1", "before=1_x", "before=nan_" + seen[0]["id"],
                    "before=1e9999e9_" + seen[0]["id"], "q=" + "x" * 500, "before=%00"):
            self.assertEqual(p.get("/queries?" + bad).status, 400, bad)

    def test_one_and_forget(self):
        long = "SELECT '" + "x" * 9000 + "'"
        one = self.portal.asked(self.ana, long, changed='[{"schema": "mydb", "name": "t"}]')
        listed = self.ana.ok("GET", "/queries?limit=1&q=xxx")["queries"][0]
        self.assertEqual(listed["sql"], long[:4000])
        q = self.ana.ok("GET", f"/queries/{one}")
        self.assertEqual((q["sql"], q["changed"][0]["name"]), (long, "t"))
        for who in (self.ben, self.portal.machine):
            for ask in (who.get, who.delete):
                self.assertEqual(ask(f"/queries/{one}").status, 404)
            self.assertEqual(who.post(f"/queries/{one}/job").status, 404)
        self.assertEqual(self.portal.nobody.get("/queries").status, 401)
        for part in (one[:-1], one[:9], one[:4].upper()):
            self.assertEqual(self.ana.ok("GET", f"/queries/{part}")["id"], one, part)
            self.assertEqual(self.ben.get(f"/queries/{part}").status, 404, part)
        for odd in ("x", "1", one[:3], one.replace("-", ""), one[:8] + "x", one + "0", one.upper() + "%27"):
            self.assertEqual(self.ana.get(f"/queries/{odd}").status, 404, odd)
        self.assertEqual(self.ana.delete(f"/queries/{one}").status, 204)
        self.assertEqual(self.ana.get(f"/queries/{one}").status, 404)
        weak = self.portal.signed_in("ana", scopes=("files:read",))
        problem(self, weak.get("/queries"), 403, "sql")
        weak = self.portal.signed_in("ana", scopes=("sql",))
        weak.ok("GET", "/queries")
        problem(self, weak.post(f"/queries/{one}/job"), 403, "jobs:write")

    def test_job(self):
        machine = self.portal.machine
        # Those of this machine's user run without a sandbox.
        one = self.portal.asked(machine, "SELECT 41 + 1 AS answer")
        done = machine.ask("POST", f"/queries/{one}/job", {"into": "a.csv", "ranks": 2, "name": "of a query"})
        self.assertEqual(done.status, 201, done)
        job = done.json
        self.assertEqual((job["kind"], job["name"]), ("sql", "of a query"))
        self.assertEqual(machine.ok("GET", f"/queries/{one}")["job"], job["number"])
        end = time.monotonic() + 60
        while (now := machine.ok("GET", f"/jobs/{job['number']}"))["state"] not in FINAL:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.assertEqual(now["state"], "succeeded", now)
        self.assertEqual(now["spec"]["resources"], {"ranks": 2})
        self.assertEqual(machine.ok("GET", f"/jobs/{job['number']}/files/a.csv?download=1"),
                         b"answer\n42\n")
        with_values = self.portal.asked(machine, "SELECT $n AS n, $t AS t, '$n' AS s",
                                        parameters=json.dumps({"n": 7, "t": "it's"}))
        made = machine.ok("POST", f"/queries/{with_values}/job", {})
        spec = machine.ok("GET", f"/jobs/{made['number']}")["spec"]
        self.assertEqual(spec["sql"], "SELECT 7 AS n, 'it''s' AS t, '$n' AS s")
        key = {"Idempotency-Key": "once"}
        again = [machine.ask("POST", f"/queries/{one}/job", {}, headers=key) for _ in range(2)]
        self.assertEqual([a.status for a in again], [201, 200])
        self.assertEqual(again[0].json["id"], again[1].json["id"])
        plan = machine.ok("POST", f"/queries/{one}/job?check=1", {"memory": "2GB"})
        self.assertIn("plan", plan)
        # Nothing of what was refused is noted.
        self.assertEqual(machine.ok("GET", f"/queries/{one}")["job"], again[0].json["number"])
        problem(self, machine.post(f"/queries/{one}/job", {"ranks": -3}), 400, "ranks")
        problem(self, machine.post(f"/queries/{one}/job", {"sql": "x"}), 400, "sql")
        problem(self, machine.post(f"/queries/{one}/job", {"scheduler": "pbs"}), 400, "scheduler")
        problem(self, machine.post(f"/queries/{one}/job", {"output": "nowhere:x"}), 403, "nowhere")

    def test_a_dead_daemon(self):
        p = self.portal.person("dora")
        one = self.portal.asked(p, "SELECT 1", state="running")
        two = self.portal.asked(p, "SELECT 1", state="done", text="1 row")
        os.kill(self.portal.pid(), signal.SIGKILL)
        self.portal.up()
        q = p.ok("GET", f"/queries/{one}")
        self.assertEqual(q["state"], "failed")
        self.assertIn("started anew", q["text"])
        self.assertEqual(p.ok("GET", f"/queries/{two}")["text"], "1 row")


class Saved(Tables):
    BRIGHT = {"sql": "SELECT * FROM stars WHERE mag < $limit AND kind = $kind", "context": "tng",
              "description": "Bright ones", "parameters": [
                  {"name": "limit", "type": "number", "default": 6.5, "help": "magnitude"},
                  {"name": "kind", "type": "text"}]}

    def test_life(self):
        ana = self.ana
        made = ana.put("/saved-queries/bright", self.BRIGHT)
        self.assertEqual(made.status, 201, made)
        self.assertEqual({k: made.json[k] for k in self.BRIGHT}, self.BRIGHT)
        self.assertEqual((made.json["owner"], made.json["name"], made.json["team"]), ("ana", "bright", None))
        self.assertEqual(ana.ok("GET", "/saved-queries/bright"), made.json)
        self.assertEqual(ana.ok("GET", "/saved-queries/ana/bright"), made.json)
        tag = made.headers["ETag"]
        self.assertEqual(ana.get("/saved-queries/bright", headers={"If-None-Match": tag}).status, 304)
        again = ana.put("/saved-queries/ana/bright", {"sql": "SELECT 2"}, headers={"If-Match": tag})
        self.assertEqual((again.status, again.json["sql"], again.json["parameters"]), (200, "SELECT 2", []))
        self.assertEqual(ana.put("/saved-queries/bright", {"sql": "x"}, headers={"If-Match": tag}).status, 412)
        self.assertEqual(ana.put("/saved-queries/bright", {"sql": "x"},
                                 headers={"If-None-Match": "*"}).status, 412)
        self.assertEqual(ana.delete("/saved-queries/bright", headers={"If-Match": tag}).status, 412)
        self.assertEqual(ana.delete("/saved-queries/bright").status, 204)
        self.assertEqual(ana.delete("/saved-queries/bright").status, 404)
        self.assertEqual(ana.get("/saved-queries/bright").status, 404)

    def test_what_is_wrong(self):
        def p(**more):
            return [dict({"name": "x", "type": "text"}, **more)]
        for body, word in (({}, "sql"), ({"sql": ""}, "empty"), ({"sql": " \n"}, "empty"), ({"sql": 7}, "text"),
                           ({"sql": None}, "text"), ({"sql": "a\0b"}, "NUL"), ({"sql": "x" * 131072}, "131071"),
                           ({"sql": "x", "name": "other"}, "other"), ({"sql": "x", "id": 1}, "id"),
                           ({"sql": "x", "parameters": {}}, "list"), ({"sql": "x", "parameters": [1]}, "object"),
                           ({"sql": "x", "parameters": p(name="a b")}, "name"),
                           ({"sql": "x", "parameters": p(name="")}, "name"),
                           ({"sql": "x", "parameters": p(type="blob")}, "type"),
                           ({"sql": "x", "parameters": p(default=1)}, "default"),
                           ({"sql": "x", "parameters": p(default="a\0b")}, "NUL"),
                           ({"sql": "x", "parameters": p(size=1)}, "size"),
                           ({"sql": "x", "parameters": p(default="y" * 65536)}, "bytes"),
                           ({"sql": "x", "parameters": p() * 2}, "two parameters"),
                           ({"sql": "x", "parameters": [{"name": f"p{i}", "type": "text"} for i in range(65)]},
                            "64"),
                           ({"sql": "x", "team": "nobodys"}, "nobodys")):
            a = self.ana.put("/saved-queries/x", body)
            self.assertIn(a.status, (400, 403), body)
            self.assertIn(word, a.json["detail"], body)
        for name in ("-x", ".x", "a%20b", "a%27", "x" * 65, "%C3%A4", "..%2fx", ""):
            self.assertIn(self.ana.put(f"/saved-queries/{name}", {"sql": "x"}).status, (400, 404), name)
        self.assertEqual(self.ana.get("/saved-queries/x").status, 404)

    def test_team(self):
        ana, ben, cyd = self.ana, self.ben, self.cyd
        ana.ok("POST", "/teams", {"name": "stars"})
        ana.ok("POST", "/teams/stars/invitations", {"account": "ben"})
        ana.ok("PUT", "/saved-queries/ours", {"sql": "SELECT 'ana'", "team": "stars"})
        ana.ok("PUT", "/saved-queries/mine", {"sql": "SELECT 1"})
        problem(self, ben.put("/saved-queries/x", {"sql": "x", "team": "stars"}), 403, "stars")
        self.assertEqual(ben.get("/saved-queries/ours").status, 404)  # invited only
        ben.ok("POST", "/invitations/stars/accept")
        self.assertEqual(ben.ok("GET", "/saved-queries/ours")["owner"], "ana")
        seen = [(q["owner"], q["name"]) for q in ben.ok("GET", "/saved-queries")["queries"]]
        self.assertIn(("ana", "ours"), seen)
        self.assertNotIn(("ana", "mine"), seen)
        problem(self, ben.put("/saved-queries/ana/ours", {"sql": "x"}), 403, "somebody else's")
        problem(self, ben.delete("/saved-queries/ana/ours"), 403, "somebody else's")
        for name in ("ana/mine", "ana/none", "nobody/ours"):
            self.assertEqual(ben.put(f"/saved-queries/{name}", {"sql": "x"}).status, 404)
            self.assertEqual(ben.delete(f"/saved-queries/{name}").status, 404)
        for who in (cyd, self.portal.machine):
            self.assertEqual(who.get("/saved-queries/ana/ours").status, 404)
        # One's own of the same name goes before.
        ben.ok("PUT", "/saved-queries/ours", {"sql": "SELECT 'ben'", "team": "stars"})
        self.assertEqual(ben.ok("GET", "/saved-queries/ours")["owner"], "ben")
        self.assertEqual(ben.ok("GET", "/saved-queries/ana/ours")["owner"], "ana")
        ana.ok("POST", "/teams/stars/invitations", {"account": "cyd"})
        cyd.ok("POST", "/invitations/stars/accept")
        problem(self, cyd.get("/saved-queries/ours"), 400, "ana/ours")
        self.assertEqual(cyd.ok("GET", "/saved-queries/ben/ours")["sql"], "SELECT 'ben'")
        seen, after = [], ""
        while after is not None:
            page = cyd.ok("GET", f"/saved-queries?limit=1{after and '&after=' + after}")
            seen += [f"{q['owner']}/{q['name']}" for q in page["queries"]]
            after = page["next"]
        self.assertEqual([name for name in seen if name.endswith("/ours")], ["ana/ours", "ben/ours"])
        self.assertEqual(cyd.get("/saved-queries?after=x").status, 400)
        # Who leaves takes hers along, and sees the others' no more.
        ben.ok("POST", "/teams/stars/leave")
        self.assertEqual(ben.get("/saved-queries/ana/ours").status, 404)
        self.assertEqual(cyd.get("/saved-queries/ben/ours").status, 404)
        self.assertEqual(ben.ok("GET", "/saved-queries/ours")["sql"], "SELECT 'ben'")
        self.assertEqual(self.portal.nobody.get("/saved-queries").status, 401)

    def test_account_that_goes(self):
        eva = self.portal.person("eva")
        eva.ok("PUT", "/saved-queries/last", {"sql": "SELECT 1"})
        self.portal.asked(eva, "SELECT 'evas'")
        self.portal.machine.ok("DELETE", "/admin/users/eva")
        self.assertEqual(self.portal.database("SELECT count(*) FROM saved_query WHERE name = 'last'"), "0")
        self.assertEqual(self.portal.database("SELECT count(*) FROM query WHERE sql ~ 'evas'"), "0")


LONG = "SELECT count(*) FROM range(4000000) a, range(4000000) b"


@unittest.skipUnless(harness.can_sandbox(), "bubblewrap makes no sandbox here")
class Asking(Tables):
    """What POST /query leaves behind."""

    def test_history(self):
        a = self.ana.post("/query", {"sql": "SELECT $n AS n\r\n", "parameters": {"n": 7}, "format": "csv"})
        self.assertEqual((a.status, a.body), (200, b"n\n7\n"), a)
        q = self.ended(self.ana, a.headers["Perigee-Query"])
        self.assertEqual((q["state"], q["rows"], q["sql"], q["parameters"], q["format"]),
                         ("done", 1, "SELECT $n AS n\r\n", {"n": 7}, "csv"))
        self.assertLess(abs(q["started"] - time.time()), 60)
        bad = self.ana.post("/query", {"sql": "SELECT nothing FROM nowhere"})
        q = self.ended(self.ana, bad.headers["Perigee-Query"])
        self.assertEqual((q["state"], q["rows"], q["text"]), ("failed", None, bad.json["detail"]))

    def ended(self, who, id_):
        end = time.monotonic() + 20
        while (q := who.ok("GET", f"/queries/{id_}"))["state"] in ("waiting", "running"):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        return q

    def test_saved(self):
        self.ana.ok("POST", "/teams", {"name": "asking"})
        self.ana.ok("POST", "/teams/asking/invitations", {"account": "ben"})
        self.ben.ok("POST", "/invitations/asking/accept")
        self.ana.ok("PUT", "/saved-queries/sum", {
            "sql": "SELECT $a + $b AS s, $t AS t", "team": "asking", "parameters": [
                {"name": "a", "type": "integer"}, {"name": "b", "type": "integer", "default": 2},
                {"name": "t", "type": "text", "default": "it's"}]})

        def ask(who, name, **values):
            return who.post("/query", {"saved": name, "parameters": values, "format": "csv"})
        self.assertEqual(ask(self.ana, "sum", a=1).body, b"s,t\n3,it's\n")
        self.assertEqual(ask(self.ben, "ana/sum", a=1, b=5, t="x").body, b"s,t\n6,x\n")
        problem(self, ask(self.ben, "sum"), 400, '"a" needs a value')
        problem(self, ask(self.ben, "sum", a="1"), 400, "whole number")
        problem(self, ask(self.ben, "sum", a=1, c=1), 400, '"c"')
        self.assertEqual(ask(self.cyd, "ana/sum", a=1).status, 404)
        q = self.ben.ok("GET", "/queries?limit=1")["queries"][0]
        self.assertEqual((q["sql"], q["parameters"]), ("SELECT $a + $b AS s, $t AS t",
                                                       {"a": 1, "b": 5, "t": "x"}))
        # ... and as a job, of his own, with its result in his storage.
        job = self.ben.ok("POST", f"/queries/{q['id']}/job", {"output": "persistent:sums", "into": "s.csv"})
        end = time.monotonic() + 60
        while (now := self.ben.ok("GET", f"/jobs/{job['number']}"))["state"] not in FINAL \
                or now["delivery"] == "pending":
            self.assertLess(time.monotonic(), end, now)
            time.sleep(0.1)
        self.assertEqual((now["state"], now["delivered"]), ("succeeded", "ben/persistent:sums"), now)
        got = self.ben.ok("GET", "/files/ben/persistent/sums/s.csv?checksum=sha256")
        self.assertIn(hashlib.sha256(b"s,t\n6,x\n").hexdigest(), json.dumps(got))

    def test_cancel(self):
        a = [None]
        t = threading.Thread(target=lambda: a.__setitem__(0, self.cyd.post("/query", {"sql": LONG})))
        t.start()
        end = time.monotonic() + 20
        while not (found := [q for q in self.cyd.ok("GET", "/queries")["queries"] if q["state"] == "running"]):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        one = found[0]["id"]
        problem(self, self.cyd.delete(f"/queries/{one}"), 409, "cancel")
        for who in (self.ana, self.portal.machine):
            self.assertEqual(who.post(f"/queries/{one}/cancel").status, 404)
        self.cyd.ok("POST", f"/queries/{one}/cancel")
        t.join(20)
        problem(self, a[0], 409)
        self.assertEqual(self.ended(self.cyd, one)["state"], "cancelled")
        self.cyd.ok("POST", f"/queries/{one}/cancel")
        self.assertEqual(self.cyd.delete(f"/queries/{one}").status, 204)


class Restored(Tables):
    def test_backup(self):
        one = self.portal.asked(self.ana, "SELECT 1 AS kept", text="1 row")
        runs = self.portal.asked(self.ana, "SELECT 2", state="running")
        self.ana.ok("PUT", "/saved-queries/kept", Saved.BRIGHT)
        if harness.can_sandbox():
            self.ana.ok("PUT", "/tables/mydb/kept?format=csv", CSV)
        descriptor = "datasets/kept.yaml"
        os.makedirs(f"{self.portal.state}/datasets", exist_ok=True)
        with open(f"{self.portal.state}/{descriptor}", "w", encoding="utf-8") as f:
            f.write("name: kept\ntables: {t: {files: x.h5, path: /}}\n")
        place = self.portal.work.file("backup")
        done = self.portal.run("backup", place)
        self.assertEqual(done.status, 0, done)
        other = Portal("limits: {requests_per_minute: 0}\n")
        self.addCleanup(other.close)
        done = other.run("restore", os.path.join(place, os.listdir(place)[0]))
        self.assertEqual(done.status, 0, done)
        self.assertTrue(os.path.exists(f"{other.state}/{descriptor}"))
        other.up()
        ana = Person(other, "ana", token=self.ana.token)
        self.assertEqual(ana.ok("GET", "/saved-queries/kept"), self.ana.ok("GET", "/saved-queries/kept"))
        self.assertEqual(ana.ok("GET", f"/queries/{one}"), self.ana.ok("GET", f"/queries/{one}"))
        self.assertEqual(ana.ok("GET", f"/queries/{runs}")["state"], "failed")
        if harness.can_sandbox():
            for path in ("/tables/mydb/kept", "/tables/mydb/kept/data"):
                self.assertEqual(ana.ok("GET", path), self.ana.ok("GET", path))
        ben = Person(other, "ben", token=self.ben.token)
        self.assertEqual(ben.get(f"/queries/{one}").status, 404)
        self.assertEqual(ben.put("/saved-queries/kept", {"sql": "SELECT 3"}).status, 201)

    def test_database_away(self):
        """Who asks meanwhile hears that, not where the database is."""
        with open(f"{self.portal.state}/postgres/data/postmaster.pid", encoding="ascii") as f:
            postmaster = int(f.readline())
        daemon = self.portal.pid()
        os.kill(daemon, signal.SIGSTOP)
        os.kill(postmaster, signal.SIGKILL)
        time.sleep(0.3)
        os.kill(daemon, signal.SIGCONT)
        heard, end = [], time.monotonic() + 60
        while time.monotonic() < end and (not heard or heard[-1].status != 200):
            heard.append(self.ana.get("/account"))
        self.assertEqual({a.status for a in heard}, {200, 503})
        self.assertNotIn(b"PGSQL", b"".join(a.body for a in heard))

    def test_deleted_meanwhile(self):
        """While the first file is copied the last one goes."""
        self.ana.ok("PUT", "/files/ana/persistent/z", "z")
        last, = glob.glob(self.portal.state + "/volumes/*/z")
        first = last[:-1] + "a"
        with open(first, "wb") as f:
            f.truncate(1 << 30)
        place = self.portal.work.file("meanwhile")
        end = time.monotonic() + 60

        def delete():
            while not glob.glob(place + "/.new-*/volumes/*/.a.*") and time.monotonic() < end:
                time.sleep(0.001)
            os.unlink(last)

        t = threading.Thread(target=delete)
        t.start()
        done = self.portal.run("backup", place)
        t.join()
        os.unlink(first)
        self.assertIn("vanished", done.err)
        self.assertEqual(done.status, 0, done)
        self.assertTrue(glob.glob(place + "/*/volumes/*/a"))
        self.assertFalse(glob.glob(place + "/*/volumes/*/z"))


CSV = b"id,name,mag,seen\n1,Alkaid,1.85,2020-01-02\n2,,0.03,\n9007199254740993,Vega,-1.5,1999-12-31\n"
HOSTILE = ("..", "%2e%2e", "x.y", "-o", "--help", "a%20b", "a;b", "%27", "x" * 65, "1x", "%C3%A4", "a%0Ab", "*")


@unittest.skipUnless(harness.can_sandbox(), "bubblewrap makes no sandbox here")
class Names(Tables):
    def test_names(self):
        for name in HOSTILE:
            for ask in (self.ana.get, self.ana.delete, lambda p: self.ana.put(p, CSV),
                        lambda p: self.ana.patch(p, {"name": "x"}), lambda p: self.ana.get(p + "/data")):
                a = ask(f"/tables/mydb/{name}")
                self.assertIn(a.status, (400, 404), (name, a.body[:200]))
                if name not in ("..", "%2e%2e"):
                    b = ask(f"/tables/{name}/t")
                    self.assertIn(b.status, (400, 404), (name, b.body[:200]))
        self.assertEqual(self.ana.get("/tables?schema=--help").status, 400)
        # Whether it exists is not told.
        self.ben.ok("POST", "/query", {"sql": "SELECT 1 AS x INTO mydb.secret"})
        said = [self.ana.get(f"/tables/{s}/secret") for s in ("ben", "benn")]
        self.assertEqual([a.status for a in said], [404, 404])
        self.assertEqual(said[0].json["detail"].replace("ben", "benn"), said[1].json["detail"])


@unittest.skipUnless(harness.can_sandbox(), "bubblewrap makes no sandbox here")
class Loading(Tables):
    def load(self, who, name, body=CSV, query="format=csv", status=201):
        a = who.put(f"/tables/mydb/{name}?{query}", body, headers={"Content-Type": "application/octet-stream"})
        self.assertEqual(a.status, status, a.body[:600])
        return a.json

    def test_preview_and_types(self):
        seen = self.load(self.ana, "preview_only", query="preview=1", status=200)
        self.assertEqual([c["name"] for c in seen["columns"]], ["id", "name", "mag", "seen"])
        self.assertEqual([c["type"] for c in seen["columns"]], ["BIGINT", "VARCHAR", "DOUBLE", "DATE"])
        self.assertEqual(seen["rows"][2][0], 9007199254740993)
        self.assertEqual(self.ana.get("/tables/mydb/preview_only").status, 404)
        said = self.load(self.ana, "preview_only", query="preview=1&type=id:VARCHAR&type=mag:FLOAT", status=200)
        self.assertEqual([c["type"] for c in said["columns"]][:3], ["VARCHAR", "VARCHAR", "FLOAT"])
        bare = self.load(self.ana, "x", query="preview=1&header=0&format=csv", status=200)
        self.assertEqual(len(bare["rows"]), 4)
        problem(self, self.ana.put("/tables/mydb/x?type=none:BIGINT", CSV), 400, "none")
        problem(self, self.ana.put("/tables/mydb/x?type=id:NONSENSE", CSV), 400, "NONSENSE")
        for query in ("type=id", "type=:BIGINT", "type=id:", "format=xls", "format=--help",
                      "append=1&overwrite=1", "type=%FF:X"):
            self.assertEqual(self.ana.put(f"/tables/mydb/x?{query}", CSV).status, 400, query)
        self.assertEqual(self.ana.get("/tables/mydb/x").status, 404)

    def test_life(self):
        ana = self.ana
        made = self.load(ana, "Stars", query="format=csv&description=%2d%2dof+stars&name=--my.csv&unit=mag:mag"
                                             "&null=Alkaid&null=Vega")
        self.assertEqual((made["description"], made["query"]), ("--of stars", "-- loaded from --my.csv"))
        self.assertEqual([c["unit"] for c in made["columns"]], ["", "", "mag", ""])
        self.assertEqual([r.split(b",")[1] for r in ana.ok("GET", "/tables/mydb/stars/data").split()[1:]], [b""] * 3)
        self.assertEqual((made["schema"], made["name"], made["kind"], made["rows"]),
                         ("mydb", "stars", "table", 3))
        problem(self, ana.put("/tables/mydb/stars?format=csv", CSV), 409, "stars")
        listed = {t["name"]: t for t in ana.ok("GET", "/tables?schema=mydb")["tables"]}
        self.assertEqual(listed["stars"]["columns"], 4)
        here = {s["name"]: s for s in ana.ok("GET", "/tables")["schemas"]}["mydb"]
        self.assertEqual((here["owner"], here["write"]), ("ana/persistent", True))
        self.assertEqual(here["quota"] - here["left"] >= listed["stars"]["bytes"], True)
        self.load(ana, "stars", query="append=1&format=csv")
        self.assertEqual(ana.ok("GET", "/tables/mydb/STARS")["rows"], 6)
        self.load(ana, "stars", query="overwrite=1&format=csv")
        self.assertEqual(ana.ok("GET", "/tables/mydb/stars")["rows"], 3)
        done = ana.ok("PATCH", "/tables/mydb/stars", {
            "description": "of the sky, with a = in it",
            "columns": {"mag": {"unit": "mag", "ucd": "phot.mag", "description": "--unit=x"},
                        "id": {"description": "number\nof the star"}}})
        mag = next(c for c in done["columns"] if c["name"] == "mag")
        self.assertEqual((done["description"], mag["unit"], mag["ucd"], mag["description"]),
                         ("of the sky, with a = in it", "mag", "phot.mag", "--unit=x"))
        self.assertEqual(ana.ok("GET", "/tables/mydb/stars"), done)
        problem(self, ana.patch("/tables/mydb/stars", {"columns": {"none": {"unit": "m"}}}), 404, "none")
        for bad in ({}, {"name": "x", "description": "y"}, {"columns": []}, {"columns": {"mag": 1}},
                    {"columns": {"mag": {"type": "INT"}}}, {"columns": {"": {"unit": "m"}}},
                    {"columns": {"mag=x": {"unit": "m"}}}, {"name": "a.b"}, {"name": "--x"}, {"rows": 1},
                    {"columns": {f"c{i}": {} for i in range(1001)}}):
            self.assertEqual(ana.patch("/tables/mydb/stars", bad).status, 400, str(bad)[:80])
        self.load(ana, "other")
        problem(self, ana.patch("/tables/mydb/stars", {"name": "other"}), 409, "other")
        self.assertEqual(ana.ok("PATCH", "/tables/mydb/stars", {"name": "suns"})["name"], "suns")
        self.assertEqual(ana.get("/tables/mydb/stars").status, 404)
        self.assertEqual(ana.ok("GET", "/tables/mydb/suns")["description"], done["description"])
        for name in ("suns", "other"):
            self.assertEqual(ana.delete(f"/tables/mydb/{name}").status, 204)
            problem(self, ana.delete(f"/tables/mydb/{name}"), 404, name)

    def test_download(self):
        self.load(self.ana, "down")
        rows = self.ana.ok("GET", "/tables/mydb/down/data?format=ndjson")
        for name, start in (("csv", b"id,name"), ("tsv", b"id\tname"), ("json", b"["), ("ndjson", b'{"id"'),
                            ("table", b""), ("votable", b"<?xml"), ("fits", b"SIMPLE  ="),
                            ("hdf5", b"\x89HDF"), ("parquet", b"PAR1")):
            a = self.ana.get(f"/tables/mydb/down/data?format={name}")
            self.assertEqual(a.status, 200, (name, a.body[:300]))
            self.assertTrue(a.body.startswith(start), (name, a.body[:40]))
            self.assertRegex(a.headers["Content-Disposition"], 'attachment; filename="down[.][a-z0-9]+"')
            if name != "table":  # and back
                self.load(self.ana, "back", a.body, f"overwrite=1&format={name}")
                self.assertEqual(self.ana.ok("GET", "/tables/mydb/back/data?format=ndjson"), rows, name)
        self.assertEqual(self.ana.ok("GET", "/tables/mydb/down/data"), self.ana.ok(
            "GET", "/tables/mydb/down/data?format=csv"))
        self.assertEqual(self.ana.get("/tables/mydb/down/data?format=xls").status, 400)
        self.assertEqual(self.ana.get("/tables/mydb/none/data").status, 404)

    def test_from_a_volume(self):
        self.ana.ok("PUT", "/files/ana/persistent/in.csv", CSV)
        self.ben.ok("PUT", "/files/ben/persistent/his.csv", CSV)

        def take(what, **more):
            return self.ana.put("/tables/mydb/taken?overwrite=1", {"from": what, **more})
        for name in ("persistent:in.csv", "ana/persistent:/in.csv"):
            self.assertEqual(take(name).status, 201, name)
        self.assertEqual(self.ana.ok("GET", "/tables/mydb/taken")["rows"], 3)
        hidden = take("ben/persistent:his.csv")
        problem(self, hidden, 404)
        self.assertEqual(hidden.json["detail"].replace("his", "x"),
                         take("ben/persistent:x.csv").json["detail"])
        self.ana.ok("GET", "/tables/mydb/taken")
        for bad, status in (("persistent:", 400), ("persistent", 400), ("persistent:../x", 400),
                            ("persistent:none.csv", 404), ("nowhere:x", 404), (7, 400), ("", 404)):
            self.assertEqual(take(bad).status, status, bad)
        self.assertEqual(take("persistent:in.csv", more=1).status, 400)
        self.assertEqual(self.ana.put("/tables/mydb/taken", "{", headers={
            "Content-Type": "application/json"}).status, 400)
        rows = json.dumps([{"a": 1}, {"a": 2}])
        a = self.ana.put("/tables/mydb/of_json?format=json", rows, headers={"Content-Type": "application/json"})
        self.assertEqual((a.status, a.json["rows"]), (201, 2))

    def test_cut_off(self):
        """Half of an upload, then silence: nothing is there, nothing stays."""
        c = socket.socket(socket.AF_UNIX)
        c.connect(self.portal.socket("transfer"))
        c.sendall(f"PUT /api/v1/tables/mydb/half?format=csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                  f"{self.ana.token}\r\nContent-Length: 100000\r\n\r\n".encode() + CSV)
        time.sleep(0.3)
        c.close()
        time.sleep(0.3)
        self.assertEqual(self.ana.get("/tables/mydb/half").status, 404)
        self.assertEqual([f for f in self.files("ana", "mydb") if "half" in f and ".lock" not in f], [])
        problem(self, self.ana.put("/tables/mydb/half?format=csv", b""), 400)
        problem(self, self.ana.put("/tables/mydb/half?format=parquet", b"PAR1" + bytes(50)), 400)
        self.assertEqual(self.ana.get("/tables/mydb/half").status, 404)

    def files(self, owner, folder):
        a = self.portal.machine if owner == "root" else getattr(self, owner)
        a = a.get(f"/files/{owner}/persistent/{folder}")
        return [e["name"] for e in a.json["entries"]] if a.status == 200 else []

    def test_two_at_once(self):
        made = [None] * 4
        bodies = [b"a\n" + b"%d\n" % i * (20000 + i) for i in range(4)]

        def send(i):
            made[i] = self.ana.put("/tables/mydb/raced?format=csv&overwrite=1", bodies[i]).status
        threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(made, [201] * 4)
        rows = self.ana.ok("GET", "/tables/mydb/raced/data?format=csv").split()
        self.assertIn(b"a\n" + b"".join(r + b"\n" for r in rows[1:]), bodies)  # one of them, whole

    def test_limits(self):
        a = self.ana.put("/tables/mydb/large?format=csv", b"", headers={"Content-Length": "99999999999"},
                         door="transfer")
        problem(self, a, 413, "10.0 GB")
        problem(self, self.ana.put("/tables/mydb/x", json.dumps({"from": "x" * 70000}), headers={
            "Content-Type": "application/json"}), 413)
        weak = self.portal.signed_in("ana", scopes=("files:read",))
        weak.ok("GET", "/tables")
        for a in (weak.put("/tables/mydb/x", CSV), weak.patch("/tables/mydb/x", {"name": "y"}),
                  weak.delete("/tables/mydb/x")):
            problem(self, a, 403, "files:write")
        problem(self, self.portal.signed_in("ana", scopes=("sql",)).get("/tables"), 403, "files:read")

    def test_quota(self):
        p = self.portal.person("poor")
        self.load(p, "small")
        self.portal.machine.ok("PATCH", "/admin/users/poor", {"quota": 200000})
        large = b"a\n" + b"".join(b"%d\n" % int.from_bytes(os.urandom(7)) for _ in range(50000))
        for how in ("overwrite=1", "append=1"):
            problem(self, p.put(f"/tables/mydb/small?format=csv&{how}", large), 507 if how[0] == "o" else 400)
        problem(self, p.put("/tables/mydb/new?format=csv", large), 507, "left", "mydb.new")
        problem(self, p.post("/query", {"sql": "INSERT INTO mydb.small SELECT range + 1e18::BIGINT, 'x' || "
                                        "hash(range), random(), NULL FROM range(50000)"}), 507, "left")
        self.assertEqual(p.ok("GET", "/tables/mydb/small")["rows"], 3)


if __name__ == "__main__":
    harness.main()
