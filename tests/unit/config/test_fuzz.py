"""Whatever a file holds: a configuration or a ConfigError made of printable lines, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config import load_config
from gateway.config.reference import settings as all_settings
from gateway.errors import ConfigError

NAMES = sorted({name for setting in all_settings() for name in setting.path if name != "*"})
PIECES = [
    *NAMES,
    *[f"{name}: " for name in NAMES],
    *[
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "|\n  ",
        ">\n",
        "'",
        '"',
        "#",
        "\t",
    ],
    *[
        "&a ",
        "*a",
        "<<: *a",
        "!!str ",
        "!x ",
        "!!binary ",
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        "\\",
        '"\\U00110000"',
        "\ufeff",
    ],
    *[
        "${",
        "}",
        "${A}",
        "${A:-1}",
        "$$",
        "$",
        "~",
        "null",
        "yes",
        "1",
        "1:30",
        "0x1",
        "1e999",
        ".inf",
        "nan",
        "-",
        "=",
        "_",
    ],
    *[
        "a.example.org",
        "127.0.0.1:80",
        "0.0.0.0/0",
        "5m",
        "never",
        "/health",
        "\x00",
        "\x85",
        "\u2028",
        "é",
        "\U0001f600",
    ],
]
START = "engines:\n  a:\n    hosts: [a]\n    port: 1\n    docker: {container: a}\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "config.yaml"


def check(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    problems = problems_of(file)
    assert len(set(problems)) == len(problems)
    for problem in problems:
        assert problem.startswith(str(file))
        assert problem.isprintable()


def problems_of(file: Path) -> list[str]:
    try:
        config = load_config(file, environment={"A": "value", "HOME": "/"})
    except ConfigError as exc:
        return exc.problems or ["an error without a problem"]
    return [] if config.engines else ["no engine and no error"]


fuzz = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@fuzz
@given(content=st.binary(max_size=200))
def test_any_bytes(file: Path, content: bytes) -> None:
    check(file, content)


@fuzz
@given(content=st.text(max_size=100))
def test_any_text(file: Path, content: str) -> None:
    check(file, content.encode("utf-8", "surrogatepass"))


@fuzz
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_pieces_of_yaml_and_settings(file: Path, pieces: list[str]) -> None:
    check(file, "".join(pieces).encode())


@fuzz
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=6),
    at=st.integers(min_value=0, max_value=len(START)),
    cut=st.integers(min_value=0, max_value=10),
)
def test_a_good_file_with_a_part_replaced(file: Path, pieces: list[str], at: int, cut: int) -> None:
    check(file, (START[:at] + "".join(pieces) + START[at + cut :]).encode())


VALUES = st.recursive(
    st.sampled_from(["a", "1", "''", "~", "5m", '"\\0"', "'${A}'", "'${NO}'", "127.0.0.1:80", "'[::]:1'", '"\\uD800"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from([*NAMES, "a"]), inner, max_size=4).map(
            lambda items: f"{{{', '.join(f'{name}: {value}' for name, value in items.items())}}}"
        ),
    ),
    max_leaves=20,
)


@fuzz
@given(engine=VALUES, gateway=VALUES, defaults=VALUES)
def test_any_values_in_the_place_of_settings(file: Path, engine: str, gateway: str, defaults: str) -> None:
    check(file, f"gateway: {gateway}\ndefaults: {defaults}\nengines: {{a: {engine}, b: {engine}}}\n".encode())


def test_every_truncation_of_a_good_file(file: Path) -> None:
    for end in range(len(START)):
        check(file, START[:end].encode())
