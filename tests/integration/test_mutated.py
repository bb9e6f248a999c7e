"""500 damaged HDF5 files through programs built with AddressSanitizer: an error or, where the
damage did not matter, rows; never a crash, never a hang. A crash whose first wrong access is
libhdf5's own (valgrind tells) is counted, not blamed: it may damage memory of ours.

The damage is seeded, so that a number names a file: with PERIGEE_KEEP=FOLDER those that failed
are kept there.
"""
import concurrent.futures
import os
import random
import re
import shutil
import struct
import subprocess

import h5py
import numpy as np

import harness
from harness import ASAN_BIN, BIN, EXAMPLE

FILES = 500
SECONDS = 40  # HDF5 may loop for ever: it is stopped after 10 s of computing
LOOPS = "does not come to an end"
IN_HDF5 = "the HDF5 library crashed"
EXTREMES = (0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff,
            0xffffffffffffffff, 0x100000000, 0x8000000000000000)


def make_originals(folder):
    """[(name, table path)]: small files of every layout, and two that GADGET-4 wrote."""
    n = 600
    rng = np.random.default_rng(9)
    columns = {"id": np.arange(n), "x": rng.normal(size=n).astype("f4"),
               "v": rng.normal(size=(n, 3)).astype(">f4"), "h": rng.random(n).astype("f2"),
               "name": np.array([b"abc", b"de", b""])[rng.integers(0, 3, n)],
               "flag": rng.random(n) < 0.5}
    layouts = {
        "contiguous": {},
        "chunked": {"chunks": 100},
        "deflate": {"chunks": 100, "shuffle": True, "compression": "gzip"},
        "checked": {"chunks": 100, "fletcher32": True, "compression": "gzip"},
        "lzf": {"chunks": 100, "compression": "lzf"},
    }
    out = []
    for layout, more in layouts.items():
        for libver in ("earliest", "latest"):
            name = f"{layout}_{libver}.hdf5"
            with h5py.File(f"{folder}/{name}", "w", libver=libver) as f:
                for key, v in columns.items():
                    options = dict(more)
                    if "chunks" in options:
                        options["chunks"] = (100,) + v.shape[1:]
                    f.create_dataset(f"T/{key}", data=v, **options)
                f["T/x"].attrs["unit"] = "kpc"
                f["T/label"] = np.array(["one", "two", "thr\u00e9\u00e9"] * (n // 3), object)
                f.create_group("Header").attrs["NumFiles"] = 1
            out.append((name, "/T"))
    compound = np.zeros(n, [("a", "i4"), ("s", "S5"), ("v", "f8", (2,)), ("b", ">i8")])
    with h5py.File(f"{folder}/compound.hdf5", "w") as f:
        f.create_dataset("T", data=compound, chunks=(64,), compression="gzip", maxshape=(None,))
    out.append(("compound.hdf5", "/T"))
    for real, path in (("groups_023/subhalo_treelink_023.0.hdf5", "/Subhalo"),
                       ("groups_005/fof_subhalo_tab_005.0.hdf5", "/Group")):
        name = os.path.basename(real).replace(".0.", "_x.")
        shutil.copyfile(f"{EXAMPLE}/{real}", f"{folder}/{name}")
        out.append((name, path))
    return out


def mutate(data, rng):
    """A damaged copy. Metadata is the smaller part of a file but the dangerous one: half of
    the damage goes to the first 4 kB or near one of HDF5's signatures."""
    data = bytearray(data)
    marks = [i for sign in (b"TREE", b"SNOD", b"HEAP", b"OHDR", b"FRHP", b"GCOL", b"BTHD")
             for i in find_all(data, sign)] or [0]

    def place():
        kind = rng.random()
        if kind < 0.25:
            return rng.randrange(min(4096, len(data)))
        if kind < 0.7:
            return min(rng.choice(marks) + rng.randrange(200), len(data) - 1)
        return rng.randrange(len(data))

    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, kind = place(), rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            width = rng.choice((2, 4, 8))
            raw = struct.pack("<Q", rng.choice(EXTREMES))[:width]
            data[at:at + width] = raw[:max(0, len(data) - at)]
        elif kind == 3:
            n = rng.randrange(1, 64)
            data[at:at + n] = bytes(min(n, len(data) - at))
        else:
            n, src = rng.randrange(1, 64), place()
            piece = data[src:src + n]
            data[at:at + len(piece)] = piece
    if rng.random() < 0.06:
        del data[rng.randrange(1, len(data)):]
    return bytes(data)


def find_all(data, sign):
    at = data.find(sign)
    while at >= 0:
        yield at
        at = data.find(sign, at + 1)


class Mutated(harness.Case):
    @classmethod
    def prepare(cls):
        if not os.path.exists(f"{ASAN_BIN}/perigee"):
            cls.skipTest(cls, "damaged files were not tried: there is no debug build")
        cls.originals = make_originals(cls.w.path)
        cls.bytes = {}
        for name, _ in cls.originals:
            with open(cls.w.file(name), "rb") as f:
                cls.bytes[name] = f.read()
        cls.env = dict(cls.w.env, ASAN_OPTIONS="detect_leaks=0:exitcode=99")

    def setUp(self):
        self.statuses, self.in_hdf5, self.looped = [], 0, 0

    def tearDown(self):
        # A crash inside libhdf5 leaves the temporary folder: only then may there be one.
        self.assertLessEqual(len(self.w.leftovers()), self.in_hdf5 + self.looped)

    def first_wrong_is_of_libhdf5(self, words):
        """The library is not built with AddressSanitizer: what it overwrites is noticed later, elsewhere."""
        said = subprocess.run(["valgrind", "--error-limit=no", f"{BIN}/perigee", *words[1:]], timeout=10 * SECONDS,
                              capture_output=True, stdin=subprocess.DEVNULL, env=self.env).stderr
        frames = re.findall(r"^==\d+==  +(?:at|by) 0x\w+: (.*)$",
                            said.decode("utf-8", "replace").partition("Invalid ")[2], re.M)
        real = [f for f in frames if "vgpreload" not in f]
        return bool(real) and "libhdf5" in real[0]

    def run_one(self, words):
        """A sentence about what went wrong, or None."""
        try:
            p = subprocess.run(words, capture_output=True, timeout=SECONDS, env=self.env,
                               stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return f"no answer in {SECONDS} s"
        err = p.stderr.decode("utf-8", "replace")
        if p.returncode == 1 and LOOPS in err:
            self.looped += 1
        if p.returncode == 1 and IN_HDF5 in err:
            self.in_hdf5 += 1  # a crash of libhdf5's own, caught and told
            return None
        for sign in ("Sanitizer", "runtime error:", "INTERNAL Error", "Segmentation"):
            if sign in err and self.first_wrong_is_of_libhdf5(words):
                self.in_hdf5 += 1
                return None
            if sign in err:
                return err[max(0, err.index(sign) - 300):][:1500]
        if p.returncode < 0 or p.returncode > 128:
            return f"ended by signal {p.returncode}: {err[-800:]}"
        # `describe` may have shown the tables before the damaged one.
        if p.returncode and (not err.strip() or p.stdout and words[1] == "query"):
            return f"status {p.returncode}, {len(p.stdout)} bytes of rows, says: {err!r}"
        self.statuses.append(p.returncode)
        return None

    def try_file(self, number):
        rng = random.Random(number)
        name, path = self.originals[number % len(self.originals)]
        file = self.w.file(f"m{number}_{name}")
        with open(file, "wb") as f:
            f.write(mutate(self.bytes[name], rng))
        perigee = f"{ASAN_BIN}/perigee"
        query = [perigee, "query", "--format", "csv", "--memory", "2GB", "-t", "2"]
        runs = [query + ["-n", "2" if number % 50 == 7 else "1", f"SELECT * FROM '{file}:{path}'"]]
        if number % 4 == 0:
            runs.append([perigee, "describe", file])
        problems = [p for p in map(self.run_one, runs) if p]
        if problems and os.environ.get("PERIGEE_KEEP"):
            shutil.copy(file, os.environ["PERIGEE_KEEP"])
        os.unlink(file)
        return number, name, problems

    def test_whole_files_are_read(self):
        for name, path in self.originals:
            problem = self.run_one([f"{ASAN_BIN}/perigee", "query", "--format", "csv",
                                    f"SELECT * FROM '{self.w.file(name)}:{path}'"])
            self.assertIsNone(problem, name)
        self.assertEqual(set(self.statuses), {0})

    def test_damaged_files(self):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, name, problems in pool.map(self.try_file, range(FILES)):
                with self.subTest(number=number, original=name):
                    self.assertEqual(problems, [])
        refused = sum(1 for s in self.statuses if s)
        print(f"{FILES} damaged files: {refused} of {len(self.statuses)} runs ended with an "
              f"error, {self.looped} loops and {self.in_hdf5} crashes of libhdf5 were told")
        self.assertGreater(refused, FILES // 10, "the damage did no damage")


if __name__ == "__main__":
    harness.main()
