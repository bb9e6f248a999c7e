"""Kernels from the user's side: one built outside the tree against the installed header, one
that misbehaves in every way, and what the framework makes of both.
"""
import glob
import os
import re
import signal
import subprocess
import time

import h5py
import numpy as np

import harness
from chaos_world import of_process
from harness import EXAMPLE, SOURCE, text_of

HERE = os.path.dirname(os.path.abspath(__file__))
SNAPSHOT = os.path.join(EXAMPLE, "snapdir_023/snapshot_023.*.hdf5:/PartType1")
BOX = 50.0


def compile_kernel(w, source, include):
    """As a user does it: mpicc, the header, nothing to link."""
    folder = w.file("kernels")
    os.makedirs(folder, exist_ok=True)
    name = os.path.basename(source)[:-2]
    subprocess.run(["mpicc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared",
                    "-fPIC", "-I", include, "-o", os.path.join(folder, name + ".so"), source],
                   check=True)


class Kernels(harness.Case):
    @classmethod
    def prepare(cls):
        prefix = cls.w.file("prefix")
        build = os.path.dirname(harness.BIN)
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL)
        include = os.path.join(prefix, "include")
        compile_kernel(cls.w, os.path.join(SOURCE, "examples/kernels/bulk_flow.c"), include)
        compile_kernel(cls.w, os.path.join(HERE, "kernels/moody.c"), include)
        cls.w.env["PERIGEE_KERNELS"] = cls.w.file("kernels")

    def moody(self, mood, *options, ranks=2, **more):
        return self.w.run("run", "-n", ranks, "moody", SNAPSHOT, "--mood", mood, *options,
                          **more)

    def rows(self, sql, ranks=2):
        return self.w.query(sql, "-q", "-n", ranks)[1]

    # ---- the example ----

    def truth(self, cells):
        """Particle counts in cells, by numpy."""
        pos = []
        for k in range(2):
            with h5py.File(SNAPSHOT.split(":")[0].replace("*", str(k))) as f:
                pos.append(f["PartType1/Coordinates"][:].astype(float))
        pos = np.concatenate(pos) % BOX
        i = (pos / BOX * cells).astype(int)
        return np.bincount((i[:, 0] * cells + i[:, 1]) * cells + i[:, 2], minlength=cells ** 3)

    def test_counts_equal_numpy_with_any_number_of_ranks(self):
        want = self.truth(3)
        for ranks in 1, 2, 3:
            rows = self.rows(f"""SELECT cell, np FROM bulk_flow('{SNAPSHOT}', cells => 3,
                vel => '[0, 0, 0]') ORDER BY cell""", ranks)
            self.assertEqual([int(n) for _, n in rows], list(want), ranks)

    def test_sql_sees_rows_as_a_table(self):
        rows = self.rows(f"""SELECT count(*), sum(a.np), max(a.idx)
            FROM bulk_flow('{SNAPSHOT}', cells => 2, vel => '[1, 2, 3]') a
            JOIN bulk_flow('{SNAPSHOT}', cells => 2, vel => '[1, 2, 3]') b
              ON a.cell = b.cell AND a.vel = b.vel""")
        self.assertEqual(rows, [["8", "262144", "7"]])

    def test_a_select_and_another_kernel_are_inputs(self):
        sql = f"""SELECT * FROM "{SNAPSHOT}" WHERE Coordinates[1] < 25"""
        with_text = self.rows(f"""SELECT sum(np) FROM bulk_flow('{sql}', cells => 1, box => 50,
            mass => 1, vel => '[0, 0, 0]')""")
        with_query = self.rows(f"""SELECT sum(np) FROM bulk_flow(({sql}), cells => 1, box => 50,
            mass => 1, vel => '[0, 0, 0]')""")
        filtered = self.rows(f"""SELECT sum(np) FROM bulk_flow('{SNAPSHOT}', cells => 1,
            vel => '[0, 0, 0]', filter => 'Coordinates[1] < 25')""")
        want = self.rows(f"SELECT count(*) FROM ({sql})")
        self.assertEqual([with_text, with_query, filtered], [want] * 3)
        nested = self.rows(f"""SELECT value FROM moody((SELECT [cell, 0, 0] AS pos
            FROM bulk_flow('{SNAPSHOT}', cells => 2, vel => '[0, 0, 0]')), box => 0)
            WHERE rank = 0""")
        self.assertEqual(nested, [["8"]])

    def test_result_file_has_units_and_the_call(self):
        into = self.w.file("flow.h5")
        done = self.w.run("run", "bulk_flow", SNAPSHOT, "--cells", 2, "--vel", "[0, 0, 0]",
                          "--into", into, "-n", 2)
        self.assertEqual(done.status, 0, done.err)
        with h5py.File(into) as f:
            self.assertEqual(list(f["mass"].attrs["unit"]) and f["mass"].attrs["unit"],
                             "1e10 Msun/h")
            self.assertIn("bulk_flow", str(f.attrs["query"]))
            self.assertEqual([os.path.basename(p[0].decode()) for p in f["provenance/sources"][:]],
                             ["snapshot_023.0.hdf5", "snapshot_023.1.hdf5"])
        # The kernel's rows, 4.07516 each particle.
        total = self.w.value(f"SELECT sum(mass) / sum(np) FROM '{into}:/'")
        self.assertAlmostEqual(total, 4.0751616, 4)

    def test_help_and_lists(self):
        self.assertIn("bulk_flow", self.w.run("kernels").out)
        text = self.w.run("run", "bulk_flow", "--help").out
        for word in "--cells", "--snapnum", "Velocity dispersion", "SELECT * FROM bulk_flow":
            self.assertIn(word, text)
        self.assertIn("| `cells` |", self.w.run("kernels", "--markdown", "bulk_flow").out)

    def test_explain_reads_nothing_and_tells(self):
        done = self.w.run("run", "moody", SNAPSHOT, "--mood", "crashes", "--explain", "-n", 2)
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("262,144 rows", done.out)

    # ---- failures ----

    def fails(self, done, *words, status=2):
        self.assertEqual(done.status, status, done)
        for word in words:
            self.assertIn(word, done.err)
        self.assertEqual(len(done.err.strip().splitlines()), 1, done.err)
        self.assertEqual(self.w.leftovers(), [])

    def test_bad_arguments(self):
        for options, *words in (
                (["--numbers", "0"], "numbers = 0", "at least 1"),
                (["--numbers", "1,x"], "needs numbers"),
                (["--box", "-1"], "box = -1"),
                (["--box", "40"], "outside of the periodic box"),
                (["--box", "1,2"], "box must be"),
                (["--snapnum", "3"], "no rows of snapshot 3", "23"),
                (["--pos", "nope"], "nope"),
                (["--pos", "[0, 0, 0/0]"], "not finite"),
                (["--pos", "[0, 0, NULL]"], "NULL"),
                (["--extra", SNAPSHOT], "needs a column value"),
                (["--filter", "Coordinates[1] <"], "syntax error")):
            with self.subTest(options):
                done = self.moody("fine", *options)
                self.assertNotEqual(done.status, 0)
                for word in words:
                    self.assertIn(word, done.err)
                self.assertEqual(self.w.leftovers(), [])
        self.fails(self.w.run("query", f"FROM moody('{SNAPSHOT}', mood => '')"),
                   "mood is empty")
        self.fails(self.w.run("query", f"FROM moody('{SNAPSHOT}', modo => 'x')"),
                   "did you mean mood?")
        self.fails(self.w.run("query", f"FROM muddy('{SNAPSHOT}')"), "no kernel", "muddy")
        self.fails(self.w.run("query", "FROM moody()"), "needs particles")
        self.fails(self.w.run("query", f"FROM moody('{SNAPSHOT}', numbers => rank)"),
                   "numbers must be")

    def test_ranks_that_fail(self):
        self.fails(self.moody("fails"), "moody: all ranks fail")
        self.fails(self.moody("agrees", ranks=3), "the last rank fails")
        self.fails(self.moody("silent"), "does not say why", status=1)
        self.fails(self.moody("unwilling"), "I will not run over 262,144".replace(",", ""))
        self.fails(self.moody("greedy"), "of memory on each of 2 ranks", status=1)
        started = time.time()
        self.fails(self.moody("leaves", ranks=3), "the last rank has left", status=1)
        self.assertLess(time.time() - started, 20)
        done = self.moody("crashes")
        self.assertEqual(done.status, 1)
        self.assertEqual(self.w.leftovers(), [])

    def test_damaged_and_empty_inputs(self):
        folder = self.w.file("cut")
        os.mkdir(folder)
        for k in range(2):
            with open(SNAPSHOT.split(":")[0].replace("*", str(k)), "rb") as f:
                data = f.read()
            with open(os.path.join(folder, f"snapshot_023.{k}.hdf5"), "wb") as f:
                f.write(data[:len(data) // (k + 1)])
        cut = os.path.join(folder, "snapshot_023.*.hdf5:/PartType1")
        path = self.w.file("cut.txt")
        self.fails(self.w.run("run", "-n", 2, "moody", cut, "--file", path),
                   "snapshot_023.1.hdf5 is truncated", status=1)
        with h5py.File(self.w.file("empty.hdf5"), "w") as f:
            f.create_group("Header").attrs["BoxSize"] = BOX
            f["PartType1/Coordinates"] = np.zeros((0, 3), "f4")
            f["PartType1/ParticleIDs"] = np.zeros(0, "u8")
        self.fails(self.w.run("run", "-n", 2, "fof", self.w.file("empty.hdf5:/PartType1"),
                              "--mass", 1), "no particles")
        self.assertFalse([f for f in os.listdir(self.w.path) if "cut.txt" in f])

    def test_output_files(self):
        path = self.w.file("out.txt")
        self.fails(self.moody("fails", "--file", path), "all ranks fail")
        self.assertEqual([f for f in os.listdir(self.w.path) if "out.txt" in f], [])
        self.assertEqual(self.moody("fine", "--file", path).status, 0)
        self.assertEqual(text_of(path), "written\n")
        self.fails(self.moody("fine", "--file", path), "exists", "--overwrite")
        self.assertEqual(self.moody("fine", "--file", path, "--overwrite").status, 0)
        self.fails(self.moody("fine", "--file", "/no/such/folder/x"), "/no/such/folder/x",
                   status=1)

    def test_notes_reach_the_user(self):
        self.assertIn("box 50", self.moody("notes").err)
        self.assertNotIn("box 50", self.moody("notes", "-q").err)

    # ---- time ----

    def start(self, *options, **env):
        words = [os.path.join(harness.BIN, "perigee"), "run", "-n", "2", "moody", SNAPSHOT,
                 *options]
        return subprocess.Popen(words, env=dict(self.w.env, **env), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=self.w.path)

    def test_cancel(self):
        for mood in "counts", "deaf":
            p = self.start("--mood", mood)
            time.sleep(1.5)
            started = time.time()
            p.send_signal(signal.SIGINT)
            self.assertEqual((p.wait(20), mood), (130, mood), p.stderr.read())
            self.assertLess(time.time() - started, 5)
            p.communicate()
            self.assertEqual(self.w.leftovers(), [])

    def test_killed_hard(self):
        """On nodes of a cluster nobody tidies up behind a SIGKILL, but the next query."""
        below = self.w.file("temp")
        os.mkdir(below)
        p = self.start("--mood", "deaf", "--temp-dir", below, OAR_NODEFILE="/dev/null")
        until = time.time() + 20
        while not (glob.glob(f"{below}/perigee-kernels-*") and len(self.ranks_alive()) == 2):
            self.assertIsNone(p.poll())
            self.assertLess(time.time(), until)
            time.sleep(0.05)
        folders = glob.glob(f"{below}/perigee-kernels-*")
        self.w.query("SELECT 1", "-q", "--temp-dir", below)
        self.assertEqual(glob.glob(f"{below}/perigee-kernels-*"), folders)  # in use
        for pid in self.ranks_alive():
            os.kill(pid, signal.SIGKILL)
        self.assertNotEqual(p.wait(20), 0)
        p.communicate()
        self.assertEqual(glob.glob(f"{below}/perigee-kernels-*"), folders)
        self.w.query("SELECT 1", "-q", "--temp-dir", below)
        self.assertEqual(os.listdir(below), [])

    def ranks_alive(self):
        mark = b"PERIGEE_STATE=" + self.w.env["PERIGEE_STATE"].encode()
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if b"perigee-task" in of_process(pid, "comm") and
                mark in of_process(pid, "environ")]

    def test_time_limit(self):
        done = self.moody("counts", "--timeout", "1s", "-q")
        self.fails(done, "did not finish within 1 seconds", status=1)

    def test_checkpoint_and_restart(self):
        folder = self.w.file("saved")
        os.mkdir(folder)
        p = self.start("--mood", "counts", "--checkpoint", folder, "-q", "--format", "csv")
        time.sleep(2)
        p.send_signal(signal.SIGUSR1)
        out, err = p.communicate(timeout=20)
        self.assertEqual(p.returncode, 75, err)
        self.assertIn("what it has done is saved", err)
        self.assertEqual(len(os.listdir(folder)), 2)
        # Another call does not take it for its own.
        self.assertEqual(self.moody("fine", "--checkpoint", folder).status, 0)
        done = self.moody("counts", "--checkpoint", folder, "-q", "--format", "csv")
        self.assertEqual(done.status, 0, done.err)
        values = re.findall(r"^\d+,(\d+)$", done.out, re.M)
        self.assertEqual(len(values), 2)
        self.assertGreater(int(values[0]), 0)
        self.assertEqual(os.listdir(folder), [])

    # ---- documentation ----

    def test_reference_page_is_what_the_kernels_say(self):
        done = self.w.run("kernels", "--markdown", env={"PERIGEE_KERNELS": ""})
        page = text_of(os.path.join(SOURCE, "docs/kernel-reference.md"))
        self.assertIn(done.out.strip(), page,
                      "perigee kernels --markdown has changed: see the end of the page")

    # ---- shared objects ----

    def test_files_that_are_no_kernels_are_told_of(self):
        bad = self.w.file("bad")
        os.mkdir(bad)
        with open(os.path.join(bad, "text.so"), "w") as f:
            f.write("no object")
        done = self.w.run("kernels", env={"PERIGEE_KERNELS": bad})
        self.assertEqual(done.status, 0)
        self.assertIn("text.so is left out", done.err)


if __name__ == "__main__":
    harness.main()
