"""`perigee query`, `history`, `saved` and `table` at a portal, as people use them: through the real nginx,
perigeed and sandbox, each person with a home of her own; and what becomes of a query whose connection, command
or patience ends.
"""
import fcntl
import gzip
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
import unittest

import h5py

import harness
from test_jobs_cli import until
from test_portal_cli import PASSWORD, Someone
from portal_world import Portal

CONFIG = """user: root
accounts: {sign_up: open}
limits: {requests_per_minute: 0}
quick: {seconds: 20, rows: 5000}
"""
LONG = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range, b.range) = 1"
GROUPS = "SELECT idx, GroupMass, GroupPos FROM tng.groups ORDER BY idx LIMIT 50"


class Cutter:
    """A way to the portal that breaks off after so many bytes of an answer (0: it never does)."""

    def __init__(self, port):
        self.port, self.after, self.held = port, 0, None
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.door.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.pump, args=(client, server), daemon=True).start()

    def pump(self, client, server):
        left = self.after or 1 << 62
        with client, server:
            while left > 0:
                for s in select.select([client, server], [], [])[0]:
                    try:
                        data = s.recv(min(left, 65536))
                        if not data:
                            return
                        (server if s is client else client).sendall(data)
                    except OSError:
                        return
                    left -= len(data) if s is server else 0

    def close(self):
        self.door.close()


