"""Real simulation files, against h5py and numpy: counts, sums and extremes of every numeric
column, 48-bit IDs, a mass function, a join, merger trees.
"""
import glob
import os
import zlib

import h5py
import numpy as np

import harness
from harness import shared


def read(dataset):
    """All values. h5py knows no 48-bit integers: HDF5 converts those while it reads."""
    try:
        return dataset[:]
    except TypeError:
        out = np.zeros(dataset.shape, "u8")
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out, h5py.h5t.NATIVE_UINT64)
        return out


def read_table(files, path):
    """{column: values} over all files; a file without datasets has no rows."""
    parts = {}
    for name in files:
        with h5py.File(name, "r") as f:
            node = f.get(path)
            if isinstance(node, h5py.Dataset):
                part = {k: node[k] for k in node.dtype.names}
            else:
                part = {k: read(d) for k, d in (node.items() if node else ())}
        for k, v in part.items():
            parts.setdefault(k, []).append(v)
    return {k: np.concatenate(v) for k, v in parts.items()}


def exact_sum(v):
    """Of integers, as a Python integer: no width is wide enough for some."""
    low = (v.astype("u8") & np.uint64(0xffffffff)).sum(dtype="u8")
    high = (v >> 32).astype("i8").sum() if v.dtype.itemsize == 8 else \
        (v.astype("i8") >> 32).sum()
    return int(low) + (int(high) << 32)


def statistics(v):
    """(sum, min, max) with NaN as SQL sees it: greater than all numbers."""
    if v.dtype.kind in "iu":
        return exact_sum(v), int(v.min()), int(v.max())
    v = v.astype("f8")
    nan = np.isnan(v).any()
    return v.sum(), np.nan if np.isnan(v).all() else np.nanmin(v), np.nan if nan else v.max()


def vectors(columns):
    """[(SQL expression, values)] of every numeric scalar column and vector component."""
    out = []
    for name, v in columns.items():
        if v.dtype.kind not in "iuf":
            continue
        if v.ndim == 1:
            out.append((f'"{name}"', v))
        else:
            flat = v.reshape(len(v), -1)
            out += [(f'"{name}"[{i + 1}]', flat[:, i]) for i in range(flat.shape[1])]
    return out


