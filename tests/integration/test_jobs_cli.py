"""Jobs through the command: `perigee up`, submit, jobs, job, logs, wait, cancel, resubmit, status,
doctor, down, with the real daemon, its private PostgreSQL and the local scheduler, all in a
workplace of the test. At the end no process of it is left.
"""
import fcntl
import glob
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness
from harness import BIN, EXAMPLE

GROUPS = f"'{EXAMPLE}/groups_023/fof_subhalo_tab_023.*.hdf5:/Group'"
MINUTE = 60


def until(condition, seconds=MINUTE, what="it"):
    """Waits for a condition; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen in {seconds} s")


def processes_of(state):
    """{pid: command line} of the processes that work in that state folder."""
    found = {}
    mark = f"PERIGEE_STATE={state}".encode()
    for folder in glob.glob("/proc/[0-9]*"):
        pid = int(folder.split("/")[-1])
        try:
            with open(f"{folder}/environ", "rb") as f:
                mine = mark in f.read().split(b"\0")
            with open(f"{folder}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if pid != os.getpid() and line and (mine or state + "/" in line):
            found[pid] = line
    return found


class Service(harness.Case):
    """A workplace in which perigee runs."""
    # Whether this machine has a user "perigee" makes no difference then.
    rights = "user: root\nweb: {listen: off}\n" if os.geteuid() == 0 else ""

    @classmethod
    def prepare(cls):
        if not os.path.exists(f"{BIN}/perigeed"):
            raise unittest.SkipTest("perigeed is not built")
        if not (shutil.which("initdb") or glob.glob("/usr/lib/postgresql/*/bin/initdb")):
            raise unittest.SkipTest("PostgreSQL is not installed")
        os.chmod(cls.w.path, 0o711)  # as root its server runs as the user postgres
        cls.state = cls.w.env["PERIGEE_STATE"]
        for name in ("PERIGEE_CONFIG", "PERIGEE_SOCKET", "XDG_STATE_HOME"):
            cls.w.env.pop(name, None)
        if cls.rights:
            os.makedirs(cls.state, 0o711)
            cls.w.write("state/perigee.yaml", cls.rights)
        cls.addClassCleanup(cls.end)

    @classmethod
    def end(cls):
        active = cls.w.run("jobs", "--json", "--state", "active", "-n", 0)
        numbers = [j["number"] for j in json.loads(active.out)] if active.status == 0 else []
        if numbers:
            cls.w.run("cancel", "-q", *numbers)
            cls.w.run("wait", "-q", "--timeout", "30s", *numbers)
        done = cls.w.run("down")
        try:
            until(lambda: not processes_of(cls.state), 15)
        except AssertionError:
            pass
        left = processes_of(cls.state)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if done.status or left:
            raise AssertionError(f"not tidy: {done} {left}")

    def ok(self, *args, **more):
        done = self.w.run(*args, **more)
        self.assertEqual(done.status, 0, f"{args}: {done.out}{done.err}")
        return done

    def script(self, text, name="job.sh"):
        return self.w.write(name, "#!/bin/sh\n" + text)

    def submit(self, *args, **more):
        return self.ok("submit", "-q", *args, **more).out.strip()

    def job(self, number):
        return json.loads(self.ok("job", "--json", number).out)

    def status(self):
        return json.loads(self.w.run("status", "--json").out)

    def until_running(self, number):
        until(lambda: self.job(number)["state"] == "running", what="its start")

    def background(self, *args):
        p = subprocess.Popen([f"{BIN}/perigee", *map(str, args)], env=self.w.env,
                             cwd=self.w.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        return p


class Jobs(Service):
    @classmethod
    def prepare(cls):
        super().prepare()
        done = cls.w.run("up")
        assert done.status == 0, done
        assert "perigee submit" in done.out, done.out

    def test_sql(self):
        sql = f"SELECT count(*) AS n, max(GroupMass) AS heaviest FROM {GROUPS}"
        into = self.w.file("groups.csv")
        done = self.ok("submit", "--wait", "-o", into, sql)
        self.assertRegex(done.out, r"^job \d+ \([0-9a-f]{8}\.\.\.\): \w+\n$")
        self.assertIn("succeeded", done.err)
        rows = harness.parse_csv(harness.text_of(into))
        names, want = self.w.query(sql)
        self.assertEqual(rows[0], names)
        self.assertIsNone(harness.difference(rows[1:], want))

    def test_wrong_sql(self):
        done = self.w.run("submit", "--wait", "SELECT nothing FROM nowhere")
        self.assertNotEqual(done.status, 0)
        self.assertIn("nowhere", done.out + done.err +
                      self.ok("logs", re.search(r"job (\d+)", done.out)[1]).err)

    def test_script(self):
        path = self.script('echo "out $1 $HOME_OF"; echo err >&2; pwd')
        number = self.submit("--env", "HOME_OF=x y", path, "-n", "two")
        self.ok("wait", number)
        self.assertEqual(self.ok("logs", "--stdout", number).out,
                         f"out -n x y\n{os.path.realpath(self.w.path)}\n")
        self.assertEqual(self.ok("logs", "--stderr", number).out, "err\n")
        both = self.ok("logs", number)
        self.assertEqual((both.out[:5], both.err), ("out -", "err\n"))
        job = self.job(number)
        self.assertEqual((job["state"], job["kind"], job["name"]),
                         ("succeeded", "script", "job.sh"))

    def test_command_words(self):
        number = self.submit("--", "printf", "%s|", "a b", "$HOME", "--wait", "")
        self.ok("wait", "-q", number)
        self.assertEqual(self.ok("logs", number).out, "a b|$HOME|--wait||")

    def test_exit_status(self):
        for text, status, reason in (("exit 0", 0, ""), ("exit 7", 7, "exit"),
                                     ("exit 200", 1, "exit"), ("kill -9 $$", 1, "signal")):
            with self.subTest(text=text):
                number = self.submit(self.script(text))
                done = self.w.run("wait", number)
                self.assertEqual(done.status, status, done.err)
                job = self.job(number)
                self.assertEqual(job["reason"], reason)
                if status:
                    self.assertIn(f"job {number} failed: {job['text']}", done.err)
        done = self.w.run("submit", "--follow", self.script("echo told; exit 3"))
        self.assertEqual(done.status, 3)
        self.assertIn("told\n", done.out)

    def test_no_program(self):
        number = self.submit("--", "/no/such/program")
        self.assertEqual(self.w.run("wait", number).status, 1)
        self.assertEqual(self.job(number)["reason"], "no_program")

    def test_wait_and_cancel(self):
        number = self.submit("--", "sleep", "1000")
        self.until_running(number)
        self.assertEqual(self.w.run("wait", "--timeout", "0.2", number).status, 124)
        waiting = self.background("wait", number)
        self.assertIn(f"job {number}: cancelled", self.ok("cancel", number).out)
        self.assertEqual(waiting.wait(MINUTE), 130)
        self.assertEqual(self.job(number)["state"], "cancelled")
        self.assertEqual(self.w.run("wait", "-q", number).status, 130)
        self.ok("cancel", number)

    def test_array(self):
        number = self.submit("--array", "2-10:4", "--parallel", "2", "--",
                             "sh", "-c", "echo index $PERIGEE_INDEX; test $PERIGEE_INDEX != 6")
        done = self.w.run("wait", number)
        self.assertEqual(done.status, 1)
        job = self.job(number)
        self.assertEqual(job["tasks"], {"succeeded": 2, "failed": 1})
        for index in (2, 6, 10):
            self.assertEqual(self.ok("logs", "--index", index, number).out,
                             f"index {index}\n")
        several = self.w.run("logs", number)
        self.assertEqual(several.status, 2)
        self.assertIn("main 6 (failed)", several.err)
        self.assertEqual(self.w.run("logs", "--index", 3, number).status, 1)

    def test_parameters(self):
        number = self.submit("--param", "b=0.20,0.1", "--", "echo", "b is {b}")
        self.ok("wait", "-q", number)
        got = {self.ok("logs", "--index", i, number).out for i in (0, 1)}
        self.assertEqual(got, {"b is 0.20\n", "b is 0.1\n"})

    def test_follow(self):
        number = self.submit(self.script("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"))
        self.assertEqual(self.ok("logs", "-f", number).out, "1\n2\n3\n4\n5\n")

    def test_after(self):
        bad = self.submit(self.script("sleep 0.3; exit 1"))
        success = self.submit("--after", bad, "--", "true")
        end = self.submit("--after", f"{bad}:end", "--", "true")
        self.assertEqual(self.w.run("wait", "-q", end).status, 0)
        self.assertNotEqual(self.w.run("wait", "-q", success).status, 0)
        self.assertEqual(self.job(success)["reason"], "dependency")

    def test_spec_and_resubmit(self):
        path = self.w.write("spec.json", json.dumps({
            "name": "from a file", "kind": "script", "command": ["echo", "spec"]}))
        number = self.submit(path)
        self.ok("wait", "-q", number)
        again = self.ok("resubmit", "-q", number).out.strip()
        self.assertNotEqual(again, number)
        self.ok("wait", "-q", again)
        self.assertEqual(self.ok("logs", again).out, "spec\n")
        self.assertEqual(self.job(again)["resubmit_of"], self.job(number)["id"])
        third = self.submit("-", stdin=self.ok("job", "--spec", number).out.encode())
        self.ok("wait", "-q", third)
        self.assertEqual(self.job(third)["name"], "from a file")

    def test_key(self):
        first = self.submit("--key", "once only", "--", "true")
        self.assertEqual(self.submit("--key", "once only", "--", "true"), first)
        self.assertNotEqual(self.submit("--", "true"), first)

    def test_check(self):
        before = len(json.loads(self.ok("jobs", "--json", "-n", 0).out))
        self.assertIn("memory: 1.0 GB", self.ok("submit", "--check", "--memory", "1GB",
                                                "SELECT 1").out)
        done = self.w.run("submit", "--check", "--memory", "900TB", "SELECT 1")
        self.assertEqual(done.status, 2)
        self.assertRegex(done.err, r"^perigee: .*memory.* has ")
        self.assertEqual(self.w.run("submit", "--memory", "900TB", "SELECT 1").status, 2)
        self.assertEqual(len(json.loads(self.ok("jobs", "--json", "-n", 0).out)), before)

    def test_jobs_list(self):
        numbers = [self.submit("--name", f"list-{i}", "--", "sh", "-c", f"exit {i % 2}")
                   for i in range(4)]
        self.w.run("wait", "-q", *numbers)
        listed = json.loads(self.ok("jobs", "--json", "--name", "list-*").out)
        self.assertEqual([str(j["number"]) for j in listed], numbers[::-1])
        failed = self.ok("jobs", "--name", "list-*", "--state", "failed", "--columns",
                         "number,state,name").out
        self.assertEqual(failed.split(), ["JOB", "STATE", "NAME", numbers[3], "failed",
                                          "list-3", numbers[1], "failed", "list-1"])
        self.assertEqual(len(json.loads(self.ok("jobs", "--json", "--name", "list-*", "-n",
                                                2).out)), 2)
        self.assertEqual(self.ok("jobs", "--json", "--since", "2999-01-01").out, "[]\n")
        self.assertEqual(self.w.run("jobs", "--state", "bogus").status, 2)
        self.assertEqual(self.w.run("jobs", "--columns", "stat").status, 2)

    def test_narrow_terminal(self):
        """Rows are cut to the terminal; through a pipe they are whole."""
        name = "a name that is far too long for a narrow terminal " * 3
        self.ok("wait", "-q", self.submit("--name", name.strip(), "--", "true"))
        self.assertIn(name.strip(), self.ok("jobs").out)
        main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        p = subprocess.Popen([f"{BIN}/perigee", "jobs", "-n", "3"], env=self.w.env,
                             stdout=other, stdin=subprocess.DEVNULL)
        os.close(other)
        out = b""
        try:
            while chunk := os.read(main, 4096):
                out += chunk
        except OSError:  # the end of a terminal
            pass
        os.close(main)
        self.assertEqual(p.wait(), 0)
        lines = out.decode().splitlines()
        self.assertGreaterEqual(len(lines), 2)
        self.assertLessEqual(max(map(len, lines)), 60)
        self.assertIn("~", out.decode())

    def test_job_page(self):
        number = self.submit("--memory", "200MB", "--time", "5m", self.script(
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"))
        self.ok("wait", "-q", number)
        self.assertGreater(self.job(number)["usage"]["cpu_seconds"], 0)
        out = self.ok("job", "--events", number).out
        for part in (f"job {number}: job.sh", "succeeded", "of 200 MB", "of 5m00s",
                     "created", "started", "ended", "plan"):
            self.assertIn(part, out)
        for bad in ("999999", "no-such-uuid"):
            done = self.w.run("job", bad)
            self.assertEqual(done.status, 1)
            self.assertTrue(done.err.startswith("perigee: "), done.err)

    def test_what_is_no_job(self):
        for words in (["frobnicate"], ["no/such/file.sh"], ["/"], [], ["--"], ["a", "b"],
                      ["-n", "0", "SELECT 1"], ["--time", "soon", "SELECT 1"]):
            with self.subTest(words=words):
                done = self.w.run("submit", *words)
                self.assertIn(done.status, (1, 2))
                self.assertNotEqual(done.err, "")

    def test_replicas(self):
        """This machine's files, as they are; also by a job on all (one) nodes."""
        everywhere = self.w.file("everybodys")
        os.mkdir(everywhere)
        path = f"{everywhere}/part.hdf5"
        shutil.copy(f"{EXAMPLE}/groups_023/fof_subhalo_tab_023.0.hdf5", path)
        self.assertEqual(self.w.run("locate", "nowhere").status, 1)
        self.w.describe("alike", f"name: alike\ntitle: x\nroot: {everywhere}\ntables:\n"
                        "  g: {files: '*.hdf5', path: /Group}\n")
        self.assertEqual(self.w.run("replicas", "alike").status, 1)
        for number, words in enumerate((["index", "alike"], ["locate", "alike"],
                                        ["locate", "--all-nodes", "alike"],
                                        ["index", "-t", 2, "--all-nodes", "alike.g"])):
            with self.subTest(words=words):
                os.utime(path, ns=(number, 10**18 + number))
                self.assertIn("0 files of its own, 1 shared", self.ok(*words).err)
                files = json.loads(self.ok("replicas", "--json", "alike").out)
                self.assertEqual(len(files), 1, files)
                self.assertEqual((files[0]["path"], files[0]["size"], files[0]["mtime_ns"]),
                                 (path, os.path.getsize(path), 10**18 + number))
        self.ok("index", "--check", "alike")
        self.assertEqual(self.w.run("index", "--all-nodes", "alike", "alike").status, 2)
        self.assertIn("shared", self.ok("replicas", "alike").out)

    def test_doctor(self):
        done = self.w.run("doctor", "--json")
        report = json.loads(done.out)
        health = {c["check"]: c["health"] for c in report["checks"]}
        self.assertEqual((health["perigeed"], health["mpi"], health["programs"], health["storage"]),
                         ("ok", "ok", "ok", "ok"), done.out)
        self.assertEqual((done.status, report["ok"]), (0, True), done.out)
        os.makedirs(f"{self.state}/datasets", exist_ok=True)
        wrong = self.w.write("state/datasets/wrong.yaml", "name: wrong\nroots: /x\n")
        self.addCleanup(os.remove, wrong)
        self.ok("reload", "--all")
        until(lambda: "wrong.yaml:2:1" in self.w.run("doctor").out, what="the catalogue's look")
        web = self.rights or "web: {listen: off}\n"
        path = self.w.write("elsewhere.yaml", web + "storage: {folder: /proc/volumes}\n"
                            "quick: {memory: 900TB}\n")
        done = self.w.run("doctor", "--config", path)
        self.assertEqual(done.status, 1, done)
        self.assertRegex(done.out, "problem +storage .*/proc/volumes")
        self.assertRegex(done.out, "warning +quick .* at the worst")

    def test_up_again(self):
        pid = self.status()["daemon"]["pid"]
        self.assertIn("runs already", self.ok("up").out)
        self.assertEqual(self.status()["daemon"]["pid"], pid)
        self.assertEqual(os.stat(self.state).st_mode & 0o777,
                         0o711 if os.geteuid() == 0 else 0o700)


