#!/usr/bin/env python3
"""Jobs on a real Slurm of three nodes, each with files that only it sees.

What is promised: a dataset split over the nodes' own disks is queried by `perigee submit`, every
byte is read on the node that holds it, the answer is that of a single process; with a node drained
the job waits and says why; with a shared copy it runs at once. And every way in which a job can
end badly gives its own sentence. Starts a cluster of its own; exit status 77 where that is not
possible.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from chaos_world import request  # noqa: E402
SOURCE = os.path.abspath(os.path.join(HERE, "..", ".."))
BIN = os.path.abspath(os.environ.get("PERIGEE_BIN") or os.path.join(SOURCE,
                                                                   "build/release/bin"))
CLUSTER = os.path.join(HERE, "cluster.sh")
GROUPS = "SELECT snapnum, count(*) AS n, sum(GroupMass) AS m, max(idx) AS i FROM split.groups " \
         "GROUP BY snapnum ORDER BY snapnum"

DATASET = """
name: {name}
storage:
  - {{folder: {local}, on: nodes}}
{shared}
sources:
  - format: gadget-groups
    files: groups_*/fof_subhalo_tab_*.hdf5
"""


def sh(*words, check=True, timeout=120, env=None):
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, env=env)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}\n-> {done.returncode}: "
                             f"{done.stdout}{done.stderr}")
    return done


class Cluster:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="pc.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        up = sh("bash", CLUSTER, "up", self.dir, "3", check=False, timeout=180)
        if up.returncode:
            shutil.rmtree(self.dir, ignore_errors=True)
            print(up.stdout + up.stderr)
            sys.exit(up.returncode)
        self.shared = f"{self.dir}/shared"
        self.local = f"{self.dir}/local"
        self.state = f"{self.dir}/state"
        os.mkdir(self.state, 0o711)
        os.makedirs(f"{self.shared}/datasets")
        with open(f"{self.dir}/perigee.yaml", "w", encoding="utf-8") as f:
            f.write(f"state: {self.state}\nspool: {self.shared}/jobs\nscheduler: slurm\n"
                    f"schedulers:\n  slurm:\n    conf: {self.dir}/slurm.conf\n    poll: 1\n"
                    f"    grace: 5\n")
        self.env = dict(os.environ, SLURM_CONF=f"{self.dir}/slurm.conf",
                        PERIGEE_CONFIG=f"{self.dir}/perigee.yaml",
                        PERIGEE_STATE=f"{self.shared}/user",
                        PERIGEE_DATASETS=f"{self.shared}/datasets",
                        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        os.mkdir(f"{self.shared}/user")
        self.perigee("up")

    def do(self, *words, **more):
        return sh("bash", CLUSTER, *words, **more)

    def on(self, node, *words, **more):
        return self.do("exec", self.dir, node, *words, env=self.env, **more)

    def perigee(self, *words, **more):
        return self.on("head", f"{BIN}/perigee", *map(str, words), **more)

    def node_folder(self, node):
        return f"{self.dir}/nodes/{node}/local"

    def job(self, number):
        return json.loads(self.perigee("job", number, "--json").stdout)

    def submit(self, *words):
        return self.perigee("submit", "-q", *words).stdout.strip()

    def until(self, number, what, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.job(number)
            if what(job):
                return job
            time.sleep(0.3)
        raise AssertionError(f"job {number}: {json.dumps(job, indent=1)[:3000]}")

    def over(self, number, seconds=90):
        return self.until(number, lambda j: j["state"] in ("succeeded", "failed", "cancelled"),
                          seconds)

    def close(self):
        self.perigee("down", check=False)
        self.do("down", self.dir, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Case(unittest.TestCase):
    maxDiff = None

    def ends(self, number, state, reason, *texts):
        job = c.over(number)
        self.assertEqual((job["state"], job["reason"]), (state, reason), job["text"])
        for text in texts:
            self.assertIn(text, job["text"])
        return job


class Locality(Case):
    @classmethod
    def setUpClass(cls):
        data = os.path.join(SOURCE, "examples/data")
        files = sorted(glob.glob(f"{data}/groups_*/fof_subhalo_tab_*.hdf5"))
        for i, path in enumerate(files):
            name = os.path.relpath(path, data)
            for node in (f"n{i % 3 + 1}",):
                to = os.path.join(c.node_folder(node), "run", name)
                os.makedirs(os.path.dirname(to), exist_ok=True)
                shutil.copyfile(path, to)
        with open(f"{c.shared}/datasets/split.yaml", "w", encoding="utf-8") as f:
            f.write(DATASET.format(name="split", local=f"{c.local}/run", shared=""))
        # The truth: one process, all files in one folder.
        with open(f"{c.shared}/datasets/whole.yaml", "w", encoding="utf-8") as f:
            f.write(DATASET.format(name="whole", local=f"{c.local}/none", shared=
                                   f"  - {{folder: {data}, on: shared}}"))
        cls.truth = c.perigee("query", "-n", 1, "--format", "csv",
                              GROUPS.replace("split.", "whole.")).stdout
        c.perigee("index", "--all-nodes", "split", timeout=180)

    def test_every_node_reads_its_own(self):
        number = c.submit(GROUPS, "--into", "out.csv", "-N", 3, "-n", 3)
        job = self.ends(number, "succeeded", "")
        with open(f"{job['results']}/out.csv", encoding="utf-8") as f:
            self.assertEqual(f.read(), self.truth)
        self.assertGreater(job["usage"]["local_bytes"], 0)
        self.assertEqual((job["usage"]["shared_bytes"], job["usage"]["remote_bytes"]), (0, 0))

    def test_a_kernel_reads_where_its_input_is(self):
        """Two files of particles on two nodes: two ranks, and every byte from the own disk."""
        data = os.path.join(SOURCE, "examples/data")
        for i in range(2):
            to = os.path.join(c.node_folder(f"n{i + 2}"), "dm")
            os.makedirs(to, exist_ok=True)
            shutil.copy(f"{data}/snapdir_023/snapshot_023.{i}.hdf5", to)
        with open(f"{c.shared}/datasets/apart.yaml", "w", encoding="utf-8") as f:
            f.write(f"name: apart\nstorage:\n  - {{folder: {c.local}/dm, on: nodes}}\nsources:\n"
                    "  - {format: gadget-snapshot, files: snapshot_*.hdf5, tables: [dm]}\n")
        c.perigee("locate", "apart", "--all-nodes", timeout=180)
        call = ["--snapnum", 23, "--vel", "[0, 0, 0]", "--b", "0.2"]
        number = c.submit("run", "fof", "apart.dm", *call, "--into", "groups.csv")
        job = self.ends(number, "succeeded", "")
        truth = c.perigee("run", "fof", f"{data}/snapdir_023/*.hdf5:/PartType1", *call, "-n", 1,
                          "--format", "csv").stdout
        with open(f"{job['results']}/groups.csv", encoding="utf-8") as f:
            rows, wanted = (sorted(int(line.split(",")[1]) for line in text.splitlines()[1:])
                            for text in (f.read(), truth))
        self.assertEqual(rows, wanted)
        self.assertGreater(job["usage"]["local_bytes"], 64 ** 3)
        self.assertEqual((job["usage"]["shared_bytes"], job["usage"]["remote_bytes"]), (0, 0))

    def test_waits_for_a_drained_node_and_then_runs(self):
        c.on("head", "scontrol", "update", "nodename=n2", "state=drain", "reason=disk_exchange")
        try:
            number = c.submit(GROUPS, "--into", "out.csv")
            job = c.until(number, lambda j: "n2" in j["text"])
            self.assertIn("disk_exchange", job["text"])
            self.assertIn(job["state"], ("queued", "waiting"))
        finally:
            c.on("head", "scontrol", "update", "nodename=n2", "state=resume")
        job = self.ends(number, "succeeded", "")
        with open(f"{job['results']}/out.csv", encoding="utf-8") as f:
            self.assertEqual(f.read(), self.truth)

    def test_what_no_node_has(self):
        """A copy on a node that Slurm does not have is none; the hole is named."""
        def put(node, *files):
            body = {"files": [{"file": n, "path": f"/data/{n}", "size": 9, "mtime_ns": 1}
                              for n in files]}
            status, _ = request(f"{c.state}/perigeed.sock", "PUT",
                                f"/api/v1/replicas/far/{node}", json.dumps(body))
            self.assertEqual(status, 200)

        put("n1", "a.0.hdf5", "a.1.hdf5")
        put("n77", "a.1.hdf5", "a.2.hdf5", "a.3.hdf5")
        number = c.submit("SELECT count(*) FROM far.stars")
        self.ends(number, "failed", "refused", "a.2.hdf5", "n77 only", "and 1 more",
                  "perigee locate")
        put("n77", "a.1.hdf5")
        number = c.submit("SELECT count(*) FROM far.stars")
        # n1 has all: it gets there, where there is no such dataset.
        job = self.ends(number, "failed", "exit", "far")
        self.assertEqual(job["task_list"][0]["host"], "n1")

    def test_with_a_shared_copy_it_runs_at_once(self):
        data = os.path.join(SOURCE, "examples/data")
        shutil.copytree(data, f"{c.shared}/copy", dirs_exist_ok=True)
        with open(f"{c.shared}/datasets/mirror.yaml", "w", encoding="utf-8") as f:
            f.write(DATASET.format(name="mirror", local=f"{c.local}/run", shared=
                                   f"  - {{folder: {c.shared}/copy, on: shared}}"))
        c.perigee("locate", "mirror", "--all-nodes", timeout=180)
        c.on("head", "scontrol", "update", "nodename=n2", "state=drain", "reason=disk_exchange")
        try:
            number = c.submit(GROUPS.replace("split.", "mirror."), "--into", "out.csv", "-n", 2,
                              "-N", 2)
            job = self.ends(number, "succeeded", "")
        finally:
            c.on("head", "scontrol", "update", "nodename=n2", "state=resume")
        with open(f"{job['results']}/out.csv", encoding="utf-8") as f:
            self.assertEqual(f.read(), self.truth)
        self.assertEqual(job["usage"]["remote_bytes"], 0)


class Ends(Case):
    def script(self, text, *options):
        path = f"{c.dir}/script.sh"
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\n" + text + "\n")
        return c.submit(*options, path)

    def test_exit_status_and_its_output(self):
        number = self.script("echo partial; echo 'no such halo' >&2; exit 7")
        self.ends(number, "failed", "exit", "7", "no such halo")
        self.assertEqual(c.perigee("logs", number, "--stdout").stdout, "partial\n")
        self.assertEqual(c.perigee("wait", number, check=False).returncode, 7)

    def test_signal(self):
        self.ends(self.script("kill -SEGV $$"), "failed", "signal", "SIGSEGV")

    def test_memory(self):
        code = "x = bytearray(800 << 20); import time; time.sleep(60)"
        number = self.script(f"echo before; exec python3 -c '{code}'", "--memory", "200MB")
        self.ends(number, "failed", "out_of_memory", "memory")
        self.assertEqual(c.perigee("logs", number, "--stdout").stdout, "before\n")

    def test_time(self):
        number = self.script("echo before; sleep 100", "--time", "3s")
        self.ends(number, "failed", "time_limit", "--time")

    def test_a_kernel_stops_in_time_and_goes_on(self):
        """Two nodes, a checkpoint from each; it counts for 4 s and is warned after 4."""
        folder = f"{c.shared}/user/kernels"
        os.makedirs(folder, exist_ok=True)
        sh("mpicc", "-std=gnu17", "-O2", "-shared", "-fPIC", "-I", f"{SOURCE}/include", "-o",
           f"{folder}/moody.so", os.path.join(HERE, "../integration/kernels/moody.c"))
        number = c.submit("-N", 2, "-n", 2, "--restartable", "--time", "30s", "--warn", "USR1@26s",
                          "--into", "n.csv", "run", "moody", "--mood", "counts",
                          f"{SOURCE}/examples/data/snapdir_023/*.hdf5:/PartType1")
        job = self.ends(number, "succeeded", "")
        self.assertGreater(job["task_list"][0]["attempt"], 1)
        with open(f"{job['results']}/n.csv", encoding="utf-8") as f:
            values = [line.split(",")[1] for line in f.read().splitlines()[1:]]
        self.assertEqual(len(values), 2)
        self.assertEqual(values[0], values[1])
        self.assertGreater(int(values[0]), 0)
        self.assertEqual(os.listdir(job["results"]), ["n.csv"])

    def test_missing_program(self):
        number = c.submit("--", "/no/such/program")
        self.ends(number, "failed", "no_program", "/no/such/program")

    def test_a_node_that_vanishes(self):
        c.do("node-on", c.dir, "n3", check=False)
        path = f"{c.dir}/sleep.json"
        spec = {"kind": "script", "command": ["sleep", "120"], "name": "vanish",
                "resources": {"time": "10m"}}
        with open(path, "w", encoding="utf-8") as f:
            json.dump(spec, f)
        number = c.submit(path)
        job = c.until(number, lambda j: j["state"] == "running")
        node = job["task_list"][0]["host"]
        c.do("node-off", c.dir, node)
        try:
            self.ends(number, "failed", "node_failed", "node")
        finally:
            c.do("node-on", c.dir, node)
            c.do("wait", c.dir, "60")

    def test_cancelled_by_scancel(self):
        number = c.submit("--", "sleep", "100")
        job = c.until(number, lambda j: j["state"] == "running")
        c.on("head", "scancel", job["task_list"][0]["id"])
        self.ends(number, "cancelled", "cancelled_in_scheduler", "not through Perigee")

    def test_array_and_dependency(self):
        first = c.submit("--array", "0-5%2", "--", "sleep", "0.2")
        second = c.submit("--after", first, "--", "true")
        self.ends(second, "succeeded", "")
        job = self.ends(first, "succeeded", "")
        self.assertEqual(job["tasks"], {"succeeded": 6})

    def test_indexes_that_slurm_does_not_have(self):
        """MaxArraySize is 10001 here: Slurm counts from another index, in several arrays."""
        number = c.submit("--array", "9999-10002%3", "--", "sh", "-c",
                          'echo "$PERIGEE_INDEX $SLURM_ARRAY_TASK_ID"')
        job = self.ends(number, "succeeded", "")
        self.assertEqual([t["index"] for t in job["task_list"]], [9999, 10000, 10001, 10002])
        for i in range(4):
            out = c.perigee("logs", "--stdout", "--index", 9999 + i, number).stdout
            self.assertEqual(out, f"{9999 + i} {i}\n")
        number = c.submit("--array", "3,20000,40000-40001", "--", "true")
        job = self.ends(number, "succeeded", "")
        self.assertEqual([t["attempt"] for t in job["task_list"]], [1, 2, 3, 3])
        number = c.submit("--array", "20000-20005%1", "--", "sleep", "60")
        c.until(number, lambda j: j["state"] == "running")
        c.perigee("cancel", "-q", number)
        self.ends(number, "cancelled", "cancelled")

    def test_more_than_there_is(self):
        done = c.perigee("submit", "-N", 9, "--", "true", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("slurm has 3", done.stderr)

    def test_mpi_over_nodes(self):
        number = c.submit("-N", 3, "-n", 3, "--mpi", "--", "hostname")
        self.ends(number, "succeeded", "")
        self.assertEqual(sorted(c.perigee("logs", number, "--stdout").stdout.split()),
                         ["n1", "n2", "n3"])


if __name__ == "__main__":
    c = Cluster()
    try:
        result = unittest.main(exit=False).result
        if not result.wasSuccessful():
            print(c.do("show", c.dir, check=False).stdout)
    finally:
        c.close()
    sys.exit(0 if result.wasSuccessful() else 1)
