"""Merger trees from the user's side: GADGET-4's and LHaloTree's trees as tables, trees made from
snapshots, the questions of docs/trees.md, and bad input.
"""
import os
import re
import struct

import h5py
import numpy as np

import harness
from harness import EXAMPLE, SOURCE, shared, text_of

TREES = os.path.join(EXAMPLE, "treedata/trees.*.hdf5")
HALOS = TREES + ":/TreeHalos"
IDS = ("haloId, descendantId, firstProgenitorId, nextProgenitorId, lastProgenitorId, mainLeafId, "
       "treeRootId, treeId, firstHaloInFOFgroupId, nextHaloInFOFgroupId, snapnum")

# The 24 catalogues and the links between them as TreeHalos: GADGET-4's trees without treedata.
CATALOGUES = """SELECT l.TreeID, l.TreeIndex, coalesce(ld.TreeIndex, -1) AS TreeDescendant,
    -1 AS TreeFirstProgenitor, -1 AS TreeNextProgenitor, -1 AS TreeMainProgenitor,
    lf.TreeIndex AS TreeFirstHaloInFOFgroup, coalesce(ln.TreeIndex, -1) AS TreeNextHaloInFOFgroup,
    s.snapnum AS SnapNum, s.idx AS SubhaloNr, s.SubhaloGroupNr AS GroupNr, s.SubhaloLen,
    s.SubhaloIDMostbound, s.SubhaloPos, s.SubhaloVel, s.SubhaloMass,
    CASE WHEN s.SubhaloRankInGr = 0 THEN g.Group_M_Crit200 ELSE 0 END AS Group_M_Crit200,
    s.SubhaloVelDisp, s.SubhaloVmax, s.SubhaloHalfmassRad
FROM run64.subhalos s
JOIN run64.groups g ON g.snapnum = s.snapnum AND g.idx = s.SubhaloGroupNr
JOIN run64.treelinks l ON l.snapnum = s.snapnum AND l.idx = s.idx
JOIN run64.treelinks lf ON lf.snapnum = s.snapnum AND lf.idx = g.GroupFirstSub
LEFT JOIN run64.treelinks ln ON ln.snapnum = s.snapnum AND ln.idx = s.idx + 1
                            AND s.SubhaloRankInGr + 1 < g.GroupNsubs
LEFT JOIN run64.descendants d ON d.snapnum = s.snapnum AND d.idx = s.idx
LEFT JOIN run64.treelinks ld ON ld.snapnum = s.snapnum + 1 AND ld.idx = d.DescSubhaloNr"""

DATASET = """
name: run64
root: {root}
sources:
  - {{format: gadget-groups, files: groups_*/fof_subhalo_tab_*.hdf5}}
  - {{format: gadget-snapshot, files: snapdir_*/snapshot_*.hdf5, tables: [dm]}}
  - {{format: gadget4-descendants, files: groups_*/subhalo_desc_*.hdf5}}
  - {{format: gadget4-treelinks, files: groups_*/subhalo_treelink_*.hdf5}}
"""
MEMBERS = """SELECT p.snapnum, p.ParticleIDs AS id, s.idx AS halo, p.idx - s.SubhaloOffsetType[2] AS rank
    FROM run64.dm p JOIN run64.subhalos s ON p.snapnum = s.snapnum
     AND p.idx BETWEEN s.SubhaloOffsetType[2] AND s.SubhaloOffsetType[2] + s.SubhaloLen - 1"""
SUBHALOS = """SELECT snapnum, idx AS halo, SubhaloGroupNr AS fof, SubhaloLen AS np, SubhaloMass AS mass, SubhaloPos AS pos,
    SubhaloVel AS vel FROM run64.subhalos WHERE snapnum IN (5, 14, 23)"""

# A halo's main progenitor nine outputs earlier, in two tables.
AGREE = """
    WITH ours AS (SELECT a.snapnum, a.{nr} AS nr, b.{nr} AS progenitor
                  FROM {ours} a JOIN {ours} b ON b.haloId = a.firstProgenitorId),
    theirs AS (SELECT a.snapnum, a.subhaloNr AS nr, b.subhaloNr AS progenitor
               FROM 'trees.h5:/' a JOIN 'trees.h5:/' b
                 ON b.haloId BETWEEN a.haloId AND a.mainLeafId AND b.snapnum = a.snapnum - 9
               WHERE a.snapnum IN (23, 14))
    SELECT count(*), count(*) FILTER (o.progenitor = t.progenitor)
    FROM theirs t LEFT JOIN ours o USING (snapnum, nr)"""