class Restarts(Service):
    """What needs a daemon that comes and goes."""

    def setUp(self):
        self.ok("down")

    def test_life(self):
        self.assertEqual(self.w.run("status").status, 3)
        refused = self.w.run("submit", "--", "true")
        self.assertEqual(refused.status, 1)
        self.assertIn("perigee up", refused.err)
        self.assertIn("does not run", self.ok("down").out)

        both = [self.background("up") for _ in range(2)]
        for p in both:
            out, err = p.communicate(timeout=2 * MINUTE)
            self.assertEqual(p.returncode, 0, out + err)
        self.assertEqual(self.w.run("status").status, 0)
        daemons = [p for p, line in processes_of(self.state).items() if "perigeed" in line]
        self.assertLessEqual(len(daemons), 1)

        # A job, somebody who waits and somebody who reads outlive the daemon.
        number = self.submit(self.script(
            f"for i in 1 2 3; do echo $i; sleep 0.2; done\n"
            f"while [ ! -e {self.w.file('go')} ]; do sleep 0.1; done; echo end; exit 5"))
        self.until_running(number)
        reader, waiter = self.background("logs", "-f", number), self.background("wait", number)
        time.sleep(0.5)
        self.assertIn("1 job is running and goes on", self.ok("down").out)
        self.assertEqual(self.w.run("status").status, 3)
        self.w.write("go", "")
        time.sleep(0.5)
        self.ok("up")
        self.assertEqual(waiter.wait(MINUTE), 5)
        self.assertEqual(reader.wait(MINUTE), 0)
        self.assertEqual(reader.stdout.read(), "1\n2\n3\nend\n")

        # kill -9: `status` says so, `up` starts what is missing.
        os.kill(self.status()["daemon"]["pid"], signal.SIGKILL)
        until(lambda: self.w.run("status").status == 1, what="the end of perigeed")
        self.ok("up")
        self.assertEqual(self.w.run("status").status, 0)
        self.assertEqual(self.w.run("wait", "-q", number).status, 5)
        self.ok("down")
        self.assertEqual(processes_of(self.state), {})

    def test_up_in_the_foreground(self):
        p = self.background("up", "--foreground")
        until(lambda: self.w.run("status").status == 0, 2 * MINUTE, "its start")
        self.ok("wait", "-q", self.submit("--", "true"))
        second = self.w.run("up", "--foreground")
        self.assertEqual(second.status, 2, second.err)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(MINUTE), 0)
        self.assertEqual(self.w.run("status").status, 3)
        self.assertEqual(processes_of(self.state), {})

    def test_wrong_configuration(self):
        path = self.w.write("wrong.yaml", "stat: /x\n")
        done = self.w.run("up", "--config", path)
        self.assertNotEqual(done.status, 0)
        self.assertIn("wrong.yaml:1:1", done.err)

    def test_mistakes_of_a_section(self):
        """What the parser cannot know is told by the doctor and by reload, and ends nothing."""
        self.ok("up")
        pid = self.status()["daemon"]["pid"]
        for wrong, word in (("mail: {server: smtp.example.org, from: a@example.org}", "smtp://HOST"),
                            ("mail: {server: 'smtp://[::1]', from: a@example.org, user: a, "
                             "password_file: /nope}", "/nope"),
                            ("oidc: [{name: a, issuer: 'http://example.org', client_id: a}]", "https"),
                            ("schedulers: {local: {core: 4}}", 'did you mean "cores"?'),
                            ("schedulers: {local: {memory: 16 XB}}", "16GB"),
                            ("schedulers: {nosuch: {}}", "perigee-nosuch.so")):
            path = self.w.write("section.yaml", f"{self.rights}{wrong}\n")
            for words in (("reload",), ("doctor",)):
                done = self.w.run(*words, "--config", path)
                self.assertGreater(done.status, 0, done)
                self.assertIn(word, done.err + done.out)
            self.assertEqual((self.status()["daemon"]["pid"], self.w.run("status").status), (pid, 0))
            self.ok("wait", "-q", self.submit("--", "true"))
        # Without its plugin the rest works; it is said.
        self.ok("down")
        self.assertIn("perigee-nosuch.so", self.ok("up", "--config", path).err)
        self.ok("wait", "-q", self.submit("--", "true"))
        self.ok("down")
        # Of an earlier start nothing is told.
        for wrong in ("cores: none", "tasks: none"):
            path = self.w.write("section.yaml", f"{self.rights}schedulers: {{local: {{{wrong}}}}}\n")
            done = self.w.run("up", "--config", path)
            self.assertEqual(done.status, 1, done)
        self.assertIn('"tasks"', done.err)
        self.assertNotIn('"cores"', done.err)


if __name__ == "__main__":
    harness.main()
