"""The world of chaos.py: a Perigee of its own, those who are killed in it, and what is known of
whom a kill has hit. What jobs do and what must hold of them is in chaos.py.
"""
import collections
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLUSTER = os.path.join(HERE, "..", "cluster", "cluster.sh")
NODES = os.environ.get("CLUSTER_NODES", "").split()

# Where perigeed can be made to kill itself: peri_failpoint() in portal/, jobs/, scheduler/local.
DAEMON_POINTS = [
    "create-before", "create-after", "intent-before", "intent-after", "outbox-taken",
    "submit-before", "submit-after", "submitted-before", "submitted-after", "commit.before",
    "commit.after", "ended-before", "ended-after", "revoked-after", "lost-claimed",
    "cancel-claimed", "cancel-done", "claim.written",
]
LOCAL_POINTS = ["local.submit", "local.submitted", "local.begin", "local.forked", "local.ended",
                "local.cancelled"]
LIFE = 4  # seconds: a daemon that does not reach its point is killed all the same

# Stands in the place of perigee-launch: the job's spec says where in its first attempt it dies.
LAUNCHER = r"""#!/bin/sh
point=$(sed -n 's/.*"CHAOS_POINT": *"\([a-z.]*\)".*/\1/p' "$1/launch.json" 2>/dev/null)
case $1 in
*/1) ;;
*) point= ;;
esac
if [ -n "$point" ]; then
    echo "$1" >>'{dir}/armed'
    export PERIGEE_FAILPOINT=$point:1 PERIGEE_FAILPOINT_LOG='{dir}/points'
fi
exec '{bin}/perigee-launch' "$@"
"""


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


def of_process(pid, what):
    """The words of /proc/PID/WHAT; none if it is gone."""
    try:
        with open(f"/proc/{pid}/{what}", "rb") as f:
            return f.read().rstrip(b"\n").split(b"\0")
    except OSError:
        return []


