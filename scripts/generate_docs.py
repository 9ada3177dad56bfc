"""Writes what is generated from the program: `generate_docs.py`, or with `--check` only tells what is stale.

One function per document. Each takes the document's present text and returns what it should be, so that a page may be
written by hand around its generated part.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.config.json_schema import json_schema  # noqa: E402 - from this folder, installed or not
from gateway.config.problems import dotted  # noqa: E402
from gateway.config.reference import Setting, sections, settings  # noqa: E402
from gateway.errors import GatewayError  # noqa: E402
from gateway.lifecycle.phases import NEXT, Phase  # noqa: E402
from gateway.metrics import instruments  # noqa: E402


def config_schema(_present: str) -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def configuration_page(present: str) -> str:
    described = {pattern: section for pattern, section in sections() if pattern}
    rows = list(settings())
    parts = []
    for pattern, section in described.items():
        own = [setting for setting in rows if setting.path[:-1] == pattern]
        parts.append(f"### `{dotted(pattern)}`\n\n{' '.join((section.__doc__ or '').split())}\n\n{_table(own)}")
    return between_markers(present, "settings", "\n\n".join(parts))


def _table(rows: list[Setting]) -> str:
    lines = ["| setting | value | default | meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = "required" if row.required else f"`{row.default}`" if row.default else ""
        cells = (f"`{row.dotted}`", row.words, default, row.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def errors_page(present: str) -> str:
    parts = [
        f"### `{error.code}`\n\n{error.status} · {error.title}. {_first_paragraph(error.__doc__ or '')}"
        for error in sorted(_with_code(GatewayError), key=lambda error: (error.status, error.code))
    ]
    return between_markers(present, "errors", "\n\n".join(parts))


def _with_code(error: type[GatewayError]) -> Iterator[type[GatewayError]]:
    """It, if it has a code of its own, and all under it that have."""
    if "code" in vars(error):
        yield error
    for kind in error.__subclasses__():
        yield from _with_code(kind)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def lifecycle_page(present: str) -> str:
    page = between_markers(present, "diagram", f"```mermaid\n{_diagram()}\n```")
    return between_markers(page, "moves", _moves())


def _diagram() -> str:
    """The moves that change the phase, as a state diagram."""
    causes: dict[tuple[Phase, Phase], list[str]] = {}
    for (before, event), targets in NEXT.items():
        for after in targets:
            if after is not before:
                causes.setdefault((before, after), []).append(event.__name__)
    arrows = [f"    {before.name} --> {after.name}: {', '.join(events)}" for (before, after), events in causes.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> ASLEEP", *arrows])


def _moves() -> str:
    """The whole table: events down, phases across."""
    lines = [
        "| event | " + " | ".join(phase.value for phase in Phase) + " |",
        "| --- |" + " --- |" * len(Phase),
    ]
    for event in dict.fromkeys(event for _, event in NEXT):
        meaning = " ".join((event.__doc__ or "").split())
        cells = [_targets(phase, NEXT.get((phase, event), ())) for phase in Phase]
        lines.append(f"| **{event.__name__}** {meaning} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _targets(before: Phase, targets: tuple[Phase, ...]) -> str:
    return " or ".join("stays" if after is before else f"→ {after.value}" for after in targets)


def metrics_page(present: str) -> str:
    lines = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for metric in instruments.ALL:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return between_markers(present, "metrics", "\n".join(lines))


def between_markers(page: str, name: str, content: str) -> str:
    """The page with the part between `<!-- generated: NAME -->` and its end marker replaced."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end of generated: {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"the page must hold {begin} and {end} once each")
    pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
    return re.sub(pattern, lambda _: f"{begin}\n\n{content}\n\n{end}", page, flags=re.DOTALL)


DOCUMENTS: dict[str, Callable[[str], str]] = {
    "config.schema.json": config_schema,
    "docs/configuration.md": configuration_page,
    "docs/errors.md": errors_page,
    "docs/lifecycle.md": lifecycle_page,
    "docs/metrics.md": metrics_page,
}


def stale() -> dict[Path, str]:
    """The documents that are not what they should be, with what they should be."""
    changed = {}
    for name, generate in DOCUMENTS.items():
        path = ROOT / name
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = generate(present)
        if wanted != present:
            changed[path] = wanted
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the generated documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something is stale")
    check = parser.parse_args().check
    changed = stale()
    for path, wanted in changed.items():
        print(f"{path.relative_to(ROOT)}: {'stale; run scripts/generate_docs.py' if check else 'written'}")
        if not check:
            path.write_text(wanted, encoding="utf-8")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
