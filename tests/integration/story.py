"""The story of the portal, told by people with curl and the perigee command: its people, and its steps.
test_story.py tells it in peace, test_story_killed.py while parts of the portal are killed. No test lives here.

Someone with patience repeats what the portal did not answer, as people do: until it is heard, or the patience is
over. Where an attempt may have been heard and its answer was lost, `again` says how a repetition is refused then.
"""
import hashlib
import json
import os
import re
import subprocess
import time
import uuid

import harness
from portal_world import PASSWORD

CSV = "SELECT count(*) AS n, max(GroupMass) AS heaviest FROM"
TUS = ("-H", "Tus-Resumable: 1.0.0")
# What a command says when it could not reach the portal, or the portal its database.
AWAY = re.compile(r"no portal answers|broke off|does not answer|is busy|portal starts|database|not answer now|"
                  r"ask again in a moment|too many of these")
AWAY_STATUS = (429, 502, 503, 504)
# Reasons of a job that a kill makes true.
KILLED = ("launcher_killed", "signal", "exit")


class Someone:
    """Her shell: a home of her own, perigee logged in, curl with her token."""

    def __init__(self, portal, name, patience=0):
        self.portal, self.name, self.patience = portal, name, patience
        self.home = portal.work.file(name)
        os.mkdir(self.home)
        self.repeated = 0
        self.job_env = {}
        # curl 7.88 itself loses a few bytes of its list of cookie files.
        self.env = dict(os.environ, HOME=self.home, PATH="/usr/bin:/bin", ASAN_OPTIONS="detect_leaks=0")
        for key in list(self.env):
            if key.startswith(("PERIGEE_", "XDG_")):
                del self.env[key]

    def until_heard(self, attempt, is_away):
        """(what the attempt that was answered gave, whether one before it may have been heard)"""
        until, unsure = time.monotonic() + self.patience, False
        while True:
            got = attempt()
            if not is_away(got) or time.monotonic() >= until:
                return got, unsure
            unsure = True
            self.repeated += 1
            time.sleep(0.2)

    # ---- perigee ----

    def run_once(self, *words, stdin=None, timeout=300):
        p = subprocess.run([f"{harness.BIN}/perigee", *map(str, words)], env=self.env, input=stdin,
                           text=True, capture_output=True, timeout=timeout, cwd=self.home, check=False)
        return harness.Done(p.returncode, p.stdout, p.stderr)

    def run_unsure(self, *words, **more):
        return self.until_heard(lambda: self.run_once(*words, **more),
                                lambda d: d.status < 0 or (d.status and AWAY.search(d.err)))

    def run(self, *words, **more):
        return self.run_unsure(*words, **more)[0]

    def ok(self, *words, again=None, **more):
        done, unsure = self.run_unsure(*words, **more)
        if unsure and again and done.status and re.search(again, done.err):
            return ""
        assert done.status == 0, f"{self.name}: perigee {' '.join(map(str, words))}: {done}"
        return done.out

    # ---- curl ----

    def curl_once(self, method, path, *options, stdin=None):
        """(status or 0, headers, body)"""
        out, head = os.path.join(self.home, "curl.out"), os.path.join(self.home, "curl.head")
        for f in (out, head):
            if os.path.exists(f):
                os.remove(f)
        p = subprocess.run(["curl", "-sS", "-X", method, "-o", out, "-D", head, "-w", "%{http_code}",
                            "-H", f"Authorization: Bearer {self.token}", *options,
                            self.portal.url + path], input=stdin, env=self.env, capture_output=True, check=False)
        headers = {}
        if os.path.exists(head):
            with open(head) as f:
                headers = dict(line.strip().split(": ", 1) for line in f if ": " in line)
        body = b""
        if os.path.exists(out):
            with open(out, "rb") as f:
                body = f.read()
        status = int(p.stdout or 0) if p.returncode == 0 else 0
        return status, {k.lower(): v for k, v in headers.items()}, body

    def curl_unsure(self, method, path, *options, **more):
        return self.until_heard(lambda: self.curl_once(method, path, *options, **more),
                                lambda a: a[0] == 0 or a[0] in AWAY_STATUS)

    def curl(self, method, path, *options, **more):
        answer, _ = self.curl_unsure(method, path, *options, **more)
        assert answer[0], f"{self.name}: {method} {path}: no answer"
        return answer

    def api_unsure(self, method, path, body=None, options=()):
        """(status, JSON, whether an attempt before may have been heard)"""
        if body is not None:
            options = (*options, "-H", "Content-Type: application/json", "-d", json.dumps(body))
        (status, _, data), unsure = self.curl_unsure(method, "/api/v1" + path, *options)
        return status, json.loads(data) if data else None, unsure

    def api(self, method, path, body=None, options=()):
        return self.api_unsure(method, path, body, options)[:2]

    # ---- what people do ----

    def sign_up(self):
        self.ok("signup", "--name", self.name, "--stdin", self.portal.url, again="taken|already",
                stdin=f"{self.name}@example.org\n{PASSWORD}\n")
        self.ok("login", "--stdin", self.portal.url, stdin=f"{self.name}\n{PASSWORD}\n")
        self.token = json.loads(self.ok("token", "create", "curl", "--json", "--stdin", stdin=PASSWORD + "\n"))["token"]

    def submit(self, spec):
        key = ("-H", f"Idempotency-Key: {uuid.uuid4()}")
        status, job = self.api("POST", "/jobs", dict(spec, env=self.job_env) if self.job_env else spec, key)
        assert status in (200, 201), job
        return job["number"]

    def reason(self, number):
        status, job = self.api("GET", f"/jobs/{number}")
        assert status == 200, job
        return next((t["reason"] for t in job["task_list"] if t["state"] == "failed"), "")

    def job(self, spec):
        """(number, how it ended); with patience once more if a kill has hit it."""
        until = time.monotonic() + 2 * self.patience
        while True:
            number = self.submit(spec)
            done = self.run("wait", "--timeout", "120s", number)
            said = done.err + self.run("logs", number).out
            hit = done.status and self.reason(number) in KILLED and "Read-only" not in said
            if not hit or time.monotonic() >= until:
                return number, harness.Done(done.status, done.out, said)

    def checksum(self, place):
        status, found = self.api("GET", f"/files/{place}?checksum=sha256")
        assert status == 200, found
        return found


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def random_file(path, size):
    with open(path, "wb") as f:
        for at in range(0, size, 1 << 20):
            f.write(os.urandom(min(size - at, 1 << 20)))
    return path


