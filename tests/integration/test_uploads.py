"""Uploads by tus, through nginx, to a real perigeed: cut, killed, refused, damaged, two at once, a
full quota, a full disk, and another client than ours (tus-js-client).

The large file has 300 MB; with PERIGEE_BIG=1 it has 2 GB.
"""
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import harness
import portal_world
from harness import BIN
from front_door import NGINX, free_port
from tus import MB, TYPE, Client, Data, b64, cut, metadata, sha256_of

BIG = (2048 if os.environ.get("PERIGEE_BIG") else 300) * MB + 12345
QUOTA = 4000 if os.environ.get("PERIGEE_BIG") else 900  # MB


def until(condition, seconds=20, what="it"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen in {seconds} s")


class Service(harness.Case):
    """A portal with its web door, and ana, who has a token."""

    extra = ""

    @classmethod
    def prepare(cls):
        if not os.path.exists(f"{BIN}/perigeed"):
            raise unittest.SkipTest("perigeed is not built")
        if not (shutil.which("initdb") or glob.glob("/usr/lib/postgresql/*/bin/initdb")):
            raise unittest.SkipTest("PostgreSQL is not installed")
        if not NGINX:
            raise unittest.SkipTest("nginx is not installed")
        cls.door = ("127.0.0.1", free_port())
        cls.p = portal_world.Portal("user: root\nweb: {listen: \"%s:%d\"}\n" % cls.door +
                                    f"storage:\n  persistent_quota: {QUOTA}MB\n{cls.extra}")
        cls.addClassCleanup(cls.p.close)
        os.chmod(cls.p.work.path, 0o711)
        cls.state = cls.p.state
        cls.p.up()
        cls.ana = cls.p.person("ana")
        cls.c = cls.client(cls.ana)

    @classmethod
    def client(cls, person):
        return Client(cls.door, Authorization=f"Bearer {person.token}")

    @classmethod
    def kill(cls):
        os.kill(cls.p.pid(), signal.SIGKILL)

    @classmethod
    def up(cls):
        cls.p.up()

    @classmethod
    def environment(cls, person):
        """For the command, as she uses it."""
        return dict(cls.p.env, PERIGEE_PORTAL="http://%s:%d" % cls.door,
                    PERIGEE_TOKEN=person.token, XDG_CACHE_HOME=cls.w.file("cache"))

    def stored(self, name):
        """The path of a file of the volume on the disk."""
        found = glob.glob(f"{self.state}/volumes/*/{name}")
        return found[0] if found else None

    def parts(self):
        """Files of uploads that are not complete."""
        return glob.glob(f"{self.state}/volumes/*/.perigee/uploads/*")

    def part(self, url):
        found = [p for p in self.parts() if p.endswith(url.split("/")[-1])]
        return found[0] if found else None

    def says(self, answer, status, *words):
        """A problem (RFC 9457) with a sentence."""
        self.assertEqual(answer.status, status, answer)
        if answer.body:
            problem = json.loads(answer.body)
            self.assertEqual(problem["status"], status)
            for w in words:
                self.assertIn(w, problem["detail"])


class Large(Service):
    def test_cut_twice_and_killed(self):
        data = Data(BIG)
        sha = data.sha256()
        url = self.c.begin(BIG, filename="large.bin", volume="persistent",
                           checksum=f"sha256:{sha}")
        at, known = 0, 0
        for how in ("cut", "cut", "kill"):
            s = self.c.half_patch(url, at, data, BIG // 5)
            if how == "kill":
                self.kill()
                s.close()
                self.up()
            else:
                cut(s)
            was, at = at, self.c.offset(url)
            self.assertGreater(at, was, "nothing of what arrived was kept")
            self.assertLessEqual(at, was + BIG // 5)
            self.assertIsNone(self.stored("large.bin"), "it has its name too early")
        a = self.c.whole_patch(url, at, data)
        self.assertEqual((a.status, a.headers["upload-offset"]), (204, str(BIG)), a)
        self.assertEqual(sha256_of(self.stored("large.bin")), sha)
        self.assertEqual(self.parts(), [])
        # The last answer may have been lost: it is told again, also after a restart.
        self.assertEqual(self.c.offset(url), BIG)
        self.kill()
        self.up()
        self.assertEqual(self.c.offset(url), BIG)
        os.unlink(self.stored("large.bin"))


class Protocol(Service):
    def test_options(self):
        a = self.c.ask("OPTIONS", "/api/v1/uploads", Tus_Resumable=None)
        self.assertIn(a.status, (200, 204))
        self.assertEqual(a.headers["tus-version"], "1.0.0")
        self.assertEqual(set(a.headers["tus-extension"].split(",")),
                         {"creation", "creation-with-upload", "termination", "expiration",
                          "checksum"})
        self.assertEqual(set(a.headers["tus-checksum-algorithm"].split(",")),
                         {"sha1", "sha256", "md5"})

    def test_pieces(self):
        url = self.c.begin(11, filename="hello.txt", volume="persistent", other="é")
        a = self.c.ask("HEAD", url)
        self.assertEqual(a.headers["upload-length"], "11")
        self.assertEqual(a.headers["upload-metadata"],
                         metadata(filename="hello.txt", volume="persistent", other="é"))
        self.assertIn("no-store", a.headers["cache-control"])
        self.assertTrue(a.headers["upload-expires"].endswith("GMT"))
        a = self.c.patch(url, 0, b"hello")
        self.assertEqual((a.status, a.headers["upload-offset"]), (204, "5"))
        for wrong in (0, 4, 6, 11, 12, 1 << 40):
            a = self.c.patch(url, wrong, b"x")
            self.assertIn(a.status, (409, 413), a)
            if a.status == 409:
                self.assertEqual(a.headers["upload-offset"], "5")
        self.says(self.c.patch(url, 5, b"1234567"), 413, "11 bytes")
        self.assertEqual(self.c.offset(url), 5)
        self.assertEqual(self.c.patch(url, 5, b"").status, 204)
        self.assertEqual(self.c.patch(url, 5, b" world").status, 204)
        self.assertEqual(harness.text_of(self.stored("hello.txt")), "hello world")
        # Repeated, and more of it.
        self.assertEqual(self.c.patch(url, 11, b"").status, 204)
        self.says(self.c.patch(url, 5, b" world"), 409)
        # To forget a complete one does not touch its file.
        self.assertEqual(self.c.ask("DELETE", url).status, 204)
        self.assertEqual(self.c.ask("HEAD", url).status, 404)
        self.assertIsNotNone(self.stored("hello.txt"))

    def test_empty_and_at_once(self):
        a = self.c.create(0, filename="empty", volume="persistent")
        self.assertEqual((a.status, a.headers["upload-offset"]), (201, "0"), a)
        self.assertEqual(os.path.getsize(self.stored("empty")), 0)
        a = self.c.create(5, b"12345", filename="once", volume="persistent",
                          checksum="md5:827ccb0eea8a706c4c34a16891f84e7b")
        self.assertEqual((a.status, a.headers["upload-offset"]), (201, "5"), a)
        self.assertEqual(harness.text_of(self.stored("once")), "12345")
        a = self.c.create(5, b"123", filename="part", volume="persistent")
        self.assertEqual((a.status, a.headers["upload-offset"]), (201, "3"), a)
        self.assertIsNone(self.stored("part"))
        self.assertEqual(self.c.patch(a.headers["location"], 3, b"45").status, 204)
        self.assertEqual(harness.text_of(self.stored("part")), "12345")

    def test_refused(self):
        url = self.c.begin(5, filename="refused", volume="persistent")
        for version in (None, "0.2.2", "1.0.1"):
            a = self.c.patch(url, 0, b"12345", Tus_Resumable=version)
            self.says(a, 412, "1.0.0")
            self.assertEqual(a.headers["tus-version"], "1.0.0")
        a = self.c.ask("PATCH", url, b"12345", Upload_Offset=0, Content_Type="text/plain")
        self.says(a, 415, TYPE)
        for offset in (None, "-1", "x", "1e3", "0x0", "", "99999999999999999999"):
            self.says(self.c.patch(url, offset, b"1"), 400, "Upload-Offset")
        none = "/api/v1/uploads/00000000-0000-4000-8000-000000000000"
        for wrong in (none, "/api/v1/uploads/x", "/api/v1/uploads/..%2f..%2fetc",
                      url[:-1], url.upper().replace("/API/V1/UPLOADS", "/api/v1/uploads")):
            self.assertEqual(self.c.ask("HEAD", wrong).status, 404, wrong)
            self.assertEqual(self.c.patch(wrong, 0, b"1").status, 404, wrong)
            self.assertEqual(self.c.ask("DELETE", wrong).status, 404, wrong)
        self.assertEqual(self.c.offset(url), 0)
        self.assertEqual(self.c.ask("DELETE", url).status, 204)
        self.assertEqual(self.c.patch(url, 0, b"12345").status, 404)
        for size in (None, "-1", "x", "", str(1 << 62)):
            self.says(self.c.create(size, filename="a", volume="persistent"), 400,
                      "Upload-Length")
        a = self.c.ask("POST", "/api/v1/uploads", Upload_Defer_Length=1,
                       Upload_Metadata=metadata(filename="a", volume="persistent"))
        self.says(a, 400, "length")
        for meta in ("filename *", "filename", "x", "filename YQ==,filename YQ==",
                     metadata(filename="a"), metadata(volume="persistent"),
                     metadata(filename="", volume="persistent"),
                     metadata(filename="a", volume="persistent", checksum="crc32:00"),
                     metadata(filename=b"a\xff", volume="persistent")):
            self.says(self.c.create(1, meta=meta), 400)
        for path in ("../a", "a/../../b", "a/./b", "..", ".", ".perigee/uploads/x", "a\nb",
                     "a\0b", "x" * 300):
            a = self.c.create(1, filename=path, volume="persistent")
            self.assertIn(a.status, (400, 403, 404), (path, a))
        self.says(self.c.create(1, filename="no/folder", volume="persistent"), 404, "no")
        for volume in ("nothing", "nobody/persistent", "team:none/files", "a/b/c", ""):
            self.assertIn(self.c.create(1, filename="a", volume=volume).status, (400, 404),
                          volume)

    def test_overwrite(self):
        self.c.create(3, b"old", filename="taken", volume="persistent")
        self.says(self.c.create(3, filename="taken", volume="persistent"), 409, "taken")
        a = self.c.create(3, b"new", filename="taken", volume="persistent", overwrite="true")
        self.assertEqual(a.status, 201, a)
        self.assertEqual(harness.text_of(self.stored("taken")), "new")
        # One that comes into being meanwhile is not replaced, and nothing is lost.
        url = self.c.begin(4, filename="later", volume="persistent")
        self.c.create(5, b"other", filename="later", volume="persistent")
        self.says(self.c.patch(url, 0, b"mine"), 409, "later")
        self.assertEqual(harness.text_of(self.stored("later")), "other")
        os.unlink(self.stored("later"))
        self.assertEqual(self.c.patch(url, 4, b"").status, 204)
        self.assertEqual(harness.text_of(self.stored("later")), "mine")

    def test_checksums(self):
        url = self.c.begin(10, filename="summed", volume="persistent")

        def chunk(kind, data):
            return f"{kind} {b64(hashlib.new(kind, data).digest())}"

        self.assertEqual(self.c.patch(url, 0, b"01234",
                                      Upload_Checksum=chunk("sha1", b"01234")).status, 204)
        self.says(self.c.patch(url, 5, b"56X89", Upload_Checksum=chunk("md5", b"56789")), 460)
        self.assertEqual(self.c.offset(url), 5)
        self.says(self.c.patch(url, 5, b"5", Upload_Checksum="crc32 AAAA"), 400, "sha256")
        self.says(self.c.patch(url, 5, b"5", Upload_Checksum="sha1 AAAA"), 400)
        # Cut in between: what is not known to be right does not count.
        s = self.c.connect()
        self.c.send_head(s, "PATCH", url, {"Upload-Offset": 5, "Content-Type": TYPE,
                                           "Content-Length": 5,
                                           "Upload-Checksum": chunk("sha256", b"56789")})
        s.sendall(b"567")
        time.sleep(0.1)
        cut(s)
        self.assertEqual(self.c.offset(url), 5)
        a = self.c.patch(url, 5, b"56789", Upload_Checksum=chunk("sha256", b"56789"))
        self.assertEqual(a.status, 204)
        self.assertEqual(harness.text_of(self.stored("summed")), "0123456789")

    def test_whole_checksum(self):
        before = self.used()
        wrong = "sha256:" + "0" * 64
        a = self.c.create(5, b"12345", filename="whole", volume="persistent", checksum=wrong)
        self.says(a, 460, "sha256")
        url = self.c.begin(5, filename="whole", volume="persistent", checksum="sha256")
        self.says(self.c.patch(url, 0, b"12345", Perigee_Checksum=wrong), 460)
        self.assertEqual(self.c.ask("HEAD", url).status, 404)
        self.assertIsNone(self.stored("whole"))
        self.assertEqual((self.part(url), self.used()), (None, before))
        url = self.c.begin(5, filename="whole", volume="persistent", checksum="sha256")
        self.says(self.c.patch(url, 0, b"1", Perigee_Checksum="md5:" + "0" * 32), 400)
        a = self.c.patch(url, 0, b"12345", Perigee_Checksum="sha256:" +
                         hashlib.sha256(b"12345").hexdigest())
        self.assertEqual(a.status, 204, a)

    def sql(self, statement):
        """A look into the private database, as its administrator."""
        words = ["psql", "-X", "-A", "-t", "-q", "-h", f"{self.state}/postgres/s", "-d", "perigee",
                 "-c", statement]
        if os.geteuid() == 0:
            words = ["runuser", "-u", "postgres", "--", *words]
        p = subprocess.run(words, capture_output=True, text=True, timeout=20, cwd="/")
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout.strip()

    def used(self):
        return int(self.sql("SELECT coalesce(sum(v.used), 0) FROM volume v JOIN account a "
                            "ON a.id = v.account WHERE a.name = 'ana'"))

    def test_quota(self):
        before = self.used()
        half = (QUOTA * 1000000 - before) * 2 // 3
        url = self.c.begin(half, filename="half", volume="persistent")
        self.says(self.c.create(half, filename="half2", volume="persistent"), 507, "quota")
        self.says(self.c.create(1 << 42, filename="huge", volume="persistent"), 507)
        self.assertEqual(self.used(), before + half)
        self.assertEqual(self.c.ask("DELETE", url).status, 204)
        self.assertEqual(self.used(), before)
        url = self.c.begin(half, filename="half2", volume="persistent")
        self.assertEqual(self.c.ask("DELETE", url).status, 204)
        # Of a file that takes another one's place only the difference counts.
        self.c.create(1000, b"x" * 1000, filename="counted", volume="persistent")
        self.c.create(400, b"y" * 400, filename="counted", volume="persistent", overwrite="")
        self.assertEqual(self.used(), before + 400)

    def test_expiry(self):
        before = self.used()
        url = self.c.begin(5, filename="expired", volume="persistent")
        self.c.patch(url, 0, b"123")
        part = self.part(url)
        self.sql(f"UPDATE upload SET expires = 1 WHERE id = '{url.split('/')[-1]}'")
        self.assertEqual(self.c.ask("HEAD", url).status, 410)
        self.says(self.c.patch(url, 3, b"45"), 410, "new one")
        # One that was written to a moment ago is not swept: a request may last for days.
        os.utime(part, (1, 1))
        self.kill()
        self.up()  # sweeps at its start
        until(lambda: not self.part(url), what="the sweep")
        until(lambda: self.used() == before, what="the quota")
        self.assertEqual(self.c.ask("HEAD", url).status, 404)

    def test_two_at_once(self):
        data = Data(8 * MB)
        url = self.c.begin(data.size, filename="two", volume="persistent")
        # The first stays open, as after a change of networks.
        old = self.c.half_patch(url, 0, data, 3 * MB)
        until(lambda: self.part(url) and os.path.getsize(self.part(url)) > 2 * MB)
        at = self.c.offset(url)
        a = self.c.whole_patch(url, at, data)
        self.assertEqual(a.status, 204, a)
        try:
            for p in data.pieces(3 * MB):
                old.sendall(p)
            self.says(self.c.answer(old, "PATCH"), 409)
        except OSError:
            pass  # closed: as good
        self.assertEqual(sha256_of(self.stored("two")), data.sha256())
        os.unlink(self.stored("two"))

    def test_list(self):
        urls = {self.c.begin(10, filename=f"listed{i}", volume="persistent") for i in range(3)}
        for url in urls:
            self.c.patch(url, 0, b"12345")
        found, after = [], ""
        while after is not None:
            a = json.loads(self.c.ask("GET", f"/api/v1/uploads?limit=2&after={after}").body)
            found += [u for u in a["uploads"] if u["path"].startswith("listed")]
            after = a["next"]
        self.assertEqual({"/api/v1/uploads/" + u["id"] for u in found}, urls)
        for u in found:
            self.assertEqual((u["volume"], u["size"], u["received"]), ("ana/persistent", 10, 5))
        bo = self.client(self.p.person("bea"))
        self.assertEqual(json.loads(bo.ask("GET", "/api/v1/uploads").body),
                         {"uploads": [], "next": None})
        self.says(bo.ask("GET", "/api/v1/uploads?after=x"), 400, "after")
        for url in urls:
            a = self.c.ask("POST", url, X_HTTP_Method_Override="DELETE")
            self.assertEqual(a.status, 204, a)
            self.assertEqual(self.c.ask("HEAD", url).status, 404)
        self.says(self.c.ask("POST", url, X_HTTP_Method_Override="PUT"), 405)

    def test_repeated_creation(self):
        """An answer that was lost: the same request with the same key is the same upload."""
        key = "6f1c2a9e-0000-4000-8000-00000000abcd"
        meta = metadata(filename="keyed", volume="persistent")
        urls = {self.c.ask("POST", "/api/v1/uploads", Upload_Length=5, Upload_Metadata=meta,
                           Idempotency_Key=key).headers["location"] for _ in range(3)}
        self.assertEqual(urls, {"/api/v1/uploads/" + key})
        a = self.c.ask("POST", "/api/v1/uploads", Upload_Length=6, Upload_Metadata=meta,
                       Idempotency_Key=key)
        self.says(a, 409)
        self.assertEqual(self.c.ask("DELETE", urls.pop()).status, 204)

    def test_killed_at_the_end(self):
        """The row says that it is done, and then the daemon dies before the file has its name."""
        url = self.c.begin(5, filename="nearly", volume="persistent")
        self.c.patch(url, 0, b"1234")
        part = self.part(url)
        with open(part, "ab") as f:
            f.write(b"5")
        self.sql(f"UPDATE upload SET state = 'done' WHERE id = '{url.split('/')[-1]}'")
        self.kill()
        self.up()
        self.assertIsNone(self.stored("nearly"))
        self.assertEqual(self.c.offset(url), 5)
        self.assertEqual(harness.text_of(self.stored("nearly")), "12345")

    def test_two_users(self):
        """To another user an upload is not there, and neither is the volume."""
        bo = self.client(self.p.person("bo"))
        url = self.c.begin(5, filename="private", volume="persistent")
        self.assertEqual(bo.ask("HEAD", url).status, 404)
        self.assertEqual(bo.patch(url, 0, b"12345").status, 404)
        self.assertEqual(bo.ask("DELETE", url).status, 404)
        self.says(bo.create(5, filename="private", volume="ana/persistent"), 404)
        nobody = Client(self.door)
        for a in (nobody.ask("HEAD", url), nobody.patch(url, 0, b"12345"),
                  nobody.create(5, filename="a", volume="persistent"),
                  Client(self.door, Authorization="Bearer pgt_x").ask("HEAD", url)):
            self.assertEqual(a.status, 401, a)
        # A token for reading only.
        reader = self.client(self.p.signed_in("ana", scopes=["files:read"]))
        self.says(reader.patch(url, 0, b"12345"), 403, "files:write")
        # A right that is taken away counts at once, also for an upload that has begun.
        volume = self.sql("SELECT v.id FROM volume v JOIN account a ON a.id = v.account WHERE "
                          "a.name = 'ana' AND v.name = 'persistent'")
        self.sql("INSERT INTO access_grant (kind, thing, to_account, rights, by) SELECT 'volume', "
                 f"{volume}, b.id, 7, a.id FROM account a, account b WHERE a.name = 'ana' AND "
                 "b.name = 'bo'")
        theirs = bo.begin(5, filename="shared", volume="ana/persistent")
        self.assertEqual(bo.patch(theirs, 0, b"123").status, 204)
        self.assertEqual(self.c.ask("HEAD", theirs).status, 404)
        self.sql("UPDATE access_grant SET rights = 3")
        self.says(bo.patch(theirs, 3, b"45"), 403, "write")
        self.sql("DELETE FROM access_grant")
        self.assertEqual(bo.patch(theirs, 3, b"45").status, 404)
        self.assertEqual(bo.ask("DELETE", theirs).status, 204)
        self.assertEqual(self.c.ask("DELETE", url).status, 204)

    def test_method_override(self):
        url = self.c.begin(5, filename="posted", volume="persistent")
        a = self.c.ask("POST", url, b"12345", X_HTTP_Method_Override="PATCH", Upload_Offset=0,
                       Content_Type=TYPE)
        self.assertEqual(a.status, 204, a)
        self.assertEqual(harness.text_of(self.stored("posted")), "12345")

    def test_tus_js_client(self):
        modules = os.path.join(harness.SOURCE, "deps/node_modules")
        if not shutil.which("node") or not os.path.isdir(f"{modules}/tus-js-client"):
            self.skipTest("tus-js-client is not installed: scripts/setup")
        data = Data(20 * MB + 7, seed=3)
        path = data.write(self.w.file("js.bin"))
        done = subprocess.run(
            ["node", os.path.join(harness.SOURCE, "tests/integration/tus_client.js"), modules,
             "http://%s:%d/api/v1/uploads" % self.door, path, "persistent", "js.bin",
             self.ana.token],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sha256_of(self.stored("js.bin")), data.sha256())
        said = json.loads(done.stdout)
        self.assertGreater(said["resumed_at"], 0)
        self.assertLess(said["resumed_at"], data.size)


class FullDisk(Service):
    """A file system of its own for the volumes."""

    @classmethod
    def prepare(cls):
        cls.disk = tempfile.mkdtemp(prefix="perigee-disk.", dir="/tmp")
        cls.addClassCleanup(os.rmdir, cls.disk)
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", cls.disk],
                capture_output=True).returncode:
            raise unittest.SkipTest("no file system can be mounted here: the full disk")
        cls.addClassCleanup(subprocess.run, ["umount", cls.disk], check=True)
        cls.extra = f"  folder: {cls.disk}/volumes\n"
        super().prepare()

    def test_full(self):
        data = Data(30 * MB)
        self.says(self.c.create(100 * MB, filename="a", volume="persistent"), 507, "disk")
        url = self.c.begin(data.size, filename="a", volume="persistent")
        filler = os.path.join(self.disk, "filler")
        with open(filler, "wb") as f:
            f.write(b"x" * (40 * MB))
        # Told before a byte is sent, where the length is known ...
        self.says(self.c.patch(url, 0, data.bytes(0, 20 * MB)), 507, "disk")
        self.assertEqual(self.c.offset(url), 0)
        # ... and where it is not, what fits is kept.
        s = self.c.connect()
        self.c.send_head(s, "PATCH", url, {"Upload-Offset": 0, "Content-Type": TYPE,
                                           "Transfer-Encoding": "chunked"})
        for p in data.pieces(0, 12 * MB):
            s.sendall(b"%x\r\n%b\r\n" % (len(p), p))
        s.sendall(b"0\r\n\r\n")
        self.says(self.c.answer(s, "PATCH"), 507, "full")
        at = self.c.offset(url)
        self.assertGreater(at, MB)
        self.assertLess(at, 12 * MB)
        os.unlink(filler)
        self.assertEqual(self.c.whole_patch(url, at, data).status, 204)
        stored, = glob.glob(f"{self.disk}/volumes/*/a")
        self.assertEqual(sha256_of(stored), data.sha256())


if __name__ == "__main__":
    harness.main()
