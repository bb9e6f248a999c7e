"""`identity: unix`: jobs of portal accounts as the Unix users of their names, started by
perigee-helper, the one program that stays root's. Two real users and a user for perigee itself,
made for this test. Skipped where the test is not root or cannot make users.
"""
import array
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time
import unittest
import uuid

import harness
import portal_world
from harness import BIN
from test_jobs_cli import MINUTE, until
from test_jobs_users import drop_user, make_user
from test_sandbox import can_sandbox

MAGIC = 0x50485231
PING, START, KILL, STOP = 1, 2, 3, 4
DONE, REFUSED, FAILED = 0, 1, 2


def packet(verb, user="", job="", step="main", attempt=1, index=0, sig=0, pid=0, start=0,
           mounts=(), magic=MAGIC, count=None, is_array=0):
    head = struct.pack("<II64s40s200siiIiiIQ", magic, verb, user.encode(), job.encode(),
                       step.encode(), attempt, index, is_array, sig, pid,
                       len(mounts) if count is None else count, start)
    for volume, write, path in mounts:
        path = path.encode() + b"\0"
        head += struct.pack("<QII", volume, write, len(path)) + path
    return head


def talk(path, data, fds=()):
    """(code, pid, found, start, text), or None if nobody answers. What comes along is closed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(20)
        s.connect(path)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        s.sendmsg([data], control)
        answer, ancillary, _, _ = s.recvmsg(4096, 1024)
    for _, _, got in ancillary:
        for fd in array.array("i", got[:len(got) - len(got) % 4]):
            os.close(fd)
    if not answer:
        return None
    magic, code, pid, found, start, text = struct.unpack("<IiiiQ256s", answer)
    assert magic == MAGIC
    return code, pid, found, start, text.split(b"\0")[0].decode()


def as_uid(uid, gid, what):
    """what(), in a process of that user; the repr of its value or of its exception."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            text = repr(what())
        except BaseException as e:  # pylint: disable=broad-except
            text = f"! {e!r}"
        os.write(w, text.encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return text


def commands(name):
    """{pid: parent} of the processes of this program."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                words = f.read()
        except OSError:
            continue
        if f"({name[:15]})" in words and ") Z " not in words:
            found[int(pid)] = int(words.rsplit(")", 1)[1].split()[1])
    return found


class World(harness.Case):
    @classmethod
    def prepare(cls):
        if os.geteuid() != 0 or not shutil.which("useradd"):
            raise unittest.SkipTest("SKIP jobs as Unix users: needs root and useradd")
        if not can_sandbox():
            raise unittest.SkipTest("SKIP jobs as Unix users: no sandbox here")
        super().prepare()
        cls.portal = portal_world.Portal()
        cls.addClassCleanup(shutil.rmtree, cls.portal.work.path, True)
        base = f"peru{os.getpid() % 100000}"
        cls.names = [base + c for c in "abc"]  # the third is not in the group
        cls.group = base + "g"
        subprocess.run(["groupadd", cls.group], check=True)
        cls.addClassCleanup(subprocess.run, ["groupdel", cls.group], capture_output=True,
                            check=False)
        for name in cls.names:
            home = cls.portal.work.file(name)
            make_user(name, home)
            cls.addClassCleanup(drop_user, name)
            who = pwd.getpwnam(name)
            os.mkdir(home, 0o700)
            with open(f"{home}/own", "w", encoding="utf-8") as f:
                f.write(f"of {name}\n")
            for path in (home, f"{home}/own"):
                os.chown(path, who.pw_uid, who.pw_gid)
        for name in cls.names[:2]:
            subprocess.run(["usermod", "-aG", cls.group, name], check=True)
        cls.service = base + "s"
        done = subprocess.run(["useradd", "--system", "--user-group", "--no-create-home",
                               "--home-dir", cls.portal.state, "--shell", "/usr/sbin/nologin",
                               cls.service], capture_output=True, check=False)
        assert done.returncode == 0, done
        cls.addClassCleanup(drop_user, cls.service)
        cls.suid, cls.sgid = (pwd.getpwnam(cls.service).pw_uid, pwd.getpwnam(cls.service).pw_gid)
        cls.configure()
        seen = subprocess.run([f"{BIN}/perigee", "--version"], user=cls.suid, group=cls.sgid,
                              extra_groups=[], capture_output=True, check=False)
        if seen.returncode:
            raise unittest.SkipTest(f"SKIP jobs as Unix users: {BIN} is not theirs to read")
        cls.addClassCleanup(cls.portal.down)
        cls.portal.up()
        cls.socket = f"{cls.portal.state}/helper.sock"
        cls.who = [cls.portal.person(name) for name in cls.names]

    @classmethod
    def configure(cls):
        with open(cls.portal.config, "w", encoding="utf-8") as f:
            f.write(f"state: {cls.portal.state}\nuser: {cls.service}\nidentity: unix\n"
                    f"web: {{listen: off}}\nschedulers: {{local: {{kill_after: 5}}}}\n"
                    f"identity_group: {cls.group}\n")

    @classmethod
    def helper(cls):
        """(guard, worker) of this portal's helper."""
        all_of_them = commands("perigee-helper")
        for pid, parent in all_of_them.items():
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                    if parent in all_of_them and cls.socket in f.read():
                        return parent, pid
            except OSError:
                continue
        return None

    @classmethod
    def audit(cls):
        with open(f"{cls.portal.state}/helper.log", encoding="utf-8") as f:
            return f.read()

    def submit(self, which, script, **more):
        spec = dict({"kind": "script", "command": ["sh", "-c", script]}, **more)
        number = self.who[which].ok("POST", "/jobs", spec)["number"]
        self.addCleanup(self.who[which].post, f"/jobs/{number}/cancel")
        return number

    def job(self, which, number):
        return self.who[which].ok("GET", f"/jobs/{number}")

    def folder(self, which, number):
        return f"{self.portal.state}/jobs/{self.job(which, number)['id']}"

    def end(self, which, number):
        return until(lambda: (j := self.job(which, number))["state"] in
                     ("succeeded", "failed", "cancelled") and j, 2 * MINUTE, f"the end of {number}")

    def content(self, which, path):
        """Of a file, as nginx would send it: read with the service user's rights."""
        answer = self.who[which].get(f"/files/{path}?download=1")
        self.assertEqual(answer.status, 200, answer)
        name = answer.headers["X-Accel-Redirect"].removeprefix("/_files/")
        where = f"{self.portal.state}/volumes/{name}"


        def read():
            with open(where, "rb") as f:
                return f.read()
        return eval(as_uid(self.suid, self.sgid, read))  # pylint: disable=eval-used

    def run_job(self, which, script, state="succeeded", **more):
        """Its standard output."""
        number = self.submit(which, script, **more)
        job = self.end(which, number)
        texts = [self.who[which].ok("GET", f"/jobs/{number}/logs?stream={s}") for s in
                 ("stdout", "stderr")]
        self.assertEqual(job["state"], state, (job["text"], texts, self.audit()[-3000:]))
        return texts[0].decode()


class Jobs(World):
    def test_as_themselves(self):
        for which, name in enumerate(self.names[:2]):
            who = pwd.getpwnam(name)
            out = self.run_job(which, "id -u; id -g; echo $HOME $USER; pwd; "
                               "grep -E '^(Cap|NoNew|Uid|Groups)' /proc/self/status; "
                               "cat ~/own; echo new > ~/made; umask; "
                               f"echo mine > /volumes/{name}/persistent/made; "
                               f"stat -c %u /volumes/{name}/persistent/made; "
                               "echo kept > \"$PERIGEE_RESULTS/kept\"")
            lines = out.splitlines()
            self.assertEqual(lines[:4], [str(who.pw_uid), str(who.pw_gid),
                                         f"{who.pw_dir} {name}", f"/volumes/{name}"])
            fields = dict(re.findall(r"^(\w+):\s*(.*)$", out, re.M))
            for cap in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"):
                self.assertEqual(int(fields[cap], 16), 0, (cap, out))
            self.assertEqual(fields["NoNewPrivs"], "1")
            self.assertEqual(set(fields["Uid"].split()), {str(who.pw_uid)})
            # Groups have no names in the sandbox; hers and no others all the same.
            hers = {str(g) for g in os.getgrouplist(name, who.pw_gid)} | {"65534"}
            self.assertLessEqual(set(fields["Groups"].split()), hers)
            self.assertIn(f"of {name}", lines)
            self.assertEqual(lines[-1], str(who.pw_uid))  # in her eyes it is hers
            made = os.stat(f"{who.pw_dir}/made")
            self.assertEqual((made.st_uid, made.st_gid), (who.pw_uid, who.pw_gid))
            # ... and on the disk the portal's: it reads, counts and deletes it as any other.
            self.assertEqual(self.content(which, f"{name}/persistent/made"), b"mine\n")
        for folder, _, files in os.walk(self.portal.state):
            for file in files:
                uid = os.lstat(os.path.join(folder, file)).st_uid
                self.assertIn(uid, (self.suid, 0), os.path.join(folder, file))

    def test_nothing_of_others(self):
        other = pwd.getpwnam(self.names[1])
        number = self.submit(1, "echo private; echo private > \"$PERIGEE_RESULTS/kept\"; sleep 600")
        self.addCleanup(self.who[1].post, f"/jobs/{number}/cancel")
        until(lambda: self.job(1, number)["state"] == "running", what="its start")
        results, task = (f"{self.folder(1, number)}/{name}" for name in ("results", "main/1/0"))
        until(lambda: os.path.exists(f"{results}/kept"), what="its result")
        out = self.run_job(0, f"ls {task} {results} {other.pw_dir} /volumes/{self.names[1]} "
                           f"{self.portal.state}/volumes /run/perigee; "
                           f"cat {results}/kept {other.pw_dir}/own; kill -9 -1; echo still")
        self.assertEqual(out, "still\n")
        # Nor past the sandbox: in a session of hers on this machine, and through /proc.
        me = pwd.getpwnam(self.names[0])
        launch = [p for p in commands("perigee-launch") if
                  os.stat(f"/proc/{p}").st_uid == other.pw_uid]
        self.assertTrue(launch)
        paths = [task, results, f"{os.path.dirname(task)}/launch.json", f"{self.portal.state}/volumes", f"{self.portal.state}/volumes/1",
                 f"/proc/{launch[0]}/root/run/perigee", f"/proc/{launch[0]}/cwd"]
        for path in paths:
            said = as_uid(me.pw_uid, me.pw_gid, lambda path=path: (
                open(path).close() if path.endswith(".json") else os.listdir(path)))
            self.assertIn("Permission", said, path)
        # Of her own job another session of hers sees what the job sees, no more.
        inside = as_uid(other.pw_uid, other.pw_gid, lambda: sorted(os.listdir(
            f"/proc/{launch[0]}/root/run/perigee")))
        self.assertEqual(len(eval(inside)), 3, inside)  # pylint: disable=eval-used
        said = as_uid(other.pw_uid, other.pw_gid, lambda: os.listdir(
            f"/proc/{launch[0]}/root{self.portal.state}/volumes"))
        self.assertIn("Permission", said)
        said = as_uid(other.pw_uid, other.pw_gid, lambda: open(
            f"/proc/{launch[0]}/root{os.path.dirname(task)}/launch.json", "a"))
        self.assertIn("Read-only", said)
        self.assertEqual(self.job(1, number)["state"], "running")

    def test_volumes(self):
        ana, bob, _ = self.names
        who = self.who
        for path in ("d", "d/in", "secret"):
            who[0].ok("POST", f"/files/{ana}/persistent/{path}", {"action": "mkdir"})
        who[0].ok("PUT", f"/files/{ana}/persistent/d/x.txt", b"shared\n")
        who[0].ok("PUT", f"/files/{ana}/persistent/secret/y.txt", b"not shared\n")
        def grant(*rights):
            return who[0].ok("POST", "/grants", {"kind": "volume", "thing": f"{ana}/persistent:d",
                                                 "to": {"account": bob}, "rights": rights})
        grant("read", "run")
        at = f"/volumes/{ana}/persistent"
        script = f"cat {at}/d/x.txt; echo no > {at}/d/x.txt; echo no > {at}/d/new; cat {at}/secret/y.txt"
        out = self.run_job(1, script + "; true")
        self.assertEqual(out, "shared\n")
        out = self.run_job(1, "cat /run/perigee/*/x.txt; ls /run/perigee; true")
        self.assertEqual(out, "")
        grant("read", "run", "write")
        self.run_job(1, f"echo from bob > {at}/d/new && mkdir -m 700 {at}/d/deep && "
                     f"umask 077 && echo deep > {at}/d/deep/file && chmod 600 {at}/d/deep/file")
        # What he has made is hers to read, move and delete, whatever its mode.
        self.assertEqual(self.content(0, f"{ana}/persistent/d/deep/file"),
                         b"deep\n")
        self.assertEqual(self.run_job(0, f"cat {at}/d/new {at}/d/deep/file; rm -r {at}/d/deep"),
                         "from bob\ndeep\n")
        # A job's result goes into her volume.
        self.run_job(0, "echo r > \"$PERIGEE_RESULTS/r.txt\"; chmod 600 \"$PERIGEE_RESULTS/r.txt\"",
                     output="persistent:out")
        until(lambda: who[0].get(f"/files/{ana}/persistent/out/r.txt").status == 200,
              what="the delivery")
        self.assertEqual(self.content(0, f"{ana}/persistent/out/r.txt"), b"r\n")
        # Taken back: it is gone, also for a job that waits.
        blocker = self.submit(0, "sleep 600", resources={"threads": os.cpu_count()})
        until(lambda: self.job(0, blocker)["state"] == "running", what="its start")
        waits = self.submit(1, f"cat {at}/d/x.txt; ls /volumes/{bob}; true")
        until(lambda: self.job(1, waits)["state"] == "queued", what="its turn")
        task = f"{self.folder(1, waits)}/main/1/folders"

        def shown():
            with open(task, encoding="utf-8") as f:
                return f.read()
        until(lambda: os.path.exists(task), what="its list")
        self.assertRegex(shown(), r"(?m)^\d+ w d$")
        for g in who[0].ok("GET", f"/grants?kind=volume&thing={ana}/persistent:d")["grants"]:
            who[0].ok("DELETE", f"/grants/{g['id']}")
        until(lambda: " d\n" not in shown(), what="its new list")
        self.who[0].ok("POST", f"/jobs/{blocker}/cancel")
        self.assertEqual(self.end(1, waits)["state"], "succeeded")
        self.assertEqual(self.who[1].ok("GET", f"/jobs/{waits}/logs"), b"persistent\nscratch\n")
        self.assertEqual(self.run_job(1, f"cat {at}/d/x.txt; true"), "")

    def test_tables(self):
        """Their own are there whatever volumes are named; of another's only the file that is shared."""
        ana, bob, _ = self.names
        who = self.who
        who[0].ok("POST", f"/files/{ana}/persistent/mydb", {"action": "mkdir", "parents": True})
        for name in ("x.h5", "y.h5"):
            who[0].ok("PUT", f"/files/{ana}/persistent/mydb/{name}", name.encode())
        given = who[0].ok("POST", "/grants", {"kind": "volume", "thing": f"{ana}/persistent:mydb/x.h5",
                                              "to": {"account": bob}, "rights": ["read"]})
        self.addCleanup(who[0].delete, f"/grants/{given['id']}")
        at = f"/volumes/{ana}/persistent/mydb"
        self.assertEqual(self.run_job(1, f"ls {at}; cat {at}/x.h5; echo no > {at}/x.h5; touch {at}/z.h5; true"),
                         "x.h5\nx.h5")
        # A pipe in its place takes nothing from him but it.
        self.run_job(0, f"cd {at} && rm x.h5 && mkfifo x.h5")
        self.assertEqual(self.run_job(1, f"ls {at}; echo runs"), "runs\n")
        mine = f"/volumes/{bob}/persistent"
        out = self.run_job(1, f"ls {mine}; echo t > {mine}/mydb/t && cat {mine}/mydb/t; touch {mine}/no; "
                           "printenv PERIGEE_SCHEMAS", volumes=["scratch"])
        self.assertTrue(out.startswith("mydb\nt\n[{"), out)
        self.assertEqual({s["name"] for s in json.loads(out[7:])}, {"mydb", bob, f"user:{bob}"})
        self.assertEqual(self.content(1, f"{bob}/persistent/mydb/t"), b"t\n")

    def test_kinds(self):
        """A statement over a file of a volume, and ranks of MPI."""
        name = self.names[0]
        with open(f"{harness.EXAMPLE}/groups_023/fof_subhalo_tab_023.0.hdf5", "rb") as f:
            self.who[0].ok("PUT", f"/files/{name}/persistent/g.hdf5", f.read())
        number = self.who[0].ok("POST", "/jobs", {
            "kind": "sql", "into": "n.csv", "sql": "SELECT count(*) AS n FROM 'persistent/g.hdf5:/Group'",
            "output": "persistent:sql"})["number"]
        job = self.end(0, number)
        self.assertEqual(job["state"], "succeeded", job)
        until(lambda: self.job(0, number)["delivered"], what="the delivery")
        self.assertRegex(self.content(0, f"{name}/persistent/sql/n.csv"), rb"^n\r?\n\d+\r?\n$")
        out = self.run_job(0, "echo rank of $(id -u)", command=[
            "sh", "-c", "echo $OMPI_COMM_WORLD_RANK of $(id -u)"], mpi=True, resources={"ranks": 2})
        uid = pwd.getpwnam(name).pw_uid
        self.assertEqual(sorted(out.splitlines()), [f"{r} of {uid}" for r in range(2)])

    def test_array_and_cancel(self):
        number = self.submit(0, "echo $PERIGEE_INDEX > \"$PERIGEE_RESULTS/$PERIGEE_INDEX\"",
                             array="3-5")
        job = self.end(0, number)
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual(sorted(os.listdir(f"{self.folder(0, number)}/results")), ["3", "4", "5"])
        number = self.submit(0, "trap 'echo told; exit 3' TERM; echo begun; "
                             "while :; do sleep 0.1; done")
        until(lambda: b"begun" in self.who[0].ok("GET", f"/jobs/{number}/logs"), what="its start")
        self.who[0].ok("POST", f"/jobs/{number}/cancel")
        self.assertEqual(self.end(0, number)["state"], "cancelled")
        self.assertIn(b"told", self.who[0].ok("GET", f"/jobs/{number}/logs"))
        out = self.run_job(0, "exit 7", "failed")
        self.assertEqual(out, "")

    def test_who_is_nobody(self):
        for name, why in (("nobodyatall", "no Unix user"), ("root", "as root"),
                          ("daemon", "user of the system"), (self.service, "perigeed runs as")):
            made = self.portal.machine.ask("POST", "/admin/users", {"name": name})
            if made.status == 409 or made.status == 400:
                continue
            self.portal.nobody.ok("POST", "/account/reset", {"token": made.json["token"],
                                                             "password": portal_world.PASSWORD})
            who = self.portal.signed_in(name)
            refused = who.post("/jobs", {"kind": "script", "command": ["id"]})
            self.assertEqual(refused.status, 403, refused)
            self.assertIn(why, refused.json["detail"])

    def test_account_goes(self):
        """The Unix user is removed while the job waits."""
        name = self.names[0] + "x"
        make_user(name, "/nonexistent")
        self.addCleanup(drop_user, name)
        subprocess.run(["usermod", "-aG", self.group, name], check=True)
        who = self.portal.person(name)
        cores = os.cpu_count()
        blocker = self.submit(0, "sleep 600", resources={"threads": cores})
        self.addCleanup(self.who[0].post, f"/jobs/{blocker}/cancel")
        until(lambda: self.job(0, blocker)["state"] == "running", what="its start")
        number = who.ok("POST", "/jobs", {"kind": "script", "command": ["id"]})["number"]
        until(lambda: who.ok("GET", f"/jobs/{number}")["state"] == "queued", what="its turn")
        time.sleep(0.5)
        drop_user(name)
        self.who[0].ok("POST", f"/jobs/{blocker}/cancel")
        job = until(lambda: (j := who.ok("GET", f"/jobs/{number}"))["state"] == "failed" and j,
                    what="its end")
        self.assertRegex(json.dumps(job), "no Unix user|does not exist")

    def test_it_is_the_only_one_with_rights(self):
        guard, worker = self.helper()
        with open(f"/proc/{worker}/status", encoding="ascii") as f:
            status = f.read()
        caps = int(re.search(r"CapEff:\s*(\w+)", status)[1], 16)
        self.assertEqual(bin(caps).count("1"), 7, hex(caps))
        self.assertIn("NoNewPrivs:\t1", status)
        mine = {guard, worker}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    line = f.read().replace(b"\0", b" ").decode(errors="replace")
                if self.portal.state + "/" not in line or int(pid) in mine:
                    continue
                self.assertEqual(os.stat(f"/proc/{pid}").st_uid, self.suid, line)
            except (FileNotFoundError, ProcessLookupError):
                continue
        done = self.portal.run("doctor")
        self.assertRegex(done.out, r"ok +helper +jobs run as Unix users with uids from 1000 on in the group ")

    # ---- things that die ----

    def test_helper_is_killed(self):
        number = self.submit(0, "echo begun; sleep 2; echo done")
        until(lambda: b"begun" in self.who[0].ok("GET", f"/jobs/{number}/logs"), what="its start")
        longer = self.submit(1, "echo begun; sleep 600")
        until(lambda: b"begun" in self.who[1].ok("GET", f"/jobs/{longer}/logs"), what="its start")
        _, worker = self.helper()
        os.kill(worker, signal.SIGKILL)
        until(lambda: (h := self.helper()) and h[1] != worker, what="a new helper")
        self.assertEqual(self.end(0, number)["state"], "succeeded")
        self.assertEqual(self.who[0].ok("GET", f"/jobs/{number}/logs"), b"begun\ndone\n")
        self.assertEqual(self.run_job(0, "echo again"), "again\n")
        # The new one ends what the old one has started.
        self.who[1].ok("POST", f"/jobs/{longer}/cancel")
        self.assertEqual(self.end(1, longer)["state"], "cancelled")

    def test_both_of_it_are_killed(self):
        number = self.submit(0, "echo begun; sleep 2; echo done")
        until(lambda: b"begun" in self.who[0].ok("GET", f"/jobs/{number}/logs"), what="its start")
        guard, worker = self.helper()
        os.kill(guard, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{worker}"), what="its end")
        self.assertEqual(self.end(0, number)["state"], "succeeded")
        waits = self.submit(0, "echo later")
        done = self.portal.run("doctor")
        self.assertIn("perigee-helper does not", done.out)
        time.sleep(1)
        self.assertIn(self.job(0, waits)["state"], ("queued", "running"))
        self.assertEqual(self.portal.run("up").status, 0)
        self.assertEqual(self.end(0, waits)["state"], "succeeded")

    def test_perigeed_is_killed(self):
        number = self.submit(0, "echo begun; sleep 2; echo done")
        longer = self.submit(1, "echo begun; sleep 600")
        until(lambda: b"begun" in self.who[0].ok("GET", f"/jobs/{number}/logs") and
              b"begun" in self.who[1].ok("GET", f"/jobs/{longer}/logs"), what="their start")
        os.kill(self.portal.pid(), signal.SIGKILL)
        self.assertEqual(self.portal.run("up").status, 0)
        self.assertEqual(self.end(0, number)["state"], "succeeded")
        self.assertEqual(self.job(1, longer)["state"], "running")
        self.who[1].ok("POST", f"/jobs/{longer}/cancel")
        self.assertEqual(self.end(1, longer)["state"], "cancelled")

    # ---- hostile requests ----

    def ask(self, data, fds=()):
        """As the service user would."""
        text = as_uid(self.suid, self.sgid, lambda: talk(self.socket, data, fds))
        self.assertFalse(text.startswith("!"), text)
        return eval(text)  # pylint: disable=eval-used  # our own repr

    def refused(self, why, data, fds=(), code=REFUSED):
        answer = self.ask(data, fds)
        self.assertEqual(answer[0], code, answer)
        self.assertIn(why, answer[4])

    def start(self, **more):
        """A start, and what is said in its pipe."""
        r, w = os.pipe()
        try:
            answer = self.ask(packet(START, **more), [w])
            os.close(w)
            w = -1
            said = b""
            while part := os.read(r, 64):
                said += part
            return answer, [struct.unpack("<ii", said[i:i + 8]) for i in range(0, len(said), 8)]
        finally:
            os.close(r)
            if w >= 0:
                os.close(w)

    def test_other_peers(self):
        self.assertEqual(self.ask(packet(PING))[0], DONE)
        who = pwd.getpwnam(self.names[0])
        said = as_uid(who.pw_uid, who.pw_gid, lambda: talk(self.socket, packet(PING)))
        self.assertIn("Permission", said)
        os.chmod(self.socket, 0o666)  # should the file be open all the same
        for uid, gid in ((who.pw_uid, who.pw_gid), (0, 0), (65534, 65534)):
            said = as_uid(uid, gid, lambda: talk(self.socket, packet(STOP)))
            self.assertTrue(said == "None" or said.startswith("!"), said)
        os.chmod(self.socket, 0o600)
        self.assertIn("is not heard", self.audit())
        self.assertEqual(self.ask(packet(PING))[0], DONE)

    def test_users_refused(self):
        job = str(uuid.uuid4())
        for name, why in (("root", "as root"), ("daemon", "of the system"), ("nosuchone", "no Unix"),
                          (self.service, "perigeed runs as"), ("", "no proper name"),
                          ("a/b", "no proper name"), ("-x", "no proper name"),
                          (f"{self.names[0]} ", "no proper name"), ("1000", "no proper name")):
            r, w = os.pipe()
            self.refused(why, packet(START, user=name, job=job), [w])
            self.refused(why, packet(KILL, user=name, job=job, sig=9))
            os.close(r)
            os.close(w)

    def test_garbled(self):
        job, name = str(uuid.uuid4()), self.names[0]
        whole = packet(START, user=name, job=job, mounts=[(1, 0, "a/b")])
        for data in (b"x", whole[:-1], whole + b"x", whole[:100], b"\xff" * len(whole),
                     packet(PING, magic=1), packet(9), packet(START, user=name, job=job, count=257),
                     packet(START, user=name, job=job, count=1), b"\0" * 65536,
                     packet(KILL, user=name, job=job, mounts=[(1, 0, "")]),
                     packet(KILL, user=name, job=job, sig=19),
                     packet(KILL, user=name, job=job, sig=9, pid=1),
                     packet(KILL, user=name, job=job, sig=9, pid=-1),
                     packet(START, user="u" * 64, job=job), packet(START, user=name, job="j" * 40),
                     packet(START, user=name, job=job, step="s" * 200),
                     packet(START, user=name, job=job, attempt=-1),
                     packet(START, user=name, job=job, index=-1)):
            self.assertEqual(self.ask(data)[0], REFUSED, data[:40])
        for step in ("..", ".", "", "a/b", ".x", "a\nb"):
            self.refused("step", packet(START, user=name, job=job, step=step))
        for uid in ("../../../../etc", job[:-1], job.upper().replace("0", "A"), job[:-1] + "/"):
            self.refused("uuid", packet(START, user=name, job=uid))
        for path in ("../x", "a/../b", "/etc", "a//b", "a/", ".", "a/./b", "a\x07"):
            self.refused("folder", packet(START, user=name, job=job, mounts=[(1, 0, path)]))
        self.refused("folder", packet(START, user=name, job=job, mounts=[(0, 0, "")]))
        self.refused("one pipe", packet(START, user=name, job=job))
        with open("/etc/passwd", encoding="ascii") as f:
            self.refused("one pipe", packet(START, user=name, job=job), [f.fileno()])
            self.refused("hand over", packet(PING), [f.fileno()])
        big = as_uid(self.suid, self.sgid, lambda: talk(self.socket, b"\0" * 150000))
        self.assertTrue("too large" in big or big.startswith("!"), big)
        # One that says nothing holds up the others for a moment only.
        def silent():
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(self.socket)
                return talk(self.socket, packet(PING))
        self.assertIn("(0, ", as_uid(self.suid, self.sgid, silent))
        self.assertNotIn("ended unexpectedly", self.audit().split("uid 65534")[-1])

    def make_spool(self, owner=None):
        job = str(uuid.uuid4())
        spool = f"{self.portal.state}/jobs"
        owner = owner if owner is not None else self.suid
        os.makedirs(f"{spool}/{job}/main/1/0", 0o711)
        os.mkdir(f"{spool}/{job}/results", 0o750)
        for folder, _, _ in os.walk(f"{spool}/{job}"):
            os.chown(folder, owner, self.sgid)
        self.addCleanup(shutil.rmtree, f"{spool}/{job}", True)
        return job, f"{spool}/{job}"

    def test_folders_refused(self):
        name, mount = self.names[0], 4
        # None there; a link in the place of each part; one that is not the service's.
        self.assertEqual(self.start(user=name, job=str(uuid.uuid4()))[1][0][0], mount)
        outside = self.portal.work.file("outside")
        os.makedirs(f"{outside}/main/1/0", exist_ok=True)
        for folder, _, _ in os.walk(outside):
            os.chown(folder, self.suid, self.sgid)
        for part, target in (("main", "main"), ("main/1", "main/1"), ("main/1/0", "main/1/0"),
                             ("results", "main")):
            job, at = self.make_spool()
            shutil.rmtree(f"{at}/{part}")
            os.symlink(f"{outside}/{target}", f"{at}/{part}")
            said = self.start(user=name, job=job)[1]
            self.assertEqual(said[0][0], mount, (part, said))
            self.assertEqual(said[-1], (1, 127))
        job, at = self.make_spool()
        shutil.rmtree(at)
        os.symlink(outside, at)
        self.assertEqual(self.start(user=name, job=job)[1][0][0], mount)
        os.unlink(at)
        job, _ = self.make_spool(owner=0)
        self.assertEqual(self.start(user=name, job=job)[1][0][0], mount)
        self.assertEqual(os.listdir(f"{outside}/main/1/0"), [])
        # A volume that is none, one that is a link, one that is root's.
        volumes = f"{self.portal.state}/volumes"
        os.symlink("/etc", f"{volumes}/990001")
        os.mkdir(f"{volumes}/990002", 0o755)
        self.addCleanup(os.unlink, f"{volumes}/990001")
        self.addCleanup(os.rmdir, f"{volumes}/990002")
        for volume in (990000, 990001, 990002):
            job, _ = self.make_spool()
            said = self.start(user=name, job=job, mounts=[(volume, 1, "")])[1]
            self.assertEqual(said[0][0], mount, (volume, said))
        # Nothing of these mounts is seen by others, or stays.
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            self.assertNotIn("/run/perigee", f.read())
        self.assertEqual(os.listdir("/run/perigee"), [])

    def test_kill_only_tasks(self):
        """Processes of the user that belong to no task, and of others that do."""
        who = pwd.getpwnam(self.names[0])
        job, at = self.make_spool()
        mark = f"PERIGEE_FOLDER={at}/main/1/0"
        with subprocess.Popen(["sleep", "600"], user=who.pw_uid, group=who.pw_gid, extra_groups=[],
                              env={}) as free, \
             subprocess.Popen(["env", mark, "sleep", "600"], env={}) as of_root:
            try:
                time.sleep(0.2)
                for pid in (free.pid, of_root.pid, os.getpid(), 0):
                    answer = self.ask(packet(KILL, user=self.names[0], job=job, sig=9, pid=pid))
                    self.assertEqual((answer[0], answer[2]), (DONE, 0), answer)
                self.assertIsNone(free.poll())
                self.assertIsNone(of_root.poll())
            finally:
                free.kill()
                of_root.kill()

    def test_two_helpers(self):
        _, worker = self.helper()
        words = [f"{BIN}/perigee-helper", "--service", self.service, "--socket", self.socket,
                 "--spool", f"{self.portal.state}/jobs", "--volumes", f"{self.portal.state}/volumes",
                 "--launch", f"{BIN}/perigee-launch"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("another perigee-helper runs", done.stderr)
        self.assertEqual(self.helper()[1], worker)
        self.assertEqual(self.ask(packet(PING))[0], DONE)
        # And what it would not run with.
        for change, why in (({"--service": "root"}, "or it is root"),
                            ({"--service": "nosuchone"}, "no such user"),
                            ({"--launch": "/no/such"}, "No such file"),
                            ({"--min-uid": "0"}, "at least 100"), ({"--spool": "x"}, "absolute"),
                            ({"--spool": "/sys"}, "cannot show files as another"),
                            ({"--volumes": "/etc/passwd"}, "Not a directory")):
            other = list(words)
            for key, value in change.items():
                if key in other:
                    other[other.index(key) + 1] = value
                else:
                    other += [key, value]
            done = subprocess.run(other, capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 3, other)
            self.assertIn(why, done.stderr)
        program = self.portal.work.file("launch")
        shutil.copy("/bin/true", program)
        os.chown(program, self.suid, self.sgid)
        done = subprocess.run(words[:-1] + [program], capture_output=True, text=True, timeout=30,
                              check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("root", done.stderr)
        done = subprocess.run(words, user=self.suid, group=self.sgid, extra_groups=[],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("only root", done.stderr)

    # ---- settings ----

    def test_group(self):
        pid = self.submit(0, "echo begun; sleep 600")
        until(lambda: b"begun" in self.who[0].ok("GET", f"/jobs/{pid}/logs"), what="its start")
        uid = pwd.getpwnam(self.names[0]).pw_uid
        launch = next(p for p in commands("perigee-launch") if os.stat(f"/proc/{p}").st_uid == uid)
        with open(f"/proc/{launch}/status", encoding="ascii") as f:
            groups = {int(g) for g in re.search(r"Groups:(.*)", f.read())[1].split()}
        self.assertEqual(groups, set(os.getgrouplist(self.names[0], pwd.getpwnam(
            self.names[0]).pw_gid)))
        refused = self.who[2].post("/jobs", {"kind": "script", "command": ["id"]})
        self.assertEqual(refused.status, 403)
        self.assertIn("not in the group", refused.json["detail"])
        text = as_uid(self.suid, self.sgid, lambda: talk(self.socket, packet(
            KILL, user=self.names[2], job=str(uuid.uuid4()))))
        self.assertIn("not in the group", text)

    def test_configuration(self):
        with open(self.portal.config, encoding="utf-8") as f:
            text = f.read()
        for more, why in (("accounts: {sign_up: open}\n", "anyone could take the name"),
                          ("users: all\n", "remove one of the two"),
                          ("identity_min_uid: 5\n", "identity_min_uid")):
            path = self.portal.work.write("other.yaml", text + more)
            done = self.portal.run("up", "--config", path)
            self.assertNotEqual(done.status, 0)
            self.assertIn(why, done.err)
        path = self.portal.work.write("other.yaml", text)
        os.chmod(path, 0o666)
        done = self.portal.run("up", "--config", path)
        self.assertNotEqual(done.status, 0)
        self.assertRegex(done.err, "must be root's alone|can be changed by others than root")

    def test_z_down(self):
        """Nothing with root's rights is left."""
        guard, worker = self.helper()
        self.assertEqual(self.portal.down().status, 0)
        until(lambda: not os.path.exists(f"/proc/{worker}"), what="its end")
        until(lambda: guard not in commands("perigee-helper"), what="its end")
        done = subprocess.run([f"{BIN}/perigee", "up"], env=self.portal.env, user=self.suid,
                              group=self.sgid, extra_groups=[], capture_output=True, text=True,
                              timeout=MINUTE, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("only root can start", done.stderr)
        self.assertTrue(stat.S_ISDIR(os.stat("/run/perigee").st_mode))



if __name__ == "__main__":
    harness.main()
