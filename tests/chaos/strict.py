"""HTTP/1.1 by the letter of RFC 9112, and nothing beside it: a second opinion on what a stream of bytes says.

Slow and simple, and shares no code with what it judges. What no two parsers understand differently is let pass: empty
lines before a request (section 2.2), and more than one space between the words of its first line (section 3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) +([\x21-\x7e]+) +HTTP/1\.([01])\r\n" % _TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*\r\n")
_FIELD = re.compile(
    rb"(%s):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*\r\n" % _TOKEN
)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_LENGTH = re.compile(rb"[0-9]{1,20}")

Fields = list[tuple[bytes, bytes]]


class Wrong(Exception):
    """These bytes are not HTTP/1.1."""


class Unfinished(Exception):
    """These bytes are the beginning of something."""


@dataclass
class Said:
    """One request or answer. fields: names in lower case. ends: whether its end is the connection's."""

    first: tuple[bytes, ...]
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    ends: bool = False

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]


class Reader:
    """Takes messages off the front of `data`."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> bytes:
        return self.data[self.at :]

    def request(self) -> Said:
        """The next whole request. Raises Wrong and Unfinished."""
        self.at = len(self.data) - len(self.left.lstrip(b"\r\n"))
        method, target, minor = self._match(_REQUEST_LINE)
        said = Said((method, target, minor), self._fields())
        if len(said.all(b"host")) != 1 and not (minor == b"0" and not said.all(b"host")):
            raise Wrong("Host")
        self._body(said, chunked=minor == b"1")
        return said

    def answer(self, method: bytes) -> Said:
        """The next whole answer, to a request of this method; of one that ends with its connection: what there is."""
        (status,) = self._match(_STATUS_LINE)
        said = Said((status,), self._fields())
        if status[:1] == b"1" or status in (b"204", b"304") or method == b"HEAD":
            self._framing(said)
        elif not said.all(b"transfer-encoding") and not said.all(b"content-length"):
            said.body, said.ends, self.at = self.left, True, len(self.data)
        else:
            self._body(said, chunked=True)
        return said

    def _match(self, wanted: re.Pattern[bytes]) -> tuple[bytes, ...]:
        found = wanted.match(self.data, self.at)
        if found is None:
            if b"\n" in self.left or len(self.left) > 100_000:
                raise Wrong(self.left[:80])
            raise Unfinished(self.left[:80])
        self.at = found.end()
        return found.groups()

    def _fields(self) -> Fields:
        fields = []
        while not self.data.startswith(b"\r\n", self.at):
            if self.left in (b"", b"\r"):
                raise Unfinished
            name, value = self._match(_FIELD)
            fields.append((name.lower(), value or b""))
        self.at += 2
        return fields

    def _framing(self, said: Said) -> tuple[list[bytes], list[bytes]]:
        codings, lengths = said.all(b"transfer-encoding"), said.all(b"content-length")
        if codings and (lengths or [coding.lower() for coding in codings] != [b"chunked"]):
            raise Wrong("Transfer-Encoding")
        if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0])):
            raise Wrong("Content-Length")
        return codings, lengths

    def _body(self, said: Said, *, chunked: bool) -> None:
        codings, lengths = self._framing(said)
        if codings:
            if not chunked:
                raise Wrong("Transfer-Encoding in HTTP/1.0")
            self._chunks(said)
        elif lengths:
            said.body = self._take(int(lengths[0]))

    def _chunks(self, said: Said) -> None:
        parts = []
        while size := int(self._match(_CHUNK)[0], 16):
            parts.append(self._take(size))
            if not self.data.startswith(b"\r\n", self.at):
                raise Unfinished if len(self.left) < 2 and b"\r\n".startswith(self.left) else Wrong("chunk")
            self.at += 2
        said.body = b"".join(parts)
        said.trailers = self._fields()

    def _take(self, size: int) -> bytes:
        if len(self.left) < size:
            raise Unfinished
        self.at += size
        return self.data[self.at - size : self.at]


def requests(data: bytes) -> tuple[list[Said], bytes]:
    """All whole requests before the first that is wrong or unfinished, and the rest."""
    reader = Reader(data)
    said: list[Said] = []
    while True:
        begin = reader.at
        try:
            said.append(reader.request())
        except (Wrong, Unfinished):
            return said, data[begin:]


def answers(data: bytes, methods: Sequence[bytes]) -> tuple[list[Said], bytes]:
    """All whole final answers to requests of these methods; the rest, the beginning of one. Raises Wrong."""
    reader = Reader(data)
    said: list[Said] = []
    begin = 0
    try:
        while reader.left:
            method = methods[len(said)] if len(said) < len(methods) else b"GET"
            one = reader.answer(method)
            begin = reader.at
            if not one.first[0].startswith(b"1"):
                said.append(one)
    except Unfinished:
        return said, data[begin:]
    return said, b""
