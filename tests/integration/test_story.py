#!/usr/bin/env python3
"""The story of the portal, over HTTP only, with curl and the perigee command, through nginx: somebody signs up,
uploads a large file over a bad connection, runs SQL over it, makes a team, shares a folder; the other one
reads it, runs a job over it, cannot write it, leaves, and cannot read it any more.

PERIGEE_BIG=1 uploads 2 GB instead of 200 MB. PERIGEE_KILL=SEED kills parts of the portal all the while.
"""
import hashlib
import json
import os
import shutil
import subprocess
import time
import unittest

import harness
from portal_world import PASSWORD, Portal

SIZE = 2 * 10**9 if os.environ.get("PERIGEE_BIG") else 200 * 10**6
CSV = "SELECT count(*) AS n, max(GroupMass) AS heaviest FROM"


class Someone:
    """Her shell: a home of her own, perigee logged in, curl with her token."""

    def __init__(self, portal, name):
        self.portal, self.name = portal, name
        self.home = portal.work.file(name)
        os.mkdir(self.home)
        self.env = dict(os.environ, HOME=self.home, PATH="/usr/bin:/bin")
        for key in list(self.env):
            if key.startswith(("PERIGEE_", "XDG_")):
                del self.env[key]

    def run(self, *words, stdin=None, timeout=300):
        p = subprocess.run([f"{harness.BIN}/perigee", *map(str, words)], env=self.env, input=stdin,
                           text=True, capture_output=True, timeout=timeout, cwd=self.home, check=False)
        return harness.Done(p.returncode, p.stdout, p.stderr)

    def ok(self, *words, **more):
        done = self.run(*words, **more)
        assert done.status == 0, f"{self.name}: perigee {' '.join(map(str, words))}: {done}"
        return done.out

    def sign_up(self):
        self.ok("signup", "--name", self.name, "--stdin", self.portal.url,
                stdin=f"{self.name}@example.org\n{PASSWORD}\n")
        self.ok("login", "--stdin", self.portal.url, stdin=f"{self.name}\n{PASSWORD}\n")
        self.token = json.loads(self.ok("token", "create", "curl", "--json", "--stdin", stdin=PASSWORD + "\n"))["token"]

    def curl(self, method, path, *options, stdin=None, check=True):
        """(status, headers, body)"""
        out, head = os.path.join(self.home, "curl.out"), os.path.join(self.home, "curl.head")
        for f in (out, head):
            if os.path.exists(f):
                os.remove(f)
        p = subprocess.run(["curl", "-sS", "-X", method, "-o", out, "-D", head, "-w", "%{http_code}",
                            "-H", f"Authorization: Bearer {self.token}", *options,
                            self.portal.url + path], input=stdin, capture_output=True, check=False)
        assert not check or p.returncode == 0, (method, path, p.stderr)
        headers = {}
        if os.path.exists(head):
            with open(head) as f:
                headers = dict(line.strip().split(": ", 1) for line in f if ": " in line)
        body = b""
        if os.path.exists(out):
            with open(out, "rb") as f:
                body = f.read()
        return int(p.stdout or 0), {k.lower(): v for k, v in headers.items()}, body

    def api(self, method, path, body=None):
        options = () if body is None else ("-H", "Content-Type: application/json", "-d", json.dumps(body))
        status, _, data = self.curl(method, "/api/v1" + path, *options)
        return status, json.loads(data) if data else None

    def submit(self, spec, wait=True):
        status, job = self.api("POST", "/jobs", spec)
        assert status == 201, job
        if wait:
            done = self.run("wait", "--timeout", "120s", job["number"])
            return job["number"], done
        return job["number"], None


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portal = Portal("accounts: {sign_up: open}\nlimits: {requests_per_minute: 0}\n"
                            + ("user: root\n" if os.geteuid() == 0 else "")).up()
        cls.addClassCleanup(cls.portal.close)
        cls.ana, cls.bob = Someone(cls.portal, "ana"), Someone(cls.portal, "bob")

    def test_story(self):
        ana, bob = self.ana, self.bob
        ana.sign_up()
        self.assertIn("ana", ana.ok("whoami"))
        self.large_file(ana)

        # A job over files of hers; its result lands in a folder of hers.
        data = os.path.join(harness.EXAMPLE, "groups_023")
        ana.ok("mkdir", "persistent:shared")
        ana.ok("cp", "-r", "-q", data, "persistent:shared/")
        table = "persistent/shared/groups_023/fof_subhalo_tab_023.*.hdf5:/Group"
        number, done = ana.submit({"kind": "sql", "sql": f"{CSV} '{table}'", "into": "n.csv",
                                   "output": "persistent:results/first"})
        self.assertEqual(done.status, 0, done.err + ana.ok("job", number))
        mine = ana.ok("cat", "persistent:results/first/n.csv")
        plain = subprocess.run([f"{harness.BIN}/perigee", "query", "--format", "csv",
                                f"{CSV} '{harness.EXAMPLE}/groups_023/fof_subhalo_tab_023.*.hdf5:/Group'"],
                               capture_output=True, text=True, check=True).stdout
        self.assertEqual(mine, plain)

        # A team; the second one comes in and reads.
        ana.ok("team", "create", "mhd", "--title", "Magnetic turbulence")
        bob.sign_up()
        ana.ok("team", "invite", "mhd", "bob")
        self.assertEqual(bob.curl("GET", "/api/v1/files/ana/persistent/shared")[0], 404)
        bob.ok("team", "accept", "mhd")
        ana.ok("share", "persistent:shared", "--with", "team:mhd", "--read", "--grant")
        ana.ok("share", f"job:{number}", "--with", "team:mhd", "--read")
        self.assertIn("groups_023", bob.ok("ls", "ana/persistent:shared"))
        self.assertEqual(bob.run("ls", "ana/persistent:results").status, 1)
        first = sorted(os.listdir(data))[0]
        bob.ok("cp", "-q", f"ana/persistent:shared/groups_023/{first}", ".")
        with open(os.path.join(bob.home, first), "rb") as f, open(os.path.join(data, first), "rb") as g:
            self.assertEqual(hashlib.sha256(f.read()).digest(), hashlib.sha256(g.read()).digest())
        self.assertIn("succeeded", bob.ok("job", number))
        link = json.loads(bob.ok("link", f"ana/persistent:shared/groups_023/{first}", "--for", "1d", "--json"))
        path = link["url"].replace(self.portal.url, "")
        self.assertEqual(self.stranger(path)[0], 200)

        # He runs a job over it ...
        theirs = "/volumes/ana/persistent/shared/groups_023/fof_subhalo_tab_023.*.hdf5:/Group"
        over = {"kind": "sql", "sql": f"{CSV} '{theirs}'", "into": "n.csv", "volumes": ["ana/persistent"],
                "output": "persistent:from-ana"}
        _, done = bob.submit(over)
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(bob.ok("cat", "persistent:from-ana/n.csv"), plain)
        # ... and cannot write it, neither by hand nor in a job.
        self.assertEqual(bob.curl("PUT", "/api/v1/files/ana/persistent/shared/x.txt", "-d", "x")[0], 403)
        self.assertEqual(bob.run("rm", f"ana/persistent:shared/groups_023/{first}").status, 1)
        _, done = bob.submit({"kind": "script", "volumes": ["ana/persistent"], "command":
                              ["sh", "-c", "echo x > /volumes/ana/persistent/shared/x.txt"]})
        self.assertNotEqual(done.status, 0)
        self.assertIn("Read-only", done.err + bob.ok("logs", str(_)))
        self.assertNotIn("x.txt", ana.ok("ls", "persistent:shared"))

        # He leaves, and it is gone for him: files, jobs, links.
        bob.ok("team", "leave", "mhd")
        self.assertEqual(bob.run("ls", "ana/persistent:shared").status, 1)
        self.assertEqual(bob.curl("GET", "/api/v1/files/ana/persistent/shared/groups_023/"
                                  f"{first}?download=1")[0], 404)
        self.assertEqual(bob.run("job", number).status, 1)
        self.assertEqual(self.stranger(path)[0], 404)
        status, job = bob.api("POST", "/jobs", dict(over, output="persistent:again"))
        if status == 201:
            self.assertNotEqual(bob.run("wait", job["number"]).status, 0)
        self.assertNotIn("again", bob.ok("ls", "persistent:"))
        self.assertEqual(ana.ok("cat", "persistent:results/first/n.csv"), plain)

    def stranger(self, path):
        p = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", self.portal.url + path],
                           capture_output=True, text=True, check=True)
        return int(p.stdout), None

    def large_file(self, ana):
        """In pieces, by curl, with the connection cut twice."""
        path = os.path.join(ana.home, "large.bin")
        digest = hashlib.sha256()
        with open(path, "wb") as f:
            left = SIZE
            while left:
                block = os.urandom(min(left, 1 << 20))
                f.write(block)
                digest.update(block)
                left -= len(block)
        named = "filename bGFyZ2UuYmlu,volume YW5hL3BlcnNpc3RlbnQ="  # large.bin, ana/persistent
        tus = ("-H", "Tus-Resumable: 1.0.0")
        status, head, body = ana.curl("POST", "/api/v1/uploads", *tus, "-H", f"Upload-Length: {SIZE}",
                                      "-H", f"Upload-Metadata: {named}")
        self.assertEqual(status, 201, body)
        at = head["location"].replace(self.portal.url, "")

        def offset():
            status, head, _ = ana.curl("HEAD", at, *tus, "-I")
            self.assertEqual(status, 200)
            return int(head["upload-offset"])

        cuts, before = 0, -1
        while (now := offset()) < SIZE:
            self.assertGreater(now, before if cuts <= 2 else -1)
            before = now
            limit = ["--limit-rate", f"{SIZE // 4}"] if cuts < 2 else []
            tail = subprocess.Popen(["tail", "-c", f"+{now + 1}", path], stdout=subprocess.PIPE)
            p = subprocess.Popen(["curl", "-sS", "-X", "PATCH", "-T", "-", *limit, *tus,
                                  "-H", f"Authorization: Bearer {ana.token}",
                                  "-H", "Content-Type: application/offset+octet-stream",
                                  "-H", f"Upload-Offset: {now}", "-H", "Expect:", self.portal.url + at],
                                 stdin=tail.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            tail.stdout.close()
            if cuts < 2:
                time.sleep(1.5)
                p.kill()
                cuts += 1
            p.wait()
            tail.wait()
            time.sleep(0.2)
        self.assertEqual(cuts, 2)
        status, found = ana.api("GET", "/files/ana/persistent/large.bin?checksum=sha256")
        self.assertEqual(status, 200, found)
        self.assertEqual(found["size"] if "size" in found else SIZE, SIZE)
        self.assertIn(digest.hexdigest(), json.dumps(found))
        ana.ok("rm", "--forever", "persistent:large.bin")
        os.remove(path)


if __name__ == "__main__":
    if not shutil.which("nginx"):
        print("skipped: nginx is not installed")
        raise SystemExit(77)
    harness.main()
