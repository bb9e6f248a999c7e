"""GROUP BY over columns whose bounds the index knows: arrays instead of hash tables, and the same rows
with the index and without, on one rank and on two, and as numpy counts them."""
import h5py
import numpy as np

import harness

# Planning looks for bounds only in tables of a million rows and more.
ROWS = (700_000, 0, 500_000)
ARRAY = "groups in an array"
DESCRIPTOR = """\
name: g
title: Made by a test
root: {root}
tables:
  rows:
    files: [snap_*.hdf5]
    path: /R
"""
WITH_ARRAY = [
    "SELECT i1, count(*), sum(v) FROM g.rows GROUP BY i1",
    "SELECT u1, count(*) FROM g.rows GROUP BY 1",
    "SELECT i2, max(v) FROM g.rows GROUP BY ALL",
    "SELECT u2, min(i8) FROM g.rows AS a GROUP BY a.u2",
    "SELECT i4 + 1, count(*) AS n FROM g.rows GROUP BY i4 HAVING i4 % 7 = 3",
    "SELECT u4, count(*), avg(u4) FROM g.rows WHERE v < 0.3 GROUP BY u4",
    "SELECT i8, count(*) AS n, sum(count(*)) OVER (ORDER BY i8) FROM g.rows GROUP BY i8",
    "SELECT u8, count(*) FILTER (WHERE v > 0.5) FROM g.rows GROUP BY u8 ORDER BY u8 DESC LIMIT 7",
    "SELECT opt, count(*), count(opt) FROM g.rows GROUP BY opt",
    "SELECT snapnum, i1, count(*), sum(i8) FROM g.rows GROUP BY snapnum, i1",
    "SELECT max(n), sum(i8) FROM (SELECT i8, count(*) AS n FROM g.rows GROUP BY i8)",
    "SELECT i1 AS k, u1 FROM g.rows GROUP BY i1, u1",
    "SELECT i2, avg(v) FROM g.rows GROUP BY i2 QUALIFY row_number() OVER (ORDER BY i2) < 4",
    "SELECT DISTINCT i1 % 2 FROM g.rows GROUP BY i1",
    "SELECT r.i1, count(l.row) FROM g.rows r LEFT JOIN (SELECT row, snapnum FROM g.rows WHERE row < 99) l "
    "ON r.row = l.row AND r.snapnum = l.snapnum GROUP BY r.i1",
    "SELECT * FROM (SELECT i1 + 1, count(*) FROM g.rows GROUP BY i1)",
    "SELECT i1, list_transform([1, 2], lambda i1: i1 + 1) FROM g.rows GROUP BY i1",
    "SELECT i1, any_value(i1) FROM g.rows GROUP BY i1 UNION ALL SELECT u1, u1 FROM g.rows GROUP BY u1",
]
WITHOUT = [
    "SELECT big, count(*) FROM g.rows GROUP BY big ORDER BY 2 DESC, 1 LIMIT 5",
    "SELECT i1, big FROM g.rows GROUP BY i1, big ORDER BY 1, 2 LIMIT 5",
    "SELECT i1, count(DISTINCT i2) FROM g.rows GROUP BY i1",
    "SELECT -i1 AS i1, count(*) FROM g.rows GROUP BY g.rows.i1 ORDER BY i1",
    "SELECT i1, u1, count(*), grouping(i1) FROM g.rows GROUP BY ROLLUP (i1, u1)",
    "SELECT i1 + u1 AS k, count(*) FROM g.rows GROUP BY k",
    "SELECT i8, i2, count(*) FROM g.rows GROUP BY i8, i2 ORDER BY 3 DESC, 1, 2 LIMIT 5",
    "SELECT file, count(*), min(snapnum), max(file) FROM g.rows GROUP BY file",
    "SELECT snapnum, count(*), sum(v) FROM g.rows GROUP BY snapnum",
    "SELECT count(*) FROM g.rows WHERE file LIKE '%2.hdf5' AND snapnum + 1 = 3",
    "SELECT file, snapnum, i1 FROM g.rows WHERE row = 17",
    "SELECT flag, count(*) FROM g.rows GROUP BY flag",
]


