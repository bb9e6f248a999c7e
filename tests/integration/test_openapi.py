"""docs/openapi.json against the real server: both name the same paths and methods, and what the
server answers, to at least one call of each path and to what is wrong, looks as the document says.
"""
import base64
import hmac
import os
import re
import struct
import time
import unittest
import urllib.parse

import h5py

import harness
import openapi
from mail_server import MailServer, certificate
from oidc_provider import Provider
from portal_world import PASSWORD, Person, Portal

CONFIG = """user: root
web: {{listen: "off"}}
accounts: {{sign_up: open}}
mail: {{server: "smtp://127.0.0.1:{mail}", from: perigee@example.org, tls: "off"}}
oidc:
  - {{name: uni, title: University, issuer: "{issuer}", client_id: perigee, sign_up: true,
      client_secret_file: "{secret}"}}
"""
DOCUMENT = os.path.join(harness.SOURCE, "docs", "openapi.json")


class Checked(Person):
    """A person all of whose answers are held against the document."""

    document, faults = None, []

    def ask(self, method, path, body=None, headers=None, door=None, timeout=60):
        a = super().ask(method, path, body, headers, door, timeout)
        full = path if path.startswith("/l/") else "/api/v1" + path
        wrong = self.document.check(method, full, a.status, a.headers.get("Content-Type", ""),
                                    a.json if a.json is not None else a.body or None,
                                    body if isinstance(body, (dict, list)) else None)
        if wrong:
            self.faults.append(wrong)
        return a

    def fails(self, status, method, path, body=None, **more):
        """An answer that must be this problem."""
        a = self.ask(method, path, body, **more)
        assert a.status == status, f"{method} {path}: {a.status}, not {status}: {a.body[:300]!r}"
        assert a.json["status"] == status and a.json["code"] and len(a.json["detail"]) > 10, a.json
        return a


