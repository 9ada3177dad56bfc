"""How many words of a transcript are wrong."""

from __future__ import annotations

import re


def words(text: str) -> list[str]:
    """In lower case, without marks."""
    return re.findall(r"\w+", text.lower())


def errors(said: str, heard: str) -> int:
    """Words that would have to be put in, left out or changed (Levenshtein's distance)."""
    left, right = words(said), words(heard)
    costs = list(range(len(right) + 1))
    for row, word in enumerate(left, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(right, 1):
            diagonal, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other)),
            )
    return costs[-1]