class RealData(harness.Case):
    def check_table(self, files, path, *options):
        """Every numeric column of files:path (a glob pattern), and the number of rows."""
        names = sorted(glob.glob(files))
        self.assertTrue(names, files)
        columns = read_table(names, path)
        table = f"'{files}:{path}'"
        rows = len(next(iter(columns.values())))
        self.assertEqual(self.w.value(f"SELECT count(*) FROM {table}", *options), rows)
        values = vectors(columns)
        sql = ", ".join(f"sum({e}), min({e}), max({e})" for e, _ in values)
        got = self.w.query(f"SELECT {sql} FROM {table}", *options)[1][0]
        for i, (e, v) in enumerate(values):
            rel = 1e-6 if v.dtype.itemsize < 8 else 1e-9
            for what, g, w in zip(("sum", "min", "max"), got[3 * i:3 * i + 3], statistics(v)):
                with self.subTest(table=f"{os.path.basename(files)}:{path}", column=e, of=what):
                    if v.dtype.kind in "iu":
                        self.assertEqual(int(g), w)
                    elif np.isnan(w):
                        self.assertTrue(np.isnan(float(g)))
                    elif what == "sum":
                        scale = np.abs(v.astype("f8")).sum()
                        self.assertLessEqual(abs(float(g) - w), rel * scale)
                    else:
                        self.assertEqual(v.dtype.type(g), v.dtype.type(w))
        return columns

    def check_counts(self, files, names, *options):
        """Rows of /Group and /Subhalo are what the headers promise."""
        promised = [0, 0]
        for name in glob.glob(files):
            with h5py.File(name, "r") as f:
                head = f["Header"].attrs
                for i, n in enumerate(names):
                    promised[i] += int(head[n])
        for path, want in zip(("/Group", "/Subhalo"), promised):
            got = self.w.value(f"SELECT count(*) FROM '{files}:{path}'", *options)
            self.assertEqual(got, want, path)
        return promised

    # -- catalogues --

    def test_tng100(self):
        files = shared("tng100_groupcat", "groups_099") + "/fof_subhalo_tab_099.*.hdf5"
        more = ("-n", 1, "--allow-missing")
        self.check_counts(files, ("Ngroups_ThisFile", "Nsubgroups_ThisFile"), *more)
        self.check_table(files, "/Group", *more)
        self.check_table(files, "/Subhalo", *more)

    def test_tng100_missing(self):
        files = shared("tng100_groupcat", "groups_099") + "/fof_subhalo_tab_099.*.hdf5"
        done = self.w.run("query", f"SELECT count(*) FROM '{files}:/Group'")
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertIn("fof_subhalo_tab_099.0.hdf5", done.err)
        self.assertIn("--allow-missing", done.err)

    def test_hcai(self):
        folder = shared("gadget4_hcai")
        more = ("-n", 1, "--allow-missing")
        counts = self.check_counts(folder + "/fof_subhalo_tab_264.*.hdf5",
                                   ("Ngroups_ThisFile", "Nsubhalos_ThisFile"), *more)
        self.assertEqual(counts, [1904, 2131])
        for name, path in (("fof_subhalo_tab", "/Group"), ("fof_subhalo_tab", "/Subhalo"),
                           ("subhalo_prog", "/Subhalo"), ("subhalo_treelink", "/Subhalo")):
            self.check_table(f"{folder}/{name}_264.*.hdf5", path, *more)

    def test_hcai_48_bit_ids(self):
        """Every ID, against bytes that were inflated and put together here."""
        file = shared("gadget4_hcai", "fof_subhalo_tab_264.19.hdf5")
        with h5py.File(file, "r") as f:
            d = f["Subhalo/SubhaloIDMostbound"]
            self.assertEqual(d.id.get_type().get_size(), 6)
            rows, chunk = d.shape[0], d.chunks[0]
            # The filters are shuffle (all first bytes, all second bytes, ...) and deflate.
            parts = [np.frombuffer(zlib.decompress(d.id.read_direct_chunk((i,))[1]), "u1")
                     .reshape(6, chunk).T for i in range(0, rows, chunk)]
        ids = np.zeros((len(parts) * chunk, 8), "u1")
        ids[:, :6] = np.concatenate(parts)
        want = ids.reshape(-1).view("<u8")[:rows]
        self.assertGreater(int(want.max()), 10**6)
        _, got = self.w.query(f"SELECT SubhaloIDMostbound FROM '{file}:/Subhalo'", "-n", 1,
                              "--allow-missing")
        self.assertEqual([int(r[0]) for r in got], want.tolist())

    def test_run64_groups(self):
        run = shared("gadget4_run64")
        files = run + "/groups_023/fof_subhalo_tab_023.*.hdf5"
        counts = self.check_counts(files, ("Ngroups_ThisFile", "Nsubhalos_ThisFile"))
        self.assertEqual(counts, [499, 594])
        for path in ("/Group", "/Subhalo"):
            self.check_table(files, path)
            self.check_table(run + "/groups_*/fof_subhalo_tab_*.hdf5", path)
        for name in ("desc", "prog", "treelink"):
            self.check_table(f"{run}/groups_*/subhalo_{name}_*.hdf5", "/Subhalo")

    def test_run64_trees(self):
        trees = shared("gadget4_run64", "treedata") + "/trees.*.hdf5"
        self.assertEqual(len(self.check_table(trees, "/TreeTable")["TreeID"]), 606)
        self.assertEqual(len(self.check_table(trees, "/TreeHalos")["TreeID"]), 8666)

    # -- particles --

    def test_run64_particles(self):
        run = shared("gadget4_run64")
        for snap in (5, 14, 23):
            columns = self.check_table(f"{run}/snapdir_{snap:03d}/snapshot_{snap:03d}.*.hdf5",
                                       "/PartType1")
            self.assertEqual(len(columns["ParticleIDs"]), 64**3)
        self.check_table(f"{run}/rockstar/arepo_like_single_file_z0.hdf5", "/PartType1")

    def test_tng50(self):
        files = shared("tng50_4_subbox0", "snapdir_2332") + "/snap_2332.*.hdf5"
        for kind, rows in ((0, 24789), (1, 26060), (3, 25614), (4, 266), (5, 9)):
            columns = self.check_table(files, f"/PartType{kind}", "-n", 1, "--allow-missing")
            self.assertEqual(len(next(iter(columns.values()))), rows)

    # -- questions --

    def test_compound_mass_function(self):
        file = shared("minimillennium", "mimic_baseline_model_000.hdf5")
        columns = self.check_table(file, "/Snap063/Galaxies")
        mass = columns["Mvir"].astype("f8") * 1e10
        mass = mass[mass > 0]
        edges = np.arange(9, 16, 0.25)
        want, _ = np.histogram(np.log10(mass), edges)
        _, got = self.w.query(f"""
            SELECT floor(log10(Mvir::DOUBLE * 1e10) / 0.25) AS bin, count(*)
            FROM '{file}:/Snap063/Galaxies' WHERE Mvir > 0 GROUP BY bin ORDER BY bin""")
        got = {int(float(b)): int(n) for b, n in got}
        self.assertEqual(got, {36 + i: n for i, n in enumerate(want.tolist()) if n})
        self.assertEqual(sum(got.values()), len(mass))

    def test_subhalos_of_groups(self):
        folder = shared("gadget4_run64", "groups_023")
        pattern = folder + "/fof_subhalo_tab_023.*.hdf5"
        names = sorted(glob.glob(pattern))
        groups, subhalos = read_table(names, "/Group"), read_table(names, "/Subhalo")
        nr = subhalos["SubhaloGroupNr"]
        want = {}
        for g in np.unique(nr):
            mine = nr == g
            want[int(g)] = (int(mine.sum()), subhalos["SubhaloMass"][mine].astype("f8").sum(),
                            float(groups["GroupMass"][g]), int(groups["GroupNsubs"][g]))
        sql = f"""
            SELECT g.idx, count(*), sum(s.SubhaloMass), max(g.GroupMass), max(g.GroupNsubs)
            FROM '{pattern}:/Subhalo' AS s JOIN '{pattern}:/Group' AS g
                ON s.SubhaloGroupNr = g.idx GROUP BY g.idx"""
        for ranks in (1, 2):
            _, rows = self.w.query(sql, "-n", ranks)
            self.assertEqual(len(rows), len(want))
            for row in rows:
                count, mass, group_mass, nsubs = want[int(row[0])]
                self.assertEqual(int(row[1]), count)
                self.assertEqual(int(row[4]), nsubs)
                self.assertAlmostEqual(float(row[2]) / mass, 1, delta=1e-6)
                self.assertAlmostEqual(float(row[3]) / group_mass, 1, delta=1e-6)

    def test_progenitors(self):
        """All progenitors of the root halo of the longest tree: a walk in Python, and two
        recursive queries over different links."""
        pattern = shared("gadget4_run64", "treedata") + "/trees.*.hdf5"
        halos = read_table(sorted(glob.glob(pattern)), "/TreeHalos")
        ids, counts = np.unique(halos["TreeID"], return_counts=True)
        tree = int(ids[counts.argmax()])
        self.assertEqual(int(counts.max()), 243)
        mine = {int(i): k for k, i in enumerate(halos["TreeIndex"])
                if int(halos["TreeID"][k]) == tree}
        first, after = halos["TreeFirstProgenitor"], halos["TreeNextProgenitor"]
        want, todo = [], [0]
        while todo:
            index = todo.pop()
            want.append((index, int(halos["SnapNum"][mine[index]])))
            p = int(first[mine[index]])
            while p >= 0:
                todo.append(p)
                p = int(after[mine[p]])
        self.assertGreater(len(want), 20)
        table = f"'{pattern}:/TreeHalos'"
        by_descendant = f"""
            WITH RECURSIVE p AS (
                SELECT TreeIndex, SnapNum FROM {table} WHERE TreeID = {tree} AND TreeIndex = 0
                UNION ALL
                SELECT h.TreeIndex, h.SnapNum FROM p JOIN {table} AS h
                    ON h.TreeID = {tree} AND h.TreeDescendant = p.TreeIndex)
            SELECT TreeIndex, SnapNum FROM p"""
        by_links = f"""
            WITH RECURSIVE t AS MATERIALIZED (
                SELECT TreeIndex, SnapNum, TreeFirstProgenitor AS first,
                       TreeNextProgenitor AS after FROM {table} WHERE TreeID = {tree}),
            p AS (
                SELECT TreeIndex, SnapNum, first, -1 AS after FROM t WHERE TreeIndex = 0
                UNION ALL
                SELECT t.TreeIndex, t.SnapNum, t.first, t.after FROM p JOIN t
                    ON t.TreeIndex = p.first OR t.TreeIndex = p.after)
            SELECT TreeIndex, SnapNum FROM p"""
        for sql in (by_descendant, by_links):
            for ranks in (1, 2):
                _, rows = self.w.query(sql, "-n", ranks)
                self.assertEqual(sorted((int(a), int(b)) for a, b in rows), sorted(want))

    def test_mass_check_of_the_run(self):
        """What other codes found in this run (README.md of the shared data)."""
        files = shared("gadget4_run64", "groups_023") + "/fof_subhalo_tab_023.*.hdf5"
        _, rows = self.w.query(f"""SELECT count(*), sum(GroupLen), max(GroupLen),
            max(Group_M_Crit200) FROM '{files}:/Group'""")
        self.assertEqual([int(v) for v in rows[0][:3]], [499, 102186, 4239])
        self.assertAlmostEqual(float(rows[0][3]), 13435.8, delta=0.1)


if __name__ == "__main__":
    harness.main()
