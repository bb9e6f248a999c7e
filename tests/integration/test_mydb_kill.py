#!/usr/bin/env python3
"""Two writers and ten readers on one table, and kill -9 on the writers all the time.

A writer adds a batch of rows and says that it is there when its command has ended well. No reader sees a part of
a batch, or a table without a batch that was there when it began; at the end every acknowledged batch is there, and
what dead writers left behind is gone with the next one.

6 seconds; PERIGEE_BIG=1 a minute.
"""
import os
import random
import signal
import subprocess
import threading
import time
import unittest

import harness
from harness import BIN, Workplace

SECONDS = 60 if os.environ.get("PERIGEE_BIG") else 6
WRITERS, READERS, BATCH = 2, 10, 500
WHOLE = (BATCH, BATCH * (BATCH - 1) // 2)  # count and sum of k


class Killed(unittest.TestCase):
    def setUp(self):
        self.w = Workplace()
        self.addCleanup(self.w.close)
        self.w.env["PERIGEE_MYDB"] = self.w.file("mydb")
        self.lock = threading.Lock()
        self.wrong, self.done = [], set()
        self.tried = [0] * WRITERS
        self.killed = self.reads = 0
        self.until = 0

    def words(self, sql, *options):
        return [f"{BIN}/perigee", "query", "--here", "-n", "1", *options, sql]

    def seen(self):
        """{(w, s)} of a whole table; None: something is wrong with it."""
        p = subprocess.run(self.words("SELECT w, s, count(*), sum(k) FROM mydb.t GROUP BY w, s", "--format", "csv"),
                           env=self.w.env, cwd=self.w.path, capture_output=True, text=True, timeout=120, check=False)
        if p.returncode:
            self.wrong.append(f"a reader ended with {p.returncode}: {p.stderr}")
            return None
        batches = {}
        for w, s, n, k in harness.parse_csv(p.stdout)[1:]:
            batches[int(w), int(s)] = int(n), int(k)
        torn = {b: v for b, v in batches.items() if v != WHOLE}
        if torn:
            self.wrong.append(f"a reader saw parts: {torn}")
        return set(batches)

    def write(self, w):
        rng = random.Random(w)
        usual = 1.5
        while time.monotonic() < self.until:
            self.tried[w] += 1
            s = self.tried[w]
            sql = f"INSERT INTO mydb.t SELECT {w} AS w, {s} AS s, range AS k FROM range({BATCH})"
            start = time.monotonic()
            p = subprocess.Popen(self.words(sql), env=self.w.env, cwd=self.w.path, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
            try:
                # Anywhere, or about when it ends.
                _, err = p.communicate(timeout=rng.uniform(0, 2) * usual if rng.random() < 0.5
                                       else rng.gauss(1, 0.1) * usual)
            except subprocess.TimeoutExpired:
                p.kill()
                _, err = p.communicate()
            with self.lock:
                if p.returncode == 0:
                    self.done.add((w, s))
                    usual = time.monotonic() - start
                elif p.returncode == -signal.SIGKILL:
                    self.killed += 1
                    usual *= 1.1
                else:
                    self.wrong.append(f"a writer ended with {p.returncode}: {err}")

    def read(self):
        before = set()
        while time.monotonic() < self.until:
            with self.lock:
                before |= self.done
            got = self.seen()
            if got is None:
                return
            if not before <= got:
                self.wrong.append(f"a reader missed {sorted(before - got)}")
            before |= got
            self.reads += 1

    def test_killed_writers(self):
        made = self.w.run("query", "--here",
                          "CREATE TABLE mydb.t AS SELECT 9 AS w, 0 AS s, range AS k FROM range(%d)" % BATCH)
        self.assertEqual(made.status, 0, made.err)
        self.until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=self.write, args=(w,)) for w in range(WRITERS)] + \
                  [threading.Thread(target=self.read) for _ in range(READERS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertFalse(self.wrong, "\n".join(self.wrong[:5]))
        last = self.seen()
        self.assertLessEqual(self.done | {(9, 0)}, last)
        # One that was killed after its rename is there without having said so.
        self.assertLessEqual(last, {(w, s) for w in range(WRITERS) for s in range(1, self.tried[w] + 1)} | {(9, 0)})
        print(f"{len(self.done)} writes, {self.killed} killed ({len(last) - 1 - len(self.done)} of them were there), "
              f"{self.reads} reads")
        self.assertGreater(len(self.done), 3)
        self.assertGreater(self.killed, 3)
        self.assertGreater(self.reads, READERS)
        self.assertEqual(self.w.run("query", "--here", "DELETE FROM mydb.t WHERE w <> 9").status, 0)
        left = sorted(n for n in os.listdir(self.w.file("mydb")) if not n.startswith(".lock-"))
        self.assertEqual(left, ["t.h5"])
        self.assertEqual(self.seen(), {(9, 0)})


if __name__ == "__main__":
    harness.main()
