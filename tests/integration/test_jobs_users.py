"""`users: all`: root's perigeed with two real users of this machine, made for this test. Each
job has the rights of its user; nobody sees, reads, waits for or cancels what is not hers; root
may. Skipped where the test is not root or cannot make users.
"""
import grp
import json
import os
import pwd
import shutil
import stat
import subprocess
import unittest

import harness
from harness import BIN
from test_jobs_cli import MINUTE, Service, until


def make_user(name, home):
    done = subprocess.run(["useradd", "--no-create-home", "--home-dir", home, "--user-group",
                           "--shell", "/bin/bash", name], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise unittest.SkipTest(f"useradd does not work here: {done.stderr.strip()}")


def drop_user(name):
    subprocess.run(["userdel", "-f", name], capture_output=True, check=False)


class Users(Service):
    @classmethod
    def prepare(cls):
        if os.geteuid() != 0 or not shutil.which("useradd"):
            raise unittest.SkipTest("SKIP jobs of two users: needs root and useradd")
        super().prepare()
        cls.names = [f"peri{os.getpid() % 100000}{c}" for c in "ab"]
        for name in cls.names:
            home = cls.w.file(name)
            make_user(name, home)
            cls.addClassCleanup(drop_user, name)
            os.mkdir(home, 0o700)
            os.chown(home, pwd.getpwnam(name).pw_uid, grp.getgrnam(name).gr_gid)
        cls.config = cls.w.write("perigee.yaml", f"state: {cls.state}\nusers: all\n")
        cls.w.env["PERIGEE_CONFIG"] = cls.config
        if cls.as_user(0, "--version").status:
            raise unittest.SkipTest(f"SKIP jobs of two users: {BIN} is not theirs to read")
        done = cls.w.run("up")
        assert done.status == 0, done

    @classmethod
    def as_user(cls, which, *args):
        """The command as user 0 or 1, from her home; nothing of root's comes along."""
        who = pwd.getpwnam(cls.names[which])
        env = {"HOME": who.pw_dir, "USER": who.pw_name, "PATH": "/usr/bin:/bin",
               "PERIGEE_CONFIG": cls.config, "LC_ALL": "C.UTF-8"}
        done = subprocess.run([f"{BIN}/perigee", *map(str, args)], env=env, cwd=who.pw_dir,
                              user=who.pw_uid, group=who.pw_gid, extra_groups=[],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=2 * MINUTE, check=False)
        return harness.Done(done.returncode, done.stdout, done.stderr)

    def submit_as(self, which, *args):
        done = self.as_user(which, "submit", "-q", *args)
        self.assertEqual(done.status, 0, done)
        return done.out.strip()

    def test_rights_of_the_user(self):
        secret = self.w.write("secret", "root's\n")
        os.chmod(secret, 0o600)
        for which, name in enumerate(self.names):
            who = pwd.getpwnam(name)
            number = self.submit_as(which, "--", "sh", "-c",
                                    "id -u; id -g; id -G; pwd; echo $HOME $USER; "
                                    f"cat {secret}; echo mine >\"$PERIGEE_RESULTS/kept\"")
            self.assertEqual(self.as_user(which, "wait", number).status, 0)
            logs = self.as_user(which, "logs", number)
            self.assertEqual(logs.out, f"{who.pw_uid}\n{who.pw_gid}\n{who.pw_gid}\n"
                             f"{who.pw_dir}\n{who.pw_dir} {name}\n")
            self.assertIn("Permission denied", logs.err)
            kept = os.stat(f"{self.job(number)['results']}/kept")
            self.assertEqual((kept.st_uid, kept.st_gid), (who.pw_uid, who.pw_gid))

    def test_what_is_not_hers(self):
        number = self.submit_as(0, "--", "sh", "-c", "echo private; sleep 600")
        self.addCleanup(self.w.run, "cancel", "-q", number)
        until(lambda: self.job(number)["state"] == "running", what="its start")
        for words in (["job"], ["logs"], ["wait", "--timeout", "5s"], ["cancel"], ["resubmit"]):
            done = self.as_user(1, *words, number)
            self.assertNotEqual(done.status, 0, words)
            self.assertIn("there is no job", done.out + done.err, words)
            self.assertNotIn("private", done.out + done.err)
        after = self.as_user(1, "submit", "-q", "--after", number, "--", "true")
        self.assertNotEqual(after.status, 0)
        seen = [json.loads(done.out) for done in (
            self.as_user(1, "jobs", "--json", "-n", 0), self.ok("jobs", "--json", "-n", 0, "--all"))]
        self.assertEqual([j["id"] for j in seen[0]],
                         [j["id"] for j in seen[1] if j["user"] == self.names[1]])
        everything = self.as_user(1, "jobs", "--json", "-n", 0, "--all")  # all that she may see
        self.assertEqual({j["user"] for j in json.loads(everything.out)}, {self.names[1]})
        # Nor past perigee: the folder of the task is closed to her.
        folder = os.path.dirname(self.job(number)["results"])
        files = subprocess.run(["find", folder], user=pwd.getpwnam(self.names[1]).pw_uid,
                               capture_output=True, text=True, check=False)
        self.assertNotIn("stdout", files.stdout)
        for root, _, names in os.walk(folder):
            for name in names:
                mode = os.stat(os.path.join(root, name)).st_mode
                self.assertFalse(mode & stat.S_IWOTH, name)
        self.assertEqual(self.job(number)["state"], "running")
        self.ok("cancel", "-q", number)  # root may
        self.assertNotEqual(self.as_user(0, "wait", number).status, 0)
        self.assertEqual(self.job(number)["state"], "cancelled")

    def test_fair_turns(self):
        """One user's long queue does not hold up the other's only job."""
        cores = os.cpu_count()
        first = self.submit_as(0, "--array", f"1-{20 * cores}", "--", "sleep", "0.5")
        until(lambda: self.job(first)["state"] == "running", what="its start")
        second = self.submit_as(1, "--", "true")
        self.assertEqual(self.as_user(1, "wait", "--timeout", "30s", second).status, 0)
        self.assertEqual(self.job(first)["state"], "running")
        self.assertEqual(self.as_user(0, "cancel", "-q", first).status, 0)

    def test_only_root_says_where_data_lies(self):
        path = self.w.file("open", "part.hdf5")
        os.makedirs(os.path.dirname(path), 0o755)
        shutil.copy(f"{harness.EXAMPLE}/groups_023/fof_subhalo_tab_023.0.hdf5", path)
        self.w.describe("open", f"name: open\ntitle: x\nroot: {os.path.dirname(path)}\ntables:\n"
                        "  g: {files: '*.hdf5', path: /Group}\n")
        who = pwd.getpwnam(self.names[0])
        env = dict(PERIGEE_CONFIG=self.config, PERIGEE_DATASETS=self.w.datasets,
                   PERIGEE_STATE=who.pw_dir, HOME=who.pw_dir, PATH="/usr/bin:/bin")
        run = [f"{BIN}/perigee", "locate", "open"], [f"{BIN}/perigee", "index", "open"]
        done = [subprocess.run(words, env=env, user=who.pw_uid, group=who.pw_gid,
                               extra_groups=[], capture_output=True, text=True, check=False)
                for words in run]
        self.assertEqual(done[0].returncode, 1)
        self.assertIn("only an administrator", done[0].stderr)
        # Her own index is made all the same.
        self.assertEqual(done[1].returncode, 0, done[1].stderr)
        self.assertIn("only an administrator", done[1].stderr)
        self.assertEqual(self.w.run("replicas", "open").status, 1)


if __name__ == "__main__":
    harness.main()
