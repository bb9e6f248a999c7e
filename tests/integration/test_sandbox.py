"""Programs in the sandbox of perigee-launch, on this machine: a hostile one gets at nothing that is
not its own, and honest ones (a script, ranks of MPI, a query) work in it as outside.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import harness
from harness import BIN, EXAMPLE, can_sandbox

NOBODY = 65534
HERE = os.path.dirname(os.path.abspath(__file__))


class Place:
    """A spool with one job, volumes of two users, and things that are nobody's business."""

    def __init__(self, uid):
        self.uid = uid
        self.root = tempfile.mkdtemp(prefix="perigee-test.", dir="/tmp")
        os.chmod(self.root, 0o711)
        self.uuid = str(uuid.uuid4())
        self.job = f"{self.root}/spool/{self.uuid}"
        self.attempt, self.results = f"{self.job}/main/1", f"{self.job}/results"
        self.task = f"{self.attempt}/0"
        self.volumes = f"{self.root}/state/volumes"
        self.make(self.task, self.results, *(f"{self.volumes}/{n}" for n in range(1, 5)),
                  f"{self.volumes}/3/shared", f"{self.volumes}/3/private",
                  f"{self.root}/data/sim/hidden", f"{self.root}/spool/other/main/1/0")
        self.secrets = [self.put(n) for n in (
            "state/secret", "state/volumes/4/secret", "state/volumes/3/private/secret",
            "data/sim/hidden/secret", "spool/other/main/1/0/stdout")]
        self.put("state/volumes/3/shared/given")
        self.put("data/sim/points.txt")

    def make(self, *folders):
        for folder in folders:
            os.makedirs(folder, exist_ok=True)
        for folder, _, _ in os.walk(self.root):
            if folder != self.root:
                os.chown(folder, self.uid, self.uid)

    def put(self, name, text="secret"):
        path = f"{self.root}/{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chown(path, self.uid, self.uid)
        return path

    def sandbox(self, **more):
        return dict({"user": "ana", "home": "/volumes/ana/persistent", "binds": [
            {"from": f"{self.volumes}/1", "to": "/volumes/ana/persistent", "write": True},
            {"from": f"{self.volumes}/2", "to": "/volumes/ana/scratch", "write": True},
            {"from": f"{self.volumes}/3", "path": "shared", "to": "/volumes/bob/persistent/shared",
             "write": False}],
            "read": [f"{self.root}/data/sim", "/no/such/folder"],
            "hide": [f"{self.root}/data/sim/hidden"]}, **more)

    def start(self, argv, **more):
        spec = dict({"uuid": self.uuid, "step": "main", "attempt": 1, "argv": argv,
                     "results": self.results, "dir": "/volumes/ana", "heartbeat": 1,
                     "sandbox": self.sandbox()}, **more)
        with open(f"{self.attempt}/launch.json", "w", encoding="utf-8") as f:
            json.dump({k: v for k, v in spec.items() if v is not None}, f)
        who = {} if self.uid == os.getuid() else {"user": self.uid, "group": self.uid,
                                                  "extra_groups": []}
        return subprocess.Popen([f"{BIN}/perigee-launch", self.attempt], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)

    def run(self, argv, timeout=100, **more):
        process = self.start(argv, **more)
        process.wait(timeout)
        return self.end()

    def end(self):
        with open(f"{self.task}/records", encoding="utf-8") as f:
            return json.loads(f.read().splitlines()[-1])

    def text(self, name):
        with open(f"{self.task}/{name}", encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Case(unittest.TestCase):
    uid = NOBODY if os.getuid() == 0 else os.getuid()

    def setUp(self):
        if not can_sandbox():
            self.skipTest("no sandbox can be made on this machine: bubblewrap, user namespaces")
        self.place = Place(self.uid)
        self.addCleanup(self.place.close)

    def ran(self, argv, **more):
        end = self.place.run(argv, **more)
        self.assertEqual((end["kind"], end["code"]), ("done", 0),
                         f"{end['text']}\n{self.place.text('stderr')}")
        return self.place.text("stdout")


class Replaced(Case):
    """A file that is shown by itself, and that its owner replaces all the time: who starts has one of them."""

    def test_replaced(self):
        place = self.place
        over, paths = threading.Event(), [place.put(f"state/volumes/3/shared/{n}", "0") for n in ("x.h5", "y.h5")]

        def replace():
            n = 0
            while not over.wait(0.03):
                n += 1
                for path in paths:
                    with open(path + ".new", "w", encoding="utf-8") as f:
                        f.write(str(n))
                    os.rename(path + ".new", path)

        sandbox = place.sandbox()
        at = "/volumes/bob/persistent/mydb"
        sandbox["binds"][2:] = [
            {"from": f"{place.volumes}/3", "path": "shared/x.h5", "to": f"{at}/x.h5", "write": False},
            {"from": f"{place.volumes}/3/shared/y.h5", "to": f"{at}/y.h5", "write": False}]
        writer = threading.Thread(target=replace)
        writer.start()
        try:
            for _ in range(15):
                out = self.ran(["sh", "-c", f"cd {at}; ls; cat x.h5; echo; cat y.h5"], sandbox=sandbox)
                self.assertRegex(out, "^x.h5\ny.h5\n[0-9]+\n[0-9]+$")
                for f in ("records", "claim", "stdout", "stderr"):
                    if os.path.exists(f"{place.task}/{f}"):
                        os.remove(f"{place.task}/{f}")
        finally:
            over.set()
            writer.join()


class Hostile(Case):
    def attempts(self):
        p = self.place
        path = f"{p.root}/state/socket"
        listening = []
        for family, address in ((socket.AF_UNIX, path), (socket.AF_UNIX, f"\0{p.uuid}"),
                                (socket.AF_INET, ("127.0.0.1", 0))):
            s = socket.socket(family)
            s.bind(address)
            s.listen()
            self.addCleanup(s.close)
            listening.append(s)
        os.chmod(path, 0o777)
        victim = subprocess.Popen(["sleep", "600"])
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        shutil.copy(f"{HERE}/sandbox_hostile.py", f"{p.volumes}/1/hostile.py")
        os.chmod(f"{p.volumes}/1/hostile.py", 0o644)
        targets = {"secret_files": p.secrets, "socket": path, "abstract": p.uuid,
                   "port": listening[2].getsockname()[1], "pid": victim.pid,
                   "volumes": ["/volumes/ana/persistent", "/volumes/ana/scratch",
                               "/volumes/bob/persistent"],
                   "read_only": "/volumes/bob/persistent/shared",
                   "writable": "/volumes/ana/scratch", "bin": BIN,
                   "dataset": f"{p.root}/data/sim", "hidden": f"{p.root}/data/sim/hidden",
                   "root": p.uid == 0}
        out = self.ran(["/usr/bin/python3", "persistent/hostile.py", json.dumps(targets)],
                       memory=0)
        self.assertIsNone(victim.poll())
        return dict(json.loads(line) for line in out.splitlines())

    def test_everything_is_refused(self):
        got = self.attempts()
        self.assertGreater(len(got), 28)
        self.assertEqual({k: v for k, v in got.items() if v is not None}, {})
        for path in self.place.secrets:
            with open(path, encoding="utf-8") as f:
                self.assertEqual(f.read(), "secret")
        self.assertEqual(sorted(os.listdir(f"{self.place.volumes}/3/shared")), ["given"])


class HostileRoot(Hostile):
    """The same where all of Perigee runs as root."""
    uid = 0

    def setUp(self):
        if os.getuid():
            self.skipTest("needs root")
        super().setUp()


class Honest(Case):
    def test_volumes_and_results(self):
        p = self.place
        out = self.ran(["sh", "-c",
                        "pwd; cat bob/x 2>/dev/null; echo mine > persistent/new.txt; "
                        "cat /volumes/bob/persistent/shared/given; echo; "
                        f"cat {p.root}/data/sim/points.txt; echo; "
                        "echo result > $PERIGEE_RESULTS/r.txt; echo 0.5 half > "
                        "$PERIGEE_PROGRESS; echo '{\"rows\": 3}' > $PERIGEE_REPORT; id -un"])
        self.assertEqual(out.split(), ["/volumes/ana", "secret", "secret", "ana"])
        self.assertEqual(p.end()["usage"]["rows"], 3)
        with open(f"{p.volumes}/1/new.txt", encoding="utf-8") as f:
            self.assertEqual(f.read(), "mine\n")
        self.assertEqual(os.stat(f"{p.volumes}/1/new.txt").st_uid, p.uid)
        self.assertEqual(os.listdir(p.results), ["r.txt"])

    def test_ranks_and_query(self):
        p = self.place
        shutil.copy(f"{EXAMPLE}/groups_023/fof_subhalo_tab_023.0.hdf5", f"{p.volumes}/1/g.hdf5")
        os.chmod(f"{p.volumes}/1/g.hdf5", 0o644)
        sql = "SELECT count(*) AS n, max(GroupMass) AS m FROM 'persistent/g.hdf5:/Group'"
        out = self.ran([f"{BIN}/perigee", "query", "-n", "2", "--format", "csv", "--into",
                        f"{p.results}/a.csv", sql])
        self.assertEqual(out, "")
        with open(f"{p.results}/a.csv", encoding="utf-8") as f:
            got = f.read()
        w = harness.Workplace()
        self.addCleanup(w.close)
        wanted = w.run("query", "-n", "1", "--format", "csv", sql.replace(
            "persistent/g.hdf5", f"{p.volumes}/1/g.hdf5")).out
        self.assertEqual(got, wanted)

    def test_query_of_others(self):
        p = self.place
        end = p.run([f"{BIN}/perigee", "query", "-n", "1",
                     f"SELECT * FROM '{p.volumes}/4/secret:/x'"])
        self.assertEqual(end["kind"], "done")
        self.assertNotEqual(end["code"], 0)
        self.assertIn("secret", end["text"])  # named in the sentence that it is not there

    def test_ends_in_order_when_told(self):
        p = self.place
        process = p.start(["sh", "-c", "trap 'echo told; exit 3' TERM; echo ready; "
                           "while :; do sleep 0.1; done"])
        end = time.monotonic() + 20
        while not (os.path.exists(f"{p.task}/stdout") and "ready" in p.text("stdout")):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        self.assertEqual((p.end()["kind"], p.end()["code"]), ("terminated", 3))
        self.assertIn("told", p.text("stdout"))

    def test_without_bubblewrap_nothing_runs(self):
        """A mount namespace in which there is none: the job fails, and says why."""
        p = self.place
        if os.getuid():
            self.skipTest("needs root to take bubblewrap away")
        p.start(["sh", "-c", "echo ran"]).wait(20)  # writes launch.json, and takes the claim
        os.unlink(f"{p.task}/claim")
        os.unlink(f"{p.task}/records")
        os.unlink(f"{p.task}/stdout")
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", "mount --bind /dev/null /usr/bin/bwrap && "
             f"exec setpriv --reuid {p.uid} --regid {p.uid} --clear-groups "
             f"{BIN}/perigee-launch {p.attempt}"], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(p.end()["kind"], "fault")
        self.assertIn("bubblewrap, which makes the sandbox of a job, is not installed",
                      p.end()["text"])
        self.assertFalse(os.path.exists(f"{p.task}/stdout") and p.text("stdout"))


if __name__ == "__main__":
    unittest.main()
