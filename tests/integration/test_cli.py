"""The command's surface: help of every command, versions, and every example in README.md and
docs/ run as it stands.

An example is a fenced block marked `console`; lines that start with "$ " are run in one shell
per file, in the source tree, with the built programs first in PATH. Lines below a command that
are not commands are its output: they must be there, in order, where they are given. A line
"..." stands for anything, digits after "in" (times) and spaces may differ.
"""
import glob
import os
import re
import shutil
import subprocess

import harness
from harness import BIN, SOURCE, text_of

# Spelt out in the manual, one letter in --help.
LONG_FORMS = {"--file", "--version"}


def examples(path):
    """[(command, [output lines])] of a Markdown file."""
    out, inside = [], False
    for line in text_of(path).splitlines():
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            out.append((line[2:], []))
        elif inside and line.startswith("> "):
            out[-1] = (out[-1][0] + "\n" + line[2:], [])
        elif inside and out:
            out[-1][1].append(line)
    return out


def simple(line):
    """Without what differs from run to run: spaces, borders' length, times, bytes and rates."""
    line = re.sub(r"[\u2500-]{3,}", "---", line)
    line = re.sub(r"\d[\d.,]* ?(s|ms|[kMGT]?B(/s)?|M rows/s)\b", "T", line)
    return re.sub(r"\s+", " ", line).strip()


def lines_missing(want, got):
    """The first of the wanted lines that does not follow in what was got, or None."""
    got = iter([simple(g) for g in got])
    for w in want:
        if w.strip() in ("...", ""):
            continue
        if simple(w) not in got:
            return w
    return None


class Surface(harness.Case):
    @classmethod
    def prepare(cls):
        """The commands that `perigee --help` lists."""
        listed = cls.w.run("--help").out.split("Commands:\n")[1].split("\n\n")[0]
        cls.commands = [[line.split()[0]] for line in listed.splitlines()]

    def test_help(self):
        for words in ([], *self.commands):
            with self.subTest(words=words):
                done = self.w.run(*words, "--help")
                self.assertEqual(done.status, 0, done.err)
                self.assertIn("perigee", done.out)
                self.assertEqual(done.err, "")
                for line in done.out.splitlines():
                    self.assertLessEqual(len(line), 90, line)

    def test_version(self):
        done = self.w.run("--version")
        self.assertEqual(done.status, 0)
        self.assertRegex(done.out, r"^perigee \d+\.\d+\.\d+")

    def test_no_command(self):
        done = self.w.run()
        self.assertNotEqual(done.status, 0)
        self.assertIn("--help", done.out + done.err)

    def test_commands(self):
        self.assertGreaterEqual(len(self.commands), 4)

    def test_manual_page(self):
        """Every option that a --help names is in the manual page, and no other."""
        page = text_of(f"{SOURCE}/docs/man/perigee.1").replace("\\-", "-")
        option = r"(?<![\w-])--[a-z][a-z-]+"
        known = set()
        for words in ([], *self.commands):
            known |= set(re.findall(option, self.w.run(*words, "--help").out))
        said = set(re.findall(option, page))
        self.assertEqual(known - said, set(), "not in the manual")
        self.assertEqual(said - known - LONG_FORMS, set(), "in the manual only")
        synopsis = page.split(".SH SYNOPSIS")[1].split(".SH DESCRIPTION")[0]
        for (name,) in self.commands:
            self.assertIn(f'.SH "PERIGEE {name.upper()}"', page)
            self.assertRegex(synopsis, rf"\b{name}\b")

    def test_doctor_script(self):
        p = subprocess.run([f"{SOURCE}/scripts/doctor"], capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, 0, p.stdout)
        looked = {line.split()[0] for line in p.stdout.splitlines() if line.startswith("  ")}
        needed = re.findall(r"IMPORTED_TARGET ([\w-]+)\)", text_of(f"{SOURCE}/CMakeLists.txt"))
        self.assertGreater(len(needed), 10)
        self.assertEqual(set(needed) - looked, set())

    def test_links(self):
        """Every page is in the map, and what a page links to is there, to the heading."""
        pages = {p: text_of(p) for p in glob.glob(f"{SOURCE}/**/*.md", recursive=True)
                 if os.path.relpath(p, SOURCE).split("/")[0] not in ("build", "deps")}
        seen = set()
        for page, text in pages.items():
            text = re.sub(r"```.*?```", "", text, flags=re.S)
            for link in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"\w+:", link):
                    continue
                to, _, heading = link.partition("#")
                to = os.path.normpath(os.path.join(os.path.dirname(page), to)) if to else page
                self.assertTrue(os.path.exists(to), f"{page}: {link}")
                if heading:
                    titles = re.findall(r"^#+ (.*)", pages[to], flags=re.M)
                    self.assertIn(heading, [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-")
                                            for t in titles], f"{page}: {link}")
                if os.path.basename(page) == "README.md":
                    seen.add(to)
        known = {p for p in pages if p.startswith(f"{SOURCE}/docs/") and p != f"{SOURCE}/docs/README.md"}
        self.assertEqual(known - seen, set(), "no README.md has a link to them")

    def test_installed(self):
        """Moved to a folder with another name, everything finds what it needs beside it."""
        build, first = os.path.dirname(BIN), self.w.file("first")
        there = self.w.file("a folder \u00fc")
        subprocess.run(["cmake", "--install", build, "--prefix", first], check=True,
                       stdout=subprocess.DEVNULL)
        os.rename(first, there)
        self.addCleanup(shutil.rmtree, there)
        env = {k: v for k, v in self.w.env.items() if k != "LD_LIBRARY_PATH"}
        for name in os.listdir(f"{there}/bin"):
            p = subprocess.run(["ldd", f"{there}/bin/{name}"], capture_output=True, text=True,
                               env=env, check=True)
            self.assertNotIn("not found", p.stdout)
            self.assertNotIn(build, p.stdout)
        config = self.w.write("installed.yaml", "web: {listen: off}\nschedulers: {slurm: {}}\n")
        p = subprocess.run([f"{there}/bin/perigee", "doctor", "--config", config],
                           capture_output=True, text=True, env=env, check=False)
        self.assertRegex(p.stdout, "ok +programs .*a folder \u00fc/bin")
        self.assertRegex(p.stdout, "ok +mpi ")
        if os.path.exists(f"{BIN}/perigee-slurm.so"):
            self.assertNotIn("perigee-slurm.so", p.stdout)

    def test_no_bytes_of_the_machine(self):
        """No path of the machine it was built on in the text files of the repository."""
        home = os.path.dirname(SOURCE)
        for path in glob.glob(f"{SOURCE}/**/*.md", recursive=True):
            if home == "/" or "/node_modules/" in path or "/build/" in path:
                continue
            self.assertNotIn(home + "/", text_of(path), path)