class World(unittest.TestCase):
    """One portal for all of them, and two people."""

    @classmethod
    def setUpClass(cls):
        if hasattr(World, "url"):
            return
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise unittest.SkipTest("nginx is not installed")
        if not harness.can_sandbox():
            raise unittest.SkipTest("no sandbox can be made here")
        World.portal = Portal(CONFIG)
        World.shelf = World.portal.work.file("shelf")
        os.mkdir(World.shelf)
        with open(World.shelf + "/tng.yaml", "w", encoding="utf-8") as f:
            f.write(f"name: tng\ntitle: some groups\nroot: {harness.EXAMPLE}\ntables:\n"
                    "  groups: {files: 'groups_023/*.hdf5', path: /Group}\n")
        with open(World.portal.config, "a", encoding="utf-8") as f:
            f.write(f"datasets: [{World.shelf}]\n")
        World.portal.up()
        unittest.addModuleCleanup(World.portal.close)
        World.url = json.loads(World.portal.run("status", "--json").out)["web"]["url"]
        World.ana, World.ben = World.newcomer("ana"), World.newcomer("ben")

    @classmethod
    def newcomer(cls, name):
        p = Someone(cls, name)
        p.ok("signup", "--name", name, "--email", f"{name}@example.org", "--stdin", cls.url, stdin=PASSWORD + "\n")
        p.ok("login", "--name", name, "--stdin", cls.url, stdin=PASSWORD + "\n")
        with open(p.logins, encoding="utf-8") as f:
            p.token = json.load(f)["portals"][cls.url]["token"]
        return p

    def database(self, sql):
        subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", f"{self.portal.state}/postgres/s", "-U",
                        "postgres", "-d", "perigee", "-c", sql], check=True, timeout=60)

    def start(self, who, *words, env=None):
        return subprocess.Popen([f"{harness.BIN}/perigee", *words], cwd=who.home, env=dict(who.env, **(env or {})),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def last(self, who):
        return who.json("history")[0]

    def state_of(self, who, mark):
        return [q["state"] for q in who.json("history", "--search", mark)]

    def nothing_left(self, who):
        self.assertEqual([n for n in os.listdir(who.home) if n.endswith(".tmp")], [])


class Where(World):
    """Portal or here?"""

    def test_login_decides(self):
        eve = Someone(self, "eve")
        self.assertIn("7", eve.ok("query", "--format", "csv", "SELECT 3 + 4 AS seven"))
        eve.fails(2, "portal keeps saved queries.*perigee login", "query", "--saved", "x")
        eve = self.newcomer("eve")
        asked = "SELECT 5 AS five"
        self.assertEqual(eve.ok("query", "--format", "csv", asked), "five\n5\n")
        self.assertEqual(self.last(eve)["sql"], asked)
        # Not asked of the portal:
        for env, options in (({}, ["--here"]), ({"PERIGEE_PORTAL": "local"}, []), ({"PERIGEE_SCHEMAS": "[]"}, []),
                             ({"PERIGEE_TASK": "x"}, []), ({"PERIGEE_SOCKET": "/nowhere"}, []),
                             ({}, ["--portal", "local"])):
            out = eve.ok("query", *options, "--format", "csv", "SELECT 6 AS six", env=env)
            self.assertEqual(out, "six\n6\n", (env, options))
        self.assertEqual(len(eve.json("history")), 1)
        eve.ok("logout")
        self.assertEqual(eve.ok("query", "--format", "csv", "SELECT 8 AS eight"), "eight\n8\n")

    def test_no_such_portal(self):
        self.ana.fails(1, "not logged in to http://127.0.0.1:1:", "query", "--portal", "http://127.0.0.1:1", "SELECT 1")
        done = self.ana.fails(1, "no portal answers at http://127.0.0.1:1", "query", "SELECT 1",
                              env={"PERIGEE_PORTAL": "http://127.0.0.1:1", "PERIGEE_TOKEN": self.ana.token})
        self.assertEqual(done.count("\n"), 1)
        self.ana.fails(2, "does not name a portal", "query", "--portal", "http://example.org", "SELECT 1")

    def test_old_token(self):
        flo = self.newcomer("flo")
        old = flo.token
        flo.ok("login", "--name", "flo", "--stdin", self.url, stdin=PASSWORD + "\n")
        flo.fails(1, "perigee login", "query", "SELECT 1", env={"PERIGEE_TOKEN": old})
        flo.fails(1, "perigee login", "table", "ls", env={"PERIGEE_TOKEN": old})
        flo.fails(1, "perigee login", "history", env={"PERIGEE_TOKEN": old})

    def test_options(self):
        for option in (["-n", "2"], ["-t", "2"], ["--memory", "1GB"], ["--root", "/"], ["--explain"], ["--no-index"],
                       ["--temp-dir", "/tmp"], ["--allow-missing"], ["--broadcast-limit", "1MB"]):
            err = self.ana.fails(2, "--here", "query", *option, "SELECT 1")
            self.assertEqual("--job" in err, option[0] in ("-n", "-t", "--memory"), err)
        self.ana.fails(2, "exclude each other", "query", "--here", "--job", "SELECT 1")
        self.ana.fails(2, "no --limit", "query", "--job", "--limit", "3", "SELECT 1")
        self.ana.fails(2, "NAME=VALUE", "query", "--param", "x", "SELECT 1")
        self.ana.fails(2, "twice", "query", "--param", "x=1", "--param", "x=2", "SELECT $x")
        self.ana.fails(2, "has its SQL already", "query", "--saved", "x", "SELECT 1")
        self.assertEqual([q for q in self.ana.json("history", "--all") if q["sql"] == "SELECT 1"], [])

    def test_files_of_this_machine(self):
        """... the portal does not see: --here does."""
        data = f"{harness.EXAMPLE}/groups_023"
        for name in os.listdir(data):
            shutil.copy(f"{data}/{name}", self.ana.home)
        sql = f"SELECT count(*) AS n FROM '{self.ana.home}/fof*.hdf5:/Group'"
        self.ana.fails(1, r"is a file of this machine.*--here", "query", sql)
        self.ana.fails(1, r"is a file of this machine.*--here", "query", sql.replace(self.ana.home + "/", ""))
        self.assertRegex(self.ana.ok("query", "--here", "--format", "csv", sql), r"^n\n\d+\n$")
        err = self.ana.fails(1, "", "query", "SELECT * FROM 'nowhere.hdf5:/x'")
        self.assertNotIn("--here", err)


class Answers(World):
    def here(self, *words):
        return self.ana.ok("query", "--here", "-q", *words, env={"PERIGEE_DATASETS": self.shelf})

    def test_as_here(self):
        """The same text, whoever answers."""
        narrow, plain = {"LC_ALL": "C.UTF-8", "COLUMNS": "40"}, {"LC_ALL": "C"}
        for env, *options in ((plain, "--format", "csv"), (plain, "--format", "json"), (narrow, "--rows", "10"),
                              (plain,), (narrow, "--limit", "7", "--format", "ndjson")):
            at, here = (self.ana.ok("query", "-q", *options, *more, GROUPS, env=dict(env, **data))
                        for more, data in (([], {}), (["--here"], {"PERIGEE_DATASETS": self.shelf})))
            self.assertEqual(at, here, (options, env))
        out = self.ana.ok("query", "-q", "-c", "tng", "--format", "csv", "SELECT count(*) AS n FROM groups")
        self.assertEqual(out, self.here("-c", "tng", "--format", "csv", "SELECT count(*) AS n FROM groups"))
        done = self.ana.run("query", "--format", "csv", GROUPS)
        self.assertRegex(done.err, r"^50 rows in ")
        # Nothing but rows on stdout, and no summary where it is not wanted.
        self.assertEqual(self.ana.run("query", "-q", "--format", "csv", GROUPS).err, "")

    def test_into_files(self):
        magic = {"csv": b"idx,", "json": b"[", "ndjson": b"{", "parquet": b"PAR1", "h5": b"\x89HDF",
                 "fits": b"SIMPLE", "vot": b"<?xml"}
        for ending, first in magic.items():
            path = f"{self.ana.home}/groups.{ending}"
            self.assertEqual(self.ana.ok("query", "--into", path, GROUPS), "")
            with open(path, "rb") as f:
                self.assertTrue(f.read().startswith(first), ending)
        with h5py.File(f"{self.ana.home}/groups.h5") as f:
            self.assertEqual(f["idx"].shape, (50,))
        path = f"{self.ana.home}/groups.csv"
        before = harness.text_of(path)
        self.assertEqual(before, self.here("--format", "csv", GROUPS))
        self.ana.fails(2, "exists already", "query", "--into", path, "SELECT 1 AS a")
        self.assertEqual(harness.text_of(path), before)
        self.ana.ok("query", "--overwrite", "--into", path, "SELECT 1 AS a")
        self.assertEqual(harness.text_of(path), "a\n1\n")
        self.ana.fails(1, "no folder", "query", "--into", "none/x.csv", "SELECT 1")
        self.ana.fails(2, "format of x.what", "query", "--into", "x.what", "SELECT 1")
        self.ana.fails(2, "no column|not found", "query", "--into", "broken.csv", "SELECT nothing FROM tng.groups")
        self.assertFalse(os.path.exists(f"{self.ana.home}/broken.csv"))
        self.nothing_left(self.ana)

    def test_where_sql_comes_from(self):
        with open(f"{self.ana.home}/q.sql", "w", encoding="utf-8") as f:
            f.write("SELECT 'ä''€' AS s")
        for words, stdin in ((["-f", "q.sql"], None), (["-"], "SELECT 'ä''€' AS s")):
            self.assertEqual(self.ana.ok("query", "-q", "--format", "csv", *words, stdin=stdin), "s\nä'€\n")
        self.ana.fails(2, "(?i)syntax", "query", "SELEC 1")

    def test_parameters(self):
        out = self.ana.ok("query", "-q", "--format", "csv", "--param", "a=7", "--param", "b=it's", "--param", "c=\"7\"",
                          "--param", "d=null", "SELECT $a + 1 AS a, $b AS b, $c || 'x' AS c, $d IS NULL AS d")
        self.assertEqual(out, "a,b,c,d\n8,it's,7x,true\n")
        self.ana.fails(2, "x", "query", "--param", "a=1", "SELECT $x")

    def test_cut(self):
        """The limit of the portal is told, and how to have all; a limit of one's own is none to tell of."""
        done = self.ana.run("query", "--format", "csv", "SELECT range AS r FROM range(20000)")
        self.assertEqual((done.status, done.out.count("\n")), (0, 5001))
        id = self.last(self.ana)["id"]
        self.assertRegex(done.err, rf"5,000 rows .*cut(?s:.*)perigee history job {id[:8]}\n")
        self.assertEqual(self.last(self.ana)["state"], "cut")
        job = self.ana.json("history", "job", id[:8], "--output", "persistent:all")
        self.ana.ok("wait", job["number"], timeout=120)
        self.assertEqual(self.ana.ok("cat", "persistent:all/result.csv").count("\n"), 20001)
        self.assertIn(str(job["number"]), self.ana.ok("history", "show", id))
        done = self.ana.run("query", "--format", "csv", "--limit", "3", "SELECT range AS r FROM range(20000)")
        self.assertEqual(done.out.count("\n"), 4)
        self.assertNotIn("cut", done.err)

    def test_job(self):
        done = self.ana.run("query", "--job", "--ranks", "2", "-q", "SELECT count(*) AS n FROM tng.groups")
        self.ana.ok("wait", done.out.strip(), timeout=120)
        self.assertEqual(self.ana.ok("results", done.out.strip(), "result.csv"),
                         self.here("--format", "csv", "SELECT count(*) AS n FROM tng.groups"))
        done = self.ana.run("query", "--job", "SELECT 1 AS one")
        self.assertRegex(done.out, r"^job \d+ ")
        self.assertRegex(done.err, r"perigee wait \d+")

    def test_closed_pipe(self):
        p = self.start(self.ana, "query", "--format", "csv", "SELECT * FROM range(5000)")
        p.stdout.close()
        self.assertEqual(p.wait(20), 141)
        self.assertEqual(p.stderr.read(), b"")
        p.stderr.close()


class Broken(World):
    """It ends in the middle."""

    def cut_off(self, after, *words):
        cutter = Cutter(int(self.url.rsplit(":", 1)[1]))
        self.addCleanup(cutter.close)
        cutter.after = after
        return self.ana.run(*words, env={"PERIGEE_PORTAL": cutter.url, "PERIGEE_TOKEN": self.ana.token})

    def test_connection(self):
        sql = "SELECT range AS r, repeat('x', 200) AS s FROM range(5000)"
        for words in (["--into", "cut.csv"], ["--format", "csv"]):
            done = self.cut_off(100000, "query", *words, sql)
            self.assertEqual(done.status, 1)
            self.assertIn("broke off", done.err)
            self.assertNotIn("5,000 rows", done.err)
        self.assertFalse(os.path.exists(f"{self.ana.home}/cut.csv"))
        self.nothing_left(self.ana)
        done = self.cut_off(0, "query", "--into", "whole.csv", sql)
        self.assertEqual(done.status, 0, done.err)

    def test_nginx_is_killed(self):
        p = self.start(self.ana, "query", "--into", "killed.csv", LONG + " -- behind_nginx")
        until(lambda: self.state_of(self.ana, "behind_nginx") == ["running"], 20, "the query")
        with open(f"{self.portal.state}/web/nginx.pid", encoding="ascii") as f:
            master = int(f.read())
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as f:
            for worker in f.read().split():
                os.kill(int(worker), signal.SIGKILL)
        _, err = p.communicate(timeout=20)
        self.assertEqual(p.returncode, 1, err)
        self.assertIn(b"broke off", err)
        self.assertFalse(os.path.exists(f"{self.ana.home}/killed.csv"))
        until(lambda: self.state_of(self.ana, "behind_nginx") == ["cancelled"], 20, "its end")

    def test_interrupted(self):
        for mark, words in (("ended_alone", []), ("ended_file", ["--into", "long.csv"])):
            p = self.start(self.ana, "query", *words, f"{LONG} -- {mark}")
            until(lambda m=mark: self.state_of(self.ana, m) == ["running"], 20, "the query")
            p.send_signal(signal.SIGINT)
            _, err = p.communicate(timeout=10)
            self.assertEqual(p.returncode, 130, err)
            self.assertIn(b"interrupted", err)
            until(lambda m=mark: self.state_of(self.ana, m) == ["cancelled"], 10, "its end")
        self.assertFalse(os.path.exists(f"{self.ana.home}/long.csv"))
        self.nothing_left(self.ana)

    def test_timeout(self):
        began = time.monotonic()
        self.ana.fails(1, "1 second.*--timeout", "query", "--timeout", "1s", LONG + " -- too_late")
        self.assertLess(time.monotonic() - began, 5)
        until(lambda: self.state_of(self.ana, "too_late") == ["cancelled"], 10, "its end")


class Memory(World):
    """What the portal remembers of queries."""

    def test_history(self):
        gil = self.newcomer("gil")
        self.assertIn("asked nothing", gil.run("history").err)
        gil.ok("query", "-q", "SELECT 41 AS n")
        gil.ok("query", "-q", "-c", "tng", "SELECT count(*) AS groups FROM groups")
        gil.run("query", "SELECT nonsense FROM tng.groups")
        listed = gil.ok("history")
        self.assertRegex(listed, r"(?s)ID +STARTED +STATE +ROWS.*failed.*nonsense.*done +1 .*groups.*done +1 .*41")
        failed, counted, first = gil.json("history", "ls")
        self.assertRegex(gil.ok("history", "--search", "GROUPS"), r"count\(\*\)")
        self.assertNotIn("AS n", gil.ok("history", "--search", "groups"))
        shown = gil.ok("history", "show", counted["id"][:8])
        self.assertRegex(shown, r"State +done")
        self.assertRegex(shown, r"Dataset +tng")
        self.assertIn("SELECT count(*) AS groups FROM groups", shown)
        self.assertRegex(gil.ok("history", "show", failed["id"]), "(?s)failed.*nonsense")
        self.assertRegex(gil.ok("history", "run", counted["id"][:8], "--format", "csv"), r"^groups\n\d+\n$")
        gil.fails(1, "you have asked no query 0000fff", "history", "show", "0000fff")
        gil.fails(2, "no ID", "history", "show", "xyz")
        gil.fails(2, "no ID", "history", "rm", "12")
        self.ana.fails(1, "no query", "history", "show", first["id"])
        self.assertIn("forgotten", gil.ok("history", "rm", first["id"], failed["id"][:13]))
        self.assertEqual([q["id"] for q in gil.json("history")][-1:], [counted["id"]])
        self.database("INSERT INTO query (account, sql, state) SELECT a.id, 'SELECT ' || n, 'done' FROM account a, "
                      "generate_series(1, 600) n WHERE a.name = 'gil'")
        self.assertEqual(len(gil.json("history")), 20)
        self.assertEqual(len(gil.json("history", "--all")), 602)
        self.assertIn("SELECT 17\n", gil.ok("history", "show", next(
            q["id"] for q in gil.json("history", "--all") if q["sql"] == "SELECT 17")[:18]))
        self.database("INSERT INTO query (account, id, sql, state) SELECT a.id, ('abcd' || n || '000-0000-4000-8000-"
                      "000000000000')::uuid, 'SELECT ' || n, 'done' FROM account a, generate_series(1, 2) n "
                      "WHERE a.name = 'gil'")
        gil.fails(2, "more than one of your queries begins with abcd: give more", "history", "rm", "abcd")
        self.assertIn("SELECT 2\n", gil.ok("history", "show", "ABCD2"))
        self.ana.fails(1, "no query", "history", "show", "abcd2")
        self.assertEqual(gil.ok("history", "rm", "abcd1"), "query abcd1 is forgotten\n")
        gil.fails(1, "no query", "history", "show", "abcd1000-0000-4000-8000-000000000000")

    def test_saved(self):
        hal = self.newcomer("hal")
        self.assertIn("No query is saved", hal.run("saved").err)
        hal.ok("query", "-q", "--save", "more", "--param", "m=2", "--param", "s=x",
               "SELECT $m * 2 AS m, $s AS s")
        self.assertRegex(hal.ok("saved"), r'more +hal .*m=2 s="x"')
        self.assertEqual(hal.ok("query", "-q", "--format", "csv", "--saved", "more"), "m,s\n4,x\n")
        self.assertEqual(hal.ok("query", "-q", "--format", "csv", "--saved", "more", "--param", "m=2.5"), "m,s\n5.0,x\n")
        self.assertIn("$m * 2", hal.ok("saved", "show", "more"))
        # What went wrong is not kept.
        hal.fails(2, "(?i)syntax", "query", "--save", "bad", "SELEC 1")
        hal.fails(2, "not saved as a/b/c|name", "query", "--save", "-x", "SELECT 1")
        hal.fails(1, "no saved query", "saved", "show", "bad")
        hal.fails(1, "no saved query", "query", "--saved", "bad")
        hal.fails(2, "no parameter", "query", "--saved", "more", "--param", "z=1")
        self.ana.fails(1, "no saved query", "query", "--saved", "hal/more")
        job = hal.run("query", "-q", "--job", "--saved", "more", "--param", "m=21").out.strip()
        hal.ok("wait", job, timeout=120)
        self.assertEqual(hal.ok("results", job, "result.csv"), "m,s\n42,x\n")
        # A team's: its members see and run it, and only its owner changes it.
        self.ana.fails(1, "no saved query", "saved", "show", "hal/more")
        hal.fails(1, "in no team halos", "saved", "share", "more", "halos")
        hal.ok("team", "create", "halos")
        hal.ok("team", "invite", "halos", "ana")
        self.ana.ok("team", "accept", "halos")
        hal.fails(1, "no saved query", "saved", "share", "mor", "halos")
        self.assertIn("is shared with the team halos", hal.ok("saved", "share", "more", "team:halos"))
        self.assertRegex(self.ana.ok("saved"), r'more +hal +halos .*m=2 s="x"')
        self.assertEqual(self.ana.ok("query", "-q", "--format", "csv", "--saved", "hal/more"), "m,s\n4,x\n")
        self.ana.fails(1, "hal/more is a query of hal: only hal shares it", "saved", "unshare", "hal/more")
        hal.ok("query", "-q", "--save", "more", "--param", "m=3", "--param", "s=x", "SELECT $m * 2 AS m, $s AS s")
        self.assertEqual(self.ana.ok("query", "-q", "--format", "csv", "--saved", "hal/more"), "m,s\n6,x\n")
        self.assertIn("yours alone", hal.ok("saved", "unshare", "more"))
        self.ana.fails(1, "no saved query", "query", "--saved", "hal/more")
        self.assertIn("is deleted", hal.ok("saved", "rm", "more"))
        hal.fails(1, "no saved query", "saved", "rm", "more")


STARS = """id,name,ra,mag
1,Alpha,10.5,1.25
2,Beta,20.5,
3,"Gamma, the third",30.5,3.75
"""


class Own(World):
    """Tables: `perigee table`."""

    def write(self, who, name, text):
        with open(f"{who.home}/{name}", "w", encoding="utf-8") as f:
            f.write(text)

    def csv(self, who, sql):
        return who.ok("query", "-q", "--format", "csv", sql)

    def test_life_of_a_table(self):
        ida = self.newcomer("ida")
        self.write(ida, "stars.csv", STARS)
        self.assertIn("no table yet", ida.run("table", "ls").err)
        shown = ida.run("table", "load", "--preview", "stars.csv")
        self.assertRegex(shown.out, r"(?s)COLUMN +TYPE.*id +BIGINT.*mag +DOUBLE.*Gamma, the third.*NULL|Beta")
        self.assertIn("nothing is kept", shown.err)
        self.assertEqual(ida.json("table", "ls")["tables"], [])
        made = ida.json("table", "load", "stars.csv", "Stars")
        self.assertEqual((made["schema"], made["name"], made["rows"]), ("mydb", "stars", 3))
        self.assertEqual(self.csv(ida, "SELECT name, mag FROM mydb.stars ORDER BY id"),
                         'name,mag\nAlpha,1.25\nBeta,\n"Gamma, the third",3.75\n')
        self.assertEqual(made["notes"], [])
        # What was taken for something else is told, of a file that is packed, too.
        with gzip.open(f"{ida.home}/odd.csv.gz", "wt") as f:
            f.write("id,z\n1,0.5\n2,N/A\n")
        noted = 'z has "N/A" (line 3), which is taken for no value; the type VARCHAR keeps it'
        self.assertEqual(ida.json("table", "load", "odd.csv.gz", "odd")["notes"], [noted])
        self.assertIn("Note: " + noted, ida.run("table", "load", "--overwrite", "odd.csv.gz", "odd").err)
        self.assertNotIn("Note", ida.run("table", "load", "-q", "--overwrite", "odd.csv.gz", "odd").err)
        ida.ok("table", "rm", "odd")
        self.write(ida, "halos.txt", "# id mass [Msun]\n1 2.5\n2 3.5\n")
        self.assertEqual(ida.json("table", "load", "halos.txt", "halos")["columns"][1]["unit"], "Msun")
        ida.ok("table", "rm", "halos")
        self.write(ida, "page.csv", "<html>\n")
        ida.fails(2, "is a web page", "table", "load", "page.csv", "page")
        ida.fails(1, "at the portal: 'perigee table show mydb.stars'", "describe", "mydb.stars")
        self.assertRegex(ida.ok("dataset", "ls"), r"tng +some groups")
        self.assertEqual([d["name"] for d in ida.json("dataset", "list")], ["tng"])
        self.assertNotIn("tng", ida.ok("dataset", "ls", env={"PERIGEE_PORTAL": "local"}))
        # A name that is taken; more rows; others instead.
        ida.fails(1, "already|--append", "table", "load", "stars.csv", "stars")
        self.assertRegex(ida.ok("table", "load", "--append", "stars.csv", "stars"), r"mydb\.stars: 6 rows, 4 columns")
        ida.ok("table", "load", "--overwrite", "--type", "id=VARCHAR", "-", "--format", "csv", "stars", stdin=STARS)
        self.assertEqual({c["name"]: c["type"] for c in ida.json("table", "show", "stars")["columns"]}["id"], "VARCHAR")
        ida.fails(2, "COLUMN=TYPE", "table", "load", "--type", "id", "stars.csv", "x")
        ida.fails(1, "nowhere.csv", "table", "load", "nowhere.csv", "x")
        ida.fails(2, "is a folder", "table", "load", ".", "x")
        ida.fails(2, "needs a file and a table", "table", "load", "stars.csv")
        # From storage.
        ida.ok("cp", "-q", "stars.csv", "persistent:in.csv")
        ida.ok("table", "load", "--from", "persistent:in.csv", "mydb.again")
        ida.fails(1, "none.csv", "table", "load", "--from", "persistent:none.csv", "x")
        self.assertEqual(sorted(t["name"] for t in ida.json("table", "ls")["tables"]), ["again", "stars"])
        # What they are.
        ida.ok("table", "describe", "again", "--text", "Bright ones", "--unit", "ra=deg", "--ucd", "ra=pos.eq.ra",
               "--column", "mag=V magnitude")
        ida.fails(2, "say what", "table", "describe", "again")
        ida.fails(2, "COLUMN=TEXT", "table", "describe", "again", "--unit", "deg")
        shown = ida.ok("table", "show", "again")
        self.assertRegex(shown, r"(?s)Description +Bright ones.*ra +DOUBLE +deg +pos\.eq\.ra.*mag +DOUBLE with NULL +V mag")
        self.assertRegex(ida.ok("table", "ls"), r"(?s)mydb\.again +3 +4 +\S+ \S+ +.*Bright ones.*mydb\.stars +3")
        # Out again.
        self.assertEqual(ida.ok("table", "get", "again"), STARS)
        for ending, first in (("csv", b"id,"), ("fits", b"SIMPLE"), ("h5", b"\x89HDF")):
            ida.ok("table", "get", "again", "-o", f"again.{ending}")
            with open(f"{ida.home}/again.{ending}", "rb") as f:
                self.assertTrue(f.read().startswith(first), ending)
        with h5py.File(f"{ida.home}/again.h5") as f:
            self.assertEqual(f["ra"].attrs["unit"], "deg")
        ida.fails(2, "exists already", "table", "get", "again", "-o", "again.csv")
        ida.ok("table", "get", "again", "--overwrite", "-o", "again.csv")
        ida.fails(1, "none", "table", "get", "none", "-o", "none.csv")
        self.assertFalse(os.path.exists(f"{ida.home}/none.csv"))
        # SQL makes and changes them, and says so; there are no rows on stdout.
        done = ida.run("query", "SELECT * INTO mydb.bright FROM mydb.again WHERE mag < 3")
        self.assertEqual((done.status, done.out), (0, ""), done.err)
        self.assertIn("bright", done.err)
        ida.ok("query", "CREATE VIEW mydb.dim AS SELECT * FROM mydb.again WHERE mag > 3")
        self.assertIn("mag > 3", ida.ok("table", "show", "dim"))
        done = ida.run("query", "--into", "nothing.csv", "DELETE FROM mydb.bright")
        self.assertIn("has no rows", done.err)
        self.assertFalse(os.path.exists(f"{ida.home}/nothing.csv"))
        # --into a table, once and again; in a job.
        for options, status in (([], 0), ([], 1), (["--overwrite"], 0)):
            done = ida.run("query", *options, "--into", "mydb.n", "SELECT 1 AS a -- one;\n;")
            self.assertEqual((done.status, done.out), (status, ""), done)
        ida.fails(2, "one SELECT", "query", "--into", "mydb.n", "SELECT 1; SELECT 2")
        ida.ok("wait", ida.ok("query", "-q", "--job", "--into", "mydb.of_job", "SELECT 2 AS a").strip(), timeout=120)
        self.assertEqual(self.csv(ida, "SELECT a FROM mydb.n UNION ALL SELECT a FROM mydb.of_job"), "a\n1\n2\n")
        ida.ok("table", "rm", "n", "of_job")
        # Names.
        ida.ok("table", "mv", "bright", "none_left")
        ida.fails(1, "again", "table", "mv", "none_left", "again")
        ida.fails(2, "stays in its schema", "table", "mv", "none_left", "other.x")
        ida.fails(1, "bright", "table", "show", "bright")
        self.assertEqual(ida.ok("table", "rm", "none_left", "mydb.dim"), "none_left is deleted\nmydb.dim is deleted\n")
        ida.fails(1, "none_left", "table", "rm", "none_left")
        self.nothing_left(ida)

    def test_asked_before_it_goes(self):
        kim = self.newcomer("kim")
        self.write(kim, "stars.csv", STARS)
        kim.ok("table", "load", "stars.csv", "stars")
        for answer, status in ((b"n\n", 1), (b"y\n", 0)):
            pid, fd = pty.fork()
            if pid == 0:
                os.chdir(kim.home)
                os.execve(f"{harness.BIN}/perigee", ["perigee", "table", "rm", "stars"], kim.env)
            shown = b""
            while b"[y/N]" not in shown and select.select([fd], [], [], 20)[0]:
                shown += os.read(fd, 4096)
            os.write(fd, answer)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), status)
            os.close(fd)
            self.assertEqual(len(kim.json("table", "ls")["tables"]), status)

    def test_shared(self):
        lea, mia = self.newcomer("lea"), self.newcomer("mia")
        for who in (lea, mia):
            self.write(who, "stars.csv", STARS)
        lea.ok("table", "load", "stars.csv", "stars")
        lea.ok("table", "load", "stars.csv", "secret")
        mia.fails(1, "lea", "query", "SELECT * FROM lea.stars")
        lea.ok("table", "share", "stars", "mia")
        self.assertEqual(self.csv(mia, "SELECT count(*) AS n FROM lea.stars"), "n\n3\n")
        self.assertEqual(mia.ok("table", "get", "lea.stars"), STARS)
        self.assertIn("lea.stars", mia.ok("table", "ls"))
        mia.fails(1, "secret", "query", "SELECT * FROM lea.secret")
        mia.fails(1, "", "table", "load", "--append", "stars.csv", "lea.stars")
        mia.fails(1, "", "table", "rm", "-y", "lea.stars")
        self.assertEqual(lea.json("table", "show", "stars")["rows"], 3)
        lea.fails(2, "names nobody", "table", "share", "stars", "job:1")
        lea.fails(1, "none", "table", "share", "none", "mia")
        lea.ok("table", "unshare", "stars", "mia")
        lea.fails(1, "not shared with", "table", "unshare", "stars")
        mia.fails(1, "lea", "query", "SELECT * FROM lea.stars")
        # All of them, also those to come; by a team.
        lea.ok("team", "create", "sky")
        lea.ok("team", "invite", "sky", "mia")
        mia.ok("team", "accept", "sky")
        lea.ok("table", "share", "mydb", "team:sky")
        lea.ok("table", "load", "stars.csv", "later")
        self.assertEqual(self.csv(mia, "SELECT count(*) AS n FROM lea.later a JOIN lea.secret b ON a.id = b.id"), "n\n3\n")
        mia.ok("team", "leave", "sky")
        mia.fails(1, "lea", "query", "SELECT * FROM lea.later")

    def test_broken_off(self):
        """A file that comes only in part is no table, and leaves the one before."""
        ned = self.newcomer("ned")
        self.write(ned, "stars.csv", STARS)
        ned.ok("table", "load", "stars.csv", "stars")
        r, w = os.pipe()
        p = subprocess.Popen([f"{harness.BIN}/perigee", "table", "load", "--overwrite", "--format", "csv", "-", "stars"],
                             env=ned.env, stdin=r, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        os.close(r)
        os.write(w, b"id,name\n" + b"5,x\n" * 10000)
        until(lambda: not any(fcntl.ioctl(w, termios.FIONREAD, bytes(4))), what="its reading")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(10), 130)
        os.close(w)
        p.stderr.close()
        self.assertEqual(ned.json("table", "show", "stars")["rows"], 3)
        self.assertEqual(ned.ok("table", "get", "stars"), STARS)


if __name__ == "__main__":
    harness.main()
