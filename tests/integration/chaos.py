#!/usr/bin/env python3
"""Kills parts of Perigee while a few hundred jobs go through it, and then counts: each job has
run exactly once, or has failed for a reason that is true; none is lost or doubled.

    chaos.py [--scheduler local|slurm] [--jobs N] [--seed S] [--mode random|failpoints]

random: kill -9 hits perigeed, perigee-launch, the programs and PostgreSQL (with Slurm also
slurmctld and slurmd) at random moments. failpoints: perigeed (a build with failpoints) kills itself
at the Nth of the places before and after each commit, submission, cancellation and end, for ever
other N. The seed is printed; a run is repeated with --seed.

Every program appends a line to a file of its own when it starts: these lines are the truth. With
--scheduler slurm it runs on the cluster that PERIGEE_CLUSTER names (tests/cluster).
"""
import argparse
import collections
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FINAL = ("succeeded", "failed", "cancelled")
# Reasons that a kill of ours makes true, by what was killed.
BLAMED = {
    "launch": {"launcher_killed"},
    "program": {"signal", "exit"},
    "slurmd": {"launcher_killed", "node_failed", "signal", "cancelled_in_scheduler"},
    "slurmctld": {"launcher_killed", "node_failed", "cancelled_in_scheduler", "signal"},
}


