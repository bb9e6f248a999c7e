#!/usr/bin/env python3
"""The story of the portal (story.py) while parts of it are killed: kill -9 of perigeed, nginx, PostgreSQL, launchers,
jobs, the supervisor and people's own commands at random moments. Two more work beside it: one stores, moves, copies,
deletes and restores files, one runs jobs whose results go to a folder. In the end nothing that was acknowledged is
lost, and nothing is half there: files, trash, quotas, jobs, results, teams, links, the audit log.

    test_story_killed.py [--seed S] [--seconds T] [--points]

The seed is printed; --seed repeats a run, as far as the machine's clock lets it. --seconds: the two go on for so
long at least. --points (a build with failpoints): perigeed kills itself around its commits, too.
"""
import argparse
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import traceback

import harness
from portal_killer import Killer, Watched
from story import AWAY_STATUS, KILLED, Someone, Tale, random_file, sha256

PATIENCE = 60
RESULTS = {f"{i}.txt": hashlib.sha256("".join(f"{n}\n" for n in range(i, 30001)).encode()).hexdigest()
           for i in (1, 2, 3)}
# Around what is done to files and accounts; each once, then any.
POINTS = ["commit.before", "commit.after", "storage_put", "storage_placed", "storage_trash",
          "storage_trashed", "storage_restored", "storage_copying", "storage_delete", "upload_made", "upload_write",
          "upload_done", "upload_placed", "deliver-reserved", "deliver-taken", "deliver-moved", "deliver-settled",
          "create-before", "create-after", "ended-before", "ended-after"]


class Shelf:
    """Somebody who works with files: what must be there is in `files` and `trash`."""

    FILES = "/files/cleo/persistent/"

    def __init__(self, who, rng):
        self.who, self.rng = who, rng
        self.files = {}  # path -> sha256
        self.trash = []  # {path below it: sha256}
        self.done = 0
        self.serial = 0

    def new(self, kind):
        self.serial += 1
        return f"{kind}{self.serial}"

    def ask(self, method, path, body=None, ok=(200, 201), again=()):
        status, answer, unsure = self.who.api_unsure(method, path, body)
        if unsure and status in again:
            return None
        assert status in ok, f"{method} {path} {body}: {status} {answer}"
        # A request whose client is gone may still be under way there.
        if unsure and again:
            time.sleep(0.5)
        return answer

    def below(self, top):
        return {p[len(top):]: s for p, s in self.files.items() if p == top or p.startswith(top + "/")}

    def drop(self, top):
        gone = self.below(top)
        for rest in gone:
            del self.files[top + rest]
        return gone

    def tops(self):
        return sorted({p.split("/")[0] for p in self.files})

    def put(self, path):
        data = self.rng.randbytes(self.rng.randint(0, 60000))
        local = os.path.join(self.who.home, "put")
        with open(local, "wb") as f:
            f.write(data)
        (status, _, body), _ = self.who.curl_unsure("PUT", "/api/v1" + self.FILES + path, "--data-binary",
                                                    "@" + local, "-H", "Content-Type: application/octet-stream")
        assert status in (200, 201), (path, status, body)
        self.files[path] = hashlib.sha256(data).hexdigest()

    # ---- what she does ----

    def store(self):
        self.put(self.new("file"))

    def replace(self):
        self.put(self.rng.choice(sorted(self.files)))

    def fill(self):
        top = self.new("folder")
        self.ask("POST", self.FILES + top + "/in", {"action": "mkdir", "parents": True}, again=(409,))
        for i in range(4):
            self.put(f"{top}/in/{i}")

    def send(self):
        """By perigee cp, which resumes."""
        name = self.new("large")
        path = random_file(os.path.join(self.who.home, name), self.rng.randint(1, 12) << 20)
        self.who.ok("cp", "-q", "-f", path, f"persistent:{name}")
        self.files[name] = sha256(path)
        os.remove(path)

    def move(self):
        top, to = self.rng.choice(self.tops()), self.new("moved")
        self.ask("POST", self.FILES + top, {"action": "move", "to": to}, again=(404,))
        for rest, s in self.drop(top).items():
            self.files[to + rest] = s

    def copy(self):
        top, to = self.rng.choice(self.tops()), self.new("copied")
        self.ask("POST", self.FILES + top, {"action": "copy", "to": to}, again=(409,))
        for rest, s in self.below(top).items():
            self.files[to + rest] = s

    def throw(self):
        top = self.rng.choice(self.tops())
        self.ask("DELETE", self.FILES + top, again=(404,))
        self.trash.append((top, self.drop(top)))

    def delete(self):
        top = self.rng.choice(self.tops())
        self.ask("DELETE", self.FILES + top + "?forever=1", again=(404,))
        self.drop(top)

    def restore(self):
        if not self.trash:
            return
        top, things = self.trash.pop(self.rng.randrange(len(self.trash)))
        found = [t for t in self.in_trash() if t["path"] == top]
        assert len(found) == 1, f"{top} is {len(found)} times in the trash"
        self.ask("POST", f"/trash/cleo/persistent/{found[0]['id']}/restore", {}, again=(404,))
        for rest, s in things.items():
            self.files[top + rest] = s

    def in_trash(self):
        return self.ask("GET", "/trash/cleo/persistent?limit=1000")["trash"]

    def work(self, over):
        deeds = [self.store] * 2 + [self.fill, self.send, self.move, self.copy, self.throw, self.restore,
                                    self.replace, self.delete]
        self.fill()
        while not over():
            if len(self.files) < 8:
                self.store()
            else:
                self.rng.choice(deeds)()
            self.done += 1


