"""The command as the client of a portal: sign-up, login, tokens, storage, teams, sharing, links and
accounts, through the real nginx, perigeed and PostgreSQL. Each user has a configuration folder of
her own, as on a machine of her own.
"""
import json
import os
import pty
import re
import select
import shlex
import shutil
import socket
import stat
import subprocess
import threading
import time
import unittest
import zipfile

import harness
from front_door import free_port
from mail_server import certificate
from portal_world import PASSWORD, Portal

CONFIG = """user: root
accounts: {sign_up: open}
"""


class Someone:
    """A person with a home of her own, who has only the portal's address."""

    def __init__(self, world, name):
        self.portal, self.name = world.portal, name
        self.home = world.portal.work.file("home-" + name)
        os.makedirs(self.home, exist_ok=True)
        self.env = dict(world.portal.env, HOME=self.home, XDG_CONFIG_HOME=self.home + "/config",
                        PERIGEE_SOCKET="/nonexistent/perigeed.sock", USER=name)
        for var in ("PERIGEE_STATE", "PERIGEE_CONFIG"):
            self.env.pop(var)
        # A login is to be found before the socket: as if there were no perigee here at all.
        del self.env["PERIGEE_SOCKET"]
        self.env["PERIGEE_STATE"] = self.home + "/state"

    def run(self, *words, stdin=None, env=None, timeout=60):
        p = subprocess.run([f"{harness.BIN}/perigee", *map(str, words)], text=True, cwd=self.home,
                           env=dict(self.env, **(env or {})), input=stdin, capture_output=True,
                           timeout=timeout, check=False)
        return harness.Done(p.returncode, p.stdout, p.stderr)

    def ok(self, *words, **more):
        done = self.run(*words, **more)
        assert done.status == 0, f"{self.name}: {words}: {done}"
        return done.out

    def json(self, *words):
        return json.loads(self.ok(*words, "--json"))

    def fails(self, status, text, *words, **more):
        done = self.run(*words, **more)
        assert done.status == status and re.search(text, done.err), f"{words}: {done}"
        return done.err

    @property
    def logins(self):
        return self.home + "/config/perigee/portals.json"