def parent_of(pid):
    """0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().split("\n")[:-1]
    except FileNotFoundError:
        return []


class World:
    def __init__(self, args):
        self.args = args
        self.slurm = args.scheduler == "slurm"
        self.dir = tempfile.mkdtemp(prefix="perigee-chaos.", dir=args.dir)
        os.chmod(self.dir, 0o711)  # the private server's user goes through it
        self.state = os.path.join(self.dir, "state")
        self.spool = os.path.join(self.dir, "jobs")
        self.socket = os.path.join(self.state, "perigeed.sock")
        self.config = os.path.join(self.dir, "perigee.yaml")
        self.bin = args.bin
        self.env = dict(os.environ, PERIGEE_STATE=self.state, PERIGEE_CONFIG=self.config,
                        PERIGEE_CHAOS=self.dir)
        self.env.pop("PERIGEE_FAILPOINT", None)
        # One for each thread: a seed gives the same choices again.
        self.up_rng = random.Random(f"{args.seed} up")
        self.strike_rng = random.Random(f"{args.seed} strike")
        self.points = []
        self.problems = []  # sentences: the test fails with them
        self.kills = collections.Counter()
        self.hit = collections.defaultdict(set)  # victim -> uuids of jobs
        self.starts = 0  # of the daemon, after the first
        self.resumed = collections.Counter()  # nodes that Slurm had put out of service
        self.write_config()
        if args.mode == "failpoints":
            self.put_launcher()

    def write_config(self):
        text = f"state: {self.state}\nspool: {self.spool}\nweb: {{listen: off}}\n"
        if os.geteuid() == 0:
            text += "user: root\n"
        text += f"scheduler: {self.args.scheduler}\nschedulers:\n  local:\n    cores: 8\n"
        if self.slurm:
            conf = os.environ["SLURM_CONF"]
            text += f"  slurm:\n    conf: {conf}\n    poll: 1\n    grace: 4\n"
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)

    def put_launcher(self):
        """A folder of programs in which perigee-launch is the script above."""
        self.bin = os.path.join(self.dir, "bin")
        os.mkdir(self.bin)
        for program in ("perigee", "perigeed", "perigee-slurm.so"):
            if os.path.exists(os.path.join(self.args.bin, program)):
                shutil.copy(os.path.join(self.args.bin, program), self.bin)
        path = os.path.join(self.bin, "perigee-launch")
        with open(path, "w", encoding="utf-8") as f:
            f.write(LAUNCHER.replace("{dir}", self.dir).replace("{bin}", self.args.bin))
        os.chmod(path, 0o755)

    # ---- the daemon ----

    def next_point(self):
        """Each named point once, in any order, then any passed point at all."""
        if not self.points and self.starts == 0:
            self.points = DAEMON_POINTS + ([] if self.slurm else LOCAL_POINTS)
            self.up_rng.shuffle(self.points)
        return f"{self.points.pop()}:1" if self.points else f"*:{self.up_rng.randint(1, 30)}"

    def up(self, peace):
        env = dict(self.env)
        if self.args.mode == "failpoints" and not peace:
            env["PERIGEE_FAILPOINT"] = self.next_point()
            env["PERIGEE_FAILPOINT_LOG"] = os.path.join(self.dir, "points")
        words = [os.path.join(self.bin, "perigee"), "up"]
        with open(os.path.join(self.dir, "up.log"), "a", encoding="utf-8") as log:
            try:
                return subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, timeout=120, check=False).returncode
            except subprocess.TimeoutExpired:
                print("chaos: perigee up takes more than 120 s", flush=True)
                return 1

    def keep_up(self, over):
        """Somebody watches over the daemon: systemd, or an administrator."""
        since = time.monotonic()
        while not over.is_set():
            if request(self.socket, "GET", "/api/v1/status") is None:
                self.up(False)
                self.starts += 1
                since = time.monotonic()
            elif self.args.mode == "failpoints" and time.monotonic() > since + LIFE:
                self.strike("perigeed")
            time.sleep(0.1)

    def peace(self):
        """Whatever is down comes up again, without failpoints."""
        self.end("perigeed", by=signal.SIGTERM)
        until = time.monotonic() + 60
        while self.ours("perigeed"):
            if time.monotonic() > until:
                raise SystemExit("perigeed lives 60 s after a SIGTERM")
            time.sleep(0.1)
        if self.slurm:
            self.start("slurmctld")
            for node in NODES:
                self.start("slurmd", node)
        if self.up(True) and self.up(True):
            raise SystemExit(f"perigee up failed; see {self.dir}/up.log")

    # ---- the cluster ----

    def cluster(self, verb, *words):
        """What cluster.sh does not get done, and says, is part of the test's output."""
        done = subprocess.run(["bash", CLUSTER, verb, os.environ["PERIGEE_CLUSTER"], *words],
                              check=False, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        for line in done.stderr.splitlines():
            print(f"chaos: {verb} {' '.join(words)}: {line}", flush=True)
        return done

    def start(self, *words):
        if self.cluster("start", *words).returncode:
            self.problems.append(f"the cluster's {' '.join(words)} does not start")

    def administer(self, over):
        """Somebody watches over the nodes of the cluster, too."""
        while not over.wait(1):
            for line in self.cluster("resume").stdout.splitlines():
                self.resumed[line.rpartition(": ")[2]] += 1

    def ask(self, method, url, body=None, headers=None):
        return request(self.socket, method, "/api/v1" + url, body, headers)

    # ---- victims ----

    def ours(self, *names):
        mark = b"PERIGEE_CHAOS=" + self.dir.encode()
        state = b"PERIGEE_STATE=" + self.state.encode()
        wanted = {n.encode() for n in names}
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit() and wanted & set(of_process(pid, "comm")):
                env = of_process(pid, "environ")
                if mark in env or state in env or any(self.dir.encode() in e for e in env):
                    found.append(int(pid))
        return found

    def end(self, *names, by):
        for pid in self.ours(*names):
            try:
                os.kill(pid, by)
            except ProcessLookupError:
                pass

    def postgres(self):
        """The server, or one of its processes."""
        for root, _, files in os.walk(os.path.join(self.state, "postgres")):
            if "postmaster.pid" in files:
                pid = lines(os.path.join(root, "postmaster.pid"))[:1]
                break
        else:
            return []
        if self.strike_rng.random() < 0.5 or not pid:
            return [int(p) for p in pid]
        try:
            with open(f"/proc/{pid[0]}/task/{pid[0]}/children", encoding="ascii") as f:
                return [int(p) for p in f.read().split()]
        except OSError:
            return []

    def victims(self, what):
        return {"perigeed": lambda: self.ours("perigeed"),
                "launch": lambda: self.ours("perigee-launch"),
                "program": lambda: self.ours("chaos-program"),
                "rank": lambda: self.ours("chaos-rank"),
                "starter": lambda: self.ours("mpirun", "orterun", "srun"),
                "postgres": self.postgres}[what]()

    def job_of(self, pid):
        """The uuid of the job that a process belongs to, or ""."""
        for word in of_process(pid, "environ") + of_process(pid, "cmdline"):
            text = word.decode("utf-8", "replace")
            if text.startswith("PERIGEE_JOB="):
                return text[len("PERIGEE_JOB="):]
            if text.startswith(self.spool + "/"):
                return text[len(self.spool) + 1:].split("/")[0]
        return ""

    def strike(self, what):
        pids = self.victims(what)
        if not pids:
            return
        pid = self.strike_rng.choice(pids)
        job = self.job_of(pid)
        if what == "launch" and b"perigee-launch" in of_process(parent_of(pid), "comm"):
            what = "program"  # or will be, at its exec
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[what] += 1
        if job:
            self.hit[what].add(job)

    def strike_all(self, over):
        targets = ["perigeed"] * 5 + ["launch"] * 3 + ["program", "starter"] + \
            ["rank"] * 2 + ["postgres"] * 2
        longest = 2.4 if self.slurm else 1.2  # jobs take longer there
        while not over.wait(self.strike_rng.uniform(0.05, longest)):
            self.strike(self.strike_rng.choice(targets))

    def strike_cluster(self, over):
        """In a thread of its own: however long they take to start, the others die too."""
        rng = random.Random(f"{self.args.seed} cluster")
        while not over.wait(rng.uniform(0.5, 6)):
            what = rng.choice([["slurmctld"], ["slurmd", rng.choice(NODES)]])
            self.cluster("kill", *what)
            self.kills[what[0]] += 1
            time.sleep(rng.uniform(0.1, 2))
            self.cluster("start", *what)  # at the latest it has to in peace

    # ---- the end ----

    def reached(self):
        """How often somebody died at which point."""
        return collections.Counter(lines(os.path.join(self.dir, "points")))

    def armed(self):
        """uuids of the jobs whose launcher had a point to die at."""
        return {line[len(self.spool) + 1:].split("/")[0]
                for line in lines(os.path.join(self.dir, "armed"))}

    def in_log(self):
        with open(f"{self.state}/perigeed.log", encoding="utf-8", errors="replace") as f:
            return [line.strip() for line in f
                    if "Sanitizer" in line or "runtime error" in line]

    def close(self, keep):
        subprocess.run([os.path.join(self.bin, "perigee"), "down"], env=self.env,
                       capture_output=True, check=False)
        self.end("perigee-launch", "chaos-program", "chaos-rank", "perigeed",
                 by=signal.SIGKILL)
        if keep:
            for path in (f"{self.dir}/up.log", f"{self.state}/perigeed.log"):
                print(f"---- {path}", *lines(path)[-30:], sep="\n")
            print(f"chaos: everything is kept in {self.dir}, as long as that is kept")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