def totp(secret):
    """The code that an authenticator app would show now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), "sha1").digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10**6:06}"


class TheDocument(unittest.TestCase):
    def test_is_sound(self):
        self.assertEqual(openapi.Document(DOCUMENT).faults(), [])


class TheServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portal = Portal()
        cls.addClassCleanup(cls.portal.close)
        work = cls.portal.work
        cls.mail = MailServer(*certificate(work.path))
        cls.addClassCleanup(cls.mail.close)
        cls.provider = Provider()
        cls.provider.user.update(preferred_username="olga", email="olga@example.org")
        cls.addClassCleanup(cls.provider.close)
        secret = work.write("secret", cls.provider.secret + "\n")
        os.chmod(secret, 0o600)
        with open(cls.portal.config, "a", encoding="utf-8") as f:
            f.write(CONFIG.format(mail=cls.mail.port, issuer=cls.provider.issuer, secret=secret))
        cls.portal.up()
        cls.doc = Checked.document = openapi.Document(DOCUMENT)
        Checked.faults = cls.faults = []

    def who(self, p):
        c = Checked(self.portal, p.name, p.token, p.door)
        c.headers = dict(p.headers)
        return c

    def test_routes(self):
        server = {(r["method"], r["path"])
                  for r in self.portal.machine.ok("GET", "/routes")["routes"]}
        self.assertEqual(self.doc.routes() - server, set(), "only in the document")
        self.assertEqual(server - self.doc.routes(), set(), "not in the document")

    def test_answers(self):
        """One after the other: what one call makes the next ones need."""
        machine = self.who(self.portal.machine)
        nobody = self.who(self.portal.nobody)
        for name in ("ana", "ben"):
            self.portal.person(name)
        ana = self.who(self.portal.signed_in("ana"))
        ben = self.who(self.portal.signed_in("ben"))
        for part in (self.service, self.admin, self.account, self.providers, self.storage, self.teams, self.datasets, self.jobs,
                     self.queries, self.tables, self.sharing, self.problems):
            with self.subTest(part=part.__name__):
                part(machine, nobody, ana, ben)
        self.assertEqual(sorted(set(self.faults)), [])
        missed = {(m, p) for m, p, _ in self.doc.operations()} - self.doc.seen
        self.assertEqual(missed - self.elsewhere, set(), "never asked")

    # Asked by tests of their own, with what they need around them.
    elsewhere = set()

    def service(self, machine, nobody, ana, ben):
        nobody.ok("GET", "/status")
        nobody.ok("GET", "/routes")
        machine.ok("GET", "/status")
        nobody.ok("GET", "/banner")

    def admin(self, machine, nobody, ana, ben):
        machine.ok("PUT", "/admin/banner", {"text": "Down on Friday", "level": "warning"})
        nobody.ok("GET", "/banner")
        machine.ok("PUT", "/admin/banner", {"text": ""})
        machine.ok("GET", "/admin/overview")
        machine.ok("GET", "/admin/audit?limit=3")
        made = machine.ok("POST", "/admin/users", {"name": "carl", "full_name": "Carl C."})
        self.assertTrue(made["token"])
        machine.ok("GET", "/admin/users?limit=2")
        machine.ok("GET", "/admin/users/carl")
        machine.ok("PATCH", "/admin/users/ben", {"quota": 10**9})
        machine.ok("PATCH", "/admin/users/ben", {"quota": None, "full_name": "Ben B."})
        machine.ok("POST", "/admin/users/carl/link")
        machine.ok("DELETE", "/admin/users/carl")
        machine.ok("GET", "/admin/approvals")
        machine.fails(409, "POST", "/admin/approvals/ben", {"approve": True})
        machine.ok("GET", "/metrics")
        machine.fails(409, "POST", "/admin/users", {"name": "ben"})
        machine.fails(400, "PUT", "/admin/banner", {"text": "x", "level": "loud"})
        machine.fails(404, "GET", "/admin/users/nobody-of-that-name")
        ana.fails(403, "GET", "/admin/users")

    def account(self, machine, nobody, ana, ben):
        nobody.ok("GET", "/sign-in/ways")
        link = machine.ok("POST", "/setup-link", {"name": "chief", "admin": True})
        machine.fails(404, "POST", "/setup-link", {"name": "nobody"})
        nobody.ok("GET", f"/account/reset?token={link['token']}")
        nobody.ok("POST", "/account/reset", {"token": link["token"], "password": PASSWORD})
        nobody.fails(404, "POST", "/account/reset", {"token": link["token"], "password": PASSWORD})
        machine.ok("POST", "/admin/invitations", {"email": "friend@example.org"})
        dora = {"name": "dora", "password": PASSWORD, "email": "dora@example.org"}
        self.assertEqual(nobody.ok("POST", "/account/sign-up", dora)["state"], "pending_email")
        nobody.fails(409, "POST", "/account/sign-up", dora)
        nobody.fails(400, "POST", "/account/sign-up", dict(dora, name="emil", password="password12"))
        nobody.fails(403, "POST", "/sign-in", {"name": "dora", "password": PASSWORD})
        code = self.mailed("dora@example.org")
        nobody.ok("GET", f"/account/verify?token={code}")
        nobody.ok("POST", "/account/verify", {"token": code})
        self.assertEqual(nobody.get("/account/verify?token=none").status, 404)
        nobody.fails(404, "POST", "/account/verify", {"token": "none"})
        nobody.ok("POST", "/account/reset-request", {"email": "dora@example.org"})
        nobody.fails(401, "POST", "/sign-in", {"name": "dora", "password": "not her pass phrase"})
        dora = self.session(nobody, "dora")
        me = dora.ok("GET", "/account")
        self.assertEqual((me["name"], me["door"], me["csrf"]),
                         ("dora", "session", dora.headers["X-CSRF-Token"]))
        ana.ok("GET", "/account")
        dora.ok("PATCH", "/account", {"full_name": "Dora D.", "settings": {"theme": "dark"}})
        dora.fails(412, "PATCH", "/account", {"full_name": "x"}, headers={"If-Match": '"old"'})
        dora.fails(403, "PATCH", "/account", {"full_name": "x"}, headers={"X-CSRF-Token": "no"})
        self.second_factor(nobody, dora)
        token = dora.ok("POST", "/account/tokens", {"name": "t", "scopes": ["files:read"], "days": 3})
        dora.fails(400, "POST", "/account/tokens", {"name": "t", "scopes": ["root"], "days": 3})
        weak = self.who(Person(self.portal, "dora", token=token["token"]))
        weak.ok("GET", "/account")  # whose it is
        weak.fails(403, "GET", "/account/sessions")
        ana.fails(403, "POST", "/account/tokens", {"name": "t", "scopes": ["sql"], "days": 3})
        dora.ok("GET", "/account/tokens")
        dora.ok("DELETE", f"/account/tokens/{token['id']}")
        weak.fails(401, "GET", "/account")
        other = self.session(nobody, "dora")
        for one in dora.ok("GET", "/account/sessions")["sessions"]:
            if not one["current"]:
                dora.ok("DELETE", f"/account/sessions/{one['id']}")
        other.fails(401, "GET", "/account")
        dora.ok("DELETE", "/account/sessions")
        dora.ok("POST", "/account/password", {"old": PASSWORD, "new": PASSWORD + " more"})
        dora.ok("GET", "/account/identities")
        dora.ok("GET", "/accounts?q=an")
        dora.ok("POST", "/sign-out")
        dora = self.session(nobody, "dora", PASSWORD + " more")
        dora.ok("DELETE", "/account", {"password": PASSWORD + " more"})

    def mailed(self, address):
        """The code of the link in the newest mail."""
        end = time.monotonic() + 20
        while not self.mail.to(address) and time.monotonic() < end:
            time.sleep(0.05)
        return re.search(r"token=(\w+)", self.mail.to(address)[-1].get_content()).group(1)

    def session(self, nobody, name, password=PASSWORD, **more):
        a = nobody.post("/sign-in", dict(name=name, password=password, **more))
        self.assertEqual(a.status, 200, a)
        p = self.who(Person(self.portal, name))
        p.headers = {"Cookie": a.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": a.json["csrf"]}
        return p

    def second_factor(self, nobody, dora):
        secret = dora.ok("POST", "/account/totp")["secret"]
        dora.fails(400, "PUT", "/account/totp", {"code": "000000"})
        codes = dora.ok("PUT", "/account/totp", {"code": totp(secret)})["recovery"]
        dora.fails(409, "POST", "/account/totp")
        nobody.fails(401, "POST", "/sign-in", {"name": "dora", "password": PASSWORD})
        self.session(nobody, "dora", code=codes[0]).ok("POST", "/sign-out")
        dora.ok("DELETE", "/account/totp", {"password": PASSWORD})

    def providers(self, machine, nobody, ana, ben):
        end = time.monotonic() + 20
        while (away := nobody.get("/sign-in/oidc/uni?next=/jobs")).status == 503 \
                and time.monotonic() < end:
            time.sleep(0.2)
        self.assertEqual(away.status, 303, away)
        cookie = away.headers["Set-Cookie"].split(";")[0]
        where = urllib.parse.urlsplit(away.headers["Location"])
        query = dict(urllib.parse.parse_qsl(where.query))
        self.provider.redirects.add(query["redirect_uri"])
        status, back = self.provider.authorize(query)
        self.assertEqual(status, 302, back)
        query = urllib.parse.urlsplit(back).query
        done = nobody.get(f"/sign-in/oidc/uni/callback?{query}", headers={"Cookie": cookie})
        self.assertEqual(done.status, 303, done)
        self.assertIn(nobody.get("/sign-in/oidc/none").status, (400, 404))
        nobody.fails(403, "GET", "/sign-in/oidc/uni/callback?state=none")
        me = self.session(nobody, "ben")
        me.ok("POST", "/account/identities", {"provider": "uni", "next": "/account"})
        me.fails(404, "DELETE", "/account/identities/99")

    def storage(self, machine, nobody, ana, ben):
        ana.ok("GET", "/volumes?limit=1")
        made = ana.ok("POST", "/volumes", {"name": "halos", "description": "of run 7"})
        self.assertEqual(made["label"], "ana/halos")
        ana.fails(409, "POST", "/volumes", {"name": "halos"})
        ana.ok("PATCH", "/volumes/ana/halos", {"description": "of run 8"})
        ana.fails(412, "PATCH", "/volumes/ana/halos", {"description": "x"}, headers={"If-Match": '"0"'})
        ana.ok("GET", "/volumes/ana/halos")
        ana.ok("DELETE", "/volumes/ana/halos?forever=1")
        ana.fails(404, "GET", "/volumes/ana/halos")
        here = "/files/ana/persistent"
        self.assertEqual(ana.post(here + "/a/b", {"action": "mkdir", "parents": True}).status, 201)
        ana.ok("POST", here + "/a/b", {"action": "mkdir", "parents": True})
        ana.ok("PUT", here + "/a/x.txt", "12 halos\n")
        tag = ana.get(here + "/a/x.txt").headers["ETag"]
        ana.ok("PUT", here + "/a/x.txt", "13 halos\n", headers={"If-Match": tag})
        ana.fails(412, "PUT", here + "/a/x.txt", "14 halos\n", headers={"If-Match": tag})
        ana.ok("GET", here)
        ana.ok("GET", here + "/a?sort=time&order=desc&limit=1")
        ana.ok("GET", here + "/a?stat=1")
        ana.ok("GET", here + "/a/x.txt?checksum=sha256")
        ana.ok("GET", here + "/a?archive=zip")
        ana.ok("POST", here + "/a/x.txt", {"action": "copy", "to": "a/y.txt"})
        ana.ok("POST", here + "/a/y.txt", {"action": "rename", "name": "z.txt"})
        ana.ok("POST", here + "/a/z.txt", {"action": "move", "to": "z.txt", "volume": "ana/scratch"})
        ana.ok("GET", "/files/ana/scratch/z.txt")
        ana.ok("POST", "/files/ana/scratch/z.txt", {"action": "trash"})
        gone = ana.ok("DELETE", here + "/a/x.txt")
        ana.ok("GET", "/trash/ana/persistent")
        ana.ok("POST", f"/trash/ana/persistent/{gone['trash']}/restore")
        ana.ok("DELETE", here + "/a/x.txt?forever=1")
        gone = ana.ok("DELETE", here + "/a")
        ana.ok("DELETE", f"/trash/ana/persistent/{gone['trash']}")
        ana.ok("DELETE", "/trash/ana/scratch")
        ana.fails(404, "GET", here + "/none")
        ana.fails(400, "POST", here + "/x", {"action": "burn"})
        ben.fails(404, "GET", here)
        self.uploads(ana)
        self.hdf5(ana, ben)

    def hdf5(self, ana, ben):
        name = self.portal.work.file("x.h5")
        with h5py.File(name, "w") as f:
            f["a/x"] = [[1, 2], [3, 4]]
            f["a"].attrs["unit"] = "kpc"
        with open(name, "rb") as f:
            ana.ok("PUT", "/files/ana/persistent/x.h5", f.read())
        file = "file=ana/persistent/x.h5&path=/a"
        ana.ok("GET", f"/h5/meta?{file}&depth=2&limit=5")
        self.assertEqual(ana.ok("GET", f"/h5/attr?{file}&attr_keys=unit"), {"unit": "kpc"})
        self.assertEqual(ana.ok("GET", f"/h5/paths?{file}"), ["/a", "/a/x"])
        self.assertEqual(ana.ok("GET", f"/h5/stats?{file}/x&selection=1")["max"], 4)
        self.assertEqual(ana.ok("GET", f"/h5/data?{file}/x&selection=:,0"), [1, 3])
        for kind in ("bin", "npy", "csv", "tiff"):
            ana.ok("GET", f"/h5/data?{file}/x&format={kind}&dtype=safe")
        ana.fails(404, "GET", f"/h5/meta?{file}/y")
        ana.fails(400, "GET", f"/h5/data?{file}")
        ben.fails(404, "GET", f"/h5/meta?{file}")

    def uploads(self, ana):
        def pairs(**values):
            return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())
        tus = {"Tus-Resumable": "1.0.0"}
        patch = {**tus, "Content-Type": "application/offset+octet-stream"}
        ana.ok("OPTIONS", "/uploads")
        for last in ("PATCH", "POST", "DELETE"):
            begun = ana.post("/uploads", "", headers={
                **tus, "Upload-Length": "10", "Upload-Metadata":
                pairs(volume="ana/persistent", filename="u.bin", overwrite="true")})
            self.assertEqual(begun.status, 201, begun)
            there = begun.headers["Location"].split("/api/v1")[1]
            ana.ok("OPTIONS", there)
            ana.ok("PATCH", there, b"12345", headers={**patch, "Upload-Offset": "0"})
            ana.fails(409, "PATCH", there, b"12345", headers={**patch, "Upload-Offset": "0"})
            self.assertEqual(ana.ask("HEAD", there, headers=tus).headers["Upload-Offset"], "5")
            if last == "DELETE":
                ana.ok("DELETE", there, headers=tus)
            else:
                ana.ok(last, there, b"67890", headers={
                    **patch, "Upload-Offset": "5", "X-HTTP-Method-Override": "PATCH"})
        self.assertEqual(ana.ok("GET", "/files/ana/persistent/u.bin")["size"], 10)
        ana.fails(412, "POST", "/uploads", "")

    def teams(self, machine, nobody, ana, ben):
        ana.ok("POST", "/teams", {"name": "cosmo", "title": "Cosmology", "public": False})
        ana.ok("GET", "/teams")
        team = ana.get("/teams/cosmo")
        self.assertTrue(team.headers["ETag"])
        ana.ok("PATCH", "/teams/cosmo", {"description": "Of large scales"})
        ana.fails(412, "PATCH", "/teams/cosmo", {"title": "x"}, headers={"If-Match": team.headers["ETag"]})
        ana.ok("POST", "/teams/cosmo/invitations", {"account": "ben"})
        ben.ok("GET", "/invitations")
        ben.ok("POST", "/invitations/cosmo/decline")
        ana.ok("POST", "/teams/cosmo/invitations", {"account": "ben", "role": "member"})
        ben.ok("POST", "/invitations/cosmo/accept")
        ana.ok("PATCH", "/teams/cosmo/members/ben", {"role": "admin"})
        ben.ok("GET", "/teams/cosmo/members")
        ben.ok("POST", "/teams/cosmo/leave")
        ana.ok("PATCH", "/teams/cosmo", {"public": True})
        ben.ok("GET", "/teams?public=1")
        ben.ok("POST", "/teams/cosmo/join")
        ana.ok("DELETE", "/teams/cosmo/members/ben")
        ana.fails(409, "POST", "/teams", {"name": "cosmo"})
        ana.fails(400, "POST", "/teams", {"name": "Not a name!"})
        ana.ok("PATCH", "/teams/cosmo", {"public": False})
        ben.fails(404, "GET", "/teams/cosmo")
        ana.ok("POST", "/teams", {"name": "away"})
        ana.ok("DELETE", "/teams/away?files=1")

    def datasets(self, machine, nobody, ana, ben):
        ana.ok("POST", "/files/ana/persistent/run", {"action": "mkdir"})
        ana.ok("PUT", "/files/ana/persistent/run/mine.yaml",
               "name: mine\ntitle: Mine\ntables: {t: {files: none.h5, path: /x}}\n")
        if harness.can_sandbox():
            ana.ok("POST", "/datasets", {"file": "persistent:run/mine.yaml", "team": "cosmo"})
            ana.fails(409, "POST", "/datasets", {"file": "persistent:run/mine.yaml"})
            tag = ana.get("/datasets/mine").headers["ETag"]
            ana.ok("PATCH", "/datasets/mine", {"team": None}, headers={"If-Match": tag})
            ana.fails(412, "PATCH", "/datasets/mine", {"team": None}, headers={"If-Match": tag})
            self.assertEqual(ana.ok("GET", "/datasets?q=mine&limit=1")["datasets"][0]["name"], "mine")
            ben.fails(404, "GET", "/datasets/mine")
            ana.ok("DELETE", "/datasets/mine")
        ana.fails(400, "POST", "/datasets", {"file": "persistent:run"})
        ana.fails(404, "DELETE", "/datasets/mine")
        machine.ok("GET", "/admin/datasets")
        machine.ok("POST", "/admin/datasets")

    def jobs(self, machine, nobody, ana, ben):
        spec = {"kind": "sql", "sql": "SELECT 42 AS answer", "name": "answer"}
        job = machine.ok("POST", "/jobs", spec, headers={"Idempotency-Key": "openapi"})
        again = machine.post("/jobs", spec, headers={"Idempotency-Key": "openapi"})
        self.assertEqual((again.status, again.json["id"]), (200, job["id"]))
        machine.ok("POST", "/jobs?check=1", spec)
        seq, end = 0, time.monotonic() + 60
        while time.monotonic() < end:
            page = machine.ok("GET", f"/jobs/{job['id']}/events?after={seq}&wait=5")
            seq = max([seq] + [e["seq"] for e in page["events"]])
            if page["state"] in ("succeeded", "failed", "cancelled"):
                break
        done = machine.ok("GET", f"/jobs/{job['number']}")
        self.assertEqual(done["state"], "succeeded", done)
        machine.ok("GET", "/jobs?limit=1")
        machine.ok("GET", f"/jobs/{job['number']}/tasks")
        machine.ok("GET", f"/jobs/{job['number']}/logs?stream=stderr")
        machine.ok("GET", f"/jobs/{job['number']}/logs?follow=1")
        files = machine.ok("GET", f"/jobs/{job['number']}/files")["files"]
        machine.ok("GET", f"/jobs/{job['number']}/files?archive=zip")
        for f in files:
            machine.ok("GET", f"/jobs/{job['number']}/files/{f['name']}")
            machine.ok("GET", f"/jobs/{job['number']}/files/{f['name']}?download=1")
        machine.fails(404, "GET", f"/jobs/{job['number']}/files/no-such-file")
        other = machine.ok("POST", f"/jobs/{job['number']}/resubmit")
        machine.ok("POST", f"/jobs/{other['number']}/cancel")
        machine.ok("PUT", "/replicas/tng/n1", {"files": [
            {"file": "a.h5", "path": "/data/a.h5", "size": 12, "mtime_ns": 1}]})
        machine.ok("GET", "/replicas?dataset=tng")
        ana.ok("GET", "/jobs")
        self.number = job["number"]
        ana.fails(404, "GET", f"/jobs/{job['number']}")
        machine.fails(400, "POST", "/jobs", {"kind": "sql", "sql": 7})

    def queries(self, machine, nobody, ana, ben):
        one = self.portal.asked(ana, "SELECT 42", changed='[{"schema": "mydb", "name": "t", "rows": 1, '
                                '"what": "created"}]', cut="rows", state="cut", seconds=0.5)
        ana.ok("GET", "/queries?q=select&limit=1")
        self.assertEqual(ana.ok("GET", f"/queries/{one}")["cut"], "rows")
        self.assertEqual(ana.ok("GET", f"/queries/{one[:8]}")["id"], one)
        ana.fails(404, "GET", f"/queries/{one[:3]}")
        ana.ok("POST", f"/queries/{one}/job?check=1", {})
        job = ana.ok("POST", f"/queries/{one}/job", {"into": "x.csv", "ranks": 1})
        ana.ok("POST", f"/jobs/{job['number']}/cancel")
        ben.fails(404, "GET", f"/queries/{one}")
        ana.ok("POST", f"/queries/{one}/cancel")
        ana.fails(400, "GET", "/queries?before=x")
        ana.fails(400, "POST", "/query", {"sql": "SELECT 1", "format": "xls"})
        if harness.can_sandbox():
            self.assertEqual(ana.ok("POST", "/query", {"sql": "SELECT 42 AS x", "format": "csv"}), b"x\n42\n")
        ana.fails(400, "POST", f"/queries/{one}/job", {"ranks": 0})
        ana.ok("DELETE", f"/queries/{one}")
        saved = {"sql": "SELECT $x", "parameters": [{"name": "x", "type": "number", "default": 1}],
                 "team": "cosmo"}
        ana.ok("PUT", "/saved-queries/bright", saved)
        tag = ana.get("/saved-queries/ana/bright").headers["ETag"]
        ana.ok("PUT", "/saved-queries/bright", saved)
        ana.fails(412, "PUT", "/saved-queries/bright", saved, headers={"If-Match": tag})
        ana.ok("GET", "/saved-queries?limit=1")
        ana.fails(400, "PUT", "/saved-queries/b.c", {"sql": ""})
        ben.fails(404, "GET", "/saved-queries/ana/bright")
        ana.ok("DELETE", "/saved-queries/bright")

    def tables(self, machine, nobody, ana, ben):
        ana.fails(400, "GET", "/tables?schema=--help")
        ana.fails(400, "PUT", "/tables/mydb/x?format=xls", "a")
        ana.fails(400, "PATCH", "/tables/mydb/x", {})
        ana.fails(400, "GET", "/tables/mydb/x/data?format=xls")
        ana.fails(413, "PUT", "/tables/mydb/x", "", headers={"Content-Length": "99999999999"})
        if not harness.can_sandbox():
            return
        ana.ok("PUT", "/tables/mydb/stars?format=csv&preview=1", "id,mag\n1,2.5\n")
        ana.ok("PUT", "/tables/mydb/stars?format=csv&type=id:INTEGER&type=mag:FLOAT", "id,mag\n1,2.5\n")
        ana.fails(409, "PUT", "/tables/mydb/stars?format=csv", "id,mag\n1,2.5\n")
        ana.ok("PUT", "/files/ana/persistent/more.csv", "id,mag\n2,3.5\n")
        ana.ok("PUT", "/tables/mydb/stars?append=1", {"from": "persistent:more.csv"})
        ana.ok("PATCH", "/tables/mydb/stars", {"description": "Bright", "columns": {"mag": {"unit": "mag"}}})
        ana.ok("PATCH", "/tables/mydb/stars", {"name": "suns"})
        ana.ok("POST", "/query", {"sql": "CREATE VIEW mydb.v AS SELECT id FROM mydb.suns"})
        self.assertEqual(ana.ok("GET", "/tables/mydb/suns")["rows"], 2)
        ana.ok("GET", "/tables/mydb/v")
        self.assertEqual({t["name"] for t in ana.ok("GET", "/tables?schema=mydb")["tables"]}, {"suns", "v"})
        for kind in ("csv", "tsv", "json", "ndjson", "table", "votable", "fits", "hdf5", "parquet"):
            ana.ok("GET", f"/tables/mydb/suns/data?format={kind}")
        ana.fails(404, "GET", "/tables/mydb/none")
        ben.fails(404, "GET", "/tables/ana/suns")
        ana.fails(404, "DELETE", "/tables/mydb/none")
        ana.ok("DELETE", "/tables/mydb/suns")

    def sharing(self, machine, nobody, ana, ben):
        grant = machine.ok("POST", "/grants", {
            "kind": "job", "thing": str(self.number), "to": {"account": "ana"}, "rights": ["read"],
            "expires": time.time() + 3600})
        machine.ok("GET", "/grants")
        machine.ok("GET", f"/grants?kind=job&thing={self.number}")
        ana.ok("GET", "/shared")
        ana.ok("GET", f"/jobs/{self.number}")
        machine.ok("DELETE", f"/grants/{grant['id']}")
        ana.fails(404, "GET", f"/jobs/{self.number}")
        machine.fails(404, "DELETE", f"/grants/{grant['id']}")
        link = ana.ok("POST", "/links", {"kind": "volume", "thing": "persistent:u.bin", "days": 1})
        ana.ok("GET", "/links")
        self.assertEqual(nobody.ok("GET", link["url"], door="perigeed"), b"1234567890")
        ana.ok("DELETE", f"/links/{link['id']}")
        nobody.fails(404, "GET", link["url"])
        machine.fails(400, "POST", "/grants", {"kind": "job", "thing": str(self.number),
                                               "to": {"account": "ana"}, "rights": ["all"]})

    def problems(self, machine, nobody, ana, ben):
        """Every path says as a problem that nobody may ask it."""
        open_ones = {(m, p) for m, p, op in self.doc.operations() if op.get("security") == []}
        for method, path, op in self.doc.operations():
            if (method, path) in open_ones or method in ("HEAD", "OPTIONS"):
                continue
            with self.subTest(method=method, path=path):
                local = "local socket" in op.get("description", "")
                nobody.fails(403 if local else 401, method, path.replace("{", "").replace("}", ""))
        ana.fails(400, "POST", "/teams", '{"name": ', headers={"Content-Type": "application/json"})
        bad = self.who(Person(self.portal, "bad", token="pgt_" + "x" * 49))
        bad.fails(401, "GET", "/teams")


if __name__ == "__main__":
    harness.main()