class PortalCli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise unittest.SkipTest("nginx is not installed")
        cls.portal = Portal(CONFIG)
        shelf = cls.portal.work.file("shelf")
        os.mkdir(shelf)
        with open(shelf + "/tng.yaml", "w", encoding="utf-8") as f:
            f.write(f"name: tng\ntitle: halo mass and more\nroot: {harness.EXAMPLE}\ntables:\n"
                    "  groups: {files: 'groups_023/*.hdf5', path: /Group}\n")
        with open(cls.portal.config, "a", encoding="utf-8") as f:
            f.write(f"datasets: [{shelf}]\n")
        cls.portal.up()
        cls.addClassCleanup(cls.portal.close)
        cls.url = json.loads(cls.portal.run("status", "--json").out)["web"]["url"]

    def newcomer(self, name):
        """Signs up and logs in."""
        p = Someone(self, name)
        p.ok("signup", "--name", name, "--email", f"{name}@example.org", "--stdin", self.url,
             stdin=PASSWORD + "\n")
        p.ok("login", "--name", name, "--stdin", self.url, stdin=PASSWORD + "\n")
        return p

    def test_login(self):
        ana = Someone(self, "ann")
        ana.fails(1, "not logged in", "--portal", self.url, "whoami")
        ana.fails(1, "wrong", "login", "--name", "ann", "--stdin", self.url, stdin="nothing\n")
        ana.fails(2, "does not name a portal", "login", "http://example.org")
        ana.fails(2, "needs a portal's URL", "login")
        self.assertFalse(os.path.exists(ana.logins))
        ana = self.newcomer("ann")
        self.assertEqual(stat.S_IMODE(os.stat(ana.logins).st_mode), 0o600)
        self.assertNotIn(PASSWORD, harness.text_of(ana.logins))
        self.assertRegex(ana.ok("whoami"), r"(?s)ann\n.*90 days left.*persistent: 0 B of ")
        self.assertEqual(ana.json("whoami")["name"], "ann")
        # Again: the old token is of no use any more.
        old = json.loads(harness.text_of(ana.logins))["portals"][self.url]["token"]
        ana.ok("login", "--name", "ann", "--stdin", self.url, stdin=PASSWORD + "\n")
        ana.fails(1, "perigee login", "whoami", env={"PERIGEE_TOKEN": old})
        os.chmod(ana.logins, 0o644)
        ana.fails(1, "others can read", "whoami")
        os.chmod(ana.logins, 0o600)
        now = json.loads(harness.text_of(ana.logins))["portals"][self.url]["token"]
        ana.ok("logout")
        ana.fails(1, "not logged in", "logout")
        ana.fails(1, "401|token|logged in", "--portal", self.url, "whoami",
                  env={"PERIGEE_TOKEN": now})

    def test_login_on_a_terminal(self):
        """It asks, and shows no password; Ctrl-C leaves the terminal as it was."""
        tia = self.newcomer("tia")
        tia.ok("logout")
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(f"{harness.BIN}/perigee", ["perigee", "login", self.url], tia.env)
        shown = ""
        for question, answer in (("name [tia]: ", "\n"), ("password: ", PASSWORD + "\n")):
            shown += self.read_until(fd, question)
            os.write(fd, answer.encode())
        shown += self.read_until(fd, "logged in to")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(fd)
        self.assertNotIn(PASSWORD, shown)

    def read_until(self, fd, text, seconds=20):
        got, end = "", time.monotonic() + seconds
        while text not in got and time.monotonic() < end:
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    got += os.read(fd, 4096).decode()
                except OSError:
                    break
        self.assertIn(text, got)
        return got

    def test_token_and_password(self):
        tom = self.newcomer("tom")
        token = tom.ok("token", "create", "nightly", "--scope", "files:read,jobs:write", "--for",
                       "30d", "--stdin", stdin=PASSWORD + "\n").strip()
        self.assertRegex(token, "^pgt_")
        rows = {t["name"]: t for t in tom.json("token", "ls")}
        self.assertEqual(rows["nightly"]["scopes"], ["files:read", "jobs:write"])
        program = Someone(self, "program")
        env = {"PERIGEE_PORTAL": self.url, "PERIGEE_TOKEN": token}
        program.fails(1, "scope", "team", "ls", env=env)
        program.ok("token", "--help", env=env)
        tom.ok("token", "revoke", rows["nightly"]["id"])
        program.fails(1, "perigee login", "team", "ls", env=env)
        # A program's token in a file.
        made = tom.ok("token", "create", "file", "--stdin", stdin=PASSWORD + "\n")
        with open(program.home + "/token", "w", encoding="utf-8") as f:
            f.write(made)
        program.ok("login", "--token-file", "token", self.url)
        self.assertEqual(program.json("whoami")["name"], "tom")
        program.ok("logout")
        program.fails(1, "perigee login", "whoami", env={"PERIGEE_PORTAL": self.url,
                                                         "PERIGEE_TOKEN": made.strip()})
        tom.ok("password", "--stdin", stdin=f"{PASSWORD}\n{PASSWORD} new\n")
        tom.fails(1, "wrong", "password", "--stdin", stdin=f"{PASSWORD}\nanother pass phrase\n")
        tom.ok("whoami")
        # Forgotten: an administrator gives a code.
        line = self.portal.run("user", "link", "tom").out
        self.assertIn(self.url, line)
        tom.ok(*line.split()[1:], "--stdin", stdin=PASSWORD + "\n")
        code = self.portal.run("user", "link", "tom").out.split()[-1]
        done = self.portal.run("password", "--link", code, "--stdin", stdin=PASSWORD + "\n")
        self.assertEqual(done.status, 0, done)
        tom.ok("login", "--name", "tom", "--stdin", self.url, stdin=PASSWORD + "\n")

    def test_storage(self):
        sue = self.newcomer("sue")
        self.assertRegex(sue.ok("ls"), r"persistent: +persistent +0 B +10\.0 GB +\[\.+\] +0 %")
        self.assertIn("scratch:", sue.ok("df"))
        sue.ok("mkdir", "-p", "persistent:halos/run 7", "persistent:halos/run8")
        sue.fails(1, "already", "mkdir", "persistent:halos/run8")
        text = sue.home + "/a.txt"
        with open(text, "w", encoding="utf-8") as f:
            f.write("some text\n" * 100)
        sue.ok("cp", text, "persistent:halos/run 7/a.txt")
        self.assertEqual(sue.ok("ls", "persistent:halos"), "run 7/\nrun8/\n")
        self.assertEqual(sue.ok("ls", "-r", "persistent:halos"), "run8/\nrun 7/\n")
        self.assertRegex(sue.ok("ls", "-l", "persistent:halos/run 7"), r"1\.0 kB .* a\.txt")
        entry, = sue.json("ls", "persistent:halos/run 7")
        self.assertEqual((entry["name"], entry["size"]), ("a.txt", 1000))
        self.assertEqual(sue.ok("cat", "persistent:halos/run 7/a.txt"), "some text\n" * 100)
        sue.fails(2, "is a folder", "cat", "persistent:halos/run8")
        sue.ok("mv", "persistent:halos/run 7/a.txt", "persistent:halos/run8/b.txt")
        sue.ok("mv", "persistent:halos/run8/b.txt", "scratch:")
        self.assertRegex(sue.ok("ls", "-l", "scratch:"), "EXPIRES")
        sue.fails(1, "", "mv", "persistent:none", "persistent:other")
        sue.fails(2, "one only", "mv", "scratch:b.txt", "scratch:c.txt", "persistent:file")
        sue.ok("rm", "scratch:b.txt")
        sue.fails(1, "", "cat", "scratch:b.txt")
        self.assertIn("b.txt", sue.ok("trash", "ls", "scratch"))
        sue.ok("trash", "restore", "scratch", "b.txt")
        sue.ok("cat", "scratch:b.txt")
        sue.ok("rm", "--forever", "scratch:b.txt")
        sue.ok("rm", "persistent:halos")
        self.assertEqual(sue.json("trash", "ls")[0]["path"], "halos")
        sue.ok("trash", "empty", "persistent", "--yes")
        self.assertEqual(sue.json("trash", "ls"), [])
        sue.ok("volume", "create", "run7", "--about", "Halos")
        sue.ok("mkdir", "run7:x")
        sue.ok("volume", "edit", "run7", "--name", "run8")
        self.assertIn("run8:", sue.ok("ls"))
        sue.fails(1, "", "volume", "create", "persistent")
        sue.fails(2, "without a path", "volume", "delete", "run8:x", "--yes")
        sue.ok("volume", "delete", "run8", "--yes")
        self.assertNotIn("run8:", sue.ok("ls"))
        sue.fails(1, "", "volume", "delete", "persistent", "--yes")
        sue.fails(2, "VOLUME:PATH", "rm", "halos")
        sue.fails(2, r'"\.\."', "rm", "persistent:../x")
        sue.fails(1, "", "ls", "nobody/persistent:")
        sue.fails(2, "not the volume", "rm", "persistent:")

    def test_teams_and_sharing(self):
        uma, vic = self.newcomer("uma"), self.newcomer("vic")
        uma.ok("team", "create", "cosmo", "--title", "Cosmology", "--about", "of large scales")
        uma.ok("team", "invite", "cosmo", "vic")
        self.assertRegex(vic.ok("team", "ls"), "cosmo +invited")
        vic.ok("team", "decline", "cosmo")
        uma.ok("team", "invite", "cosmo", "vic", "--role", "admin")
        vic.ok("team", "accept", "cosmo")
        self.assertEqual({m["account"]: m["role"] for m in vic.json("team", "show", "cosmo")["members"]},
                         {"uma": "owner", "vic": "admin"})
        uma.ok("team", "role", "cosmo", "vic", "member")
        vic.fails(1, "", "team", "invite", "cosmo", "uma")
        uma.ok("mkdir", "persistent:halos")
        with open(uma.home + "/x.txt", "w", encoding="utf-8") as f:
            f.write("12 halos\n")
        uma.ok("cp", "x.txt", "persistent:halos/x.txt")
        vic.fails(1, "", "cat", "uma/persistent:halos/x.txt")
        uma.ok("share", "persistent:halos", "--with", "team:cosmo", "--read")
        self.assertEqual(vic.ok("cat", "uma/persistent:halos/x.txt"), "12 halos\n")
        vic.fails(1, "", "mkdir", "uma/persistent:halos/mine")
        self.assertRegex(uma.ok("share", "ls"), r"persistent:halos +team:cosmo +see,read")
        self.assertRegex(vic.ok("share", "ls", "--with-me"), r"uma/persistent:halos +uma ")
        url = uma.ok("link", "persistent:halos/x.txt", "--for", "2d").strip()
        got = subprocess.run(["curl", "-sf", url], capture_output=True, text=True, check=True)
        self.assertEqual(got.stdout, "12 halos\n")
        link, = uma.json("link", "ls")
        self.assertEqual(link["uses"], 1)
        uma.ok("link", "revoke", link["id"])
        self.assertNotEqual(subprocess.run(["curl", "-sf", url], capture_output=True,
                                           check=False).returncode, 0)
        vic.ok("team", "leave", "cosmo")
        vic.fails(1, "", "cat", "uma/persistent:halos/x.txt")
        uma.ok("share", "persistent:halos", "--with", "vic", "--write", "--until", "2d")
        vic.ok("mkdir", "uma/persistent:halos/mine")
        uma.ok("unshare", "persistent:halos", "--with", "vic")
        vic.fails(1, "", "ls", "uma/persistent:halos")
        uma.fails(1, "not shared", "unshare", "persistent:halos", "--with", "vic")
        uma.fails(2, "needs --with", "share", "persistent:halos")
        uma.ok("team", "delete", "cosmo", "--yes")
        self.assertEqual(uma.json("team", "ls"), [])

    def test_jobs(self):
        wes, xan = self.newcomer("wes"), self.newcomer("xan")
        number = wes.ok("submit", "-q", "SELECT 42 AS answer").strip()
        wes.ok("wait", "-q", number, timeout=90)
        self.assertEqual(wes.json("job", number)["state"], "succeeded")
        self.assertIn(number, wes.ok("jobs"))
        wes.ok("logs", number)
        self.assertIn("result.csv", wes.ok("results", number))
        self.assertEqual(wes.ok("results", number, "result.csv"), "answer\n42\n")
        wes.ok("results", "-o", "mine.csv", number, "result.csv")
        self.assertEqual(harness.text_of(wes.home + "/mine.csv"), "answer\n42\n")
        wes.ok("results", "--archive", "zip", "-o", "all.zip", number)
        with zipfile.ZipFile(wes.home + "/all.zip") as z:
            self.assertTrue(any(n.endswith("result.csv") for n in z.namelist()), z.namelist())
        wes.fails(1, "", "results", "-o", "none.csv", number, "none.csv")
        self.assertFalse([n for n in os.listdir(wes.home) if "none" in n])
        wes.fails(1, "cannot write", "results", "-o", "no/folder/x", number, "result.csv")
        xan.fails(1, "", "job", number)
        xan.fails(1, "", "results", number)
        wes.ok("share", f"job:{number}", "--with", "xan")
        xan.ok("job", number)
        xan.fails(1, "", "cancel", number)

    def test_administrators(self):
        machine = self.portal
        self.assertEqual(machine.run("user", "create", "yan").status, 0)
        done = machine.run("user", "quota", "yan", "2TB")
        self.assertEqual(done.status, 0, done)
        users = {u["name"]: u for u in json.loads(machine.run("user", "ls", "--json").out)}
        self.assertEqual(users["yan"]["quota"], 2 * 10**12)
        for words in (("user", "admin", "yan", "yes"), ("admin", "overview"), ("admin", "audit"),
                      ("admin", "approvals"), ("admin", "banner", "Down on Friday"),
                      ("user", "delete", "yan", "--yes")):
            done = machine.run(*words)
            self.assertEqual(done.status, 0, (words, done))
        zoe = self.newcomer("zoe")
        self.assertIn("Down on Friday", zoe.run("login", "--name", "zoe", "--stdin", self.url,
                                                stdin=PASSWORD + "\n").err)
        self.assertEqual(machine.run("admin", "banner", "--clear").status, 0)
        code, url = machine.run("user", "invite", "ida@example.org").out.split()[-2:]
        self.assertEqual(url, self.url)
        Someone(self, "ida").ok("signup", "--name", "ida", "--email", "ida@example.org",
                                "--invitation", code, "--stdin", self.url, stdin=PASSWORD + "\n")
        zoe.fails(1, "", "user", "ls")
        zoe.fails(1, "", "login", "--admin", "--name", "zoe", "--stdin", self.url,
                  stdin=PASSWORD + "\n")

    def test_the_first_hour(self):
        """docs/portal.md: its commands, line by line, as two people."""
        people = {name: Someone(self, name) for name in ("ana", "ben")}
        people["ben"] = self.newcomer("ben")
        with open(people["ana"].home + "/groups.csv", "w", encoding="utf-8") as f:
            f.write("mass,radius\n1,2\n")
        with open(people["ana"].home + "/targets.csv", "w", encoding="utf-8") as f:
            f.write("host,name\n1,m31\n2,m33\n")
        lines = re.findall(r"^(ana|ben)\$ perigee (.+)$",
                           harness.text_of(f"{harness.SOURCE}/docs/portal.md"), re.M)
        self.assertGreater(len(lines), 20)
        end = time.monotonic() + 60
        while people["ben"].run("dataset", "show", "tng").status and time.monotonic() < end:
            time.sleep(0.2)
        for name, line in lines:
            words = shlex.split(line.replace("https://perigee.example.org", self.url))
            asks = words[0] in ("signup", "login") or words[:2] == ["token", "create"]
            with self.subTest(line=line):
                done = people[name].run(*words, *(["--stdin"] if asks else []), timeout=90,
                                        stdin=PASSWORD + "\n" if asks else None)
                self.assertEqual(done.status, 0, done)
                if words[0] == "cat":
                    self.assertIn("42" if "results" in line else "mass,radius", done.out)
        self.assertEqual(harness.text_of(people["ben"].home + "/groups.csv"), "mass,radius\n1,2\n")

    def test_while_it_is_away(self):
        """What may be repeated is, until the portal is back."""
        kim = self.newcomer("kim")
        kim.fails(1, "no portal answers", "cancel", "1", env={
            "PERIGEE_PORTAL": "http://127.0.0.1:9", "PERIGEE_TOKEN": "pgt_none"})
        self.portal.down()
        p = subprocess.Popen([f"{harness.BIN}/perigee", "team", "ls", "--json"], env=kim.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(1.5)
            self.assertIsNone(p.poll(), p.poll() and p.communicate())
            self.portal.up()
            out, err = p.communicate(timeout=60)
        finally:
            p.kill()
        self.assertEqual((p.returncode, json.loads(out or "null")), (0, []), err)
        self.assertIn("does not answer; waiting for it", err)


class Tls(unittest.TestCase):
    """Nothing is told to a portal that does not prove who it is."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise unittest.SkipTest("nginx is not installed")
        cls.portal = Portal(CONFIG)
        cls.addClassCleanup(cls.portal.close)
        port = free_port()
        cls.url = f"https://127.0.0.1:{port}"
        cls.key, cls.cert = certificate(cls.portal.work.path)
        with open(cls.portal.config, "a", encoding="utf-8") as f:
            f.write(f'web: {{listen: "127.0.0.1:{port}", url: "{cls.url}", '
                    f"certificate: {cls.cert}, key: {cls.key}}}\n")
        cls.portal.up()

    def test_trust(self):
        liv = Someone(self, "liv")
        other = certificate(self.portal.work.path, file="other")[1]
        words = ("--name", "liv", "--email", "liv@example.org", "--stdin", self.url)
        liv.fails(1, "does not prove who it is.*--cacert", "signup", *words, stdin=PASSWORD + "\n")
        liv.fails(1, "does not prove", "--cacert", other, "signup", *words, stdin=PASSWORD + "\n")
        liv.fails(1, "does not prove|cannot open|not", "--cacert", "/none", "signup", *words,
                  stdin=PASSWORD + "\n")
        liv.ok("--cacert", self.cert, "signup", *words, stdin=PASSWORD + "\n")
        login = ("login", "--name", "liv", "--stdin", self.url)
        liv.fails(1, "does not prove", *login, stdin=PASSWORD + "\n")
        liv.ok(*login, "--cacert", os.path.relpath(self.cert, liv.home), stdin=PASSWORD + "\n")
        liv.ok("whoami")  # who to trust is kept with the login
        liv.ok("cp", self.cert, "persistent:cert.pem")
        self.assertEqual(liv.ok("cat", "persistent:cert.pem"), harness.text_of(self.cert))
        liv.fails(1, "does not prove", "--cacert", other, "whoami")
        # By another name than that of the certificate.
        named = self.url.replace("127.0.0.1", "localhost")
        liv.fails(1, "does not prove", "--cacert", self.cert, "login", named, "--name", "liv",
                  "--stdin", stdin=PASSWORD + "\n")
        liv.fails(1, "secure connection|broke off", "login", "--name", "liv", "--stdin",
                  self.portal_plain(), stdin=PASSWORD + "\n")
        liv.ok("logout")

    def portal_plain(self):
        """An https address behind which somebody speaks something else."""
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen()
        self.addCleanup(s.close)

        def answer():
            c, _ = s.accept()
            c.sendall(b"220 mail ready\r\n")
            c.close()
        threading.Thread(target=answer, daemon=True).start()
        return f"https://127.0.0.1:{s.getsockname()[1]}"


if __name__ == "__main__":
    harness.main()
