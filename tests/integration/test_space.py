"""Positions and trees: right at the border of a periodic box, pruned, on 1 to 4 ranks; against
numpy, which tries everything.

The tables, written here, in the order that Millennium's are in:
  part    particles of 3 files along the Peano-Hilbert curve; as a vector and as columns, some
          beyond the box's border, some NaN
  halo    centres and radii, few
  tree    halos in depth-first order, with the last progenitor of each
  field   cells of two snapshots by (snapnum, phkey)
"""
import glob
import re
import shutil

import h5py
import numpy as np

import harness

BOX = 50.0
N, HALOS, CHUNK = 240000, 300, 8192
DESCRIPTOR = """\
name: s
title: Made by a test
root: {root}
tables:
  part:
    files: [part.*.hdf5]
    path: /P
  halo:
    files: [halo.hdf5]
    path: /H
  tree:
    files: [tree.hdf5]
    path: /T
  field:
    files: [field.hdf5]
    path: /F
"""


def hilbert(ix, iy, iz, bits):
    """Keys of GADGET's curve, from its geometry, a bit at a time."""
    visit = np.array([0, 7, 1, 6, 3, 4, 2, 5])
    axes = np.array([[0, 2, 1], [2, 1, 0], [2, 1, 0], [0, 1, 2], [0, 1, 2], [2, 1, 0], [2, 1, 0],
                     [0, 2, 1]])
    flip = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1],
                     [0, 1, 1]], bool)
    c = np.stack([ix, iy, iz]).astype("i8")
    key = np.zeros(c.shape[1], "i8")
    for level in range(bits - 1, -1, -1):
        bit = (c >> level) & 1
        i = visit[4 * bit[0] + 2 * bit[1] + bit[2]]
        key = key * 8 + i
        c = np.where(flip[i].T, ~c, c)
        c = np.take_along_axis(c, axes[i].T, axis=0)
    return key


def write(path, group, columns):
    with h5py.File(path, "w") as f:
        g = f.create_group(group)
        for name, v in columns.items():
            g.create_dataset(name, data=v, chunks=(min(CHUNK, len(v)),) + v.shape[1:])


def make_tree(rng, n, haloid, out):
    """Depth-first rows of a tree of n halos: (haloId, lastProgenitorId)."""
    first = len(out)
    out.append(None)
    left = n - 1
    while left > 0:
        size = int(rng.integers(1, left + 1)) if left > 1 else 1
        make_tree(rng, size, haloid + 1 + (n - 1 - left), out)
        left -= size
    out[first] = (haloid, haloid + n - 1)


