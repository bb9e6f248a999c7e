"""Who kills parts of a portal at random moments, and who brings them back. No test lives here.

A portal that is watched runs as under systemd with examples/systemd/perigeed.service: `perigee up --foreground`
starts again what ends; if it ends itself, it alone is started again (KillMode=process, Restart=on-failure).
"""
import collections
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import harness
from front_door import free_port
from portal_world import Portal

REST = 0.3  # seconds until systemd starts it again
# Twice as likely: what keeps the state.
TARGETS = ["perigeed"] * 3 + ["postmaster", "backend"] + ["nginx master", "nginx worker"] + \
    ["launch"] * 2 + ["job", "perigee", "curl", "curl", "supervisor"]


def of_process(pid, what):
    try:
        with open(f"/proc/{pid}/{what}", "rb") as f:
            return f.read()
    except OSError:
        return b""


def parent_of(pid):
    rest = of_process(pid, "stat").rpartition(b")")[2].split()
    return int(rest[1]) if len(rest) > 1 else 0


class Watched(Portal):
    """perigee up --foreground, and systemd."""

    def __init__(self, config="", points=()):
        # Not the usual port: two portals that start at a time would take the same.
        self.door = f"127.0.0.1:{free_port()}"
        super().__init__(config + f"web: {{listen: \"{self.door}\"}}\n")
        if points:
            self.bin = self.with_points(points)
        self.starts = 0
        self.supervisor = None
        self.over = threading.Event()
        self.said = self.work.file("said")

    @property
    def url(self):
        return "http://" + self.door

    def with_points(self, points):
        """Programs of which perigeed gets a point to kill itself at, another one at each start, until none is left."""
        here = self.work.file("bin")
        os.mkdir(here)
        self.todo = self.work.write("points", "".join(f"{p}\n" for p in points))
        self.reached = self.work.write("reached", "")
        shutil.copy(os.path.join(harness.BIN, "perigee"), here)  # a link would lead it to its real place
        os.symlink(os.path.join(harness.BIN, "perigee-launch"), os.path.join(here, "perigee-launch"))
        os.symlink(os.path.join(harness.BIN, "..", "share"), self.work.file("share"))
        wrapper = self.work.write("bin/perigeed", f"""#!/bin/sh
point=$(head -n 1 '{self.todo}')
sed -i 1d '{self.todo}'
[ -z "$point" ] || export PERIGEE_FAILPOINT=$point PERIGEE_FAILPOINT_LOG='{self.reached}'
exec '{harness.BIN}/perigeed' "$@"
""")
        os.chmod(wrapper, 0o755)
        return here

    def up(self):
        self.thread = threading.Thread(target=self.keep_up)
        self.thread.start()
        self.wait_up()
        return self

    def keep_up(self):
        while not self.over.is_set():
            with open(self.said, "ab") as log:
                self.supervisor = subprocess.Popen(
                    [os.path.join(self.bin, "perigee"), "up", "--foreground"], stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, env=self.env, cwd=self.work.path)
            self.starts += 1
            self.supervisor.wait()
            self.over.wait(REST)

    def wait_up(self, seconds=90):
        """Until the web door answers."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if subprocess.run(["curl", "-sf", "-o", "/dev/null", self.url + "/api/v1/sign-in/ways"],
                                  check=False).returncode == 0:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        raise AssertionError(f"the portal does not come up in {seconds} s:\n{self.what_it_said()}")

    def what_it_said(self, lines=60):
        with open(self.said, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    log = what_it_said

    def close(self):
        self.over.set()
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.terminate()
            self.supervisor.wait(60)
        self.thread.join()
        super().close()


class Killer(threading.Thread):
    """kill -9, every so many seconds."""

    def __init__(self, portal, seed, pause=(0.3, 2.0)):
        super().__init__()
        self.portal, self.rng, self.pause = portal, random.Random(f"{seed} killer"), pause
        self.over = threading.Event()
        self.kills = collections.Counter()
        self.mark = portal.work.path.encode()

    def ours(self):
        """{pid: (its name, its parent)} of all that belongs to this portal and its people. A sandbox hides our
        mark, nginx overwrites it in its workers: what descends from ours is ours."""
        every = {pid: (of_process(pid, "comm").strip().decode("utf-8", "replace"), parent_of(pid))
                 for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
        found = {pid for pid in every if self.mark in of_process(pid, "environ") or
                 self.mark in of_process(pid, "cmdline")}
        more = True
        while more:
            more = {pid for pid, (_, parent) in every.items() if parent in found} - found
            found |= more
        found -= {os.getpid()}
        return {pid: every[pid] for pid in found}

    def postmaster(self):
        for root, _, files in os.walk(os.path.join(self.portal.state, "postgres")):
            if "postmaster.pid" in files:
                with open(os.path.join(root, "postmaster.pid"), encoding="ascii") as f:
                    return int(f.readline())
        return 0

    def victims(self, what):
        if what in ("postmaster", "backend"):
            pid = self.postmaster()
            if what == "postmaster" or not pid:
                return [pid] if pid else []
            return list(map(int, of_process(pid, f"task/{pid}/children").split()))
        ours = self.ours()
        name_of = {p: name for p, (name, _) in ours.items()}
        supervisor = self.portal.supervisor.pid if self.portal.supervisor else 0
        if what == "supervisor":
            return [supervisor] if supervisor in ours else []
        if what.startswith("nginx"):
            return [p for p, (name, parent) in ours.items() if name == "nginx" and
                    (name_of.get(parent) == "nginx") == (what == "nginx worker")]
        if what == "job":
            return [p for p in ours if self.in_job(p, ours)]
        name = {"launch": "perigee-launch"}.get(what, what)
        return [p for p, n in name_of.items() if n == name and p != supervisor and not self.in_job(p, ours)]

    @staticmethod
    def in_job(pid, ours):
        while pid in ours:
            pid = ours[pid][1]
            if ours.get(pid, ("", 0))[0] == "perigee-launch":
                return True
        return False

    def strike(self, what):
        pids = sorted(self.victims(what))
        if not pids:
            return
        try:
            os.kill(self.rng.choice(pids), signal.SIGKILL)
            self.kills[what] += 1
        except ProcessLookupError:
            pass

    def run(self):
        while not self.over.wait(self.rng.uniform(*self.pause)):
            self.strike(self.rng.choice(TARGETS))

    def stop(self):
        self.over.set()
        self.join()
