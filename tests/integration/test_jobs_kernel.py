"""Kernels as jobs: `perigee submit run`, specs of the kind kernel, sweeps over a parameter, what
is refused before it is submitted, and jobs that stop in time and go on.
"""
import json
import os

import h5py
import numpy as np

import harness
from harness import EXAMPLE, SOURCE
from test_jobs_cli import Service, until
from test_kernels import compile_kernel

HERE = os.path.dirname(os.path.abspath(__file__))
# The particles of the example have positions and ids only.
FOF = ["run", "fof", "gadget4_run64.dm", "--snapnum", 23, "--vel", "[0, 0, 0]"]


class Kernels(Service):
    @classmethod
    def prepare(cls):
        super().prepare()
        compile_kernel(cls.w, os.path.join(HERE, "kernels/moody.c"),
                       os.path.join(SOURCE, "include"))
        for words in (["dataset", "add", f"{EXAMPLE}/gadget4_run64.yaml"], ["up"]):
            done = cls.w.run(*words)
            assert done.status == 0, done

    def moody(self, *options, mood="counts"):
        """Found as the shell of the one who submits finds it."""
        return self.submit(*options, "-n", 2, "run", "moody", "gadget4_run64.dm", "--mood", mood,
                           env={"PERIGEE_KERNELS": self.w.file("kernels")})

    def rows(self, path):
        return harness.parse_csv(harness.text_of(path))

    def ended(self, number, state="succeeded"):
        self.w.run("wait", "-q", number)
        job = self.job(number)
        self.assertEqual(job["state"], state, job["text"])
        return job

    # ---- what it gives ----

    def test_rows_are_those_of_perigee_run(self):
        number = self.submit("-n", 2, *FOF, "--b", "0.20", "--into", "groups.h5")
        job = self.ended(number)
        self.assertEqual((job["kind"], job["name"]), ("kernel", "fof"))
        into = self.w.file("direct.h5")
        self.ok(*FOF, "--b=0.2", "-n", 1, "--into", into)
        with h5py.File(f"{job['results']}/groups.h5") as a, h5py.File(into) as b:
            self.assertEqual(sorted(a), sorted(b))
            columns = [k for k in a if isinstance(a[k], h5py.Dataset)]
            self.assertIn("np", columns)
            for name in columns:
                if a[name].dtype.kind in "iu":
                    np.testing.assert_array_equal(a[name][:], b[name][:], name)
                elif a[name].dtype.kind == "f":
                    np.testing.assert_allclose(a[name][:], b[name][:], rtol=1e-9)
            self.assertEqual(job["usage"]["rows"], len(a["np"]))
            particles = int(a["np"][:].sum())
        self.assertGreater(particles, 1000)
        # Positions of 64^3 particles, at least a byte each however they are packed.
        self.assertGreater(job["usage"]["shared_bytes"], 64 ** 3)
        spec = json.loads(self.ok("job", "--spec", number).out)
        self.assertEqual(spec["parameters"], {"snapnum": "23", "vel": "[0, 0, 0]", "b": "0.20"})
        self.assertEqual(os.listdir(job["results"]), ["groups.h5"])

    def test_true_or_false(self):
        number = self.submit(*FOF, "--members", "-o", "ids.csv")
        job = self.ended(number)
        self.assertEqual(self.rows(f"{job['results']}/ids.csv")[0], ["fofid", "id"])
        spec = json.loads(self.ok("job", "--spec", number).out)
        self.assertIs(spec["parameters"]["members"], True)

    def test_sweep(self):
        number = self.submit("--param", "b=0.15,0.2,0.25", "--parallel", 2, *FOF, "--b", "{b}",
                             "-o", "groups-{b}.csv")
        job = self.ended(number)
        self.assertEqual(job["tasks"], {"succeeded": 3})
        counts = []
        for b in "0.15", "0.2", "0.25":
            done = self.ok(*FOF, "--b", b, "-n", 1, "-q", "--format", "csv")
            rows = self.rows(f"{job['results']}/groups-{b}.csv")
            self.assertIsNone(harness.difference(rows[1:], harness.parse_csv(done.out)[1:]))
            counts.append(len(rows))
        self.assertLess(counts[0], counts[1])
        self.assertLess(counts[1], counts[2])

    def test_steps(self):
        """Further inputs are parameters; a query goes on with the rows."""
        heavy = "SELECT * FROM gadget4_run64.groups WHERE snapnum = 23 AND GroupMass > 5000"
        into = self.w.file("masses.h5")
        spec = {"steps": [
            {"name": "masses", "kind": "kernel", "kernel": "so_masses", "input": "dm",
             "context": "gadget4_run64", "into": into,
             "parameters": {"snapnum": 23, "deltas": "200c", "centres": heavy,
                            "min_particles": 10}},
            {"name": "count", "kind": "sql", "after": ["masses"], "into": "n.csv",
             "sql": f"SELECT count(*), min(m_200c) > 1000 FROM '{into}:/'"}]}
        job = self.ended(self.submit(self.w.write("steps.json", json.dumps(spec))))
        want = self.w.query(f"SELECT count(*), true FROM ({heavy})")[1]
        self.assertEqual(self.rows(f"{job['results']}/n.csv")[1:], want)

    def test_values_of_every_type(self):
        spec = {"kind": "kernel", "kernel": "moody", "input": "gadget4_run64.dm",
                "parameters": {"mood": "fine", "numbers": [1, 2.5, 9], "snapnum": 23,
                               "box": 50.0, "extra": "SELECT 1.5 AS value"},
                "env": {"PERIGEE_KERNELS": self.w.file("kernels")}}
        path = self.w.write("types.json", json.dumps(spec))
        job = self.ended(self.submit(path, env=spec["env"]))
        self.assertEqual(self.rows(f"{job['results']}/result.csv"),
                         [["rank", "value"], ["0", "262144"]])
        spec["parameters"]["numbers"] = [1, 10]
        self.w.write("types.json", json.dumps(spec))
        job = self.ended(self.submit(path, env=spec["env"]), "failed")
        self.assertIn("at most 9", job["text"])

    def test_progress(self):
        number = self.moody()

        def counts():
            job = self.job(number)
            self.assertNotIn(job["state"], ("succeeded", "failed"), job["text"])
            task = job["task_list"][0]
            return task.get("message") == "moody: counting" and task["progress"] > 0

        until(counts)
        self.assertRegex(self.ok("job", number).out, r"\d+ %  moody: counting")
        self.ok("cancel", number)
        self.ended(number, "cancelled")

    # ---- what is refused ----

    def test_wrong_words(self):
        before = self.ok("jobs", "--json", "-n", 0).out
        for words, text in (
                (["run"], "which kernel"),
                (["run", "fof"], "needs an input"),
                (["run", "foff", "a.b"], 'did you mean "fof"?'),
                (["run", "fof", "a.b", "c.d"], "one input"),
                (["run", "fof", "a.b", "--bb", "1"], 'no parameter "bb": did you mean "b"?'),
                (["run", "fof", "--bb=1", "a.b"], 'no parameter "bb"'),
                (["run", "fof", "a.b", "--b", "x"], "--b needs a number"),
                (["run", "fof", "a.b", "--b"], "--b needs a value"),
                (["run", "fof", "a.b", "--b", "1", "--b", "2"], "given twice"),
                (["run", "fof", "a.b", "--b", "{b}", "--array", "0-3"], "{b} is not a param"),
                (["run", "fof", "a.b", "--mpi"], "--mpi is for scripts"),
                (["run", "fof", "--", "--a", "--b", "1", "--c", "2"], 'no parameter "c"')):
            with self.subTest(words):
                done = self.w.run("submit", *words)
                self.assertEqual(done.status, 2, done)
                self.assertIn(text, done.err)
                self.assertEqual(len(done.err.splitlines()), 1, done.err)
        self.assertEqual(self.ok("jobs", "--json", "-n", 0).out, before)

    def test_wrong_specs(self):
        def step(**keys):
            return {"kind": "kernel", "kernel": "fof", "input": "a.b", **keys}

        for spec, text in (
                (step(kernel="foff"), 'did you mean "fof"?'),
                (step(parameters={"bb": 1}), 'did you mean "b"?'),
                (step(parameters={"b": "x"}), "--b needs a number"),
                (step(parameters={"b": [1, 2]}), "--b needs a number"),
                (step(parameters={"members": 1}), "--members needs true or false"),
                ({"steps": [step(name="a"), step(name="b", parameters={"bb": 1})]},
                 "at /steps/1: fof has no parameter")):
            with self.subTest(text):
                done = self.w.run("submit", "--check",
                                  self.w.write("spec.json", json.dumps(spec)))
                self.assertEqual(done.status, 2, done)
                self.assertIn(text, done.err)
        good = step(parameters={"b": "{x}", "snapnum": 3},
                    array={"parameters": {"x": [0.1, 0.2]}})
        plan = self.ok("submit", "--check", self.w.write("spec.json", json.dumps(good))).out
        self.assertIn("--b={x}", plan)

    def test_run_behind_two_dashes(self):
        done = self.w.run("run", "fof", "-n", 1, "--", "--a", "--into=x.csv")
        self.assertEqual(done.status, 2)
        self.assertIn('fof has no parameter "into"', done.err)
        done = self.ok("run", "fof", "-q", "-n", 1, "--format", "csv", "--",
                       "SELECT * FROM gadget4_run64.dm WHERE snapnum = 23", "--vel=[0, 0, 0]",
                       "--box=50", "--mass=1")
        self.assertGreater(len(done.out.splitlines()), 100)

    # ---- to stop in time ----

    def test_kernel_stops_and_goes_on(self):
        """It counts for 4 s, and is told 4 s after its start that its time is nearly over."""
        number = self.moody("--restartable", "--time", "30s", "--warn", "USR1@26s", "--into",
                            "count.csv")
        job = self.ended(number)
        task = job["task_list"][0]
        self.assertGreater(task["attempt"], 1)
        (_, *rows) = self.rows(f"{job['results']}/count.csv")
        self.assertEqual([r[0] for r in rows], ["0", "1"])
        self.assertEqual(rows[0][1], rows[1][1])
        self.assertGreater(int(rows[0][1]), 0)  # from where it went on
        self.assertEqual(os.listdir(job["results"]), ["count.csv"])
        events = json.loads(self.ok("job", "--json", "--events", number).out)["events"]
        revoked = [e for e in events if e["event"] == "revoked"]
        self.assertEqual(len(revoked), task["attempt"] - 1)
        self.assertEqual({e["context"]["reason"] for e in revoked}, {"time_limit"})
        self.assertIn("what it has done is saved", revoked[0]["text"])
        self.assertIn("started again", revoked[0]["text"])

    def test_so_do_scripts(self):
        script = self.script('[ -e "$PERIGEE_RESULTS/saved" ] && exit 0\n'
                             'trap \'touch "$PERIGEE_RESULTS/saved"; exit 75\' USR1\n'
                             "while :; do sleep 0.1; done", "stops.sh")
        options = ["--time", "60s", "--warn", "USR1@59s"]
        job = self.ended(self.submit(*options, "--restartable", script))
        self.assertEqual(job["task_list"][0]["attempt"], 2)
        job = self.ended(self.submit(*options, script), "failed")
        self.assertEqual(job["reason"], "time_limit")
        self.assertIn("exit status 75", job["text"])


if __name__ == "__main__":
    harness.main()
