"""Accounts over HTTP: signing up in each mode, signing in, throttles, second factor, tokens, forgery
from other sites, cookies, what ends a session, links by mail (a real SMTP conversation).
"""
import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import re
import socketserver
import statistics
import struct
import threading
import time

import harness
import portal_world
from portal_world import PASSWORD, Person

OTHER = "quite another pass phrase"


# So that the web door opens on a machine without an account for it.
RIGHTS = "user: root\n" if os.geteuid() == 0 else ""


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it is given: (recipient, text)."""
    allow_reuse_address = daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 test\r\n")
            to, data = [], None
            for line in self.rfile:
                word = line.strip().upper()
                if data is not None:
                    if line == b".\r\n":
                        text = b"".join(data).decode()
                        with self.server.arrived:
                            self.server.mails += [(r, text) for r in to]
                            self.server.arrived.notify_all()
                        data, to = None, []
                        self.wfile.write(b"250 kept\r\n")
                    else:
                        data.append(line)
                elif word.startswith(b"RCPT TO:"):
                    to.append(re.search(r"<(.*)>", line.decode())[1])
                    self.wfile.write(b"250 ok\r\n")
                elif word == b"DATA":
                    data = []
                    self.wfile.write(b"354 go on\r\n")
                elif word == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Mailbox.Handler)
        self.mails, self.arrived = [], threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait(self, to, seconds=30):
        """The text of the next mail to an address; each is given once."""
        with self.arrived:
            found = self.arrived.wait_for(
                lambda: next((m for m in self.mails if m[0] == to), None), seconds)
            assert found, f"no mail to {to}; there are {self.mails}"
            self.mails.remove(found)
        return re.sub(r"=\r?\n", "", found[1]).replace("=3D", "=")

    def secret(self, to):
        return re.search(r"pgo_[0-9A-Za-z]{49}", self.wait(to))[0]


def code(secret, at=None):
    """RFC 6238, written anew."""
    key = base64.b32decode(secret)
    mac = hmac.new(key, struct.pack(">Q", int((at or time.time()) // 30)), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10**6:06d}"


class Browser(Person):
    """Keeps cookies, as a browser does, and the CSRF token, as our pages do."""

    def __init__(self, portal, client="192.0.2.1", https=False):
        super().__init__(portal)
        self.client, self.https, self.cookies, self.csrf = client, https, {}, None

    def ask(self, method, path, body=None, headers=None, **more):
        h = {"X-Perigee-Client": self.client, "User-Agent": "test"}
        if self.https:
            h["X-Forwarded-Proto"] = "https"
        if self.cookies:
            h["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if self.csrf:
            h["X-CSRF-Token"] = self.csrf
        a = super().ask(method, path, body, {**h, **(headers or {})}, **more)
        for line in a.headers.get_all("Set-Cookie", []):
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        if path == "/sign-in" and a.status == 200:
            self.csrf = a.json["csrf"]
        return a

    def delete(self, path, body=None, **more):
        return self.ask("DELETE", path, body, **more)

    def sign_in(self, name, password=PASSWORD, **more):
        return self.post("/sign-in", {"name": name, "password": password, **more})


class Accounts(harness.unittest.TestCase):
    config = ""

    @classmethod
    def setUpClass(cls):
        cls.portal = portal_world.Portal(RIGHTS + cls.config)
        cls.addClassCleanup(cls.portal.close)
        cls.portal.up()

    def browser(self, **more):
        return Browser(self.portal, **more)

    def status(self, answer, status, word=None):
        self.assertEqual(answer.status, status, answer.body)
        if status >= 400 and answer.json is not None:
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
            self.assertGreater(len(answer.json["detail"]), 15)
            if word:
                self.assertEqual(answer.json["code"], word)
        return answer

    def sign_up(self, name, **more):
        return self.browser().post("/account/sign-up",
                                   {"name": name, "password": PASSWORD, **more})

    def member(self, name, **more):
        """Somebody who has signed up and signed in."""
        self.status(self.sign_up(name), 201)
        b = self.browser(**more)
        self.status(b.sign_in(name), 200)
        return b


class Open(Accounts):
    config = "accounts: {sign_up: open}\nlimits: {requests_per_minute: 0}\n"

    def test_sign_up(self):
        made = self.status(self.sign_up("ana", full_name="Ana María", email="a@example.org"), 201)
        self.assertEqual(made.json, {"name": "ana", "state": "active"})
        self.status(self.sign_up("Ana"), 400)
        self.status(self.sign_up("root"), 400)
        self.status(self.sign_up("../x"), 400)
        self.status(self.sign_up("ana"), 409, "conflict")
        for bad in ("short", "password123", "bob-the-builder", "aaaaaaaaaaaaaa"):
            a = self.browser().post("/account/sign-up",
                                    {"name": "bob-the-builder", "password": bad})
            self.assertIn("password", self.status(a, 400, "invalid").json["detail"])
        for body in ({"name": "bob"}, {"password": PASSWORD}, [], "{", "",
                     {"name": "bob", "password": PASSWORD, "admin": True},
                     {"name": 7, "password": PASSWORD}, {"name": "bob", "password": ["x"]},
                     {"name": "bob", "password": PASSWORD, "email": "x@y\r\nBcc: z@z.org"}):
            self.status(self.browser().post("/account/sign-up", body), 400)
        b = self.browser()
        a = self.status(b.sign_in("ana"), 200)
        self.assertEqual(a.json["name"], "ana")
        me = b.ok("GET", "/account")
        self.assertEqual((me["full_name"], me["email"], me["door"], me["admin"]),
                         ("Ana María", None, "session", False))

    def test_cookie(self):
        self.status(self.sign_up("cook"), 201)
        for https, name in ((False, "perigee_session"), (True, "__Host-perigee")):
            b = self.browser(https=https)
            line = self.status(b.sign_in("cook"), 200).headers["Set-Cookie"]
            parts = [p.strip() for p in line.split(";")]
            self.assertTrue(parts[0].startswith(name + "=pgs_"), line)
            self.assertEqual(https, "Secure" in parts)
            for flag in ("HttpOnly", "SameSite=Lax", "Path=/"):
                self.assertIn(flag, parts)
            self.assertFalse([p for p in parts if p.lower().startswith("domain")])
            self.status(b.get("/account"), 200)
        # A cookie for plain HTTP is none over TLS: another host could have set it.
        b.cookies = {"perigee_session": b.cookies["__Host-perigee"]}
        self.status(b.get("/account"), 401)
        for value in ("", "x", "pgs_" + "a" * 49, "pgt_" + "a" * 49, "a" * 4000):
            b.cookies = {"__Host-perigee": value}
            self.status(b.get("/account"), 401)

    def test_wrong_and_throttled(self):
        self.status(self.sign_up("victim"), 201)
        home = self.browser(client="198.51.100.7")
        self.status(home.sign_in("victim"), 200)
        wrong = self.status(self.browser().sign_in("victim", "not her password"), 401)
        nobody = self.status(self.browser().sign_in("nobody-at-all", "not her password"), 401)
        self.assertEqual(wrong.json["detail"], nobody.json["detail"])
        ends = []
        for i in range(12):
            a = self.browser(client=f"203.0.113.{i}").sign_in("victim", "a guess of somebody")
            ends.append(a.status)
        self.assertEqual(set(ends[:6]), {401})
        self.assertEqual(ends[-1], 429, ends)
        self.assertGreaterEqual(int(a.headers["Retry-After"]), 1)
        # Even the right password; but not from where she was before, nor with her session.
        self.status(self.browser(client="203.0.113.99").sign_in("victim"), 429, "limited")
        self.status(self.browser(client="198.51.100.7").sign_in("victim"), 200)
        home.client = "203.0.113.98"
        self.status(home.sign_in("victim"), 200)
        admin = self.portal.machine
        log = admin.ok("GET", "/admin/audit?limit=200")["audit"]
        seen = [(e["ok"], e["client"]) for e in log if e["action"] == "sign-in"]
        self.assertIn((True, "198.51.100.7"), seen)
        self.assertIn((False, "203.0.113.0"), seen)
        self.assertNotIn("guess", str(log))

    def test_csrf(self):
        b = self.member("cs")
        good = b.csrf
        for bad in (None, "", good[:-1], good[:-1] + "x", "0" * len(good)):
            b.csrf = bad
            a = self.status(b.patch("/account", {"full_name": "forged"}), 403, "csrf")
            self.status(b.delete("/account"), 403, "csrf")
            self.status(b.post("/sign-out"), 403, "csrf")
        self.assertIn("X-CSRF-Token", a.json["detail"])
        self.assertEqual(b.ok("GET", "/account")["full_name"], "")
        other = self.member("cs-two")
        b.csrf = other.csrf  # somebody else's
        self.status(b.patch("/account", {"full_name": "forged"}), 403, "csrf")
        b.csrf = b.ok("GET", "/account")["csrf"]
        self.assertEqual(b.csrf, good)
        self.status(b.patch("/account", {"full_name": "Mine"}), 200)
        # Signing somebody in from elsewhere; with all that a form can send.
        forged = {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
        self.status(self.browser().post("/sign-in", {"name": "cs", "password": PASSWORD},
                                        headers=forged), 403, "csrf")

    def test_session_fixation(self):
        self.status(self.sign_up("fix"), 201)
        b = self.browser()
        b.cookies = {"perigee_session": "pgs_" + "A" * 49}
        self.status(b.sign_in("fix"), 200)
        first = b.cookies["perigee_session"]
        self.assertNotEqual(first, "pgs_" + "A" * 49)
        # Who signs in again gets another secret, and the one before is over.
        self.status(b.sign_in("fix"), 200)
        self.assertNotEqual(b.cookies["perigee_session"], first)
        old = self.browser()
        old.cookies = {"perigee_session": first}
        self.status(old.get("/account"), 401)

    def test_sessions(self):
        one, two = self.member("ses"), self.browser(client="2001:db8::5")
        self.status(two.sign_in("ses"), 200)
        rows = one.ok("GET", "/account/sessions")["sessions"]
        self.assertEqual(len(rows), 2)
        self.assertEqual({r["client"] for r in rows}, {"192.0.2.1", "2001:db8::5"})
        self.assertEqual([r["client"] for r in rows if r["current"]], ["192.0.2.1"])
        other = next(r["id"] for r in rows if not r["current"])
        stranger = self.member("ses-stranger")
        self.status(stranger.delete(f"/account/sessions/{other}"), 404)
        self.status(one.delete(f"/account/sessions/{other}"), 204)
        self.status(two.get("/account"), 401)
        for bad in ("0", "-1", "x", "99999999999999999999", other):
            self.status(one.delete(f"/account/sessions/{bad}"), 404)
        self.status(two.sign_in("ses"), 200)
        self.status(one.delete("/account/sessions"), 204)
        self.status(two.get("/account"), 401)
        saved = dict(one.cookies)
        self.status(one.post("/sign-out"), 204)
        self.assertEqual(one.cookies, {})
        one.cookies = saved
        self.status(one.get("/account"), 401)

    def test_password_change(self):
        one, two = self.member("pass"), self.browser()
        self.status(two.sign_in("pass"), 200)
        self.status(one.post("/account/password", {"old": "wrong", "new": OTHER}), 403)
        self.status(one.post("/account/password", {"new": OTHER}), 403)
        self.status(one.post("/account/password", {"old": PASSWORD, "new": "short"}), 400)
        self.status(one.post("/account/password", {"old": PASSWORD, "new": OTHER}), 204)
        self.status(one.get("/account"), 200)
        self.status(two.get("/account"), 401)
        self.status(two.sign_in("pass"), 401)
        self.status(two.sign_in("pass", OTHER), 200)

    def test_tokens(self):
        b = self.member("tok")
        made = self.status(b.post("/account/tokens", {
            "name": "laptop", "scopes": ["account:read", "files:read"], "days": 2}), 201).json
        self.assertRegex(made["token"], r"^pgt_[0-9A-Za-z]{49}$")
        self.assertAlmostEqual(made["expires"], time.time() + 2 * 86400, delta=60)
        program = Person(self.portal, token=made["token"])
        me = program.ok("GET", "/account")
        self.assertEqual((me["door"], sorted(me["scopes"])), ("token", ["account:read", "files:read"]))
        self.assertNotIn("csrf", me)
        self.assertEqual(me["token"], {"id": made["id"], "expires": made["expires"]})
        a = self.status(program.patch("/account", {"full_name": "x"}), 403, "denied")
        self.assertIn("account:write", a.json["detail"])
        self.status(program.get("/jobs"), 403)
        listed = b.ok("GET", "/account/tokens")["tokens"]
        self.assertEqual([t["name"] for t in listed], ["laptop"])
        self.assertIsNotNone(listed[0]["used"])
        self.assertNotIn(made["token"], str(listed))
        for bad in ({"name": "x", "scopes": ["all"]}, {"name": "x", "scopes": ["all"], "days": 0},
                    {"name": "x", "scopes": ["all"], "days": 367}, {"scopes": ["all"], "days": 1},
                    {"name": "x", "scopes": [], "days": 1}, {"name": "x", "scopes": "all", "days": 1},
                    {"name": "x", "scopes": ["files"], "days": 1}):
            self.status(b.post("/account/tokens", bad), 400)
        self.status(b.post("/account/tokens", {"name": "x", "scopes": ["admin"], "days": 1}), 403)
        # With a token one neither makes tokens nor takes the account over.
        strong = b.ok("POST", "/account/tokens", {"name": "all", "scopes": ["all"], "days": 1})
        program = Person(self.portal, token=strong["token"])
        self.status(program.patch("/account", {"full_name": "By Program"}), 200)
        self.status(program.post("/account/tokens", {"name": "x", "scopes": ["sql"], "days": 1}), 403)
        weak = b.ok("POST", "/account/tokens", {"name": "w", "scopes": ["sql"], "days": 1})
        program_weak = Person(self.portal, token=weak["token"])
        me = program_weak.ok("GET", "/account")
        self.assertEqual(sorted(me), ["door", "name", "scopes", "token"])
        self.assertEqual((me["name"], me["scopes"]), ("tok", ["sql"]))
        self.status(program_weak.delete(f"/account/tokens/{strong['id']}"), 403)
        self.status(program_weak.delete(f"/account/tokens/{weak['id']}"), 204)  # its own
        self.status(program.post("/account/password", {"old": PASSWORD, "new": OTHER}), 403)
        self.status(program.post("/account/totp"), 403)
        self.status(program.patch("/account", {"email": "x@example.org"}), 403)
        self.status(program.ask("DELETE", "/account", {"password": PASSWORD}), 403)
        for bad in ("", "x", made["token"][:-1], made["token"][:-1] + "-", "pgt_" + "a" * 49,
                    b.cookies["perigee_session"]):
            self.status(Person(self.portal, token=bad or " ").get("/account"), 401)
        self.status(Person(self.portal).get("/account", headers={"Authorization": "Basic eDp5"}), 401)
        stranger = self.member("tok-stranger")
        self.status(stranger.delete(f"/account/tokens/{strong['id']}"), 404)
        self.status(b.delete(f"/account/tokens/{strong['id']}"), 204)
        a = self.status(program.get("/account"), 401, "unauthenticated")
        self.assertIn("revoked", a.json["detail"])

    def test_second_factor(self):
        b = self.member("two")
        self.status(b.put("/account/totp", {"code": "123456"}), 409)
        made = self.status(b.post("/account/totp"), 201).json
        self.assertIn(f"secret={made['secret']}", made["uri"])
        self.status(b.put("/account/totp", {"code": "12345"}), 400)
        now = code(made["secret"])
        recovery = self.status(b.put("/account/totp", {"code": now}), 200).json["recovery"]
        self.assertEqual(len(set(recovery)), 10)
        self.assertTrue(b.ok("GET", "/account")["second_factor"])
        self.status(b.post("/account/totp"), 409)
        c = self.browser()
        self.status(c.sign_in("two"), 401, "code_needed")
        self.assertEqual(c.cookies, {})
        self.status(c.sign_in("two", OTHER), 401, "unauthenticated")
        self.status(c.sign_in("two", code=now), 401, "unauthenticated")  # used
        later = code(made["secret"], time.time() + 30)
        self.status(c.sign_in("two", code=later), 200)
        self.status(c.sign_in("two", code=later), 401)
        self.status(c.sign_in("two", code=recovery[0]), 200)
        self.status(c.sign_in("two", code=recovery[0]), 401)
        self.status(c.sign_in("two", code=recovery[1].upper().replace("-", " ")), 200)
        self.assertEqual(c.ok("GET", "/account")["recovery_codes"], 8)
        self.status(c.delete("/account/totp", {"password": "wrong"}), 403)
        self.status(c.delete("/account/totp", {"password": PASSWORD}), 204)
        self.status(self.browser().sign_in("two"), 200)

    def test_edit(self):
        b = self.member("edit")
        a = self.status(b.get("/account"), 200)
        tag = a.headers["ETag"]
        self.status(b.get("/account", headers={"If-None-Match": tag}), 304)
        self.status(b.patch("/account", {"full_name": "One", "settings": {"theme": "dark"}},
                            headers={"If-Match": tag}), 200)
        self.status(b.patch("/account", {"full_name": "Two"}, headers={"If-Match": tag}), 412)
        me = b.ok("GET", "/account")
        self.assertEqual((me["full_name"], me["settings"]), ("One", {"theme": "dark"}))
        for bad in ({"full_name": "<b>"}, {"full_name": "a\nb"}, {"settings": []},
                    {"settings": {"deleted": 1}}, {"settings": {"x": "y" * 20000}},
                    {"admin": True}, {"state": "active"}):
            self.status(b.patch("/account", bad), 400)
        self.status(b.patch("/account", {"email": "e@example.org"}), 403)  # her password
        found = b.ok("GET", "/accounts?q=edi")["accounts"]
        self.assertEqual(found, [{"name": "edit", "full_name": "One"}])
        self.status(b.get("/accounts?q=e"), 400)
        self.status(self.browser().get("/accounts?q=edi"), 401)
        self.assertEqual(b.ok("GET", "/account/identities")["identities"], [])

    def test_ends_at_once(self):
        b = self.member("gone")
        token = b.ok("POST", "/account/tokens", {"name": "t", "scopes": ["all"], "days": 1})
        program = Person(self.portal, token=token["token"])
        self.status(program.get("/account"), 200)
        self.portal.machine.ok("PATCH", "/admin/users/gone", {"state": "disabled"})
        self.status(b.get("/account"), 401)
        self.status(program.get("/account"), 401)
        self.status(self.browser().sign_in("gone"), 403, "inactive")
        self.portal.machine.ok("PATCH", "/admin/users/gone", {"state": "active"})
        self.status(b.get("/account"), 401)
        self.status(b.sign_in("gone"), 200)
        self.status(b.delete("/account", {"password": "wrong"}), 403)
        self.status(b.delete("/account", {"password": PASSWORD}), 204)
        self.status(b.get("/account"), 401)
        self.status(self.browser().sign_in("gone"), 401)
        self.status(self.sign_up("gone"), 201)  # the name is free again

    def test_owner_of_a_team(self):
        b = self.member("boss")
        self.status(b.post("/teams", {"name": "crew"}), 201)
        a = self.status(b.delete("/account", {"password": PASSWORD}), 409, "conflict")
        self.assertIn("crew", a.json["detail"])
        self.status(b.get("/account"), 200)

    def test_first_administrator(self):
        machine = self.portal.machine
        self.status(machine.post("/setup-link", {"name": "chief"}), 404)
        link = self.status(machine.post("/setup-link", {"name": "chief", "admin": True}), 201).json
        self.status(self.browser().post("/setup-link", {"name": "evil", "admin": True}), 403)
        page = self.browser().get("/account/reset?token=" + link["token"])
        self.assertEqual(page.status, 200)
        self.assertIn("text/html", page.headers["Content-Type"])
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        self.assertEqual(page.headers["Referrer-Policy"], "no-referrer")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        words = PASSWORD.replace(" ", "+").replace("p", "%70")
        bad = self.browser().ask("POST", "/account/reset", f"token={link['token']}&password=short",
                                 headers=form)
        self.assertEqual(bad.status, 400)
        self.assertIn(b"too short", bad.body)
        good = self.browser().ask("POST", "/account/reset",
                                  f"token={link['token']}&password={words}", headers=form)
        self.assertEqual(good.status, 200, good.body)
        again = self.browser().ask("POST", "/account/reset",
                                   f"token={link['token']}&password={words}", headers=form)
        self.assertEqual(again.status, 404)
        self.assertEqual(self.browser().get("/account/reset?token=%3Cscript%3E").status, 404)
        b = self.browser()
        self.status(b.sign_in("chief"), 200)
        self.assertTrue(b.ok("GET", "/account")["admin"])
        self.status(b.get("/admin/users"), 200)
        # A link for somebody who is none makes her none.
        plain = self.member("plain")
        self.status(machine.post("/setup-link", {"name": "plain"}), 201)
        self.assertFalse(plain.ok("GET", "/account")["admin"])
        self.status(plain.get("/admin/users"), 403)
        # Its program only with the scope for it.
        for scopes, status in ((["all"], 403), (["all", "admin"], 200)):
            made = b.ok("POST", "/account/tokens", {"name": "t", "scopes": scopes, "days": 1})
            self.status(Person(self.portal, token=made["token"]).get("/admin/users"), status)

    def test_through_nginx(self):
        """What a client says of itself, nginx takes away."""
        port = os.path.join(self.portal.state, "web", "port")
        if not os.path.exists(port):
            self.skipTest("SKIP accounts through nginx: it does not run here")
        with open(port) as f:
            host = f"127.0.0.1:{int(f.read())}"
        self.status(self.sign_up("web"), 201)
        c = http.client.HTTPConnection(host, timeout=60)
        c.request("POST", "/api/v1/sign-in", json.dumps({"name": "web", "password": PASSWORD}),
                  {"X-Perigee-Client": "203.0.113.5", "X-Forwarded-Proto": "https"})
        a = c.getresponse()
        body = json.loads(a.read())
        self.assertEqual(a.status, 200, body)
        cookie = a.headers["Set-Cookie"].split(";")[0]
        self.assertTrue(cookie.startswith("perigee_session="), cookie)
        c.request("GET", "/api/v1/account/sessions", headers={"Cookie": cookie})
        rows = json.loads(c.getresponse().read())["sessions"]
        self.assertEqual([r["client"] for r in rows], ["127.0.0.1"])
        c.request("POST", "/api/v1/sign-out", "{}", {"Cookie": cookie})
        self.assertEqual(c.getresponse().status, 403)
        c.close()

    def test_crowd(self):
        """A hundred people sign in at once: all of them get in, memory stays bounded, and
        somebody who is in already is served meanwhile."""
        b = self.member("onlooker")
        self.status(self.sign_up("crowd"), 201)
        pid = self.portal.pid()

        def memory(key):
            with open(f"/proc/{pid}/status") as f:
                return int(re.search(key + r":\s+(\d+)", f.read())[1]) / 1024

        before = memory("VmRSS")
        waits, done = [], threading.Event()

        def look():
            while not done.is_set():
                start = time.time()
                assert b.get("/account", timeout=120).status == 200
                waits.append(time.time() - start)

        watcher = threading.Thread(target=look)
        watcher.start()
        start = time.time()
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            ends = list(pool.map(lambda i: Browser(self.portal, client=f"10.7.0.{i}").ask(
                "POST", "/sign-in", {"name": "crowd", "password": PASSWORD}, timeout=120).status,
                range(100)))
        took = time.time() - start
        done.set()
        watcher.join()
        most = memory("VmHWM")
        self.assertEqual(set(ends), {200})
        print(f"100 sign-ins at once: {took:.1f} s; {most - before:.0f} MB more at most; "
              f"others wait {statistics.median(waits) * 1000:.0f} ms (median of {len(waits)}), "
              f"{statistics.quantiles(waits, n=20)[-1] * 1000:.0f} ms (95 %)")
        self.assertLess(most - before, 2 * 64 + 64)
        self.assertGreater(len(waits), 10)


class ByMail(Accounts):
    @classmethod
    def setUpClass(cls):
        cls.mailbox = Mailbox()
        cls.addClassCleanup(cls.mailbox.server_close)
        cls.addClassCleanup(cls.mailbox.shutdown)
        cls.config = cls.configured("open")
        super().setUpClass()

    @classmethod
    def configured(cls, mode):
        port = cls.mailbox.server_address[1]
        return (f"accounts: {{sign_up: {mode}}}\nlimits: {{requests_per_minute: 0}}\n"
                f"mail: {{server: 'smtp://127.0.0.1:{port}', from: portal@example.org, tls: off}}\n")

    def again(self, mode):
        """The same portal with another mode of signing up."""
        self.assertEqual(self.portal.down().status, 0)
        self.portal.work.write("perigee.yaml",
                               f"state: {self.portal.state}\n{RIGHTS}{self.configured(mode)}")
        self.portal.up()

    def verify(self, to):
        return self.browser().post("/account/verify", {"token": self.mailbox.secret(to)})

    def test_all_of_it(self):
        """One story, because each mode is another start of the daemon."""
        self.status(self.sign_up("mia"), 400)
        a = self.status(self.sign_up("mia", email="mia@example.org"), 201)
        self.assertEqual(a.json["state"], "pending_email")
        self.status(self.browser().sign_in("mia"), 403, "inactive")
        secret = self.mailbox.secret("mia@example.org")
        # Looking at the link, as programs that scan mails do, changes nothing.
        page = self.browser().get("/account/verify?token=" + secret)
        self.assertEqual(page.status, 200)
        self.assertIn("<form", page.body.decode())
        self.status(self.browser().sign_in("mia"), 403, "inactive")
        self.status(self.browser().post("/account/verify", {"token": secret[:-1]}), 404)
        done = self.status(self.browser().post("/account/verify", {"token": secret}), 200)
        self.assertEqual(done.json, {"state": "active"})
        self.status(self.browser().post("/account/verify", {"token": secret}), 404)
        mia = self.browser()
        self.status(mia.post("/sign-in", {"email": "Mia@Example.org", "password": PASSWORD}), 200)
        self.assertEqual(mia.ok("GET", "/account")["email"], "mia@example.org")

        # A stranger learns nothing from her address.
        new = self.status(self.sign_up("eve", email="new@example.org"), 201)
        old = self.status(self.sign_up("eve2", email="mia@example.org"), 201)
        self.assertEqual(new.json["state"], old.json["state"])
        self.assertIn("mia", self.mailbox.wait("mia@example.org"))
        answers = [self.status(self.browser().post("/account/reset-request", {"email": e}), 202).json
                   for e in ("mia@example.org", "not-there@example.org")]
        self.assertEqual(*answers)
        secret = self.mailbox.secret("mia@example.org")
        self.status(self.browser().post("/account/reset", {"token": secret, "password": "mia"}), 400)
        self.status(self.browser().post("/account/reset", {"token": secret, "password": OTHER}), 200)
        self.status(mia.get("/account"), 401)
        self.status(mia.sign_in("mia", OTHER), 200)
        self.assertFalse([m for m in self.mailbox.mails if m[0] == "not-there@example.org"])
        # No flood of mails to one address.
        for _ in range(8):
            self.status(self.browser().post("/account/reset-request", {"email": "mia@example.org"}), 202)
        mia.csrf = mia.ok("GET", "/account")["csrf"]
        self.status(mia.patch("/account", {"email": "mia@new.example.org", "password": OTHER}), 200)
        self.assertEqual(mia.ok("GET", "/account")["email"], "mia@example.org")  # until it is verified
        self.status(self.verify("mia@new.example.org"), 200)
        self.assertEqual(mia.ok("GET", "/account")["email"], "mia@new.example.org")
        sent = sum(m[0] == "mia@example.org" for m in self.mailbox.mails)
        self.assertLessEqual(sent, 4)

        self.again("approval")
        self.status(self.sign_up("paul", email="paul@example.org"), 201)
        self.assertEqual(self.status(self.verify("paul@example.org"), 200).json["state"],
                         "pending_approval")
        self.status(self.browser().sign_in("paul"), 403, "inactive")
        waiting = self.portal.machine.ok("GET", "/admin/approvals")["users"]
        self.assertEqual([u["name"] for u in waiting], ["paul"])
        self.portal.machine.ok("POST", "/admin/approvals/paul", {"approve": True})
        self.status(self.browser().sign_in("paul"), 200)

        for mode in ("invitation", "closed"):
            self.again(mode)
            if mode == "invitation":
                self.invited(mia)
            self.assertEqual(self.portal.nobody.ok("GET", "/sign-in/ways")["sign_up"], mode)
            self.status(self.sign_up("late", email="late@example.org"), 403, "denied")
            self.status(self.sign_up("late", invitation="pgo_" + "a" * 49),
                        404 if mode == "invitation" else 403)
        self.status(self.portal.machine.post("/admin/invitations", {"email": "z@example.org"}), 403)
        # Sessions outlive the daemon.
        self.status(mia.get("/account"), 200)

    def invited(self, mia):
        self.status(mia.post("/admin/invitations", {"email": "quin@example.org"}), 403)
        made = self.status(self.portal.machine.post("/admin/invitations",
                                                    {"email": "quin@example.org"}), 201)
        self.assertNotIn("token", made.json)  # the mail shows that the address is hers
        secret = self.mailbox.secret("quin@example.org")
        a = self.status(self.sign_up("quin", invitation=secret), 201)
        self.assertEqual(a.json["state"], "active")
        self.status(self.sign_up("quin2", invitation=secret), 404)
        quin = self.browser()
        self.status(quin.sign_in("quin"), 200)
        self.assertEqual(quin.ok("GET", "/account")["email"], "quin@example.org")
        self.status(self.portal.machine.post("/admin/invitations",
                                             {"email": "Quin@example.org"}), 409)
        # By a team: she finds its invitation when she has signed up.
        self.status(quin.post("/teams", {"name": "webs"}), 201)
        a = self.status(quin.post("/teams/webs/invitations", {"account": "rae@example.org"}), 201)
        self.assertNotIn("token", a.json)
        secret = self.mailbox.secret("rae@example.org")
        self.status(self.sign_up("rae", invitation=secret), 201)
        rae = self.browser()
        self.status(rae.sign_in("rae"), 200)
        self.assertIn("webs", str(rae.ok("GET", "/invitations")))
        self.status(rae.get("/teams/webs/members"), 403)
        self.status(rae.post("/invitations/webs/accept"), 204)
        self.status(rae.get("/teams/webs/members"), 200)


if __name__ == "__main__":
    harness.main()
