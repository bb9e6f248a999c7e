#!/usr/bin/env python3
"""Two writers and ten readers on one table, and kill -9 on the writers all the time: here, and in the quick queries
of a portal, where the readers are given the table by its owner.

A writer adds a batch of rows and says that it is there when its command has ended well. No reader sees a part of
a batch, or a table without a batch that was there when it began; at the end every acknowledged batch is there, and
what dead writers left behind is gone with the next one. The table is written anew by each, or added to.

4 seconds each; PERIGEE_BIG=1 a minute.
"""
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest

import h5py

import harness
from harness import BIN, Workplace
from portal_world import Portal

SECONDS = 60 if os.environ.get("PERIGEE_BIG") else 4
WRITERS, READERS, BATCH = 2, 10, 500
WHOLE = (BATCH, BATCH * (BATCH - 1) // 2)  # count and sum of k


READ = "SELECT w, s, count(*), sum(k) FROM {}.t GROUP BY w, s"


class Story:
    """Who writes and reads. A test says how: write_once gives true if it was acknowledged, false if it was killed;
    read_once the CSV of the table. Whatever else happens they raise."""

    base = 1  # batches that are there before

    def make(self):
        return (f"CREATE TABLE mydb.t AS SELECT 9 AS w, range // {BATCH} AS s, range % {BATCH} AS k "
                f"FROM range({self.base * BATCH})")

    def first(self):
        return {(9, s) for s in range(self.base)}

    def begin(self):
        self.lock = threading.Lock()
        self.wrong, self.done = [], set()
        self.tried = [0] * WRITERS
        self.killed = self.reads = 0

    def is_over(self):
        """It has seen enough, also on a machine that has a lot to do."""
        now = time.monotonic()
        enough = len(self.done) > 3 and self.killed > 3 and self.reads > READERS
        return now >= self.until + (0 if enough or self.wrong else 100)

    def seen(self):
        """{(w, s)} of a whole table."""
        batches = {(int(w), int(s)): (int(n), int(k)) for w, s, n, k in harness.parse_csv(self.read_once())[1:]}
        torn = {b: v for b, v in batches.items() if v != WHOLE}
        if torn:
            raise AssertionError(f"a reader saw parts: {torn}")
        return set(batches)

    def write(self, w):
        rng = random.Random(w)
        while not self.is_over():
            self.tried[w] += 1
            s = self.tried[w]
            sql = f"INSERT INTO mydb.t SELECT {w} AS w, {s} AS s, range AS k FROM range({BATCH})"
            said = self.write_once(sql, rng)
            with self.lock:
                if said:
                    self.done.add((w, s))
                else:
                    self.killed += 1

    def read(self):
        before = set()
        while not self.is_over():
            with self.lock:
                before |= self.done
            got = self.seen()
            if not before <= got:
                raise AssertionError(f"a reader missed {sorted(before - got)}")
            before |= got
            self.reads += 1

    def guarded(self, act, *args):
        def run():
            try:
                act(*args)
            except Exception as e:  # pylint: disable=broad-except
                self.wrong.append(f"{type(e).__name__}: {e}")
                self.until = 0
        return threading.Thread(target=run)

    def play(self, *others):
        self.until = time.monotonic() + SECONDS
        threads = [self.guarded(self.write, w) for w in range(WRITERS)] + \
                  [self.guarded(self.read) for _ in range(READERS)] + [self.guarded(o) for o in others]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertFalse(self.wrong, "\n".join(self.wrong[:5]))
        last = self.seen()
        self.assertLessEqual(self.done | self.first(), last)
        # One that was killed after its rename is there without having said so.
        self.assertLessEqual(last, {(w, s) for w in range(WRITERS) for s in range(1, self.tried[w] + 1)} |
                             self.first())
        print(f"{len(self.done)} writes, {self.killed} killed ({len(last) - self.base - len(self.done)} of them were there), "
              f"{self.reads} reads")
        self.assertGreater(len(self.done), 3)
        self.assertGreater(self.killed, 3)
        self.assertGreater(self.reads, READERS)


class Here(unittest.TestCase, Story):
    def setUp(self):
        self.w = Workplace()
        self.addCleanup(self.w.close)
        self.w.env["PERIGEE_MYDB"] = self.w.file("mydb")
        self.usual = [1.5] * WRITERS  # seconds that a write takes
        self.begin()

    def words(self, sql, *options):
        return [f"{BIN}/perigee", "query", "--here", "-n", "1", *options, sql]

    def read_once(self):
        p = subprocess.run(self.words(READ.format("mydb"), "--format", "csv"), env=self.w.env, cwd=self.w.path,
                           capture_output=True, text=True, timeout=120, check=False)
        if p.returncode:
            raise AssertionError(f"a reader ended with {p.returncode}: {p.stderr}")
        return p.stdout

    def write_once(self, sql, rng):
        w = int(sql.split()[4])
        start, usual = time.monotonic(), self.usual[w]
        p = subprocess.Popen(self.words(sql), env=self.w.env, cwd=self.w.path, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
        try:
            # Anywhere, or about when it ends.
            _, err = p.communicate(timeout=rng.uniform(0, 2) * usual if rng.random() < 0.5
                                   else rng.gauss(1, 0.1) * usual)
        except subprocess.TimeoutExpired:
            p.kill()
            _, err = p.communicate()
        if p.returncode == -signal.SIGKILL:
            self.usual[w] *= 1.1
            return False
        if p.returncode:
            raise AssertionError(f"a writer ended with {p.returncode}: {err}")
        self.usual[w] = time.monotonic() - start
        return True

    def test_killed_writers(self):
        made = self.w.run("query", "--here", self.make())
        self.assertEqual(made.status, 0, made.err)
        self.play()
        with h5py.File(self.w.file("mydb/t.h5")) as f:
            self.assertEqual("compact_size" in f.attrs, self.base > 1)
        self.assertEqual(self.w.run("query", "--here", "DELETE FROM mydb.t WHERE w <> 9").status, 0)
        left = sorted(n for n in os.listdir(self.w.file("mydb")) if not n.startswith(".lock-"))
        self.assertEqual(left, ["t.h5"])
        self.assertEqual(self.seen(), self.first())


class Added(Here):
    """The table is so large that rows are added to a copy of its file."""
    base = 140


class AtAPortal(unittest.TestCase, Story):
    """Any process of a quick query that writes may be killed: the launcher, bubblewrap, the command."""

    def setUp(self):
        self.portal = Portal("limits: {requests_per_minute: 0}\n").up()
        self.addCleanup(self.portal.close)
        self.ana, self.bea = self.portal.person("ana"), self.portal.person("bea")
        self.ana.ok("POST", "/query", {"sql": self.make()})
        self.ana.ok("POST", "/grants", {"kind": "volume", "thing": "ana/persistent:mydb/t.h5",
                                        "to": {"account": "bea"}, "rights": ["read"]})
        self.begin()

    def read_once(self):
        return self.bea.ok("POST", "/query", {"sql": READ.format("ana"), "format": "csv"}).decode()

    def write_once(self, sql, rng):
        a = self.ana.post("/query", {"sql": sql})
        if a.status == 200:
            return True
        # That it was killed looks like too much memory.
        if not re.search("kill|memory|sandbox", a.json["detail"]):
            raise AssertionError(a.body)
        return False

    def writers(self):
        """Commands of hers, each with the processes around it that are its sandbox."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    env = f.read()
                if b"USER=ana\0" not in env or self.portal.state.encode() not in env:
                    continue
                found = [int(pid)]
                while len(found) < 4:
                    with open(f"/proc/{found[-1]}/stat", "rb") as f:
                        parent = int(f.read().rsplit(b")", 1)[1].split()[1])
                    with open(f"/proc/{parent}/cmdline", "rb") as f:
                        words = f.read()
                    if b"bwrap" not in words and b"perigee-launch" not in words:
                        break
                    found.append(parent)
                yield found
            except (OSError, IndexError):
                pass

    def kill(self):
        rng = random.Random(1)
        while not self.is_over():
            time.sleep(rng.uniform(0.1, 0.5))
            for found in self.writers():
                try:
                    os.kill(rng.choice(found), signal.SIGKILL)
                except ProcessLookupError:
                    pass
                break

    def test_killed_queries(self):
        self.play(self.kill)
        self.ana.ok("POST", "/query", {"sql": "DELETE FROM mydb.t WHERE w <> 9"})
        folder = self.ana.ok("GET", "/files/ana/persistent/mydb")
        self.assertEqual({e["name"] for e in folder["files"]}, {"t.h5"})
        self.assertEqual(self.seen(), self.first())


if __name__ == "__main__":
    harness.main()
