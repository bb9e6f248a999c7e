"""perigee-universe: its spectrum at the start, linear growth, the same result for any number of
ranks, GADGET-4's format and P(k), and what happens when something is wrong.

The linear theory is written here once more, in Python.
"""
import os
import signal
import subprocess
import time

import h5py
import numpy as np

from harness import BIN, Case, main, shared

OMEGA_M, OMEGA_B, H, N_S, SIGMA8 = 0.308, 0.0482, 0.678, 0.968, 0.83


# -- linear theory --

def normalised(shape, k, sigma8):
    q = np.logspace(-5, 3, 20000)
    x = 8 * q
    window = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    sigma2 = np.trapz(q**3 * shape(q) * window**2, np.log(q)) / (2 * np.pi**2)
    return shape(k) * sigma8**2 / sigma2


def eisenstein_hu(k):
    """The no-wiggle shape of ApJ 496, 605."""
    matter, baryons, theta = OMEGA_M * H * H, OMEGA_B * H * H, 2.7255 / 2.7
    part = OMEGA_B / OMEGA_M
    horizon = 44.5 * np.log(9.83 / matter) / np.sqrt(1 + 10 * baryons**0.75)
    alpha = 1 - 0.328 * np.log(431 * matter) * part + 0.38 * np.log(22.3 * matter) * part**2
    gamma = OMEGA_M * H * (alpha + (1 - alpha) / (1 + (0.43 * k * H * horizon)**4))
    q = k * theta**2 / gamma
    log = np.log(2 * np.e + 1.8 * q)
    return k**N_S * (log / (log + (14.2 + 731 / (1 + 62.5 * q)) * q * q))**2


def efstathiou(k, gamma=0.21):
    """What GADGET-4's PowerSpectrumType 0 is."""
    x = 6.4 * k / gamma + (3 * k / gamma)**1.5 + (1.7 * k / gamma)**2
    return k / (1 + x**1.13)**(2 / 1.13)


def growth(a):
    """Heath (1977) in a flat universe, 1 today."""
    def unscaled(end):
        a = np.linspace(0, end, 100001)[1:]
        rate = np.sqrt(OMEGA_M / a**3 + 1 - OMEGA_M)
        return rate[-1] * np.trapz((a * rate)**-3, a)
    return unscaled(a) / unscaled(1)


# -- snapshots --

