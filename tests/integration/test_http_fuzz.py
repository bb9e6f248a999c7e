#!/usr/bin/env python3
"""Requests that nobody should send, at a daemon built with AddressSanitizer: paths, queries, headers,
cookies, tokens, upload offsets, JSON, and bytes that are no HTTP. It must answer each with a problem that
is the sender's (never 500), or hang up, and go on.

  test_http_fuzz.py [--seed N] [--requests N]
"""
import argparse
import json
import os
import random
import socket
import sys
import time

import harness
from portal_world import Portal

PATHS = ["", "/", "a", "..", "../..", "%2e%2e", "%2e%2e%2fetc/passwd", "%00", "x%00.txt", "%ff%fe", "a//b",
         "é", "%c3%a9", "a" * 300, "/".join("d" * 60), ".perigee", ".perigee/trash", "x.txt", "shared/x.txt",
         "*", "**", "~", "con", "-", "a\\b", "%0d%0aX: y", "%", "%zz", "${HOME}", "'; DROP TABLE account; --",
         "0", "-1", "1", "18446744073709551616", "6f0c0000-0000-4000-8000-000000000001"]
WORDS = ["", "ana", "bob", "persistent", "scratch", "ana/persistent:x", "team:x/files:a", "volume", "job",
         "read", "admin", "owner", "\u0000", "\ud83d", "a" * 5000, "é" * 100, "../x", "%s%n", "true", "null", "1e999",
         "2027-01-01", "<script>", "'\"\\", "\x1b[31m", "x@y.org", "password password"]
NUMBERS = [0, 1, -1, 2**31, 2**63, -2**63, 2**64, 0.5, 1e308, 1e-308]
HEADERS = {
    "Authorization": ["", "Bearer", "Bearer x", "Bearer pgt_" + "A" * 43, "Basic YTpi", "Bearer " + "x" * 3000],
    "Cookie": ["", "perigee_session=", "perigee_session=" + "A" * 43, "__Host-perigee=x", "a=b; " * 200,
               "perigee_session=\"", "=;=;="],
    "X-CSRF-Token": ["", "x"],
    "If-Match": ["*", '"', '"x"', 'W/"x"', "x" * 1000, '"a", "b'],
    "If-None-Match": ["*", '"x"'],
    "Range": ["bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-0,2-3", "bytes=99999999999999999999-", "x"],
    "Upload-Offset": ["0", "1", "-1", "x", "18446744073709551616", "", "0 "],
    "Upload-Length": ["0", "5", "-1", "9223372036854775807", "18446744073709551616", "x", ""],
    "Upload-Metadata": ["filename", "filename eA==", "filename !!!", "volume YW5hL3BlcnNpc3RlbnQ=,filename eA==",
                        "a b,a b", ",,,", "filename " + "A" * 5000, "filename Li4veA=="],
    "Upload-Checksum": ["sha1 x", "sha256 AAAA", "md5", "crc32 AAAA", ""],
    "Tus-Resumable": ["1.0.0", "0.2.2", "x", ""],
    "Upload-Defer-Length": ["1"],
    "Content-Type": ["application/offset+octet-stream", "application/json", "text/plain", "", "multipart/form-data"],
    "Content-Length": ["0", "-1", "99999999999999999999", "5"],
    "Transfer-Encoding": ["chunked", "gzip", "chunked, chunked"],
    "Idempotency-Key": ["", "k", "k" * 300, "k\tk"],
    "X-Perigee-Dir": ["", "/", "..", "x"],
    "X-Perigee-Client": ["", "1.2.3.4", "x" * 300],
    "X-Request-Id": ["", "r", "r" * 300, "r\tr"],
    "Last-Event-ID": ["0", "-1", "x", "99999999999999999999"],
    "Expect": ["100-continue", "x"],
    "Connection": ["close", "upgrade"],
}
RAW = [b"", b"\r\n\r\n", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
       b"GET /api/v1/status HTTP/1.1\r\n", b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
       b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n{}",
       b"A" * 100000, b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
       b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"\x00" * 100,
       b"PATCH /api/v1/uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"]


