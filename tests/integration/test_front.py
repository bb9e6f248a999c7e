"""The web door in plain HTTP on loopback: pages, the API behind it, files, what clients claim and
overdo, reloads without a lost request, killed parts.
"""
import asyncio
import hashlib
import json
import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import time
import unittest

import harness
import tus
from front_door import ROOT, Door, children, status_of
from test_jobs_cli import until


class Plain(Door):
    """Plain HTTP on loopback."""

    def test_pages(self):
        for path, what in (("/", b"<h1>Perigee</h1>"), ("/api/docs", b"openapi.json"),
                           ("/style.css", b"font"), ("/api/docs/docs.js", b"fetch(")):
            status, headers, body = self.ask(path)
            self.assertEqual(status, 200, path)
            self.assertIn(what, body)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
            self.assertEqual(headers["Referrer-Policy"], "same-origin")
            self.assertNotIn("Strict-Transport-Security", headers)
        status, headers, body = self.ask("/nothing")
        self.assertEqual((status, headers["Content-Type"]), (404, "text/html"))
        self.assertEqual(self.ask("/", "POST")[0], 405)
        for path in ("/_files/x", "/_data/0/x"):
            self.problem(404, self.ask(path))
        for path in ("/../nginx.conf", "/%2e%2e/%2e%2e/nginx.conf", "/api/docs/../../nginx.conf"):
            self.assertIn(self.ask(path)[0], (400, 404), path)

    def test_api(self):
        # Both sockets answer: nobody has signed in.
        for path in ("/api/v1/jobs", "/api/v1/jobs/1/logs", "/api/v1/jobs?archive=zip"):
            _, headers, body = self.ask(path)
            p = self.problem(401, self.ask(path))
            self.assertEqual(p["code"], "unauthenticated")
            self.assertEqual(headers.get_all("X-Request-Id"), [headers["X-Request-Id"]])
            self.assertIn("sandbox", headers["Content-Security-Policy"])
        status, headers, body = self.ask("/api/v1/status")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertIn("version", json.loads(body))

    def test_what_clients_claim(self):
        claims = {"X-Request-Id": "mine", "X-Perigee-Client": "10.1.2.3",
                  "X-Forwarded-Proto": "https", "X-Accel-Redirect": "/_files/x",
                  "X-Forwarded-For": "10.1.2.3"}
        p = self.problem(401, self.ask("/api/v1/jobs", headers=claims))
        self.assertNotEqual(p["request"], "mine")
        # Perigeed counts requests by address: nobody gets more by naming others.
        self.configure(more="limits: {requests_per_minute: 80}\n")
        self.ok("reload")
        self.addCleanup(lambda: (self.configure(), self.ok("reload")))
        seen = [self.ask("/api/v1/status", headers={"X-Perigee-Client": f"10.0.0.{i}"})[0]
                for i in range(60)]
        self.assertIn(429, seen)
        self.assertIn(200, seen)

    def test_other_names(self):
        for host in ("evil.example.org", "evil.example.org:80", "127.0.0.1.evil.example.org"):
            p = self.problem(421, self.ask("/api/v1/status", headers={"Host": host}))
            self.assertIn(f"http://127.0.0.1:{self.port}", p["detail"])
        for host in ("localhost", f"localhost:{self.port}", "127.0.0.1", "[::1]:80"):
            self.assertEqual(self.ask("/api/v1/status", headers={"Host": host})[0], 200, host)

    def test_too_much(self):
        big = b"x" * (9 << 20)
        p = self.problem(413, self.ask("/api/v1/jobs", "POST", big))
        self.assertIn("8 MiB", p["detail"])
        # To the socket for transfers any size may go; there nobody may upload yet.
        self.assertIn(self.ask("/api/v1/uploads", "POST", big[:1])[0], (401, 404))
        self.assertEqual(self.ask("/api/v1/tables/mydb/t?format=csv", "PUT", big)[0], 401)
        self.problem(431, self.ask("/api/v1/jobs", headers={"X-Large": "x" * 20000}))
        self.problem(431, self.ask("/" + "x" * 20000))
        for wrong in (b"GET / x HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
                      b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.port)) as s:
                s.sendall(wrong)
                answer = b""
                while piece := s.recv(4096):
                    answer += piece
            self.assertIn(b"HTTP/1.1 400", answer)
            self.assertIn(b"application/problem+json", answer)

    def test_log(self):
        mark = f"/api/v1/status?token=secret{time.time()}"
        _, headers, _ = self.ask(mark)
        self.ask("/l/secretlink")
        line = until(lambda: [x for x in self.log_lines()
                              if x["request"] == headers["X-Request-Id"]], 5, "its line")[0]
        self.assertEqual((line["path"], line["status"], line["client"], line["method"]),
                         ("/api/v1/status", 200, "127.0.0.1", "GET"))
        until(lambda: any(x["path"] == "/l/*" for x in self.log_lines()), 5, "the link's line")
        with open(f"{self.state}/web/access.log", encoding="utf-8") as f:
            self.assertNotIn("secret", f.read())
        # What is put aside by somebody is opened anew.
        os.rename(f"{self.state}/web/access.log", f"{self.state}/web/access.log.old")
        self.ok("reload")
        until(lambda: os.path.exists(f"{self.state}/web/access.log"), 5, "the new log")
        _, headers, _ = self.ask("/api/v1/status")
        until(lambda: any(x["request"] == headers["X-Request-Id"] for x in self.log_lines()), 5,
              "its line in the new log")

    def test_status(self):
        web = self.status()["web"]
        self.assertEqual((web["wanted"], web["answers"], web["url"]),
                         ("open", True, f"http://127.0.0.1:{self.port}"))
        self.assertIn(web["url"], self.ok("status").out)
        self.assertIn(f"answers at {web['url']}", self.w.run("doctor").out)
        again = self.ok("up").out
        self.assertIn(web["url"], again)
        self.assertNotIn("reload", again)

    def test_files(self):
        """Uploads and downloads of somebody with a token, all through the door."""
        size = 24 << 20
        data = os.urandom(size)
        token = {"Authorization": f"Bearer {self.sign_up('ada')}"}
        status, headers, body = self.ask(
            "/api/v1/uploads", "POST", headers=dict(
                token, **{"Tus-Resumable": "1.0.0", "Upload-Length": str(size),
                          "Upload-Metadata": tus.metadata(volume="persistent", filename="big.bin")}))
        self.assertEqual(status, 201, body)
        place = headers["Location"]
        place = place[place.index("/api/"):]
        # Piece by piece: nginx keeps none of it, so perigeed has the first half at once.
        c = self.connect()
        c.putrequest("PATCH", place)
        for k, v in dict(token, **{"Tus-Resumable": "1.0.0", "Upload-Offset": "0",
                                   "Content-Type": tus.TYPE,
                                   "Content-Length": str(size)}).items():
            c.putheader(k, v)
        c.endheaders()
        c.send(data[:size // 2])
        stored = self.w.file("state", "web", "tmp", "body")
        time.sleep(0.5)
        self.assertEqual([f for _, _, files in os.walk(stored) for f in files], [])
        c.send(data[size // 2:])
        r = c.getresponse()
        self.assertEqual(r.status, 204, r.read())
        c.close()
        path = "/api/v1/files/ada/persistent/big.bin"
        status, headers, body = self.ask(f"{path}?download=1", headers=token)
        self.assertEqual(status, 200, body[:300])
        self.assertTrue(body == data)
        self.assertIn("attachment", headers["Content-Disposition"])
        self.assertIn("sandbox", headers["Content-Security-Policy"])
        self.assertNotIn("X-Accel-Redirect", headers)
        status, headers, body = self.ask(f"{path}?download=1",
                                         headers=dict(token, Range="bytes=1000-1999"))
        self.assertEqual((status, headers["Content-Range"]), (206, f"bytes 1000-1999/{size}"))
        self.assertEqual(body, data[1000:2000])
        status, headers, body = self.ask(f"{path}?checksum=sha256", headers=token)
        self.assertEqual(status, 200, body[:300])
        self.assertIn(hashlib.sha256(data).hexdigest().encode(), body)
        status, headers, body = self.ask("/api/v1/files/ada/persistent?archive=tar",
                                         headers=token)
        self.assertEqual(status, 200, body[:300])
        self.assertIn(data[:4096], body)
        # A download that began goes on over reloads of nginx and perigeed.
        c = self.connect()
        c.request("GET", f"{path}?download=1", headers=token)
        r = c.getresponse()
        got = [r.read(100000)]
        self.configure(web=self.web + ", url: 'http://localhost:{port}'")
        self.assertIn("has the new configuration", self.ok("reload", "--all").out)
        got.append(r.read())
        c.close()
        self.assertTrue(b"".join(got) == data)
        self.configure()
        self.ok("reload")
        # Who is nobody gets nothing, and no other way leads there.
        self.assertEqual(self.ask(f"{path}?download=1")[0], 401)
        with_path = until(lambda: [x for x in self.log_lines() if x["bytes"] > size // 2 and
                                   x["path"] == path], 5, "its line")
        self.assertEqual(with_path[0]["status"], 200)
        # A link that somebody has bent is not followed.
        real = next(os.path.join(d, "big.bin") for d, _, files in os.walk(
            f"{self.state}/volumes") if "big.bin" in files)
        os.rename(real, real + ".away")
        os.symlink("/etc/passwd", real)
        status, _, body = self.ask(f"{path}?download=1", headers=token)
        self.assertGreaterEqual(status, 400)
        self.assertNotIn(b"root:", body)

    def sign_up(self, name):
        """A new account's token: made by this machine's administrator, used through the door."""
        def local(method, path, body):
            out = subprocess.run(
                ["curl", "-sS", "--unix-socket", f"{self.state}/perigeed.sock", "-X", method,
                 "-d", json.dumps(body), f"http://localhost/api/v1{path}"],
                check=True, capture_output=True).stdout
            return json.loads(out)

        secret = "a long enough pass phrase"
        made = local("POST", "/admin/users", {"name": name})
        status, _, body = self.ask("/api/v1/account/reset", "POST", json.dumps(
            {"token": made["token"], "password": secret}))
        self.assertLess(status, 300, body)
        status, headers, body = self.ask("/api/v1/sign-in", "POST", json.dumps(
            {"name": name, "password": secret}))
        self.assertEqual(status, 200, body)
        session = {"Cookie": headers["Set-Cookie"].split(";")[0],
                   "X-CSRF-Token": json.loads(body)["csrf"]}
        status, _, body = self.ask("/api/v1/account/tokens", "POST", json.dumps(
            {"name": "test", "scopes": ["all"], "days": 1}), session)
        self.assertLess(status, 300, body)
        return json.loads(body)["token"]

    @unittest.skipUnless(ROOT, "needs root")
    def test_rights(self):
        uid = str(pwd.getpwnam(self.user).pw_uid)
        master = self.master()
        daemon = self.status()["daemon"]["pid"]
        with open(f"{self.state}/postgres/data/postmaster.pid", encoding="utf-8") as f:
            postgres = int(f.readline())
        for pid in (master, *children(master), daemon, postgres):
            s = status_of(pid)
            self.assertEqual(s["Uid"].split(), [uid] * 4, pid)
            self.assertEqual(s["Groups"].split(), [str(pwd.getpwnam(self.user).pw_gid)])
            for kind in ("CapEff", "CapPrm", "CapAmb"):
                self.assertEqual(int(s[kind], 16), 0, (pid, kind))
            self.assertEqual(s["NoNewPrivs"], "1")
        self.assertEqual(os.stat(f"{self.state}/web").st_mode & 0o777, 0o700)
        self.ok("submit", "--wait", "--", "sh", "-c", f"test $(id -u) = {uid}")

    def test_reload_loses_nothing(self):
        def renew():
            for _ in range(2):
                self.assertIn("renewed", self.ok("reload", "--all").out)
            before = self.status()["daemon"]["pid"]
            self.configure(more="limits: {requests_per_minute: 0}\nkeep_days: 5\n")
            self.assertIn("renewed", self.ok("reload").out)
            self.assertIn("perigeed: unchanged", self.ok("reload").out)
            self.assertEqual(self.status()["daemon"]["pid"], before)
            # nginx, too: another name.
            self.configure(web=self.web + ", url: 'http://localhost:{port}'")
            self.assertIn("web door: http://localhost", self.ok("reload").out)
            self.configure()
            self.ok("reload")

        wrong, slowest, count = self.hammer(0.3, renew)
        print(f"{count} requests during five reloads, the slowest {slowest * 1000:.0f} ms")
        self.assertEqual(wrong, [])
        self.assertGreater(count, 100)

    def test_kept_connection_over_a_handover(self):
        c = self.connect()
        numbers = set()
        for i in range(40):
            if i == 20:
                self.ok("reload", "--all")
            c.request("GET", "/api/v1/status")
            r = c.getresponse()
            self.assertEqual(r.status, 200)
            numbers.add(json.loads(r.read())["pid"])
        c.close()
        self.assertEqual(len(numbers), 1)

    def test_jobs_over_a_handover(self):
        number = self.submit("--", "sh", "-c", "sleep 1; echo done")
        until(lambda: self.job(number)["state"] == "running", what="its start")
        self.ok("reload", "--all")
        self.ok("wait", "-q", number)
        self.assertEqual(self.ok("logs", number).out, "done\n")
        # Children of the one before are no zombies now.
        self.ok("wait", "-q", self.submit("--", "true"))
        daemon = self.status()["daemon"]["pid"]
        until(lambda: not any(status_of(p)["State"].startswith("Z") for p in children(daemon)),
              10, "the end of the zombies")

    def test_wrong_configuration_changes_nothing(self):
        for section, says in (("listen: '0.0.0.0:{port}'", "without a certificate"),
                              ("certificate: {path}/none.pem, key: {path}/none.pem",
                               "none.pem"),
                              ("lisen: x", "lisen")):
            self.configure(web=section)
            done = self.w.run("reload")
            self.assertNotEqual(done.status, 0, done)
            self.assertIn(says, done.err)
            self.assertEqual(len(done.err.strip().split("\n")), 1, done.err)
            self.assertEqual(self.ask("/api/v1/status")[0], 200)
        # A port of somebody else: the door stays where it is, also after a restart.
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.configure(web=f"listen: '127.0.0.1:{s.getsockname()[1]}'")
            done = self.w.run("reload")
            self.assertEqual(done.status, 1)
            self.assertIn("Address already in use", done.err)
            self.assertEqual(self.ask("/api/v1/status")[0], 200)
        self.configure()
        self.assertIn("unchanged", self.ok("reload").out)

    def test_killed_parts_return(self):
        url = self.status()["web"]["url"]
        # The master: its workers go on, and the next one takes their place.
        os.kill(self.master(), signal.SIGKILL)
        self.assertEqual(self.ask("/")[0], 200)
        self.ok("up")
        self.assertEqual(self.ask("/")[0], 200)
        # All of nginx.
        os.killpg(self.master(), signal.SIGKILL)
        done = until(lambda: (lambda d: d if d.status == 1 else None)(self.w.run("status")),
                     10, "the end of nginx")
        self.assertIn("nginx has ended", done.out)
        self.ok("up")
        self.assertEqual(self.status()["web"]["url"], url)
        self.assertEqual(self.ask("/api/v1/status")[0], 200)
        # perigeed.
        os.kill(self.status()["daemon"]["pid"], signal.SIGKILL)
        answer = until(lambda: (lambda a: a if a[0] != 200 else None)(
            self.ask("/api/v1/status")), 5, "the end of perigeed")
        p = self.problem(503, answer)
        self.assertEqual(p["code"], "unavailable")
        self.assertGreater(int(answer[1]["Retry-After"]), 0)
        self.assertEqual(self.ask("/")[0], 200)
        # What nginx complains of has no request in it.
        for path in ("/l/secretlink", "/api/v1/account/reset?token=secrettoken"):
            self.assertEqual(self.ask(path)[0], 503)
        with open(f"{self.state}/web/error.log", encoding="utf-8") as f:
            self.assertNotIn("secret", f.read())
        self.ok("up")
        self.assertEqual(self.ask("/api/v1/status")[0], 200)

    def test_many_and_slow(self):
        asyncio.run(self.crowd())

    async def crowd(self, idle=1000, busy=100, slow=200):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        head = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"

        def memory():
            nginx = sum(int(status_of(p)["VmRSS"].split()[0]) for p in children(self.master()))
            return nginx, int(status_of(self.status()["daemon"]["pid"])["VmRSS"].split()[0])

        async def ask(reader, writer):
            writer.write(head)
            status = (await reader.readuntil(b"\r\n\r\n")).decode()
            await reader.readexactly(int(re.search(r"Content-Length: (\d+)", status)[1]))
            self.assertTrue(status.startswith("HTTP/1.1 200"), status)

        def connect():
            return asyncio.open_connection("127.0.0.1", self.port)

        before = memory()
        crowd = [await connect() for _ in range(idle)]
        for at in range(0, idle, 50):
            await asyncio.gather(*(ask(*c) for c in crowd[at:at + 50]))
        after = memory()
        print(f"{idle} idle connections: nginx {(after[0] - before[0]) / idle:.2f} KiB each, "
              f"perigeed {(after[1] - before[1]) / idle:.2f} KiB each (all of it "
              f"{after[0] / 1024:.0f} and {after[1] / 1024:.0f} MiB)")
        # Who never ends his request.
        slows = [await connect() for _ in range(slow)]
        for i, (_, writer) in enumerate(slows):
            writer.write(b"GET /api/v1/sta" if i % 2 else
                         b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                         b"Content-Length: 1000\r\n\r\n{")
        workers = [await connect() for _ in range(busy)]
        times = []

        async def work(connection):
            for _ in range(10):
                start = time.monotonic()
                await asyncio.wait_for(ask(*connection), 20)
                times.append(time.monotonic() - start)

        await asyncio.gather(*(work(c) for c in workers))
        times.sort()
        print(f"{busy} busy ones beside {slow} slow ones: median {times[len(times) // 2] * 1e3:.0f}"
              f" ms, 99 % below {times[len(times) * 99 // 100] * 1e3:.0f} ms")
        self.assertEqual(len(times), 10 * busy)
        # All who were idle are still there.
        for at in range(0, idle, 100):
            await asyncio.gather(*(ask(*c) for c in crowd[at:at + 100]))
        for _, writer in crowd + slows + workers:
            writer.close()
        self.assertLess((after[0] - before[0]) / idle, 16)
        self.assertLess((after[1] - before[1]) / idle, 16)


if __name__ == "__main__":
    harness.main()