def make_file(path, rng, n, opt):
    with h5py.File(path, "w") as f:
        r = f.create_group("R")
        for name, t, low, high in (("i1", "i1", -3, 5), ("u1", "u1", 0, 8), ("i2", "i2", -1000, 900),
                                   ("u2", "u2", 60000, 65536), ("i4", "i4", 0, 4094), ("u4", "u4", 7, 300),
                                   ("i8", "i8", -2**40, -2**40 + 500), ("u8", "u8", 2**50, 2**50 + 30),
                                   ("big", "i4", 0, 5000)):
            r[name] = (rng.integers(0, min(high - low, 4000), n) + low).astype(t)
        r["big"][:1] = 6000
        if n:
            r["i4"][:2] = [0, 4093]
        r["flag"] = rng.random(n) < 0.5
        r["v"] = rng.random(n)
        if opt:
            r["opt"] = rng.integers(1, 4, n).astype("i4")


class Groups(harness.Case):
    @classmethod
    def prepare(cls):
        rng = np.random.default_rng(3)
        for i, n in enumerate(ROWS):
            make_file(f"{cls.w.path}/snap_{i:03d}.hdf5", rng, n, i != 2)
        cls.w.describe("g", DESCRIPTOR.format(root=cls.w.path))
        done = cls.w.run("index", "g")
        assert done.status == 0, done.err

    def plan(self, sql, *options):
        done = self.w.run("query", "--explain", "-n", 1, *options, sql)
        self.assertEqual(done.status, 0, done.err)
        return done.out

    def check(self, sql):
        names, want = self.w.query(sql, "-n", 1, "-t", 2, "--no-index")
        for options in (("-n", 1, "-t", 2), ("-n", 1, "-t", 1), ("-n", 2, "-t", 1)):
            with self.subTest(sql=sql, options=options):
                got_names, got = self.w.query(sql, *options)
                self.assertEqual(got_names, names)
                self.assertIsNone(harness.difference(got, want, " ORDER BY " in sql))

    def test_with_array(self):
        for sql in WITH_ARRAY:
            self.assertIn(ARRAY, self.plan(sql), sql)
            self.assertNotIn(ARRAY, self.plan(sql, "--no-index"), sql)
            self.check(sql)

    def test_without(self):
        for sql in WITHOUT:
            self.assertNotIn(ARRAY, self.plan(sql), sql)
            self.check(sql)

    def test_on_two_ranks(self):
        done = self.w.run("query", "--explain", "-n", 2, WITH_ARRAY[0])
        self.assertIn(ARRAY, done.out)

    def test_types(self):
        for name in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"):
            sql = f"SELECT typeof(k), count(*) FROM (SELECT {name} AS k FROM g.rows GROUP BY {name}) GROUP BY 1"
            self.assertEqual(self.w.query(sql)[1], self.w.query(sql, "--no-index")[1])

    def test_as_numpy_counts(self):
        values = np.concatenate([h5py.File(f"{self.w.path}/snap_{i:03d}.hdf5")["R/i2"][:] for i in (0, 2)])
        keys, counts = np.unique(values, return_counts=True)
        got = self.w.query("SELECT i2, count(*) FROM g.rows GROUP BY i2 ORDER BY i2")[1]
        self.assertEqual([[int(a), int(b)] for a, b in got], [[int(k), int(n)] for k, n in zip(keys, counts)])

    def test_stale_index(self):
        """Values beyond the old bounds: the index no longer counts, for this file and so for the table."""
        path = f"{self.w.path}/snap_000.hdf5"
        try:
            with h5py.File(path, "r+") as f:
                f["R/i1"][5] = 120
            sql = "SELECT i1, count(*) FROM g.rows GROUP BY i1 ORDER BY i1 DESC LIMIT 1"
            self.assertNotIn(ARRAY, self.plan(sql))
            self.assertEqual(self.w.query(sql)[1], [["120", "1"]])
        finally:
            with h5py.File(path, "r+") as f:
                f["R/i1"][5] = 0
            self.w.run("index", "g")


if __name__ == "__main__":
    harness.main()
