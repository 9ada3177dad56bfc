"""The file's own grammar: what YAML says, before any setting is looked at."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from gateway.config.document import MOST_CHARACTERS, UNUSABLE, Document, read_document
from gateway.config.yaml_nodes import DEEPEST, MOST_NODES, NotYaml


def read(text: str) -> Document:
    return read_document(text, {"PORT": "8000"})


def refusal(text: str) -> str:
    with pytest.raises(NotYaml) as refused:
        read(text)
    return refused.value.problem.printed("f")


def told(text: str) -> list[str]:
    return [problem.printed("f") for problem in read(text).problems]


@pytest.mark.parametrize("scalar", ["no", "1:30", "010", "1.10", "0x1F", "2026-01-01", "1_000", ".5", "true", "="])
def test_what_is_written_stays_text(scalar: str) -> None:
    assert read(f"a: {scalar}\n{scalar}: b\n").data == {"a": scalar, scalar: "b"}


def test_variables_are_filled_in_everywhere_but_in_names() -> None:
    text = "a: ${PORT}\nb: ['x ${PORT}']\n${PORT}: |\n  ${PORT}\n"
    assert read(text).data == {"a": "8000", "b": ["x 8000"], "${PORT}": "8000\n"}


@pytest.mark.parametrize("nothing", ["", "~", "null", "Null", "NULL"])
def test_a_missing_value_is_a_problem_and_not_a_value(nothing: str) -> None:
    document = read(f"a:\n  b: {nothing}\n  c: [{nothing or '~'}]\n")
    assert document.data == {"a": {"b": UNUSABLE, "c": [UNUSABLE]}}
    assert [(problem.path, problem.line) for problem in document.problems] == [(("a", "b"), 2), (("a", "c", 0), 3)]


def test_quoted_nothing_is_text() -> None:
    assert read("a: ''\nb: 'null'\nc: \"~\"\n").data == {"a": "", "b": "null", "c": "~"}


def test_a_name_given_twice_is_told_with_both_lines_and_the_first_one_counts() -> None:
    text = "a: 1\nb: 2\n'a': 3\n"
    assert told(text) == ["f:3 a: given twice (first on line 1)"]
    assert read(text).data == {"a": "1", "b": "2"}


def test_a_name_given_twice_inside_a_list_has_its_path() -> None:
    assert told("a:\n- {b: 1, b: 2}\n") == ["f:2 a[0].b: given twice (first on line 2)"]


@pytest.mark.parametrize("key", ["[x]", "{x: y}", "? [x]\n", "~", "{{ port }}", '"\\uD800"'])
def test_a_name_must_be_a_text(key: str) -> None:
    assert told(f"a: 1\n{key}: 2\n") == ["f:2: a name is expected before this colon"]


LINES = """\
a:
  one: 1
  two:
    2
  list:
    - x
    - y: 3
      z: 4
  flow: [p,
    q]
  ? far
  : value
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("a", "one"), 2),
        (("a", "two"), 4),
        (("a", "list"), 5),
        (("a", "list", 0), 6),
        (("a", "list", 1), 7),
        (("a", "list", 1, "z"), 8),
        (("a", "flow", 0), 9),
        (("a", "flow", 1), 10),
        (("a", "far"), 12),
        (("a", "missing"), 1),
        (("a", "list", 1, "missing", "deeper"), 7),
        (("missing",), 1),
    ],
)
def test_each_setting_knows_its_line_and_a_missing_one_that_of_its_section(path: tuple[Any, ...], line: int) -> None:
    assert read(LINES).line_of(path) == line


def test_an_alias_is_shown_where_it_is_used_and_a_merged_setting_where_it_is_written() -> None:
    document = read("a: &a\n  port: &p 1\n  list: &l\n  - x\nb:\n  <<: *a\n  own: *p\nc: *l\n")
    assert document.data["b"] == {"port": "1", "list": ["x"], "own": "1"}
    assert document.line_of(("b", "port")) == 2
    assert document.line_of(("b", "own")) == 7
    assert document.line_of(("c", 0)) == 8


def test_what_is_written_wins_over_what_is_merged_and_the_first_merge_over_later_ones() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {x: 4, <<: *b}\n"
    data = read(text).data
    assert data["c"] == {"x": "3", "y": "1", "z": "2"}
    assert data["d"] == {"x": "4", "y": "2", "z": "2"}


def test_a_merge_of_something_else_is_a_problem() -> None:
    assert told("a: {<<: text}\n") == ['f:1 a: "<<" takes the alias of a group of settings, or a list of them']
    assert len(told("a: {<<: [x, y]}\n")) == 2
    assert told("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n") == ['f:2 b."<<": given twice (first on line 2)']


