"""Imports go one way, and each foreign library has its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    # part: the parts it may import, beside itself
    "errors": set(),
    "clock": set(),
    "callers": set(),
    "announcements": {"errors"},
    "keepalive": set(),
    "stream": set(),
    "config": {"errors"},
    "refusals": {"errors"},
    "logs": {"config"},
    "server": {"errors", "stream", "refusals"},
    "lifecycle": {"errors", "config"},
    "spool": {"errors", "stream"},
    "runtimes": {"errors", "clock", "config"},
    "supervision": {"errors", "clock", "announcements", "config", "lifecycle", "runtimes"},
    "auth": {"errors", "clock", "config", "callers"},
    "proxy": {
        *("errors", "callers", "announcements", "keepalive", "stream", "refusals", "config", "spool"),
        *("lifecycle", "runtimes", "supervision"),
    },
    "metrics": {"errors", "announcements", "config", "lifecycle", "spool", "supervision"},
    "control": {"errors", "callers", "announcements", "refusals", "config", "lifecycle", "supervision", "proxy"},
    "reloading": {"errors", "announcements", "config", "auth", "supervision"},
    "front": {"announcements", "config", "supervision", "auth", "spool", "proxy", "metrics", "control"},
    "app": {
        *("errors", "clock", "callers", "announcements", "config", "runtimes", "supervision", "auth", "proxy"),
        *("spool", "metrics", "front", "reloading"),
    },
    "serving": {"config", "keepalive", "server", "app", "reloading"},
    "migration": {"errors", "config"},
    "terminal": {"errors", "config"},
    "migrate_command": {"errors", "migration", "terminal"},
    "key_commands": {"errors", "config", "auth", "terminal"},
    "cli": {"errors", "config", "logs", "auth", "key_commands", "migrate_command", "terminal", "control", "serving"},
    "__main__": {"cli"},
    "__init__": {"config", "errors", "app"},
}

ENGINES_MAY_IMPORT = {
    # An engine may import the shared vocabulary, and no other engine.
    "transcription": set(),
    "models": {"transcription"},
    "faster": {"transcription", "models"},
    "whisperx": {"transcription", "models"},
}

ONLY_IN: dict[str, str | tuple[str, ...]] = {
    "docker": "gateway/runtimes/docker",
    "typer": ("gateway/cli", "gateway/key_commands", "gateway/migrate_command", "gateway/terminal"),
    "rich": ("gateway/control/table", "gateway/auth/key_table"),
    "httpx": "gateway/control/client",
    "uvicorn": ("gateway/serving", "gateway/server/", "engines/"),
    "starlette": ("gateway/control/", "engines/"),
    "yaml": "gateway/config/",
    "watchfiles": "gateway/config/watching",
    "prometheus_client": "gateway/metrics/",
    "faster_whisper": (
        *(f"engines/faster/{name}" for name in ("transcriber", "sharing", "chunks", "speech")),
        "engines/whisperx/listener",
    ),
    "ctranslate2": ("engines/faster/batching", "engines/whisperx/devices"),
    "av": "engines/transcription/audio",
    "fastapi": "engines/",
    "huggingface_hub": ("engines/models/hub", "engines/whisperx/loading"),
    "pynvml": "engines/faster/gpu",
    **dict.fromkeys(("torch", "whisperx", "pyannote", "transformers", "nltk"), "engines/whisperx/"),
}


def modules() -> list[Path]:
    return sorted(path for package in ("gateway", "engines") for path in (ROOT / package).rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """Full names of imported modules, those inside functions and for types included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            assert node.module is not None
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT)
    package, part = relative.parts[0], relative.with_suffix("").parts[1]
    for name in imports_of(path):
        top, *rest = name.split(".")
        if package == "gateway" and top == "gateway" and rest and rest[0] != part:
            assert rest[0] in MAY_IMPORT[part], f"gateway/{part} must not import gateway.{rest[0]}"
        if package == "gateway":
            assert top != "engines", "gateway and engines meet over HTTP only"
        if package == "engines":
            assert top != "gateway", "gateway and engines meet over HTTP only"
            if top == "engines" and rest and rest[0] != part:
                assert rest[0] in ENGINES_MAY_IMPORT[part], f"engines/{part} must not import engines.{rest[0]}"
                assert part != "transcription", "the vocabulary imports no engine"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_library_has_its_place(path: Path) -> None:
    where = str(path.relative_to(ROOT))
    for name in imports_of(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        assert allowed is None or where.startswith(allowed), f"{name} is imported outside {allowed}"


def test_the_lifecycle_is_pure() -> None:
    """No clock, no Docker, no await where the rules live."""
    for path in (ROOT / "gateway" / "lifecycle").glob("*.py"):
        tree = ast.parse(path.read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)]
        assert not {"asyncio", "time", "datetime", "random", "os"} & {name.split(".")[0] for name in imports_of(path)}
