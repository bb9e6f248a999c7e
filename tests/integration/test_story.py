#!/usr/bin/env python3
"""The story of the portal, over HTTP only, with curl and the perigee command, through nginx: somebody signs up,
uploads a large file over a bad connection, runs SQL over it, makes a team, shares a folder; the other one
reads it, runs a job over it, cannot write it, leaves, and cannot read it any more (story.py).

PERIGEE_BIG=1 uploads 2 GB instead of 200 MB.
"""
import os
import shutil
import unittest

import harness
from portal_world import Portal
from story import Someone, Tale

SIZE = 2 * 10**9 if os.environ.get("PERIGEE_BIG") else 200 * 10**6


class Story(unittest.TestCase):
    def test_story(self):
        portal = Portal("accounts: {sign_up: open}\nlimits: {requests_per_minute: 0}\n"
                        + ("user: root\n" if os.geteuid() == 0 else ""))
        self.addCleanup(portal.close)
        portal.up()
        Tale(portal, Someone(portal, "ana"), Someone(portal, "bob"), SIZE).tell()


if __name__ == "__main__":
    if not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        print("skipped: nginx is not installed")
        raise SystemExit(77)
    harness.main()
