"""Jobs of portal accounts, over HTTP as nginx speaks it: they see what their account may use at that
moment and nothing else, their results land in a folder of hers, files, logs and events are streams.
"""
import json
import os
import random
import signal
import socket
import time
import unittest

from harness import can_sandbox
from portal_world import Portal

FINAL = ("succeeded", "failed", "cancelled")


def sh(text, **more):
    return dict({"kind": "script", "command": ["sh", "-c", text]}, **more)


class Stream:
    """An answer that goes on, read by lines."""

    def __init__(self, person, path, headers=None):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(40)
        self.s.connect(person.portal.socket(
            "transfer" if person.door == "web" else person.door))
        h = {"Host": "perigee", "Authorization": f"Bearer {person.token}", **(headers or {})}
        head = "".join(f"{k}: {v}\r\n" for k, v in h.items())
        self.s.sendall(f"GET /api/v1{path} HTTP/1.0\r\n{head}\r\n".encode())
        self.f = self.s.makefile("rb")
        self.status = int(self.f.readline().split()[1])
        self.headers = {}
        for line in self.f:
            if not line.strip():
                break
            k, v = line.decode().split(":", 1)
            self.headers[k.lower()] = v.strip()

    def event(self):
        """The next event: (id, data)."""
        got = {}
        for line in self.f:
            line = line.decode().rstrip("\n")
            if line.startswith((":", "retry")):
                continue
            if not line and "data" in got:
                return got["id"], json.loads(got["data"])
            if ": " in line:
                k, v = line.split(": ", 1)
                got[k] = v
        raise AssertionError("the stream has ended")

    def close(self):
        self.f.close()
        self.s.close()


