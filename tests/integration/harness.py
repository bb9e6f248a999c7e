"""What the integration tests share: running the command, reading its CSV, asking plain DuckDB,
comparing rows. No test lives here.

From the environment (ctest sets it): PERIGEE_BIN, PERIGEE_ASAN_BIN, PERIGEE_SOURCE,
PERIGEE_SHARED_DATA; without them the usual places in the source tree are taken.
"""
import collections
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("PERIGEE_SOURCE") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BIN = os.environ.get("PERIGEE_BIN") or os.path.join(SOURCE, "build/release/bin")
ASAN_BIN = os.environ.get("PERIGEE_ASAN_BIN") or os.path.join(SOURCE, "build/debug/bin")
# As it is called without links: descriptors name it, and jobs see it there.
SHARED = os.path.realpath(os.environ.get("PERIGEE_SHARED_DATA") or os.path.join(SOURCE, "../shared/data"))
EXAMPLE = os.path.join(SOURCE, "examples/data")

Done = collections.namedtuple("Done", "status out err")


def can_sandbox():
    """Whether this machine lets us make a sandbox with bubblewrap."""
    return subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc",
                           "true"], capture_output=True, check=False).returncode == 0 \
        if shutil.which("bwrap") else False


class Workplace:
    """A private folder with a private state folder and its own catalogue of datasets."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="perigee-test.")
        self.datasets = self.file("datasets")
        self.temp = self.file("tmp")
        for d in (self.datasets, self.temp):
            os.mkdir(d)
        self.env = dict(os.environ, PERIGEE_STATE=self.file("state"),
                        PERIGEE_DATASETS=self.datasets, TMPDIR=self.temp,
                        PERIGEE_MYDB=self.file("mydb"),
                        XDG_CONFIG_HOME=self.file("config"),
                        UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
        self.env.pop("HDF5_PLUGIN_PATH", None)

    def file(self, *names):
        return os.path.join(self.path, *names)

    def write(self, name, text):
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(self.file(name), mode) as f:
            f.write(text)
        return self.file(name)

    def describe(self, name, text):
        """Put the descriptor of a dataset where the command finds it."""
        return self.write(os.path.join("datasets", name + ".yaml"), text)

    def leftovers(self):
        """Files that a command should have removed from its temporary folder."""
        return sorted(os.listdir(self.temp))

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def run(self, *args, stdin=None, timeout=120, bin=None, cwd=None, env=None,
            **popen):
        """The perigee command; a hang is a failure, not a wait."""
        words = [os.path.join(bin or BIN, "perigee"), *map(str, args)]
        try:
            p = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout,
                               cwd=cwd or self.path, env=dict(self.env, **(env or {})),
                               stdin=subprocess.DEVNULL if stdin is None else None, **popen)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"no answer in {timeout} s: {' '.join(words)}") from e
        return Done(p.returncode, p.stdout.decode("utf-8", "replace"),
                    p.stderr.decode("utf-8", "replace"))

    def query(self, sql, *options, **more):
        """(names, rows) of a query that must succeed; values are text, NULL is None."""
        done = self.run("query", "--format", "csv", *(options or ("-n", 1)), sql, **more)
        if done.status:
            raise AssertionError(f"{sql}\n-> {done.status}: {done.err}")
        rows = parse_csv(done.out)
        return rows[0], rows[1:]

    def value(self, sql, *options):
        """The one value of a query, as a number if it is one."""
        return number(self.query(sql, *options)[1][0][0])


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def parse_csv(text):
    """RFC 4180 rows. An empty field is NULL (None), a quoted empty one is the empty string."""
    rows, row, at, end = [], [], 0, len(text)
    while at < end:
        if text[at] == '"':
            parts, at = [], at + 1
            while True:
                close = text.index('"', at)
                parts.append(text[at:close])
                at = close + 1
                if at < end and text[at] == '"':
                    parts.append('"')
                    at += 1
                else:
                    break
            row.append("".join(parts))
        else:
            stop = at
            while stop < end and text[stop] not in ",\r\n":
                stop += 1
            row.append(text[at:stop] or None)
            at = stop
        if at < end and text[at] == ",":
            at += 1
            if at == end or text[at] in "\r\n":
                row.append(None)
            else:
                continue
        while at < end and text[at] in "\r\n":
            at += 1
            if text[at - 1] == "\n":
                break
        rows.append(row)
        row = []
    return rows


def number(text):
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def elements(text):
    """The values of "[1.0, NULL, nan]", or None if it is not a flat list."""
    if not (text.startswith("[") and text.endswith("]")) or "[" in text[1:]:
        return None
    return [e.strip().strip("'\"") for e in text[1:-1].split(",")]


def same_value(a, b, rel):
    if a is None or b is None:
        return a is None and b is None
    if a == b or a.lower() == b.lower() in ("true", "false", "nan"):
        return True
    try:
        x, y = float(a), float(b)
    except ValueError:
        la, lb = elements(a), elements(b)
        return (la is not None and lb is not None and len(la) == len(lb) and
                all(same_value(x, y, rel) for x, y in zip(la, lb)))
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    try:
        return int(a) == int(b)  # integers: to the last digit
    except ValueError:
        return x == y or math.isclose(x, y, rel_tol=rel, abs_tol=1e-300)


def sort_key(row):
    """Order for multisets: numbers rounded, so that a last digit does not move a row."""
    key = []
    for v in row:
        if v is None:
            key.append((0, ""))
            continue
        try:
            f = float(v)
            key.append((1, "nan") if math.isnan(f) else (2, f"{f:+.4e}"))
        except ValueError:
            key.append((3, v.lower()))
    return key


def difference(got, want, ordered=False, rel=1e-9):
    """None if the rows are the same, else a sentence."""
    if len(got) != len(want):
        return f"{len(got)} rows, not {len(want)}; first: {got[:2]} against {want[:2]}"
    if not ordered:
        got, want = sorted(got, key=sort_key), sorted(want, key=sort_key)
    for i, (g, w) in enumerate(zip(got, want)):
        if len(g) != len(w):
            return f"{len(g)} columns, not {len(w)}"
        for a, b in zip(g, w):
            if not same_value(a, b, rel):
                return f"row {i}: {a!r} against {b!r}, in {g} and {w}"
    return None


class Ref:
    """Plain DuckDB in a process of its own (ref_duckdb.c)."""

    def __init__(self, database=":memory:"):
        self.p = subprocess.Popen([os.path.join(BIN, "ref_duckdb"), database],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, how, sql):
        self.p.stdin.write(f"{how}\n{sql}\n----\n".encode())
        self.p.stdin.flush()
        answer = json.loads(self.p.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{sql}\nDuckDB: {answer['error']}")
        return answer

    def exec(self, sql):
        self.ask("exec", sql)

    def query(self, sql):
        a = self.ask("rows", sql)
        return a["names"], a["rows"]

    def close(self):
        self.p.stdin.close()
        self.p.wait()
        self.p.stdout.close()


def shared(*names):
    """Path of a real file, or a skipped test that says which one was not there."""
    path = os.path.join(SHARED, *names)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"{'/'.join(names)} is not in the shared data")
    return path


class Case(unittest.TestCase):
    """A test with a workplace for the class; nothing may stay in its temporary folder."""

    @classmethod
    def setUpClass(cls):
        cls.w = Workplace()
        cls.addClassCleanup(cls.w.close)
        cls.prepare()

    @classmethod
    def prepare(cls):
        pass

    def tearDown(self):
        self.assertEqual(self.w.leftovers(), [], "temporary files were left behind")


def main():
    """unittest's main, with a line "SKIP ..." for what was left out and 77 if all was."""
    if not os.path.exists(os.path.join(BIN, "perigee")):
        print(f"no program in {BIN}: run scripts/build")
        sys.exit(1)
    program = unittest.main(module="__main__", exit=False, verbosity=1)
    result = program.result
    for reason in sorted({reason for _, reason in result.skipped}):
        print(f"SKIP {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped and len(result.skipped) >= result.testsRun else 0)
