"""A workplace whose perigee has a web door: real nginx in front of real perigeed. As root all of it
runs as a user made for the test; else as who runs the test. No test lives here.
"""
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import unittest

from harness import BIN
from test_jobs_cli import Service
from test_jobs_users import drop_user, make_user

ROOT = os.geteuid() == 0
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


def free_port(low=False):
    """A port that nobody listens on; low: one that only root may open. None of those that the system
    gives to whoever connects: one may do so before the port is used."""
    for port in range(601, 1000) if low else random.sample(range(10000, 32000), 100):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return s.getsockname()[1]
    raise unittest.SkipTest("no free port")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


class Door(Service):
    """A workplace whose perigee has a door; `web` and `more` go into its configuration."""
    web = "listen: 127.0.0.1:{port}"
    low = False

    @classmethod
    def prepare(cls):
        if not NGINX:
            raise unittest.SkipTest("nginx is not installed")
        cls.user = None
        if ROOT:
            if not shutil.which("useradd"):
                raise unittest.SkipTest("no useradd")
            cls.user = f"perif{os.getpid() % 100000}"
            make_user(cls.user, cls.w.path)
            cls.addClassCleanup(drop_user, cls.user)  # after `down`
        super().prepare()
        shutil.rmtree(cls.state, ignore_errors=True)
        os.chmod(cls.w.temp, 0o1777)
        if ROOT:
            see = subprocess.run([f"{BIN}/perigee", "--version"], user=cls.user,
                                 capture_output=True, check=False)
            if see.returncode:
                raise unittest.SkipTest(f"SKIP the web door: {BIN} is not the user's to read")
        cls.port = free_port(cls.low)
        cls.configure()
        cls.w.env["PERIGEE_CONFIG"] = cls.w.file("perigee.yaml")
        cls.begin()

    @classmethod
    def begin(cls):
        done = cls.w.run("up")
        assert done.status == 0, done

    @classmethod
    def configure(cls, more="limits: {requests_per_minute: 0}\n", web=None, **values):
        text = f"state: {cls.state}\n{more}"
        if cls.user:
            text += f"user: {cls.user}\n"
        section = (web or cls.web).format(port=cls.port, path=cls.w.path, **values)
        if section:
            text += f"web: {{{section}}}\n"
        cls.w.write("perigee.yaml", text)

    def setUp(self):
        self.addCleanup(self.configure)

    def connect(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, path, method="GET", body=None, headers=None):
        """(status, headers, body) of one request over a connection of its own."""
        c = self.connect()
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        answer = r.status, r.headers, r.read()
        c.close()
        return answer

    def problem(self, status, answer):
        got, headers, body = answer
        self.assertEqual(got, status, body)
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        p = json.loads(body)
        self.assertEqual(p["status"], status)
        self.assertIn("code", p)
        self.assertEqual(p["request"], headers["X-Request-Id"])
        return p

    def master(self):
        with open(f"{self.state}/web/lock", encoding="ascii") as f:
            return int(f.read())

    def log_lines(self):
        with open(f"{self.state}/web/access.log", encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def hammer(self, seconds, act):
        """Requests without a pause, each over a connection of its own, while act() runs;
        what went wrong, and the slowest."""
        wrong, slowest, count = [], [0.0], [0]
        over = threading.Event()

        def work(method, path):
            while not over.is_set():
                start = time.monotonic()
                try:
                    status, _, body = self.ask(path, method, b"{}" if method == "POST" else None)
                    if status >= 500:
                        wrong.append((method, path, status, body))
                except (OSError, http.client.HTTPException) as e:
                    wrong.append((method, path, repr(e)))
                count[0] += 1
                slowest[0] = max(slowest[0], time.monotonic() - start)

        threads = [threading.Thread(target=work, args=a) for a in (
            ("GET", "/api/v1/jobs"), ("POST", "/api/v1/jobs"), ("GET", "/"),
            ("GET", "/api/v1/jobs/1/logs"))]
        for t in threads:
            t.start()
        try:
            time.sleep(seconds)
            act()
            time.sleep(seconds)
        finally:
            over.set()
            for t in threads:
                t.join()
        return wrong, slowest[0], count[0]
