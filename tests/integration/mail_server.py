"""A real SMTP server on loopback for tests (aiosmtpd): STARTTLS, a login, and the moods of servers
that a test asks for. `certificate` makes a key and a certificate for 127.0.0.1.
"""
import asyncio
import email
import email.policy
import logging
import os
import socket
import ssl
import subprocess
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # of a client that hangs up
warnings.filterwarnings("ignore", "Session.login_data is deprecated")


def certificate(folder, name="127.0.0.1", file="cert"):
    """Paths of a key and a self-signed certificate."""
    key, cert = os.path.join(folder, file + ".key"), os.path.join(folder, file + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=IP:{name}"], check=True, capture_output=True)
    return key, cert


def server_context(key, cert):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


class MailServer:
    """mails: list of (recipient, bytes); `refuse` {address: reply of RCPT}; `offer_tls`."""

    def __init__(self, key, cert, user=None, password=None):
        self.mails, self.refuse, self.logins = [], {}, []
        self.offer_tls, self.on_data = True, None
        self.user, self.password = user, password
        self.context = server_context(key, cert)
        self.loop = asyncio.new_event_loop()
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.server = self.loop.run_until_complete(
            self.loop.create_server(self.protocol, sock=self.socket))
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def protocol(self):
        return SMTP(self, hostname="test", tls_context=self.context if self.offer_tls else None,
                    auth_required=self.user is not None and self.offer_tls,
                    authenticator=self.check, loop=self.loop)

    def check(self, server, session, envelope, mechanism, data):
        self.logins.append((mechanism, session.ssl is not None))
        right = (data.login, data.password) == (self.user.encode(), self.password.encode())
        return AuthResult(success=right)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for to in envelope.rcpt_tos:
            self.mails.append((to, envelope.original_content))
        if self.on_data:
            self.on_data()
        return "250 OK"

    def to(self, address):
        """The mails to an address, parsed."""
        return [email.message_from_bytes(raw, policy=email.policy.default)
                for to, raw in list(self.mails) if to == address]

    def close(self):
        async def end():
            self.server.close()
            others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.socket.close()
