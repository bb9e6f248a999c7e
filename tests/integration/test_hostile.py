"""What a hostile account can do to the daemon and to others: texts that cost much to look at, answers that
nobody fetches, saved queries of others, what a query could change.
"""
import concurrent.futures
import http.client
import io
import json
import os
import resource
import socket
import subprocess
import tempfile
import time
import unittest
from urllib.parse import quote

import h5py

import harness
from portal_world import Portal

CONFIG = """limits: {requests_per_minute: 0}
quick:
  seconds: 20
  bytes: 4MB
  upload: 100MB
  processes: 3
  per_account: 2
"""
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range < 0"

# A job of somebody who may read the tables: takes each lock that it can open, and keeps it.
HOLDER = """
import fcntl, glob, os, time
print("looks", flush=True)
held, until = {}, time.time() + 15
while time.time() < until:
    for path in glob.glob("/volumes/ana/persistent/mydb/.lock-*"):
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            try:
                fd = os.open(path, flags)
                fcntl.flock(fd, fcntl.LOCK_EX)
                held[path] = fd
                print("held", flush=True)
            except OSError as e:
                pass
    time.sleep(0 if not held else 0.5)
print("over", flush=True)
"""


def setUpModule():
    global portal, ana, bob
    if not harness.can_sandbox():
        raise unittest.SkipTest("no sandbox can be made here")
    portal = Portal(CONFIG).up()
    unittest.addModuleCleanup(portal.close)
    ana, bob = portal.person("ana"), portal.person("bob")
    ana.ok("POST", "/teams", {"name": "crew"})
    ana.ok("POST", "/teams/crew/invitations", {"account": "bob"})
    bob.ok("POST", "/invitations/crew/accept")


def ask(who, sql, **more):
    return who.post("/query", dict(sql=sql, **more), timeout=90)


