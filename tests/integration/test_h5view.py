"""Looking into HDF5 files over HTTP as the H5Web viewer does: every type against h5py, real files,
links, limits, rights, damaged files, and H5Web's own client library if it is installed.
"""
import concurrent.futures
import io
import json
import os
import random
import socket
import subprocess
import time
import unittest
import urllib.parse

import h5py
import numpy as np

import harness
from portal_world import Portal
from test_mutated import make_originals, mutate

DATA = os.environ.get("PERIGEE_SHARED_DATA", "")
H5WEB = os.environ.get("PERIGEE_H5WEB") or os.path.join(harness.SOURCE, "deps", "readers", "h5web-app", "package")
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "h5web_client.mjs")
KINDS = ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8",
         ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g"]
MUTATED = 40


def everything(path):
    """A file with one dataset of each kind; returns what JSON is expected of the odd ones."""
    with h5py.File(path, "w") as f:
        for k in KINDS:
            v = (np.arange(24) - (0 if "u" in k else 7)).reshape(2, 3, 4).astype(k)
            f["n/" + k.replace("<", "le_").replace(">", "be_")] = v
        odd = {"big": (np.array([2**63 - 1, -2**63]), [2**63 - 1, -2**63]),
               "ubig": (np.array([2**64 - 1, 0], "u8"), [2**64 - 1, 0]),
               "nan": (np.array([0, np.nan, np.inf, -np.inf, -1.5]), [0, None, None, None, -1.5]),
               "bool": (np.array([True, False]), [True, False]),
               "complex": (np.array([1 + 2j, 3 - 4j]), [[1, 2], [3, -4]]),
               "fixed": (np.array([b"ab", b"c", b""]), ["ab", "c", ""]),
               "scalar": (3.25, 3.25), "text": ("t\u00e9xt\n\"", "t\u00e9xt\n\"")}
        for name, (value, _) in odd.items():
            f[name] = value
        expected = {name: json_ for name, (_, json_) in odd.items()}
        f["enum"] = np.array([2, 0], h5py.enum_dtype({"a": 0, "b": 2}, "<u2"))
        f["strings"] = np.array(["\u00e5", "", "long"], h5py.string_dtype())
        f["utf8"] = np.array(["\u00e5".encode()], h5py.string_dtype("utf-8", 4))
        f["compound"] = np.array([(1, 2.5, b"x", [1, 2], (7,))],
                                 [("a", ">i4"), ("b", "f8"), ("s", "S3"), ("v", "i2", (2,)),
                                  ("in", [("z", "u1")])])
        f["opaque"] = np.array([b"\x00\x01\xff"], "V3")
        f["vlen"] = np.array([np.array([1, 2], "i4"), np.array([], "i4")], h5py.vlen_dtype("i4"))
        f["ref"] = np.array([f["big"].ref, h5py.Reference()], h5py.ref_dtype)
        f["region"] = np.array([f["big"].regionref[0:1]], h5py.regionref_dtype)
        f["null"] = h5py.Empty("i4")
        f.create_dataset("zero", shape=(0, 3), dtype="f4")
        f.create_dataset("zero2", shape=(2, 0), dtype="f4")
        expected.update(enum=[2, 0], strings=["\u00e5", "", "long"], utf8=["\u00e5"],
                        compound=[[1, 2.5, "x", [1, 2], [7]]], opaque=["0x0001ff"],
                        vlen=[[1, 2], []], ref=["/big", None], region=["/big"], null=None,
                        zero=[], zero2=[[], []])
        x = np.random.default_rng(3).normal(size=(70, 90))
        for name, more in (("gzip", {"compression": "gzip", "shuffle": True, "fletcher32": True}),
                           ("lzf", {"compression": "lzf"}), ("plain", {})):
            f.create_dataset("packed/" + name, data=x, chunks=(16, 32), **more)
        f.create_dataset("wide", data=np.arange(3_000_000, dtype="f8").reshape(3, -1),
                         chunks=(1, 7777), compression="gzip", shuffle=True)
        f.create_dataset("huge", shape=(2**40,), dtype="f8", chunks=(2**16,))
        f["soft"] = h5py.SoftLink("/big")
        f["broken"] = h5py.SoftLink("/nowhere")
        f["external"] = h5py.ExternalLink("/etc/passwd", "/x")
        f["type"] = np.dtype("f4")
        f["group/deep/er"] = 1
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
        f.create_virtual_dataset("virtual", layout)
        f.create_dataset("elsewhere", (4,), "f8", external=[("/etc/passwd", 0, 32)])
        a = f["group"].attrs
        a["s"], a["v"], a["flag"], a["none"] = "h\u00e9llo", np.array([1.5, np.nan]), True, h5py.Empty("f8")
        a["strings"] = ["a", "b"]
        a["u8"] = np.uint64(2**64 - 1)
    return expected