class Snapshot:
    """Particles in the order of their IDs."""

    def __init__(self, folder, number):
        folder = os.path.join(folder, f"snapdir_{number:03d}")
        x, v, ids = [], [], []
        for name in sorted(os.listdir(folder)):
            with h5py.File(os.path.join(folder, name)) as f:
                self.header = dict(f["Header"].attrs)
                x.append(f["PartType1/Coordinates"][:])
                if "Velocities" in f["PartType1"]:
                    v.append(f["PartType1/Velocities"][:])
                ids.append(f["PartType1/ParticleIDs"][:])
        ids = np.concatenate(ids)
        order = np.argsort(ids)
        self.ids, self.x = ids[order], np.concatenate(x)[order]
        self.v = np.concatenate(v)[order] if v else None
        self.box, self.a = self.header["BoxSize"], self.header["Time"]

    def waves(self, cells):
        """Fourier modes of the CIC density, its window divided out."""
        place = self.x.astype("f8") * cells / self.box
        low = np.floor(place).astype(int)
        part = place - low
        grid = np.zeros(cells**3)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, part, 1 - part), axis=1)
            at = (low + corner) % cells
            grid += np.bincount((at[:, 0] * cells + at[:, 1]) * cells + at[:, 2], weight,
                                cells**3)
        waves = np.fft.rfftn(grid.reshape(3 * [cells]) / grid.mean() - 1) / cells**3
        window = np.sinc(np.fft.fftfreq(cells))**2
        half = window[:cells // 2 + 1]
        return waves / (window[:, None, None] * window[:, None] * half)

    def power(self, cells, model=lambda k: k):
        """k, P(k), the number of independent modes, in shells one wave wide; and what a model
        gives in the same modes."""
        power = np.abs(self.waves(cells))**2 * self.box**3
        n = np.fft.fftfreq(cells, 1 / cells)
        z = np.arange(cells // 2 + 1)
        k = np.sqrt(n[:, None, None]**2 + n[:, None]**2 + z**2)
        weight = np.where((z == 0) | (z == cells // 2), 0.5, 1) * np.ones_like(k)
        shell = np.rint(k).astype(int).ravel()
        count = np.bincount(shell, weight.ravel())
        use = slice(1, cells // 2)
        k *= 2 * np.pi / self.box
        k[0, 0, 0] = 1
        mean = (np.bincount(shell, (weight * value).ravel())[use] / count[use]
                for value in (k, power, model(k)))
        return *mean, count[use]

    def mass_above(self, factor, cells=64):
        """Share of the particles in cells of more than `factor` times the mean."""
        at = (self.x * (cells / self.box)).astype(int) % cells
        count = np.bincount((at[:, 0] * cells + at[:, 1]) * cells + at[:, 2],
                            minlength=cells**3)
        return count[count > factor * count.mean()].sum() / count.sum()


class Universe(Case):
    @classmethod
    def prepare(cls):
        cls.w.env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                         OMPI_MCA_rmaps_base_oversubscribe="1",
                         # Seconds from SIGTERM to SIGKILL: a busy machine takes its time.
                         OMPI_MCA_odls_base_sigkill_timeout="3")
        cls.runs = {}

    def command(self, output, *options, ranks=1):
        words = [os.path.join(BIN, "perigee-universe"), "--output", self.w.file(output),
                 *map(str, options)]
        return words if ranks == 1 else ["mpirun", "-n", str(ranks), *words]

    def start(self, *args, ranks=1):
        return subprocess.run(self.command(*args, ranks=ranks), capture_output=True,
                              text=True, timeout=300, env=self.w.env, cwd=self.w.path)

    def universe(self, output, *options, ranks=1):
        """The folder of a run, made once."""
        if output not in self.runs:
            done = self.start(output, *options, ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.runs[output] = self.w.file(output)
        return self.runs[output]

    def small(self, ranks):
        return self.universe(f"small{ranks}", "--particles", 32, "--box", 40, "--redshifts",
                             "4,2,1,0", "--steps", 30, "--seed", 5, ranks=ranks)


class TestPhysics(Universe):
    def test_start_has_the_spectrum(self):
        a, particles = 1 / 50, 64
        k_lattice = np.pi * particles / 100
        fixed = self.universe("fixed", "--particles", particles, "--box", 100, "--redshifts", 49,
                              "--fixed-amplitude")
        def model(k):
            return normalised(eisenstein_hu, k, SIGMA8) * growth(a)**2
        k, power, want, _ = Snapshot(fixed, 0).power(2 * particles, model)
        use = k < 0.4 * k_lattice
        np.testing.assert_allclose(power[use], want[use], rtol=0.04)
        self.assertLess(np.abs(power / want - 1)[use].mean(), 0.02)
        free = self.universe("free", "--particles", particles, "--box", 100, "--redshifts", 49,
                             "--seed", 77)
        k, power, want, count = Snapshot(free, 0).power(2 * particles, model)
        scatter = 1 / np.sqrt(count)
        off = (power / want - 1)[use] / np.hypot(scatter, 0.04)[use]
        self.assertLess(np.abs(off).max(), 4)
        self.assertLess(0.3, np.abs((power / want - 1) / scatter)[use].mean())

    def test_resolution_keeps_large_waves(self):
        coarse = self.universe("coarse", "--particles", 32, "--box", 100, "--redshifts", 49)
        fine = self.universe("fine", "--particles", 64, "--box", 100, "--redshifts", 49)
        a, b = (Snapshot(run, 0).waves(64)[:5, :5, :5] for run in (coarse, fine))
        a, b = a.ravel()[1:], b.ravel()[1:]
        self.assertLess(np.abs(a - b).max(), 0.02 * np.abs(b).max())

    def test_large_waves_grow_as_linear_theory_says(self):
        run = self.universe("large", "--particles", 64, "--box", 600, "--redshifts", "49,1,0",
                            "--steps", 20, ranks=2)
        first = Snapshot(run, 0)
        for number in (1, 2):
            last = Snapshot(run, number)
            before, after = (s.waves(64)[:3, :3, :3].ravel()[1:] for s in (first, last))
            grown = np.sqrt((np.abs(after)**2).sum() / (np.abs(before)**2).sum())
            want = growth(last.a) / growth(first.a)
            self.assertLess(abs(grown / want - 1), 0.01, f"{grown} against {want}")
            # The continuity equation: velocities belong to the growth rate, omega^0.55.
            omega = OMEGA_M / (OMEGA_M + (1 - OMEGA_M) * last.a**3)
            hubble = 100 * np.sqrt(OMEGA_M / last.a**3 + 1 - OMEGA_M)
            lattice = np.indices((64, 64, 64)).reshape(3, -1).T * 600 / 64
            moved = (last.x - lattice + 300) % 600 - 300
            peculiar = last.v * np.sqrt(last.a)
            slope = (peculiar * moved).sum() / (moved**2).sum()
            self.assertLess(abs(slope / (last.a * hubble * omega**0.55) - 1), 0.03)

    def test_momentum(self):
        for number in range(4):
            v = Snapshot(self.small(2), number).v.astype("f8")
            self.assertLess(np.abs(v.mean(axis=0)).max(), 1e-6 * v.std())

    def test_any_number_of_ranks(self):
        for number in range(4):
            one = Snapshot(self.small(1), number)
            for ranks in (2, 3, 4):
                other = Snapshot(self.small(ranks), number)
                self.assertEqual(other.header["NumFilesPerSnapshot"], ranks)
                np.testing.assert_array_equal(other.ids, one.ids)
                # Sums are rounded in another order: at most the last bit of a float.
                np.testing.assert_allclose(other.x, one.x, rtol=1.2e-7, atol=4e-6)
                np.testing.assert_allclose(other.v, one.v, rtol=1e-5, atol=1e-3)

    def test_gadget4(self):
        """The same cosmology, box and number of particles as the GADGET-4 run, other waves."""
        reference = Snapshot(shared("gadget4_run64"), 23)
        k = np.logspace(-3, 2, 1000)
        table = self.w.file("efstathiou.txt")
        np.savetxt(table, np.c_[k, efstathiou(k)], header="k P(k)")
        run = self.universe("gadget", "--spectrum", table, "--sigma8", 0.9, "--n-s", 1,
                            "--start-redshift", 63, "--redshifts", 0, "--seed", 3, "--steps",
                            40, ranks=2)
        own = Snapshot(run, 0)
        self.assertAlmostEqual(own.header["MassTable"][1], reference.header["MassTable"][1], 6)
        k, power, *_ = own.power(128)
        _, want, *_ = reference.power(128)
        ratio = power / want
        # The box has few large waves; the mesh has a cell of 0.4 Mpc/h.
        for low, high, least, most in ((0.2, 1, 0.5, 2), (1, 2, 0.6, 1.6), (2, 4, 0.5, 1.3)):
            mean = ratio[(k > low) & (k < high)].mean()
            self.assertTrue(least < mean < most, f"k {low} to {high}: {mean}")
        for factor in (5, 20, 50):
            share = own.mass_above(factor) / reference.mass_above(factor)
            self.assertTrue(0.6 < share < 1.4, f"mass in cells above {factor}: {share}")
        # Halos: the smallest are blurred by the mesh, of the largest there are few.
        sizes = [np.array(self.w.query(f"SELECT np FROM fof('{path}:/PartType1', b => 0.2)")[1],
                          float) for path in (f"{run}/snapdir_000/snapshot_000.*.hdf5",
                                              shared("gadget4_run64") +
                                              "/snapdir_023/snapshot_023.*.hdf5")]
        for least in (32, 100, 400):
            number, want = ((size >= least).sum() for size in sizes)
            self.assertTrue(0.65 * want < number < 1.5 * want,
                            f"{number} halos of {least} particles, GADGET-4 has {want}")


class TestFiles(Universe):
    def test_format_is_gadgets(self):
        theirs = shared("gadget4_run64", "snapdir_023", "snapshot_023.0.hdf5")
        ours = os.path.join(self.small(2), "snapdir_003", "snapshot_003.0.hdf5")
        with h5py.File(theirs) as want, h5py.File(ours) as got:
            for name, value in want["Header"].attrs.items():
                if name.startswith("Git"):
                    continue
                self.assertEqual(got["Header"].attrs[name].dtype, value.dtype, name)
                self.assertEqual(got["Header"].attrs[name].shape, value.shape, name)
            for name in ("Omega0", "OmegaLambda", "OmegaBaryon", "HubbleParam", "Hubble",
                         "UnitLength_in_cm", "UnitMass_in_g", "UnitVelocity_in_cm_per_s"):
                self.assertEqual(got["Parameters"].attrs[name], want["Parameters"].attrs[name])
            for name in ("Coordinates", "Velocities", "ParticleIDs"):
                a, b = got["PartType1"][name], want["PartType1"][name]
                self.assertEqual(dict(a.attrs), dict(b.attrs), name)
                self.assertEqual((a.dtype, a.shape[1:]), (b.dtype, b.shape[1:]))
        describe = [self.w.run("describe", path).out for path in (theirs, ours)]
        for column in ("Coordinates", "Velocities"):
            units = [next(line.split()[1:4] for line in text.splitlines()
                          if line.split()[:1] == [column]) for text in describe]
            self.assertEqual(*units)

    def test_content(self):
        total = 0
        for rank in range(2):
            with h5py.File(os.path.join(self.small(2), "snapdir_001",
                                        f"snapshot_001.{rank}.hdf5")) as f:
                header = f["Header"].attrs
                here = len(f["PartType1/ParticleIDs"])
                self.assertEqual(list(header["NumPart_ThisFile"]), [0, here, 0, 0, 0, 0])
                self.assertEqual(list(header["NumPart_Total"]), [0, 32**3, 0, 0, 0, 0])
                self.assertAlmostEqual(header["Redshift"], 2)
                total += here
                x = f["PartType1/Coordinates"][:]
                self.assertTrue((x >= 0).all() and (x < 40).all())
                self.assertEqual(f["PartType1/Coordinates"].chunks[0], min(8192, here))
                # Rows that follow each other are neighbours.
                step = np.abs(np.diff(x, axis=0))
                step = np.linalg.norm(np.minimum(step, 40 - step), axis=1)
                self.assertLess(np.median(step), 2 * 40 / 32)
        self.assertEqual(total, 32**3)
        np.testing.assert_array_equal(Snapshot(self.small(2), 1).ids, np.arange(1, 32**3 + 1))

    def test_dataset(self):
        run = self.universe("named", "--particles", 32, "--box", 40, "--redshifts", "1,0",
                            "--steps", 10, "--name", "tiny_box", "--compress", 4, ranks=3)
        done = self.w.run("dataset", "add", os.path.join(run, "universe.yaml"))
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(self.w.run("dataset", "check", "tiny_box").status, 0)
        self.assertEqual(self.w.value("SELECT count(*) FROM tiny_box.dm WHERE snapnum = 1"), 32**3)
        _, rows = self.w.query("SELECT snapnum, a, z, Hz, lookBackTime FROM tiny_box.snapshots "
                               "ORDER BY snapnum")
        rate = np.sqrt(OMEGA_M * 8 + 1 - OMEGA_M)
        a = np.linspace(0.5, 1, 100001)
        age = np.trapz(1 / (a * np.sqrt(OMEGA_M / a**3 + 1 - OMEGA_M)), a) * 9.7779222 / H
        np.testing.assert_allclose(np.array(rows, float), [[0, 0.5, 1, 67.8 * rate, age],
                                                           [1, 1, 0, 67.8, 0]], rtol=1e-5)
        before = self.w.value("SELECT count(*) FROM tiny_box.dm WHERE Coordinates[2] < 3")
        self.assertEqual(self.w.run("index", "tiny_box.dm").status, 0)
        self.assertEqual(
            self.w.value("SELECT count(*) FROM tiny_box.dm WHERE Coordinates[2] < 3"), before)


class TestTrouble(Universe):
    def refused(self, word, *options, ranks=1, status=2):
        done = self.start("refused", *options, ranks=ranks)
        self.assertEqual(done.returncode, status, done.stderr)
        lines = [line for line in done.stderr.splitlines()
                 if line.startswith("perigee-universe: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(word, lines[0])
        self.assertFalse(os.path.exists(self.w.file("refused")))

    def test_impossible(self):
        self.refused("--particles", "--particles", 0)
        self.refused("--particles", "--particles", -5, ranks=2)
        self.refused("--box", "--box", 0)
        self.refused("--box", "--box", "nan")
        self.refused("3 or more", "--particles", 4, "--mesh", 8, ranks=4)
        self.refused("need", "--particles", 8192, "--mesh", 16384, status=1)
        self.refused("no/such", "--spectrum", "no/such", status=1)
        self.refused("particles", "--particels", 5)
        self.assertIn("--fixed-amplitude", self.start("x", "--help").stdout)

    def test_never_over_another_run(self):
        run = self.small(1)
        before = sorted(os.listdir(run))
        done = self.start("small1", "--particles", 16)
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds a run already", done.stderr)
        self.assertEqual(sorted(os.listdir(run)), before)

    def test_no_folder(self):
        path = self.w.write("file", "")
        done = self.start(os.path.join(path, "x"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("file", done.stderr)

    def check_whole(self, folder, nothing=False):
        """Every snapshot that has a name is complete, and there is nothing else."""
        for name in sorted(os.listdir(folder)):
            if name in ("snapshots.hdf5", "universe.yaml"):
                continue  # written when all snapshots are: the signal came too late
            self.assertRegex(name, r"^snapdir_\d{3}$")
            self.assertFalse(nothing)
            self.assertEqual(len(Snapshot(folder, int(name[-3:])).ids), 32**3)

    def test_disk_full(self):
        small = self.w.file("disk")
        os.mkdir(small)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1600k", "none", small],
                               capture_output=True)
        if mount.returncode:
            self.skipTest("a full disk was not tried: no right to mount a small one")
        try:
            done = self.start("disk/run", "--particles", 32, "--steps", 12, ranks=2)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("No space left", done.stderr)
            self.check_whole(os.path.join(small, "run"))
            self.assertEqual(os.listdir(os.path.join(small, "run")), ["snapdir_000"])
        finally:
            subprocess.run(["umount", small], check=True)

    def test_told_to_end(self):
        """At any moment; snapshots are written all the time."""
        for wait in (0.02, 0.07, 0.19):
            folder = f"ended{wait}"
            redshifts = ",".join(str(z / 20) for z in range(400))
            p = subprocess.Popen(self.command(folder, "--particles", 32, "--redshifts",
                                              redshifts, ranks=2), env=self.w.env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            first = self.w.file(folder, "snapdir_002")
            while not os.path.exists(first) and p.poll() is None:
                time.sleep(0.005)
            time.sleep(wait)
            p.send_signal(signal.SIGINT)
            self.assertNotEqual(p.wait(timeout=30), 0)
            self.check_whole(self.w.file(folder))

    def test_killed_run_leaves_nothing_in_the_way(self):
        """What SIGKILL leaves is hidden, and goes when a run in its place writes."""
        hidden = self.w.file("again", ".snapdir_000")
        os.makedirs(hidden)
        for rank in range(4):
            with open(os.path.join(hidden, f"snapshot_000.{rank}.hdf5"), "w") as f:
                f.write("half")
        run = self.universe("again", "--particles", 16, "--redshifts", 0, "--steps", 3)
        self.assertEqual(os.listdir(os.path.join(run, "snapdir_000")), ["snapshot_000.0.hdf5"])
        self.assertFalse(os.path.exists(hidden))


if __name__ == "__main__":
    main()