def plain_answer():
    """What the SQL of the story gives without any portal."""
    return subprocess.run([f"{harness.BIN}/perigee", "query", "--format", "csv",
                           f"{CSV} '{harness.EXAMPLE}/groups_023/fof_subhalo_tab_023.*.hdf5:/Group'"],
                          capture_output=True, text=True, check=True).stdout


class Tale:
    """The steps, in their order. What they leave behind is told in `expected`."""

    def __init__(self, portal, ana, bob, size):
        self.portal, self.ana, self.bob, self.size = portal, ana, bob, size
        self.data = os.path.join(harness.EXAMPLE, "groups_023")
        self.first = sorted(os.listdir(self.data))[0]
        self.plain = plain_answer()

    def tell(self):
        self.signs_up()
        self.uploads()
        self.runs_sql()
        self.shares()
        self.second_reads()
        self.second_runs()
        self.second_cannot_write()
        self.second_leaves()

    def expected(self):
        """{volume: {path: sha256}}"""
        csv = hashlib.sha256(self.plain.encode()).hexdigest()
        ana = {f"shared/groups_023/{n}": sha256(os.path.join(self.data, n)) for n in os.listdir(self.data)}
        return {"ana/persistent": dict(ana, **{"results/first/n.csv": csv}),
                "bob/persistent": {"from-ana/n.csv": csv}}

    def signs_up(self):
        self.ana.sign_up()
        assert "ana" in self.ana.ok("whoami")

    def uploads(self):
        """A large file in pieces, by curl, with the connection cut twice."""
        ana, size = self.ana, self.size
        path = random_file(os.path.join(ana.home, "large.bin"), size)
        named = "filename bGFyZ2UuYmlu,volume YW5hL3BlcnNpc3RlbnQ="  # large.bin, ana/persistent
        status, head, body = ana.curl("POST", "/api/v1/uploads", *TUS, "-H", f"Upload-Length: {size}",
                                      "-H", f"Upload-Metadata: {named}", "-H", f"Idempotency-Key: {uuid.uuid4()}")
        assert status in (200, 201), body
        at = head["location"].replace(self.portal.url, "")

        def offset():
            status, head, _ = ana.curl("HEAD", at, *TUS, "-I")
            assert status in (200, 204), status
            return int(head["upload-offset"])

        cuts, before = 0, 0
        until = time.monotonic() + 120 + ana.patience
        while (now := offset()) < size:
            assert now >= before, f"the upload was at {before}, and is at {now}"
            assert time.monotonic() < until, f"the upload is at {now}"
            before = now
            limit = ["--limit-rate", f"{size // 4}"] if cuts < 2 else []
            tail = subprocess.Popen(["tail", "-c", f"+{now + 1}", path], stdout=subprocess.PIPE)
            p = subprocess.Popen(["curl", "-sS", "-X", "PATCH", "-T", "-", *limit, *TUS,
                                  "-H", f"Authorization: Bearer {ana.token}",
                                  "-H", "Content-Type: application/offset+octet-stream",
                                  "-H", f"Upload-Offset: {now}", "-H", "Expect:", self.portal.url + at],
                                 stdin=tail.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ana.env)
            tail.stdout.close()
            if cuts < 2:
                time.sleep(1.5)
                p.kill()
                cuts += 1
            p.wait()
            tail.wait()
            time.sleep(0.2)
        assert cuts == 2 or ana.patience, cuts
        found = ana.checksum("ana/persistent/large.bin")
        assert found.get("size", size) == size
        assert sha256(path) in json.dumps(found)
        ana.ok("rm", "--forever", "persistent:large.bin", again="no ")
        os.remove(path)

    def runs_sql(self):
        """A job over files of hers; its result lands in a folder of hers."""
        ana = self.ana
        ana.ok("mkdir", "persistent:shared", again="already")
        ana.ok("cp", "-r", "-q", *(["-f"] if ana.patience else []), self.data, "persistent:shared/")
        table = "persistent/shared/groups_023/fof_subhalo_tab_023.*.hdf5:/Group"
        self.number, done = ana.job({"kind": "sql", "sql": f"{CSV} '{table}'", "into": "n.csv",
                                     "output": "persistent:results/first"})
        assert done.status == 0, done.err + ana.ok("job", self.number)
        assert ana.ok("cat", "persistent:results/first/n.csv") == self.plain

    def shares(self):
        """A team; the second one comes in."""
        ana, bob = self.ana, self.bob
        ana.ok("team", "create", "mhd", "--title", "Magnetic turbulence", again="already|taken")
        bob.sign_up()
        ana.ok("team", "invite", "mhd", "bob", again="already|invited")
        assert bob.curl("GET", "/api/v1/files/ana/persistent/shared")[0] == 404
        bob.ok("team", "accept", "mhd", again="no |already|not ")
        ana.ok("share", "persistent:shared", "--with", "team:mhd", "--read", "--grant")
        ana.ok("share", f"job:{self.number}", "--with", "team:mhd", "--read")

    def second_reads(self):
        bob, first = self.bob, self.first
        assert "groups_023" in bob.ok("ls", "ana/persistent:shared")
        assert bob.run("ls", "ana/persistent:results").status == 1
        bob.ok("cp", "-q", *(["-f"] if bob.patience else []), f"ana/persistent:shared/groups_023/{first}", ".")
        assert sha256(os.path.join(bob.home, first)) == sha256(os.path.join(self.data, first))
        assert "succeeded" in bob.ok("job", self.number)
        link = json.loads(bob.ok("link", f"ana/persistent:shared/groups_023/{first}", "--for", "1d", "--json"))
        self.link = link["url"].replace(self.portal.url, "")
        assert self.stranger(self.link) == 200

    def second_runs(self):
        bob = self.bob
        theirs = "/volumes/ana/persistent/shared/groups_023/fof_subhalo_tab_023.*.hdf5:/Group"
        self.over = {"kind": "sql", "sql": f"{CSV} '{theirs}'", "into": "n.csv", "volumes": ["ana/persistent"],
                     "output": "persistent:from-ana"}
        _, done = bob.job(self.over)
        assert done.status == 0, done.err
        assert bob.ok("cat", "persistent:from-ana/n.csv") == self.plain

    def second_cannot_write(self):
        """Neither by hand nor in a job."""
        ana, bob = self.ana, self.bob
        assert bob.curl("PUT", "/api/v1/files/ana/persistent/shared/x.txt", "-d", "x")[0] == 403
        assert bob.run("rm", f"ana/persistent:shared/groups_023/{self.first}").status == 1
        _, done = bob.job({"kind": "script", "volumes": ["ana/persistent"], "command":
                           ["sh", "-c", "echo x > /volumes/ana/persistent/shared/x.txt"]})
        assert done.status != 0
        assert "Read-only" in done.err, done
        assert "x.txt" not in ana.ok("ls", "persistent:shared")

    def second_leaves(self):
        """... and it is gone for him: files, jobs, links."""
        ana, bob = self.ana, self.bob
        bob.ok("team", "leave", "mhd", again="no |not ")
        assert bob.run("ls", "ana/persistent:shared").status == 1
        assert bob.curl("GET", f"/api/v1/files/ana/persistent/shared/groups_023/{self.first}?download=1")[0] == 404
        assert bob.run("job", self.number).status == 1
        assert self.stranger(self.link) == 404
        status, job = bob.api("POST", "/jobs", dict(self.over, output="persistent:again"))
        if status == 201:
            assert bob.run("wait", job["number"]).status != 0
        assert "again" not in bob.ok("ls", "persistent:")
        assert ana.ok("cat", "persistent:results/first/n.csv") == self.plain

    def stranger(self, path):
        """The status for somebody who only has the address."""
        def ask():
            p = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", self.portal.url + path],
                               env=self.bob.env, capture_output=True, text=True, check=False)
            return int(p.stdout or 0) if p.returncode == 0 else 0
        return self.bob.until_heard(ask, lambda s: s == 0 or s in AWAY_STATUS)[0]
