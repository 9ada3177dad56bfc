"""`python -m bench`: measures the figures and prints them as a table.

Exit status: 0 all was measured (and, with --strict, met), 1 something could not be measured or was missed, 2 something
that is needed is not here.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import nginx, table
from bench.engine import setting as engine
from bench.errors import BenchError, MissingError, TimeUpError
from bench.figures import FIGURES, GROUPS, USUAL, named
from bench.harness import Options, require_gateway
from bench.whisperx import setting as whisperx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_LIMIT = 1500


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.self_check and options.write:
        parser.error("--self-check measures the references; there is nothing to --write")
    setting = Options(options.gateway, options.rounds, options.self_check)
    chosen = [name for name in options.only if not (FIGURES[name].docker and options.skip_docker)]
    if setting.self_check:
        chosen = [name for name in chosen if FIGURES[name].mirrored]
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _interrupt)
    try:
        _require(chosen, setting)
        rows = _measure_all(chosen, setting, options.limit)
    except MissingError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 2
    machine = table.machine(*_versions(chosen, setting))
    print(f"\n{machine}\n\n{table.plain(rows)}")
    if options.write:
        table.write(table.section(rows, _command(arguments), machine))
    return _status(rows, strict=options.strict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the gateway and the engines against their references."
    )
    parser.add_argument("--only", type=_names, default=USUAL, metavar="NAMES", help=", ".join([*GROUPS, *FIGURES]))
    parser.add_argument("--rounds", type=_positive, help="rounds per figure (default: 3 to 20, each figure's own)")
    parser.add_argument("--skip-docker", action="store_true", help="leave out what needs Docker")
    parser.add_argument("--write", action="store_true", help=f"also put the table on top of bench/{table.RESULTS.name}")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--self-check", action="store_true", help="measure the references in their places")
    parser.add_argument(
        "--gateway", type=Path, default=Path(sys.executable).with_name("whisper-gateway"), metavar="FILE"
    )
    parser.add_argument(
        "--limit", type=_positive, default=_LIMIT, metavar="SECONDS", help="give up after (default: %(default)s)"
    )
    return parser


def _names(text: str) -> list[str]:
    try:
        return named(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _require(chosen: Sequence[str], setting: Options) -> None:
    """Raises MissingError at once for what would be missing minutes later."""
    if any(FIGURES[name].gateway for name in chosen):
        require_gateway(setting)
    for name in chosen:
        for check in FIGURES[name].needs:
            check()
    if _uses_nginx(chosen, setting):
        nginx.program()
    if os.getloadavg()[0] > 0.5 * len(os.sched_getaffinity(0)):
        print(f"bench: the machine is busy (load {os.getloadavg()[0]:.1f}); the figures may not hold", file=sys.stderr)


def _measure_all(chosen: Sequence[str], setting: Options, limit: int) -> list[table.Row | table.Failure]:
    """The rows of all figures. When `limit` seconds are over, what is still missing is a failure."""
    rows: list[table.Row | table.Failure] = []
    left = list(chosen)
    signal.alarm(limit)
    try:
        while left:
            rows += _measured(left[0], setting)
            del left[0]
    except TimeUpError:
        reason = f"not measured: the limit of {limit} s for all figures had passed"
        rows += [table.Failure(name, reason) for name in left]
    finally:
        signal.alarm(0)
    return rows


def _measured(name: str, setting: Options) -> list[table.Row | table.Failure]:
    """One figure's rows. A figure that fails does not take the others with it."""
    begin = time.monotonic()
    print(f"bench: {name} ... ", end="", file=sys.stderr, flush=True)
    try:
        rows: list[table.Row | table.Failure] = [*FIGURES[name].measure(setting)]
    except MissingError:
        raise
    except (BenchError, OSError) as exc:
        rows = [table.Failure(name, str(exc))]
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    return rows


def _versions(chosen: Sequence[str], setting: Options) -> list[str]:
    """Of the references."""
    versions = [nginx.version()] if _uses_nginx(chosen, setting) else []
    for group, of in (("engine", engine.versions), ("whisperx", whisperx.versions)):
        versions += of() if any(name.startswith(f"{group}-") for name in chosen) else []
    return versions


def _uses_nginx(chosen: Sequence[str], setting: Options) -> bool:
    figures = [FIGURES[name] for name in chosen]
    return any(nginx.program in figure.needs or (setting.self_check and figure.gateway) for figure in figures)


def _status(rows: Sequence[table.Row | table.Failure], *, strict: bool) -> int:
    failed = any(isinstance(row, table.Failure) for row in rows)
    missed = any(isinstance(row, table.Row) and row.verdict == "MISSED" for row in rows)
    return 1 if failed or (strict and missed) else 0


def _command(arguments: Sequence[str] | None) -> str:
    return " ".join(["python -m bench", *(sys.argv[1:] if arguments is None else arguments)])


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ends the benchmark through its `with` blocks, so that nothing it started stays behind."""
    del frame
    if number == signal.SIGALRM:
        raise TimeUpError
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
