"""The web door with TLS, in the foreground at its default port, and whose everything becomes when
root starts it.
"""
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

import harness
from front_door import ROOT, Door, children, free_port, status_of
from harness import BIN
from test_jobs_cli import MINUTE, processes_of, until


def make_certificate(path, serial, days=30):
    """Certificate and key, both only root's (or ours) to read."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{path}/key.pem",
                    "-out", f"{path}/cert.pem", "-days", str(days), "-set_serial", str(serial),
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    os.chmod(f"{path}/key.pem", 0o600)


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Tls(Door):
    """A certificate; as root on ports that only root may open."""
    low = ROOT
    web = ("listen: '127.0.0.1:{port}', url: 'https://localhost:{port}', redirect: {plain}, "
           "certificate: {path}/cert.pem, key: {path}/key.pem")

    @classmethod
    def configure(cls, **more):
        if not hasattr(cls, "plain"):
            cls.plain = free_port() if not cls.low else cls.port + 1
            make_certificate(cls.w.path, 1)
        super().configure(plain=cls.plain, **more)

    def connect(self, timeout=20, serial=None):
        context = ssl.create_default_context(cafile=self.w.file("cert.pem"))
        c = http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=context)
        c._create_connection = lambda address, *a: socket.create_connection(  # IPv4
            ("127.0.0.1", self.port), *a)
        return c

    def served(self):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            context = ssl._create_unverified_context()
            with context.wrap_socket(s, server_hostname="localhost") as t:
                der = t.getpeercert(True)
        pem = ssl.DER_cert_to_PEM_cert(der)
        out = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem, text=True,
                             capture_output=True, check=True).stdout
        return int(out.strip().split("=")[1], 16)

    def test_tls(self):
        status, headers, _ = self.ask("/api/v1/status")
        self.assertEqual(status, 200)
        self.assertRegex(headers["Strict-Transport-Security"], r"max-age=\d{8}")
        c = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=5)
        c.request("GET", "/a/b?c=d")
        r = c.getresponse()
        self.assertEqual((r.status, r.headers["Location"]),
                         (308, f"https://localhost:{self.port}/a/b?c=d"))
        c.close()
        # Plain HTTP where TLS is spoken.
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        c.request("GET", "/x", headers={"Host": "localhost"})
        self.assertIn(c.getresponse().status, (301, 400))
        c.close()
        for old in ("-tls1", "-tls1_1"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}",
                                   old, "-cipher", "ALL:@SECLEVEL=0"], input="", text=True,
                                  capture_output=True, check=False)
            self.assertNotEqual(done.returncode, 0, old)
            self.assertRegex(done.stderr, "alert|protocol|version")
        for new in ("-tls1_2", "-tls1_3"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}",
                                   new], input="", text=True, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_certificate(self):
        web = self.status()["web"]
        self.assertAlmostEqual(web["certificate_days"], 30, delta=0.1)
        self.assertIn("certificate valid for 30 days", self.ok("status").out)
        self.assertEqual(self.served(), 1)
        make_certificate(self.w.path, 2, days=3)
        self.assertIn("has the new configuration", self.ok("reload").out)
        self.assertEqual(self.served(), 2)
        done = self.w.run("status")
        self.assertEqual(done.status, 1)
        self.assertIn("expires within days", done.out)
        self.assertIn("expires in 3 days", self.w.run("doctor").out)
        # A key that is another one's: refused, and the door goes on with what it has.
        key = self.w.file("key.pem")
        shutil.copy(key, key + ".right")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-out", key], check=True,
                       capture_output=True)
        done = self.w.run("reload")
        self.assertEqual(done.status, 2, done)
        self.assertIn("key values mismatch", done.err)
        self.assertEqual(self.served(), 2)
        os.killpg(self.master(), signal.SIGKILL)
        done = self.w.run("up")
        self.assertIn("key values mismatch", done.err)
        os.replace(key + ".right", key)
        self.ok("up")
        self.assertEqual(self.served(), 2)

    @unittest.skipUnless(ROOT, "needs root")
    def test_low_ports(self):
        self.assertLess(self.port, 1024)
        for pid in (self.master(), *children(self.master())):
            s = status_of(pid)
            self.assertEqual(s["Uid"].split()[0], str(pwd.getpwnam(self.user).pw_uid))
            self.assertEqual(int(s["CapEff"], 16), 1 << 10)  # CAP_NET_BIND_SERVICE
        s = status_of(self.status()["daemon"]["pid"])
        self.assertEqual(int(s["CapEff"], 16) | int(s["CapPrm"], 16) | int(s["CapAmb"], 16), 0)
        copies = [os.stat(f"{self.state}/web/{n}.pem") for n in ("key", "certificate")]
        self.assertEqual([st.st_mode & 0o777 for st in copies], [0o600, 0o600])


class Foreground(Door):
    """`perigee up --foreground`, the default port, and what is started again by itself."""
    web = ""

    @classmethod
    def begin(cls):
        pass

    def begin_here(self):
        p = subprocess.Popen([f"{BIN}/perigee", "up", "--foreground"], env=self.w.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        until(lambda: self.w.run("status").status == 0, 2 * MINUTE, "its start")
        return p

    def test_foreground(self):
        # The first free port of the range is somebody's: the next one is taken, and kept.
        with socket.socket() as taken:
            for port in range(8750, 8790):
                try:
                    taken.bind(("127.0.0.1", port))
                    break
                except OSError:
                    continue
            taken.listen()
            p = self.begin_here()
            url = self.status()["web"]["url"]
            self.assertNotEqual(url, f"http://127.0.0.1:{port}")
            self.assertRegex(url, r"^http://127\.0\.0\.1:87[5-9][0-9]$")
        type(self).port = int(url.rsplit(":", 1)[1])
        before = self.master()
        os.killpg(before, signal.SIGKILL)
        until(lambda: self.master() != before and self.w.run("status").status == 0, 20,
              "the return of nginx")
        before = self.master()
        os.kill(before, signal.SIGKILL)  # its workers stay
        until(lambda: self.master() != before and self.w.run("status").status == 0, 20,
              "the return of nginx' master")
        before = self.status()["daemon"]["pid"]
        os.kill(before, signal.SIGKILL)
        until(lambda: self.w.run("status").status == 0 and
              self.status()["daemon"]["pid"] != before, 20, "the return of perigeed")
        self.ok("reload", "--all")
        self.assertEqual(self.ask("/api/v1/status")[0], 200)
        self.assertIsNone(p.poll())
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(MINUTE), 0)
        self.assertEqual(self.w.run("status").status, 3)
        self.assertEqual(processes_of(self.state), {})
        # The same URL again, though a lower port is free now. Other tests of this machine may
        # have taken it meanwhile.
        with socket.socket() as s:
            taken = s.connect_ex(("127.0.0.1", self.port)) == 0
        p = self.begin_here()
        if not taken:
            self.assertEqual(self.status()["web"]["url"], url)
        # `down` from elsewhere ends it in order.
        self.ok("down")
        self.assertEqual(p.wait(MINUTE), 0)


@unittest.skipUnless(ROOT, "needs root")
class Rights(Door):
    """What root is told, and whose everything becomes."""
    web = ""

    @classmethod
    def begin(cls):
        pass

    def tearDown(self):
        self.ok("down")
        shutil.rmtree(self.state, ignore_errors=True)
        super().tearDown()

    def become(self, user, more=""):
        before = self.user
        type(self).user = user
        self.configure(more)
        type(self).user = before

    def test_nobody_to_become(self):
        try:
            pwd.getpwnam("perigee")
            self.skipTest("SKIP root without a user perigee: this machine has one")
        except KeyError:
            pass
        self.become(None)
        self.assertIn("useradd --system", self.ok("up").out)
        self.assertFalse(os.path.exists(f"{self.state}/web/nginx.conf"))
        self.assertEqual(os.stat(f"{self.state}/perigeed.sock").st_uid, 0)
        self.assertEqual(self.status()["web"]["wanted"], "closed")
        self.assertIn("useradd --system", self.w.run("doctor").out)
        self.assertIn("shut", self.ok("reload").out)

    def test_root_has_looked_before(self):
        self.become(self.user)
        os.mkdir(self.state)
        self.assertEqual(self.w.run("status").status, 3)
        self.assertEqual(os.stat(f"{self.state}/up.lock").st_uid, 0)
        self.assertIn(f"will run all of it as \"{self.user}\"", self.w.run("doctor").out)
        self.ok("up")
        self.assertEqual(os.stat(f"{self.state}/up.lock").st_uid,
                         pwd.getpwnam(self.user).pw_uid)

    def test_converting(self):
        self.become("root")
        self.ok("up")
        self.assertEqual(os.stat(f"{self.state}/perigeed.sock").st_uid, 0)
        self.assertEqual(self.status()["web"]["wanted"], "open")
        self.become("nosuchuserx")
        done = self.w.run("up")
        self.assertEqual(done.status, 1)
        self.assertIn("useradd --system", done.err)
        self.become(self.user)
        done = self.w.run("up")
        self.assertEqual(done.status, 1)
        command = re.search(r"perigee down && (chown -R .*)", done.err)[1]
        self.ok("down")
        subprocess.run(command, shell=True, check=True)
        self.ok("up")
        self.assertEqual(os.stat(f"{self.state}/perigeed.sock").st_uid,
                         pwd.getpwnam(self.user).pw_uid)
        self.assertEqual(self.status()["web"]["wanted"], "open")
        self.ok("submit", "--wait", "--", "true")
        place = self.w.file("backup")
        os.mkdir(place)
        shutil.chown(place, self.user)
        self.ok("backup", "--no-files", place)

    def test_whose_configuration(self):
        self.become(self.user)
        path = self.w.file("perigee.yaml")
        for change, back in ((lambda: shutil.chown(path, self.user), lambda: os.chown(path, 0, 0)),
                             (lambda: os.chmod(path, 0o666), lambda: os.chmod(path, 0o644))):
            change()
            for words in (["up"], ["reload"], ["status"]):
                done = self.w.run(*words)
                self.assertNotEqual(done.status, 0)
                self.assertIn("root does not take it", done.err)
            self.assertFalse(os.path.exists(self.state))
            back()

    def test_users_all(self):
        self.become(self.user, "users: all\n")
        self.assertIn("needs root", self.w.run("up").err)
        self.become(None, "users: all\n")
        self.assertIn("users: all", self.ok("up").out)  # why there is no door
        self.assertEqual(self.status()["web"]["wanted"], "closed")


if __name__ == "__main__":
    harness.main()