@unittest.skipUnless(can_sandbox(), "no sandbox can be made here")
class PortalJobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portal = Portal("limits: {requests_per_minute: 0}\n").up()
        cls.addClassCleanup(cls.portal.close)
        cls.ana, cls.ben = cls.portal.person("ana"), cls.portal.person("ben")

    def submit(self, who, spec):
        return who.ok("POST", "/jobs", spec)["number"]

    def over(self, who, number, delivered=False):
        seq, end = 0, time.monotonic() + 60
        while time.monotonic() < end:
            page = who.ok("GET", f"/jobs/{number}/events?after={seq}&wait=5")
            seq = page["events"][-1]["seq"] if page["events"] else seq
            job = who.ok("GET", f"/jobs/{number}")
            if job["state"] in FINAL and not (delivered and job["delivery"] == "pending"):
                return job
        raise AssertionError(f"job {number} does not end: {job}")

    def output(self, who, spec, state="succeeded"):
        number = self.submit(who, spec)
        job = self.over(who, number)
        logs = who.get(f"/jobs/{number}/logs").body.decode()
        errors = who.get(f"/jobs/{number}/logs?stream=stderr").body.decode()
        self.assertEqual(job["state"], state, job["text"] + errors)
        return logs + errors

    def names(self, who, path):
        return sorted(f["name"] for f in who.ok("GET", f"/files/{path}")["files"])

    def test_sees_its_own(self):
        self.ana.ok("PUT", "/files/ana/persistent/own.txt", "hers")
        self.ben.ok("PUT", "/files/ben/persistent/secret.txt", "his")
        state = self.portal.state
        out = self.output(self.ana, sh(
            f"pwd; ls -d /volumes/*/*; cat persistent/own.txt; ls {state} {state}/volumes; "
            "ls /volumes/ben; ls -A persistent/.perigee; id -un; echo made > persistent/made.txt"))
        self.assertIn("/volumes/ana\n/volumes/ana/persistent\n/volumes/ana/scratch\nhers", out)
        self.assertNotIn("secret", out)
        self.assertIn("\nana\n", out)
        self.assertEqual(self.ana.ok("GET", "/files/ana/persistent/made.txt?stat=1")["size"], 5)
        number = self.submit(self.ana, sh("true"))
        self.assertEqual(self.ben.get(f"/jobs/{number}").status, 404)
        self.assertEqual(self.ben.get(f"/jobs/{number}/files").status, 404)
        self.assertEqual(self.ben.get(f"/jobs/{number}/logs?follow=1").status, 404)
        self.over(self.ana, number)

    def test_named_volumes(self):
        out = self.output(self.ana, sh("ls /volumes/ana; touch persistent/x && echo wrote; true",
                                       volumes=["persistent:ro"]))
        self.assertIn("persistent\n", out)
        self.assertNotIn("scratch", out)
        self.assertNotIn("wrote", out)
        a = self.ana.post("/jobs", sh("true", volumes=["ben/persistent"]))
        self.assertEqual(a.status, 403)
        self.assertIn("ben/persistent", a.json["detail"])

    def test_shared_folder_until_it_is_not(self):
        ana, ben = self.ana, self.ben
        ana.ok("POST", "/files/ana/persistent/given", {"action": "mkdir"})
        ana.ok("PUT", "/files/ana/persistent/given/data.csv", "a\n1\n2\n")
        grant = ana.ok("POST", "/grants", {
            "kind": "volume", "thing": "ana/persistent:given", "to": {"account": "ben"},
            "rights": ["see", "read", "run"]})
        spec = sh("cat /volumes/ana/persistent/given/data.csv; ls /volumes/ana/persistent; "
                  "echo x > /volumes/ana/persistent/given/new && echo wrote; true",
                  volumes=["ana/persistent", "persistent"])
        out = self.output(ben, spec)
        self.assertIn("a\n1\n2\ngiven\n", out)
        self.assertNotIn("wrote", out)
        self.assertEqual(self.names(ana, "ana/persistent/given"), ["data.csv"])
        # Sent while it is shared, its turn comes when it is not any more.
        slow = self.submit(ben, sh("while [ ! -e persistent/go ]; do sleep 0.1; done"))
        late = self.submit(ben, dict(spec, after=[str(slow)]))
        ana.ok("DELETE", f"/grants/{grant['id']}")
        ben.ok("PUT", "/files/ben/persistent/go", "")
        job = self.over(ben, late)
        self.assertEqual((job["state"], job["reason"]), ("failed", "refused"), job)
        self.assertIn("ana/persistent, which ben may not use", job["text"])
        self.assertIn("No such file", self.output(ben, sh("ls /volumes/ana; true")))

    def test_output_and_files(self):
        ana = self.ana
        spec = {"kind": "sql", "sql": "SELECT 42 AS answer", "into": "a.csv",
                "output": "persistent:results/run1"}
        for names in (["a.csv"], ["a (2).csv", "a.csv"]):
            job = self.over(ana, self.submit(ana, spec), delivered=True)
            self.assertEqual((job["delivery"], job["delivered"]),
                             ("done", "ana/persistent:results/run1"), job)
            self.assertEqual(self.names(ana, "ana/persistent/results/run1"), names)
        self.assertEqual(ana.ok("GET", f"/jobs/{job['number']}/files")["files"], [])
        over = self.over(ana, self.submit(ana, dict(spec, sql="SELECT 43 AS answer",
                                                    output_overwrite=True)), delivered=True)
        self.assertEqual(over["delivery"], "done")
        self.assertEqual(self.names(ana, "ana/persistent/results/run1"), names)
        folder = next(self.find("a (2).csv"))
        with open(os.path.join(folder, "a.csv"), encoding="utf-8") as f:
            self.assertIn("43", f.read())
        a = ana.post("/jobs", dict(spec, output="ben/persistent:x"))
        self.assertEqual(a.status, 403)

        number = self.submit(ana, sh("mkdir $PERIGEE_RESULTS/d; echo text > "
                                     "$PERIGEE_RESULTS/d/x.txt; ln -s /etc/passwd "
                                     "$PERIGEE_RESULTS/link"))
        self.over(ana, number)
        page = ana.ok("GET", f"/jobs/{number}/files")
        self.assertEqual([(f["name"], f["kind"]) for f in page["files"]],
                         [("d", "folder"), ("link", "link")])
        self.assertEqual(ana.ok("GET", f"/jobs/{number}/files/d/x.txt")["size"], 5)
        sent = ana.get(f"/jobs/{number}/files/d/x.txt?download=1")
        self.assertEqual(sent.headers["X-Accel-Redirect"], f"/_jobs/{page['job']}/results/d/x.txt")
        local = self.portal.machine.get(f"/jobs/{number}/files/d/x.txt?download=1",
                                        headers={"Range": "bytes=1-2"})
        if os.getuid() == 0:
            self.assertEqual((local.status, local.body), (206, b"ex"))
        for path in ("link", "link?download=1", "..%2F..%2Fetc", "no"):
            self.assertIn(ana.get(f"/jobs/{number}/files/{path}").status, (200, 400, 403, 404))
        self.assertNotEqual(ana.get(f"/jobs/{number}/files/link?download=1").status, 200)
        self.assertEqual(ana.get(f"/jobs/{number}/files?archive=tar").status, 200)

    def find(self, name):
        for folder, _, files in os.walk(f"{self.portal.state}/volumes"):
            if name in files:
                yield folder

    def test_full(self):
        carl = self.portal.person("carl")
        self.portal.machine.ok("PATCH", "/admin/users/carl", {"quota": 1000})
        number = self.submit(carl, sh("head -c 5000 /dev/urandom > $PERIGEE_RESULTS/large",
                                      output="persistent:r"))
        job = self.over(carl, number, delivered=True)
        self.assertEqual((job["state"], job["delivery"], job["delivered"]),
                         ("succeeded", "failed", ""))
        self.assertIn("they stay with the job", job["text"])
        self.assertEqual([f["size"] for f in carl.ok("GET", f"/jobs/{number}/files")["files"]],
                         [5000])

    def test_logs_as_a_stream(self):
        number = self.submit(self.ana, sh("for i in 1 2 3 4; do echo line $i; sleep 0.7; done"))
        s = Stream(self.ana, f"/jobs/{number}/logs?follow=1")
        self.addCleanup(s.close)
        self.assertEqual(s.status, 200)
        times = []
        for i in range(1, 5):
            self.assertEqual(s.f.readline().decode(), f"line {i}\n")
            times.append(time.monotonic())
        self.assertGreater(times[-1] - times[0], 1)
        self.assertEqual(s.f.read(), b"")
        self.assertEqual(self.over(self.ana, number)["state"], "succeeded")

    def test_events(self):
        mine, his = Stream(self.ana, "/events"), Stream(self.ben, "/events")
        self.addCleanup(mine.close)
        self.addCleanup(his.close)
        self.assertEqual(mine.headers["content-type"], "text/event-stream")
        number = self.submit(self.ana, sh("true"))
        seen, last = [], None
        while not (seen and seen[-1]["event"] == "ended"):
            last, data = mine.event()
            if data["number"] == number:
                seen.append(data)
        seqs = [d["seq"] for d in seen]
        self.assertEqual(seqs, list(range(seqs[0], seqs[0] + len(seqs))))
        self.assertEqual(seen[0]["event"], "created")
        # Another one, while nobody listens: it comes after the reconnect, in full.
        mine.close()
        second = self.submit(self.ana, sh("true"))
        self.over(self.ana, second)
        again = Stream(self.ana, "/events", {"Last-Event-ID": last})
        self.addCleanup(again.close)
        got = []
        while not (got and got[-1]["event"] == "ended"):
            data = again.event()[1]
            if data["number"] == second:
                got.append(data)
        self.assertEqual(got[0]["event"], "created")
        # He sees his own only.
        his_number = self.submit(self.ben, sh("true"))
        self.assertEqual(his.event()[1]["number"], his_number)
        a = self.ana.get("/events", headers={"Last-Event-ID": "nonsense"}, door="transfer")
        self.assertEqual(a.status, 400)

    def test_fair_turns(self):
        """One account's long queue does not hold up another's only job."""
        cores = os.cpu_count()
        many = [self.submit(self.ana, sh("sleep 0.5")) for _ in range(10 * cores)]
        one = self.submit(self.ben, sh("true"))
        ended = self.over(self.ben, one)["ended"]
        later = [n for n in many if self.over(self.ana, n)["started"] > ended]
        self.assertGreater(len(later), 5 * cores)

    def test_killed_while_it_delivers(self):
        """kill -9 of the daemon around the delivery of many files: each is there once."""
        dora = self.portal.person("dora")
        number = self.submit(dora, sh("cd $PERIGEE_RESULTS; for i in $(seq 400); do echo $i > "
                                      "f$i.txt; done", output="persistent:r"))
        end = time.monotonic() + 60
        while dora.ok("GET", f"/jobs/{number}")["state"] not in FINAL:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        time.sleep(random.random() / 10)
        os.kill(self.portal.pid(), signal.SIGKILL)
        self.portal.up()
        job = self.over(dora, number, delivered=True)
        self.assertEqual(job["delivery"], "done", job)
        files = self.names(dora, "dora/persistent/r?limit=1000")
        self.assertEqual(sorted(files), sorted(f"f{i}.txt" for i in range(1, 401)))


if __name__ == "__main__":
    unittest.main()
