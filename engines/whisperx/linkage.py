"""Hierarchical clustering of many points, as a program of its own: points on standard input, links on standard output,
both files as NumPy writes them.

SciPy computes them without letting other threads run, which for thousands of points would take seconds in which the
engine answers nobody, and it cannot be stopped. A process can.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from scipy.cluster.hierarchy import linkage


def main() -> None:
    """Arguments of SciPy's `linkage` come as JSON."""
    arguments = json.loads(sys.argv[1])
    points = np.load(sys.stdin.buffer)
    np.save(sys.stdout.buffer, linkage(points, **arguments))


if __name__ == "__main__":
    main()