class Examples(harness.Case):
    def run_examples(self, path):
        env = dict(self.w.env, PATH=f"{BIN}:{os.environ['PATH']}", COLUMNS="100", LC_ALL="C.UTF-8",
                   OUT=self.w.path)
        shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, cwd=self.place, env=env, text=True)
        for number, (command, want) in enumerate(examples(path)):
            mark = f"--done-{number}"
            shell.stdin.write(f"{command} </dev/null\necho {mark} $?\n")
            shell.stdin.flush()
            got = []
            for line in shell.stdout:
                if mark in line:
                    got.append(line[:line.index(mark)])
                    break
                got.append(line.rstrip("\n"))
            with self.subTest(file=os.path.basename(path), command=command):
                self.assertEqual(line.split()[-1], "0", "\n".join(got))
                missing = lines_missing(want, got)
                self.assertIsNone(missing, "not in the output:\n" + "\n".join(got))
        shell.stdin.close()
        shell.wait()
        shell.stdout.close()

    def test_all(self):
        # In a copy: an example may write beside the data.
        self.place = self.w.file("tree")
        os.mkdir(self.place)
        shutil.copytree(f"{SOURCE}/examples", f"{self.place}/examples")
        pages = [f"{SOURCE}/README.md", f"{SOURCE}/examples/README.md",
                 *sorted(glob.glob(f"{SOURCE}/docs/**/*.md", recursive=True))]
        ran = 0
        for path in pages:
            if os.path.exists(path):
                ran += len(examples(path))
                self.run_examples(path)
        self.assertGreater(ran, 7)


if __name__ == "__main__":
    harness.main()
