"""`state_dir`, as local processes need it: for one gateway at a time.

Two gateways with the same one would each take the other's engines for their own, and stop them.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.errors import RuntimeUnavailable


class StateFolder:
    """Shared by a gateway's local engines. The lock is the kernel's: it ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._users: set[object] = set()

    def hold(self, user: object) -> None:
        """Keep other gateways out until `release`. Holding it twice changes nothing. Raises RuntimeUnavailable."""
        if self._lock is None:
            self._lock = self._locked()
        self._users.add(user)

    def release(self, user: object) -> None:
        """The last user to leave lets other gateways in. Releasing what is not held changes nothing."""
        self._users.discard(user)
        if not self._users and self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _locked(self) -> int:
        """The descriptor that holds the lock. Engines do not inherit it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "gateway.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise
        except BlockingIOError:
            raise RuntimeUnavailable("is managed by another gateway, which uses the same state_dir") from None
        except OSError as error:
            raise RuntimeUnavailable(
                f"cannot be managed: its state directory cannot be locked: {error.strerror}"
            ) from error
        return lock