def read_trees():
    """Columns of TreeHalos of both files."""
    columns = {}
    for k in range(2):
        with h5py.File(TREES.replace("*", str(k))) as f:
            for name, d in f["TreeHalos"].items():
                columns.setdefault(name, []).append(d[:])
    return {name: np.concatenate(parts) for name, parts in columns.items()}


class Trees(harness.Case):
    @classmethod
    def prepare(cls):
        cls.trees = read_trees()
        cls.w.describe("gadget4_run64", text_of(os.path.join(EXAMPLE, "gadget4_run64.yaml")).replace(
            "root: .", "root: " + EXAMPLE))
        done = cls.w.run("run", "-n", 2, "tree_table", HALOS, "--times",
                         f"SELECT row AS snapnum, redshift FROM '{TREES.replace('*', '0')}:/TreeTimes'",
                         "--into", "trees.h5")
        assert done.status == 0, done.err

    def rows(self, sql, ranks=1):
        return self.w.query(sql, "-q", "-n", ranks)[1]

    def fails(self, says, *args):
        done = self.w.run("run", "-q", "-n", 2, *args)
        self.assertNotEqual(done.status, 0)
        self.assertIn(says, done.err)
        self.assertEqual(done.out, "")

    # ---- tree_table ----

    def test_all_halos_and_links(self):
        """By descent, not by ids: each halo's descendant is GADGET-4's."""
        t = self.trees
        start = {tree: i for i, tree in enumerate(t["TreeID"]) if t["TreeIndex"][i] == 0}
        name = lambda i: (int(t["SnapNum"][i]), int(t["SubhaloNr"][i]))
        want = sorted(
            (*name(i), *(name(start[t["TreeID"][i]] + d) if d >= 0 else (-1, -1)),
             *(name(start[t["TreeID"][i]] + m) if m >= 0 else (-1, -1)), float(t["SubhaloMass"][i]))
            for i, (d, m) in enumerate(zip(t["TreeDescendant"], t["TreeMainProgenitor"])))
        got = self.rows("""SELECT h.snapnum, h.subhaloNr, coalesce(d.snapnum, -1),
            coalesce(d.subhaloNr, -1), coalesce(f.snapnum, -1), coalesce(f.subhaloNr, -1), h.mass
            FROM 'trees.h5:/' h LEFT JOIN 'trees.h5:/' d ON d.haloId = h.descendantId
            LEFT JOIN 'trees.h5:/' f ON f.haloId = h.firstProgenitorId ORDER BY 1, 2""")
        got = [(*map(int, r[:6]), float(np.float32(r[6]))) for r in got]
        self.assertEqual(len(got), 8666)
        self.assertEqual(got, want)
        self.assertEqual(self.rows("SELECT count(DISTINCT treeId), count(DISTINCT haloId) "
                                   "FROM 'trees.h5:/'"), [["606", "8666"]])

    def test_any_number_of_ranks(self):
        sql = f"SELECT * FROM tree_table('{HALOS}')"
        one = self.rows(sql)
        for ranks in (2, 3, 4):
            self.assertEqual(self.rows(sql, ranks), one)

    def test_questions_of_the_page(self):
        """Every question of docs/trees.md runs; what is said to be 0 is 0."""
        page = text_of(os.path.join(SOURCE, "docs/trees.md"))
        questions, checks = page.split("## Is a table sound?")
        asked = re.findall(r"```sql\n(.*?)```", questions, re.S)
        self.assertGreaterEqual(len(asked), 7)
        for sql in asked:
            rows = self.rows(sql)
            self.assertGreater(len(rows), 0, sql)
            # The numbers that the page shows first, after the question.
            shown = re.split(r"\n\*\*|\n## ", page.split(sql)[1])[0]
            table = re.findall(r"^\| (?!---)(.*) \|$", shown, re.M)
            if len(table) > 2:
                self.assertEqual(table[1].split(" | ")[0], rows[0][0], sql)
        asked = re.findall(r"```sql\n(.*?)```", checks, re.S)
        self.assertEqual(len(asked), 6)
        for sql in asked:
            self.assertEqual(self.rows(sql), [["0"]], sql)

    def test_checks_notice(self):
        """Each check of the page sees a table that is wrong in one place."""
        page = text_of(os.path.join(SOURCE, "docs/trees.md")).split("## Is a table sound?")[1]
        asked = re.findall(r"```sql\n(.*?)```", page, re.S)
        bad = ["mainLeafId = lastProgenitorId + 1", "haloId = haloId + 1", "descendantId = haloId + 1",
               "lastProgenitorId = lastProgenitorId - 1", "nextProgenitorId = 7",
               "firstHaloInFOFgroupId = 1"]
        for sql, change in zip(asked, bad):
            column, value = change.split(" = ")
            # A halo in the middle of its tree with progenitors of its own.
            wrong = (f"(SELECT * REPLACE (CASE WHEN haloId = 5 THEN {value} ELSE {column} END AS "
                     f"{column}) FROM 'trees.h5:/')")
            self.assertNotEqual(self.rows(sql.replace("'trees.h5:/'", wrong)), [["0"]], change)

    def test_history_from_descendants_alone(self):
        """With progenitors unknown, the main one is that with the longest history."""
        sql = f"""SELECT * REPLACE (-1 AS TreeFirstProgenitor, -1 AS TreeNextProgenitor,
            -1 AS TreeMainProgenitor) FROM '{HALOS}'"""
        rows = self.rows(f"""WITH t AS (SELECT * FROM tree_table(({sql}), main => 'history'))
            SELECT count(*), count(*) FILTER (f.subhaloNr = g.subhaloNr)
            FROM t a JOIN t f ON f.haloId = a.firstProgenitorId
            JOIN 'trees.h5:/' b ON b.snapnum = a.snapnum AND b.subhaloNr = a.subhaloNr
            JOIN 'trees.h5:/' g ON g.haloId = b.firstProgenitorId""", 2)
        self.assertEqual(rows, [["7647", "7647"]])

    def test_from_catalogues(self):
        """Trees of the 24 catalogues by their descendants are those of treedata."""
        self.run64()
        done = self.w.run("run", "-q", "-n", 2, "tree_table", CATALOGUES, "--main", "history",
                          "--into", "catalogues.h5")
        self.assertEqual(done.status, 0, done.err)
        same = lambda x, y: f"({x}.snapnum, {x}.subhaloNr) IS NOT DISTINCT FROM ({y}.snapnum, {y}.subhaloNr)"
        self.assertEqual(self.rows(f"""SELECT count(*), count(*) FILTER ({same('da', 'db')}),
            count(*) FILTER ({same('fa', 'fb')}), count(*) FILTER (a.treeId = b.treeId),
            count(*) FILTER (a.m_Crit200 = b.m_Crit200)
            FROM 'catalogues.h5:/' a
            JOIN 'trees.h5:/' b ON a.snapnum = b.snapnum AND a.subhaloNr = b.subhaloNr
            LEFT JOIN 'catalogues.h5:/' da ON da.haloId = a.descendantId
            LEFT JOIN 'trees.h5:/' db ON db.haloId = b.descendantId
            LEFT JOIN 'catalogues.h5:/' fa ON fa.haloId = a.firstProgenitorId
            LEFT JOIN 'trees.h5:/' fb ON fb.haloId = b.firstProgenitorId"""), [["8666"] * 5])

    def test_bad_trees(self):
        self.fails("give a larger tree_size", "tree_table", HALOS, "--tree_size", 100)
        self.fails("needs a column TreeID", "tree_table", TREES.replace("*", "0") + ":/TreeTimes")
        replaced = lambda what: f"SELECT * REPLACE ({what}) FROM '{HALOS}'"
        at = "CASE WHEN TreeID = 7 AND TreeIndex = 3 THEN {} ELSE {} END AS {}"
        for column, value, says in (("TreeDescendant", 100000, "Halo 3 of tree 7"),
                                    ("TreeDescendant", 3, "not at a later snapshot"),
                                    ("TreeFirstProgenitor", 2, "is not among its progenitors"),
                                    ("TreeNextProgenitor", 9, "Halo"),
                                    ("TreeNextHaloInFOFgroup", 0, "halos of its group"),
                                    ("TreeIndex", 2, "two halos with number 2"),
                                    ("TreeID", -1, "must be 0 or larger")):
            self.fails(says, "tree_table", replaced(at.format(value, column, column)))

    # ---- lhalo_trees ----

    def records(self, order, trees):
        """LHaloTree's records of 104 bytes."""
        t, out = self.trees, []
        for i in np.flatnonzero(np.isin(t["TreeID"], trees)):
            out.append(struct.pack(
                order + "6i3f3f3fff3fqiiif", t["TreeDescendant"][i], t["TreeFirstProgenitor"][i],
                t["TreeNextProgenitor"][i], t["TreeFirstHaloInFOFgroup"][i],
                t["TreeNextHaloInFOFgroup"][i], t["SubhaloLen"][i], 0, t["Group_M_Crit200"][i], 0,
                *t["SubhaloPos"][i], *t["SubhaloVel"][i], t["SubhaloVelDisp"][i], t["SubhaloVmax"][i],
                *t["SubhaloSpin"][i], t["SubhaloIDMostbound"][i], t["SnapNum"][i], 0,
                t["SubhaloNr"][i], t["SubhaloHalfmassRad"][i]))
        return out

    def binary(self, name, order, trees):
        records = self.records(order, trees)
        lengths = [int((self.trees["TreeID"] == k).sum()) for k in trees]
        head = struct.pack(f"{order}{2 + len(trees)}i", len(trees), len(records), *lengths)
        return self.w.write(name, head + b"".join(records))

    def hdf5(self, name, trees):
        t = self.trees
        names = {"Descendant": "TreeDescendant", "FirstProgenitor": "TreeFirstProgenitor",
                 "NextProgenitor": "TreeNextProgenitor", "SnapNum": "SnapNum",
                 "FirstHaloInFOFGroup": "TreeFirstHaloInFOFgroup", "SubhaloLen": "SubhaloLen",
                 "NextHaloInFOFGroup": "TreeNextHaloInFOFgroup", "SubhaloPos": "SubhaloPos",
                 "SubhaloVel": "SubhaloVel", "SubhaloNumber": "SubhaloNr", "SubhaloVMax": "SubhaloVmax",
                 "SubhaloVelDisp": "SubhaloVelDisp", "SubhaloIDMostBound": "SubhaloIDMostbound",
                 "Group_M_Crit200": "Group_M_Crit200", "SubhaloHalfmassRad": "SubhaloHalfmassRad"}
        path = self.w.file(name)
        with h5py.File(path, "w") as f, h5py.File(TREES.replace("*", "0")) as times:
            lengths = [int((t["TreeID"] == k).sum()) for k in trees]
            head = f.create_group("Header")
            head.attrs["NtreesPerFile"] = np.int32(len(trees))
            head.attrs["ParticleMass"] = 4.075
            head["TreeNHalos"] = np.array(lengths, "i4")
            head["Redshifts"] = times["TreeTimes/Redshift"][:]
            for k, tree in enumerate(trees):
                at = t["TreeID"] == tree
                for theirs, ours in names.items():
                    f[f"Tree{k}/{theirs}"] = t[ours][at]
        return path

    def given(self):
        """What tree_table gives, with the chain's first progenitor as the main one, as LHaloTree
        has no other."""
        return self.rows(f"""SELECT {IDS}, np, x, velZ, vMax, mostBoundId, phKey, random FROM tree_table(
            (SELECT * REPLACE (-1 AS TreeMainProgenitor) FROM '{HALOS}'), box => 50)""")

    def lhalo(self, files, ranks=1):
        return self.rows(f"""SELECT {IDS}, np, x, velZ, vMax, mostBoundId, phKey, random
            FROM lhalo_trees('{files}', box => 50)""", ranks)

    def test_lhalo_binary(self):
        want = self.given()
        for order in "<>":
            path = self.binary("trees_023.0", order, range(606))
            self.assertEqual(self.lhalo(path, 1 if order == "<" else 3), want)
        self.assertEqual(self.rows(
            f"SELECT subhaloNr, mass FROM lhalo_trees('{path}', particle_mass => 0.5) "
            "WHERE haloId = 3000000"), self.rows("SELECT subhaloNr, np * 0.5::FLOAT FROM 'trees.h5:/' "
                                                 "WHERE haloId = 3000000"))

    def test_lhalo_files_and_numbers(self):
        """haloId as in the Millennium database; the same for any number of ranks and files."""
        self.binary("some.7", "<", range(0, 400))
        self.binary("some.12", "<", range(400, 606))
        files = self.w.file("some.*")
        one = self.lhalo(files)
        self.assertEqual(len(one), 8666)
        shift = lambda tree: 7000000 + tree if tree < 400 else 12000000 + tree - 400
        got = {int(r[0]): r for r in one}
        for row in self.given():
            tree = int(row[7])
            moved = shift(tree) * 1000000 + int(row[0]) % 1000000
            self.assertEqual(int(got[moved][7]), shift(tree))
            self.assertEqual(got[moved][10:16], row[10:16])
        for ranks in (2, 4):
            self.assertEqual(self.lhalo(files, ranks), one)

    def test_lhalo_hdf5(self):
        want = self.given()
        path = self.hdf5("trees_sf1_023.0.hdf5", range(606))
        for ranks in (1, 3):
            self.assertEqual(self.lhalo(path, ranks), want)
        z, mass, np_ = self.rows(f"SELECT redshift, mass, np FROM lhalo_trees('{path}') "
                                 "WHERE haloId = 1")[0]
        self.assertAlmostEqual(float(z), 0.08461836, 6)
        self.assertAlmostEqual(float(mass), 4.075 * int(np_), 1)

    def test_lhalo_times(self):
        path = self.binary("trees_t.0", "<", range(3))
        times = self.w.write("a_list", "0.25\n" * 23 + "0.5\n")
        sql = f"SELECT DISTINCT redshift FROM lhalo_trees('{path}', scale_factors => '{times}') ORDER BY 1"
        self.assertEqual(self.rows(sql), [["1.0"], ["3.0"]])
        self.w.write("a_list", "0.25\nhalf\n")
        self.fails("one scale factor", "lhalo_trees", path, "--scale_factors", times)

    def test_lhalo_bad_files(self):
        path = self.binary("bad.0", "<", range(5))
        with open(path, "rb") as f:
            whole = f.read()
        for cut in (0, 5, 20, len(whole) - 1):
            self.w.write("cut.0", whole[:cut])
            self.fails("cut.0", "lhalo_trees", self.w.file("cut.0"))
        self.w.write("long.0", whole + b"\0")
        self.fails("Is it cut off?", "lhalo_trees", self.w.file("long.0"))
        n = struct.unpack("<i", whole[8:12])[0]
        self.w.write("sum.0", whole[:8] + struct.pack("<i", n + 1) + whole[12:])
        self.fails("but it says", "lhalo_trees", self.w.file("sum.0"))
        self.w.write("minus.0", whole[:8] + struct.pack("<i", -n) + whole[12:])
        self.fails("halos", "lhalo_trees", self.w.file("minus.0"))
        at = 8 + 4 * 5 + 104
        self.w.write("link.0", whole[:at] + struct.pack("<i", 99999) + whole[at + 4:])
        self.fails("its descendant is not there", "lhalo_trees", self.w.file("link.0"))
        self.fails("There is no file", "lhalo_trees", self.w.file("nothing.*"))
        self.w.write("twin_a.3", whole)
        self.w.write("twin_b.3", whole)
        self.fails("Two files have number 3", "lhalo_trees", self.w.file("twin_*"))
        self.w.write("nameless_a", whole)
        self.w.write("nameless_b", whole)
        self.fails("no number at the end", "lhalo_trees", self.w.file("nameless_*"))
        path = self.hdf5("bad.0.hdf5", range(5))
        with h5py.File(path, "a") as f:
            del f["Tree3/Descendant"]
        self.fails("Tree3: ", "lhalo_trees", path)
        path = self.hdf5("short.0.hdf5", range(5))
        with h5py.File(path, "a") as f:
            f["Header/TreeNHalos"][2] += 1
        self.fails("are expected", "lhalo_trees", path)
        self.fails("TreeNHalos", "lhalo_trees", TREES.replace("*", "0"))
        with open(path, "r+b") as f:
            f.truncate(2000)
        self.fails("short.0.hdf5", "lhalo_trees", path)

    # ---- links by particles ----

    def run64(self):
        self.w.describe("run64", DATASET.format(root=shared("gadget4_run64")))

    def test_merger_tree(self):
        self.run64()
        sql = "SELECT * FROM merger_tree('run64.dm')"
        one = self.rows(sql)
        for ranks in (2, 4):
            self.assertEqual(self.rows(sql, ranks), one)
        self.assertEqual(self.rows("""SELECT count(*), count(DISTINCT treeId), max(np),
            count(*) FILTER (snapnum = 23) FROM merger_tree('run64.dm')""", 2),
            [["1057", "499", "4239", "499"]])
        self.assertEqual(self.rows("SELECT count(*) FROM merger_tree('run64.dm', linking_length "
                                   "=> 0.15625, min_particles => 35) WHERE snapnum = 23", 2), [["464"]])

    def test_merger_tree_of_some(self):
        """A snapshot without particles is one without groups; its neighbours are linked over it."""
        self.run64()
        for some, snapshots in (("snapnum <> 14", {"5", "23"}),
                                ("snapnum <> 14 OR ParticleIDs < 0", {"5", "23"}), ("ParticleIDs < 0", set())):
            rows = self.rows("SELECT snapnum, count(*) FILTER (descendantId <> -1) FROM merger_tree("
                             f"'run64.dm', filter => '{some}') GROUP BY 1", 2)
            self.assertEqual({r[0] for r in rows}, snapshots)
            self.assertTrue(all(int(r[1]) > 0 for r in rows if r[0] == "5"))

    def test_merger_tree_agrees(self):
        """Groups against the main subhalos of GADGET-4's groups, which have the same particles."""
        self.run64()
        groups = """(WITH t AS (SELECT * FROM merger_tree('run64.dm')),
            g AS (SELECT snapnum, idx, GroupLen, GroupPos AS p, GroupFirstSub FROM run64.groups
                  WHERE snapnum IN (5, 14, 23))
            SELECT t.haloId, t.firstProgenitorId, t.snapnum, g.GroupFirstSub AS sub FROM t JOIN g
            ON g.snapnum = t.snapnum AND g.GroupLen = t.np
            QUALIFY row_number() OVER (PARTITION BY t.haloId ORDER BY
                abs(t.x - g.p[1]) + abs(t.y - g.p[2]) + abs(t.z - g.p[3])) = 1)"""
        sql = AGREE.format(ours=groups, nr="sub").replace(
            "WHERE a.snapnum IN (23, 14)",
            "WHERE a.snapnum IN (23, 14) AND a.haloId = a.firstHaloInFOFgroupId")
        halos, same = map(int, self.rows(sql, 2)[0])
        self.assertGreaterEqual(same / halos, 0.95)

    def test_link_halos_agrees(self):
        self.run64()
        done = self.w.run("run", "-q", "-n", 2, "link_halos", SUBHALOS, "--members", MEMBERS, "--into",
                          "links.h5")
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(self.rows(AGREE.format(ours="'links.h5:/'", nr="subhaloNr")), [["414", "409"]])

    def test_bad_particles(self):
        snapshot = os.path.join(EXAMPLE, "snapdir_023/snapshot_023.*.hdf5:/PartType1")
        self.fails("needs the ids", "merger_tree", f"SELECT snapnum, Coordinates AS pos, 1 AS mass, "
                   f"[0, 0, 0]::FLOAT[3] AS vel FROM '{snapshot}'")
        self.fails("no snapshots", "merger_tree", "SELECT [1, 2, 3]::DOUBLE[3] AS pos, [0, 0, 0]::DOUBLE[3] "
                   "AS vel, 1 AS mass, 7 AS id")
        halos = ("SELECT snapnum, halo, -1 AS fof, 2 AS np, 1 AS mass, [1, 2, 3]::DOUBLE[3] AS pos, [0, 0, 0]::FLOAT[3] AS vel FROM "
                 "(VALUES (1, 5), (2, 6)) AS v(snapnum, halo)")
        members = "SELECT * FROM (VALUES {}) AS v(snapnum, id, halo, rank)"
        for values, says in (("(1, 10, 5, 0), (1, 10, 5, 1)", "particle 10"),
                             ("(1, 10, 5, 0), (2, 10, 9, 0)", "no such halo"),
                             ("(1, 10, 5, -1)", "ranks count from 0"),
                             ("(-3, 10, 5, 0)", "snapshot number -3")):
            self.fails(says, "link_halos", halos, "--members", members.format(values))
        self.fails("needs members", "link_halos", halos)
        got = self.rows(f"SELECT haloId, descendantId, snapnum, subhaloNr FROM link_halos(({halos}), "
                        f"members => ({members.format('(1, 10, 5, 0), (2, 10, 6, 0)')}))", 2)
        self.assertEqual(got, [["0", "-1", "2", "6"], ["1", "0", "1", "5"]])


if __name__ == "__main__":
    harness.main()
