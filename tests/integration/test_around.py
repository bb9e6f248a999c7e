"""profile, cutout and lightcone through the command, on the example simulation and, where it
is there, on a whole run with velocities: against numpy, the group catalogue and astropy.
"""
import math
import os
import unittest

import h5py
import numpy as np

import harness
from harness import EXAMPLE, shared

BOX, MASS = 50.0, 4.075161606358443
LIGHT = 299792.458


def particles(folder, velocities=False):
    names = ["Coordinates", "ParticleIDs"] + ["Velocities"] * velocities
    parts = {n: [] for n in names}
    for k in range(2):
        with h5py.File(os.path.join(folder, f"snapdir_023/snapshot_023.{k}.hdf5")) as f:
            for n in names:
                parts[n].append(f["PartType1/" + n][:])
    return {n: np.concatenate(v) for n, v in parts.items()}


def offsets(pos, centre):
    """From the centre, by the nearest image, in [-BOX / 2, BOX / 2)."""
    d = pos.astype(float) % BOX - np.asarray(centre, float)
    return (d + BOX / 2) % BOX - BOX / 2


def numbers(text):
    return [float(v) for v in text.strip("[]").split(",")]


class Around(harness.Case):
    @classmethod
    def prepare(cls):
        done = cls.w.run("dataset", "add", os.path.join(EXAMPLE, "gadget4_run64.yaml"))
        assert done.status == 0, done.err
        cls.p = particles(EXAMPLE)

    def rows(self, sql, ranks=2):
        names, rows = self.w.query(sql, "-q", "-n", ranks)
        return [dict(zip(names, r)) for r in rows]

    def fails(self, sql, *words):
        done = self.w.run("query", "-q", "-n", 1, sql)
        self.assertNotEqual(done.status, 0, sql)
        for word in words:
            self.assertIn(word, done.err)
        self.assertEqual(len(done.err.strip().splitlines()), 1, done.err)

    # ---- cutout ----

    def test_cutout_equals_numpy_across_the_border(self):
        centre = [49.5, 0.3, 25]
        d = offsets(self.p["Coordinates"], centre)
        for shape, inside in (
                ("radius => 3", np.sqrt((d ** 2).sum(1)) <= 3),
                ("shape => 'box', size => [4, 2, 30]",
                 ((d >= [-2, -1, -15]) & (d < [2, 1, 15])).all(1)),
                ("shape => 'cylinder', axis => [0, 2, 0], radius => 2, length => 10",
                 (abs(d[:, 1]) <= 5) & (np.hypot(d[:, 0], d[:, 2]) <= 2))):
            sql = f"FROM cutout('gadget4_run64.dm', snapnum => 23, centre => {centre}, {shape})"
            rows = self.rows(sql)
            self.assertEqual(sorted(int(r["id"]) for r in rows),
                             sorted(self.p["ParticleIDs"][inside]), shape)
            self.assertEqual(rows, self.rows(sql, 3))
            for r in rows[:20]:
                way = np.array(numbers(r["pos"])) - centre
                self.assertAlmostEqual(math.sqrt((way ** 2).sum()), float(r["distance"]), 9)
        by_row = self.rows(f"""SELECT * FROM cutout('gadget4_run64.dm', snapnum => 23,
            centre => {centre}, radius => 3) ORDER BY distance""")
        self.assertEqual([r["vel"] for r in by_row[:1]], ['["NaN","NaN","NaN"]'])

    def test_cutout_of_many_regions(self):
        groups = """(SELECT GroupPos AS pos, Group_R_Crit200 AS radius, idx AS id
            FROM gadget4_run64.groups WHERE snapnum = 23 AND Group_R_Crit200 > 0.3)"""
        sql = f"""SELECT c.region, count(*) AS np, max(distance) AS far, any_value(g.mass) AS mass
            FROM cutout('gadget4_run64.dm', snapnum => 23, regions => {groups}) c
            JOIN (SELECT idx, Group_M_Crit200 AS mass FROM gadget4_run64.groups
                  WHERE snapnum = 23) g ON g.idx = c.region
            GROUP BY c.region ORDER BY c.region"""
        rows = self.rows(sql)
        self.assertGreater(len(rows), 50)
        # R200 is where the mean density is 200 times the critical one: the catalogue's M200.
        ratio = [int(r["np"]) * MASS / float(r["mass"]) for r in rows]
        self.assertLess(abs(np.median(ratio) - 1), 0.002)
        self.assertLess(np.max(np.abs(np.array(ratio) - 1)), 0.05)

    def test_only_what_can_match_is_read(self):
        rng = np.random.default_rng(3)
        pos = rng.random((200000, 3)).astype(np.float32) * np.float32(BOX)
        pos = pos[np.argsort(pos[:, 0])]
        path = self.w.file("sorted.hdf5")
        with h5py.File(path, "w") as f:
            f.create_dataset("PartType1/Coordinates", data=pos, chunks=(8192, 3))
            f.create_dataset("PartType1/ParticleIDs", data=np.arange(200000), chunks=(8192,))
            f.create_group("Header").attrs.update({"BoxSize": BOX, "Redshift": 0.0})
        table = path + ":/PartType1"
        self.assertEqual(self.w.run("index", table).status, 0)
        centres = [[0.5, 20, 30], [1, 40, 49]]
        one = f"cutout('{table}', centre => {centres[0]}, radius => 2)"
        many = f"""cutout('{table}', radius => 2,
            regions => (SELECT unnest({centres})::FLOAT[3] AS pos, unnest([7, 8]) AS id))"""
        done = self.w.run("query", "--explain", "-n", 2, "FROM " + one)
        # x from 48.5 over the border to 2.5 is 8 % of the rows: 4 chunks of 25, the last
        # one not full.
        self.assertIn("over at most 27,968 rows", done.out)
        for call, regions in (one, {0: centres[0]}), (many, dict(zip((7, 8), centres))):
            rows = self.rows("FROM " + call)
            want = []
            for number, centre in regions.items():
                d = offsets(pos, centre)
                inside = np.flatnonzero(np.sqrt((d ** 2).sum(1)) <= 2)
                want += [(number, i) for i in inside]
            self.assertEqual(sorted((int(r["region"]), int(r["id"])) for r in rows), want)

    # ---- profile ----

    def test_profile_counts_equal_numpy(self):
        group = self.rows("""SELECT GroupPos AS pos, Group_R_Crit200 AS r, Group_M_Crit200 AS m
            FROM gadget4_run64.groups WHERE snapnum = 23 ORDER BY GroupMass DESC LIMIT 1""")[0]
        centre = numbers(group["pos"])
        sql = f"""SELECT * FROM profile('gadget4_run64.dm', snapnum => 23,
            centre => {centre}, edges => [0, 0.1, 0.3, 1, 3, 10, 25])"""
        rows = self.rows(sql)
        r = np.sqrt((offsets(self.p["Coordinates"], centre) ** 2).sum(1))
        want = np.histogram(r, [0, 0.1, 0.3, 1, 3, 10, 25 - 1e-12])[0]
        self.assertEqual([int(b["np"]) for b in rows], list(want))
        self.assertEqual(rows, self.rows(sql, 3))
        self.assertEqual(rows, self.rows(sql, 1))
        for b in rows:
            lo, hi = float(b["r_inner"]), float(b["r_outer"])
            volume = 4 * math.pi / 3 * (hi ** 3 - lo ** 3)
            self.assertAlmostEqual(float(b["density"]) * volume / MASS, int(b["np"]), 6)
            self.assertEqual(b["v_radial"], "nan")
        within = self.rows(f"""SELECT mass_within, v_circular FROM profile('gadget4_run64.dm',
            snapnum => 23, centre => {centre}, edges => [0, {group['r']}])""")[0]
        self.assertAlmostEqual(float(within["mass_within"]) / float(group["m"]), 1, 3)
        # sqrt(G M / r), G = 43.0092 (km/s)^2 Mpc / 1e10 Msun.
        v = math.sqrt(43.0092 * float(within["mass_within"]) / float(group["r"]))
        self.assertAlmostEqual(float(within["v_circular"]) / v, 1, 4)

    def test_stack_by_mass(self):
        centres = """(SELECT GroupPos AS pos, Group_R_Crit200 AS radius, GroupMass AS mass, idx AS id
            FROM gadget4_run64.groups WHERE snapnum = 23 AND Group_R_Crit200 > 0)"""
        call = f"""profile('gadget4_run64.dm', snapnum => 23, scaled => true, r_max => 2,
            bins => 4, centres => {centres}"""
        stack = self.rows(f"""SELECT * FROM {call}, stack => true,
            mass_bins => [300, 1000, 100000])""", 3)
        single = self.rows(f"""SELECT bin, count(*) AS centres, avg(p.mass) AS mass,
                avg(density) AS density FROM {call}) p
            JOIN (SELECT idx, GroupMass FROM gadget4_run64.groups WHERE snapnum = 23) g
              ON g.idx = p.centre WHERE g.GroupMass >= 1000 GROUP BY bin ORDER BY bin""")
        self.assertEqual(len(stack), 8)
        for a, b in zip(stack[4:], single):
            self.assertEqual((a["bin"], a["centres"]), (b["bin"], b["centres"]))
            for name in "mass", "density":
                self.assertAlmostEqual(float(a[name]) / float(b[name]), 1, 9)

    def test_profile_velocities(self):
        folder = shared("gadget4_run64")
        table = os.path.join(folder, "snapdir_023/snapshot_023.*.hdf5:/PartType1")
        p = particles(folder, True)
        centre = [12.5, 20, 49]
        d = offsets(p["Coordinates"], centre)
        r = np.sqrt((d ** 2).sum(1))
        for flow in 0, 100:  # H = 100 h km/s/Mpc, lengths in Mpc/h, z = 0
            v = p["Velocities"].astype(float)
            u = v - v[r < 8].mean(0) + flow * d
            rows = self.rows(f"""FROM profile('{table}', centre => {centre},
                edges => [1, 4, 8], hubble_flow => {str(bool(flow)).lower()})""")
            for row, lo, hi in zip(rows, (1, 4), (4, 8)):
                there = (r >= lo) & (r < hi)
                direction = d[there] / r[there, None]
                radial = (u[there] * direction).sum(1)
                self.assertEqual(int(row["np"]), there.sum())
                self.assertAlmostEqual(float(row["v_radial"]), radial.mean(), 6)
                self.assertAlmostEqual(float(row["sigma_radial"]), radial.std(), 6)
                # Least squares for a + b r/r.
                n = there.sum()
                design = np.zeros((3 * n, 4))
                for k in range(3):
                    design[k::3, k] = 1
                    design[k::3, 3] = direction[:, k]
                left = np.linalg.lstsq(design, u[there].ravel(), rcond=None)[1][0]
                self.assertAlmostEqual(float(row["sigma"]), math.sqrt(left / n / 3), 5)

    # ---- lightcone ----

    def test_octant_of_one_snapshot(self):
        sql = """FROM lightcone('gadget4_run64.dm', z_max => 0.01, extrapolate => true,
            observer => [10, 20, 30], ra_range => [0, 90], dec_range => [0, 90])"""
        rows = self.rows("SELECT id, distance, replica, ra, dec, redshift, redshift_observed " + sql)
        d = self.w.value("SELECT max(distance) " + sql, "-q")
        self.assertLess(d, 29.95)  # 2997.92 * 0.01 * (1 - 0.0046), Mpc/h
        self.assertGreater(d, 29.8)
        limit = 2997.92458 * (0.01 - 0.75 * 0.308 * 0.01 ** 2)
        want = 0
        pos = self.p["Coordinates"].astype(float) % BOX - [10, 20, 30]
        for shift in np.ndindex(2, 2, 2):
            x = pos + np.array(shift) * BOX
            want += ((x >= 0).all(1) & ((x ** 2).sum(1) < limit ** 2)).sum()
        # The series for D is good to 1e-5: a few particles are that near to the end.
        self.assertLess(abs(len(rows) - want), 15)
        self.assertEqual(len({(r["id"], r["replica"]) for r in rows}), len(rows))
        self.assertEqual({r["redshift_observed"] for r in rows}, {"nan"})
        self.assertTrue(all(0 <= float(r["ra"]) < 90 and 0 <= float(r["dec"]) <= 90
                            for r in rows))

    def test_snapshots_by_distance(self):
        try:
            from astropy.cosmology import LambdaCDM
        except ImportError as e:
            raise unittest.SkipTest("astropy is not installed") from e
        files = shared("gadget4_run64", "groups_023") and os.path.join(
            harness.SHARED, "gadget4_run64", "groups_*/fof_subhalo_tab_*.hdf5:/Group")
        sql = f"""FROM lightcone('{files}', id => 'idx', z_min => 0.1, z_max => 0.5, angle => 6,
            direction => [20, 35], motion => {{}})"""
        rows = self.rows("SELECT * " + sql.format("false"))
        self.assertEqual(rows, self.rows("SELECT * " + sql.format("false"), 3))
        redshifts = {}
        for k in range(24):
            name = os.path.join(os.path.dirname(shared("gadget4_run64", "groups_023")),
                                f"groups_{k:03}/fof_subhalo_tab_{k:03}.0.hdf5")
            with h5py.File(name) as f:
                redshifts[k] = f["Header"].attrs["Redshift"]
                omega = f["Parameters"].attrs["Omega0"], f["Parameters"].attrs["OmegaLambda"]
        cosmology = LambdaCDM(H0=100, Om0=omega[0], Ode0=omega[1], Tcmb0=0)
        snapshots = sorted(redshifts)
        where = cosmology.comoving_distance([max(redshifts[k], 0) for k in snapshots]).value
        far = np.array([float(r["distance"]) for r in rows])
        z = np.array([float(r["redshift"]) for r in rows])
        nearest = np.abs(far[:, None] - where[None, :]).argmin(1)
        self.assertEqual([int(r["snapnum"]) for r in rows], [snapshots[i] for i in nearest])
        self.assertTrue(((z >= 0.1) & (z < 0.5)).all())
        np.testing.assert_allclose(cosmology.comoving_distance(z).value, far, rtol=1e-6)
        for r in rows[::50]:
            x, v = np.array(numbers(r["pos"])), np.array(numbers(r["vel"]))
            doppler = 1 + (x @ v) / float(r["distance"]) / LIGHT
            self.assertAlmostEqual((1 + float(r["redshift"])) * doppler - 1,
                                   float(r["redshift_observed"]), 7)
        # Halos move a few Mpc/h at most between snapshots.
        moved = {(r["snapnum"], r["id"], r["replica"]): float(r["distance"])
                 for r in self.rows("SELECT * " + sql.format("true"))}
        both = [(moved[key], float(r["distance"])) for r in rows
                if (key := (r["snapnum"], r["id"], r["replica"])) in moved]
        self.assertGreater(len(both), 0.98 * len(rows))
        self.assertLess(max(abs(a - b) for a, b in both), 2)
        self.assertGreater(max(abs(a - b) for a, b in both), 0.01)

    # ---- what cannot be ----

    def test_bad_input(self):
        dm = "'gadget4_run64.dm', snapnum => 23"
        none = "(SELECT GroupPos AS pos FROM gadget4_run64.groups WHERE snapnum = 23 AND {})"
        for call, *words in (
                (f"cutout({dm}, radius => 1)", "give centre"),
                (f"cutout({dm}, radius => 0, centre => [1, 1, 1])", "radius = 0", "above 0"),
                (f"cutout({dm}, radius => 26, centre => [1, 1, 1])", "half of the periodic"),
                (f"cutout({dm}, shape => 'ball', centre => [1, 1, 1])", "ball", "sphere"),
                (f"cutout({dm}, shape => 'cone', radius => 1, centre => [1, 1, 1])", "angle"),
                (f"cutout({dm}, radius => 1, centre => [1, 1])", "three numbers"),
                (f"cutout({dm}, radius => 1, regions => {none.format('GroupMass < 0')})",
                 "no centres"),
                (f"cutout({dm}, radius => 1, regions => (SELECT [1, 2, 0/0]::FLOAT[3] AS pos))",
                 "not finite"),
                (f"profile({dm}, centre => [1, 1, 1])", "no bins"),
                (f"profile({dm}, r_max => 26, centre => [1, 1, 1])", "half of"),
                (f"profile({dm}, edges => [1, 1], centre => [1, 1, 1])", "must rise"),
                (f"profile({dm}, r_max => 1, scaled => true, centre => [1, 1, 1])", "table"),
                (f"profile({dm}, r_max => 1, scaled => true, centres => {none.format('true')})",
                 "column radius"),
                (f"profile({dm}, r_max => 1, mass_bins => [1, 2], centre => [1, 1, 1])", "stack"),
                ("lightcone('gadget4_run64.dm')", "z_max must be given"),
                ("lightcone('gadget4_run64.dm', z_max => 0.02)", "outside of those of the"),
                ("lightcone('gadget4_run64.dm', z_max => 9, extrapolate => true)", "memory"),
                ("lightcone('gadget4_run64.dm', z_max => 0.01, omega_lambda => 0)", "flat"),
                ("lightcone('gadget4_run64.dm', z_max => 0.01, box => 0)", "periodic box")):
            with self.subTest(call):
                self.fails("FROM " + call, *words)


if __name__ == "__main__":
    harness.main()
