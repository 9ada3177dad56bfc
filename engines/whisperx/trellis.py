"""WhisperX's alignment of a text with a sound, for texts of half an hour, too. HEAVY: import it in a thread.

Its table has a cell for each character at each 20 ms: for half an hour, ten gigabytes. Of large tables we keep only
some rows, and compute those between them again on the way back. Small ones are left to WhisperX.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from whisperx import alignment
from whisperx.alignment import Point

from engines.whisperx.checkpoints import check

LARGEST = 25_000_000
"""Cells of a table that is kept whole: 100 MB, about three minutes of speech."""

Tokens = list[int]

_their_trellis = alignment.get_trellis
_their_backtrack = alignment.backtrack


class Rows:
    """The table, of which some rows are kept; the last of each block of rows.

    A row is a frame of sound, a column a character; what is in a cell is how well the sound until there fits the text
    until there. The rules are those of WhisperX's get_trellis, and so are all figures.
    """

    def __init__(self, emission: torch.Tensor, tokens: Tokens, blank: int) -> None:
        self._emission = emission
        self._tokens = torch.tensor(tokens)
        self._blank = blank
        self._silent = torch.cat([torch.zeros(1), torch.cumsum(emission[:, blank], 0)])
        self.frames = emission.size(0)
        self.block = max(1, math.isqrt(self.frames))
        before = torch.full((len(tokens) + 1,), -math.inf)
        before[0] = self._first_column(0)
        self._kept = [before]
        last_column = [before[-1:]]
        for first in range(0, self.frames, self.block):
            rows = self.rows(first // self.block)
            self._kept.append(rows[-1].clone())
            last_column.append(rows[1:, -1].clone())
        self.last_column = torch.cat(last_column)

    def size(self, dimension: int) -> int:
        """As of a tensor."""
        return (self.frames + 1, len(self._tokens) + 1)[dimension]

    def rows(self, number: int) -> torch.Tensor:
        """Those of a block, and before them the last one of the block before."""
        check()
        first = number * self.block
        emission = self._emission[first : first + self.block]
        said = emission[:, self._tokens]
        rows = torch.empty(len(emission) + 1, len(self._tokens) + 1)
        rows[0] = self._kept[number]
        for at in range(len(emission)):
            rows[at + 1, 0] = self._first_column(first + at + 1)
            torch.maximum(rows[at, 1:] + emission[at, self._blank], rows[at, :-1] + said[at], out=rows[at + 1, 1:])
        return rows

    def _first_column(self, row: int) -> float:
        """Nothing said yet; towards the end that is no longer possible, which WhisperX says with infinity."""
        return math.inf if row > self.frames - len(self._tokens) else float(self._silent[row])


def get_trellis(emission: torch.Tensor, tokens: Tokens, blank_id: int = 0) -> Any:
    """In place of WhisperX's."""
    check()
    if emission.size(0) * len(tokens) <= LARGEST:
        return _their_trellis(emission, tokens, blank_id)
    return Rows(emission, tokens, blank_id)


def backtrack(trellis: Any, emission: torch.Tensor, tokens: Tokens, blank_id: int = 0) -> list[Point] | None:
    """In place of WhisperX's. None if the text does not fit into the sound."""
    if not isinstance(trellis, Rows):
        path: list[Point] | None = _their_backtrack(trellis, emission, tokens, blank_id)
        return path
    return _backtrack(trellis, emission, tokens, blank_id)


def _backtrack(table: Rows, emission: torch.Tensor, tokens: Tokens, blank: int) -> list[Point] | None:
    path = []
    column = len(tokens)
    number, rows = -1, torch.empty(0)
    for row in range(int(torch.argmax(table.last_column)), 0, -1):
        if (row - 1) // table.block != number:
            number = (row - 1) // table.block
            rows = table.rows(number)
        above = row - 1 - number * table.block
        stayed = rows[above, column] + emission[row - 1, blank]
        changed = rows[above, column - 1] + emission[row - 1, tokens[column - 1]]
        said = bool(changed > stayed)
        score = emission[row - 1, tokens[column - 1] if said else blank].exp().item()
        path.append(Point(column - 1, row - 1, score))
        column -= said
        if not column:
            return path[::-1]
    return None


alignment.get_trellis = get_trellis
alignment.backtrack = backtrack