def memory(what):
    """VmRSS or VmHWM of the daemon, in MB."""
    with open(f"/proc/{portal.pid()}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith(what))


def settle(check, seconds=30):
    until = time.monotonic() + seconds
    while not (value := check()) and time.monotonic() < until:
        time.sleep(0.03)
    return value


class Texts(unittest.TestCase):
    """The daemon looks at SQL itself, to know who may send it: in proportion to its length."""

    def test_names_of_columns(self):
        before = memory("VmHWM")
        a = ask(ana, "CREATE TABLE mydb.x (" + ",".join(["a"] * 15000) + ") AS SELECT 1 AS a")
        self.assertEqual(a.status, 400, a)
        self.assertLess(memory("VmHWM") - before, 200)

    def test_parameters(self):
        """A request that is refused takes a moment, and nobody waits for it."""
        n = 60000
        values = {f"z{i}": 1 for i in range(n)}
        started = time.monotonic()
        a = ask(ana, " ".join([f"$z{n - 1}"] * n), parameters=values)
        self.assertEqual(a.status, 400, a)
        self.assertLess(time.monotonic() - started, 15)

    def test_those_who_wait(self):
        """What the daemon keeps of a query that waits for its turn is not what it made of it."""
        text = "SELECT 1 -- " + "x " * 10 + "\n" + "+ 1" * 300000
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            block = [pool.submit(ask, ana, ENDLESS) for _ in range(2)]
            self.assertTrue(settle(lambda: sum(q["state"] == "running" for q in
                                               ana.ok("GET", "/queries?limit=5")["queries"]) == 2))
            before = memory("VmRSS")
            waiting = [pool.submit(ask, ana, text) for _ in range(25)]
            self.assertTrue(settle(lambda: len(ana.ok("GET", "/queries?limit=60")["queries"]) >= 27))
            time.sleep(0.5)
            grown = memory("VmRSS") - before
            for _ in range(3):
                for q in ana.ok("GET", "/queries?limit=60")["queries"]:
                    if q["state"] in ("waiting", "running"):
                        ana.post(f"/queries/{q['id']}/cancel")
                time.sleep(0.3)
            for f in block + waiting:
                self.assertIn(f.result().status, (400, 409, 429))
        self.assertLess(grown, 300)

    def test_long_descriptions(self):
        """What a command says of a table goes through, and is not taken apart in the daemon."""
        wide = io.BytesIO()
        with h5py.File(wide, "w") as f:
            for i in range(300):
                f.create_dataset(f"c{i}", (1,), "i4").attrs["description"] = "x" * 50000
        self.assertEqual(ana.put("/tables/mydb/wide", wide.getvalue()).status, 201)
        before = memory("VmRSS")
        streams = []
        for _ in range(2):
            s = socket.socket(socket.AF_UNIX)
            streams.append(s)
            s.settimeout(60)
            s.connect(portal.socket("web"))
            s.sendall((f"GET /api/v1/tables/mydb/wide HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {ana.token}\r\n"
                       "\r\n").encode())
        for s in streams:
            self.assertEqual(s.recv(12), b"HTTP/1.1 200")
        grown = memory("VmRSS") - before
        for s in streams:
            s.close()
        self.assertEqual(len(ana.ok("GET", "/tables/mydb/wide")["columns"]), 300)
        self.assertEqual(ana.delete("/tables/mydb/wide").body, b"")
        self.assertLess(grown, 45)

    def test_search(self):
        """Words that are looked for in all that one has asked."""
        portal.database("INSERT INTO query (account, sql, state) SELECT id, (SELECT string_agg('x' || i, ' ') FROM "
                        "generate_series(1, 120000) i), 'done' FROM account, generate_series(1, 6) WHERE name = 'bob'")
        self.addCleanup(portal.database, "DELETE FROM query USING account a WHERE a.id = account AND a.name = 'bob'")
        started = time.monotonic()
        found = bob.ok("GET", "/queries?q=" + quote("X1 x2 x3 x4 x5 x6 x7"))["queries"]
        self.assertEqual(len(found), 6)
        self.assertEqual(bob.ok("GET", "/queries?q=" + quote("x1 x2 x3 nowhere"))["queries"], [])
        a = bob.get("/queries?q=" + quote("1 " * 190))
        self.assertEqual(a.status, 400)
        self.assertIn("words", a.json["detail"])
        a = bob.get("/queries?before=1e999_00000000-0000-0000-0000-000000000000")
        self.assertIn("the page before", a.json["detail"])
        self.assertLess(time.monotonic() - started, 10)


class Others(unittest.TestCase):
    def test_saved_query_that_writes(self):
        """Bob saves what drops a table of whoever runs it by its name."""
        ask(ana, "CREATE TABLE mydb.precious AS SELECT 1 AS a")
        self.addCleanup(ask, ana, "DROP TABLE mydb.precious")
        bob.ok("PUT", "/saved-queries/heavy", {"sql": "SELECT 1 AS a", "team": "crew"})
        self.assertEqual(ana.post("/query", {"saved": "heavy"}).json or "", "")
        for sql in ("DROP TABLE mydb.precious", "SELECT 1 AS a; DELETE FROM mydb.precious",
                    "WITH b AS (SELECT 2 AS a) INSERT INTO mydb.precious SELECT a FROM b"):
            bob.ok("PUT", "/saved-queries/heavy", {"sql": sql, "team": "crew"})
            for name in ("heavy", "bob/heavy"):
                a = ana.post("/query", {"saved": name})
                self.assertEqual(a.status, 403, a)
                self.assertIn("bob/heavy changes tables", a.json["detail"])
        self.assertEqual(json.loads(ask(ana, "SELECT a FROM mydb.precious").body), {"a": 1})
        ana.ok("PUT", "/saved-queries/mine", {"sql": "DELETE FROM mydb.precious", "team": "crew"})
        self.assertEqual(ana.post("/query", {"saved": "mine"}).json["changed"][0]["rows"], 1)
        self.assertEqual(ana.post("/query", {"saved": "ANA/mine"}).status, 200)

    def test_a_query_can_change_nothing(self):
        """What a query that writes no table sees can only be read, whatever a crafted file makes of it."""
        def binds():
            folder = os.path.join(portal.state, "jobs/quick")
            for one in os.listdir(folder):
                try:
                    with open(os.path.join(folder, one, "launch.json"), encoding="utf-8") as f:
                        return json.load(f)["sandbox"]["binds"]
                except (OSError, ValueError):
                    pass
            return None
        for sql, write in ((ENDLESS, False), ("CREATE TABLE mydb.none AS " + ENDLESS.replace("count(*)", "a.range"),
                                              True)):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                f = pool.submit(ask, ana, sql)
                got = settle(binds)
                for q in ana.ok("GET", "/queries?limit=3")["queries"]:
                    ana.post(f"/queries/{q['id']}/cancel")
                self.assertEqual(f.result().status, 409)
            self.assertIn("/volumes/ana/persistent", [b["to"] for b in got])
            self.assertEqual(any(b["write"] for b in got), write, got)
            self.assertTrue(settle(lambda: not os.listdir(portal.state + "/jobs/quick")))

    def test_locks(self):
        """Who may read all of another's tables cannot keep her from changing them."""
        bob.ok("GET", "/volumes")
        ask(ana, "CREATE TABLE mydb.busy AS SELECT 1 AS a")
        ana.ok("POST", "/grants", {"kind": "volume", "thing": "ana/persistent:mydb", "to": {"account": "bob"},
                                   "rights": ["read"]})
        number = bob.ok("POST", "/jobs", {"kind": "script", "command": ["/usr/bin/python3", "-c", HOLDER]})["number"]
        log = f"/jobs/{number}/logs?stream=stdout"
        self.assertTrue(settle(lambda: b"looks" in bob.get(log).body, 30))
        started, took = time.monotonic(), []
        while time.monotonic() < started + 8:
            before = time.monotonic()
            a = ask(ana, "INSERT INTO mydb.busy SELECT range FROM range(300000)")
            self.assertEqual(a.status, 200, a)
            took.append(time.monotonic() - before)
        self.assertTrue(settle(lambda: b"over" in bob.get(log).body, 60))
        said = bob.get(log).body.decode().split()
        self.assertNotIn("held", said)
        self.assertLess(max(took), 8, took)


class Connections(unittest.TestCase):
    def test_of_one_account(self):
        """She keeps as many streams open as she can: others are answered, by both doors."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        head = (f"GET /api/v1/events HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {ana.token}\r\n\r\n").encode()
        for door in ("web", "transfer"):
            streams, refused = [], 0
            try:
                for _ in range(1250):
                    s = socket.socket(socket.AF_UNIX)
                    streams.append(s)
                    s.settimeout(20)
                    s.connect(portal.socket(door))
                    s.sendall(head)
                for d in ("web", "transfer"):
                    self.assertEqual(bob.ask("GET", "/account", door=d, timeout=20).status, 200)
                for s in streams:
                    refused += s.recv(12) == b"HTTP/1.1 429"
                self.assertGreater(refused, 900)
            finally:
                for s in streams:
                    s.close()
            self.assertTrue(settle(lambda d=door: ana.ask("GET", "/account", door=d).status == 200, 40))

    def test_bodies_of_one_account(self):
        """All that she sends at once has the size of one file at most; others send theirs."""
        def begin(who, length):
            s = socket.socket(socket.AF_UNIX)
            self.addCleanup(s.close)
            s.settimeout(10)
            s.connect(portal.socket("transfer"))
            s.sendall((f"PUT /api/v1/tables/mydb/body?format=csv HTTP/1.1\r\nHost: p\r\nContent-Length: {length}\r\n"
                       f"Authorization: Bearer {who.token}\r\n\r\n").encode())
            return s
        first = begin(ana, 60 << 20)
        time.sleep(1)
        second = begin(ana, 60 << 20)
        self.assertEqual(second.recv(12), b"HTTP/1.1 429")
        self.assertIn(b"together", second.recv(65536))
        self.assertEqual(bob.put("/tables/mydb/body?format=csv", "a\n1\n", door="transfer").status, 201)
        self.assertEqual(bob.delete("/tables/mydb/body").status, 204)
        first.close()


class Disk(unittest.TestCase):
    """Answers on the portal's own disk leave room for what else is there."""

    @classmethod
    def setUpClass(cls):
        cls.disk = tempfile.mkdtemp(prefix="perigee-disk.", dir="/tmp")
        cls.addClassCleanup(os.rmdir, cls.disk)
        if os.getuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m,mode=755", "tmpfs", cls.disk],
                                         capture_output=True, check=False).returncode:
            raise unittest.SkipTest("no file system can be mounted here: the full disk")
        cls.addClassCleanup(subprocess.run, ["umount", cls.disk], check=True)
        small = Portal(CONFIG.replace("4MB", "200MB") + f"spool: {cls.disk}/spool\n").up()
        cls.addClassCleanup(small.close)
        cls.tim = small.person("tim")

    def test_full(self):
        big = "SELECT repeat('x', 1900) AS a FROM range(90000)"
        with self.assertRaises(http.client.IncompleteRead):
            ask(self.tim, big, format="csv")
        last = self.tim.ok("GET", "/queries?limit=1")["queries"][0]
        self.assertEqual(last["state"], "failed")
        self.assertIn("no room", last["text"])
        filler = os.path.join(self.disk, "filler")
        with open(filler, "wb") as f:
            f.write(b"x" * (126 << 20))
        a = ask(self.tim, "SELECT 1 AS a")
        self.assertEqual(a.status, 507, a)
        self.assertIn("no room", a.json["detail"])
        os.unlink(filler)
        self.assertEqual(ask(self.tim, "SELECT 1 AS a").status, 200)


if __name__ == "__main__":
    harness.main()