class Jobs:
    """Somebody who runs jobs with results; each must end once, its results be delivered whole or not at all."""

    def __init__(self, who, rng):
        self.who, self.rng = who, rng
        self.numbers = {}  # number -> folder of its results

    def work(self, over):
        command = "cd $PERIGEE_RESULTS; for i in 1 2 3; do seq $i 30000 >$i.txt; sleep 0.1; done"
        while not over():
            folder = f"out{len(self.numbers)}"
            number = self.who.submit({"kind": "script", "command": ["sh", "-c", command],
                                      "output": f"persistent:{folder}"})
            self.numbers[number] = folder
            if self.rng.random() < 0.5:
                self.who.run("wait", "--timeout", "60s", number)

    def check(self, files, problems):
        expected = {}
        for number, folder in self.numbers.items():
            status, job = self.who.api("GET", f"/jobs/{number}")
            here = {p[len(folder) + 1:]: s for p, s in files.items() if p.startswith(folder + "/")}
            if status != 200 or job["state"] not in ("succeeded", "failed"):
                problems.append(f"job {number} is {status} {job and job['state']}")
            elif job["state"] == "succeeded" and here != RESULTS:
                problems.append(f"job {number} succeeded, and has delivered {sorted(here)} to {folder}")
            elif job["state"] == "failed":
                reason = self.who.reason(number)
                if reason not in KILLED:
                    problems.append(f"job {number} failed for {reason!r}, which no kill explains")
                if here:
                    problems.append(f"job {number} failed, and has delivered {sorted(here)}")
            expected.update({f"{folder}/{p}": s for p, s in here.items()})
        return expected


# ---- the count ----


def archive_of(who, volume):
    """{path: sha256} of all files of a volume, as its owner sees them."""
    status, _, data = who.curl("GET", f"/api/v1/files/{volume}/?archive=tar")
    assert status == 200, (volume, status)
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        return {m.name.split("/", 1)[1] if m.name.startswith("persistent/") else m.name:
                hashlib.sha256(t.extractfile(m).read()).hexdigest() for m in t if m.isfile()}


def differences(what, want, have):
    for path in sorted(set(want) | set(have)):
        if want.get(path) != have.get(path):
            yield (f"{what}: {path} " + ("is lost" if path not in have else
                                         "is there, but must not be" if path not in want else "has other content"))


def counted(root):
    """(bytes, names) as portal/storage counts them."""
    size = names = 0
    seen = set()
    ours = {".perigee", ".perigee/trash", ".perigee/unfinished", ".perigee/uploads"}
    for folder, folders, files in os.walk(root):
        rel = os.path.relpath(folder, root)
        names += sum(os.path.normpath(os.path.join(rel, n)) not in ours for n in folders) + len(files)
        for n in files:
            st = os.lstat(os.path.join(folder, n))
            if st.st_ino not in seen:
                seen.add(st.st_ino)
                size += min(st.st_size, 512 * st.st_blocks)
    return size, names


