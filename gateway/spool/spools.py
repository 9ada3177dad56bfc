"""Where spools come from: one folder, one quota."""

from __future__ import annotations

from pathlib import Path

from gateway.spool.folder import SpoolFolder
from gateway.spool.quota import Quota
from gateway.spool.spool import Spool


class Spools:
    """Makes the spools of one gateway.

    per_request, total: bytes that one body, and all of them, may have on disk. quota: how much of that is in use.
    """

    def __init__(self, path: Path, *, per_request: int, total: int) -> None:
        self.folder = SpoolFolder(path)
        self.quota = Quota(total)
        self._per_request = per_request

    def resize(self, *, per_request: int, total: int) -> None:
        """Other sizes, for what comes from now on."""
        self._per_request = per_request
        self.quota.total = total

    def new(self, *, keep: bool) -> Spool:
        """For one request's body. keep: it may have to be read twice."""
        return Spool(self.folder, self.quota, self._per_request, keep=keep)
