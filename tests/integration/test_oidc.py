"""Signing in through an OpenID provider: the whole way of a browser, through nginx, against a real
provider, and what happens when provider, browser or network are not what they should be.
"""
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import shutil
import subprocess
import time
import unittest
import urllib.parse

import harness
import oidc_provider
from mail_server import certificate, server_context
from front_door import free_port
from oidc_provider import Key, Provider, b64
from portal_world import PASSWORD, Portal

AGAIN = 3.1  # seconds after which a provider is asked again


class Browser:
    """Cookies and redirects, one at a time."""

    def __init__(self):
        self.cookies = {}

    def ask(self, method, url, body=None, headers=None, timeout=60):
        u = urllib.parse.urlsplit(url)
        c = http.client.HTTPConnection(u.hostname, u.port, timeout=timeout)
        h = dict(headers or {})
        mine = self.cookies.setdefault(u.netloc, {})
        if mine:
            h["Cookie"] = "; ".join(f"{k}={v}" for k, v in mine.items())
        if body is not None:
            body, h["Content-Type"] = json.dumps(body), "application/json"
        try:
            c.request(method, u.path + ("?" + u.query if u.query else ""), body, h)
            r = c.getresponse()
            data = r.read()
        finally:
            c.close()
        self.set = r.headers.get_all("Set-Cookie") or []
        for line in self.set:
            name, _, value = line.split(";")[0].partition("=")
            mine[name] = value
        r.text = data.decode("utf-8", "replace")
        return r

    def get(self, url, **more):
        return self.ask("GET", url, **more)


