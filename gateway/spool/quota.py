"""How many bytes all spools together may have on disk."""

from __future__ import annotations

import asyncio
from collections import deque


class Quota:
    """Bytes that are lent and come back. Who finds too few left may wait, in the order of asking.

    A quarter is left for bodies that are being read: else those that wait for one engine could take all there is, and
    what another engine reads meanwhile could not be sent again. Who has to wait loses nothing but time.

    total: how many there are; it may change, and less than what is out only means that nothing is lent for a while.
    used: how many are out.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __repr__(self) -> str:
        return f"<Quota {self.used} of {self._total} waiting={len(self._waiting)}>"

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self._lend()

    @property
    def _for_waiting(self) -> int:
        return self._total - self._total // 4

    def take(self, size: int, *, read: bool = False) -> bool:
        """Borrow so many bytes now, unless that is too many or others wait for theirs. read: the body is being read."""
        if self.used + size > (self._total if read else self._for_waiting) or (self._waiting and not read):
            return False
        self.used += size
        return True

    def ask(self, size: int) -> asyncio.Future[None]:
        """Done when so many bytes have been lent to the caller, who must give them back or `withdraw`."""
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, asked))
        self._lend()
        return asked

    def withdraw(self, size: int, asked: asyncio.Future[None]) -> None:
        """The caller does not want any more what it has asked for, whether it has got it or not."""
        if asked.done():
            self.give(size)
        else:
            self._waiting.remove((size, asked))
            self._lend()  # who stood behind it may want less

    def give(self, size: int) -> None:
        """So many bytes come back."""
        self.used -= size
        self._lend()

    def _lend(self) -> None:
        while self._waiting and self.used + self._waiting[0][0] <= self._for_waiting:
            size, asked = self._waiting.popleft()
            self.used += size
            asked.set_result(None)
