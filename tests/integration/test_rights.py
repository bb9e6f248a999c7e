#!/usr/bin/env python3
"""Who may do what to which kind of thing: every cell of the tables below is tried over the wire.

+ done, f forbidden (403: she knows of it, but may not), n not there for her (404), a sign in first (401).
"""
import os
import time
import unittest

import harness
from portal_world import Person, Portal

VOLUME = """
          list  shared  file  other  put  mkdir  remove  move  grants  grant  link  edit
ana        +      +      +      +     +     +      +      +      +       +     +     +
rea        n      +      +      n     f     f      f      f      f       f     f     n
wil        n      +      +      n     +     +      +      +      f       f     f     n
gus        n      +      +      n     f     f      f      f      +       +     +     n
tia        n      +      +      n     f     f      f      f      f       f     f     n
late       n      n      n      n     n     n      n      n      n       n     n     n
gone       n      n      n      n     n     n      n      n      n       n     n     n
sam        n      n      n      n     n     n      n      n      n       n     n     n
admin      n      n      n      n     n     n      n      n      n       n     n     n
nobody     a      a      a      a     a     a      a      a      a       a     a     a
off        a      a      a      a     a     a      a      a      a       a     a     a
ana_files  +      +      +      +     f     f      f      f      f       f     f     f
ana_jobs   f      f      f      f     f     f      f      f      f       f     f     f
"""

TEAM_VOLUME = """
          list  file  put  mkdir  remove  grants  grant  link  edit
tom        +     +     +     +      +       +       +      +     +
tia        +     +     +     +      +       +       +      +     +
max        +     +     +     +      +       f       f      f     f
ivy        n     n     n     n      n       n       n      n     n
gone       n     n     n     n      n       n       n      n     n
sam        n     n     n     n      n       n       n      n     n
admin      n     n     n     n      n       n       n      n     n
nobody     a     a     a     a      a       a       a      a     a
"""

LECTURES = """
          list  file  put  remove  grant
tom        +     +     +     +       +
tia        +     +     +     +       +
stu        +     +     f     f       f
dent       +     +     f     f       f
sam        n     n     n     n       n
"""

STUDENT = """
          list  file  put  remove  grant
tom        +     +     f     f       f
tia        +     +     f     f       f
stu        +     +     +     +       f
dent       n     n     n     n       n
sam        n     n     n     n       n
admin      n     n     n     n       n
"""

TEAM = """
          see  members  edit  invite  promote  remove  remove_admin  remove_team
tom        +      +      +      +        +        +          +            +
tia        +      +      +      +        f        +          f            f
max        +      +      f      f        f        f          f            f
ivy        +      f      f      f        f        f          f            f
gone       n      n      n      n        n        n          n            n
sam        n      n      n      n        n        n          n            n
admin      +      +      +      +        +        +          +            +
nobody     a      a      a      a        a        a          a            a
"""

PUBLIC_TEAM = """
          see  members  join  edit  remove_team
tom        +      +      +     +        +
sam        +      f      +     f        f
nobody     a      a      a     a        a
"""

JOB = """
          see  tasks  events  logs  cancel  again  grants  grant
ana        +     +      +       +      +      +       +      +
sue        +     +      +       f      f      f       f      f
rea        +     +      +       +      f      f       f      f
wil        +     +      +       +      +      f       f      f
ron        +     +      +       f      f      +       f      f
gus        +     +      +       f      f      f       +      f
tia        +     +      +       +      f      f       f      f
late       n     n      n       n      n      n       n      n
sam        n     n      n       n      n      n       n      n
admin      +     +      +       f      +      f       f      f
nobody     a     a      a       a      a      a       a      a
off        a     a      a       a      a      a       a      a
ana_jobs   +     +      +       +      f      f       f      f
"""

QUERY = """
          see  cancel  job  forget
ana        +     +      +     +
tia        n     n      n     n
sam        n     n      n     n
admin      n     n      n     n
nobody     a     a      a     a
off        a     a      a     a
ana_files  f     f      f     f
ana_jobs   f     f      f     f
ana_sql    +     +      f     +
"""

SAVED = """
          see  change  remove
max        +     +       +
tom        +     f       f
tia        +     f       f
ivy        n     n       n
gone       n     n       n
sam        n     n       n
admin      n     n       n
nobody     a     a       a
off        a     a       a
ana_files  f     f       f
ana_sql    +     f       f
"""

