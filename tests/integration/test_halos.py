"""Groups and masses of halos as a user asks for them: SQL, `perigee run`, wrong input."""
import glob
import os

import h5py
import numpy as np

import harness
from harness import EXAMPLE

SNAPSHOT = os.path.join(EXAMPLE, "snapdir_023/snapshot_023.*.hdf5:/PartType1")
GROUPS = os.path.join(EXAMPLE, "groups_023/fof_subhalo_tab_023.*.hdf5:/Group")


def catalogue(name):
    files = sorted(glob.glob(GROUPS.split(":")[0]))
    return np.concatenate([h5py.File(f)["Group/" + name][:] for f in files])


class Halos(harness.Case):
    def rows(self, sql, ranks=2):
        return self.w.query(sql, "-q", "-n", ranks)[1]

    def refused(self, *words, says, status=2):
        done = self.w.run("run", "-n", 2, *words)
        self.assertEqual(done.status, status, done.err)
        self.assertIn(says, done.err)
        self.assertEqual(done.err.count("\n"), 1, done.err)
        self.assertEqual(done.out, "")
        self.assertEqual(self.w.leftovers(), [])

    # ---- fof ----

    def test_groups_are_those_of_gadget(self):
        rows = self.rows(f"SELECT np, mass FROM fof('{SNAPSHOT}') ORDER BY fofid")
        self.assertEqual([int(n) for n, _ in rows], list(catalogue("GroupLen")))
        np.testing.assert_allclose([float(m) for _, m in rows], catalogue("GroupMass"), 1e-6)

    def test_rows_are_the_same_for_any_number_of_ranks(self):
        sql = f"SELECT * FROM fof('{SNAPSHOT}', min_particles => 20)"
        one = self.rows(sql, 1)
        self.assertEqual(len(one), 748)
        for ranks in 2, 3, 4:
            self.assertEqual(self.rows(sql, ranks), one, ranks)

    def test_members(self):
        members = f"fof('{SNAPSHOT}', members => true)"
        rows = self.rows(f"SELECT fofid, count(*), min(id) FROM {members} GROUP BY 1 ORDER BY 1", 3)
        groups = self.rows(f"SELECT fofid, np, first_id FROM fof('{SNAPSHOT}')", 2)
        self.assertEqual(rows, groups)
        rows = self.rows(f"SELECT fofid, id FROM {members}", 3)
        pairs = [(int(a), int(b)) for a, b in rows]
        self.assertEqual(pairs, sorted(pairs))
        self.assertEqual(len(set(b for _, b in pairs)), 102186)

    def test_length_and_b_agree(self):
        ask = f"SELECT count(*), sum(np) FROM fof('{SNAPSHOT}', %s)"
        self.assertEqual(self.rows(ask % "linking_length => 0.15625"), [["499", "102186"]])
        self.assertEqual(self.rows(ask % "b => 0.2"), [["499", "102186"]])

    def test_rows_of_a_query(self):
        sql = f'SELECT * FROM "{SNAPSHOT}" WHERE Coordinates[1] < 25'
        one, three = [self.rows(f"""SELECT * FROM fof('{sql}', linking_length => 0.15, box => 0,
            mass => 1, min_particles => 10)""", n) for n in (1, 3)]
        self.assertEqual(one, three)
        self.assertGreater(len(one), 300)

    def test_fof_refuses(self):
        for says, *options in (
                ("b = 0 is not possible", "--b", 0),
                ("b and linking_length say the same", "--b", 0.2, "--linking_length", 1),
                ("less than half of the box", "--linking_length", 25),
                ("min_particles = 0 is not possible", "--min_particles", 0),
                ("is too small for a region", "--linking_length", 1e-30),
                ("there are no particles", "--filter", "ParticleIDs < 0"),
                ("needs the box", "--box", 0),
                ("outside of the periodic box", "--box", 25)):
            self.refused("fof", SNAPSHOT, "--vel", "[0, 0, 0]", *options, says=says)

    def test_positions_that_are_no_numbers(self):
        with h5py.File(self.w.file("nan.hdf5"), "w") as f:
            pos = np.random.default_rng(1).random((1000, 3))
            pos[[7, 500], 1] = np.nan
            f["P/pos"] = pos
        self.refused("fof", self.w.file("nan.hdf5:/P"), "--box", 1, "--mass", 1, "--vel",
                     "[0, 0, 0]", says="2 of 1000 particles have a position that is not finite")

    # ---- so_masses ----

    def test_masses_are_those_of_gadget(self):
        names = {"m_200c": "Group_M_Crit200", "m_500c": "Group_M_Crit500",
                 "m_200m": "Group_M_Mean200", "m_vir": "Group_M_TopHat200",
                 "r_200c": "Group_R_Crit200", "r_vir": "Group_R_TopHat200"}
        sql = f"""SELECT {', '.join(names)} FROM so_masses('{SNAPSHOT}', centres => '{GROUPS}')
            ORDER BY id"""
        rows = self.rows(sql)
        self.assertEqual(len(rows), 499)
        for ours, name in zip(np.array(rows, float).T, names.values()):
            theirs = catalogue(name)
            large = theirs > np.sort(theirs)[-100]
            np.testing.assert_allclose(ours[large], theirs[large], 0.05)
            self.assertLess(np.median(np.abs(ours[large] / theirs[large] - 1)), 1e-4)
        for ranks in 1, 3:
            self.assertEqual(self.rows(sql, ranks), rows)

    def test_masses_around_groups(self):
        """Positions of fof are as good as those of the catalogue for masses."""
        rows = np.array(self.rows(f"""SELECT m_200c, pos[1], pos[2], pos[3]
            FROM so_masses('{SNAPSHOT}', deltas => '200c', centres =>
                (SELECT * FROM fof('{SNAPSHOT}', min_particles => 200)))"""), float)
        apart = np.abs(rows[:, None, 1:] - catalogue("GroupPos")[None])
        apart = np.sqrt((np.minimum(apart, 50 - apart) ** 2).sum(2))
        ratio = rows[:, 0] / catalogue("Group_M_Crit200")[apart.argmin(1)]
        self.assertEqual(len(rows), 88)
        self.assertLess(abs(np.median(ratio) - 1), 1e-3)
        self.assertGreater(np.mean(np.abs(ratio - 1) < 0.03), 0.9)

    def test_so_masses_refuses(self):
        for says, *options in (
                ("needs centres",),
                ("no overdensity '200q'", "--centres", GROUPS, "--deltas", "200q"),
                ("there twice", "--centres", GROUPS, "--deltas", "vir,vir"),
                ("centres: 1 of 1 particles has a position outside", "--centres",
                 "SELECT [60, 1, 1]::DOUBLE[3] AS pos, 1 AS id")):
            self.refused("so_masses", SNAPSHOT, *options, says=says)

    def test_dark_matter_alone_is_told_of(self):
        done = self.w.run("run", "-n", 2, "so_masses", SNAPSHOT, "--centres", GROUPS, "--mass", 3)
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("give mean_density", done.err)


if __name__ == "__main__":
    harness.main()
