"""Mail: rows of the outbox become mails at a real SMTP server, whatever the server's mood and
however the daemon dies.
"""
import os
import signal
import subprocess
import unittest

import harness
from mail_server import MailServer, certificate, server_context
from test_jobs_cli import Service, until

BODY = "Hello Ana,\n\nyour code is 1=1 ✓\n.\nFrom the portal\n"


class Mail(Service):
    @classmethod
    def prepare(cls):
        super().prepare()
        key, cert = certificate(cls.w.path)
        cls.server = MailServer(key, cert, "portal", "p w;1")
        cls.addClassCleanup(cls.server.close)
        os.makedirs(cls.state, exist_ok=True)
        secret = cls.w.write("secret", "p w;1\n")
        os.chmod(secret, 0o600)
        cls.w.write("state/perigee.yaml", f"""
{cls.rights}mail:
  server: smtp://127.0.0.1:{cls.server.port}
  from: "Perigée <portal@example.org>"
  user: portal
  password_file: {secret}
  tls: required
  ca_file: {cert}
""")
        done = cls.w.run("up")
        assert done.status == 0, done

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h",
                               f"{self.state}/postgres/s", "-U", "perigee", "perigee"],
                              input=text, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def queue(self, to, subject="Your account", body=BODY):
        quoted = [s.replace("'", "''") for s in (to, subject, body)]
        return self.sql("INSERT INTO mail (recipient, subject, body) VALUES "
                        "('%s', '%s', '%s') RETURNING id;" % tuple(quoted))

    def row(self, id):
        line = self.sql("SELECT tries, round(due - extract(epoch FROM now())), why FROM mail "
                        f"WHERE id = {id};")
        return line.split("|", 2) if line else None

    def now(self, id):
        self.sql(f"UPDATE mail SET due = 0 WHERE id = {id};")

    def gone(self, id):
        until(lambda: self.row(id) is None, 15, "the end of the row")

    def tried(self, id, times):
        return until(lambda: (r := self.row(id)) and int(r[0]) == times and r[2] and r, 15,
                     f"try {times}")

    def test_sent(self):
        subject = "Ünïcode " + "€" * 60
        ids = [self.queue("ana@example.org", subject), self.queue("bo+x@example.org")]
        for id in ids:
            self.gone(id)
        [mail] = self.server.to("ana@example.org")
        self.assertEqual(mail["Subject"], subject)
        self.assertEqual(mail["From"], "Perigée <portal@example.org>")
        self.assertEqual(mail["To"].addresses[0].addr_spec, "ana@example.org")
        self.assertEqual(mail.get_content().replace("\r\n", "\n"), BODY)
        self.assertRegex(mail["Message-ID"], rf"^<perigee\.\d+\.{ids[0]}@example\.org>$")
        self.assertIsNotNone(mail["Date"].datetime)
        self.assertEqual(len(self.server.to("bo+x@example.org")), 1)
        self.assertTrue(all(tls for _, tls in self.server.logins), "a password without TLS")

    def test_no_such_mailbox(self):
        self.server.refuse["nobody@example.org"] = "550 5.1.1 no such mailbox"
        id = self.queue("nobody@example.org")
        self.gone(id)
        audit = self.sql("SELECT ok, context->>'why' FROM audit WHERE action = 'mail.give_up' "
                         "AND thing = 'nobody@example.org';")
        self.assertRegex(audit, r"^f\|.*550")

    def test_not_now(self):
        self.server.refuse["grey@example.org"] = "451 4.7.1 come back later"
        id = self.queue("grey@example.org")
        self.assertIn("451", self.tried(id, 1)[2])
        self.assertTrue(40 <= float(self.row(id)[1]) <= 60, self.row(id))
        self.now(id)
        self.assertTrue(100 <= float(self.tried(id, 2)[1]) <= 120, self.row(id))
        del self.server.refuse["grey@example.org"]
        self.now(id)
        self.gone(id)
        self.assertEqual(len(self.server.to("grey@example.org")), 1)

    def test_given_up(self):
        self.server.refuse["old@example.org"] = "451 4.7.1 come back later"
        id = self.queue("old@example.org")
        self.tried(id, 1)
        self.sql(f"UPDATE mail SET due = 0, created = created - 3.01 * 86400 WHERE id = {id};")
        self.gone(id)
        audit = self.sql("SELECT context->>'tries' FROM audit WHERE thing = 'old@example.org';")
        self.assertEqual(audit, "2")
        log = harness.text_of(f"{self.state}/perigeed.log")
        self.assertIn("the mail to old@example.org is given up after 2 tries", log)

    def test_killed_after_sending(self):
        """Sent twice, but seen to be the same."""
        pid = int(harness.text_of(f"{self.state}/perigeed.pid"))
        self.server.on_data = lambda: os.kill(pid, signal.SIGKILL)
        self.addCleanup(setattr, self.server, "on_data", None)
        id = self.queue("twice@example.org", "A €")
        until(lambda: self.server.to("twice@example.org"), 15)
        self.server.on_data = None
        self.assertEqual(self.row(id)[0], "1")
        self.ok("up")
        self.now(id)
        self.gone(id)
        first, second = [raw for to, raw in self.server.mails if to == "twice@example.org"]
        self.assertEqual(first, second)

    def test_no_tls_no_mail(self):
        """Without STARTTLS, or with a certificate of somebody else, it gets neither password nor
        mail."""
        self.restart()  # the connection of an earlier mail may still be open, with TLS
        logins, good = len(self.server.logins), self.server.context
        self.addCleanup(setattr, self.server, "offer_tls", True)
        self.addCleanup(setattr, self.server, "context", good)
        self.server.offer_tls = False
        first = self.queue("plain@example.org")
        self.assertRegex(self.tried(first, 1)[2], "(?i)tls|ssl")
        self.server.offer_tls = True
        key, cert = certificate(self.w.path, file="other")
        self.server.context = server_context(key, cert)
        second = self.queue("wrong@example.org")
        self.assertRegex(self.tried(second, 1)[2], "(?i)certificate")
        self.assertEqual(self.server.to("plain@example.org"), [])
        self.assertEqual(self.server.to("wrong@example.org"), [])
        self.assertEqual(len(self.server.logins), logins)
        self.server.context = good
        for id in (first, second):
            self.now(id)
        for id in (first, second):
            self.gone(id)

    def restart(self):
        pid = int(harness.text_of(f"{self.state}/perigeed.pid"))
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{pid}"), 10)
        self.ok("up")


class Refused(Service):
    """Configurations that could not work are told at the start."""

    def test_configurations(self):
        os.makedirs(self.state, exist_ok=True)
        secret = self.w.write("secret", "x\n")
        base = "mail: {server: \"smtp://mail.example.org:587\", from: \"a@b.org\""
        os.chmod(secret, 0o644)
        for more, says in [(", user: u", "belong together"),
                           (f", user: u, password_file: {secret}", "chmod 600"),
                           (f", user: u, password_file: {secret}, tls: off", "unprotected"),
                           (f", user: u, password_file: {secret}, tls: try", "unprotected"),
                           (f", user: u, password_file: {secret}.no", "cannot open")]:
            self.w.write("state/perigee.yaml", base + more + "}\n")
            done = subprocess.run([f"{harness.BIN}/perigeed"], env=self.w.env, timeout=60,
                                  capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr, more)


if __name__ == "__main__":
    harness.main()