class Space(harness.Case):
    @classmethod
    def prepare(cls):
        rng = np.random.default_rng(5)
        centre = (rng.random((HALOS, 3)) * BOX).astype("f4")
        centre[:6] = [[0, 0, 0], [50, 25, 49.99], [0.01, 49.99, 25], [9, 9, 9], [49, 1, 49],
                      [12.5, 0, 0]]
        radius = (rng.random(HALOS) ** 3 * 2).astype("f4")
        radius[:6] = [2, 1.5, 3, 0, 26, np.nan]
        x = centre[rng.integers(0, HALOS, N)] + rng.normal(size=(N, 3))
        x[: N // 2] = rng.random((N // 2, 3)) * BOX
        outside = ((x < 0) | (x >= BOX)).any(axis=1)
        x = np.where((outside.cumsum() % 400 == 0)[:, None] & outside[:, None], x, x % BOX)
        cell = np.floor(x * (64 / BOX)).astype("i8") % 64
        x = x[np.argsort(hilbert(*cell.T, 6), kind="stable")].astype("f4")
        x[[7, 70000]] = np.nan
        x[11, 1] = np.inf
        cls.x, cls.centre, cls.radius = x.astype("f8"), centre.astype("f8"), radius.astype("f8")
        for i, part in enumerate(np.split(np.arange(N), [100000, 170000])):
            write(f"{cls.w.path}/part.{i}.hdf5", "P", {
                "id": part, "pos": x[part], "px": x[part, 0].astype("f8"), "py": x[part, 1],
                "pz": x[part, 2]})
        write(f"{cls.w.path}/halo.hdf5", "H", {"hid": np.arange(HALOS), "pos": centre, "r": radius})
        rows = []
        for t in range(400):
            make_tree(rng, int(rng.integers(1, 200)), t * 10**6, rows)
        cls.tree = np.array(rows)
        write(f"{cls.w.path}/tree.hdf5", "T", {
            "haloId": cls.tree[:, 0], "lastProgenitorId": cls.tree[:, 1],
            "snapnum": (np.arange(len(rows)) % 64).astype("i2")})
        key = np.tile(np.arange(32768, dtype="i4"), 2)
        write(f"{cls.w.path}/field.hdf5", "F", {
            "snap": np.repeat(np.array([62, 63], "i2"), 32768), "phkey": key,
            "g5": rng.random(65536).astype("f4")})
        cls.w.describe("s", DESCRIPTOR.format(root=cls.w.path))
        done = cls.w.run("index", "s")
        assert done.status == 0, done.err

    # -- what numpy says

    def apart(self, c, box=BOX):
        with np.errstate(invalid="ignore"):
            d = self.x - np.asarray(c, "f8")
            d -= np.zeros(3) if box is None else box * np.round(d / box)
            return np.sqrt((d * d).sum(axis=1))

    def ids(self, inside):
        i = np.nonzero(inside)[0]
        return [[str(len(i)), str(i.sum()) if len(i) else None]]

    # -- asking

    def same(self, sql, want, ranks=(1, 2, 3, 4), ordered=False):
        options = [("-n", n, "-t", 1) for n in ranks] + [("-n", 1, "--no-index")]
        for o in options:
            with self.subTest(sql=sql, options=o):
                got = self.w.query(sql, *o, "--context", "s")[1]
                self.assertIsNone(harness.difference(got, want, ordered))

    def read(self, sql, table, *options):
        """Rows that are read of a table, and which table it is in the explanation."""
        done = self.w.run("query", "--explain", "--context", "s", *options, sql)
        self.assertEqual(done.status, 0, done.err)
        found = re.findall(r"peri_r\d+: s\.(\w+),.*?reads ([\d,]+) rows", done.out, re.S)
        return min(int(n.replace(",", "")) for t, n in found if t == table)

    def pruned(self, sql, table, at_most):
        self.assertLessEqual(self.read(sql, table), at_most, sql)

    def refused(self, sql, part):
        done = self.w.run("query", "--context", "s", sql)
        self.assertNotEqual(done.status, 0, sql)
        self.assertIn(part, done.err)

    # -- constants

    def test_spheres(self):
        for c, r, box in (([25, 25, 25], 3, BOX), ([0, 0, 0], 2, BOX), ([49.9, 0.1, 25], 2, BOX),
                          ([99.9, -49.9, 25], 2, BOX), ([0, 0, 0], 2, None), ([10, 0, 50], 30, BOX),
                          ([25, 25, 25], 0, BOX)):
            more = "" if box is None else f", {box}"
            want = self.ids(self.apart(c, box) <= r)
            for pos in ("pos", "[px, py, pz]"):
                self.same(f"SELECT count(*), sum(id) FROM part WHERE in_sphere({pos}, {c}, {r}{more})",
                          want, (1, 3) if pos == "pos" else (2,))
            strict = self.ids(self.apart(c, box) < r)
            self.same(f"SELECT count(*), sum(id) FROM part WHERE {r} > distance({c}, pos{more})",
                      strict, (4,))

    def test_boxes(self):
        x = np.where(np.isfinite(self.x), self.x, np.nan)
        for lo, hi in (([10, 10, 10], [15, 16, 17]), ([45, 0, 0], [55, 5, 50]),
                       ([-5, -5, -5], [5, 5, 5]), ([95, 45, -5], [105, 55, 5]),
                       ([0, 0, 20], [50, 50, 22])):
            with np.errstate(invalid="ignore"):
                t = x - lo
                inside = ((t - BOX * np.floor(t / BOX) <= np.subtract(hi, lo)) |
                          (np.subtract(hi, lo) >= BOX) & np.isfinite(x)).all(axis=1)
            self.same(f"SELECT count(*), sum(id) FROM part WHERE in_box(pos, {lo}, {hi}, 50)",
                      self.ids(inside), (1, 4))
            with np.errstate(invalid="ignore"):
                inside = ((x >= lo) & (x <= hi)).all(axis=1)
            self.same(f"SELECT count(*), sum(id) FROM part WHERE in_box([px, py, pz], {lo}, {hi})",
                      self.ids(inside), (2,))

    def test_constants_are_pruned(self):
        all_rows = 8 * CHUNK  # of 30 chunks
        for condition in ("in_sphere(pos, [9, 9, 9], 1, 50)",
                          "in_sphere([px, py, pz], [9, 9, 9], 1)",
                          "in_sphere([9, 9, 9], pos, 1, 50)",
                          "in_box(pos, [49, 8, 8], [51, 10, 10], 50)",
                          "distance(pos, [109, 9, 9], 50) < 0.5 + 0.5",
                          "in_sphere(pos, (SELECT pos FROM halo WHERE hid = 3), 1, 50)",
                          "in_sphere(pos, [18 / 2, sqrt(81), 9], 1, 50)"):
            self.pruned(f"SELECT count(*) FROM part WHERE {condition}", "part", all_rows)
        # a condition that is not AND-ed skips nothing
        self.assertEqual(self.read("SELECT count(*) FROM part WHERE in_sphere(pos, [9, 9, 9], 1)"
                                   " OR id = 3", "part"), N)

    # -- another table's rows

    def around(self, halos, factor=1.0, nan=False):
        rows = []
        for h in halos:
            with np.errstate(invalid="ignore"):
                r = factor * self.radius[h]
                # a number <= NaN is true in SQL; in_sphere says no
                i = np.nonzero((self.apart(self.centre[h]) <= r) | (nan and np.isnan(r)))[0]
            rows += [[str(h), str(len(i)), str(i.sum())]] if len(i) else []
        return rows

    def test_around_halos(self):
        self.same("SELECT hid, count(*), sum(id) FROM part p JOIN halo h ON in_sphere(p.pos, h.pos, "
                  "h.r, 50) GROUP BY hid", self.around(range(HALOS)))
        self.same("SELECT hid, count(*), sum(id) FROM halo h, part p WHERE distance(h.pos, "
                  "[px, py, pz], 50) <= 2 * h.r AND hid < 6 GROUP BY hid",
                  self.around(range(6), 2.0, True), (1, 3))
        one = "SELECT count(*) FROM part p, halo h WHERE in_sphere(p.pos, h.pos, h.r, 50) AND hid = 1"
        self.pruned(one, "part", 10 * CHUNK)
        few = "SELECT count(*) FROM part p, halo h WHERE in_sphere(p.pos, h.pos, 0.2, 50) AND hid > 293"
        self.pruned(few, "part", N // 2)

    def test_nearest(self):
        """The k nearest of a point, and of each of some halos."""
        c = [0.2, 49.9, 25.1]
        d = self.apart(c)
        best = np.argsort(d, kind="stable")[:5]
        self.same(f"SELECT id, distance(pos, {c}, 50) AS d FROM part ORDER BY d, id LIMIT 5",
                  [[str(i), repr(float(d[i]))] for i in best], (1, 3), ordered=True)
        self.same(f"SELECT id, distance(pos, {c}, 50) AS d FROM part WHERE in_sphere(pos, {c}, 3, 50)"
                  " ORDER BY d, id LIMIT 5", [[str(i), repr(float(d[i]))] for i in best], (2,), ordered=True)
        self.pruned("SELECT id FROM part ORDER BY distance(pos, [9, 9, 9], 50) LIMIT 5", "part",
                    8 * CHUNK)
        want = []
        for h in range(1, 20):
            d = self.apart(self.centre[h])
            want += [[str(h), str(i)] for i in np.argsort(d, kind="stable")[:3]]
        self.same("SELECT hid, id FROM part p JOIN halo h ON in_sphere(p.pos, h.pos, 4, 50) WHERE hid "
                  "BETWEEN 1 AND 19 QUALIFY row_number() OVER (PARTITION BY hid ORDER BY "
                  "distance(p.pos, h.pos, 50), id) <= 3", want, (1, 2))

    # -- trees and cells

    def test_trees(self):
        t = self.tree
        for row in (0, 5000, len(t) - 1):
            first, last = t[row]
            n = str(last - first + 1)
            join = ("SELECT count(*) FROM tree h JOIN tree p ON p.haloId BETWEEN h.haloId AND "
                    f"h.lastProgenitorId WHERE h.haloId = {first}")
            self.same(join, [[n]], (1, 3))
            sub = (f"SELECT count(*) FROM tree WHERE haloId BETWEEN {first} AND (SELECT "
                   f"lastProgenitorId FROM tree WHERE haloId = {first})")
            self.same(sub, [[n]], (1, 2))
            if last - first < 200:
                self.pruned(join, "tree", 2 * CHUNK)
                self.pruned(sub, "tree", 2 * CHUNK)
            up = ("SELECT count(*) FROM tree d, tree h WHERE h.haloId BETWEEN d.haloId AND "
                  f"d.lastProgenitorId AND h.haloId = {first}")
            self.same(up, [[str(((t[:, 0] <= first) & (t[:, 1] >= first)).sum())]], (1, 4))

    def test_cells(self):
        sql = "SELECT count(*) FROM field WHERE snap = 63 AND phkey = ph_key([12.3, 45.6, 7.8], 5, 50)"
        self.same(sql, [["1"]], (1, 2))
        self.pruned(sql, "field", CHUNK)
        cell = np.floor(self.centre * (32 / BOX)).astype("i8") % 32
        key = hilbert(*cell.T, 5)
        self.same("SELECT hid, f.phkey FROM halo h JOIN field f ON f.phkey = ph_key(h.pos, 5, 50) "
                  "AND f.snap = 63", [[str(i), str(k)] for i, k in enumerate(key)], (1, 3))
        self.same("SELECT hid, z_index(cell(pos[1], 32, 50), cell(pos[2], 32, 50), cell(pos[3], 32, "
                  "50), 5) - z_index(pos, 5, 50) AS d FROM halo WHERE d <> 0", [], (1,))

    # -- what cannot be meant

    def test_bad_arguments(self):
        for call, part in (
                ("in_sphere(pos, [1, 2, 3], -1, 50)", "in_sphere: the radius -1 is negative"),
                ("in_box(pos, [45, 0, 0], [5, 50, 50], 50)", "component 1 of the lower corner"),
                ("in_sphere(pos, [1, 2, 3], 1, 0)", "must be a positive number, not 0"),
                ("in_box(pos, [1, 2, 3], [2, 3, 4], [50, 50, -5])", "must be a positive number"),
                ("in_sphere(pos, [1, 2], 1)", "length"),
                ("in_sphere(id, [1, 2, 3], 1)", "in_sphere"),
                ("in_sphere(pos, [1, 2, 3])", "in_sphere"),
                ("in_sphere(pos, 'here', 1)", "here"),
                ("ph_key(pos, 40, 50) = 1", "the number of bits must be 1 to 21, not 40"),
                ("peri_cell(pos, [1, 1, 1], [2, 2, 2]) = 1", "peri_cell")):
            self.refused(f"SELECT count(*) FROM part WHERE {call}", part)
        for call in ("in_sphere(pos, NULL::DOUBLE[3], 1)", "in_sphere(pos, [1, NULL, 3], 1, 50)",
                     "in_box(pos, [1, 2, 3], [2, NULL, 4])",
                     "in_sphere(pos, [1, 'nan'::DOUBLE, 3], 1)"):
            self.same(f"SELECT count(*) FROM part WHERE {call}", [["0"]], (1, 2))


class RealHalos(harness.Case):
    """The simulation's own spherical overdensity masses, from its particles."""

    @classmethod
    def prepare(cls):
        shutil.copytree(harness.EXAMPLE, f"{cls.w.path}/data")
        done = cls.w.run("dataset", "add", f"{cls.w.path}/data/gadget4_run64.yaml")
        assert done.status == 0, done.err
        done = cls.w.run("index", "gadget4_run64.dm")
        assert done.status == 0, done.err

    def test_masses(self):
        """Particles within R200 times a particle's mass (4.07516161) are GADGET-4's M200: so
        they are in all of the 497 groups that have one."""
        for options in (("-n", 1), ("-n", 3, "-t", 1), ("-n", 1, "--no-index")):
            rows = self.w.query(
                "SELECT g.idx, any_value(g.Group_M_Crit200) AS m, count(*) AS n FROM groups g JOIN dm p "
                "ON in_sphere(p.Coordinates, g.GroupPos, g.Group_R_Crit200, 50) WHERE g.snapnum = 23 "
                "AND g.Group_M_Crit200 > 0 GROUP BY g.idx", *options, "--context", "gadget4_run64")[1]
            self.assertEqual(len(rows), 497)
            for _, m, n in rows:
                self.assertAlmostEqual(int(n) * 4.07516161 / float(m), 1, 5)

    def test_neighbours(self):
        pos, ids = [], []
        for name in sorted(glob.glob(f"{self.w.path}/data/snapdir_023/*.hdf5")):
            with h5py.File(name) as f:
                pos.append(f["PartType1/Coordinates"][:].astype("f8"))
                ids.append(f["PartType1/ParticleIDs"][:])
        pos, ids = np.concatenate(pos), np.concatenate(ids)
        for c in ([0, 0, 0], [12.06, 35.18, 18.79], [49.99, 25, 0.01]):
            d = pos - c
            d -= 50 * np.round(d / 50)
            d = np.sqrt((d * d).sum(axis=1))
            best = np.argsort(d, kind="stable")[:20]
            got = self.w.query(f"SELECT ParticleIDs, distance(Coordinates, {c}, 50) AS d FROM dm "
                               "ORDER BY d LIMIT 20", "-n", 2, "--context", "gadget4_run64")[1]
            want = [[str(ids[i]), repr(float(d[i]))] for i in best]
            self.assertIsNone(harness.difference(got, want, True))


if __name__ == "__main__":
    harness.main()