def test_a_quoted_merge_sign_is_a_name() -> None:
    assert read("a: {'<<': b}\n").data == {"a": {"<<": "b"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", "f:2: not valid YAML: a tab is used for indentation (use spaces)"),
        ("a: @b\n", 'f:1: not valid YAML: a value cannot begin with "@" (put it in quotes)'),
        ("a: b: c\n", 'f:1: not valid YAML: a ":" is not allowed here (check the indentation, or quote the value)'),
        ("a: 1\nb\nc: 1\n", 'f:3: not valid YAML: a ":" is missing after a name'),
        (
            "a:\n  b: 1\n c: 2\n",
            "f:3: not valid YAML: this line does not fit the ones above it (check the indentation)",
        ),
        ('a: 1\nb: "x\nc: 2\n', "f:2: not valid YAML: a quote is opened here and never closed"),
        ("a: [1, 2\nb: 3\n", 'f:2: not valid YAML: a "," or a closing bracket is missing'),
        ("a: ]\n", 'f:1: not valid YAML: a value is missing before "]"'),
        ("a: [x.${PORT}]\n", 'f:1: not valid YAML: inside [ ] and { }, a value with "${" needs quotes'),
        ("a: {b: ${PORT}}\n", 'f:1: not valid YAML: inside [ ] and { }, a value with "${" needs quotes'),
        ("a: [*.example.org]\n", 'f:1: not valid YAML: a value that begins with "*" or "&" needs quotes'),
        ("a: - b\n", "f:1: not valid YAML: a list cannot begin here (put each entry on a line of its own)"),
        ('a: "\\d"\n', 'f:1: not valid YAML: "\\d" means nothing inside double quotes (use single ones)'),
        ("a: 1\n}\n", "f:2: not valid YAML: this line does not fit the ones above it (check the indentation)"),
        ("[a]\nb: 1\n", "f:2: not valid YAML: this does not belong here (a name and a colon are expected)"),
        ("a: *b\n", 'f:1: not valid YAML: nothing is anchored as "&b" above this line'),
        ("a: &x 1\nb: &x 2\n", "f:2: not valid YAML: this anchor is already used above (choose another name)"),
        (
            "a: 1\n---\nb: 2\n",
            "f:2: not valid YAML: the file must hold one document only (remove this and what follows)",
        ),
        ("a: 1\nb: !!python/name:os.system x\n", "is not supported (leave it out)"),
        ("a: !secret x\n", 'f:1: the tag "!secret" is not supported (leave it out)'),
        ("a: !!timestamp x\n", "is not supported (leave it out)"),
        ("a: 1\nb: \x07\n", 'f:2: the character "\\u0007" is not allowed in YAML'),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "f:2: not valid YAML: a number or an escape here is out of range"),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1\n", "f:1: not valid YAML: a number or an escape here is out of range"),
        ("", "f: the file is empty (at least `engines` is needed)"),
        ("# only a comment\n", "f: the file is empty (at least `engines` is needed)"),
        ("---\n...\n", "f: the file is empty (at least `engines` is needed)"),
        ("~\n", "f: the file is empty (at least `engines` is needed)"),
    ],
)
def test_what_is_no_yaml_is_told_in_plain_words_with_its_line(text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize(
    "text", ["!!str a: !!int 1\n", "a: !!map {b: !!seq [1]}\n", "! a: ! 1\n", "%YAML 1.2\n---\na: 1\n"]
)
def test_tags_that_change_nothing_are_let_through(text: str) -> None:
    assert "a" in read(text).data


def test_half_a_character_is_not_text() -> None:
    assert told('a: "x\\uD800"\n') == ["f:1 a: this value is not Unicode text"]


LAUGHS = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10 if n else ['lol'] * 10)}]" for n in range(12))
MERGES = "\n".join(
    f"m{n}: &m{n} {{{'<<: [' + ', '.join([f'*m{n - 1}'] * 10) + ']' if n else 'a: 1'}}}" for n in range(12)
)
LONG = f"a: &a [{', '.join(['&b ' + 'x' * 200_000, *['*b'] * 100])}]\n"
DOLLARS = f"a: &a {'x$' * 100_000}$$\nb: [{', '.join(['*a'] * 1000)}]\n"


@pytest.mark.parametrize(
    ("bomb", "said"),
    [
        (LAUGHS, f"its aliases make more than {MOST_NODES} values"),
        (MERGES, f"its aliases make more than {MOST_NODES} values"),
        (LONG, f"its values make more than {MOST_CHARACTERS} characters"),
        (DOLLARS, f"its values make more than {MOST_CHARACTERS} characters"),
        ("a: &a [*a]\n", "an alias holds itself"),
        ("a: &a {b: *a}\n", "an alias holds itself"),
        ("a: &a {<<: *a}\n", "an alias holds itself"),
        ("[" * 200_000, f"nested more than {DEEPEST} levels deep"),
        ("{a: " * 200_000, f"nested more than {DEEPEST} levels deep"),
        ("- " * 200_000, f"nested more than {DEEPEST} levels deep"),
        ("? " * 200_000, f"nested more than {DEEPEST} levels deep"),
        ("\n".join(" " * n + "a:" for n in range(1000)), f"nested more than {DEEPEST} levels deep"),
        ("[" + "a, " * 60_000 + "]", f"holds more than {MOST_NODES} keys and values"),
    ],
)
def test_a_small_file_cannot_make_itself_big(bomb: str, said: str) -> None:
    tracemalloc.start()
    try:
        assert said in refusal(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * 1024 * 1024
