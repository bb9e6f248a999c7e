"""Volumes, files and the trash over HTTP: what people do with them, what they may not do, and
what is left when perigeed is killed. Several people of this machine ask by the local socket
(which needs root), and one asks as nginx does.
"""
import hashlib
import io
import os
import random
import signal
import subprocess
import tarfile
import threading
import time
import unittest
import urllib.parse
import zipfile

import harness
import portal_world

MB = 1000000


class _Connection(portal_world._Connection):
    def __init__(self, path, timeout, uid):
        super().__init__(path, timeout)
        self.uid = uid

    def connect(self):
        # Who asks is who connects.
        os.seteuid(self.uid)
        try:
            super().connect()
        finally:
            os.seteuid(0)


class Local(portal_world.Person):
    """A Unix user of this machine that has no name: her account is called as her number."""

    def __init__(self, portal, uid):
        super().__init__(portal, str(uid), door="perigeed")
        self.uid = uid

    def connection(self, timeout=60):
        return _Connection(self.portal.socket(self.door), timeout, self.uid)

    def ask(self, method, path, body=None, headers=None, door=None, timeout=60):
        old = portal_world._Connection
        portal_world._Connection = lambda p, t: _Connection(p, t, self.uid)
        try:
            return super().ask(method, path, body, headers, door, timeout)
        finally:
            portal_world._Connection = old

    def f(self, path, volume="persistent", owner=None, query=""):
        return (f"/files/{owner or self.name}/{volume}/" + urllib.parse.quote(path)
                + (f"?{query}" if query else ""))

    def write(self, path, data, **more):
        return self.ok("PUT", self.f(path, **more), data)

    def read(self, path, **more):
        a = self.get(self.f(path, query="download=1", **more))
        assert a.status == 200, a
        return a.body

    def act(self, path, action, volume="persistent", owner=None, **more):
        return self.post(self.f(path, volume, owner), dict(more, action=action))

    def names(self, path="", **more):
        return [e["name"] for e in self.ok("GET", self.f(path, **more))["files"]]

    def volume(self, name="persistent", owner=None):
        return self.ok("GET", f"/volumes/{owner or self.name}/{name}")


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("SKIP files of several users: needs root")
        cls.data = harness.Workplace()
        cls.addClassCleanup(cls.data.close)
        cls.p = portal_world.Portal("users: all\nstorage:\n  persistent_quota: 20MB\n"
                                    "  scratch_quota: 5MB\n  scratch_days: 10\n")
        cls.addClassCleanup(cls.p.close)
        # The way to the sockets is everybody's.
        for folder in (cls.p.work.path, cls.p.state):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o755)
        cls.p.up()
        os.chmod(cls.p.state, 0o755)
        cls.uid = 61000 + os.getpid() % 4000

    def setUp(self):
        Files.uid += 2
        self.a, self.b = Local(self.p, self.uid), Local(self.p, self.uid + 1)

    def sql(self, text):
        done = subprocess.run(["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-h",
                               f"{self.p.state}/postgres/s", "-d", "perigee", "-c", text],
                              capture_output=True, text=True, timeout=30, cwd="/", check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def problem(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        for word in words:
            self.assertIn(word, answer.json["detail"])

    def disk(self, who, volume="persistent"):
        """The folder of a volume on disk."""
        owner = who.name
        a = who.ask("GET", f"/volumes/{owner}/{volume}")
        self.assertEqual(a.status, 200)
        base = os.path.join(self.p.state, "volumes")
        mark = f"mark{random.random()}"
        who.write(mark, b"", volume=volume)
        found = [d for d in os.listdir(base) if os.path.exists(os.path.join(base, d, mark))]
        who.ok("DELETE", who.f(mark, volume=volume, query="forever=1"))
        return os.path.join(base, found[0])

    # ---- volumes ----

    def test_volumes(self):
        a = self.a
        mine = {v["name"]: v for v in a.ok("GET", "/volumes")["volumes"]}
        self.assertEqual(set(mine), {"persistent", "scratch"})
        self.assertEqual(mine["persistent"]["quota"], 20 * MB)
        self.assertEqual(mine["scratch"]["days"], 10)
        self.assertIn("own", mine["persistent"]["rights"])
        made = a.post("/volumes", {"name": "runs", "description": "of last year"})
        self.assertEqual(made.status, 201, made)
        self.problem(a.post("/volumes", {"name": "runs"}), 409, "another name")
        self.problem(a.post("/volumes", {"name": "../x"}), 400, "small letters")
        self.problem(a.post("/volumes", {"name": "x", "owner": self.b.name}), 403)
        self.problem(a.post("/volumes", {"name": "x", "what": 1}), 400, "what")
        page = a.ok("GET", "/volumes?limit=2")
        rest = a.ok("GET", f"/volumes?limit=2&after={page['next']}")
        self.assertEqual([len(page["volumes"]), len(rest["volumes"])], [2, 1])
        self.assertIsNone(rest["next"])
        a.write("f", b"text", volume="runs")
        tag = made.headers["ETag"]
        there = f"/volumes/{a.name}/runs"
        edited = a.patch(there, {"name": "runs.old"}, headers={"If-Match": tag})
        self.assertEqual(edited.status, 200, edited)
        there += ".old"
        self.problem(a.patch(there, {"description": "x"}, headers={"If-Match": tag}), 412)
        self.assertEqual(a.read("f", volume="runs.old"), b"text")
        self.problem(a.patch(f"/volumes/{a.name}/persistent", {"name": "x"}), 403, "keeps")
        self.problem(a.delete(f"/volumes/{a.name}/scratch"), 403, "cannot be deleted")
        self.problem(self.b.get(there), 404)
        self.problem(self.b.delete(there), 404)
        self.assertEqual(a.delete(there).status, 204)
        self.problem(a.get(there), 404)

    # ---- files ----

    def test_files(self):
        a = self.a
        self.assertEqual(a.names(), [])
        first = a.put(a.f("a.txt"), b"one")
        self.assertEqual(first.status, 201)
        self.assertEqual(a.put(a.f("a.txt"), b"two!").status, 200)
        self.problem(a.put(a.f("none/a.txt"), b"x"), 404, "none")
        self.problem(a.act("x/y", "mkdir"), 404)
        self.assertEqual(a.act("x/y", "mkdir", parents=True).status, 201)
        self.problem(a.act("x/y", "mkdir"), 409, "already")
        self.assertEqual(a.act("x/y", "mkdir", parents=True).status, 200)
        a.write("x/\u00e9toile \u2605.txt", b"utf-8")
        a.write("x/100%.txt", b"percent")
        a.write("x/a b+c&d=e#f?g.txt", b"odd")
        self.assertEqual(a.names("x"), ["y", "100%.txt", "a b+c&d=e#f?g.txt",
                                        "\u00e9toile \u2605.txt"])
        self.assertEqual(a.read("x/a b+c&d=e#f?g.txt"), b"odd")
        one = a.ok("GET", a.f("a.txt"))
        self.assertEqual((one["kind"], one["size"], one["expires"]), ("file", 4, None))
        self.assertLess(abs(one["modified"] - time.time()), 60)
        self.assertEqual(a.ok("GET", a.f("x", query="stat=1"))["kind"], "folder")

        self.assertEqual(a.act("a.txt", "rename", name="b.txt").status, 200)
        self.problem(a.act("b.txt", "rename", name="x"), 409, "another name")
        self.problem(a.act("b.txt", "rename", name="../x"), 400)
        self.problem(a.act("x", "move", to="x/y/z"), 400, "into itself")
        self.assertEqual(a.act("b.txt", "move", to="x/y/b.txt").status, 200)
        self.problem(a.act("x/100%.txt", "move", to="x/y/b.txt"), 409)
        self.assertEqual(a.act("x/100%.txt", "move", to="x/y/b.txt", overwrite=True).status, 200)
        self.assertEqual(a.read("x/y/b.txt"), b"percent")
        copied = a.act("x", "copy", to="z")
        self.assertEqual(copied.status, 201, copied)
        self.assertEqual(copied.json["copied"]["files"], 5)
        self.assertEqual(a.read("z/y/b.txt"), b"percent")
        self.assertEqual(a.act("z/y/b.txt", "copy", to="c", volume="persistent").status, 201)
        self.problem(a.act("x", "fly"), 400, "mkdir")
        self.problem(a.act("x", "move"), 400, "to")
        # Into another volume.
        moved = a.post(a.f("z"), {"action": "move", "to": "z", "volume": f"{a.name}/scratch"})
        self.assertEqual(moved.status, 200, moved)
        self.assertEqual(a.read("z/y/b.txt", volume="scratch"), b"percent")
        expires = a.ok("GET", a.f("z/y/b.txt", volume="scratch"))["expires"]
        self.assertLess(abs(expires - time.time() - 10 * 86400), 60)
        v, s = a.volume(), a.volume("scratch")
        self.assertEqual((v["used"], v["files"]), (len("percent" "utf-8" "odd" "percent"), 6))
        self.assertEqual((s["used"], s["files"]), (len("percent" "utf-8" "odd"), 5))

    def test_bad_paths(self):
        a = self.a
        a.write("f", b"x")
        for path in ("..", "a/..", "a/./b", ".perigee", ".perigee/trash", "a//b", "x" * 256,
                     "a\nb", "\x1b[0m", "/".join("d" * 65)):
            for answer in (a.get(a.f(path)), a.put(a.f(path), b"x"), a.delete(a.f(path)),
                           a.act("f", "move", to=path), a.act(path, "mkdir", parents=True)):
                self.assertEqual(answer.status, 400, (path, answer))
        for raw in ("%ff", "%c0%ae%c0%ae", "%00", "a%00b"):
            answer = a.put(f"/files/{a.name}/persistent/{raw}", b"x")
            # "%00" is three characters that mean nothing.
            self.assertEqual(answer.status, 201 if "%00" in raw else 400, (raw, answer))
        answer = a.get(f"/files/{a.name}/persistent/..%2f..%2f..%2fetc%2fpasswd?download=1")
        self.assertEqual(answer.status, 400)
        self.problem(a.get(a.f("f/x")), 404)
        self.problem(a.get("/files/nobody/persistent/f"), 404)

    def test_etags(self):
        a = self.a
        one = a.put(a.f("f"), b"one").headers["ETag"]
        self.problem(a.put(a.f("f"), b"x", headers={"If-None-Match": "*"}), 412)
        two = a.put(a.f("f"), b"two", headers={"If-Match": one})
        self.assertEqual(two.status, 200)
        self.problem(a.put(a.f("f"), b"three", headers={"If-Match": one}), 412)
        self.problem(a.put(a.f("new"), b"three", headers={"If-Match": "*"}), 412)
        self.assertEqual(a.get(a.f("f"), headers={"If-None-Match": two.headers["ETag"]}).status,
                         304)
        self.problem(a.delete(a.f("f"), headers={"If-Match": one}), 412)
        self.assertEqual(a.read("f"), b"two")
        # Of many that saw the same version one writes.
        tag, got = two.headers["ETag"], []

        def put(i):
            s = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                "--unix-socket", self.p.socket("perigeed"), "-X", "PUT",
                                "-H", f"If-Match: {tag}", "--data-binary", f"w{i}",
                                f"http://x/api/v1{a.f('f')}"], capture_output=True, text=True,
                               user=a.uid, check=False)
            got.append(s.stdout)
        threads = [threading.Thread(target=put, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(got), ["200"] + ["412"] * 7)

    def test_list(self):
        a = self.a
        folder = os.path.join(self.disk(a), "many")
        os.mkdir(folder)
        for i in range(2500):
            open(os.path.join(folder, f"f{i:04d}"), "wb").close()
        # The clock of files ticks slower than they are made.
        for i in range(2000, 2500):
            os.utime(os.path.join(folder, f"f{i:04d}"), (10**9, 10**9))
        a.write("many/big", b"12345")
        for query, first in (("", "big"), ("sort=size&order=desc", "big"),
                             ("sort=name&order=desc", "f2499"), ("sort=time&order=desc", "big")):
            names, after = [], ""
            while after is not None:
                page = a.ok("GET", a.f("many", query=f"limit=999&{query}&after="
                                       + urllib.parse.quote(after)))
                names += [e["name"] for e in page["files"]]
                after = page["next"]
            self.assertEqual(len(set(names)), 2501)
            self.assertEqual(len(names), 2501)
            self.assertEqual(names[0], first)
        # One that takes long, in a thread of its own.
        huge = os.path.join(os.path.dirname(folder), "huge")
        os.mkdir(huge)
        for i in range(15000):
            os.symlink("x", os.path.join(huge, f"a rather long name, {i:08d}"))
        self.assertGreater(os.stat(huge).st_size, 256 << 10)
        page = a.ok("GET", a.f("huge", query="limit=2&order=desc"))
        self.assertEqual(page["total"], 15000)
        self.assertEqual([e["path"][-8:] for e in page["files"]], ["00014999", "00014998"])
        self.problem(a.get(a.f("huge", query="after=x")), 400)
        for query in ("sort=x", "order=x", "limit=0", "limit=1001", "after=x"):
            self.problem(a.get(a.f("many", query=query)), 400)

    def test_links_of_jobs(self):
        """What a job of hers can put into her volume leads nobody out of it."""
        a, root = self.a, self.disk(self.a)
        secret = self.data.write("secret", "secret")
        os.symlink(secret, os.path.join(root, "link"))
        os.symlink("/", os.path.join(root, "top"))
        os.mkfifo(os.path.join(root, "fifo"))
        kinds = {e["name"]: e["kind"] for e in a.ok("GET", a.f(""))["files"]}
        self.assertEqual(kinds, {"link": "link", "top": "link", "fifo": "other"})
        for path in ("link", "top/etc/passwd", "fifo"):
            for query in ("download=1", "checksum=sha256"):
                self.problem(a.get(a.f(path, query=query)), 403)
            self.problem(a.act(path, "copy", to="x"), 403)
        self.problem(a.put(a.f("top/tmp/x"), b"x"), 403)
        self.problem(a.act("top/tmp/x", "mkdir"), 403)
        a.write("link", b"mine")  # takes the link's place
        with open(secret) as f:
            self.assertEqual(f.read(), "secret")
        self.assertEqual(a.ok("DELETE", a.f("top", query="forever=1"))["freed"]["files"], 1)
        self.assertTrue(os.path.exists("/etc/passwd"))

    # ---- out ----

    def test_download(self):
        a = self.a
        data = bytes(range(256)) * 4000
        a.write("d\u00e4ta 1.html", data)
        path = a.f("d\u00e4ta 1.html", query="download=1")
        whole = a.get(path)
        self.assertEqual(whole.body, data)
        self.assertEqual(whole.headers["Content-Type"], "application/octet-stream")
        self.assertEqual(whole.headers["Content-Disposition"],
                         "attachment; filename=\"d__ta 1.html\"; "
                         "filename*=UTF-8''d%C3%A4ta%201.html")
        self.assertIn("sandbox", whole.headers["Content-Security-Policy"])
        self.assertEqual(whole.headers["X-Content-Type-Options"], "nosniff")
        n = len(data)
        for text, start, end in (("0-0", 0, 1), ("10-19", 10, 20), ("1000-", 1000, n),
                                 ("-7", n - 7, n), (f"5-{n + 5}", 5, n), (f"-{n + 9}", 0, n)):
            part = a.get(path, headers={"Range": f"bytes={text}"})
            self.assertEqual(part.status, 206, text)
            self.assertEqual(part.body, data[start:end])
            self.assertEqual(part.headers["Content-Range"], f"bytes {start}-{end - 1}/{n}")
        for text in (f"{n}-", "-0", f"{n}-{n + 1}"):
            part = a.get(path, headers={"Range": f"bytes={text}"})
            self.problem(part, 416)
            self.assertEqual(part.headers["Content-Range"], f"bytes */{n}")
        for text in ("bytes=x", "bytes=5-3", "lines=1-2", "bytes=0-1,3-4", "bytes=--5"):
            self.assertEqual(a.get(path, headers={"Range": text}).body, data, text)
        tag = whole.headers["ETag"]
        part = a.get(path, headers={"Range": "bytes=0-1", "If-Range": tag})
        self.assertEqual(part.body, data[:2])
        self.assertEqual(a.get(path, headers={"Range": "bytes=0-1", "If-Range": '"x"'}).body,
                         data)
        head = a.ask("HEAD", path)
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]),
                         (200, b"", str(n)))
        self.problem(a.get(a.f("", query="download=1")), 400, "folder")
        sums = {k: a.ok("GET", a.f("d\u00e4ta 1.html", query=f"checksum={k}"))["checksum"]
                for k in ("sha256", "md5", "sha1", "sha256")}
        for kind, got in sums.items():
            self.assertEqual(got, hashlib.new(kind, data).hexdigest())
        self.problem(a.get(a.f("d\u00e4ta 1.html", query="checksum=crc")), 400)

    def test_archive(self):
        a = self.a
        a.ok("POST", a.f("top/sub/empty"), {"action": "mkdir", "parents": True})
        want = {"top/\u2605.txt": b"star", "top/sub/r": random.randbytes(3 * MB), "top/e": b""}
        for path, data in want.items():
            a.write(path, data)
        for query in ("archive=zip", "archive=zip&compress=1", "archive=tar"):
            got = a.get(a.f("top", query=query))
            self.assertEqual(got.status, 200)
            self.assertIn("top." + query[8:11], got.headers["Content-Disposition"])
            if "zip" in query:
                z = zipfile.ZipFile(io.BytesIO(got.body))
                files = {n: z.read(n) for n in z.namelist() if not n.endswith("/")}
                folders = {n for n in z.namelist() if n.endswith("/")}
            else:
                z = tarfile.open(fileobj=io.BytesIO(got.body))
                files = {m.name: z.extractfile(m).read() for m in z if m.isfile()}
                folders = {m.name + "/" for m in z if m.isdir()}
            self.assertEqual(files, want)
            self.assertEqual(folders, {"top/", "top/sub/", "top/sub/empty/"})
        a.delete(a.f("top/e"))
        whole = zipfile.ZipFile(io.BytesIO(a.get(a.f("", query="archive=zip")).body))
        self.assertIn("persistent/top/sub/r", whole.namelist())
        self.assertFalse([n for n in whole.namelist() if ".perigee" in n])
        self.problem(a.get(a.f("top", query="archive=rar")), 400)
        self.problem(a.get(a.f("top/sub/r", query="archive=zip")), 404)

    def test_gone(self):
        """Who goes away does not keep the portal busy; three long requests are enough."""
        a = self.a
        a.write("small", b"x")
        for i in range(3):
            with open(os.path.join(self.disk(a), f"huge{i}"), "wb") as f:
                f.truncate(1 << 40)  # hours of zeros
        waiting = []
        for i in range(3):
            c = a.connection()
            c.request("GET", "/api/v1" + a.f(f"huge{i}", query="checksum=sha256"))
            waiting.append(c)
        until = time.monotonic() + 40
        while True:
            answer = a.get(a.f("small", query="checksum=md5"))
            if answer.status == 429:
                break
            self.assertLess(time.monotonic(), until, answer)
            a.write("small", b"%d" % time.monotonic_ns())
        self.problem(answer, 429, "3 of your requests")
        self.assertIn("Retry-After", answer.headers)
        self.b.write("f", b"x")
        self.assertEqual(self.b.get(self.b.f("f", query="checksum=md5")).status, 200)
        for c in waiting:
            c.close()
        until = time.monotonic() + 40
        while a.get(a.f("small", query="checksum=sha1")).status != 200:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)

    # ---- trash ----

    def test_trash(self):
        a = self.a
        a.ok("POST", a.f("d/e"), {"action": "mkdir", "parents": True})
        a.write("d/e/f", b"text")
        a.write("g", b"g")
        used = a.volume()["used"]
        gone = a.ok("DELETE", a.f("d/e"))
        a.ok("POST", a.f("g"), {"action": "trash"})
        self.problem(a.get(a.f("d/e/f")), 404)
        self.assertEqual(a.names(), ["d"])
        self.assertGreater(a.volume()["used"], used)  # it counts
        there = f"/trash/{a.name}/persistent"
        items = a.ok("GET", there)["trash"]
        self.assertEqual([i["path"] for i in items], ["g", "d/e"])
        self.assertEqual(items[1]["amount"], {"bytes": 4, "files": 2})
        self.assertEqual(items[1]["by"], a.name)
        self.assertLess(abs(items[1]["expires"] - time.time() - 14 * 86400), 60)
        self.problem(self.b.get(there), 404)
        self.problem(self.b.post(f"{there}/{gone['trash']}/restore"), 404)
        a.write("g", b"new")
        self.problem(a.post(f"{there}/{items[0]['id']}/restore"), 409)
        self.assertEqual(a.post(f"{there}/{items[0]['id']}/restore", {"to": "old/g"}).status, 200)
        self.assertEqual(a.read("old/g"), b"g")
        a.ok("POST", a.f("x"), {"action": "restore", "id": gone["trash"]})
        self.assertEqual(a.read("d/e/f"), b"text")
        self.problem(a.post(f"{there}/{gone['trash']}/restore"), 404)
        for name in ("g", "old", "d"):
            a.ok("DELETE", a.f(name))
        one = a.ok("GET", there)["trash"][0]["id"]
        self.assertEqual(a.ok("DELETE", f"{there}/{one}")["freed"]["files"], 5)
        self.problem(a.delete(f"{there}/{one}"), 404)
        self.problem(a.delete(f"{there}/..%2f..%2fx"), 404)
        a.ok("DELETE", there)
        self.assertEqual(a.ok("GET", there)["trash"], [])
        v = a.volume()
        self.assertEqual((v["used"], v["files"]), (0, 0))

    # ---- quotas ----

    def test_quota(self):
        a = self.a
        block = bytes(7 * MB)
        a.write("1", block)
        a.write("2", block)
        self.problem(a.put(a.f("3"), block), 507, "7.0 MB more", "14.0 MB of its quota of 20.0 MB",
                     "trash")
        self.assertEqual(a.put(a.f("2"), block).status, 200)  # what it replaces makes room
        self.problem(a.act("1", "copy", to="3"), 507)
        a.write("d", b"")
        a.ok("DELETE", a.f("d", query="forever=1"))
        a.ok("POST", a.f("d"), {"action": "mkdir"})
        a.ok("POST", a.f("1"), {"action": "move", "to": "d/1"})
        a.ok("POST", a.f("2"), {"action": "move", "to": "d/2"})
        self.problem(a.act("d", "copy", to="e"), 507)
        self.problem(a.post(a.f("d"), {"action": "move", "to": "d", "volume": f"{a.name}/scratch"}),
                     507, "scratch")
        a.ok("DELETE", a.f("d/1"))
        self.problem(a.put(a.f("3"), block), 507)
        a.ok("DELETE", f"/trash/{a.name}/persistent")
        a.write("3", block)
        # Many at once get no more than there is.
        a.ok("DELETE", a.f("3", query="forever=1"))
        with open(self.data.file("block"), "wb") as f:
            f.write(block)
        codes = []

        def put(i):
            s = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                "--unix-socket", self.p.socket("perigeed"), "-T",
                                self.data.file("block"), f"http://x/api/v1{a.f(f'p{i}')}"],
                               capture_output=True, text=True, user=a.uid, check=False)
            codes.append(s.stdout)
        os.chmod(self.data.path, 0o755)
        threads = [threading.Thread(target=put, args=(i,)) for i in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(codes), ["201", "507", "507", "507", "507"])
        self.assertLessEqual(a.volume()["used"], 20 * MB)

    # ---- others ----

    def grant(self, rights, path):
        return self.a.ok("POST", "/grants",
                         {"kind": "volume", "thing": f"{self.a.name}/persistent:{path}",
                          "to": {"account": self.b.name}, "rights": rights})["id"]

    def test_grants(self):
        a, b = self.a, self.b
        b.ok("GET", "/volumes")
        a.ok("POST", a.f("shared/sub"), {"action": "mkdir", "parents": True})
        a.write("shared/f", b"text")
        a.write("mine", b"secret")
        there = {"owner": a.name}
        self.problem(b.get(a.f("shared")), 404)
        number = self.grant(["read"], "shared")
        self.assertEqual(b.names("shared", **there), ["sub", "f"])
        self.assertEqual(b.read("shared/f", **there), b"text")
        for path in ("", "mine", "shared2", "shared/../mine"):
            self.assertIn(b.get(a.f(path)).status, (400, 404), path)
        self.problem(b.put(a.f("shared/x"), b"x"), 403, "write")
        for action, more in (("mkdir", {}), ("trash", {}), ("move", {"to": "shared/y"}),
                             ("rename", {"name": "y"})):
            path = "shared/new" if action == "mkdir" else "shared/f"
            self.problem(b.post(a.f(path), dict(more, action=action)), 403)
        self.problem(b.delete(a.f("shared/f")), 403)
        self.problem(b.get(f"/trash/{a.name}/persistent"), 404)
        # She may copy it to herself.
        b.ok("POST", a.f("shared"), {"action": "copy", "to": "got",
                                     "volume": f"{b.name}/persistent"})
        self.assertEqual(b.read("got/f"), b"text")
        self.problem(b.post(b.f("got"), {"action": "copy", "to": "shared/got",
                                         "volume": f"{a.name}/persistent"}), 403)
        a.ok("DELETE", f"/grants/{number}")
        self.problem(b.get(a.f("shared/f")), 404)

        number = self.grant(["read", "write"], "shared")
        b.write("shared/new", b"new", **there)
        self.assertEqual(a.read("shared/new"), b"new")
        # The folder itself is a name in one that is not hers to change.
        self.problem(b.delete(a.f("shared")), 404)
        self.problem(b.act("shared", "rename", name="x", **there), 404)
        self.problem(b.post(a.f("shared/f"), {"action": "move", "to": "f"}), 404)
        moved = b.post(a.f("shared/f"), {"action": "move", "to": "f",
                                         "volume": f"{b.name}/persistent"})
        self.assertEqual(moved.status, 200, moved)
        gone = b.ok("DELETE", a.f("shared/new"))
        self.assertEqual(b.post(f"/trash/{a.name}/persistent/{gone['trash']}/restore").status, 200)
        self.problem(b.post(f"/volumes/{a.name}/persistent"), 405)
        self.problem(b.patch(f"/volumes/{a.name}/persistent", {"description": "x"}), 404)
        a.ok("DELETE", f"/grants/{number}")

    def test_admin_reads_nothing(self):
        self.a.write("f", b"secret")
        self.problem(self.p.machine.get(self.a.f("f")), 404)
        self.problem(self.p.machine.get(self.a.f("f", query="download=1")), 404)

    def test_team(self):
        a, b = self.a, self.b
        b.ok("GET", "/volumes")
        name = f"t{a.uid}"
        made = a.post("/teams", {"name": name, "kind": "class"})
        self.assertEqual(made.status, 201, made)
        invited = a.post(f"/teams/{name}/invitations", {"account": b.name, "role": "member"})
        self.assertLess(invited.status, 300, invited)
        self.assertLess(b.post(f"/invitations/{name}/accept").status, 300)
        team = f"team:{name}"
        a.write("l", b"lecture", volume="lectures", owner=team)
        self.assertEqual(b.read("l", volume="lectures", owner=team), b"lecture")
        self.problem(b.put(b.f("x", volume="lectures", owner=team), b"x"), 403)
        b.write("h", b"homework", volume=b.name, owner=team)
        self.assertEqual(a.read("h", volume=b.name, owner=team), b"homework")
        self.problem(a.put(a.f("h", volume=b.name, owner=team), b"x"), 403)
        self.assertEqual({v["name"] for v in a.ok("GET", f"/volumes?owner={team}")["volumes"]},
                         {"lectures", b.name})
        b.ok("POST", f"/teams/{name}/leave")
        self.problem(b.get(b.f("l", volume="lectures", owner=team)), 404)

    # ---- data ----

    def test_data(self):
        folder = self.data.file("tng")
        os.makedirs(os.path.join(folder, "groups"))
        os.chmod(self.data.path, 0o755)
        data = random.randbytes(MB)
        with open(os.path.join(folder, "groups", "0.hdf5"), "wb") as f:
            f.write(data)
        self.sql("INSERT INTO dataset (name, public, folder) VALUES ('tng', true, "
                 f"'{folder}')")
        self.addCleanup(self.sql, "DELETE FROM dataset")
        a = self.a
        self.assertIn("tng", [v["name"] for v in a.ok("GET", "/volumes?owner=data:")["volumes"]])
        there = {"owner": "data:", "volume": "tng"}
        self.assertEqual(a.volume("tng", "data:")["rights"], ["see", "read", "run"])
        self.assertEqual(a.names(**there), ["groups"])
        self.assertEqual(a.read("groups/0.hdf5", **there), data)
        # By the web nginx sends them.
        web = self.p.person(f"w{a.uid}")
        path = a.f("groups/0.hdf5", query="download=1", **there)
        got = web.get(path, headers={"Range": "bytes=5-"})
        self.assertEqual(got.status, 200)
        self.assertRegex(got.headers["X-Accel-Redirect"], r"^/_data/\d+/groups/0\.hdf5$")
        self.assertEqual(got.headers["Content-Type"], "application/x-hdf5")
        for answer in (a.put(a.f("x", **there), b"x"), a.act("x", "mkdir", **there),
                       a.delete(a.f("groups", **there)), a.act("groups", "rename", name="g", **there),
                       a.get("/trash/data:/tng")):
            self.assertEqual(answer.status, 403, answer)
        a.write("f", b"x")
        self.problem(a.post(a.f("f"), {"action": "copy", "to": "f", "volume": "data:/tng"}), 403)
        copied = a.post(a.f("groups", **there), {"action": "copy", "to": "g",
                                                 "volume": f"{a.name}/persistent"})
        self.assertEqual(copied.status, 201, copied)
        self.assertEqual(a.read("g/0.hdf5"), data)
        self.assertEqual(os.listdir(folder), ["groups"])

    # ---- a link for somebody without an account ----

    def test_link(self):
        a = self.a
        a.write("for all.txt", b"open")
        made = a.post("/links", {"kind": "volume", "thing": f"{a.name}/persistent:for all.txt"})
        self.assertEqual(made.status, 201, made)
        got = self.b.get(made.json["url"])
        self.assertEqual((got.status, got.body), (200, b"open"))
        # By nginx, for nobody: it is told where the file is.
        got = self.p.nobody.get(made.json["url"])
        self.assertEqual(got.status, 200)
        accel = urllib.parse.unquote(got.headers["X-Accel-Redirect"])
        self.assertRegex(got.headers["X-Accel-Redirect"], r"^/_files/[0-9]+/for%20all\.txt$")
        with open(os.path.join(self.p.state, "volumes", accel[len("/_files/"):]), "rb") as f:
            self.assertEqual(f.read(), b"open")
        self.assertIn("attachment", got.headers["Content-Disposition"])
        a.ok("DELETE", a.f("for all.txt"))
        self.problem(self.p.nobody.get(made.json["url"]), 404)
        self.problem(self.p.nobody.get("/l/" + "x" * 43), 404)
        self.problem(self.p.nobody.get(a.f("")), 401)

    # ---- kill -9 ----

    def test_killed(self):
        a = self.a
        a.ok("POST", a.f("tree"), {"action": "mkdir"})
        for i in range(4):
            a.write(f"tree/{i}", random.randbytes(MB))
        for i in range(3):
            c = a.connection()
            c.request("POST", "/api/v1" + a.f("tree"),
                      '{"action": "copy", "to": "copy%d"}' % i)
            time.sleep(0.002 * i)
            os.kill(self.p.pid(), signal.SIGKILL)
            try:
                told = c.getresponse().status
            except OSError:
                told = None
            except Exception:  # http.client's own
                told = None
            c.close()
            self.p.up()
            names = a.names()
            if told == 201:
                self.assertIn(f"copy{i}", names)
            if f"copy{i}" in names:
                self.assertEqual(a.ok("GET", a.f(f"copy{i}"))["total"], 4)
                a.ok("DELETE", a.f(f"copy{i}", query="forever=1"))
        # What was reserved is counted anew.
        for _ in range(100):
            v = a.volume()
            if (v["used"], v["files"]) == (4 * MB, 5):
                break
            time.sleep(0.1)
        else:
            self.fail(f"not counted anew: {v}")


if __name__ == "__main__":
    harness.main()
