#!/usr/bin/env python3
"""Kills parts of Perigee while a few hundred jobs go through it, and then counts: each job has
run exactly once, or has failed for a reason that is true; none is lost or doubled.

    chaos.py [--scheduler local|slurm] [--jobs N] [--seed S] [--mode random|failpoints]

random: kill -9 hits perigeed, perigee-launch, the programs, ranks of MPI jobs and their starter,
and PostgreSQL (with Slurm also slurmctld and slurmd) at random moments. failpoints (a build with
them): perigeed kills itself at the places before and after each commit, submission, cancellation
and end, and perigee-launch, in a third of the jobs, at one of its own. The seed is printed; a run
is repeated with --seed: the same jobs, points and victims, as far as the machine's clock lets it.

Every program appends a line to a file of its own when it starts: these lines are the truth. With
--scheduler slurm it runs on the cluster that PERIGEE_CLUSTER names (tests/cluster).
"""
import argparse
import collections
import json
import os
import random
import subprocess
import sys
import threading
import time

from chaos_world import World, lines

HERE = os.path.dirname(os.path.abspath(__file__))
FINAL = ("succeeded", "failed", "cancelled")
# Places in perigee-launch, and what a death there means for the first attempt: has the program
# run? (None: may have). After "told" everything is as if nothing had happened.
LAUNCH_POINTS = {"launch.begun": False, "claim.written": False, "launch.claimed": False,
                 "launch.started": False, "launch.forked": None, "launch.ended": True,
                 "launch.told": True}
# Reasons that a kill makes true for the job that it hit ...
BLAMED = {"launch": {"launcher_killed"}, "program": {"signal", "exit"},
          "rank": {"signal", "exit"}, "starter": {"signal", "exit"}}
# ... and for any job, where Slurm ends what it cannot keep.
BLAMED_ON_ALL = {
    "slurmd": {"launcher_killed", "node_failed", "signal", "cancelled_in_scheduler"},
    "slurmctld": {"launcher_killed", "node_failed", "signal", "cancelled_in_scheduler"},
}
MAX_LOST = 3  # times that a job that Slurm has forgotten is submitted again


