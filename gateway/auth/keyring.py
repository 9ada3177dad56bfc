"""The keys as the running gateway knows them: always those in the file.

Each look compares what the file looks like (a microsecond), and reads it again if that has changed. So a key that was
revoked is refused from the next request on, and nothing has to be restarted or told.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from gateway.auth.key_file import KeyFile, KeysDamaged, KeyTrouble, Mark, mark_of
from gateway.auth.keys import Key
from gateway.auth.rates import Bucket
from gateway.callers import Caller

_log = structlog.get_logger()


class HeldKey:
    """A key as it is used: what each request needs is worked out with the first.

    digest: of its token. ends: see `Key`. bucket: what is left of its rate; None without one.
    """

    __slots__ = ("bucket", "caller", "digest", "ends", "key")

    def __init__(self, key: Key, before: HeldKey | None) -> None:
        self.key = key
        self.digest = bytes.fromhex(key.sha256)
        self.ends = key.ends
        self.caller = Caller("key", key.name, None if key.hosts is None else frozenset(key.hosts), key.admin)
        self.bucket: Bucket | None = None
        if key.rate is not None:
            kept = before.bucket if before else None  # another key's change must not fill this one's bucket
            self.bucket = kept if kept and kept.rate == key.rate else Bucket(key.rate)


class Keyring:
    """The keys in `state_dir`.

    ever: whether there has been a file of keys, readable or not, since the gateway started.
    """

    def __init__(self, folder: Path) -> None:
        self._file = KeyFile(folder)
        self._path = str(self._file.path)
        self._mark: Mark | None = None
        self._keys: dict[str, Key] = {}
        self._held: dict[str, HeldKey] = {}
        self._complaint: str | None = None
        self.ever = False
        self.look()

    def __repr__(self) -> str:
        return f"<Keyring {self._path} {len(self._keys)} keys>"

    def find(self, key_id: str) -> HeldKey | None:
        """The key with this id, active or not, as the file has it now."""
        self.look()
        held = self._held.get(key_id)
        if held is None and (key := self._keys.get(key_id)):
            held = self._held[key_id] = HeldKey(key, None)
        return held

    def look(self) -> None:
        """See whether the file has changed. One that cannot be read changes nothing, and is complained of once."""
        try:
            mark = mark_of(os.stat(self._path))  # noqa: PTH116 - on every request; a Path takes twice as long
        except FileNotFoundError:
            if self._mark is not None or self._complaint is not None:
                self._gone()
        except OSError as error:
            self.ever = True
            self._complain(f"{self._path} cannot be looked at: {error.strerror}")
        else:
            if mark != self._mark:
                self._read(mark)

    def _read(self, mark: Mark) -> None:
        self.ever = True
        try:
            keys, read = self._file.read()
        except KeysDamaged as trouble:
            self._mark = mark  # it would be as damaged again
            self._complain(str(trouble))
            return
        except KeyTrouble as trouble:  # perhaps for a moment only, such as for want of descriptors: tried again
            self._complain(str(trouble))
            return
        if read is None:
            self._gone()
            return
        self._keys = {key.id: key for key in keys}
        self._held = {
            key_id: HeldKey(self._keys[key_id], held) for key_id, held in self._held.items() if key_id in self._keys
        }
        self._mark = read
        self._complaint = None
        _log.info("keys.read", keys=len(keys), revoked=sum(key.revoked is not None for key in keys))

    def _gone(self) -> None:
        if self._mark is not None:
            _log.warning("keys.gone", reason=f"{self._path} was removed: no key is valid any more")
        self._mark, self._keys, self._held, self._complaint = None, {}, {}, None

    def _complain(self, reason: str) -> None:
        if reason != self._complaint:
            self._complaint = reason
            _log.error("keys.unreadable", reason=reason, keys_kept=len(self._keys))
