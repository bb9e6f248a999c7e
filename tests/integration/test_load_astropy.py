"""`perigee table load` of FITS files and VOTables that astropy writes, and of such as nobody should:
every TFORM and datatype, scaling, units; damaged, truncated and hostile files have a sentence."""
import base64
import json
import os
import random
import struct
import warnings

import numpy as np
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table

import harness

warnings.simplefilter("ignore")


class Astropy(harness.Case):
    @classmethod
    def prepare(cls):
        cls.w.env["XDG_DATA_HOME"] = cls.w.file("data")

    def load(self, path, *options, table="t"):
        done = self.w.run("table", "load", "-q", "--overwrite", path, table, *options)
        self.assertEqual(done.status, 0, done.err)
        return done

    def refuse(self, path, says, *options, status=1):
        done = self.w.run("table", "load", "-q", "--overwrite", path, "refused", *options)
        self.assertEqual(done.status, status, done.out + done.err)
        self.assertIn(says, done.err)

    def shown(self, table="t"):
        o = json.loads(self.w.run("table", "show", "--json", table).out)
        return o, {c["name"]: c for c in o["columns"]}

    def types(self):
        return {n: c["type"] for n, c in self.shown()[1].items()}

    def rows(self, what="*", table="t"):
        done = self.w.run("query", "-q", "-n", 1, "--format", "ndjson", f"SELECT {what} FROM mydb.{table}")
        self.assertEqual(done.status, 0, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    # ---- FITS ----

    def fits(self, columns, name="a.fits", **cards):
        """`cards` are put into the header behind astropy's back, which scales by itself."""
        hdu = fits.BinTableHDU.from_columns(columns, name="STARS")
        for key in cards:
            hdu.header.add_comment(key)
        path = self.w.file(name)
        fits.HDUList([fits.PrimaryHDU(np.zeros((3, 5))), fits.ImageHDU(np.ones(7), name="PIC"), hdu]) \
            .writeto(path, overwrite=True)
        with open(path, "rb") as f:
            data = f.read()
        for key, value in cards.items():
            data = data.replace(f"COMMENT {key}".ljust(80).encode(), f"{key:8}= {value:>20}".ljust(80).encode())
        return self.w.write(name, data)

    def test_every_form(self):
        n = 3
        col = fits.Column
        path = self.fits([
            col("l", "L", array=[True, False, True]),
            col("b", "B", array=[0, 255, 7], null=7), col("i", "I", array=[-32768, 32767, 0]),
            col("j", "J", array=[-2**31, 2**31 - 1, 5], null=5, unit="mJy"),
            col("k", "K", array=[-2**63, 2**63 - 1, -1], null=-1),
            col("sb", "B", array=np.array([0, 255, 128], "u1")),
            col("u16", "I", bzero=2**15, array=np.array([0, 2**16 - 1, 3], "u2")),
            col("u32", "J", bzero=2**31, array=np.array([0, 2**32 - 1, 3], "u4")),
            col("u64", "K", bzero=2**63, array=np.array([0, 2**64 - 1, 3], "u8")),
            col("e", "E", array=np.array([1.5, np.nan, np.inf], "f4")),
            col("d", "D", array=[0.1, -np.inf, 5e-324], unit="kpc"),
            col("a", "10A", array=["abc", "", "trail   "]), col("a1", "A", array=["x", "y", "z"]),
            col("c", "C", array=np.array([1 + 2j, 0, -1j], "c8")),
            col("m", "2M", array=np.array([[1 + 2j, 3], [0, 0], [-1j, 1]], "c16")),
            col("v", "3E", array=np.arange(9, dtype="f4").reshape(n, 3)),
            col("vj", "2J", array=[[1, 5], [5, 5], [2, 3]], null=5),
            col("grid", "6I", dim="(3,2)", array=np.arange(18).reshape(n, 2, 3)),
            col("x", "11X", array=np.array([[1, 0] * 5 + [1], [0] * 11, [1] * 11], bool)),
            col("words", "9A", dim="(3,3)", array=np.array([["ab", "c", ""], ["x", "yz", "abc"], ["", "", ""]])),
            col("pe", "PE()", array=np.array([[1.5, 2], [], [3]], dtype=object)),
            col("qk", "QK()", array=np.array([[2**62], [1, 2, 3], []], dtype=object)),
            col("pa", "PA()", array=np.array(["long text", "b", ""], dtype=object)),
        ], TZERO6=-128, TSCAL6=1)
        self.load(path)
        self.assertEqual(self.types(), {
            "l": "BOOLEAN", "b": "UTINYINT", "i": "SMALLINT", "j": "INTEGER", "k": "BIGINT", "sb": "TINYINT",
            "u16": "USMALLINT", "u32": "UINTEGER", "u64": "UBIGINT", "e": "FLOAT", "d": "DOUBLE",
            "a": "VARCHAR", "a1": "VARCHAR", "c": "FLOAT[2]", "m": "DOUBLE[4]", "v": "FLOAT[3]",
            "vj": "INTEGER[2]", "grid": "SMALLINT[6]", "x": "BOOLEAN[11]", "words": "VARCHAR[3]",
            "pe": "FLOAT[]", "qk": "BIGINT[]", "pa": "VARCHAR"})
        got = self.rows()
        self.assertEqual([[r[c] for c in ("l", "b", "i", "j", "k", "sb", "u16", "u32", "u64")] for r in got],
                         [[True, 0, -32768, -2**31, -2**63, -128, 0, 0, 0],
                          [False, 255, 32767, 2**31 - 1, 2**63 - 1, 127, 2**16 - 1, 2**32 - 1, 2**64 - 1],
                          [True, None, 0, None, None, 0, 3, 3, 3]])
        self.assertEqual([[r[c] for c in ("e", "d", "a", "a1", "c", "m")] for r in got],
                         [[1.5, 0.1, "abc", "x", [1, 2], [1, 2, 3, 0]],
                          ["NaN", "-Infinity", None, "y", [0, 0], [0, 0, 0, 0]],
                          ["Infinity", 5e-324, "trail", "z", [0, -1], [0, -1, 1, 0]]])
        self.assertEqual([r["v"] for r in got], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
        self.assertEqual([r["grid"] for r in got], [list(range(k, k + 6)) for k in (0, 6, 12)])
        self.assertEqual(got[0]["x"], [True, False] * 5 + [True])
        self.assertEqual([r["words"] for r in got],
                         [["ab", "c", None], ["x", "yz", "abc"], [None, None, None]])
        self.assertEqual([[r[c] for c in ("pe", "qk", "pa")] for r in got],
                         [[[1.5, 2], [2**62], "long text"], [[], [1, 2, 3], "b"], [[3], [], ""]])
        self.assertEqual([r["vj"] for r in got], [[1, None], [None, None], [2, 3]])
        self.assertEqual(self.shown()[1]["j"]["unit"], "mJy")

    def test_scaling(self):
        path = self.fits([fits.Column("a", "I", array=[2, -1]), fits.Column("b", "J", array=[5, -1]),
                          fits.Column("e", "E", array=[1.0, 2.0])], TSCAL1="5.0D-1", TZERO1=10, TZERO2="1.0E3",
                         TSCAL3=2, TZERO3="1.0")
        self.load(path)
        self.assertEqual(self.types(), {"a": "DOUBLE", "b": "BIGINT", "e": "DOUBLE"})
        self.assertEqual(self.rows(), [{"a": 11, "b": 1005, "e": 3}, {"a": 9.5, "b": 999, "e": 5}])

    def test_which_table(self):
        path = self.fits([fits.Column("a", "J", array=[1])])
        with fits.open(path, mode="append") as f:
            f.append(fits.BinTableHDU.from_columns([fits.Column("b", "J", array=[2])], name="MORE"))
        for option, column in ((None, "a"), ("stars", "a"), ("MORE", "b"), ("3", "b"), ("2", "a")):
            self.load(path, *(["--path", option] if option else []))
            self.assertEqual(list(self.types()), [column])
        self.refuse(path, '"GALAXIES": it has 0 (image), 1 (image PIC), 2 (table STARS), 3 (table MORE)',
                    "--path", "GALAXIES")
        self.refuse(path, "HDU 1 of", "--path", "1", status=2)
        pictures = self.w.file("pictures.fits")
        fits.PrimaryHDU(np.zeros((3, 5))).writeto(pictures)
        self.refuse(pictures, "has no table: it has 0 (image)")

    def test_astropy_table(self):
        t = Table({"id": np.arange(5000), "x": np.arange(5000) / 7, "s": [f"star {i}" for i in range(5000)]})
        t["x"].unit = "km/s"
        t["m"] = MaskedColumn(np.arange(5000), mask=np.arange(5000) % 3 == 0)
        path = self.w.file("t.fits")
        t.write(path)
        self.load(path)
        self.assertEqual(self.types(), {"id": "BIGINT", "x": "DOUBLE", "s": "VARCHAR", "m": "BIGINT"})
        self.assertEqual(self.rows("sum(id) AS i, max(x) AS x, count(DISTINCT s) AS s, count(m) AS m"),
                         [{"i": 12497500, "x": 4999 / 7, "s": 5000, "m": 3333}])
        self.assertEqual(self.shown()[1]["x"]["unit"], "km s-1")

    def test_ascii_table(self):
        c = fits.Column
        hdu = fits.TableHDU.from_columns([
            c("name", "A6", array=["abc", "de", ""], ascii=True), c("n", "I5", array=[1, -222, 3], ascii=True),
            c("big", "I18", array=[10**15, -1, 0], ascii=True), c("x", "F9.3", array=[1.5, -2.25, 1e3], ascii=True),
            c("d", "D25.17", array=[0.1, 1e-200, -3], ascii=True)])
        path = self.w.file("ascii.fits")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        self.load(path)
        self.assertEqual(self.types(), {"name": "VARCHAR", "n": "INTEGER", "big": "BIGINT", "x": "DOUBLE",
                                        "d": "DOUBLE"})
        self.assertEqual([list(r.values()) for r in self.rows()],
                         [["abc", 1, 10**15, 1.5, 0.1], ["de", -222, -1, -2.25, 1e-200], ["", 3, 0, 1000, -3]])

    def test_description_of_ours(self):
        self.w.run("query", "-q", "-n", 1, "CREATE OR REPLACE TABLE mydb.said AS SELECT 1 AS a")
        self.w.run("table", "describe", "said", "--text", "Größe & more", "--column", "a=of <b>",
                   "--ucd", "a=meta.id", "--unit", "a=µm")
        for ending in ("fits", "vot"):
            path = self.w.file(f"said.{ending}")
            self.assertEqual(self.w.run("table", "get", "-o", path, "said").status, 0)
            self.load(path)
            o, columns = self.shown()
            self.assertEqual(o["description"], "Größe & more", ending)
            self.assertEqual([columns["a"][k] for k in ("unit", "ucd", "description")],
                             ["µm", "meta.id", "of <b>"], ending)

    def test_bad_fits(self):
        path = self.fits([fits.Column("a", "J", array=np.arange(5000)), fits.Column("v", "PJ()", array=np.array(
            [[1, 2]] * 5000, dtype=object)), fits.Column("l", "L", array=[True] * 5000)])
        with open(path, "rb") as f:
            good = f.read()
        header = good.index(b"XTENSION= 'BINTABLE")
        def refuse(data, says):
            self.refuse(self.w.write("bad.fits", data), says)
        refuse(good[:header + 500], "HDU")
        refuse(good[:-5000], "truncated: HDU 2 needs")
        refuse(good[:40], "truncated, or no FITS file")
        for old, new, says in (
                (b"TFORM1  = 'J ", b"TFORM1  = 'Z ", 'column "a" has TFORM "Z'),
                (b"NAXIS1  =                   13", b"NAXIS1  =                    3", "more bytes than the 3"),
                (b"NAXIS2  =                 5000", b"NAXIS2  =  9223372036854775807", "HDU 2"),
                (b"NAXIS2  =                 5000", b"NAXIS2  =                 -500", "how long its data are"),
                (b"PCOUNT  =                40000", b"PCOUNT  =                   40", "outside of the table's heap"),
                (b"GCOUNT  =                    1", b"GCOUNT  =                    9", "no table as the standard"),
                (b"BITPIX  =                    8", b"BITPIX  =                   16", "no table as the standard")):
            self.assertIn(old, good[header:])
            refuse(good[:header] + good[header:].replace(old, new, 1), says)
        data = good.index(b"END" + b" " * 77, header)
        data += 2880 - data % 2880
        refuse(good[:data + 12] + b"\x03" + good[data + 13:], "row 1 of")
        refuse(b"\x1f\x8b\x08" + bytes(100), "compressed")
        self.assertEqual(self.w.run("table", "show", "refused").status, 1)

    def test_file_names_are_no_commands(self):
        """What cfitsio takes for filters and programs to run."""
        good = self.fits([fits.Column("a", "J", array=[1])])
        for name in ("x.fits[1][a>0]", "sh: touch owned |", "ftp:x.fits", "x.fits(copy.fits)", "-"):
            path = self.w.file(name)
            if "/" not in name:
                os.link(good, path)
            self.load(path, "--format", "fits")
            self.assertEqual(self.rows(), [{"a": 1}])
        self.assertFalse(os.path.exists(self.w.file("owned")))

    def test_ours_changed_by_astropy(self):
        """Columns taken out and moved: what our file says of types goes by name."""
        path = self.w.file("mine.fits")
        self.w.run("query", "-q", "-n", 1, "--into", path, "SELECT 1 AS a, 'é' AS s, DATE '2024-01-02' AS d, "
                   "1.5::DECIMAL(4,1) AS x, '' AS e")
        t = Table.read(path)
        t.remove_column("a")
        t["new"] = ["\\u00e9"]
        t = t["x", "new", "d", "s", "e"]
        t.write(self.w.file("moved.fits"))
        self.load(self.w.file("moved.fits"))
        self.assertEqual(self.types(), {"x": "DECIMAL(4,1)", "new": "VARCHAR", "d": "DATE", "s": "VARCHAR",
                                        "e": "VARCHAR"})
        self.assertEqual(self.rows(), [{"x": 1.5, "new": "\\u00e9", "d": "2024-01-02", "s": "é", "e": ""}])

    # ---- VOTable ----

    def votable(self, fields, data, name="a.vot", before="", after=""):
        return self.w.write(name, f"""<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">{before}
<TABLE name="stars"><DESCRIPTION>Some
stars</DESCRIPTION>{fields}<DATA>{data}</DATA></TABLE>{after}</RESOURCE></VOTABLE>""")

    def test_astropy_votable(self):
        n = 3000
        i = np.arange(n)
        t = Table({"flag": i % 2 == 0, "u8": (i % 256).astype("u1"), "i16": (i - 1000).astype("i2"), "i32": i * 7,
                   "i64": i + 2**60, "f32": (i / 7).astype("f4"), "f64": i / 7, "s": [f"é {k}" for k in i],
                   "v": np.stack([i, i / 3.0], axis=1), "c": (i + 1j).astype("c8")})
        t["i32"] = t["i32"].astype("i4")
        t["m"] = MaskedColumn(i, mask=i % 3 == 0)
        t["l"] = np.empty(n, dtype=object)
        t["f64"].unit, t["f64"].description = "kpc", "how far"
        t.remove_column("l")
        for form in ("tabledata", "binary", "binary2"):
            with self.subTest(form):
                document = from_table(t)
                document.version = "1.3"
                document.get_first_table().get_field_by_id("m").values.null = -1
                path = self.w.file(f"{form}.xml")
                document.to_xml(path, tabledata_format=form)
                self.load(path)
                self.assertEqual(self.types(), {
                    "flag": "BOOLEAN", "u8": "UTINYINT", "i16": "SMALLINT", "i32": "INTEGER", "i64": "BIGINT",
                    "f32": "FLOAT", "f64": "DOUBLE", "s": "VARCHAR", "v": "DOUBLE[2]", "c": "FLOAT[2]",
                    "m": "BIGINT"})
                got = self.rows()
                self.assertEqual(len(got), n)
                for k in (0, 1, 255, 2047, 2048, n - 1):
                    r = got[k]
                    self.assertEqual((r["flag"], r["u8"], r["i16"], r["i32"], r["i64"], r["s"]),
                                     (k % 2 == 0, k % 256, k - 1000, k * 7, k + 2**60, f"é {k}"))
                    self.assertEqual(np.float32(r["f32"]), np.float32(k / 7))
                    self.assertAlmostEqual(r["f64"], k / 7, delta=0 if form != "tabledata" else 1e-9)
                    self.assertEqual(r["c"], [k, 1])
                self.assertEqual([r["m"] for r in got[:4]], [None, 1, 2, None])
                c = self.shown()[1]["f64"]
                self.assertEqual((c["unit"], c["description"]), ("kpc", "how far"))

    def test_cells(self):
        path = self.votable(
            '<FIELD name="b" datatype="boolean"/><FIELD name="i" datatype="int"><VALUES null="-9"/></FIELD>'
            '<FIELD name="h" datatype="long"/><FIELD name="x" datatype="bit" arraysize="4"/>'
            '<FIELD name="s" datatype="char" arraysize="*"/><FIELD name="t" datatype="char" arraysize="*" '
            'xtype="timestamp"/><FIELD name="w" datatype="char" arraysize="3x2"/>'
            '<FIELD name="l" datatype="short" arraysize="*"/><FIELD name="d" datatype="double" unit="deg" '
            'ucd="pos.eq.ra"/><FIELD name="z" datatype="floatComplex"/>'
            '<GROUP><FIELDref ref="x"/></GROUP>',
            '<TABLEDATA><TR><TD>T</TD><TD>-9</TD><TD>0xFF</TD><TD>1010</TD><TD> a &amp; b </TD>'
            '<TD>2024-01-02T03:04:05.5</TD><TD>abcde</TD><TD>1 2  3</TD><TD>+Inf</TD><TD>1 -2</TD></TR>'
            '<TR><TD>?</TD><TD> 7 </TD><TD>-1</TD><TD>0 1 1 0</TD><TD/><TD/><TD>xyz123</TD><TD></TD>'
            '<TD>NaN</TD><TD>0 0</TD></TR></TABLEDATA>')
        self.load(path)
        self.assertEqual(self.rows(), [
            {"b": True, "i": None, "h": 255, "x": [True, False, True, False], "s": " a & b ",
             "t": "2024-01-02 03:04:05.5", "w": ["abc", "de"], "l": [1, 2, 3], "d": "Infinity", "z": [1, -2]},
            {"b": None, "i": 7, "h": -1, "x": [False, True, True, False], "s": None, "t": None,
             "w": ["xyz", "123"], "l": None, "d": "NaN", "z": [0, 0]}])
        o, columns = self.shown()
        self.assertEqual(o["description"], "Some\nstars")
        self.assertEqual((columns["t"]["type"], columns["d"]["unit"], columns["d"]["ucd"]),
                         ("TIMESTAMP", "deg", "pos.eq.ra"))

    def test_which_votable(self):
        second = ('<TABLE name="more" ID="m1"><FIELD name="b" datatype="int"/><DATA><TABLEDATA><TR><TD>2</TD></TR>'
                  '</TABLEDATA></DATA></TABLE>')
        path = self.votable('<FIELD name="a" datatype="int"/>', "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>",
                            after=second)
        for option, column in ((None, "a"), ("stars", "a"), ("MORE", "b"), ("m1", "b"), ("1", "b")):
            self.load(path, *(["--path", option] if option else []))
            self.assertEqual(list(self.types()), [column])
        self.refuse(path, 'no table "x", but 0 stars, 1 more', "--path", "x")

    def test_bad_votables(self):
        field, cells = '<FIELD name="a" datatype="int"/>', "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>"
        def refuse(says, fields=field, data=cells, text=None, **more):
            path = self.votable(fields, data, "bad.vot", **more)
            if text is not None:
                path = self.w.write("bad.vot", text)
            self.refuse(path, says)
        bomb = '<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa">' + "".join(
            f'<!ENTITY {b} "&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};">' for a, b in zip("abcdefgh", "bcdefghi")) + \
            "]><VOTABLE>&i;</VOTABLE>"
        refuse("declares entities", text=bomb)
        refuse("declares entities", text='<!DOCTYPE VOTABLE [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                                         "<VOTABLE>&x;</VOTABLE>")
        refuse("is a web page", text="<html><body>VOTABLE</body></html>")
        refuse("truncated", text=harness.text_of(self.votable(field, cells))[:-60].replace("</TABLE>", ""))
        refuse("mismatched tag", data="<TABLEDATA><TR></TABLEDATA>")
        refuse("has no table with FIELDs", fields="")
        refuse('the datatype "number"', fields='<FIELD name="a" datatype="number"/>')
        refuse('the arraysize "*x3"', fields='<FIELD name="a" datatype="int" arraysize="*x3"/>')
        refuse('row 1 of', data="<TABLEDATA><TR><TD>1.5</TD></TR></TABLEDATA>")
        refuse('"99999999999", which is no int', data="<TABLEDATA><TR><TD>99999999999</TD></TR></TABLEDATA>")
        refuse("row 2 has 0 cells", data="<TABLEDATA><TR><TD>1</TD></TR><TR></TR></TABLEDATA>")
        refuse("more cells than", data="<TABLEDATA><TR><TD>1</TD><TD>1</TD></TR></TABLEDATA>")
        refuse("not base64", data='<BINARY><STREAM encoding="base64">AA*A</STREAM></BINARY>')
        refuse("ends within row 2", data='<BINARY><STREAM encoding="base64">AAAAAQAA</STREAM></BINARY>')
        refuse("encoding", data='<BINARY><STREAM encoding="gzip">AAAA</STREAM></BINARY>')
        refuse("elsewhere", data='<BINARY><STREAM href="http://127.0.0.1:1/x" encoding="base64"/></BINARY>')
        refuse("another file", data='<FITS><STREAM href="file:///etc/passwd"/></FITS>')
        refuse("too deep", text="<VOTABLE>" + "<G>" * 100000)
        refuse("8 MiB", text="<VOTABLE><RESOURCE name='" + "x" * 20000000)
        refuse("negative length", fields='<FIELD name="a" datatype="char" arraysize="*"/>',
               data='<BINARY><STREAM encoding="base64">'
                    + base64.b64encode(struct.pack(">I", 2**32 - 1) + b"x" * 20).decode() + "</STREAM></BINARY>")
        refuse("query failed: no such table", fields="", before='<INFO name="QUERY_STATUS" value="ERROR">no such '
                                                               "table</INFO>")

    def test_text_of_a_timestamp(self):
        """What xtype promises may not be there: another type can be asked for."""
        path = self.votable('<FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/>',
                            "<TABLEDATA><TR><TD>yesterday</TD></TR></TABLEDATA>")
        self.refuse(path, "yesterday")
        self.load(path, "--type", "t=VARCHAR")
        self.assertEqual(self.rows(), [{"t": "yesterday"}])

    # ---- both ----

    def test_mutated(self):
        """Damaged files are read, or refused with a sentence: nothing crashes or hangs."""
        good = []
        for ending in ("fits", "vot"):
            path = self.w.file(f"good.{ending}")
            self.w.run("query", "-q", "-n", 1, "--into", path,
                       "SELECT range::INTEGER AS i, 'text ' || range AS s, [1.5, range]::DOUBLE[2] AS v, "
                       "DATE '2024-01-01' AS d, CASE WHEN range % 3 = 0 THEN range END AS n FROM range(50)")
            with open(path, "rb") as f:
                good.append((ending, f.read()))
        rng = random.Random(7)
        binaries = (harness.ASAN_BIN if os.path.exists(os.path.join(harness.ASAN_BIN, "perigee")) else None)
        for k in range(40):
            ending, data = good[k % 2]
            data = bytearray(data)
            start = data.index(b"XTENSION") if ending == "fits" else data.index(b"<INFO")
            for _ in range(rng.choice((1, 3, 20))):
                data[rng.randrange(start, len(data))] = rng.choice((rng.randrange(256), 48 + rng.randrange(10)))
            if rng.random() < 0.2:
                del data[rng.randrange(start, len(data)):]
            path = self.w.write(f"mutant.{ending}", bytes(data))
            done = self.w.run("table", "load", "-q", "--preview", path, "mutant", timeout=60, bin=binaries)
            self.assertIn(done.status, (0, 1, 2), f"{k}: {done.err}")
            if done.status:
                self.assertTrue(done.err.startswith("perigee: "), f"{k}: {done.err}")


if __name__ == "__main__":
    harness.main()
