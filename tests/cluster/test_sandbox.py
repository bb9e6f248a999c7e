#!/usr/bin/env python3
"""Jobs of a portal account on a real Slurm: ranks over two nodes and on one, each behind walls; a
query. Starts a cluster of its own; exit status 77 where that is not possible.
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]
import test_jobs  # noqa: E402
from harness import can_sandbox  # noqa: E402
from portal_world import PASSWORD, Person  # noqa: E402


class Door:
    """What portal_world needs to know of a portal."""

    def __init__(self, state):
        self.state = state

    def socket(self, door):
        return os.path.join(self.state, door + ".sock")


class Sandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        door = Door(c.state)
        machine, nobody = Person(door, "machine", door="perigeed"), Person(door)
        made = machine.ok("POST", "/admin/users", {"name": "ana"})
        nobody.ok("POST", "/account/reset", {"token": made["token"], "password": PASSWORD})
        a = nobody.post("/sign-in", {"name": "ana", "password": PASSWORD})
        cls.ana = Person(door, "ana")
        cls.ana.headers = {"Cookie": a.headers["Set-Cookie"].split(";")[0],
                           "X-CSRF-Token": a.json["csrf"]}
        with open(f"{test_jobs.BIN}/sandbox_ranks", "rb") as f:
            cls.ana.ok("PUT", "/files/ana/persistent/ranks", f.read())

    def run_job(self, spec, state="succeeded"):
        number = self.ana.ok("POST", "/jobs", spec)["number"]
        job = c.over(number)
        out = self.ana.get(f"/jobs/{number}/logs").body.decode()
        err = self.ana.get(f"/jobs/{number}/logs?stream=stderr").body.decode()
        self.assertEqual(job["state"], state, f"{job['text']}\n{out}{err}")
        return job, out

    def ranks(self, nodes, ranks):
        secret = f"{c.shared}/secret"
        with open(secret, "w", encoding="utf-8") as f:
            f.write("secret")
        _, out = self.run_job({
            "kind": "script", "mpi": True,
            "script": "#!/bin/sh\n[ -x /tmp/ranks ] || { cp persistent/ranks /tmp/ranks && "
                      f"chmod +x /tmp/ranks; }}\nexec /tmp/ranks {secret}\n",
            "resources": {"nodes": nodes, "ranks": ranks, "memory": "1GB"}})
        total = ranks * (ranks + 1) // 2
        lines = sorted(out.splitlines())
        self.assertEqual(len(lines), ranks, out)
        for i, line in enumerate(lines):
            self.assertRegex(line, rf"^rank {i} of {ranks} on n\d: sum {total}, 0 wrong, "
                                   "sees nothing$")
        self.assertEqual(len({line.split(" on ")[1][:2] for line in lines}), nodes)

    def test_two_ranks_on_two_nodes(self):
        self.ranks(2, 2)

    def test_four_ranks_on_two_nodes(self):
        """Those on one node share memory through the walls between them."""
        self.ranks(2, 4)
        for node in ("n1", "n2", "n3"):
            left = c.on(node, "ls", "/dev/shm").stdout
            self.assertEqual([n for n in left.split() if "perigee" in n], [], left)

    def test_ranks_on_one_node(self):
        self.ranks(1, 2)

    def test_query(self):
        data = os.path.join(test_jobs.SOURCE, "examples/data/groups_023")
        with open(f"{data}/fof_subhalo_tab_023.0.hdf5", "rb") as f:
            self.ana.ok("PUT", "/files/ana/persistent/g.hdf5", f.read())
        job, _ = self.run_job({
            "kind": "sql", "sql": "SELECT count(*) AS n FROM 'persistent/g.hdf5:/Group'",
            "into": "n.csv", "resources": {"ranks": 2}})
        with open(f"{job['results']}/n.csv", encoding="utf-8") as f:
            name, n = f.read().split()
        self.assertEqual(name, "n")
        self.assertGreater(int(n), 0)

    def test_query_over_two_nodes(self):
        """The walls let it start ranks on the other node: each sees the volume, nothing else."""
        data = os.path.join(test_jobs.SOURCE, "examples/data/groups_023")
        for i in range(2):
            with open(f"{data}/fof_subhalo_tab_023.{i}.hdf5", "rb") as f:
                self.ana.ok("PUT", f"/files/ana/persistent/two{i}.hdf5", f.read())
        spec = {"kind": "sql", "into": "n.csv", "sql":
                "SELECT count(*) AS n, max(GroupMass) AS m FROM 'persistent/two*.hdf5:/Group'"}
        answers = []
        for nodes, ranks in ((1, 1), (2, 4)):
            job, _ = self.run_job(dict(spec, resources={"nodes": nodes, "ranks": ranks}))
            with open(f"{job['results']}/n.csv", encoding="utf-8") as f:
                answers.append(f.read())
        self.assertEqual(answers[0], answers[1])

    def test_steps_of_a_script(self):
        state = c.state
        text = (f"srun -n 2 sh -c 'hostname; ls {state} /volumes/ana; echo $EXTRA' 2>&1; "
                "srun -n 1 sh -c 'exit 7'; echo status $?; srun --uid=0 -n 1 id; echo bad $?; "
                "srun -n 1 sleep 600 & sleep 1; kill $!; wait $!; echo killed $?")
        _, out = self.run_job({"kind": "script", "command": ["sh", "-c", "export EXTRA=own; " + text],
                               "resources": {"nodes": 2, "ranks": 2}})
        self.assertEqual(len({w for w in out.split() if w in ("n1", "n2", "n3")}), 2, out)
        self.assertEqual(out.count("No such file"), 2, out)
        self.assertEqual((out.count("persistent\n"), out.count("own\n")), (2, 2), out)
        self.assertIn("status 7\n", out)
        self.assertIn("bad 2\n", out)
        self.assertRegex(out, r"killed (143|[1-9]\d*)\n")

    def test_nonsense_for_srun(self):
        """What comes out of the sandbox by the socket of srun is not to be trusted."""
        text = """
