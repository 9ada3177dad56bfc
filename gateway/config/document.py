"""A configuration file as plain data, with the line of each setting and the problems of the file itself.

Mappings become dicts, sequences lists, scalars texts with variables filled in. Aliases and merge keys are expanded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.config.problems import Path, Problem
from gateway.config.substitution import substitute
from gateway.config.yaml_nodes import DEEPEST, MERGE, MOST_NODES, NULL, NotYaml, compose

MOST_CHARACTERS = 4 * 1024 * 1024
"""All values together, once aliases and variables are filled in."""


class Unusable:
    """Stands where a value was found wrong already, so that it is neither missing nor reported again."""


UNUSABLE = Unusable()

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Document:
    """data: of the top level. problems: found so far; the paths with a problem hold UNUSABLE or their first value."""

    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int | None:
        """The line where a setting is written; for one that is not, that of the section where it would be."""
        return next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)

    def has(self, path: Path) -> bool:
        return path in self.lines


def read_document(text: str, environment: Mapping[str, str]) -> Document:
    """Raises NotYaml if there is nothing to go on with."""
    root = compose(text)
    if root is None or root.tag == NULL:
        raise NotYaml("the file is empty (at least `engines` is needed)")
    document = Document()
    document.data = _Expansion(document, environment).value(root, (), root.start_mark.line + 1)
    return document


class _Expansion:
    """Walks the nodes once. What aliases make of a small file is bounded here."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
        self._nodes = self._characters = 0

    def value(self, node: yaml.Node, path: Path, line: int) -> Any:
        self._document.lines[path] = line
        self._count(path, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, n), max(line, _line(item))) for n, item in enumerate(node.value)]
        return self._scalar(node, path, line)

    def _scalar(self, node: yaml.Node, path: Path, line: int) -> Any:
        if node.tag == NULL:
            return self._wrong('a value is missing (remove the line, or write "" for an empty text)', path, line)
        try:
            text = substitute(node.value, self._environment)
        except ValueError as exc:
            return self._wrong(str(exc), path, line)
        self._characters += len(text)
        if self._characters > MOST_CHARACTERS:
            raise NotYaml(f"its values make more than {MOST_CHARACTERS} characters", line)
        if not _is_unicode(text):
            return self._wrong("this value is not Unicode text", path, line)
        return text

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data = {}
        for key, (key_node, value_node) in self._entries(node, path).items():
            line = _line(key_node)
            if isinstance(value_node, yaml.ScalarNode):
                line = max(line, _line(value_node))  # an alias is shown where it is used, not where it leads
            data[key] = self.value(value_node, (*path, key), line)
        return data

    def _entries(self, node: yaml.MappingNode, path: Path) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Keys and values, merged ones included. What is written wins over what is merged, as in YAML 1.1."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            self._count(path, line)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == NULL or not _is_unicode(key_node.value):
                self._wrong("a name is expected before this colon", path, line)
            elif key_node.value in own:
                first = _line(own[key_node.value][0])
                self._wrong(f"given twice (first on line {first})", (*path, key_node.value), line)
            else:
                own[key_node.value] = (key_node, value_node)
        key_node, value_node = own.get("<<", (None, None))
        if key_node is None or value_node is None or key_node.tag != MERGE:
            return own
        del own["<<"]
        for merged in self._merged(value_node, path, _line(key_node)):
            own = {**merged, **own}
        return own

    def _merged(self, node: yaml.Node, path: Path, line: int) -> list[dict[str, tuple[yaml.Node, yaml.Node]]]:
        merged = []
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            self._count((*path, "<<"), line)
            if isinstance(source, yaml.MappingNode):
                merged.append(self._entries(source, (*path, "<<")))
            else:
                self._wrong('"<<" takes the alias of a group of settings, or a list of them', path, line)
        return merged

    def _count(self, path: Path, line: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise NotYaml(f"its aliases make more than {MOST_NODES} values", line)
        if len(path) > DEEPEST:
            raise NotYaml("an alias holds itself", line)

    def _wrong(self, message: str, path: Path, line: int) -> Unusable:
        self._document.problems.append(Problem(message, path, line))
        return UNUSABLE


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_unicode(text: str) -> bool:
    return _HALF_A_CHARACTER.search(text) is None
