"""A portal of one's own for a test: `perigee up` with a configuration, and people who speak HTTP with
it over its sockets (as nginx does), with tokens or cookies. No test lives here.
"""
import collections
import http.client
import json
import os
import shutil
import socket
import subprocess
import uuid

import harness

Answer = collections.namedtuple("Answer", "status json headers body")

PASSWORD = "a long enough pass phrase"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("perigee", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Person:
    """Who asks: by a token, by cookies, or (socket "perigeed") as this machine's user."""

    def __init__(self, portal, name="", token=None, door="web"):
        self.portal, self.name, self.token, self.door = portal, name, token, door
        self.headers = {}

    def ask(self, method, path, body=None, headers=None, door=None, timeout=60):
        c = _Connection(self.portal.socket(door or self.door), timeout)
        h = dict(self.headers)
        if self.token:
            h["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            h["Content-Type"] = "application/json"
        if isinstance(body, str):
            body = body.encode()
        h.update(headers or {})
        try:
            try:
                c.request(method, path if path.startswith("/l/") else "/api/v1" + path, body, h)
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered before it had all of the body
            r = c.getresponse()
            data = r.read()
        finally:
            c.close()
        kind = r.headers.get("Content-Type", "").split(";")[0]
        is_json = kind.endswith(("/json", "+json")) and data
        return Answer(r.status, json.loads(data) if is_json else None,
                      r.headers, data)

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body if body is not None else {}, **more)

    def put(self, path, body=None, **more):
        return self.ask("PUT", path, body, **more)

    def patch(self, path, body=None, **more):
        return self.ask("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)

    def ok(self, method, path, body=None, **more):
        """The JSON (or the bytes) of an answer that must be a success."""
        a = self.ask(method, path, body, **more)
        assert 200 <= a.status < 300, f"{self.name}: {method} {path}: {a.status} {a.body[:500]!r}"
        return a.json if a.json is not None else a.body


class Portal:
    """perigee up in a folder of its own. config: lines of YAML that are added."""

    def __init__(self, config="", binary=None):
        self.work = harness.Workplace()
        os.chmod(self.work.path, 0o755)  # PostgreSQL may be another user
        # Room for sockets: their paths are short.
        self.state = self.work.file("s")
        self.bin = binary or harness.BIN
        self.config = self.work.write("perigee.yaml", f"state: {self.state}\n{config}")
        self.env = dict(self.work.env, PERIGEE_STATE=self.state, PERIGEE_CONFIG=self.config,
                        HOME=self.work.path, XDG_CONFIG_HOME=self.work.file("config"))
        for name in ("PERIGEE_PORTAL", "PERIGEE_SOCKET"):
            self.env.pop(name, None)
        self.machine = Person(self, "machine", door="perigeed")
        self.nobody = Person(self, "nobody")

    @property
    def url(self):
        """Of its web door."""
        with open(os.path.join(self.state, "web", "port")) as f:
            return f"http://127.0.0.1:{int(f.read())}"

    def socket(self, door):
        return os.path.join(self.state, door + ".sock")

    def run(self, *words, stdin=None, timeout=120, env=None):
        p = subprocess.run([os.path.join(self.bin, "perigee"), *map(str, words)],
                           env=dict(self.env, **(env or {})), input=stdin, text=True,
                           capture_output=True, timeout=timeout, cwd=self.work.path, check=False)
        return harness.Done(p.returncode, p.stdout, p.stderr)

    def up(self):
        done = self.run("up")
        assert done.status == 0, done
        return self

    def down(self):
        return self.run("down")

    def close(self):
        self.down()
        shutil.rmtree(self.work.path, ignore_errors=True)

    def pid(self):
        with open(os.path.join(self.state, "perigeed.pid")) as f:
            return int(f.read())

    def log(self):
        with open(os.path.join(self.state, "perigeed.log")) as f:
            return f.read()

    def database(self, sql):
        """What a statement answers that goes past the portal."""
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h",
                               os.path.join(self.state, "postgres", "s"), "-U", "postgres", "-d",
                               "perigee", "-c", sql],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def asked(self, who, sql, **columns):
        """A row of the history as a quick query leaves it; its id. Needs no sandbox."""
        columns = {"id": str(uuid.uuid4()), "sql": sql, "state": "done", "rows": 1, **columns}
        values = ", ".join("'{}'".format(str(v).replace("'", "''")) for v in columns.values())
        self.database(f"INSERT INTO query (account, {', '.join(columns)}) SELECT id, {values} "
                      f"FROM account WHERE name = '{who.name}'")
        return columns["id"]

    def person(self, name, scopes=("all",), **more):
        """A new account with a password, and a token for it."""
        made = self.machine.ok("POST", "/admin/users", dict(name=name, **more))
        self.nobody.ok("POST", "/account/reset", {"token": made["token"], "password": PASSWORD})
        return self.signed_in(name, scopes)

    def signed_in(self, name, scopes=("all",), password=PASSWORD):
        """Somebody with a token, got by signing in with a password."""
        a = self.nobody.post("/sign-in", {"name": name, "password": password})
        assert a.status == 200, a
        p = Person(self, name)
        cookie = a.headers["Set-Cookie"].split(";")[0]
        p.headers = {"Cookie": cookie, "X-CSRF-Token": a.json["csrf"]}
        made = p.ok("POST", "/account/tokens",
                    {"name": "test", "scopes": list(scopes), "days": 30})
        return Person(self, name, token=made["token"])
