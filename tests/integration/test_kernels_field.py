"""density, power_spectrum and projection from the user's side, against numpy, h5py, astropy and
what GADGET-4 measured itself.
"""
import os
import struct

import h5py
import numpy as np
from astropy.io import fits

import harness
from harness import EXAMPLE

SNAPSHOT = os.path.join(EXAMPLE, "snapdir_023/snapshot_023.*.hdf5:/PartType1")
BOX = 50.0


def columns_of(names, rows):
    return {n: np.array([float(r[i]) for r in rows]) for i, n in enumerate(names)}


class Field(harness.Case):
    @classmethod
    def prepare(cls):
        parts = []
        for k in range(2):
            with h5py.File(SNAPSHOT.split(":")[0].replace("*", str(k))) as f:
                parts.append(f["PartType1/Coordinates"][:].astype(float))
                cls.mass = f["Header"].attrs["MassTable"][1]
        cls.x = np.concatenate(parts) % BOX

    def cic(self, n):
        """Counts per cell, spread over two cells along each axis, around cell centres."""
        t = self.x / BOX * n - 0.5
        i = np.floor(t).astype(int)
        d = t - i
        out = np.zeros(n ** 3)
        for a in (0, 1):
            for b in (0, 1):
                for c in (0, 1):
                    w = np.prod(np.where([a, b, c], d, 1 - d), axis=1)
                    cell = (i + [a, b, c]) % n
                    out += np.bincount((cell[:, 0] * n + cell[:, 1]) * n + cell[:, 2], w,
                                       n ** 3)
        return out.reshape(n, n, n)

    def run_kernel(self, name, *options, ranks=2, input=SNAPSHOT):
        return self.w.run("run", "-q", "-n", ranks, name, input, "--format", "csv", *options)

    def rows(self, name, *options, **more):
        done = self.run_kernel(name, *options, **more)
        self.assertEqual(done.status, 0, done.err)
        rows = harness.parse_csv(done.out)
        return columns_of(rows[0], rows[1:])

    def fails(self, name, *options, says):
        done = self.run_kernel(name, *options)
        self.assertNotEqual(done.status, 0, done.out)
        self.assertIn(says, done.err)
        self.assertEqual(len(done.err.strip().splitlines()), 1, done.err)

    # ---- density ----

    def test_density_equals_numpy_and_its_file_has_the_same(self):
        n = 16
        right = self.cic(n)
        right = right / right.mean() - 1
        for ranks in 1, 3:
            path = self.w.file(f"density{ranks}.hdf5")
            got = self.rows("density", "--grid", n, "--smoothing", "[2.5, 10]", "--field", path,
                            ranks=ranks)
            i = tuple(got[c].astype(int) for c in ("ix", "iy", "iz"))
            self.assertEqual(list(got["phkey"]), list(range(n ** 3)))
            self.assertTrue((got["snapnum"] == 23).all() or (got["snapnum"] == -1).all())
            np.testing.assert_allclose(got["delta"], right[i], atol=2e-6 * right.max())
            # Gaussians, by numpy's transform.
            k = 2 * np.pi / BOX * np.fft.fftfreq(n, 1 / n)
            k2 = (k ** 2)[:, None, None] + (k ** 2)[None, :, None] + (k ** 2)[None, None, :]
            for radius, name in (2.5, "g2_5"), (10, "g10"):
                smooth = np.fft.ifftn(np.fft.fftn(right) * np.exp(-k2 * radius ** 2 / 2)).real
                np.testing.assert_allclose(got[name], smooth[i], atol=1e-6 * smooth.max())
            with h5py.File(path) as f:
                self.assertEqual(sorted(f), ["delta", "g10", "g2_5"])
                self.assertEqual(f["g10"].shape, (n, n, n))
                np.testing.assert_array_equal(f["g10"][:][i], got["g10"].astype("f4"))
                np.testing.assert_array_equal(f["delta"][:][i], got["delta"].astype("f4"))
                self.assertEqual(list(f["delta"].attrs["box"]), [BOX] * 3)
                self.assertEqual(f["delta"].attrs["length"], b"cMpc/h")
                self.assertAlmostEqual(f["delta"].attrs["redshift"], 0)

    def test_environment_of_groups_is_a_join(self):
        groups = os.path.join(EXAMPLE, "groups_023/fof_subhalo_tab_023.*.hdf5:/Group")
        names, rows = self.w.query(f"""
            SELECT corr(g5, log10(GroupMass)) AS c, count(*) AS n
            FROM "{groups}" g JOIN density('{SNAPSHOT}', grid => 32, smoothing => [5]) d
              ON d.ix = floor(GroupPos[1] / 50 * 32) AND d.iy = floor(GroupPos[2] / 50 * 32)
             AND d.iz = floor(GroupPos[3] / 50 * 32)""", "-q", "-n", 2)
        self.assertEqual(rows[0][1], "499")
        self.assertGreater(float(rows[0][0]), 0.2)

    def test_only_the_file(self):
        path = self.w.file("only.hdf5")
        done = self.run_kernel("density", "--grid", 24, "--cells", "false", "--field", path)
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(len(harness.parse_csv(done.out)), 1)
        with h5py.File(path) as f:
            self.assertLess(abs(f["delta"][:].mean(dtype=float)), 1e-5)

    # ---- power_spectrum ----

    def gadget(self, bins):
        with open(harness.shared("gadget4_run64/powerspecs/powerspec_023.txt")) as f:
            lines = [float(l) for l in (f.readline() for _ in range(5))]
            table = np.array([[float(v) for v in f.readline().split()]
                              for _ in range(int(lines[1]))])
        out = []
        for lo, hi in bins:
            t = table[(table[:, 0] >= lo * (1 - 6e-6)) & (table[:, 0] < hi * (1 - 6e-6))]
            out.append((t[:, 2] * t[:, 3]).sum() / t[:, 3].sum() * BOX ** 3)
        return np.array(out)

    def test_power_equals_gadget(self):
        got = self.rows("power_spectrum", "--grid", 128)
        right = self.gadget(zip(got["k_lo"][:31], got["k_hi"][:31]))
        np.testing.assert_allclose(got["p0"][:15], right[:15], rtol=1e-3)
        np.testing.assert_allclose(got["p0"][:31], right, rtol=1e-2)
        np.testing.assert_allclose(got["shot_noise"], BOX ** 3 / 262144)
        # Any number of ranks, to rounding.
        for ranks in 1, 3:
            same = self.rows("power_spectrum", "--grid", 128, ranks=ranks)
            for c in got:
                np.testing.assert_allclose(same[c], got[c], rtol=1e-9, atol=1e-9)

    def test_redshift_space_is_kaisers(self):
        """At z = 3.6 matter has f = 0.99: linear theory has p0 1.87 times as large and p2 / p0 =
        1.02; structure lowers both a little. Mean of three lines of sight."""
        snap = harness.shared("gadget4_run64/snapdir_005") + "/snapshot_005.*.hdf5:/PartType1"
        real = self.rows("power_spectrum", "--grid", 64, input=snap)
        rsd = [self.rows("power_spectrum", "--grid", 64, "--rsd", axis, input=snap)
               for axis in "xyz"]
        ratio = np.mean([r["p0"] / real["p0"] for r in rsd], 0)
        quadrupole = np.mean([r["p2"] / r["p0"] for r in rsd], 0)
        self.assertTrue(1.6 < ratio[:2].mean() < 1.9, ratio[:5])
        self.assertTrue(0.7 < quadrupole[1:4].mean() < 1.1, quadrupole[:5])

    def test_cross_spectrum(self):
        auto = self.rows("power_spectrum", "--grid", 32, "--bins", 6)
        cross = self.rows("power_spectrum", "--grid", 32, "--bins", 6, "--other", SNAPSHOT)
        np.testing.assert_allclose(cross["p0"], auto["p0"], rtol=1e-9)
        self.assertEqual(list(cross["shot_noise"]), [0] * len(cross["k"]))
        self.assertAlmostEqual(auto["k_hi"][-1], np.pi * 32 / BOX)

    # ---- projection ----

    def test_projection(self):
        png, image = self.w.file("a.png"), self.w.file("a.fits")
        got = self.rows("projection", "--png", png, "--fits", image, "--pixels", 200)
        self.assertAlmostEqual(got["mass"][0] / (262144 * self.mass), 1, 12)
        self.assertEqual(got["particles"][0], 262144)
        with open(png, "rb") as f:
            head = f.read(24)
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", head[16:]), (200, 200))
        with fits.open(image) as f:
            data, h = f[0].data, f[0].header
        self.assertEqual(data.shape, (200, 200))
        self.assertAlmostEqual(data.sum(dtype=float) * h["CDELT1"] * h["CDELT2"] /
                               (262144 * self.mass), 1, 6)
        self.assertEqual((h["CUNIT1"], h["CTYPE1"], h["CTYPE2"], h["BOXSIZE"]),
                         ("cMpc/h", "X", "Y", BOX))
        # Where the pixels are: coarse ones equal numpy's histogram.
        rough = data.reshape(10, 20, 10, 20).sum((1, 3)) * (BOX / 200) ** 2
        right = np.histogram2d(self.x[:, 1], self.x[:, 0], 10, [[0, BOX]] * 2)[0] * self.mass
        self.assertLess(abs(rough / right - 1).max(), 0.15)

    def test_projection_by_pixel_is_a_histogram(self):
        image = self.w.file("h.fits")
        got = self.rows("projection", "--fits", image, "--pixels", 40, "--smoothing", "ngp",
                        "--axis", "x", "--centre", "[10, 0, 25]", "--width", 20, "--depth", 8,
                        ranks=3)
        d = (self.x - [10, 0, 25] + BOX / 2) % BOX - BOX / 2
        d = d[abs(d[:, 0]) < 4]
        right = np.histogram2d(d[:, 2], d[:, 1], 40, [[-10, 10]] * 2)[0]
        data = fits.getdata(image) * (0.5 ** 2) / self.mass
        self.assertLess(abs(data - right).max(), 1e-3)
        self.assertEqual(got["particles"][0], right.sum())

    # ---- what cannot be ----

    def test_bad_arguments(self):
        self.fails("density", "--grid", 0, says="at least 1")
        self.fails("density", "--grid", 2048, says="8,589,934,592 rows")
        self.fails("density", "--grid", 16000, "--cells", "false", "--field",
                   self.w.file("huge.hdf5"), says="of memory on each of 2 ranks")
        self.fails("density", "--scheme", "sph", says="choose one of ngp|cic|tsc|pcs")
        self.fails("density", "--smoothing", "[30]", says="more than half the box")
        self.fails("density", "--smoothing", "[1, 1]", says="twice")
        self.fails("density", "--cells", "false", says="field")
        self.fails("density", "--filter", "idx < 0", says="no particles")
        self.fails("density", "--box", 0, says="give it, as box")
        self.fails("power_spectrum", "--grid", 2, says="at least 4")
        self.fails("power_spectrum", "--rsd", "z", "--vel", "[0, 0, 'NaN'::DOUBLE]",
                   says="finite")
        self.fails("power_spectrum", "--weight", "-1", says="of positive weight")
        self.fails("projection", "--width", 60, says="more than the box has")
        self.fails("projection", "--centre", "[1, 2]", says="three numbers")
        self.fails("projection", "--vmin", 5, "--vmax", 2, says="below vmax")
        self.fails("projection", "--filter", "Coordinates[1] < 0", says="no particles")
        self.assertEqual([f for f in os.listdir(self.w.path) if "huge" in f], [])

    def test_outputs_that_exist_stay(self):
        for name, param in ("density", "field"), ("projection", "png"), ("projection", "fits"):
            path = self.w.write("precious", "mine")
            self.fails(name, "--" + param, path, says="exists")
            with open(path) as f:
                self.assertEqual(f.read(), "mine")
        self.fails("density", "--field", "/nowhere/a.hdf5", says="cannot write")

    def test_positions_that_are_not_finite(self):
        path = self.w.file("nan.hdf5")
        x = self.x[:1000].copy()
        x[500, 1] = np.nan
        with h5py.File(path, "w") as f:
            f["p/Coordinates"] = x
        for name in "density", "power_spectrum":
            done = self.w.run("run", "-q", "-n", 2, name, path + ":/p", "--box", 50)
            self.assertNotEqual(done.status, 0)
            self.assertIn("not finite", done.err)

    def test_more_ranks_than_planes(self):
        one = self.rows("density", "--grid", 2, ranks=1)
        four = self.rows("density", "--grid", 2, "--smoothing", "[5]", ranks=4)
        np.testing.assert_allclose(four["delta"], one["delta"], atol=1e-6)
        small = self.rows("power_spectrum", "--grid", 4, ranks=4)
        self.assertEqual(len(small["k"]), 1)


if __name__ == "__main__":
    harness.main()