import array, json, os, socket, subprocess
s = socket.socket(fileno=int(os.environ["PERIGEE_SRUN_FD"]))
fds = [0, 1, 2, 2]
def send(data, n=4):
    s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds[:n]))] if n
              else [])
ok = {"n": 1, "dir": "/", "words": ["true"], "env": []}
for bad in (b"{", b"[]", b"x" * 100000, b"\\xff", json.dumps(dict(ok, n=-1)).encode(),
            json.dumps(dict(ok, n="2")).encode()[:30], json.dumps(dict(ok, words=[])).encode(),
            json.dumps(dict(ok, words=[7])).encode(), json.dumps(dict(ok, dir=None)).encode(),
            json.dumps(dict(ok, env=["--split-string=id"])).encode(),
            json.dumps(dict(ok, env=["id"])).encode(), json.dumps(dict(ok, env=5)).encode()):
    for n in (0, 1, 4):
        send(bad, n)
print(subprocess.run(["srun", "-n", "2", "hostname"], pass_fds=[s.fileno()],
                     capture_output=True, text=True).stdout.split().__len__(), "still")
"""
        _, out = self.run_job({"kind": "script", "command": ["python3", "-c", text],
                               "resources": {"nodes": 2, "ranks": 2}})
        self.assertEqual(out, "2 still\n")

    def test_ends_badly(self):
        job, _ = self.run_job({"kind": "script", "mpi": True,
                               "command": ["sh", "-c", "kill -SEGV $$"],
                               "resources": {"nodes": 2, "ranks": 2}}, "failed")
        self.assertEqual(job["reason"], "signal")
        job, _ = self.run_job({"kind": "script", "mpi": True, "command": ["no-such-program"],
                               "resources": {"nodes": 2, "ranks": 2}}, "failed")
        self.assertIn("no such program: no-such-program", job["text"])

    def test_right_taken_away_in_the_queue(self):
        """Slurm has the job, and no place for it: what it may see is what counts at its start."""
        machine = Person(self.ana.portal, "machine", door="perigeed")
        nobody = Person(self.ana.portal)
        made = machine.ok("POST", "/admin/users", {"name": "ben"})
        nobody.ok("POST", "/account/reset", {"token": made["token"], "password": PASSWORD})
        a = nobody.post("/sign-in", {"name": "ben", "password": PASSWORD})
        ben = Person(self.ana.portal, "ben")
        ben.headers = {"Cookie": a.headers["Set-Cookie"].split(";")[0],
                       "X-CSRF-Token": a.json["csrf"]}
        self.ana.ok("POST", "/files/ana/persistent/given", {"action": "mkdir"})
        grants = [self.ana.ok("POST", "/grants", {
            "kind": "volume", "thing": f"ana/persistent:{path}", "to": {"account": "ben"},
            "rights": ["see", "read", "run"]}) for path in ("given", "ranks")]
        for node in ("n1", "n2", "n3"):
            c.on("head", "scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        try:
            spec = {"kind": "script", "command": ["sh", "-c", "ls /volumes/ana/persistent; true"]}
            free = ben.ok("POST", "/jobs", spec)["number"]
            named = ben.ok("POST", "/jobs", dict(spec, volumes=["ana/persistent"]))["number"]
            for number in (free, named):
                c.until(number, lambda j: j["state"] == "queued")
            for grant in grants:
                self.ana.ok("DELETE", f"/grants/{grant['id']}")
            job = c.over(named)
            self.assertEqual((job["state"], job["reason"]), ("failed", "refused"), job["text"])
            self.assertIn("ana/persistent, which ben may not use", job["text"])
        finally:
            for node in ("n1", "n2", "n3"):
                c.on("head", "scontrol", "update", f"nodename={node}", "state=resume")
        self.assertEqual(c.over(free)["state"], "succeeded")
        self.assertNotIn("given", ben.get(f"/jobs/{free}/logs").body.decode())
        self.assertIn("No such file", ben.get(f"/jobs/{free}/logs?stream=stderr").body.decode())

    def test_cancel(self):
        number = self.ana.ok("POST", "/jobs", {
            "kind": "script", "mpi": True, "command": ["sleep", "600"],
            "resources": {"nodes": 2, "ranks": 2}})["number"]
        c.until(number, lambda j: j["state"] == "running")
        self.ana.ok("POST", f"/jobs/{number}/cancel")
        self.assertEqual(c.over(number)["state"], "cancelled")


if __name__ == "__main__":
    if not can_sandbox():
        print("skipped: no sandbox can be made on this machine")
        sys.exit(77)
    c = test_jobs.c = test_jobs.Cluster()
    try:
        result = unittest.main(exit=False).result
        if not result.wasSuccessful():
            print(c.do("show", c.dir, check=False).stdout)
    finally:
        c.close()
    sys.exit(0 if result.wasSuccessful() else 1)
