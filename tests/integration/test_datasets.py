"""The catalogue of a real portal: descriptors in a folder become datasets, people find and use those
that they may, in jobs and as data volumes; what is broken or hostile breaks nothing.
"""
import json
import os
import time
import unittest
import urllib.request

import h5py
import numpy

from harness import can_sandbox
from portal_world import Portal

FINAL = ("succeeded", "failed", "cancelled")


def descriptor(name, root, **keys):
    more = "".join(f"{k}: {json.dumps(v)}\n" for k, v in keys.items())
    return (f"name: {name}\n{more}root: {root}\n"
            "tables:\n  halos:\n    files: halos.h5\n    path: /halos\n"
            "    columns: {mass: {unit: Msun, description: virial mass}}\n")


def halos(folder, n):
    os.makedirs(folder, exist_ok=True)
    with h5py.File(os.path.join(folder, "halos.h5"), "w") as f:
        f["halos/id"] = numpy.arange(n, dtype="i8")
        f["halos/mass"] = numpy.arange(n, dtype="f8") * 1e10


class Datasets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portal = p = Portal("limits: {requests_per_minute: 0}\n"
                                + ("user: root\n" if os.geteuid() == 0 else ""))
        cls.addClassCleanup(p.close)
        cls.folder, cls.data = p.work.file("shelf"), p.work.file("data")
        os.mkdir(cls.folder)
        with open(p.config, "a", encoding="utf-8") as f:
            f.write(f"datasets: [{cls.folder}]\n")
        halos(os.path.join(cls.data, "open"), 10)
        halos(os.path.join(cls.data, "closed"), 20)
        halos(os.path.join(cls.data, "team"), 30)
        for name in ("open", "closed", "team"):
            p.work.write(f"data/{name}/note.txt", f"the note of {name}\n")
        os.symlink("/etc/passwd", os.path.join(cls.data, "open", "link.txt"))
        cls.put("open_halos", descriptor(
            "open_halos", cls.data + "/open", title="Halos for all", tags=["n-body", "halos"],
            licence="CC-BY-4.0", citation="Me 2026", contact="me@example.org",
            description="Made for a test", folder=cls.data + "/open",
            queries={"How many": "SELECT count(*) FROM open_halos.halos"}))
        cls.put("closed_halos", descriptor("closed_halos", cls.data + "/closed", access="private",
                                           folder=cls.data + "/closed"))
        p.up()
        cls.ana, cls.ben = p.person("ana"), p.person("ben")
        cls.ana.ok("POST", "/teams", {"name": "mhd", "title": "MHD"})
        cls.put("team_halos", descriptor("team_halos", cls.data + "/team", access=["mhd", "nobody"],
                                         folder=cls.data + "/team"))
        # What must not bring anything down.
        cls.put("broken", "name: broken\ntables: [\n")
        cls.put("misnamed", descriptor("another", cls.data))
        cls.put("nothing", "")
        cls.put("odd", "? [[[[{{{{: - &a *a !!binary |\n\x00\x01\n" + "[" * 20000)
        cls.put("bytes", os.urandom(5000))
        cls.put("greedy", descriptor("greedy", cls.data, folder=p.work.path))
        os.mkfifo(os.path.join(cls.folder, "pipe.yaml"))
        cls.harvest("team_halos")

    @classmethod
    def put(cls, name, text):
        new = cls.portal.work.write(f"shelf/.{name}", text)
        os.rename(new, os.path.join(cls.folder, name + ".yaml"))

    @classmethod
    def harvest(cls, *names, gone=(), errors=None):
        """Ask for it, and wait until these are there (or not)."""
        before = time.time()
        cls.portal.machine.ok("POST", "/admin/datasets", {})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            a = cls.portal.machine.ok("GET", "/admin/datasets")
            files = {os.path.basename(d["file"])[:-5]: d for d in a["descriptors"]}
            there = {e[:-5] for e in os.listdir(cls.folder) if e.endswith(".yaml")} - {"pipe"}
            if set(files) == there and all(f["looked"] >= before - 0.01 for f in files.values()) \
                    and {g["name"] for g in a["gone"]} >= set(gone):
                return files
            time.sleep(0.1)
        raise AssertionError(f"not harvested: {a}")

    def names(self, who, query=""):
        return [d["name"] for d in who.ok("GET", f"/datasets{query}")["datasets"]]

    def test_search(self):
        ben = self.ben
        self.assertEqual(self.names(ben), ["open_halos"])
        for q in ("HALOS", "virial%20mass", "n-body", "me%202026", "mass%20all", "%20"):
            self.assertEqual(self.names(ben, f"?q={q}"), ["open_halos"], q)
        for q in ("closed", "100%25", "_________", "x%27y"):
            self.assertEqual(self.names(ben, f"?q={q}"), [], q)
        self.assertEqual(self.names(ben, "?tag=n-body"), ["open_halos"])
        self.assertEqual(self.names(ben, "?tag=n"), [])
        page = self.ana.ok("GET", "/datasets?limit=1")
        self.assertEqual([d["name"] for d in page["datasets"]], [page["next"]])
        self.assertEqual(self.names(self.ana, f"?after={page['next']}"), ["team_halos"])
        self.assertEqual(self.portal.nobody.get("/datasets").status, 401)

    def test_one(self):
        d = self.ben.ok("GET", "/datasets/open_halos")
        self.assertEqual((d["title"], d["licence"], d["citation"], d["contact"], d["tags"], d["volume"]),
                         ("Halos for all", "CC-BY-4.0", "Me 2026", "me@example.org",
                          ["n-body", "halos"], "data:/open_halos"))
        self.assertEqual(d["rights"], ["see", "read", "run"])
        table = d["tables"][0]
        self.assertEqual((table["name"], table["rows"], table["indexed"]), ("halos", 10, False))
        mass = [c for c in table["columns"] if c["name"] == "mass"][0]
        self.assertEqual(mass, {"name": "mass", "type": "DOUBLE", "unit": "Msun",
                                "description": "virial mass"})
        self.assertEqual(d["queries"], [{"title": "How many",
                                         "sql": "SELECT count(*) FROM open_halos.halos"}])
        self.assertNotIn(self.data, json.dumps(d))

    def test_statistics(self):
        done = self.portal.run("index", "open_halos", env={"PERIGEE_DATASETS": self.folder})
        self.assertEqual(done.status, 0, done)
        self.harvest()
        columns = {c["name"]: c for c in
                   self.ben.ok("GET", "/datasets/open_halos")["tables"][0]["columns"]}
        self.assertEqual(columns["mass"]["statistics"],
                         {"min": 0.0, "max": 9e10, "nans": 0, "nulls": 0})
        self.assertEqual(columns["id"]["statistics"],
                         {"min": 0, "max": 9, "nans": 0, "nulls": 0})

    def test_rights(self):
        ana, ben = self.ana, self.ben
        self.assertEqual(self.names(ana), ["open_halos", "team_halos"])
        for name in ("team_halos", "closed_halos", "no_such"):
            self.assertEqual(ben.get(f"/datasets/{name}").status, 404, name)
            self.assertEqual(ben.get(f"/files/data:/{name}/note.txt").status, 404, name)
        self.assertEqual(ana.ok("GET", "/datasets/team_halos")["teams"], ["mhd"])
        self.assertEqual([v["name"] for v in ben.ok("GET", "/volumes?owner=data:")["volumes"]],
                         ["open_halos"])
        # An administrator lends it to one account.
        grant = self.portal.machine.ok("POST", "/grants", {
            "kind": "dataset", "thing": "closed_halos", "to": {"account": "ben"},
            "rights": ["see", "read", "run"]})
        self.assertEqual(self.names(ben), ["closed_halos", "open_halos"])
        self.assertEqual(ben.ok("GET", "/datasets/closed_halos")["tables"][0]["rows"], 20)
        self.portal.machine.ok("DELETE", f"/grants/{grant['id']}")
        self.assertEqual(self.names(ben), ["open_halos"])
        for method in ("PATCH", "DELETE"):
            self.assertEqual(ben.ask(method, "/datasets/open_halos", {}).status, 403)
            self.assertEqual(ben.ask(method, "/datasets/closed_halos", {}).status, 404)

    def test_broken_descriptors(self):
        files = self.harvest()
        for name in ("broken", "misnamed", "nothing", "odd", "bytes", "greedy"):
            self.assertGreater(len(files[name]["error"]), 10, name)
        self.assertIn("rename the file to another.yaml", files["misnamed"]["error"])
        self.assertIn("files of the portal itself", files["greedy"]["error"])
        self.assertIn("nobody", files["team_halos"]["error"])
        self.assertIsNone(files["open_halos"]["error"])
        self.assertEqual(self.ben.get("/admin/datasets").status, 403)
        # One that was right keeps what is known of it.
        self.put("closed_halos", "name: [closed")
        self.assertTrue(self.harvest()["closed_halos"]["error"])
        self.assertEqual(self.portal.machine.ok("GET", "/datasets/closed_halos")["tables"][0]["rows"], 20)
        self.put("closed_halos", descriptor("closed_halos", self.data + "/closed", access="private",
                                            folder=self.data + "/closed"))
        self.harvest()

    def test_removed(self):
        self.put("short_lived", descriptor("short_lived", self.data + "/open", folder=self.data + "/open"))
        self.harvest()
        self.assertIn("short_lived", self.names(self.ben))
        self.assertEqual(self.ben.get("/files/data:/short_lived/note.txt").status, 200)
        os.unlink(os.path.join(self.folder, "short_lived.yaml"))
        self.harvest(gone=["short_lived"])
        self.assertNotIn("short_lived", self.names(self.ben))
        self.assertEqual(self.ben.get("/datasets/short_lived").status, 404)
        self.assertEqual(self.ben.get("/files/data:/short_lived/note.txt").status, 404)
        self.assertNotIn("short_lived", json.dumps(self.ben.ok("GET", "/volumes")))

    # ---- files ----

    def fetch(self, who, path, headers=None):
        q = urllib.request.Request(self.portal.url + "/api/v1" + path, headers={
            "Authorization": f"Bearer {who.token}", **(headers or {})})
        try:
            with urllib.request.urlopen(q, timeout=30) as a:
                return a.status, a.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def test_data_volume(self):
        path = "/files/data:/open_halos/note.txt?download=1"
        self.assertIn("/_data/", self.ben.get(path).headers["X-Accel-Redirect"])
        self.assertEqual(self.fetch(self.ben, path), (200, b"the note of open\n"))
        self.assertEqual(self.fetch(self.ben, path, {"Range": "bytes=4-7"}), (206, b"note"))
        with open(os.path.join(self.data, "open", "halos.h5"), "rb") as f:
            whole = f.read()
        self.assertEqual(self.fetch(self.ben, "/files/data:/open_halos/halos.h5?download=1"), (200, whole))
        status, body = self.fetch(self.ben, "/files/data:/open_halos/link.txt?download=1")
        self.assertGreaterEqual(status, 400)
        self.assertNotIn(b"root:", body)
        self.assertEqual(self.fetch(self.ben, "/files/data:/team_halos/note.txt?download=1")[0], 404)
        self.assertEqual(self.fetch(self.ana, "/files/data:/team_halos/note.txt?download=1")[0], 200)
        with urllib.request.urlopen(self.portal.url + "/", timeout=30):
            pass
        for direct in ("/_data/1/note.txt", "/_data/1/../../etc/passwd"):
            try:
                with urllib.request.urlopen(self.portal.url + direct, timeout=30) as a:
                    self.fail(f"{direct}: {a.status}")
            except urllib.error.HTTPError as e:
                self.assertIn(e.code, (400, 404))
        a = self.ben.put("/files/data:/open_halos/new.txt", "x")
        self.assertEqual(a.status, 403)

    # ---- a user's own ----

    def upload(self, who, folder, name, n, text=None):
        halos(self.portal.work.file("up"), n)
        with open(self.portal.work.file("up", "halos.h5"), "rb") as f:
            who.ok("PUT", f"/files/{folder}/halos.h5", f.read(),
                   headers={"Content-Type": "application/octet-stream"})
        who.ok("PUT", f"/files/{folder}/{name}.yaml", text or descriptor(name, "."))

    @unittest.skipUnless(can_sandbox(), "no sandbox can be made here")
    def test_own(self):
        ana, ben = self.ana, self.ben
        ana.ok("POST", "/files/ana/persistent/run", {"action": "mkdir"})
        self.upload(ana, "ana/persistent/run", "mine", 7)
        made = ana.post("/datasets", {"file": "persistent:run/mine.yaml"})
        self.assertEqual(made.status, 201, made)
        self.assertEqual((made.json["owner"], made.json["tables"][0]["rows"]), ("ana", 7))
        self.assertEqual(ana.post("/datasets", {"file": "persistent:run/mine.yaml"}).status, 409)
        self.assertEqual(ben.get("/datasets/mine").status, 404)
        self.assertEqual(ben.post("/datasets", {"file": "ana/persistent:run/mine.yaml"}).status, 404)
        self.assertEqual(self.sql(ana, "SELECT count(*) FROM mine.halos"), ("succeeded", "7"))
        state, text = self.sql(ben, "SELECT count(*) FROM mine.halos")
        self.assertEqual(state, "failed")
        self.assertIn("no dataset", text)
        self.assertEqual(ana.patch("/datasets/mine", {"public": True}).status, 403)
        # For her team.
        ana.ok("POST", "/teams", {"name": "duo", "title": "Two"})
        ana.ok("POST", "/teams/duo/invitations", {"account": "ben"})
        ben.ok("POST", "/invitations/duo/accept", {})
        # Nothing else that lies in the folder becomes a dataset of his.
        ana.ok("PUT", "/files/ana/persistent/run/closed_halos.yaml", descriptor("closed_halos", "."))
        shown = ana.ok("PATCH", "/datasets/mine", {"team": "duo"})
        self.assertEqual(shown["owner"], "team:duo")
        self.assertEqual(self.sql(ben, "SELECT count(*) FROM mine.halos"), ("succeeded", "7"))
        self.assertIn("no dataset", self.sql(ben, "SELECT count(*) FROM closed_halos.halos")[1])
        self.assertEqual(ben.delete("/datasets/mine").status, 403)
        self.assertEqual(ana.delete("/datasets/mine").status, 204)
        self.assertEqual(ben.get("/datasets/mine").status, 404)
        self.assertEqual(ana.ok("GET", "/files/ana/persistent/run/halos.h5?stat=1")["kind"], "file")

    @unittest.skipUnless(can_sandbox(), "no sandbox can be made here")
    def test_own_hostile(self):
        ana = self.ana
        ana.ok("POST", "/files/ana/persistent/bad", {"action": "mkdir"})
        cases = {"out_a": descriptor("out_a", self.data + "/closed"),
                 "out_b": descriptor("out_b", "../../.."),
                 "out_c": "name: out_c\nstorage: [{folder: /etc, on: shared}]\n"
                          "tables: {t: {files: passwd, path: /x}}\n",
                 "broken": "name: [", "other": descriptor("different", ".")}
        for name, text in cases.items():
            self.upload(ana, "ana/persistent/bad", name, 3, text)
            a = ana.post("/datasets", {"file": f"persistent:bad/{name}.yaml"})
            self.assertEqual(a.status, 400, (name, a))
            self.assertNotIn(self.data, a.json["detail"] if name != "out_a" else "")
        for file in ("persistent:bad", "persistent:bad/UPPER.yaml", "persistent:../x.yaml",
                     "persistent:bad/none.yaml", "data:/open_halos:x.yaml", "nowhere:x.yaml"):
            a = ana.post("/datasets", {"file": file})
            self.assertIn(a.status, (400, 404), (file, a))
        self.assertEqual(self.names(ana), ["open_halos", "team_halos"])
        # A name that is taken.
        self.upload(ana, "ana/persistent/bad", "open_halos", 3)
        self.assertEqual(ana.post("/datasets", {"file": "persistent:bad/open_halos.yaml"}).status, 409)
        self.assertEqual(self.ben.ok("GET", "/datasets/open_halos")["tables"][0]["rows"], 10)

    # ---- jobs ----

    def sql(self, who, sql):
        """(state, the one value or what went wrong)"""
        number = who.ok("POST", "/jobs", {"kind": "sql", "sql": sql, "into": "a.csv"})["number"]
        seq, end = 0, time.monotonic() + 60
        while time.monotonic() < end:
            page = who.ok("GET", f"/jobs/{number}/events?after={seq}&wait=5")
            seq = page["events"][-1]["seq"] if page["events"] else seq
            job = who.ok("GET", f"/jobs/{number}")
            if job["state"] in FINAL and job.get("delivery") != "pending":
                break
        if job["state"] != "succeeded":
            return job["state"], job["text"] + who.get(f"/jobs/{number}/logs?stream=stderr").body.decode()
        uuid = who.ok("GET", f"/jobs/{number}/files")["job"]
        with open(os.path.join(self.portal.state, "jobs", uuid, "results", "a.csv"), encoding="utf-8") as f:
            return "succeeded", f.read().split()[1]

    @unittest.skipUnless(can_sandbox(), "no sandbox can be made here")
    def test_jobs(self):
        self.assertEqual(self.sql(self.ben, "SELECT count(*) FROM open_halos.halos"), ("succeeded", "10"))
        self.assertEqual(self.sql(self.ana, "SELECT count(*) FROM team_halos.halos"), ("succeeded", "30"))
        # As administrators call a folder: by a link to where it is.
        os.symlink(self.data, self.portal.work.file("link"))
        self.put("linked_halos", descriptor("linked_halos", self.portal.work.file("link", "open")))
        self.harvest()
        self.assertEqual(self.sql(self.ben, "SELECT count(*) FROM linked_halos.halos"), ("succeeded", "10"))
        os.unlink(os.path.join(self.folder, "linked_halos.yaml"))
        self.harvest(gone=["linked_halos"])
        for name in ("team_halos", "closed_halos"):
            state, text = self.sql(self.ben, f"SELECT count(*) FROM {name}.halos")
            self.assertEqual(state, "failed")
            self.assertIn(f"no dataset called {name}", text)

    # ---- the command ----

    def test_command(self):
        env = {"PERIGEE_SOCKET": self.portal.socket("perigeed")}
        done = self.portal.run("dataset", "search", "virial", env=env)
        self.assertEqual(done.status, 0, done)
        self.assertIn("Halos for all", done.out)
        done = self.portal.run("dataset", "search", "--tag", "n-body", "--json", env=env)
        self.assertEqual([d["name"] for d in json.loads(done.out)], ["open_halos"])
        done = self.portal.run("dataset", "show", "open_halos", env=env)
        self.assertEqual(done.status, 0, done)
        for text in ("CC-BY-4.0", "open_halos.halos: 10 rows", "virial mass", "Msun", "SELECT count"):
            self.assertIn(text, done.out)
        done = self.portal.run("dataset", "show", "no_such", env=env)
        self.assertEqual(done.status, 1, done)
        self.assertIn("there is no dataset no_such", done.err)


if __name__ == "__main__":
    unittest.main()
