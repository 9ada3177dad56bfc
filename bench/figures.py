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
from bench.whisperx import chain, speakers
from bench.whisperx import memory as whisperx_memory
from bench.whisperx import setting as whisperx
from bench.whisperx import start as whisperx_start
from bench.whisperx import words as whisperx_words


@dataclass(frozen=True)
class Figure:
    """needs: each raises MissingError for what is not here. mirrored: --self-check can put the reference in the place
    of what is measured. slow: takes so long that it is measured only if it is asked for by its own name.
    """

    measure: Callable[[Options], list[Row]]
    needs: Sequence[Callable[[], object]] = ()
    gateway: bool = False
    docker: bool = False
    mirrored: bool = True
    slow: bool = False


FIGURES: dict[str, Figure] = {
    "cold": Figure(cold.measure, [containers.require], gateway=True, docker=True, mirrored=False),
    "warm": Figure(warm.measure, [warm.require, nginx.program], gateway=True),
    "keys": Figure(warm.measure_keys, [warm.require], gateway=True, mirrored=False),
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
    "whisperx-chain": Figure(chain.measure, [whisperx.require]),
    "whisperx-speakers": Figure(speakers.measure, [whisperx.require], mirrored=False),
    "whisperx-words": Figure(whisperx_words.measure, [whisperx.require], mirrored=False),
    "whisperx-start": Figure(whisperx_start.measure, [whisperx.require], mirrored=False),
    "whisperx-memory": Figure(whisperx_memory.measure, [whisperx.require], mirrored=False),
    "whisperx-hour": Figure(whisperx_memory.measure_hour, [whisperx.require], mirrored=False, slow=True),
    "whisperx-hours": Figure(whisperx_memory.measure_hours, [whisperx.require], mirrored=False, slow=True),
}
USUAL = [name for name, figure in FIGURES.items() if not figure.slow]
"""What is measured where nothing else is asked for."""
_ENGINES = ("engine", "whisperx")
GROUPS = {
    "gateway": [name for name in USUAL if name.split("-")[0] not in _ENGINES],
    **{engine: [name for name in USUAL if name.split("-")[0] == engine] for engine in _ENGINES},
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