class Count:
    def __init__(self, portal, people):
        self.portal, self.people, self.problems = portal, people, []

    def same(self, what, want, have):
        self.problems += differences(what, want, have)

    def sql(self, text):
        """Rows, as text, from the portal's own database."""
        data = next(r for r, _, files in os.walk(os.path.join(self.portal.state, "postgres"))
                    if "postmaster.pid" in files)
        with open(os.path.join(data, "postmaster.pid"), encoding="ascii") as f:
            lines = f.read().split("\n")
        done = subprocess.run(["psql", "-XAtq", "-h", lines[4], "-U", "postgres", "-d", "perigee", "-c", text],
                              capture_output=True, text=True, check=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def volumes(self):
        """Numbers of the quota, and nothing that no row knows."""
        until = time.monotonic() + 30
        while True:
            found = self.look_at_volumes()
            if not found or time.monotonic() > until:
                break
            time.sleep(0.5)
        self.problems += found

    def look_at_volumes(self):
        found = []
        uploads = {u for u, in self.sql("SELECT id::text FROM upload WHERE state = 'open'")}
        for i, used, files in self.sql("SELECT id, used, files FROM volume WHERE removed IS NULL"):
            root = os.path.join(self.portal.state, "volumes", i)
            if not os.path.isdir(root):
                continue
            size, names = counted(root)
            if (int(used), int(files)) != (size, names):
                found.append(f"volume {i}: {used} bytes, {files} names are noted; there are {size}, {names}")
            private = os.path.join(root, ".perigee")
            for n in self.names(private, "unfinished"):
                found.append(f"volume {i}: unfinished/{n} is left")
            for n in self.names(private, "uploads"):
                if n not in uploads:
                    found.append(f"volume {i}: uploads/{n} is of no upload")
            for n in self.names(private, "trash"):
                if sorted(self.names(private, "trash", n)) != ["info.json", "thing"]:
                    found.append(f"volume {i}: trash/{n} is half there")
        return found

    @staticmethod
    def names(*path):
        path = os.path.join(*path)
        return os.listdir(path) if os.path.isdir(path) else []

    def audit(self):
        """Each act that was acknowledged."""
        seen, before = set(), 0
        while before is not None:
            page = self.portal.machine.ok("GET", "/admin/audit?limit=1000" + (f"&before={before}" if before else ""))
            seen |= {(a["action"], a["account"]) for a in page["audit"] if a["ok"]}
            before = page["next"]
        want = {("account.sign-up", "") for _ in self.people[:1]}
        for p in self.people:
            want |= {("sign-in", p.name), ("token.make", p.name)}
        want |= {("team.make", "ana"), ("team.invite", "ana"), ("grant", "ana"), ("link.make", "bob"),
                 ("team.remove", "bob"), ("team.accept", "bob")}
        self.seen = seen
        for act in sorted(want - seen):
            self.problems.append(f"the audit log lacks {act}; it has {sorted(seen)}")

    def log(self):
        done = subprocess.run([os.path.join(self.portal.bin, "perigeed"), "--check-log"], env=self.portal.env,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            self.problems.append("the log and the rows differ: " + done.stderr.strip())
        said = self.portal.what_it_said(10**6)
        self.problems += [line for line in said.splitlines() if "Sanitizer" in line or "runtime error" in line]

    def jobs_over(self):
        until = time.monotonic() + 90
        while time.monotonic() < until:
            left = self.sql("SELECT number, state FROM job WHERE state NOT IN ('succeeded', 'failed', 'cancelled')")
            owed = self.sql("SELECT count(*) FROM outbox")
            if not left and owed == [["0"]]:
                return
            time.sleep(0.3)
        self.problems.append(f"jobs are not over: {left}, outbox {owed}")


# ---- all of it ----


class Run:
    def __init__(self, args):
        self.args = args
        rng = random.Random(f"{args.seed} points")
        points = [f"{p}:1" for p in rng.sample(POINTS, len(POINTS))] + \
            [f"*:{rng.randint(1, 60)}" for _ in range(20)]
        self.portal = Watched("accounts: {sign_up: open}\nlimits: {requests_per_minute: 0}\n"
                              + ("user: root\n" if os.geteuid() == 0 else ""), points if args.points else ())
        self.people = [Someone(self.portal, n, PATIENCE * (3 if args.points else 1)) for n in ("ana", "bob", "cleo", "dan")]
        for p in self.people:
            # In a sandbox LeakSanitizer cannot work.
            p.job_env = {"ASAN_OPTIONS": "detect_leaks=0"} if args.points else {}
        self.errors = []
        self.tale_told = threading.Event()

    def guarded(self, what, *args):
        def run():
            try:
                what(*args)
            except Exception:  # the others go on; it is told in the end
                self.errors.append(traceback.format_exc())
        t = threading.Thread(target=run)
        t.start()
        return t

    def live(self):
        began = time.monotonic()

        def over():
            return bool(self.errors) or (self.tale_told.is_set() and time.monotonic() > began + self.args.seconds)

        ana, bob, cleo, dan = self.people
        self.tale = Tale(self.portal, ana, bob, self.args.size)
        self.shelf = Shelf(cleo, random.Random(f"{self.args.seed} shelf"))
        self.jobs = Jobs(dan, random.Random(f"{self.args.seed} jobs"))

        def tell():
            try:
                self.tale.tell()
            finally:
                self.tale_told.set()

        def begin(who, work):
            who.sign_up()
            work(over)

        # A build with failpoints is slow, and dies by itself, too.
        killer = Killer(self.portal, self.args.seed, (2, 6) if self.args.points else (0.3, 2.0))
        killer.start()
        threads = [self.guarded(tell), self.guarded(begin, cleo, self.shelf.work),
                   self.guarded(begin, dan, self.jobs.work)]
        for t in threads:
            t.join()
        killer.stop()
        self.kills = killer.kills
        self.took = time.monotonic() - began

    def peace(self):
        """The last kill, and everything comes back by itself."""
        if self.args.points:
            os.truncate(self.portal.todo, 0)
        self.portal.wait_up()
        os.kill(self.portal.pid(), 9)
        self.portal.supervisor.kill()
        time.sleep(1)
        self.portal.wait_up()

    def count(self):
        c = Count(self.portal, self.people)
        c.jobs_over()
        for volume, files in self.tale.expected().items():
            c.same(volume, files, archive_of(self.people[0 if volume.startswith("ana") else 1], volume))
        c.same("cleo/persistent", self.shelf.files, archive_of(self.people[2], "cleo/persistent"))
        trash = sorted(t["path"] for t in self.shelf.in_trash())
        if trash != sorted(top for top, _ in self.shelf.trash):
            c.problems.append(f"the trash has {trash}, not {self.shelf.trash}")
        c.volumes()
        for top, things in list(self.shelf.trash):
            self.shelf.trash = [(top, things)]
            self.shelf.restore()
        c.same("cleo/persistent, restored", self.shelf.files, archive_of(self.people[2], "cleo/persistent"))
        dans = archive_of(self.people[3], "dan/persistent")
        c.same("dan/persistent", self.jobs.check(dans, c.problems), dans)
        c.volumes()
        c.audit()
        c.log()
        return c.problems

    def run(self):
        print(f"story killed: seed {self.args.seed}", flush=True)
        try:
            self.portal.up()
            self.live()
            problems = self.errors
            if not problems:
                self.peace()
                problems = self.count()
            print(f"story killed: {self.took:.0f} s; killed: {dict(self.kills)}; repeated: "
                  f"{sum(p.repeated for p in self.people)}; {self.shelf.done} acts with files, "
                  f"{len(self.jobs.numbers)} jobs; started by systemd {self.portal.starts} times", flush=True)
            deaths = sum(self.kills.values())
            if self.args.points:
                with open(self.portal.reached, encoding="utf-8") as f:
                    reached = f.read().split()
                deaths += len(reached)
                print("story killed: perigeed died at " + ", ".join(reached), flush=True)
            if deaths < 5:
                problems.append("almost nothing was killed")
            for p in problems:
                print("PROBLEM:", p)
            if problems:
                print(self.portal.what_it_said())
            return 1 if problems else 0
        finally:
            if self.args.keep:
                print("kept:", self.portal.work.path)
                shutil.rmtree = lambda *a, **k: None
            self.portal.close()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--seed", default=str(int.from_bytes(os.urandom(4), "little")))
    p.add_argument("--seconds", type=float, default=0)
    p.add_argument("--size", type=int, default=40 * 10**6)
    p.add_argument("--points", action="store_true")
    p.add_argument("--bin", default=None)
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    if args.bin:
        harness.BIN = args.bin
    if not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or not os.path.exists(os.path.join(harness.BIN, "perigeed")):
        print("skipped: nginx is not installed, or there is no such build")
        return 77
    return Run(args).run()


if __name__ == "__main__":
    sys.exit(main())
