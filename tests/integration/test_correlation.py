"""correlation from the user's side: pair counts against scipy and numpy, estimators by their
formulas, wrong input.
"""
import os

import h5py
import numpy as np

import harness
from harness import EXAMPLE

try:
    from scipy.spatial import cKDTree
except ImportError:
    cKDTree = None

SNAPSHOT = os.path.join(EXAMPLE, "snapdir_023/snapshot_023.*.hdf5:/PartType1")
BOX = 50.0


def differences(a, b, box):
    """All (j - i), nearest images; i with itself left out if both are one set."""
    d = b[None] - a[:, None]
    if box:
        d -= box * np.round(d / box)
    if a is b:
        d = d[~np.eye(len(a), dtype=bool)]
    return d.reshape(-1, 3)


class Correlation(harness.Case):
    @classmethod
    def prepare(cls):
        parts, ids = [], []
        for k in range(2):
            with h5py.File(SNAPSHOT.split(":")[0].replace("*", str(k))) as f:
                parts.append(f["PartType1/Coordinates"][:].astype(float))
                ids.append(f["PartType1/ParticleIDs"][:].astype(int))
        cls.x = np.concatenate(parts) % BOX
        cls.id = np.concatenate(ids)

    def run_kernel(self, *options, ranks=2, points=SNAPSHOT):
        return self.w.run("run", "-q", "-n", ranks, "correlation", points, "--format", "csv",
                          *options)

    def rows(self, *options, **more):
        done = self.run_kernel(*options, **more)
        self.assertEqual(done.status, 0, done.err)
        names, *rows = harness.parse_csv(done.out)
        return {n: np.array([float(r[i]) for r in rows]) for i, n in enumerate(names)}

    def one_in(self, n):
        return ["--filter", f"ParticleIDs % {n} = 0"], self.x[self.id % n == 0]

    # ---- periodic ----

    def test_xi_is_scipys(self):
        if not cKDTree:
            self.skipTest("no scipy")
        sample, x = self.one_in(8)
        options = [*sample, "--rmin", 0.05, "--rmax", 6, "--nbins", 12]
        got = self.rows(*options)
        edges = np.append(got["r_lo"], got["r_hi"][-1])
        np.testing.assert_allclose(edges, np.geomspace(0.05, 6, 13), 1e-14)
        tree = cKDTree(x, boxsize=BOX)
        dd = np.diff(tree.count_neighbors(tree, edges))
        np.testing.assert_array_equal(got["dd"], dd)
        np.testing.assert_array_equal(got["dd_weight"], dd)
        expected = len(x) * (len(x) - 1) * 4 / 3 * np.pi * np.diff(edges ** 3) / BOX ** 3
        np.testing.assert_allclose(got["expected"], expected, 1e-12)
        np.testing.assert_allclose(got["xi"], dd / expected - 1, 1e-12)
        np.testing.assert_allclose(got["xi_error"], (1 + got["xi"]) / np.sqrt(dd / 2), 1e-12)
        out = self.run_kernel(*options, ranks=1).out
        for ranks in 2, 3, 4:
            self.assertEqual(self.run_kernel(*options, ranks=ranks).out, out, ranks)

    def test_xi_is_the_transform_of_the_power_spectrum(self):
        """Of the same particles: xi of a shell is sum over modes of P/V times the mean of
        sin(kr)/kr in the shell. Modes end at Nyquist's k, so it is not exact."""
        got = self.rows("--bins", "[4, 5, 6, 7, 8, 9, 10]")
        done = self.w.run("run", "-q", "-n", 2, "power_spectrum", SNAPSHOT, "--grid", 256, "--bins", 3000,
                          "--format", "csv")
        self.assertEqual(done.status, 0, done.err)
        names, *rows = harness.parse_csv(done.out)
        p = {n: np.array([float(r[i]) for r in rows]) for i, n in enumerate(names)}
        inside = lambda r: (np.sin(p["k"] * r) - p["k"] * r * np.cos(p["k"] * r)) / p["k"] ** 3
        for lo, hi, xi in zip(got["r_lo"], got["r_hi"], got["xi"]):
            mean = 3 * (inside(hi) - inside(lo)) / (hi ** 3 - lo ** 3)
            want = np.sum(p["modes"] * (p["p0"] - p["shot_noise"]) * mean) / BOX ** 3
            self.assertLess(abs(xi / want - 1), 0.03, (lo, xi, want))

    def test_modes_and_redshift_space(self):
        sample, x = self.one_in(100)
        shifted = x.copy()
        shifted[:, 2] = (x[:, 2] + 0.01 * 50 * x[:, 0]) % BOX  # km/s are 0.01 Mpc/h at z = 0
        d = differences(shifted, shifted, BOX)
        r, rp, pi = np.sqrt((d ** 2).sum(1)), np.hypot(d[:, 0], d[:, 1]), abs(d[:, 2])
        edges, pis, mus = np.linspace(1, 13, 5), np.linspace(0, 12, 4), np.linspace(0, 1, 6)
        n = len(x)
        options = [*sample, "--vel", "[0, 0, 50 * Coordinates[1]]", "--rsd", "z", "--rmin", 1,
                   "--rmax", 13, "--nbins", 4, "--spacing", "linear", "--mean", "true"]
        # rp and pi, wp
        dd = np.histogram2d(rp, pi, (edges, pis))[0]
        volume = 2 * np.pi * np.diff(edges ** 2)[:, None] * np.diff(pis)
        expected = n * (n - 1) * volume / BOX ** 3
        got = self.rows(*options, "--mode", "rppi", "--pi_max", 12, "--pi_bins", 3)
        np.testing.assert_array_equal(got["dd"].reshape(4, 3), dd)
        np.testing.assert_allclose(got["xi"].reshape(4, 3), dd / expected - 1, 1e-9)
        got = self.rows(*options, "--mode", "wp", "--pi_max", 12, "--pi_bins", 3, ranks=3)
        np.testing.assert_allclose(got["wp"], 2 * ((dd / expected - 1) * 4).sum(1), 1e-9)
        np.testing.assert_array_equal(got["dd"], dd.sum(1))
        near = (pi < 12)
        mean = [rp[near & (rp >= a) & (rp < b)].mean() for a, b in zip(edges, edges[1:])]
        np.testing.assert_allclose(got["rp_mean"], mean, 1e-9)
        error = 2 * 4 * np.sqrt((dd / expected ** 2 * 2).sum(1))
        np.testing.assert_allclose(got["wp_error"], error, 1e-9)
        # s and mu, multipoles
        dd = np.histogram2d(r, pi / r, (edges, mus))[0]
        expected = n * (n - 1) * 4 / 3 * np.pi * np.diff(edges ** 3)[:, None] / BOX ** 3 / 5
        xi = dd / expected - 1
        got = self.rows(*options, "--mode", "smu", "--mu_bins", 5)
        np.testing.assert_array_equal(got["dd"].reshape(4, 5), dd)
        np.testing.assert_allclose(got["xi"].reshape(4, 5), xi, 1e-9)
        np.testing.assert_allclose(got["mu_hi"][:5], mus[1:], 1e-14)
        got = self.rows(*options, "--mode", "multipoles", "--mu_bins", 5)
        for l, c in (0, [1]), (2, [0, 0, 1]), (4, [0, 0, 0, 0, 1]):
            over = np.polynomial.legendre.legval(mus, np.polynomial.legendre.legint(c))
            np.testing.assert_allclose(got[f"xi{l}"], (2 * l + 1) * (xi * np.diff(over)).sum(1),
                                       rtol=1e-9, atol=1e-12)

    def test_halos_with_matter_in_sql(self):
        """Halos cluster more than matter, and with it in between."""
        groups = os.path.join(EXAMPLE, "groups_023/fof_subhalo_tab_023.*.hdf5:/Group")
        one = "ParticleIDs % 16 = 0"
        names, rows = self.w.query(f"""
            SELECT h.xi, hm.xi, m.xi FROM correlation('{groups}', bins => [2, 5]) h,
              correlation('{groups}', second => (SELECT Coordinates AS pos FROM "{SNAPSHOT}"
                WHERE {one}), bins => [2, 5]) hm,
              correlation('{SNAPSHOT}', filter => '{one}', bins => [2, 5]) m""", "-q", "-n", 2)
        h, hm, m = [float(v) for v in rows[0]]
        self.assertGreater(hm, 0.5)
        self.assertAlmostEqual(hm / np.sqrt(h * m), 1, delta=0.35)

    # ---- randoms ----

    def table(self, name, pos, weight):
        with h5py.File(self.w.file(name), "w") as f:
            f["P/pos"] = pos
            f["P/weight"] = weight
        return self.w.file(name) + ":/P"

    def landy_szalay(self, sets, bin_of, n):
        """sets: positions and weights of D, R, D', R'."""
        shares = []
        for a, b in ((0, 2), (0, 3), (1, 2), (1, 3)):
            (xa, wa), (xb, wb) = sets[a], sets[b]
            w = wa[:, None] * wb
            if xa is xb:
                w = w * ~np.eye(len(xa), dtype=bool)
            k = bin_of(xa, xb)
            inside = (k >= 0) & (k < n)
            shares.append(np.bincount(k[inside], w[inside], n) / w.sum())
        dd, dr, rd, rr = shares
        return (dd - dr - rd + rr) / rr

    def test_landy_szalay_in_open_space(self):
        rng = np.random.default_rng(4)
        edges = np.array([0.02, 0.1, 0.2, 0.4])
        sets = [(np.concatenate([rng.random((n // 2, 3)), 0.2 * rng.random((n - n // 2, 3))]),
                 rng.random(n) + 0.5) for n in (700, 1500, 500, 1100)]
        names = [self.table(f"set{k}.hdf5", *s) for k, s in enumerate(sets)]
        bin_of = lambda a, b: np.searchsorted(
            edges, np.sqrt(((b[None] - a[:, None]) ** 2).sum(2)), "right") - 1
        options = ["--bins", "[0.02, 0.1, 0.2, 0.4]", "--box", 0, "--weight", "weight"]
        for two, own in (False, False), (True, False), (True, True):
            more, chosen = ["--randoms", names[1]], [sets[0], sets[1], sets[0], sets[1]]
            if two:
                more += ["--second", names[2]]
                chosen[2] = sets[2]
            if own:
                more += ["--second_randoms", names[3]]
                chosen[3] = sets[3]
            right = self.landy_szalay(chosen, bin_of, 3)
            for ranks in 1, 3:
                got = self.rows(*options, *more, points=names[0], ranks=ranks)
                np.testing.assert_allclose(got["xi"], right, 1e-9)
                self.assertEqual("rd" in got, two)

    def test_angles_on_the_sky(self):
        rng = np.random.default_rng(5)

        def sky(n):
            ra, dec = 360 * rng.random(n), np.degrees(np.arcsin(rng.random(n)))
            return np.stack([ra, dec, 1 + rng.random(n)], 1)

        def ends(s):
            ra, dec = np.radians(s[:, 0]), np.radians(s[:, 1])
            return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], 1)

        d, r = sky(800), sky(1500)
        d[:300] = [30, 40, 1] + 5 * rng.random((300, 3))
        edges = np.array([0.5, 2, 10, 60])
        bin_of = lambda a, b: np.searchsorted(
            edges, np.degrees(np.arccos(np.clip(ends(a) @ ends(b).T, -1, 1))), "right") - 1
        sets = [(d, np.ones(800)), (r, np.ones(1500))]
        names = [self.table(f"sky{k}.hdf5", *s) for k, s in enumerate(sets)]
        got = self.rows("--mode", "theta", "--sky", "true", "--box", 0, "--bins",
                        "[0.5, 2, 10, 60]", "--randoms", names[1], points=names[0])
        np.testing.assert_allclose(got["w"], self.landy_szalay(sets * 2, bin_of, 3), 1e-9)
        np.testing.assert_array_equal(got["theta_hi"], edges[1:])
        self.assertGreater(got["w"][0], 10)

    # ---- wrong input ----

    def test_refuses(self):
        bins = ["--rmin", 1, "--rmax", 10]
        nothing = f'SELECT * FROM "{SNAPSHOT}" WHERE ParticleIDs < 0'
        nan = self.table("nan.hdf5", np.random.default_rng(1).random((100, 3)),
                         np.where(np.arange(100) == 7, np.nan, 1.0))
        for says, *options in (
                ("Give rmin and rmax, or bins",),
                ("Give rmin and rmax, or bins", "--rmax", 3),
                ("cannot begin at rmin = 0", "--rmin", 0, "--rmax", 10),
                ("must be larger than rmin", "--rmin", 3, "--rmax", 3),
                ("say the same", "--bins", "[1, 2]", *bins),
                ("at least two", "--bins", "[1]"),
                ("must ascend", "--bins", "[1, 3, 2]"),
                ("not negative", "--bins", "[-1, 3, 4]"),
                ("less than twice the largest separation", "--bins", "[1, 25.1]"),
                ("needs pi_max", "--mode", "wp", *bins),
                ("choose one of r|smu|multipoles", "--mode", "xi", *bins),
                ("there are no particles in points", "--filter", "ParticleIDs < 0", *bins),
                ("there are no particles in randoms", "--randoms", nothing, *bins),
                ("give box if it is periodic, else randoms", "--box", 0, *bins),
                ("angles need random points", "--mode", "theta", "--box", 0, *bins),
                ("no periodic box", "--mode", "theta", "--randoms", nan, *bins),
                ("the sky is no periodic box", "--sky", "true", *bins),
                ("is not the line of sight of rsd", "--rsd", "z", "--axis", "x", *bins),
                ("give these, too", "--second_randoms", nan, *bins),
                ("a weight that is not finite", "--randoms", nan, *bins),
                ("outside", "--box", 20, "--rmin", 1, "--rmax", 3)):
            done = self.run_kernel(*options)
            self.assertEqual(done.status, 2, (says, done.err))
            self.assertIn(says, done.err)
            self.assertEqual(done.err.count("\n"), 1, done.err)
            self.assertEqual(done.out, "")
            self.assertEqual(self.w.leftovers(), [])


if __name__ == "__main__":
    harness.main()
