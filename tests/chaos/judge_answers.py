"""Did a client get what the engine said, or notice that it did not? A judgement over one exchange's bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import h11

from tests.chaos import strict
from tests.chaos.strict import Said

End = Literal["open", "closed", "reset"]
"""How a connection stands after the last byte."""


@dataclass(frozen=True)
class Meant:
    """What another parser finds in an engine's bytes. kind: of a whole answer its status and body are told, too."""

    kind: Literal["whole", "unfinished", "wrong"]
    status: int = 0
    body: bytes = b""


def by_h11(said: bytes, method: bytes, end: End) -> Meant:
    """The first final answer to a request of this method."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    status, parts = 0, []
    said = _without_phrases(said)
    try:
        if said:
            connection.receive_data(said)
        while True:
            match connection.next_event():
                case h11.Response() as answer:
                    status = answer.status_code
                case h11.Data() as piece:
                    parts.append(bytes(piece.data))
                case h11.EndOfMessage():
                    return Meant("whole", status, b"".join(parts))
                case h11.InformationalResponse():
                    pass
                case h11.NEED_DATA if end == "closed" and not connection.trailing_data[1]:
                    connection.receive_data(b"")
                case _:
                    return Meant("unfinished", status)
    except h11.RemoteProtocolError:
        closed_too_early = end == "closed" and connection.trailing_data[1]
        return Meant("unfinished" if closed_too_early else "wrong", status)


def by_letter(said: bytes, method: bytes, end: End) -> Meant:
    """The same, by RFC 9112 alone, where h11 also objects to what a trailer is called."""
    reader = strict.Reader(_without_phrases(said))
    try:
        while (answer := reader.answer(method)).first[0].startswith(b"1"):
            pass
    except strict.Unfinished:
        return Meant("unfinished")
    except strict.Wrong:
        return Meant("wrong")
    if answer.ends and end != "closed":
        return Meant("unfinished")
    return Meant("whole", int(answer.first[0]), answer.body)


def _without_phrases(said: bytes) -> bytes:
    """As good as the same, to us: no phrase is ever passed on, and empty lines between answers mean nothing."""
    said = said.lstrip(b"\r\n")
    first = re.match(rb"(HTTP/1\.[01] ([1-9])\d\d)(?: [^\r\n]*)?\r\n", said)
    if first is None:
        return said
    rest = said[first.end() :]
    end = 2 if rest.startswith(b"\r\n") else rest.find(b"\r\n\r\n") + 4
    if first[2] == b"1" and end != 3:
        rest = rest[:end] + _without_phrases(rest[end:])
    return first[1] + b" OK\r\n" + rest


def complaints(method: bytes, meant: list[Meant], engine_end: End, told: bytes, end: End) -> list[str]:
    """What is wrong about what a client was told. Empty: nothing.

    meant: what the engine said, each time that it was asked. end: of the client's connection.
    """
    if b"\r\n\r\n" in told and told.startswith(b"HTTP/1.1 101 "):
        return []  # a tunnel: what the engine says is no HTTP any more
    try:
        answers, rest = strict.answers(told, [method])
    except strict.Wrong as wrong:
        return [f"the client is told what is no HTTP: {wrong}"]
    if len(answers) > 1:
        return [f"{len(answers)} answers to one request"]
    if not answers:
        return _of_no_answer(meant, engine_end, rest, end)
    (answer,) = answers
    if answer.ends and end == "open":
        return [] if engine_end == "open" else ["the end of a body is never said"]
    if answer.ends and end == "reset":
        return []  # noticed
    if is_gateways_own(answer):
        return [] if any(one.kind != "whole" for one in meant) or _is_stricter(meant) else ["a good answer was refused"]
    if any(_is_same(answer, one) for one in meant):
        return []
    return [f"the client takes this for a whole answer: {answer}, though the engine meant {meant}"]


def is_gateways_own(answer: Said) -> bool:
    return answer.all(b"content-type") == [b"application/problem+json"]


def _of_no_answer(meant: list[Meant], engine_end: End, rest: bytes, end: End) -> list[str]:
    if end == "open":
        waits = engine_end == "open" and (rest or any(one.kind == "unfinished" for one in meant))
        return [] if waits else ["the client waits for ever"]
    if not rest:
        return ["the client is told nothing"]
    if all(one.kind == "whole" for one in meant) and not _is_stricter(meant):
        return ["a good answer was cut"]
    return []


def _is_same(answer: Said, one: Meant) -> bool:
    return one.kind == "whole" and one.status == int(answer.first[0]) and one.body == answer.body


def _is_stricter(meant: list[Meant]) -> bool:
    """The gateway may refuse more than h11 does; whoever looks for what it refuses without need makes this False."""
    return bool(meant)