class TheViewer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portal = Portal("user: root\nweb: {listen: \"off\"}\n")
        cls.addClassCleanup(cls.portal.close)
        cls.portal.up()
        cls.ana, cls.ben = cls.portal.person("ana"), cls.portal.person("ben")
        cls.path = cls.portal.work.file("all.h5")
        cls.expected = everything(cls.path)
        cls.upload(cls.path, "all.h5")
        with h5py.File(cls.portal.work.file("s.h5"), "w") as f:
            f["x"] = 7
        with open(cls.portal.work.file("s.h5"), "rb") as f:
            cls.small = f.read()

    @classmethod
    def upload(cls, path, name):
        with open(path, "rb") as f:
            cls.ana.ok("PUT", f"/files/ana/persistent/{name}", f.read())

    @staticmethod
    def url(what, path, file="ana/persistent/all.h5", **more):
        return f"/h5/{what}?" + urllib.parse.urlencode(dict(more, file=file, path=path))

    def ask(self, what, path, who=None, **more):
        return (who or self.ana).ask("GET", self.url(what, path, **more))

    def ok(self, what, path, **more):
        a = self.ask(what, path, **more)
        self.assertEqual(a.status, 200, f"{path}: {a.body[:300]}")
        return a

    def fails(self, status, sentence, what, path, **more):
        a = self.ask(what, path, **more)
        self.assertEqual(a.status, status, f"{path}: {a.body[:300]}")
        self.assertIn(sentence, a.json["message"])
        self.assertEqual(a.json["message"], a.json["detail"])

    def test_numbers(self):
        with h5py.File(self.path) as f:
            for name, d in f["n"].items():
                path, whole = "/n/" + name, d[()]
                safe = {"f2": "<f4", "f16": "<f8"}.get(whole.dtype.str[1:],
                                                       whole.dtype.newbyteorder("<").str)
                with self.subTest(name):
                    self.assertEqual(self.ok("data", path).json, whole.tolist())
                    self.assertEqual(self.ok("data", path, flatten="true", selection="1,:,1").json,
                                     whole[1, :, 1].tolist())
                    self.assertEqual(self.ok("data", path, format="bin").body, whole.tobytes())
                    self.assertEqual(self.ok("data", path, format="bin", dtype="safe").body,
                                     whole.astype(safe).tobytes())
                    n = np.load(io.BytesIO(self.ok("data", path, format="npy").body))
                    self.assertEqual((n.dtype, n.tolist()), (whole.dtype, whole.tolist()))

    def test_other_types(self):
        for name, value in self.expected.items():
            with self.subTest(name):
                self.assertEqual(self.ok("data", "/" + name).json, value)
        c = np.load(io.BytesIO(self.ok("data", "/compound", format="npy").body))
        with h5py.File(self.path) as f:
            self.assertEqual(c.tobytes(), f["compound"][()].tobytes())
            self.assertEqual(c.dtype.names, f["compound"].dtype.names)
            self.assertEqual(self.ok("data", "/opaque", format="bin").body, b"\x00\x01\xff")
            self.assertEqual(self.ok("data", "/scalar", format="bin").body,
                             np.float64(3.25).tobytes())
        self.fails(400, "format=json", "data", "/strings", format="bin")
        self.fails(400, "numbers", "data", "/text", format="bin", dtype="safe")

    def test_selections(self):
        with h5py.File(self.path) as f:
            x = f["packed/plain"][()]
            for name in f["packed"]:
                for text, part in (("3", x[3]), (":,5", x[:, 5]), ("10:20,::7", x[10:20, ::7]),
                                   ("-1,-3:", x[-1, -3:]), ("60:1000:3, 1:2", x[60:1000:3, 1:2]),
                                   ("5:5", x[5:5])):
                    with self.subTest(name=name, text=text):
                        self.assertEqual(self.ok("data", "/packed/" + name, selection=text).json,
                                         part.tolist())
            w = f["wide"][()]
            for text, part in ((":", w), ("1:,5:999999:3", w[1:, 5:999999:3])):
                self.assertEqual(self.ok("data", "/wide", selection=text, format="bin").body,
                                 part.tobytes())
            got = np.loadtxt(io.BytesIO(self.ok("data", "/packed/gzip", format="csv").body),
                             delimiter=",")
            self.assertTrue((got == x).all())
            tiff = self.ok("data", "/packed/gzip", format="tiff").body
            self.assertEqual((tiff[:4], tiff[-x.nbytes:]), (b"II*\0", x.tobytes()))
        self.fails(400, "out of range", "data", "/packed/plain", selection="70")
        self.fails(400, "members", "data", "/packed/plain", selection="1,2,3")
        self.fails(400, "slice like", "data", "/packed/plain", selection="1:2:0")
        self.fails(400, "slice like", "data", "/packed/plain", selection="x")

    def test_metadata(self):
        root = self.ok("meta", "/").json
        self.assertEqual((root["name"], root["kind"]), ("", "group"))
        children = {c["name"]: c for c in root["children"]}
        with h5py.File(self.path) as f:
            self.assertEqual(list(children), list(f))
            self.assertEqual(children["zero"]["shape"], [0, 3])
        kinds = {n: children[n]["kind"] for n in ("soft", "broken", "external", "type", "group")}
        self.assertEqual(kinds, {"soft": "dataset", "broken": "soft_link", "type": "datatype",
                                 "external": "external_link", "group": "group"})
        self.assertEqual(children["broken"]["target_path"], "/nowhere")
        self.assertEqual(children["external"]["target_file"], "/etc/passwd")
        self.assertIsNone(children["null"]["shape"])
        d = self.ok("meta", "/packed/gzip").json
        self.assertEqual((d["shape"], d["chunks"]), ([70, 90], [16, 32]))
        self.assertEqual([f["id"] for f in d["filters"]], [2, 1, 3])
        self.assertEqual(d["type"], {"class": 1, "size": 8, "order": 0, "dtype": "<f8"})
        self.assertEqual(self.ok("meta", "/soft", resolve_links="none").json["kind"], "soft_link")
        names = [a["name"] for a in self.ok("meta", "/group").json["attributes"]]
        self.assertEqual(names, ["flag", "none", "s", "strings", "u8", "v"])
        self.assertEqual(self.ok("attr", "/group").json,
                         {"flag": True, "none": None, "s": "h\u00e9llo", "strings": ["a", "b"],
                          "u8": 2**64 - 1, "v": [1.5, None]})
        self.assertEqual(self.ok("attr", "/group", attr_keys="s,flag").json,
                         {"s": "h\u00e9llo", "flag": True})
        paths = self.ok("paths", "/").json
        self.assertIn("/group/deep/er", paths)
        self.assertEqual(self.ok("paths", "/group").json, ["/group", "/group/deep", "/group/deep/er"])
        page = self.ok("meta", "/", **{"from": 2, "limit": 3}).json
        self.assertEqual([c["name"] for c in page["children"]], list(children)[2:5])
        self.assertEqual(page["children_total"], len(children))
        deep = self.ok("meta", "/group", depth=2).json["children"][0]
        self.assertEqual(deep["children"][0]["name"], "er")

    def test_statistics(self):
        with h5py.File(self.path) as f:
            x = f["packed/gzip"][()]
        s = self.ok("stats", "/packed/gzip").json
        for key, want in (("min", x.min()), ("max", x.max()), ("mean", x.mean()), ("std", x.std()),
                          ("positive_min", x[x >= 0].min()), ("strict_positive_min", x[x > 0].min())):
            self.assertAlmostEqual(s[key], want, 12, key)
        s = self.ok("stats", "/nan").json
        self.assertEqual((s["min"], s["max"], s["strict_positive_min"]), (-1.5, 0, None))
        self.fails(400, "numbers", "stats", "/text")

    def test_what_is_not_there(self):
        self.fails(404, "not a valid path", "meta", "/nope")
        self.fails(404, "not a valid path", "data", "/group/nope")
        self.fails(404, "Cannot resolve", "data", "/broken")
        self.fails(404, "Cannot resolve", "data", "/external")
        self.fails(404, "Cannot resolve", "meta", "/external", resolve_links="all")
        self.fails(400, "not a dataset", "data", "/group")
        self.fails(400, "other files", "data", "/virtual")
        self.fails(400, "other files", "data", "/elsewhere")
        self.fails(404, "nope.h5", "meta", "/", file="ana/persistent/nope.h5")
        for file in ("", "ana", "ana/persistent", "ana/persistent/", "/", "//x"):
            self.assertIn(self.ask("meta", "/", file=file).status, (400, 404), file)
        self.assertEqual(self.ask("meta", "/", file="ana/persistent/../x").status, 400)
        self.assertEqual(self.ask("data", "/big", format="xml").status, 400)

    def test_rights(self):
        self.assertEqual(self.ask("meta", "/", who=self.ben).status, 404)
        self.assertEqual(self.ask("meta", "/", who=self.portal.nobody).status, 401)
        self.ana.ok("POST", "/grants", {"kind": "volume", "thing": "ana/persistent:all.h5",
                                        "to": {"account": "ben"},
                                        "rights": ["read"]})
        self.assertEqual(self.ask("data", "/scalar", who=self.ben).json, 3.25)

    def test_results_of_a_job(self):
        machine = self.portal.machine
        job = machine.ok("POST", "/jobs", {"kind": "sql", "sql": "SELECT 42 AS answer",
                                           "format": "hdf5"})["number"]
        seq, state, end = 0, "", time.monotonic() + 60
        while state not in ("succeeded", "failed") and time.monotonic() < end:
            page = machine.ok("GET", f"/jobs/{job}/events?after={seq}&wait=5")
            seq, state = max([seq] + [e["seq"] for e in page["events"]]), page["state"]
        files = [f["name"] for f in machine.ok("GET", f"/jobs/{job}/files")["files"]]
        file = f"job:{job}/" + [f for f in files if f.endswith((".h5", ".hdf5"))][0]
        path = [p for p in self.ask("paths", "/", who=machine, file=file).json
                if p.endswith("/answer")][0]
        self.assertEqual(self.ask("data", path, who=machine, file=file).json, [42])
        self.assertEqual(self.ask("data", path, who=self.ana, file=file).status, 404)
        self.assertEqual(self.ask("meta", "/", who=machine, file=f"job:{job}/no.h5").status, 404)
        self.assertEqual(self.ask("meta", "/", who=machine, file=f"job:{job}/../x").status, 400)
        reader = self.portal.signed_in("ana", scopes=["files:read"])
        a = self.ask("data", path, who=reader, file=file)
        self.assertEqual((a.status, a.json["code"]), (403, "denied"))
        self.assertEqual(self.ask("data", "/scalar", who=reader).json, 3.25)

    def test_limits(self):
        self.fails(400, "larger than 256 MiB", "data", "/huge", format="bin")
        self.fails(400, "larger than 256 MiB", "data", "/huge")
        began = time.monotonic()
        # Others are served meanwhile.
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            slow = pool.submit(self.ask, "stats", "/huge")
            quick = [self.ok("data", "/scalar").json for _ in range(5)]
            self.assertLess(time.monotonic() - began, 8)
            a = slow.result()
        self.assertEqual(quick, [3.25] * 5)
        self.assertEqual(a.status, 400, a.body)
        self.assertIn("longer than 10 s", a.json["message"])

    def processes(self):
        """perigee-h5 of this portal."""
        out = subprocess.run(["ps", "-o", "comm=", "--ppid", str(self.portal.pid())],
                             capture_output=True, text=True, check=False).stdout.split()
        return out.count("perigee-h5")

    def wait_for(self, n, seconds):
        end = time.monotonic() + seconds
        while self.processes() != n and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(self.processes(), n)

    def test_who_goes_away(self):
        """Her processes end; while they ran, others had places."""
        ask = "GET /api/v1" + self.url("stats", "/huge") + " HTTP/1.1\r\nHost: x\r\n" \
              f"Authorization: Bearer {self.ana.token}\r\n\r\n"
        sockets = []
        for _ in range(5):
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.portal.socket("web"))
            s.sendall(ask.encode())
            sockets.append(s)
        self.wait_for(2, 5)
        began = time.monotonic()
        a = self.ask("meta", "/", who=self.ben, file="ben/persistent/x.h5")
        self.assertEqual(a.status, 404)
        self.ben.ok("PUT", "/files/ben/persistent/s.h5", self.small)
        a = self.ask("data", "/x", who=self.ben, file="ben/persistent/s.h5")
        self.assertEqual((a.status, a.json), (200, 7))
        self.assertLess(time.monotonic() - began, 5)
        for s in sockets:
            s.close()
        self.wait_for(0, 5)

    def test_many_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            got = list(pool.map(lambda i: self.ask("data", "/big", selection=str(i % 2)), range(40)))
        self.assertEqual({a.status for a in got} - {429}, {200})
        self.assertGreater(sum(a.status == 200 for a in got), 30)

    def test_damaged(self):
        pid = self.portal.pid()
        w = self.portal.work
        os.makedirs(w.file("damaged"), exist_ok=True)
        originals = make_originals(w.file("damaged"))
        files = {"empty.h5": b"", "text.h5": b"not HDF5 at all\n" * 100}
        with open(self.path, "rb") as f:
            whole = f.read()
        files["half.h5"] = whole[:len(whole) // 2]
        files["head.h5"] = whole[:512]
        for i in range(MUTATED):
            rng = random.Random(i)
            with open(w.file("damaged/" + originals[i % len(originals)][0]), "rb") as f:
                files[f"m{i}.h5"] = mutate(f.read(), rng)
        for name in ("empty.h5", "text.h5", "head.h5"):
            self.ana.ok("PUT", f"/files/ana/persistent/{name}", files[name])
            a = self.ask("meta", "/", file=f"ana/persistent/{name}")
            self.assertEqual(a.status, 400, a.body)
            self.assertIn("HDF5 file", a.json["message"])

        def one(name):
            self.ana.ok("PUT", f"/files/ana/persistent/{name}", files[name])
            file, wrong = f"ana/persistent/{name}", []
            answers = [self.ask("meta", "/", file=file, depth=3), self.ask("attr", "/Header", file=file),
                       self.ask("data", "/T/v", file=file, flatten="true"),
                       self.ask("data", "/T", file=file)]
            for a in answers:
                if a.status != 200 and (a.status not in (400, 404) or len(a.json["message"]) < 10):
                    wrong.append((name, a.status, a.body[:200]))
            return wrong

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = [x for some in pool.map(one, files) for x in some]
        self.assertEqual(wrong, [])
        self.assertEqual(self.portal.pid(), pid)
        self.assertEqual(self.ok("data", "/scalar").json, 3.25)

    def test_real_files(self):
        names = [os.path.join(harness.EXAMPLE, "groups_023/subhalo_treelink_023.0.hdf5")]
        names += [os.path.join(DATA, n) for n in ("dns64/dns64_t1.h5",
                                                  "gadget4_hcai/subhalo_prog_264.19.hdf5")]
        for name in filter(os.path.exists, names):
            self.upload(name, "real.h5")
            file, seen = "ana/persistent/real.h5", 0
            with h5py.File(name) as f:
                objects = []
                f.visititems(lambda p, o: objects.append((p, o)))
                for path, o in objects[:20]:
                    attrs = self.ok("attr", "/" + path, file=file).json
                    self.assertEqual(set(attrs), set(o.attrs))
                    if isinstance(o, h5py.Dataset) and o.dtype.kind in "iuf" and o.ndim:
                        got = self.ok("data", "/" + path, file=file, selection=":50", format="bin").body
                        self.assertEqual(got, o[:50].tobytes())
                        seen += 1
            self.assertGreater(seen, 0, name)

    def test_h5web(self):
        """The client library of the viewer itself reads all of it."""
        if not os.path.exists(os.path.join(H5WEB, "dist", "index.js")):
            self.skipTest("H5Web's client is not installed: scripts/setup")
        a = self.portal.socket("web")
        done = subprocess.run(["node", CLIENT, H5WEB, a, self.ana.token, "ana/persistent/all.h5"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        got = json.loads(done.stdout)
        values = got["values"]
        for name, value in self.expected.items():
            if name in ("null", "big", "ubig", "nan", "zero", "zero2", "opaque"):
                continue
            flat = [int(x) if isinstance(x, bool) else x for x in value] \
                if isinstance(value, list) else value
            self.assertEqual(values["/" + name], flat, name)
        self.assertEqual(values["/big"], [str(2**63 - 1), str(-2**63)])
        self.assertEqual(values["/ubig"], [str(2**64 - 1), "0"])
        self.assertEqual(values["/opaque"], [0, 1, 255])
        self.assertEqual(values["/nan"], [0, "NaN", "Infinity", "-Infinity", -1.5])
        with h5py.File(self.path) as f:
            for name, d in f["n"].items():
                want = d[1, :, 2]
                want = [str(x) for x in want] if name.endswith("8") and name[-2] in "iu" \
                    else want.tolist()
                self.assertEqual(values["/n/" + name], want, name)
        self.assertEqual(got["attributes"]["/group"]["s"], "h\u00e9llo")
        self.assertEqual(got["types"]["/bool"], "Boolean")
        self.assertEqual(got["types"]["/complex"], "Complex")
        self.assertEqual(got["types"]["/compound"], "Compound")
        self.assertEqual(got["kinds"]["/broken"], "unresolved")
        self.assertIn("/group/deep/er", got["paths"])
        self.assertEqual(got["missing"], "No entity found at /nope")


if __name__ == "__main__":
    unittest.main()