TABLE = """
          show  data  describe  rename  put  drop
ana        +     +       +        +      +     +
rea        +     +       f        f      f     f
wil        +     +       +        +      +     +
gus        +     +       f        f      f     f
tia        +     +       f        f      f     f
sue        n     n       n        n      n     n
late       n     n       n        n      n     n
gone       n     n       n        n      n     n
sam        n     n       n        n      n     n
admin      n     n       n        n      n     n
nobody     a     a       a        a      a     a
off        a     a       a        a      a     a
ana_files  +     +       f        f      f     f
ana_sql    f     f       f        f      f     f
"""

ADMIN = """
          users  user  quota  make  link  approvals  overview  audit  banner  metrics
admin       +      +     +      +     +       +          +        +      +        +
ana         f      f     f      f     f       f          f        f      f        f
tom         f      f     f      f     f       f          f        f      f        f
plain       f      f     f      f     f       f          f        f      f        f
nobody      a      a     a      a     a       a          a        a      a        a
"""

WORD = {401: "a", 403: "f", 404: "n"}


def word(status):
    return "+" if 200 <= status < 300 else WORD.get(status, str(status))


def cells(table):
    head, *rows = [line.split() for line in table.strip().splitlines()]
    for who, *expected in rows:
        assert len(expected) == len(head), who
        yield from ((who, action, want) for action, want in zip(head, expected))