class Socket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("perigee", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def request(path, method, url, body=None, headers=None):
    """(status, json), or None if there was no answer."""
    conn = Socket(path)
    try:
        conn.request(method, url, body, headers or {})
        answer = conn.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        conn.close()


def environ(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return f.read().split(b"\0")
    except OSError:
        return []


def name(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


class Chaos:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        self.dir = tempfile.mkdtemp(prefix="perigee-chaos.", dir=args.dir)
        os.chmod(self.dir, 0o711)  # the private server's user goes through it
        self.state = os.path.join(self.dir, "state")
        self.ran = os.path.join(self.dir, "ran")
        os.mkdir(self.ran)
        self.socket = os.path.join(self.state, "perigeed.sock")
        self.config = os.path.join(self.dir, "perigee.yaml")
        self.env = dict(os.environ, PERIGEE_STATE=self.state, PERIGEE_CONFIG=self.config,
                        PERIGEE_CHAOS=self.dir)
        self.env.pop("PERIGEE_FAILPOINT", None)
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.kills = collections.Counter()
        self.starts = 0  # of the daemon, after the first
        self.jobs = {}  # key -> what it is to do
        self.problems = []
        self.write_config()

    def write_config(self):
        text = f"state: {self.state}\nspool: {self.dir}/jobs\n"
        text += f"scheduler: {self.args.scheduler}\nschedulers:\n  local:\n    cores: 8\n"
        if self.args.scheduler == "slurm":
            conf = os.environ["SLURM_CONF"]
            text += f"  slurm:\n    conf: {conf}\n    poll: 1\n    grace: 4\n"
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)

    # ---- the daemon ----

    def up(self):
        env = dict(self.env)
        if self.args.mode == "failpoints" and not self.over.is_set():
            env["PERIGEE_FAILPOINT"] = f"*:{self.rng.randint(1, 30)}"
        words = [os.path.join(self.args.bin, "perigee"), "up"]
        with open(os.path.join(self.dir, "up.log"), "a", encoding="utf-8") as log:
            return subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=log, timeout=120, check=False).returncode

    def keep_up(self):
        """Somebody watches over the daemon: systemd, or an administrator."""
        while not self.over.is_set():
            if request(self.socket, "GET", "/api/v1/status") is None:
                self.up()
                self.starts += 1
            time.sleep(0.2)

    # ---- victims ----

    def ours(self, *names):
        mark = b"PERIGEE_CHAOS=" + self.dir.encode()
        state = b"PERIGEE_STATE=" + self.state.encode()
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit() and name(pid) in names:
                env = environ(pid)
                if mark in env or state in env or any(self.dir.encode() in e for e in env):
                    found.append(int(pid))
        return found

    def victims(self, what):
        if what == "perigeed":
            return self.ours("perigeed")
        if what == "launch":
            return self.ours("perigee-launch")
        if what == "program":
            return self.ours("chaos-program")
        if what == "postgres":
            try:
                with open(f"{self.state}/postgres/postmaster.pid", encoding="utf-8") as f:
                    return [int(f.readline())]
            except (OSError, ValueError):
                for root, _, files in os.walk(os.path.join(self.state, "postgres")):
                    if "postmaster.pid" in files:
                        with open(os.path.join(root, "postmaster.pid"),
                                  encoding="utf-8") as f:
                            return [int(f.readline())]
        return []

    def hit(self, what):
        if what in ("slurmctld", "slurmd"):
            script = os.path.join(HERE, "..", "cluster", "cluster.sh")
            cluster = os.environ["PERIGEE_CLUSTER"]
            node = [] if what == "slurmctld" else [f"n{self.rng.randint(1, 3)}"]
            for verb in ("kill", "start"):
                subprocess.run(["bash", script, verb, cluster, what, *node], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(self.rng.uniform(0.1, 2))
            self.kills[what] += 1
            return
        pids = self.victims(what)
        if not pids:
            return
        pid = self.rng.choice(pids)
        try:
            os.kill(pid, signal.SIGKILL)
            self.kills[what] += 1
        except ProcessLookupError:
            pass

    def strike(self):
        targets = ["perigeed"] * 6 + ["launch"] * 3 + ["program"] * 2 + ["postgres"] * 2
        if self.args.scheduler == "slurm":
            targets += ["slurmctld"] * 2 + ["slurmd"] * 2
        while not self.over.is_set():
            time.sleep(self.rng.uniform(0.05, 1.2))
            if not self.over.is_set():
                self.hit(self.rng.choice(targets))

    # ---- jobs ----

    def spec(self, n):
        key = f"job-{n}"
        roll = self.rng.random()
        what = {"key": key, "tasks": 1, "expect": "succeeded", "cancel": False}
        last = "exit 0"
        if roll < 0.10:
            what["expect"], last = "exit", "exit 3"
        elif roll < 0.15:
            what["expect"], last = "signal", "kill -SEGV $$"
        script = (f"#!/bin/bash\nprintf '%s\\n' \"$PERIGEE_ATTEMPT\" >>"
                  f"'{self.ran}/{key}.'$PERIGEE_INDEX\nexec -a chaos-program bash -c '"
                  f"echo -n chaos-program >/proc/self/comm; "
                  f"sleep {self.rng.uniform(0, 1.5):.2f}; echo done; {last}'\n")
        spec = {"kind": "script", "name": key, "script": script,
                "resources": {"ranks": 1, "time": "10m", "memory": "64MB"}}
        if self.rng.random() < 0.08:
            spec["array"] = {"from": 0, "to": 2, "parallel": self.rng.choice([1, 2, 3])}
            what["tasks"] = 3
        if self.rng.random() < 0.08:
            what["cancel"] = True
        if self.rng.random() < 0.10 and self.jobs:
            other = self.rng.choice(list(self.jobs.values()))
            if "id" in other:
                spec["after"] = [{"job": other["id"], "when": "end"}]
        return spec, what

    def submit(self, n):
        spec, what = self.spec(n)
        headers = {"Idempotency-Key": f"{self.args.seed}-{n}", "X-Perigee-Dir": self.dir}
        body = json.dumps(spec)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            answer = request(self.socket, "POST", "/api/v1/jobs", body, headers)
            if answer and answer[0] in (200, 201):
                what["id"] = answer[1]["id"]
                with self.lock:
                    self.jobs[what["key"]] = what
                break
            if answer and answer[0] < 500:
                self.problems.append(f"{what['key']}: refused: {answer[1].get('detail')}")
                return
            time.sleep(0.2)
        else:
            self.problems.append(f"{what['key']}: not accepted in 120 s")
            return
        if what["cancel"]:
            time.sleep(self.rng.uniform(0, 0.5))
            while not request(self.socket, "POST", f"/api/v1/jobs/{what['id']}/cancel"):
                time.sleep(0.2)

    def all_jobs(self):
        jobs, before = [], None
        while True:
            url = "/api/v1/jobs?limit=1000&user=*" if os.geteuid() == 0 else \
                "/api/v1/jobs?limit=1000"
            answer = request(self.socket, "GET", url + (f"&before={before}" if before else ""))
            if not answer or answer[0] != 200:
                time.sleep(0.3)
                continue
            jobs += answer[1]["jobs"]
            before = answer[1]["next"]
            if not before:
                return jobs

    def wait_for_all(self):
        until = time.monotonic() + self.args.patience
        while time.monotonic() < until:
            jobs = self.all_jobs()
            if all(j["state"] in FINAL for j in jobs):
                return jobs
            time.sleep(0.5)
        for j in self.all_jobs():
            if j["state"] not in FINAL:
                self.problems.append(f"{j['name']} ({j['id']}) is still {j['state']}: "
                                     f"{j['text']}")
        return self.all_jobs()

    # ---- the count ----

    def runs(self, key, index):
        try:
            with open(f"{self.ran}/{key}.{index}", encoding="utf-8") as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    def check_task(self, job, what, task):
        label = f"{job['name']}[{task['index']}] ({job['id']})"
        runs = self.runs(what["key"], task["index"])
        state, reason = task["state"], task["reason"]
        if len(runs) > 1:
            self.problems.append(f"{label} has run {len(runs)} times: attempts {runs}")
        if state == "succeeded":
            if len(runs) != 1:
                self.problems.append(f"{label} succeeded, but ran {len(runs)} times")
            if what["expect"] != "succeeded":
                self.problems.append(f"{label} succeeded, but had to end by {what['expect']}")
        elif state == "cancelled":
            if not what["cancel"] and self.args.scheduler == "local":
                self.problems.append(f"{label} is cancelled, and nobody asked for it")
        elif state == "failed":
            true = {what["expect"]} - {"succeeded"}
            for victim, reasons in BLAMED.items():
                if self.kills[victim]:
                    true |= reasons
            if reason not in true:
                self.problems.append(f"{label} failed for {reason!r} ({task['text']}), which "
                                     f"nothing explains")
            if not task["text"]:
                self.problems.append(f"{label} failed without a sentence")

    def check(self, jobs):
        by_name = collections.defaultdict(list)
        for j in jobs:
            by_name[j["name"]].append(j)
        for key, what in self.jobs.items():
            mine = by_name.pop(key, [])
            if len(mine) != 1:
                self.problems.append(f"{key} is there {len(mine)} times")
                continue
            _, full = request(self.socket, "GET", f"/api/v1/jobs/{mine[0]['id']}")
            tasks = full["task_list"]
            if len(tasks) != what["tasks"]:
                self.problems.append(f"{key} has {len(tasks)} tasks, not {what['tasks']}")
            for t in tasks:
                self.check_task(mine[0], what, t)
        for key in by_name:
            self.problems.append(f"{key} is there, but was not submitted")
        left = self.ours("perigee-launch", "chaos-program")
        if left:
            self.problems.append(f"processes are left: {left}")

    def check_log(self):
        done = subprocess.run([os.path.join(self.args.bin, "perigeed"), "--check-log"],
                              env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            self.problems.append("the log and the rows differ: " + done.stderr.strip())

    def check_daemon_log(self):
        with open(f"{self.state}/perigeed.log", encoding="utf-8", errors="replace") as f:
            for line in f:
                if "Sanitizer" in line or "runtime error" in line:
                    self.problems.append(line.strip())

    def run(self):
        print(f"chaos: seed {self.args.seed}, {self.args.jobs} jobs, {self.args.scheduler}, "
              f"{self.args.mode}", flush=True)
        if self.up():
            self.over.set()
            if self.up():
                raise SystemExit("perigee up failed; see " + self.dir + "/up.log")
            self.over.clear()
        threads = [threading.Thread(target=self.keep_up)]
        if self.args.mode == "random":
            threads.append(threading.Thread(target=self.strike))
        for t in threads:
            t.start()
        try:
            for n in range(self.args.jobs):
                self.submit(n)
                time.sleep(self.rng.expovariate(self.args.rate))
            time.sleep(3)
        finally:
            self.over.set()
            for t in threads:
                t.join()
        # Peace: whatever is down comes up again, without failpoints.
        for pid in self.ours("perigeed"):
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        self.up()
        jobs = self.wait_for_all()
        self.check(jobs)
        self.check_log()
        states = collections.Counter(j["state"] for j in jobs)
        print(f"chaos: {dict(states)}; killed: {dict(self.kills)}; "
              f"perigeed started anew {self.starts} times")
        if self.starts < self.args.jobs / 20:
            self.problems.append("the daemon was hardly ever killed: this run shows nothing")
        self.check_daemon_log()

    def close(self):
        subprocess.run([os.path.join(self.args.bin, "perigee"), "down"], env=self.env,
                       capture_output=True, check=False)
        for pid in self.ours("perigee-launch", "chaos-program", "perigeed"):
            os.kill(pid, signal.SIGKILL)
        if self.problems:
            print(f"chaos: everything is kept in {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--scheduler", default="local")
    p.add_argument("--jobs", type=int, default=200)
    p.add_argument("--rate", type=float, default=8, help="jobs a second")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--mode", default="random", choices=("random", "failpoints"))
    p.add_argument("--patience", type=float, default=180)
    p.add_argument("--dir", default=None)
    p.add_argument("--bin", default=os.environ.get("PERIGEE_BIN") or
                   os.path.join(HERE, "../../build/release/bin"))
    args = p.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 30)
    args.bin = os.path.abspath(args.bin)
    chaos = Chaos(args)
    try:
        chaos.run()
    finally:
        chaos.close()
    for problem in chaos.problems:
        print("FAILED:", problem)
    print("chaos: seed", args.seed, "FAILED" if chaos.problems else "passed")
    sys.exit(1 if chaos.problems else 0)


if __name__ == "__main__":
    main()
