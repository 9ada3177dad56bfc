"""Every figure: what measures it, and what that needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import cold, containers, events, latency, memory, nginx, upload, warm
from bench.engine import batch, leak, long, setting, short, start, words
from bench.engine import cold as engine_cold
from bench.engine import memory as engine_memory
from bench.harness import Options
from bench.table import Row


@dataclass(frozen=True)
class Figure:
    """needs: each raises MissingError for what is not here. mirrored: --self-check can put the reference in the place
    of what is measured.
    """

    measure: Callable[[Options], list[Row]]
    needs: Sequence[Callable[[], object]] = ()
    gateway: bool = False
    docker: bool = False
    mirrored: bool = True


FIGURES: dict[str, Figure] = {
    "cold": Figure(cold.measure, [containers.require], gateway=True, docker=True, mirrored=False),
    "warm": Figure(warm.measure, [warm.require, nginx.program], gateway=True),
    "latency": Figure(latency.measure, gateway=True),
    "upload": Figure(upload.measure, [nginx.program], gateway=True),
    "memory": Figure(memory.measure, gateway=True),
    "events": Figure(events.measure, gateway=True),
    "engine-words": Figure(words.measure, [setting.require], mirrored=False),
    "engine-start": Figure(start.measure, [setting.require], mirrored=False),
    "engine-memory": Figure(engine_memory.measure, [setting.require], mirrored=False),
    "engine-leak": Figure(leak.measure, [setting.require], mirrored=False),
    "engine-short": Figure(short.measure, [setting.require]),
    "engine-batch": Figure(batch.measure, [setting.require]),
    "engine-long": Figure(long.measure, [setting.require]),
    "engine-cold": Figure(engine_cold.measure, [engine_cold.require], gateway=True, docker=True, mirrored=False),
}
GROUPS = {
    "gateway": [name for name in FIGURES if not name.startswith("engine-")],
    "engine": [name for name in FIGURES if name.startswith("engine-")],
}


def named(text: str) -> list[str]:
    """The figures that are meant by names of figures and groups, with commas between, in their own order.

    Raises ValueError for a name that is neither.
    """
    meant: set[str] = set()
    for name in text.split(","):
        if name not in FIGURES and name not in GROUPS:
            raise ValueError(f"{name!r} is not one of {', '.join([*GROUPS, *FIGURES])}")
        meant.update(GROUPS.get(name, [name]))
    return [name for name in FIGURES if name in meant]
