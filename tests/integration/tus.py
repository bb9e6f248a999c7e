"""A client of tus 1.0.0 that can be cut anywhere, and files to send with it. For the tests of
uploads; no test lives here."""
import base64
import collections
import hashlib
import http.client
import socket
import struct

MB = 1 << 20
TYPE = "application/offset+octet-stream"

Answer = collections.namedtuple("Answer", "status headers body")


class Data:
    """A file that is computed: any piece of it, and its checksum, without keeping it."""

    def __init__(self, size, seed=1):
        self.size = size
        self.block = bytearray(hashlib.shake_128(b"%d" % seed).digest(MB))

    def pieces(self, start=0, end=None):
        end = self.size if end is None else end
        while start < end:
            n, at = divmod(start, MB)
            struct.pack_into("<Q", self.block, 0, n)
            piece = bytes(self.block[at:min(MB, at + end - start)])
            yield piece
            start += len(piece)

    def bytes(self, start=0, end=None):
        return b"".join(self.pieces(start, end))

    def sha256(self):
        h = hashlib.sha256()
        for p in self.pieces():
            h.update(p)
        return h.hexdigest()

    def write(self, path):
        with open(path, "wb") as f:
            for p in self.pieces():
                f.write(p)
        return path


def sha256_of(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(MB):
            h.update(piece)
    return h.hexdigest()


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def metadata(**keys):
    return ",".join(f"{k} {b64(v)}" for k, v in keys.items())


class Client:
    """where: (host, port) of a web door."""

    def __init__(self, where, **headers):
        self.where = where
        self.headers = {"Tus-Resumable": "1.0.0", **headers}

    def connect(self, timeout=60):
        return socket.create_connection(self.where, timeout)

    def send_head(self, sock, method, path, headers):
        all_headers = {"Host": "%s:%d" % self.where, **self.headers, **headers}
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{k}: {v}" for k, v in all_headers.items() if v is not None]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def answer(self, sock, method):
        r = http.client.HTTPResponse(sock, method=method)
        r.begin()
        a = Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        sock.close()
        return a

    def ask(self, method, path, body=b"", **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        s = self.connect()
        if body or method in ("POST", "PATCH", "PUT"):
            headers.setdefault("Content-Length", len(body))
        self.send_head(s, method, path, headers)
        try:
            if body:
                s.sendall(body)
        except OSError:
            pass  # refused before it was read
        return self.answer(s, method)

    # ---- uploads ----

    def create(self, size, body=None, meta=None, **keys):
        headers = {"Upload_Length": size, "Upload_Metadata": meta or metadata(**keys)}
        if body is not None:
            headers["Content_Type"] = TYPE
        return self.ask("POST", "/api/v1/uploads", body or b"", **headers)

    def begin(self, size, **keys):
        """The address of a new upload."""
        a = self.create(size, **keys)
        assert a.status == 201, a
        return a.headers["location"]

    def offset(self, url):
        a = self.ask("HEAD", url)
        assert a.status == 200, a
        return int(a.headers["upload-offset"])

    def patch(self, url, offset, body, **headers):
        return self.ask("PATCH", url, body, Upload_Offset=offset, Content_Type=TYPE, **headers)

    def half_patch(self, url, offset, data, sent, length=None):
        """The head of a request for all the rest, and only `sent` bytes of it; the socket."""
        s = self.connect()
        self.send_head(s, "PATCH", url, {"Upload-Offset": offset, "Content-Type": TYPE,
                                         "Content-Length": length or data.size - offset})
        for p in data.pieces(offset, offset + sent):
            s.sendall(p)
        return s

    def whole_patch(self, url, offset, data):
        s = self.half_patch(url, offset, data, data.size - offset)
        return self.answer(s, "PATCH")


def cut(sock):
    """As when a cable is pulled and the machine is gone: no orderly end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
