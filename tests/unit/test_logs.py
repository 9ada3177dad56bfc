"""The log as it comes out of the process: one event per line, for machines and for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import logging, structlog
from gateway.config.schema import LogSettings
from gateway.logs import configure_logs
early = structlog.get_logger()
configure_logs(LogSettings(**{settings}))
def broken():
    secret = "SECRET" + "-" + "KEY"
    raise ValueError("it broke\\nin two lines")
{body}
"""


def lines(body: str, env: dict[str, str] | None = None, **settings: Any) -> list[str]:
    """What a process writes to standard error that runs this."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(settings=settings, body=body)],
        capture_output=True, encoding="utf-8", check=True, env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.stdout == ""
    return done.stderr.removesuffix("\n").split("\n")


def entries(body: str, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(body, **options)]


def test_an_event_is_one_json_object_with_its_facts() -> None:
    (entry,) = entries("early.info('engine.woke', engine='whisper', after=41.2, line='é \\u2028 \\x1b[2J\\n{}')")
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "engine.woke", "level": "info", "engine": "whisper", "after": 41.2, "line": "é \u2028 \x1b[2J\n{}",
    }  # fmt: skip


def test_an_exception_is_in_its_event_without_local_variables() -> None:
    (line,) = lines("try: broken()\nexcept ValueError: early.exception('gateway.request_broke', path='/x')")
    entry = json.loads(line)
    assert entry["level"] == "error"
    assert entry["exception"][0]["exc_type"] == "ValueError"
    assert entry["exception"][0]["frames"][-1]["name"] == "broken"
    assert "SECRET" not in line


def test_libraries_speak_in_the_same_form() -> None:
    body = """
logging.getLogger("uvicorn.error").info("Started server process")
logging.getLogger("uvicorn.error").error("Cancel %s running task(s)", 3)
try: broken()
except ValueError: logging.getLogger("asyncio").exception("Task exception")
"""
    first, second = entries(body)
    assert (first["event"], first["level"]) == ("Cancel 3 running task(s)", "error")
    assert second["exception"][0]["exc_type"] == "ValueError"
    assert "SECRET" not in json.dumps(second)


@pytest.mark.parametrize(
    ("level", "seen"),
    [("debug", ["d", "i", "w", "e"]), ("info", ["i", "w", "e"]), ("warning", ["w", "e"]), ("error", ["e"])],
)
def test_the_level_is_a_setting(level: str, seen: list[str]) -> None:
    body = "early.debug('d'); early.info('i'); early.warning('w'); early.error('e')"
    assert [entry["event"] for entry in entries(body, level=level)] == seen


def test_for_people_it_is_one_line_without_quotes_and_braces() -> None:
    (line,) = lines("early.info('engine.woke', engine='whisper')", format="console")
    assert "engine.woke" in line
    assert "engine=whisper" in line
    assert "{" not in line


def test_for_people_a_traceback_is_plain_and_without_local_variables() -> None:
    text = "\n".join(lines("try: broken()\nexcept ValueError: early.exception('x')", format="console"))
    assert "Traceback (most recent call last)" in text
    assert "ValueError: it broke" in text
    assert "SECRET" not in text


def test_for_the_journal_it_is_one_line_of_words_with_its_priority() -> None:
    body = """
early.info("engine.ready", engine="whisper", after=0.5, admitted=1)
early.warning("engine.asleep", reason="it exited: status 1", line="\\x1b[2J é\\n\\"=")
try: broken()
except ValueError: early.exception("gateway.request_broke")
logging.getLogger("uvicorn.error").error("Cancel %s running task(s)", 3)
"""
    ready, asleep, broke, library = lines(body, format="journal")
    assert ready == "<6>engine.ready engine=whisper after=0.5 admitted=1"
    said = '"\\u001b[2J \\u00e9\\n\\"="'
    assert asleep == f'<4>engine.asleep reason="it exited: status 1" line={said}'
    assert broke.startswith('<3>gateway.request_broke exception="Traceback (most recent call last):\\n')
    assert "it broke" in broke
    assert "SECRET-KEY" not in broke
    assert library == '<3>"Cancel 3 running task(s)"'


def test_auto_knows_the_journal_when_it_writes_to_it() -> None:
    body = "early.info('x', a=1)"
    program = "import os, sys; f = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{f.st_dev}:{f.st_ino}'\n"
    done = subprocess.run(
        [sys.executable, "-c", program + PROGRAM.format(settings={}, body=body)],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stderr == "<6>x a=1\n"
    assert entries(body, env={"JOURNAL_STREAM": "8:12345"})[0]["event"] == "x"  # inherited, and led elsewhere since


def test_where_nobody_watches_auto_means_json() -> None:
    assert entries("early.info('x')", format="auto")[0]["event"] == "x"


def test_a_locale_without_unicode_does_not_break_it() -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert entries("early.info('x', line='\\xe9')", env=env)[0]["line"] == "é"


def test_what_is_not_unicode_does_not_break_it() -> None:
    """An engine may write anything into its log."""
    assert entries("early.info('x', line=b'\\xff'.decode(errors='surrogateescape'))")[0]["line"] == "\udcff"


def test_a_line_that_cannot_be_written_is_dropped() -> None:
    """A full disk, or a reader that has gone, must not stop an engine's wake."""
    body = "early.info('lost'); early.error('lost too'); print('still here', flush=True); import os; os._exit(0)"
    program = PROGRAM.format(settings={}, body=body)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=writer, check=True)
    os.close(writer)
    assert done.stdout == b"still here\n"
