"""Folders of source are described: the README.md of each names every .c file in it (as `name.c`,
`name*.c`, `name.[ch]`, `name.*`, or bare in a list in backticks), and no file that is not there. A header
goes with its .c, and what files share privately need not be named. A folder without a README.md is
named by the nearest one above it."""
import fnmatch
import os
import re
import unittest

SOURCE = os.environ.get("PERIGEE_SOURCE") or os.path.abspath(f"{os.path.dirname(__file__)}/../..")
PARTS = ["cli", "core", "jobs", "mpi", "portal", "scheduler"]
FILE = re.compile(r"(?<![\w/.$*-])([\w/*-]+)\.(?:[ch]\b|\[ch\]|\*(?=[`, ]))(?!\.)")
NOT_FILES = {"kernel_NAME", "kind_NAME", "trees_063"}  # stand for several, or are no source


def read(folder):
    with open(f"{folder}/README.md", encoding="utf-8") as f:
        return f.read()


def stems(folder, *ends):
    return {f.rsplit(".", 1)[0] for f in os.listdir(folder) if f.endswith(ends)}


def folders():
    """Those with source, and whether they have a README.md."""
    for part in PARTS:
        for folder, _, files in os.walk(f"{SOURCE}/{part}"):
            if any(f.endswith(".c") for f in files):
                yield folder, "README.md" in files


class Readmes(unittest.TestCase):
    def test_every_file_is_named(self):
        for folder, described in folders():
            with self.subTest(folder=folder):
                if not described:
                    above, name = os.path.split(folder)
                    while not os.path.exists(f"{above}/README.md"):
                        above = os.path.dirname(above)
                    self.assertIn(f"{name}/", read(above), f"{above}/README.md")
                    continue
                text = read(folder)
                names = set(FILE.findall(text))
                names |= {w for span in re.findall(r"`([^`\n]+)`", text) for w in span.split()}
                left = {s for s in stems(folder, ".c") if not any(fnmatch.fnmatch(s, n) for n in names)}
                self.assertEqual(left, set(), "what are they for? README.md does not say")

    def test_what_is_named_exists(self):
        every = {f"{folder}/{s}" for folder, _ in folders() for s in stems(folder, ".c", ".h")}
        for other in ("include/perigee", "tests/unit"):
            every |= {f"{SOURCE}/{other}/{s}" for s in stems(f"{SOURCE}/{other}", ".c", ".h")}
        for folder, described in folders():
            with self.subTest(folder=folder):
                names = set(FILE.findall(read(folder))) - NOT_FILES if described else set()
                gone = {n for n in names if not os.path.exists(f"{SOURCE}/{n}.c")
                        and not os.path.exists(f"{SOURCE}/{n}.h")
                        and not any(fnmatch.fnmatch(e, f"*/{n}") for e in every)}
                self.assertEqual(gone, set(), "README.md names files that are not there")


if __name__ == "__main__":
    unittest.main()
