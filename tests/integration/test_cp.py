"""perigee cp over HTTP, through the web door of a real portal: up, down, within; killed, interrupted,
with a portal that is killed, with what cannot be copied.
"""
import filecmp
import json
import os
import signal
import subprocess
import time

import harness
from harness import BIN
from test_uploads import BIG, Service, until
from tus import MB, Data, sha256_of


class Copies(Service):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.env = cls.environment(cls.ana)

    def run_cp(self, *words, person=None, **more):
        env = self.environment(person) if person else self.env
        return self.w.run("cp", *words, **{"env": env, **more})

    def ok(self, *words, **more):
        """What it says of each file."""
        done = self.run_cp("--json", *words, **more)
        self.assertEqual(done.status, 0, done)
        return json.loads(done.out)

    def fails(self, status, says, *words, **more):
        done = self.run_cp(*words, **more)
        self.assertEqual(done.status, status, done)
        self.assertIn(says, done.err)
        return done

    def begin(self, *words, log="cp.err"):
        with open(self.w.file(log), "w", encoding="utf-8") as err:
            return subprocess.Popen([f"{BIN}/perigee", "cp", *words], env=dict(self.w.env, **self.env),
                                    stderr=err, stdout=err, cwd=self.w.path)

    def until_sent(self, p, least):
        until(lambda: p.poll() is not None or
              any(os.path.getsize(f) > least for f in self.parts()), what="the upload")
        self.assertIsNone(p.poll(), "it was over too soon")

    def remembered(self):
        folder = self.w.file("cache", "perigee", "uploads")
        return os.listdir(folder) if os.path.isdir(folder) else []

    def test_killed(self):
        """The command is killed, then the portal, then somebody presses Ctrl-C."""
        data = Data(BIG, seed=2)
        path = data.write(self.w.file("large.bin"))
        words, before = [path, "persistent:large.bin"], len(self.remembered())
        p = self.begin(*words)
        self.until_sent(p, BIG // 8)
        p.kill()
        p.wait()
        self.assertEqual(len(self.remembered()), before + 1)
        at = max(map(os.path.getsize, self.parts()))
        p = self.begin(*words)
        self.until_sent(p, max(at, BIG // 4))
        self.kill()
        time.sleep(0.2)
        self.assertIsNone(p.poll(), "it gave up")
        self.up()
        self.until_sent(p, max(max(map(os.path.getsize, self.parts())), BIG // 2))
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(timeout=20), 130)
        self.assertIn("goes on from there", harness.text_of(self.w.file("cp.err")))
        self.assertIsNone(self.stored("large.bin"))
        said, = self.ok(*words)
        self.assertTrue(said["resumed"])
        self.assertLess(said["moved"], BIG * 3 // 4)
        self.assertEqual(said["checksum"], "sha256:" + data.sha256())
        self.assertEqual(sha256_of(self.stored("large.bin")), data.sha256())
        self.assertEqual(len(self.remembered()), before)
        # And back, in two parts.
        back = self.w.file("back.bin")
        p = self.begin("persistent:large.bin", back)

        def part():
            return [f for f in os.listdir(self.w.path) if f.endswith(".part")]

        until(lambda: p.poll() is not None or part() and
              os.path.getsize(self.w.file(part()[0])) > BIG // 8, what="the download")
        p.kill()
        p.wait()
        if not os.path.exists(back):
            self.assertEqual(len(part()), 1)
        said, = self.ok("-f", "persistent:large.bin", back)
        self.assertEqual(sha256_of(back), data.sha256())
        self.assertEqual(part(), [])
        for f in (self.stored("large.bin"), back, path):
            os.unlink(f)

    def test_changed_meanwhile(self):
        """Another content under the same name is another upload."""
        path = Data(40 * MB, seed=4).write(self.w.file("changing.bin"))
        p = self.begin("--jobs", "1", path, "persistent:changing.bin")
        until(lambda: p.poll() is not None or self.parts(), what="the upload")
        p.kill()
        p.wait()
        if self.stored("changing.bin"):
            os.unlink(self.stored("changing.bin"))
        other = Data(40 * MB, seed=5)
        other.write(path)
        said, = self.ok(path, "persistent:changing.bin")
        self.assertFalse(said["resumed"])
        self.assertEqual(sha256_of(self.stored("changing.bin")), other.sha256())
        os.unlink(path)

    def test_tree(self):
        top = self.w.file("tree")
        names = ["a", "b c", "ä", "sub/x", "sub/deep/y", "sub/deep/empty", "x%2Fy", "q?a=1&b#c",
                 "quote\"s'"]
        for i, name in enumerate(names):
            path = os.path.join(top, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(b"" if "empty" in name else name.encode() * (i * 1000 + 1))
        os.makedirs(f"{top}/nothing")
        said = self.ok("-r", top, "persistent:")
        self.assertEqual(len(said), len(names))
        self.assertTrue(all(s["done"] for s in said))
        self.assertTrue(os.path.isdir(self.stored("tree/nothing")))
        for name in names:
            self.assertTrue(filecmp.cmp(f"{top}/{name}", self.stored("tree/" + name), shallow=False))
        self.ok("-r", "persistent:tree", self.w.file("again"))
        for name in names:
            self.assertTrue(filecmp.cmp(f"{top}/{name}", self.w.file("again", name), shallow=False))
        self.assertTrue(os.path.isdir(self.w.file("again", "nothing")))
        # Within the portal.
        self.ok("persistent:tree/a", "scratch:b")
        self.assertTrue(filecmp.cmp(f"{top}/a", self.stored("b"), shallow=False))
        # All is there: nothing is replaced, and all is told.
        done = self.fails(1, "exists", "-r", top, "persistent:")
        self.assertEqual(done.err.count("exists"), len(names), done.err)
        self.ok("-r", "-f", top, "persistent:")
        # Links do not go along.
        os.symlink("/etc/passwd", f"{top}/link")
        self.fails(1, "link", "-r", "-f", top, "persistent:")
        self.assertIsNone(self.stored("tree/link"))

    def test_refused(self):
        path = self.w.write("small", "12345")
        self.fails(2, "cp needs", path)
        self.fails(2, "neither", path, self.w.file("other"))
        self.fails(2, "--recursive", self.w.path, "persistent:")
        self.fails(1, "no folder", path, "persistent:none/")
        self.fails(1, "none", path, "persistent:none/small")
        self.fails(1, "nothing", path, "nothing:small")
        self.fails(1, "does not exist", "persistent:none", self.w.path)
        self.fails(1, "cannot read", self.w.file("none"), "persistent:")
        self.fails(2, "not a folder", path, path, "persistent:none")
        self.fails(2, "..", path, "persistent:../small")
        self.fails(2, "--jobs", "--jobs", "0", path, "persistent:")
        self.ok(path, "persistent:small")
        self.fails(1, "exists already", path, "persistent:small")
        self.fails(1, "exists already", "persistent:small", path)
        # A goal in a folder that may not be written to leaves nothing.
        os.mkdir(self.w.file("shut"), 0o500)
        if os.geteuid():
            self.fails(1, "cannot make", "persistent:small", self.w.file("shut"))
        # Others see nothing of it.
        bo = self.p.person("bo")
        self.fails(1, "", path, "ana/persistent:mine", person=bo)
        self.fails(1, "", "ana/persistent:small", self.w.file("stolen"), person=bo)
        self.assertFalse(os.path.exists(self.w.file("stolen")))
        self.fails(1, "", path, "persistent:x", env=dict(self.env, PERIGEE_TOKEN="pgt_wrong"))

    def test_patience(self):
        """Nobody answers any more: it says so, ends in time, and what was sent is not lost."""
        data = Data(100 * MB, seed=6)
        path = data.write(self.w.file("patient.bin"))
        words = ["--no-check", path, "persistent:patient.bin"]
        p = self.begin("--patience", "1", *words, log="patience.err")
        self.until_sent(p, 20 * MB)
        self.kill()
        self.assertEqual(p.wait(timeout=30), 1)
        self.assertIn("tried for", harness.text_of(self.w.file("patience.err")))
        self.up()
        said, = self.ok(*words)
        self.assertTrue(said["resumed"])
        self.assertEqual(sha256_of(self.stored("patient.bin")), data.sha256())
        os.unlink(path)


if __name__ == "__main__":
    harness.main()