class Rights(unittest.TestCase):
    cells = 0

    @classmethod
    def setUpClass(cls):
        cls.portal = Portal("limits: {requests_per_minute: 0}\n"
                            "schedulers: {local: {cores: 1}}\n").up()
        cls.addClassCleanup(cls.portal.close)
        cls.people()
        cls.things()

    @classmethod
    def people(cls):
        p = cls.portal
        everybody = "ana rea wil gus ron sue tom tia max ivy gone sam late off stu dent".split()
        cls.who = {name: p.person(name) for name in everybody}
        cls.who["admin"] = p.person("boss", scopes=("all", "admin"), admin=True)
        cls.who["plain"] = p.signed_in("boss")  # an administrator, with a token that is not for that
        cls.who["nobody"] = p.nobody
        cls.who["ana_files"] = p.signed_in("ana", scopes=("files:read",))
        cls.who["ana_sql"] = p.signed_in("ana", scopes=("sql",))
        cls.who["ana_jobs"] = p.signed_in("ana", scopes=("jobs:read",))
        tom = cls.who["tom"]
        for team, kind in (("mhd", "team"), ("lab", "class")):
            tom.ok("POST", "/teams", {"name": team, "kind": kind})
            tom.ok("POST", f"/teams/{team}/invitations", {"account": "tia", "role": "admin"})
            cls.who["tia"].ok("POST", f"/invitations/{team}/accept")
        for name in ("ana", "max", "ivy", "gone"):  # one shares with teams that one sees
            tom.ok("POST", "/teams/mhd/invitations", {"account": name})
        for name in ("ana", "max", "gone"):
            cls.who[name].ok("POST", "/invitations/mhd/accept")
        for name in ("stu", "dent"):
            tom.ok("POST", "/teams/lab/invitations", {"account": name})
            cls.who[name].ok("POST", "/invitations/lab/accept")
        cls.who["boss"] = cls.who["admin"]

    @classmethod
    def things(cls):
        ana = cls.who["ana"]
        cls.put(ana, "ana/persistent", "other.txt")
        cls.put(ana, "ana/persistent", "shared/x.txt")
        thing = "ana/persistent:shared"
        cls.finished = cls.job(ana, ["sh", "-c", "echo hello"])
        soon = time.time() + 3
        for kind, what in (("volume", thing), ("job", cls.finished)):
            for name, rights in (("rea", ["read"]), ("wil", ["read", "write"]),
                                 ("gus", ["read", "grant"] if kind == "volume" else ["grant"])):
                cls.share(ana, kind, what, {"account": name}, rights)
            cls.share(ana, kind, what, {"team": "mhd"}, ["read"])
            cls.share(ana, kind, what, {"account": "late"}, ["read"], expires=soon)
            cls.share(ana, kind, what, {"account": "off"}, ["read"])
        cls.share(ana, "job", cls.finished, {"account": "ron"}, ["run"])
        cls.share(ana, "job", cls.finished, {"account": "sue"}, ["see"])
        for name in ("tom", "stu"):
            volume = {"tom": "team:mhd/files", "stu": "team:lab/stu"}[name]
            cls.put(cls.who[name], volume, "x.txt")
        cls.put(cls.who["tom"], "team:lab/lectures", "x.txt")
        # Rights that end.
        assert cls.who["gone"].get("/files/ana/persistent/shared/x.txt").status == 200
        cls.who["gone"].ok("POST", "/teams/mhd/leave")
        cls.who["admin"].ok("PATCH", "/admin/users/off", {"state": "disabled"})
        deadline = time.monotonic() + 60
        while (state := ana.ok("GET", f"/jobs/{cls.finished}")["state"]) != "succeeded":
            assert state in ("waiting", "queued", "running"), state
            assert time.monotonic() < deadline, "the job does not end"
            time.sleep(0.2)
        time.sleep(max(0, soon - time.time()))

    @staticmethod
    def put(who, volume, path):
        if "/" in path:
            who.ok("POST", f"/files/{volume}/{os.path.dirname(path)}",
                   {"action": "mkdir", "parents": True})
        who.ok("PUT", f"/files/{volume}/{path}", f"{path} of {volume}")

    @staticmethod
    def share(who, kind, what, to, rights, **more):
        who.ok("POST", "/grants", dict(kind=kind, thing=str(what), to=to, rights=rights, **more))

    @staticmethod
    def job(who, command):
        return who.ok("POST", "/jobs", {"kind": "script", "command": command})["number"]

    def table(self, table, actions):
        wrong = []
        for who, action, want in cells(table):
            got = word(actions[action](self.who[who], who).status)
            type(self).cells += 1
            if got != want:
                wrong.append(f"{who} {action}: {got} instead of {want}")
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def files(self, volume, folder, maker):
        """What can be done in a folder of a volume ("" for its top)."""
        at = f"/files/{volume}/{folder}"

        def remove(p, who):
            self.put(self.who[maker], volume, f"{folder}rm-{who}.txt")
            return p.delete(f"{at}rm-{who}.txt")

        def move(p, who):
            self.put(self.who[maker], volume, f"{folder}mv-{who}.txt")
            return p.post(f"{at}mv-{who}.txt", {"action": "rename", "name": f"mv2-{who}.txt"})

        thing = f"{volume}:{folder.rstrip('/')}"
        return {
            "list": lambda p, who: p.get(f"/files/{volume}"),
            "shared": lambda p, who: p.get(at.rstrip("/")),
            "file": lambda p, who: p.get(at + "x.txt?download=1"),
            "other": lambda p, who: p.get(f"/files/{volume}/other.txt?download=1"),
            "put": lambda p, who: p.put(f"{at}put-{who}.txt", "x"),
            "mkdir": lambda p, who: p.post(f"{at}dir-{who}", {"action": "mkdir"}),
            "remove": remove,
            "move": move,
            "grants": lambda p, who: p.get(f"/grants?kind=volume&thing={thing}"),
            "grant": lambda p, who: p.post("/grants", {
                "kind": "volume", "thing": f"{thing}{'/' if folder else ''}x.txt",
                "to": {"account": "dent"}, "rights": ["read"]}),
            "link": lambda p, who: p.post("/links", {
                "kind": "volume", "thing": f"{volume}:{folder}x.txt", "days": 1}),
            "edit": lambda p, who: p.patch(f"/volumes/{volume}", {"description": who}),
        }

    def test_volume(self):
        self.table(VOLUME, self.files("ana/persistent", "shared/", "ana"))

    def test_team_volume(self):
        self.table(TEAM_VOLUME, self.files("team:mhd/files", "", "tom"))

    def test_class(self):
        self.table(LECTURES, self.files("team:lab/lectures", "", "tom"))
        self.table(STUDENT, self.files("team:lab/stu", "", "stu"))

    def test_team(self):
        tom = self.who["tom"]

        def with_member(name, role, do):
            """Somebody is in the team for the length of the action."""
            tom.ok("POST", "/teams/mhd/invitations", {"account": name, "role": role})
            self.who[name].ok("POST", "/invitations/mhd/accept")
            answer = do()
            tom.delete(f"/teams/mhd/members/{name}")
            return answer

        def remove_team(p, who):
            """A team of the same members."""
            tom.ok("POST", "/teams", {"name": f"x-{who}"})
            for name, role in (("tia", "admin"), ("max", "member"), ("ivy", "member")):
                tom.ok("POST", f"/teams/x-{who}/invitations", {"account": name, "role": role})
                if name != "ivy":
                    self.who[name].ok("POST", f"/invitations/x-{who}/accept")
            answer = p.delete(f"/teams/x-{who}")
            if answer.status != 204:
                tom.ok("DELETE", f"/teams/x-{who}")
            return answer

        self.table(TEAM, {
            "see": lambda p, who: p.get("/teams/mhd"),
            "members": lambda p, who: p.get("/teams/mhd/members"),
            "edit": lambda p, who: p.patch("/teams/mhd", {"title": who}),
            "invite": lambda p, who: p.post("/teams/mhd/invitations", {"account": "dent"}),
            "promote": lambda p, who: with_member("rea", "member", lambda: p.patch(
                "/teams/mhd/members/rea", {"role": "admin"})),
            "remove": lambda p, who: with_member("rea", "member", lambda: p.delete(
                "/teams/mhd/members/rea")),
            "remove_admin": lambda p, who: with_member("rea", "admin", lambda: p.delete(
                "/teams/mhd/members/rea")),
            "remove_team": remove_team,
        })

    def test_public_team(self):
        self.who["tom"].ok("POST", "/teams", {"name": "stars", "public": True})
        self.addCleanup(self.who["tom"].delete, "/teams/stars")

        def join(p, who):
            answer = p.post("/teams/stars/join")
            if who == "sam":
                p.post("/teams/stars/leave")
            return answer

        def remove(p, who):
            self.who["tom"].ok("POST", "/teams", {"name": f"y-{who}", "public": True})
            answer = p.delete(f"/teams/y-{who}")
            self.who["tom"].delete(f"/teams/y-{who}")
            return answer

        self.table(PUBLIC_TEAM, {
            "see": lambda p, who: p.get("/teams/stars"),
            "members": lambda p, who: p.get("/teams/stars/members"),
            "join": join,
            "edit": lambda p, who: p.patch("/teams/stars", {"title": who}),
            "remove_team": remove,
        })

    def test_job(self):
        ana = self.who["ana"]
        n = self.finished
        blocker = self.job(ana, ["sleep", "600"])  # the only core: what follows stays in the queue
        self.addCleanup(ana.post, f"/jobs/{blocker}/cancel")

        def cancel(p, who):
            waiting = self.job(ana, ["sleep", "600"])
            for name, rights in (("sue", ["see"]), ("rea", ["read"]), ("wil", ["write"]),
                                 ("ron", ["run"]), ("gus", ["grant"])):
                self.share(ana, "job", waiting, {"account": name}, rights)
            self.share(ana, "job", waiting, {"team": "mhd"}, ["read"])
            answer = p.post(f"/jobs/{waiting}/cancel")
            ana.post(f"/jobs/{waiting}/cancel")
            return answer

        self.table(JOB, {
            "see": lambda p, who: p.get(f"/jobs/{n}"),
            "tasks": lambda p, who: p.get(f"/jobs/{n}/tasks"),
            "events": lambda p, who: p.get(f"/jobs/{n}/events"),
            "logs": lambda p, who: p.get(f"/jobs/{n}/logs"),
            "cancel": cancel,
            "again": lambda p, who: p.post(f"/jobs/{n}/resubmit"),
            "grants": lambda p, who: p.get(f"/grants?kind=job&thing={n}"),
            "grant": lambda p, who: p.post("/grants", {
                "kind": "job", "thing": str(n), "to": {"account": "dent"}, "rights": ["read"]}),
        })

    def test_query(self):
        ana = self.who["ana"]
        one = self.portal.asked(ana, "SELECT 1")

        def forget(p, who):
            return p.delete(f"/queries/{self.portal.asked(ana, 'SELECT 2')}")

        def job(p, who):
            answer = p.post(f"/queries/{one}/job")
            if answer.status == 201:
                ana.ok("POST", f"/jobs/{answer.json['number']}/cancel")
            return answer

        self.table(QUERY, {
            "see": lambda p, who: p.get(f"/queries/{one}"),
            "cancel": lambda p, who: p.post(f"/queries/{one}/cancel"),
            "job": job,
            "forget": forget,
        })
        for who, n in (("ana", True), ("tia", False), ("admin", False)):
            ids = [q["id"] for q in self.who[who].ok("GET", "/queries")["queries"]]
            self.assertEqual(one in ids, n, who)

    def test_saved_query(self):
        made = {"sql": "SELECT 1", "team": "mhd"}

        def remove(p, who):
            self.who["max"].ok("PUT", f"/saved-queries/of-{who}", made)
            return p.delete(f"/saved-queries/max/of-{who}")

        self.who["max"].ok("PUT", "/saved-queries/all", made)
        self.table(SAVED, {
            "see": lambda p, who: p.get("/saved-queries/max/all"),
            "change": lambda p, who: p.put("/saved-queries/max/all", made),
            "remove": remove,
        })

    @unittest.skipUnless(harness.can_sandbox(), "bubblewrap makes no sandbox here")
    def test_table(self):
        ana = self.who["ana"]

        def make(name):
            ana.ok("POST", "/query", {"sql": f"SELECT 1 AS x INTO mydb.{name}"})

        def at(who, table):
            return f"/tables/{'mydb' if who.startswith('ana') else 'ana'}/{table}"

        def drop(p, who):
            make(f"of_{who}")
            return p.delete(at(who, f"of_{who}"))

        def rename(p, who):
            answer = p.patch(at(who, "t"), {"name": "u"})
            if answer.status == 200:
                ana.ok("PATCH", "/tables/mydb/u", {"name": "t"})
            return answer

        make("t")
        soon = time.time() + 0.2
        for name, rights in (("rea", ["read"]), ("wil", ["read", "write"]), ("gus", ["read", "grant"])):
            self.share(ana, "volume", "ana/persistent:mydb", {"account": name}, rights)
        self.share(ana, "volume", "ana/persistent:mydb", {"team": "mhd"}, ["read"])
        self.share(ana, "volume", "ana/persistent:mydb", {"account": "late"}, ["read"], expires=soon)
        time.sleep(0.3)
        self.table(TABLE, {
            "show": lambda p, who: p.get(at(who, "t")),
            "data": lambda p, who: p.get(at(who, "t") + "/data"),
            "describe": lambda p, who: p.patch(at(who, "t"), {"description": who}),
            "rename": rename,
            "put": lambda p, who: p.put(at(who, f"new_{who}") + "?format=csv", b"a\n1\n"),
            "drop": drop,
        })

    def test_lists_show_what_one_may_see(self):
        seen = {who: {j["number"] for j in self.who[who].ok("GET", "/jobs?user=*&limit=1000")["jobs"]}
                for who in ("ana", "rea", "sam", "tia", "late", "admin")}
        self.assertTrue(seen["ana"])
        self.assertIn(self.finished, seen["rea"])
        self.assertIn(self.finished, seen["tia"])
        self.assertNotIn(self.finished, seen["late"])
        self.assertEqual(seen["sam"], set())
        self.assertLessEqual(seen["ana"], seen["admin"])
        self.assertEqual({t["name"] for t in self.who["sam"].ok("GET", "/teams")["teams"]}, set())
        shared = self.who["rea"].ok("GET", "/shared")["grants"]
        self.assertIn("ana/persistent:shared", {g["thing"] for g in shared})

    def test_admin(self):
        self.table(ADMIN, {
            "users": lambda p, who: p.get("/admin/users"),
            "user": lambda p, who: p.get("/admin/users/sam"),
            "quota": lambda p, who: p.patch("/admin/users/sam", {"quota": 10**9}),
            "make": lambda p, who: p.post("/admin/users", {"name": f"new-{who}"}),
            "link": lambda p, who: p.post("/admin/users/dent/link"),
            "approvals": lambda p, who: p.get("/admin/approvals"),
            "overview": lambda p, who: p.get("/admin/overview"),
            "audit": lambda p, who: p.get("/admin/audit"),
            "banner": lambda p, who: p.put("/admin/banner", {"text": "hello"}),
            "metrics": lambda p, who: p.get("/metrics"),
        })

    @classmethod
    def tearDownClass(cls):
        print(f"{cls.cells} cells")
        assert cls.cells >= 300, cls.cells


if __name__ == "__main__":
    harness.main()