class Fuzzer:
    def __init__(self, portal, seed, people):
        self.portal, self.people = portal, people
        self.random = random.Random(seed)
        self.routes = [r for r in portal.machine.ok("GET", "/routes")["routes"]]
        self.statuses = {}
        self.broken = 0

    def value(self, depth=0):
        r = self.random
        kind = r.randrange(8 if depth < 4 else 5)
        if kind < 3:
            return r.choice(WORDS)
        if kind == 3:
            return r.choice(NUMBERS)
        if kind == 4:
            return r.choice([True, False, None])
        if kind < 7:
            return {self.key(): self.value(depth + 1) for _ in range(r.randrange(4))}
        return [self.value(depth + 1) for _ in range(r.randrange(4))]

    def key(self):
        return self.random.choice(
            "name title description kind public role account team thing path to rights expires days action "
            "password token code email full_name settings quota state admin approve text level command sql "
            "into resources steps scopes volume volumes output invitation old new rename mkdir move copy"
            .split() + WORDS)

    def body(self):
        r = self.random
        kind = r.randrange(8)
        if kind == 0:
            return b""
        if kind == 1:
            return bytes(r.randrange(256) for _ in range(r.randrange(200)))
        if kind == 2:
            return b"[" * r.randrange(5000)
        text = json.dumps(self.value() if kind < 5 else {self.key(): self.value(1) for _ in range(5)},
                          ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")
        if kind == 7:  # damaged
            at = r.randrange(len(text) + 1)
            text = text[:at] + bytes([r.randrange(256)]) + text[at + r.randrange(3):]
        return text

    def request(self):
        r = self.random
        route = r.choice(self.routes)
        method, path = route["method"], route["path"]
        while "*" in path:
            path = path.replace("**" if "**" in path else "*", r.choice(PATHS + WORDS[1:6]), 1)
        if r.random() < 0.1:
            method = r.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "X" * 50])
        query = "&".join(f"{r.choice(['limit', 'after', 'before', 'sort', 'order', 'q', 'state', 'user', 'kind', 'thing', 'offset', 'wait', 'step', 'index', 'archive', 'checksum', 'download', 'forever', 'follow'])}={r.choice(PATHS + ['5', '1', 'x'])}"
                         for _ in range(r.randrange(3)))
        lines = [f"{method} {path}{'?' + query if query else ''} HTTP/1.1", "Host: x"]
        person = r.choice(self.people)
        if person.token and r.random() < 0.85:
            lines.append(f"Authorization: Bearer {person.token}")
        body = self.body() if method not in ("GET", "HEAD") or r.random() < 0.1 else b""
        for name in r.sample(sorted(HEADERS), r.randrange(4)):
            lines.append(f"{name}: {r.choice(HEADERS[name])}")
        if body and not any(l.startswith("Content-Length") for l in lines):
            lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: close")
        text = "\r\n".join(lines) + "\r\n\r\n"
        return text.replace(" ", " ").encode("utf-8", "surrogatepass") + body

    def send(self, data):
        r = self.random
        door = r.choice(["web", "web", "transfer", "perigeed"])
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(0.2)
        got = b""
        try:
            s.connect(self.portal.socket(door))
            if r.random() < 0.05:
                cut = r.randrange(len(data) + 1)
                s.sendall(data[:cut])
                time.sleep(0.001)
                if r.random() < 0.5:
                    return None  # hung up in the middle
                data = data[cut:]
            s.sendall(data)
            s.shutdown(socket.SHUT_WR) if r.random() < 0.5 else None
            while len(got) < 65536:
                part = s.recv(65536)
                if not part:
                    break
                got += part
        except OSError:
            pass
        finally:
            s.close()
        words = got.split(b" ", 2)
        return int(words[1]) if len(words) > 2 and words[1].isdigit() else None

    def run(self, n):
        for i in range(n):
            data = self.random.choice(RAW) if self.random.random() < 0.03 else self.request()
            status = self.send(data)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status in (500, 502):
                print(f"request {i} was answered with {status}:\n{data[:2000]!r}")
                self.broken += 1
        return self.broken == 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    p.add_argument("--requests", type=int, default=2500)
    args = p.parse_args()
    if not os.path.exists(f"{harness.ASAN_BIN}/perigeed"):
        print("skipped: there is no build with AddressSanitizer")
        return 77
    print(f"seed {args.seed}", flush=True)
    portal = Portal("limits: {requests_per_minute: 0}\naccounts: {sign_up: open}\n",
                    binary=harness.ASAN_BIN)
    portal.env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=0:exitcode=99"
    portal.up()
    try:
        people = [portal.person("ana"), portal.person("bob", scopes=("all", "admin"), admin=True), portal.nobody]
        people[0].ok("POST", "/files/ana/persistent/shared", {"action": "mkdir"})
        people[0].ok("PUT", "/files/ana/persistent/shared/x.txt", "x")
        pid = portal.pid()
        fuzzer = Fuzzer(portal, args.seed, people)
        good = fuzzer.run(args.requests)
        print({str(k): v for k, v in sorted(fuzzer.statuses.items(), key=str)})
        log = portal.log()
        for bad in ("AddressSanitizer", "runtime error", "Assertion"):
            if bad in log:
                print(log[max(0, log.index(bad) - 500):][:4000])
                good = False
        if portal.pid() != pid or portal.machine.get("/status").status != 200:
            print("the daemon has not survived:\n" + log[-3000:])
            good = False
        if fuzzer.statuses.get(200, 0) < 50 or fuzzer.statuses.get(400, 0) < 50:
            print("it does not reach the handlers")
            good = False
        return 0 if good else 1
    finally:
        portal.close()


if __name__ == "__main__":
    sys.exit(main())