class Chaos:
    def __init__(self, args):
        self.args = args
        self.world = World(args)
        self.ran = os.path.join(self.world.dir, "ran")
        os.mkdir(self.ran)
        self.over = threading.Event()
        self.jobs = {}  # key -> what it is to do
        self.no_mpi = 0  # jobs that Open MPI itself did not get started
        self.problems = self.world.problems

    # ---- jobs ----

    def script(self, key, rng, last):
        return {"script": f"#!/bin/bash\nprintf '%s\\n' \"$PERIGEE_ATTEMPT\" >>"
                          f"'{self.ran}/{key}.'$PERIGEE_INDEX\nexec -a chaos-program bash -c '"
                          f"echo -n chaos-program >/proc/self/comm; "
                          f"sleep {rng.uniform(0, 1.5):.2f}; echo done; {last}'\n",
                "resources": {"ranks": 1, "time": "10m", "memory": "64MB"}}

    def ranks(self, key, rng, last):
        program = os.path.join(self.args.bin, "chaos_rank")
        return {"command": [program, f"{self.ran}/{key}", f"{rng.uniform(0.2, 1.5):.2f}",
                            "exit" if last == "exit 3" else "ok"], "mpi": True,
                "resources": {"ranks": 2, "time": "10m", "memory": "600MB"}}

    def spec(self, n):
        rng = random.Random(f"{self.args.seed} {n}")
        key = f"job-{n}"
        what = {"key": key, "tasks": 1, "ranks": 0, "expect": "succeeded", "cancel": False,
                "point": None}
        roll, last = rng.random(), "exit 0"
        is_mpi = rng.random() < self.args.mpi
        if roll < 0.10:
            what["expect"], last = "exit", "exit 3"
        elif roll < 0.15 and not is_mpi:
            what["expect"], last = "signal", "kill -SEGV $$"
        spec = {"kind": "script", "name": key}
        if is_mpi:
            spec |= self.ranks(key, rng, last)
            what["ranks"] = 2
        else:
            spec |= self.script(key, rng, last)
            if rng.random() < 0.08:
                spec["array"] = {"from": 0, "to": 2, "parallel": rng.choice([1, 2, 3])}
                what["tasks"] = 3
        if self.args.mode == "failpoints" and rng.random() < 0.35:
            what["point"] = rng.choice(sorted(LAUNCH_POINTS))
            spec["env"] = {"CHAOS_POINT": what["point"]}
        if is_mpi:  # Open MPI leaks; what the ranks of the debug build say is not ours
            spec.setdefault("env", {})["ASAN_OPTIONS"] = "detect_leaks=0"
        what["cancel"] = rng.random() < 0.08
        what["pause"] = rng.uniform(0, 0.5)
        if rng.random() < 0.10 and self.jobs:
            other = rng.choice(sorted(self.jobs))
            spec["after"] = [{"job": self.jobs[other]["id"], "when": "end"}]
        return spec, what

    def submit(self, n):
        spec, what = self.spec(n)
        headers = {"Idempotency-Key": f"{self.args.seed}-{n}", "X-Perigee-Dir": self.world.dir}
        body = json.dumps(spec)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            answer = self.world.ask("POST", "/jobs", body, headers)
            if answer and answer[0] in (200, 201):
                what["id"] = answer[1]["id"]
                self.jobs[what["key"]] = what
                break
            if answer and answer[0] < 500:
                self.problems.append(f"{what['key']}: refused: {answer[1].get('detail')}")
                return
            time.sleep(0.1)
        else:
            self.problems.append(f"{what['key']}: not accepted in 120 s")
            return
        if what["cancel"]:
            time.sleep(what["pause"])
            while not self.world.ask("POST", f"/jobs/{what['id']}/cancel"):
                time.sleep(0.1)

    def all_jobs(self):
        jobs, before = [], None
        until = time.monotonic() + 120
        while True:
            url = "/jobs?limit=1000" + ("&user=*" if os.geteuid() == 0 else "")
            answer = self.world.ask("GET", url + (f"&before={before}" if before else ""))
            if not answer or answer[0] != 200:
                if time.monotonic() > until:
                    raise SystemExit(f"perigeed does not answer: {answer}")
                time.sleep(0.3)
                continue
            jobs += answer[1]["jobs"]
            before = answer[1]["next"]
            if not before:
                return jobs

    def wait_for_all(self):
        """As long as jobs end, however slow the machine is."""
        began = progress = time.monotonic()
        ended = -1
        while True:
            jobs = self.all_jobs()
            now = time.monotonic()
            left = [j for j in jobs if j["state"] not in FINAL]
            if not left:
                return jobs
            if len(jobs) - len(left) > ended:
                ended, progress = len(jobs) - len(left), now
            if now > min(progress + self.args.patience, began + self.args.longest):
                break
            time.sleep(0.5)
        self.problems.append(f"{len(left)} jobs have not ended; in the last "
                             f"{now - progress:.0f} s none has")
        alike = collections.defaultdict(list)
        for j in left:
            alike[f"{j['state']}: {j['text']}"].append(f"{j['name']} ({j['id']})")
        for text, names in sorted(alike.items(), key=lambda a: -len(a[1])):
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            self.problems.append(f"{', '.join(names[:3])}{more} are still {text}")
        return jobs

    # ---- the count ----

    def true_reasons(self, what):
        true = {what["expect"]} - {"succeeded"}
        for victim, reasons in BLAMED.items():
            if what["id"] in self.world.hit[victim]:
                true |= reasons
        for victim, reasons in BLAMED_ON_ALL.items():
            if self.world.kills[victim]:
                true |= reasons
                # srun gives up and says so with its status.
                true |= {"exit"} if what["ranks"] else set()
        if self.world.kills["slurmctld"] > MAX_LOST:
            true |= {"lost"}  # accepted, and forgotten, each time
        if what["point"] and what["point"] != "launch.told" and what["id"] in self.armed:
            true |= {"launcher_killed"}
        return true

    def mpi_did_not_start(self, what, task):
        """Open MPI 4.1.4 now and then dies in MPI_Init when several start at a time: then some
        rank has begun and is not in, and its end by a signal or status is true."""
        begun = [self.lines_of(what, task, f".rank{r}") for r in range(what["ranks"])]
        is_in = [self.lines_of(what, task, f".rank{r}.in") for r in range(what["ranks"])]
        return any(begun) and not all(is_in) and task["reason"] in ("signal", "exit")

    def lines_of(self, what, task, ending=""):
        return lines(f"{self.ran}/{what['key']}.{task['index']}{ending}")

    def check_runs(self, label, what, task):
        """The truth that the programs wrote: for each rank the attempts in which it began."""
        if what["ranks"]:
            runs = [self.lines_of(what, task, f".rank{r}") for r in range(what["ranks"])]
        else:
            runs = [self.lines_of(what, task)]
        for one in runs:
            if len(one) > 1:
                self.problems.append(f"{label} has run {len(one)} times: attempts {one}")
            if task["state"] == "succeeded" and len(one) != 1:
                self.problems.append(f"{label} succeeded, but ran {len(one)} times")
            if what["id"] in self.armed and LAUNCH_POINTS[what["point"]] is False and \
                    "1" in one:
                self.problems.append(f"{label} ran in the attempt whose launcher died at "
                                     f"{what['point']}")

    def check_task(self, job, what, task):
        label = f"{job['name']}[{task['index']}] ({job['id']})"
        state, reason = task["state"], task["reason"]
        self.check_runs(label, what, task)
        if state == "succeeded":
            if what["expect"] != "succeeded":
                self.problems.append(f"{label} succeeded, but had to end by {what['expect']}")
        elif state == "cancelled":
            if not what["cancel"] and not self.world.slurm:
                self.problems.append(f"{label} is cancelled, and nobody asked for it")
        elif state == "failed":
            if reason not in self.true_reasons(what):
                if what["ranks"] and self.mpi_did_not_start(what, task):
                    self.no_mpi += 1
                else:
                    self.problems.append(f"{label} failed for {reason!r} ({task['text']}), "
                                         f"which nothing explains")
            if not task["text"]:
                self.problems.append(f"{label} failed without a sentence")

    def check(self, jobs):
        self.armed = self.world.armed()
        by_name = collections.defaultdict(list)
        for j in jobs:
            by_name[j["name"]].append(j)
        for key, what in self.jobs.items():
            mine = by_name.pop(key, [])
            if len(mine) != 1:
                self.problems.append(f"{key} is there {len(mine)} times")
                continue
            _, full = self.world.ask("GET", f"/jobs/{mine[0]['id']}")
            tasks = full["task_list"]
            if len(tasks) != what["tasks"]:
                self.problems.append(f"{key} has {len(tasks)} tasks, not {what['tasks']}")
            for t in tasks:
                self.check_task(mine[0], what, t)
        for key in by_name:
            self.problems.append(f"{key} is there, but was not submitted")
        left = self.world.ours("perigee-launch", "chaos-program", "chaos-rank")
        if left:
            self.problems.append(f"processes are left: {left}")
        if self.no_mpi > sum(bool(w["ranks"]) for w in self.jobs.values()) / 3:
            self.problems.append(f"{self.no_mpi} MPI jobs failed in MPI_Init")

    def check_log(self):
        done = subprocess.run([os.path.join(self.world.bin, "perigeed"), "--check-log"],
                              env=self.world.env, capture_output=True, text=True, check=False)
        if done.returncode:
            self.problems.append("the log and the rows differ: " + done.stderr.strip())

    def check_kills(self):
        """A run in which nobody died shows nothing."""
        deaths = self.world.starts
        if deaths < self.args.jobs / 20:
            self.problems.append(f"the daemon was killed only {deaths} times")
        if self.args.mode == "random":
            return
        reached = self.world.reached()
        print("chaos: died at", ", ".join(f"{p} {n}" for p, n in sorted(reached.items())))
        missed = sorted(set(LAUNCH_POINTS) - set(reached))
        if missed and self.args.jobs >= 200:
            self.problems.append(f"no perigee-launch died at {', '.join(missed)}")

    # ---- all of it ----

    def run(self):
        world = self.world
        print(f"chaos: seed {self.args.seed}, {self.args.jobs} jobs, {self.args.scheduler}, "
              f"{self.args.mode}", flush=True)
        if world.up(False) and world.up(True):
            raise SystemExit(f"perigee up failed; see {world.dir}/up.log")
        threads = [threading.Thread(target=world.keep_up, args=[self.over])]
        if self.args.mode == "random":
            threads.append(threading.Thread(target=world.strike_all, args=[self.over]))
            if world.slurm:
                threads.append(threading.Thread(target=world.strike_cluster, args=[self.over]))
        for t in threads:
            t.start()
        quiet = threading.Event()  # comes with the end of the last job
        watch = threading.Thread(target=world.administer, args=[quiet])
        if world.slurm:
            watch.start()
        try:
            jobs = self.go_through(threads)
        finally:
            quiet.set()
            if world.slurm:
                watch.join()
        self.check(jobs)
        self.check_log()
        states = collections.Counter(j["state"] for j in jobs)
        print(f"chaos: {dict(states)}; killed: {dict(world.kills)}; perigeed started anew "
              f"{world.starts} times; launchers with a point to die at: {len(self.armed)}; "
              f"failed in MPI_Init: {self.no_mpi}; nodes resumed after: {dict(world.resumed)}")
        self.check_kills()
        self.problems += world.in_log()

    def go_through(self, threads):
        """All jobs, first while parts are killed, then in peace."""
        pace = random.Random(f"{self.args.seed} pace")
        try:
            for n in range(self.args.jobs):
                self.submit(n)
                time.sleep(pace.expovariate(self.args.rate))
            time.sleep(3)
        finally:
            self.over.set()
            for t in threads:
                t.join()
        self.world.peace()
        return self.wait_for_all()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--scheduler", default="local")
    p.add_argument("--jobs", type=int, default=200)
    p.add_argument("--rate", type=float, default=8, help="jobs a second")
    p.add_argument("--mpi", type=float, default=0.15, help="part of jobs that are MPI programs")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--mode", default="random", choices=("random", "failpoints"))
    p.add_argument("--patience", type=float, default=120,
                   help="seconds in which no job ends, after the last kill")
    p.add_argument("--longest", type=float, default=480, help="seconds after the last kill")
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
    except SystemExit as e:
        chaos.problems.append(str(e))
    except BaseException as e:
        chaos.problems.append(repr(e))
        raise
    finally:
        chaos.world.close(keep=bool(chaos.problems))
    for problem in chaos.problems:
        print("FAILED:", problem)
    print("chaos: seed", args.seed, "FAILED" if chaos.problems else "passed")
    sys.exit(1 if chaos.problems else 0)


if __name__ == "__main__":
    main()
