"""Files through the web door: real nginx sends what perigeed lets it, and nothing else; people
who have signed in, with tokens.
"""
import hashlib
import io
import json
import os
import random
import threading
import time
import urllib.parse
import zipfile

import harness
import portal_world
from test_front import Door

MB = 1000000


class Socket:
    """What portal_world.Person wants of a portal: where perigeed listens for this machine."""

    def __init__(self, state):
        self.state = state

    def socket(self, door):
        return os.path.join(self.state, door + ".sock")


class Web(Door):
    def setUp(self):
        machine = portal_world.Person(Socket(self.state), door="perigeed")
        self.people = []
        for name in ("ana", "ben"):
            name += f"{random.randrange(10**9)}"
            made = machine.ok("POST", "/admin/users", {"name": name})
            self.call(None, "POST", "/account/reset", {"token": made["token"],
                                                       "password": portal_world.PASSWORD})
            r, body = self.send(None, "POST", "/api/v1/sign-in",
                                json.dumps({"name": name, "password": portal_world.PASSWORD}))
            self.assertEqual(r.status, 200, body)
            cookie = {"Cookie": r.headers["Set-Cookie"].split(";")[0],
                      "X-CSRF-Token": json.loads(body)["csrf"]}
            r, body = self.send(None, "POST", "/api/v1/account/tokens", json.dumps(
                {"name": "t", "scopes": ["all"], "days": 1}), cookie)
            self.assertLess(r.status, 300, body)
            self.people.append((name, json.loads(body)["token"]))

    def send(self, who, method, path, body=None, headers=None):
        h = dict(headers or {})
        if who:
            h["Authorization"] = "Bearer " + who[1]
        c = self.connect(60)
        c.request(method, path, body, h)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r, data

    def call(self, who, method, path, body=None, headers=None):
        if isinstance(body, dict):
            body = json.dumps(body)
        r, data = self.send(who, method, "/api/v1" + path, body, headers)
        self.assertLess(r.status, 300, data)
        return r, data

    @staticmethod
    def at(who, path, query="", volume="persistent"):
        return f"/files/{who[0]}/{volume}/{urllib.parse.quote(path)}" + (query and "?" + query)

    def folder(self, who):
        """Of her volume, on disk."""
        mark = f"mark{random.random()}"
        self.call(who, "PUT", self.at(who, mark), b"")
        base = os.path.join(self.state, "volumes")
        found = [d for d in os.listdir(base) if os.path.exists(os.path.join(base, d, mark))]
        self.call(who, "DELETE", self.at(who, mark, "forever=1"))
        return os.path.join(base, found[0])

    def test_download(self):
        ana, ben = self.people
        data = random.randbytes(5 * MB)
        for name in ("d\u00e4ta 100% #1?&+.html", "plain.bin", "a;b\\c'd\"e.svg"):
            self.call(ana, "PUT", self.at(ana, name), data)
            path = self.at(ana, name, "download=1")
            r, got = self.call(ana, "GET", path)
            self.assertEqual(got, data)
            self.assertEqual(r.headers["Content-Type"], "application/octet-stream")
            self.assertIn("sandbox", r.headers["Content-Security-Policy"])
            self.assertEqual(r.headers["X-Content-Type-Options"], "nosniff")
            self.assertTrue(r.headers["Content-Disposition"].startswith("attachment; "))
            self.assertIn(urllib.parse.quote(name), r.headers["Content-Disposition"])
            self.assertNotIn("X-Accel-Redirect", r.headers)
            r, got = self.call(ana, "GET", path, headers={"Range": "bytes=1000-1999"})
            self.assertEqual((r.status, got), (206, data[1000:2000]))
            r, got = self.call(ana, "HEAD", path)
            self.assertEqual((r.headers["Content-Length"], got), (str(len(data)), b""))
        self.assertEqual(self.send(ben, "GET", "/api/v1" + path)[0].status, 404)
        self.assertEqual(self.send(None, "GET", "/api/v1" + path)[0].status, 401)
        # Not without perigeed.
        number = os.path.basename(self.folder(ana))
        for path in (f"/_files/{number}/plain.bin", f"/_files/{number}", "/_files/../perigee.yaml"):
            self.assertIn(self.send(ana, "GET", path)[0].status, (400, 404))

    def test_checksum_archive(self):
        ana = self.people[0]
        data = random.randbytes(4 * MB)
        self.call(ana, "POST", self.at(ana, "d"), {"action": "mkdir"})
        self.call(ana, "PUT", self.at(ana, "d/\u2605"), data)
        _, got = self.call(ana, "GET", self.at(ana, "d/\u2605", "checksum=sha256"))
        self.assertEqual(json.loads(got)["checksum"], hashlib.sha256(data).hexdigest())
        _, got = self.call(ana, "GET", self.at(ana, "d", "archive=zip"))
        self.assertEqual(zipfile.ZipFile(io.BytesIO(got)).read("d/\u2605"), data)
        self.call(ana, "POST", self.at(ana, "d"), {"action": "copy", "to": "e"})
        self.call(ana, "DELETE", self.at(ana, "d", "forever=1"))
        r, got = self.call(ana, "GET", self.at(ana, "e/\u2605", "download=1"))
        self.assertEqual(got, data)

    def test_links(self):
        """Someone swaps a file, and a folder, for links to a secret while it is downloaded."""
        ana = self.people[0]
        root = self.folder(ana)
        secret = os.path.join(self.state, "volumes", "secret")
        os.mkdir(secret)
        self.addCleanup(os.rmdir, secret)
        for name in ("f", "deep"):
            with open(os.path.join(secret, name), "wb") as f:
                f.write(b"secret")
            os.chmod(f.name, 0o644)
            self.addCleanup(os.unlink, f.name)
        os.chmod(secret, 0o755)
        self.call(ana, "POST", self.at(ana, "d"), {"action": "mkdir"})
        self.call(ana, "PUT", self.at(ana, "d/deep"), b"hers")
        self.call(ana, "PUT", self.at(ana, "f"), b"hers")
        os.symlink(os.path.join(secret, "f"), os.path.join(root, "lf"))
        os.symlink("../secret", os.path.join(root, "ld"))
        for path in ("lf", "ld/deep"):
            r, got = self.send(ana, "GET", "/api/v1" + self.at(ana, path, "download=1"))
            self.assertEqual(r.status, 403, got)
        over = threading.Event()

        def swap():
            n = 0
            while not over.is_set():
                for a, b in (("f", "lf"), ("d", "ld")):
                    # Only one of the two names is there at any time: no exchange in Python.
                    os.rename(os.path.join(root, a), os.path.join(root, "t"))
                    os.rename(os.path.join(root, b), os.path.join(root, a))
                    if n % 7 == 0:
                        time.sleep(0.001)
                    os.rename(os.path.join(root, a), os.path.join(root, b))
                    os.rename(os.path.join(root, "t"), os.path.join(root, a))
                n += 1

        t = threading.Thread(target=swap)
        t.start()
        seen = {}
        try:
            end = time.monotonic() + 2
            while time.monotonic() < end:
                for path in ("f", "d/deep"):
                    r, got = self.send(ana, "GET", "/api/v1" + self.at(ana, path, "download=1"))
                    self.assertNotIn(b"secret", got)
                    seen[r.status] = seen.get(r.status, 0) + 1
                    self.assertIn(r.status, (200, 403, 404), got)
        finally:
            over.set()
            t.join()
        self.assertGreater(seen.get(200, 0), 10, seen)
        self.assertGreater(seen.get(403, 0) + seen.get(404, 0), 10, seen)


if __name__ == "__main__":
    harness.main()
