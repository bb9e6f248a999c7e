"""A real OpenID provider on loopback for tests: discovery, authorisation (signs `user` in at once),
token endpoint with client secret and PKCE, JWKS with rotation, userinfo; and what hostile or broken
ones do, if a test asks for it (`wrong`). The standard library, and cryptography for the keys.
"""
import base64
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


class Key:
    """One signing key: RS256, PS256 or ES256."""

    def __init__(self, alg, kid=None):
        self.alg, self.kid = alg, kid or secrets.token_hex(4)
        self.key = (ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else
                    rsa.generate_private_key(65537, 2048))

    def public(self):
        n = self.key.public_key().public_numbers()
        if self.alg == "ES256":
            own = {"kty": "EC", "crv": "P-256", "x": number(n.x, 32), "y": number(n.y, 32)}
        else:
            own = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
        return {**own, "kid": self.kid, "use": "sig", "alg": self.alg}

    def sign(self, data):
        if self.alg == "ES256":
            r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        way = (padding.PKCS1v15() if self.alg == "RS256" else
               padding.PSS(padding.MGF1(hashes.SHA256()), 32))
        return self.key.sign(data, way, hashes.SHA256())

    def token(self, claims, **header):
        head = {"typ": "JWT", "alg": self.alg, "kid": self.kid, **header}
        text = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
        return text + "." + b64(self.sign(text.encode()))


class Provider:
    """wrong: words that the handlers below look for. user: claims of who signs in next."""

    def __init__(self, client_id="perigee", secret="s3cret:+ %", redirects=(), tls=None):
        self.client_id, self.secret, self.redirects = client_id, secret, set(redirects)
        self.keys = [Key("RS256")]
        self.user = {"sub": "u-1", "preferred_username": "ana", "name": "Ana López",
                     "email": "ana@example.org", "email_verified": True}
        self.codes, self.access, self.wrong, self.seen = {}, {}, set(), []
        self.names_itself = True
        self.other_iss = self.delay = self.make_token = None
        self.hidden = ()  # claims that only userinfo tells
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                provider.answer(self, None)

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                provider.answer(self, dict(urllib.parse.parse_qsl(self.rfile.read(size).decode())))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:  # an ssl.SSLContext
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
            self.server.handle_error = lambda *args: None  # of a client that does not trust us
        self.issuer = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}/realm"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def rotate(self, alg="RS256", keep=False):
        self.keys = ([*self.keys] if keep else []) + [Key(alg)]

    # ---- requests ----

    def answer(self, h, form):
        url = urllib.parse.urlsplit(h.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        what = url.path.rsplit("/", 1)[-1]
        self.seen.append(what)
        if self.delay and what in self.delay:
            time.sleep(self.delay[what])
        routes = {"openid-configuration": lambda: self.discovery(),
                  "authorize": lambda: self.authorize(query),
                  "token": lambda: self.token(h.headers.get("Authorization"), form or {}),
                  "jwks": lambda: (200, {"keys": [k.public() for k in self.keys]}),
                  "userinfo": lambda: self.userinfo(h.headers.get("Authorization", ""))}
        if what + " fails" in self.wrong or what not in routes:
            status, body = (500, {"error": "server_error"})
        elif what + " is huge" in self.wrong:
            status, body = 200, {"x": "x" * 2000000}
        elif what + " is no json" in self.wrong:
            status, body = 200, "<html>"
        elif what + " redirects" in self.wrong:
            status, body = 302, self.issuer + "/" + what
        else:
            status, body = routes[what]()
        data = b"" if status == 302 else (
            body if isinstance(body, str) else json.dumps(body)).encode()
        try:
            h.send_response(status)
            if status == 302:
                h.send_header("Location", body)
            h.send_header("Content-Type", "application/json")
            h.send_header("Content-Length", str(len(data)))
            h.end_headers()
            h.wfile.write(data)
        except OSError:
            pass  # they had enough

    def discovery(self):
        return 200, {"issuer": self.issuer + ("/" if "issuer" in self.wrong else ""),
                     "authorization_endpoint": self.issuer + "/authorize",
                     "token_endpoint": self.issuer + "/token",
                     "jwks_uri": self.issuer + "/jwks",
                     "userinfo_endpoint": self.issuer + "/userinfo",
                     "response_types_supported": ["code"],
                     "subject_types_supported": ["public"],
                     "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
                     "code_challenge_methods_supported": ["S256"],
                     "token_endpoint_auth_methods_supported": [
                         "client_secret_post" if "post" in self.wrong else
                         "client_secret_basic"],
                     "authorization_response_iss_parameter_supported": self.names_itself}

    def authorize(self, q):
        """Checks what it may; a real one would show a page first."""
        if q.get("client_id") != self.client_id or q.get("redirect_uri") not in self.redirects:
            return 400, {"error": "invalid_request", "got": q}
        back = {"state": q.get("state", "")}
        if self.names_itself:
            back["iss"] = self.other_iss or self.issuer
        if (q.get("response_type") != "code" or q.get("code_challenge_method") != "S256" or
                "openid" not in q.get("scope", "").split() or not q.get("nonce") or
                len(q.get("code_challenge", "")) != 43):
            back["error"] = "invalid_request"
        elif "declines" in self.wrong:
            back["error"] = "access_denied"
        else:
            back["code"] = secrets.token_urlsafe(16)
            self.codes[back["code"]] = dict(q, user=dict(self.user))
        return 302, q["redirect_uri"] + "?" + urllib.parse.urlencode(back)

    def knows_client(self, authorization, form):
        if "post" in self.wrong:
            return (form.get("client_id"), form.get("client_secret")) == (self.client_id,
                                                                         self.secret)
        pair = base64.b64decode((authorization or "").removeprefix("Basic ")).decode()
        name, _, secret = pair.partition(":")
        return hmac.compare_digest(
            (urllib.parse.unquote(name) + ":" + urllib.parse.unquote(secret)).encode(),
            (self.client_id + ":" + self.secret).encode())

    def token(self, authorization, form):
        if not self.knows_client(authorization, form):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code"), None)  # good for once
        verifier = form.get("code_verifier", "")
        if (not asked or form.get("grant_type") != "authorization_code" or
                form.get("redirect_uri") != asked["redirect_uri"] or len(verifier) < 43 or
                b64(hashlib.sha256(verifier.encode()).digest()) != asked["code_challenge"]):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.client_id, "nonce": asked["nonce"],
                  "iat": now, "exp": now + 300, **asked["user"]}
        access = secrets.token_urlsafe(16)
        self.access[access] = asked["user"]
        claims = {k: v for k, v in claims.items() if k not in self.hidden}
        token = (self.make_token or (lambda c: self.keys[-1].token(c)))(claims)
        return 200, {"access_token": access, "token_type": "Bearer", "expires_in": 300,
                     "id_token": token}

    def userinfo(self, authorization):
        user = self.access.get(authorization.removeprefix("Bearer "))
        return (200, user) if user else (401, {"error": "invalid_token"})
