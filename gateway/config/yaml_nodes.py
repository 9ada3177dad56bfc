"""YAML text becomes a tree of nodes that know their lines.

Scalars stay the text that was written: what is a number or a duration is for the schema to say. That spares the reader
YAML's own guesses ("no" is false, 1:30 is 90, 010 is 8) and lets `${PORT}` stand wherever a number can.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from gateway.config.problems import Problem, quoted

DEEPEST = 32
"""Levels of nesting; the schema needs 5."""
MOST_NODES = 20_000
"""Keys and values in the file; four hundred engines with every setting have about as many."""

NULL = "tag:yaml.org,2002:null"
MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TAGS = {NULL, MERGE} | {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "seq", "map")}

# What PyYAML says, as a regular expression, and what a person needs to hear.
_PLAIN_WORDS = {
    r"found character '\\t' that cannot start any token": "a tab is used for indentation (use spaces)",
    r"found character '(.*)' that cannot start any token": r'a value cannot begin with "\1" (put it in quotes)',
    r"mapping values are not allowed here": 'a ":" is not allowed here (check the indentation, or quote the value)',
    r"could not find expected ':'": 'a ":" is missing after a name',
    r"expected <block end>, but found '?(.*?)'?": "this line does not fit the ones above it (check the indentation)",
    r"expected the node content, but found '?(.*?)'?": r'a value is missing before "\1"',
    r"expected ',' or '[\]}]', but got .*": 'a "," or a closing bracket is missing',
    r"expected '<document start>', but found .*": "this does not belong here (a name and a colon are expected)",
    r"expected alphabetic or numeric character, but found .*": 'a value that begins with "*" or "&" needs quotes',
    r"sequence entries are not allowed here": "a list cannot begin here (put each entry on a line of its own)",
    r"found unknown escape character '(.*)'": r'"\\\1" means nothing inside double quotes (use single ones)',
    r"found unexpected end of stream": "a quote is opened here and never closed",
    r"found undefined alias '(.*)'": r'nothing is anchored as "&\1" above this line',
    r"but found another document": "the file must hold one document only (remove this and what follows)",
    r"second occurrence": "this anchor is already used above (choose another name)",
}


class NotYaml(Exception):
    """The text cannot be read as YAML; `problem` tells where and why."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(message, line=line)


class _Loader(yaml.SafeLoader):
    """Composes nodes and stops early on what is far too deep or too much."""

    # Only "nothing" and merge keys are recognised among plain scalars; all else is text.
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's way
        **{start: [(NULL, re.compile(r"(?:~|null|Null|NULL|)\Z"))] for start in ("", "~", "n", "N")},
        "<": [(MERGE, re.compile(r"<<\Z"))],
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs leave it out
        line = event.start_mark.line + 1
        tag = getattr(event, "tag", None)
        self._depth += 1
        self._nodes += 1
        if self._depth > DEEPEST:
            raise NotYaml(f"nested more than {DEEPEST} levels deep", line)
        if self._nodes > MOST_NODES:
            raise NotYaml(f"holds more than {MOST_NODES} keys and values", line)
        if tag not in (None, "!") and tag not in _PLAIN_TAGS:
            raise NotYaml(f"the tag {quoted(tag)} is not supported (leave it out)", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def compose(text: str) -> yaml.Node | None:
    """The text's only document, or None if there is nothing in it. Raises NotYaml."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise NotYaml(f"the character {quoted(text[exc.position])} is not allowed in YAML", line) from exc
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        raise _explained(exc, text) from exc
    except (ValueError, OverflowError) as exc:
        # PyYAML lets int() and chr() fail on escapes such as "\UFFFFFFFF" and directives such as %YAML 1.999…
        raise NotYaml("not valid YAML: a number or an escape here is out of range", loader.get_mark().line + 1) from exc
    finally:
        loader.dispose()


def _explained(exc: yaml.MarkedYAMLError, text: str) -> NotYaml:
    said = exc.problem or exc.context or "it cannot be read"
    mark = exc.problem_mark or exc.context_mark
    if said == "found unexpected end of stream" and exc.context_mark:
        mark = exc.context_mark
    for pattern, words in _PLAIN_WORDS.items():
        found = re.fullmatch(pattern, said)
        if found:
            said = found.expand(words)
            break
    if mark and exc.context and exc.context.startswith("while parsing a flow") and "${" in _line_of(text, mark):
        said = 'inside [ ] and { }, a value with "${" needs quotes'
    return NotYaml(f"not valid YAML: {said}", mark.line + 1 if mark else None)


def _line_of(text: str, mark: yaml.Mark) -> str:
    lines = text.splitlines()
    return lines[mark.line] if mark.line < len(lines) else ""