class Oidc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise unittest.SkipTest("nginx is not installed")
        cls.portal = Portal()
        cls.addClassCleanup(cls.portal.close)
        work = cls.portal.work
        key, cert = certificate(work.path)
        cls.provider, cls.other = Provider(), Provider(client_id="p2")
        cls.safe = Provider(tls=server_context(key, cert))
        for p in (cls.provider, cls.other, cls.safe):
            cls.addClassCleanup(p.close)
        cls.door = f"127.0.0.1:{free_port()}"
        cls.url = "http://" + cls.door
        cls.other.wrong, cls.other.names_itself = {"post"}, False
        cls.provider.redirects = {f"{cls.url}/api/v1/sign-in/oidc/campus/callback"}
        cls.other.redirects = {f"{cls.url}/api/v1/sign-in/oidc/closed/callback"}
        cls.safe.redirects = {f"{cls.url}/api/v1/sign-in/oidc/safe/callback"}
        cls.secret = work.write("secret", cls.provider.secret + "\n")
        os.chmod(cls.secret, 0o600)
        os.chmod(work.path, 0o711)
        work.write("perigee.yaml", f"""
state: {cls.portal.state}
web: {{listen: "{cls.door}"}}
{"user: root" if os.getuid() == 0 else ""}
limits: {{requests_per_minute: 0}}
accounts: {{admin_second_factor: true}}
oidc:
  - {{name: campus, title: Campus, issuer: "{cls.provider.issuer}", client_id: perigee,
     client_secret_file: {cls.secret}, sign_up: true}}
  - {{name: closed, issuer: "{cls.other.issuer}", client_id: p2, client_secret_file: {cls.secret}}}
  - {{name: safe, issuer: "{cls.safe.issuer}", client_id: perigee, client_secret_file: {cls.secret},
     ca_file: {cert}, sign_up: true}}
  - {{name: doubtful, issuer: "{cls.safe.issuer}/", client_id: perigee}}
""")
        cls.portal.up()

    def setUp(self):
        p = self.provider
        p.wrong, p.hidden, p.delay = set(), (), None
        p.make_token = p.other_iss = None
        p.user = {"sub": "u-1", "preferred_username": "ana", "name": "Ana López",
                  "email": "ana@example.org", "email_verified": True}

    # ---- short ways to say things ----

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h",
                               f"{self.portal.state}/postgres/s", "-U", "perigee", "perigee"],
                              input=text, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def start(self, b, name="campus", query=""):
        """To the provider and back: the address of the callback."""
        r = b.get(f"{self.url}/api/v1/sign-in/oidc/{name}{query}")
        self.assertEqual(r.status, 303, r.text)
        r = b.get(r.headers["Location"])
        self.assertEqual(r.status, 302, r.text)
        return r.headers["Location"]

    def who(self, b):
        """The account of the browser's session, or None."""
        cookie = b.cookies.get(self.door, {}).get("perigee_session")
        if not cookie:
            return None
        digest = hashlib.blake2b(cookie.encode(), digest_size=32).hexdigest()
        return self.sql("SELECT a.name FROM session s JOIN account a ON a.id = s.account WHERE "
                        f"s.hash = '\\x{digest}';") or None

    def sign_in(self, b=None, name="campus", query=""):
        b = b or Browser()
        r = b.get(self.start(b, name, query))
        self.assertEqual(r.status, 303, r.text)
        return b, r

    def refused(self, r, status, says, b=None):
        self.assertEqual(r.status, status, r.text)
        self.assertEqual(r.headers["Content-Type"], "application/problem+json")
        self.assertRegex(json.loads(r.text)["detail"], says)
        if b:
            self.assertIsNone(self.who(b))

    def accounts(self):
        return int(self.sql("SELECT count(*) FROM account;"))

    # ---- all is well ----

    def test_first_and_again(self):
        b, r = self.sign_in(query="?next=/jobs%3Fx=1")
        self.assertEqual(r.headers["Location"], "/jobs?x=1")
        self.assertEqual(self.who(b), "ana")
        [cookie] = b.set
        for flag in ("HttpOnly", "SameSite=Lax", "Path=/"):
            self.assertIn(flag, cookie)
        made = self.sql("SELECT full_name, email, email_known, state, admin, password IS NULL "
                        "FROM account WHERE name = 'ana';")
        self.assertEqual(made, "Ana López|ana@example.org|t|active|f|t")
        before = self.accounts()
        self.provider.user["preferred_username"] = "renamed"
        again, r = self.sign_in()
        self.assertEqual(r.headers["Location"], "/")
        self.assertEqual(self.who(again), "ana")
        self.assertEqual(self.accounts(), before)
        audit = self.sql("SELECT action, actor, client, context->>'way' FROM audit WHERE "
                         "actor = 'ana' AND action = 'sign-in' ORDER BY id LIMIT 1;")
        self.assertEqual(audit, "sign-in|ana|127.0.0.1|campus")
        # the same browser: its old session ends
        old = b.cookies[self.door]["perigee_session"]
        self.sign_in(b)
        new = b.cookies[self.door]["perigee_session"]
        self.assertNotEqual(old, new)

    def test_names(self):
        """By issuer and subject, never by name or address; names are made to fit."""
        self.sign_in()
        wanted = [("ana", r"^ana-2$"), ("ANA", r"^ana-3$"), ("Ana.Lopez@campus", r"^ana-lopez$"),
                  ("root", r"^(?!root$)"), ("../../x", r"^x"), ("Ž" * 40, r"^[a-z]"),
                  ("a" * 500, r"^a{1,32}$"), ("'; DROP TABLE account; --", r"^drop")]
        for i, (asked, like) in enumerate(wanted):
            self.provider.user.update(sub=f"n-{i}", preferred_username=asked)
            b, _ = self.sign_in()
            self.assertRegex(self.who(b), like)
        self.assertEqual(self.sql("SELECT count(*) FROM account WHERE email = 'ana@example.org';"),
                         "1")
        self.provider.user = {"sub": "bare"}
        b, _ = self.sign_in()
        self.assertRegex(self.who(b), r"^user")

    def test_userinfo(self):
        self.provider.user = {"sub": "ui-1", "preferred_username": "quiet"}
        self.provider.hidden = ("preferred_username", "name", "email", "email_verified")
        b, _ = self.sign_in()
        self.assertEqual(self.who(b), "quiet")
        self.provider.user["sub"] = "ui-2"
        self.provider.wrong = {"userinfo fails"}
        b, _ = self.sign_in()
        self.assertRegex(self.who(b), r"^user")

    def test_at_once(self):
        self.provider.user = {"sub": "crowd", "preferred_username": "crowd"}
        browsers = [Browser() for _ in range(8)]
        backs = [self.start(b) for b in browsers]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda p: p[0].get(p[1]), zip(browsers, backs)))
        self.assertEqual({r.status for r in answers}, {303}, [r.text for r in answers])
        self.assertEqual({self.who(b) for b in browsers}, {"crowd"})

    def test_secret_in_body(self):
        self.other.user = {"sub": "post"}
        b = Browser()
        self.refused(b.get(self.start(b, "closed")), 403, "no account here belongs", b)

    def test_https(self):
        self.safe.user = {"sub": "safe", "preferred_username": "safe"}
        r = (b := Browser()).get(f"{self.url}/api/v1/sign-in/oidc/safe")
        # the browser's part over TLS is the provider's business
        q = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(r.headers["Location"]).query))
        r = b.get(self.safe.authorize(q)[1])
        self.assertEqual(r.status, 303, r.text)
        self.assertEqual(self.who(b), "safe")
        r = b.get(f"{self.url}/api/v1/sign-in/oidc/doubtful")
        self.refused(r, 503, "(?i)certificate")

    def test_administrator(self):
        """Where administrators need a second factor, a provider's word is none."""
        self.provider.user = {"sub": "boss", "preferred_username": "boss"}
        self.sign_in()
        self.sql("UPDATE account SET admin = true WHERE name = 'boss';")
        b = Browser()
        self.refused(b.get(self.start(b)), 403, "second factor", b)

    def test_daemon_restarts(self):
        """Between the start and the callback: nothing is lost."""
        b = Browser()
        back = self.start(b)
        os.kill(self.portal.pid(), 9)
        self.portal.up()
        r = b.get(back)
        self.assertEqual(r.status, 303, r.text)
        self.assertEqual(self.who(b), "ana")

    # ---- linking ----

    def account(self, b, method="GET", path="", body=None, status=200):
        """A request of a browser that is signed in."""
        headers = {}
        if method != "GET":
            r = b.get(f"{self.url}/api/v1/account")
            headers["X-CSRF-Token"] = json.loads(r.text)["csrf"]
        r = b.ask(method, f"{self.url}/api/v1/account{path}", body, headers)
        self.assertEqual(r.status, status, r.text)
        return json.loads(r.text) if r.text else None

    def link(self, b, name="campus", status=200):
        """The address of the callback."""
        to = self.account(b, "POST", "/identities", {"provider": name, "next": "/account"}, status)
        return b.get(to["location"]).headers["Location"]

    def with_password(self, name):
        made = self.portal.person(name)
        b = Browser()
        r = b.ask("POST", f"{self.url}/api/v1/sign-in", {"name": name, "password": PASSWORD})
        self.assertEqual(r.status, 200, r.text)
        return b, made

    def test_link_and_unlink(self):
        b, _ = self.with_password("linda")
        self.other.user = {"sub": "linda-1", "preferred_username": "l.inda"}
        r = b.get(self.link(b, "closed"))
        self.assertEqual((r.status, r.headers["Location"]), (303, "/account"), r.text)
        self.assertEqual(self.account(b)["name"], "linda")
        fresh, _ = self.sign_in(name="closed")
        self.assertEqual(self.account(fresh)["name"], "linda")
        [one] = self.account(fresh, path="/identities")["identities"]
        # once more changes nothing
        self.assertEqual(b.get(self.link(b, "closed")).status, 303)
        self.assertEqual(len(self.account(b, path="/identities")["identities"]), 1)
        # without a token no other site's page unlinks it
        r = fresh.ask("DELETE", f"{self.url}/api/v1/account/identities/{one['id']}")
        self.assertEqual(r.status, 403)
        # nobody else does
        other, _ = self.with_password("lothar")
        self.account(other, "DELETE", f"/identities/{one['id']}", status=404)
        for id in ("0", "x", "9" * 30):
            self.account(other, "DELETE", f"/identities/{id}", status=404)
        self.account(b, "DELETE", f"/identities/{one['id']}", status=204)
        b = Browser()
        self.refused(b.get(self.start(b, "closed")), 403, "no account here belongs", b)

    def test_link_of_another(self):
        """What is linked to one account is never taken by another."""
        b, _ = self.with_password("luis")
        self.provider.user = {"sub": "taken", "preferred_username": "taken"}
        self.sign_in()
        self.refused(b.get(self.link(b)), 409, "another account")
        self.assertEqual(self.account(b, path="/identities")["identities"], [])

    def test_link_and_change(self):
        """Between start and callback somebody else signs in with the browser."""
        b, _ = self.with_password("lea")
        self.provider.user = {"sub": "lea-1", "preferred_username": "lea"}
        back = self.link(b)
        b.cookies[self.door].pop("perigee_session")
        self.refused(b.get(back), 403, "not signed in any more")
        self.assertEqual(self.sql("SELECT count(*) FROM account_identity WHERE "
                                  "subject = 'lea-1';"), "0")

    def test_link_needs_a_browser(self):
        _, program = self.with_password("lars")
        a = program.post("/account/identities", {"provider": "campus"})
        self.assertEqual(a.status, 403, a)
        self.assertIn("browser", a.json["detail"])
        a = self.portal.nobody.post("/account/identities", {"provider": "campus"})
        self.assertEqual(a.status, 401)

    def test_last_way(self):
        self.provider.user = {"sub": "lonely", "preferred_username": "lonely"}
        b, _ = self.sign_in()
        [first] = self.account(b, path="/identities")["identities"]
        says = self.account(b, "DELETE", f"/identities/{first['id']}", status=409)
        self.assertIn("last way", says["detail"])
        self.other.user = {"sub": "lonely-2"}
        self.assertEqual(b.get(self.link(b, "closed")).status, 303)
        # two ways, both removed at once: one stays
        ids = [i["id"] for i in self.account(b, path="/identities")["identities"]]
        csrf = {"X-CSRF-Token": self.account(b)["csrf"]}

        def remove(id):
            copy = Browser()
            copy.cookies = {k: dict(v) for k, v in b.cookies.items()}
            return copy.ask("DELETE", f"{self.url}/api/v1/account/identities/{id}",
                            headers=csrf).status

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.assertEqual(sorted(pool.map(remove, ids)), [204, 409])

    def test_disabled(self):
        self.provider.user = {"sub": "gone", "preferred_username": "gone"}
        b, _ = self.sign_in()
        self.sql("UPDATE account SET state = 'disabled' WHERE name = 'gone';")
        self.assertIsNone(json.loads(b.get(f"{self.url}/api/v1/account").text).get("name"))
        c = Browser()
        self.refused(c.get(self.start(c)), 403, "disabled", c)

    # ---- keys ----

    def test_rotation(self):
        self.sign_in()
        time.sleep(AGAIN)  # keys are fetched anew for an unknown one, but not at once
        for alg in ("ES256", "PS256"):
            self.provider.rotate(alg, keep=True)
        before = self.provider.seen.count("jwks")
        for key in self.provider.keys[1:]:
            self.provider.make_token = key.token
            b, _ = self.sign_in()
            self.assertEqual(self.who(b), "ana")
        self.assertEqual(self.provider.seen.count("jwks"), before + 1)
        self.provider.make_token = None
        before = self.provider.seen.count("jwks")
        new = Key("RS256")
        self.sign_in()
        self.provider.keys = [new]
        b = Browser()
        self.refused(b.get(self.start(b)), 403, "does not publish", b)
        self.assertEqual(self.provider.seen.count("jwks"), before)
        time.sleep(AGAIN)
        b, _ = self.sign_in()
        self.assertEqual(self.provider.seen.count("jwks"), before + 1)

    def test_forged_tokens(self):
        self.sign_in()
        real, strange = self.provider.keys[-1], oidc_provider.Key("RS256")
        public = json.dumps(real.public())

        def unsigned(claims, alg="none", mac=None):
            text = ".".join(b64(json.dumps(p).encode())
                            for p in ({"alg": alg, "kid": real.kid}, claims))
            sig = hmac.new(mac, text.encode(), "sha256").digest() if mac else b""
            return text + "." + b64(sig)

        def changed(**new):
            return lambda c: real.token({k: v for k, v in {**c, **new}.items() if v is not None})

        strange.kid = real.kid
        now = int(time.time())
        before = self.accounts()
        self.provider.user.update(sub="victim", preferred_username="victim")
        for make, says in [
                (unsigned, "three parts"),
                (lambda c: unsigned(c) + "x", "none"),
                (lambda c: unsigned(c, "HS256", public.encode()), "HS256"),
                (strange.token, "signature"),
                (lambda c: real.token(c)[:-5] + "AAAAA", "signature"),
                (changed(aud="other"), "another client"),
                (changed(aud=["perigee", "other"]), "several clients"),
                (changed(azp="other"), "another client"),
                (changed(iss=self.other.issuer), "another issuer"),
                (changed(nonce="x"), "nonce"),
                (changed(nonce=None), "nonce"),
                (changed(exp=now - 61), "expired"),
                (changed(iat=now - 3600, exp=now + 60), "old"),
                (changed(sub=None), "who signed in"),
                (lambda c: real.token(c, crit=["x"], x=1), "extensions"),
                (lambda c: "x" * 100000, "more than")]:
            self.provider.make_token = make
            b = Browser()
            self.refused(b.get(self.start(b)), 403, says, b)
        self.assertEqual(self.accounts(), before)
        audit = self.sql("SELECT count(*) FROM audit WHERE action = 'sign-in' AND NOT ok;")
        self.assertGreaterEqual(int(audit), 16)

    # ---- the browser's side ----

    def test_state(self):
        b, thief = Browser(), Browser()
        back = self.start(b)
        self.refused(thief.get(back), 403, "did not begin in this browser", thief)
        self.start(thief)  # has a cookie now, but another
        self.refused(thief.get(back), 403, "another browser", thief)
        # ... and the sign-in is spent
        self.refused(b.get(back), 403, "used already", b)
        b, _ = self.sign_in()
        before = self.who(b)
        back = self.start(b)
        self.assertEqual(b.get(back).status, 303)
        self.assertEqual(b.get(back).status, 403)
        self.assertEqual(self.who(b), before)

    def test_odd_callbacks(self):
        b = Browser()
        back = self.start(b)
        for change in [lambda q: q.pop("state"), lambda q: q.update(state="x"),
                       lambda q: q.update(state=q["state"][:-1] + "!")]:
            q = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
            change(q)
            r = b.get(back.split("?")[0] + "?" + urllib.parse.urlencode(q))
            self.refused(r, 403, "did not begin in this browser", b)
        self.refused(b.get(back.replace("/campus/", "/closed/")), 403, "another provider", b)
        self.assertEqual(b.get(back.replace("/campus/", "/nowhere/")).status, 404)
        self.assertEqual(b.get(f"{self.url}/api/v1/sign-in/oidc/nowhere").status, 404)
        for next in ("//evil.org", "https://evil.org", "/\\evil.org", "/a\r\nX: y", "", "a"):
            r = b.get(f"{self.url}/api/v1/sign-in/oidc/campus?next=" + urllib.parse.quote(next))
            self.refused(r, 400, "path of this portal")

    def test_code_of_another(self):
        """A code that was stolen from, or slipped to, somebody: PKCE refuses it."""
        victim, attacker = Browser(), Browser()
        mine, hers = self.start(attacker), self.start(victim)

        def query(url):
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))

        q = {**query(hers), "code": query(mine)["code"]}
        r = victim.get(hers.split("?")[0] + "?" + urllib.parse.urlencode(q))
        self.refused(r, 403, "sign in again", victim)

    def test_mix_up(self):
        for iss in ("https://evil.example.org", self.provider.issuer + "/"):
            self.provider.other_iss = iss
            b = Browser()
            back = self.start(b)
            before = self.provider.seen.count("token")
            self.refused(b.get(back), 403, "not from the provider", b)
            self.assertEqual(self.provider.seen.count("token"), before)
        self.provider.other_iss = None
        b = Browser()
        back = self.start(b)
        left_out = "&".join(p for p in back.split("&") if "iss=" not in p)
        left_out = left_out if "?" in left_out else back.split("?")[0] + "?" + left_out
        self.refused(b.get(left_out), 403, "not from the provider", b)

    def test_declined(self):
        self.provider.wrong = {"declines"}
        b = Browser()
        self.refused(b.get(self.start(b)), 403, "declined", b)
        r = b.get(self.start(b), headers={"Accept": "text/html,*/*;q=0.8"})
        self.assertEqual(r.status, 403)
        self.assertTrue(r.headers["Content-Type"].startswith("text/html"), r.headers)
        self.assertIn("the sign-in was declined", r.text)
        [policy] = r.headers.get_all("Content-Security-Policy")
        self.assertIn("default-src 'none'; style-src 'unsafe-inline'", policy)
        r = b.get(self.url + "/api/v1/status")
        self.assertIn("sandbox", r.headers["Content-Security-Policy"])

    # ---- the provider's side ----

    def test_broken_provider(self):
        for wrong, status, says in [("token fails", 503, "server_error"),
                                    ("token is no json", 503, "no token"),
                                    ("token redirects", 503, "status 302"),
                                    ("token is huge", 503, "more than")]:
            self.provider.wrong = {wrong}
            b = Browser()
            self.refused(b.get(self.start(b)), status, says, b)
        time.sleep(AGAIN)  # it is left alone after the last
        self.provider.wrong = set()
        good, self.provider.secret = self.provider.secret, "changed"
        b = Browser()
        self.refused(b.get(self.start(b)), 503, "invalid_client", b)
        self.provider.secret = good
        self.sign_in()

    def test_slow_provider(self):
        """It holds up nobody but those who ask for it, and those not for ever."""
        self.provider.delay = {"token": 20}
        browsers = [Browser() for _ in range(6)]
        backs = [self.start(b) for b in browsers]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            begin = time.monotonic()
            waiting = [pool.submit(b.get, back) for b, back in zip(browsers, backs)]
            worst = 0
            for _ in range(50):
                t = time.monotonic()
                self.assertEqual(Browser().get(f"{self.url}/api/v1/status").status, 200)
                worst = max(worst, time.monotonic() - t)
                time.sleep(0.02)
            for w in waiting:
                self.refused(w.result(), 503, "does not answer")
            took = time.monotonic() - begin
        self.assertLess(worst, 0.5)
        self.assertLess(took, 12)
        self.provider.delay = None
        time.sleep(AGAIN)
        self.sign_in()


class Refused(harness.Case):
    """Configurations that could not work are told at the start."""

    def test_configurations(self):
        os.mkdir(self.w.env["PERIGEE_STATE"])
        secret = self.w.write("secret", "x\n")
        os.chmod(secret, 0o644)
        good = "issuer: \"https://id.example.org\", client_id: c"
        for providers, says in [
                ("{name: a, issuer: \"http://id.example.org\", client_id: c}", "https address"),
                ("{name: a, issuer: \"https://u:p@id.example.org\", client_id: c}", "https address"),
                (f"{{name: a, {good}, client_secret_file: {secret}}}", "chmod 600"),
                (f"{{name: a, {good}, client_secret_file: {secret}.no}}", "cannot open"),
                (f"{{name: a, {good}}}, {{name: b, {good}}}", "same name or issuer")]:
            self.w.write("state/perigee.yaml", f"oidc: [{providers}]\n")
            done = subprocess.run([f"{harness.BIN}/perigeed"], env=self.w.env, timeout=60,
                                  capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr, providers)


if __name__ == "__main__":
    harness.main()
