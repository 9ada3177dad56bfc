"""Was anything forwarded that two parsers could understand differently? A judgement over one connection's bytes."""

from __future__ import annotations

import re

import h11

from tests.chaos import strict
from tests.chaos.strict import Said

Seen = tuple[bytes, bytes, bytes]
"""Method, target in origin form, body."""


def seen_in(one: Said) -> Seen:
    method, target, _ = one.first
    absolute = re.match(rb"(?i)https?://[^/?]*", target)
    if absolute:
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    return method, target, one.body


def by_h11(data: bytes) -> tuple[list[Seen], bool]:
    """The requests that another parser finds in these bytes; and whether it then finds something wrong."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    found: list[Seen] = []
    method, target = b"", b""
    parts: list[bytes] = []
    while True:
        try:
            match connection.next_event():
                case h11.Request() as request:
                    method, target, parts = bytes(request.method), bytes(request.target), []
                case h11.Data() as piece:
                    parts.append(bytes(piece.data))
                case h11.EndOfMessage():
                    found.append((method, target, b"".join(parts)))
                case h11.PAUSED:
                    if not _go_on(connection):
                        return found, True  # it reads no second request here, as after any of HTTP/1.0
                case _:
                    return found, False
        except h11.RemoteProtocolError:
            return found, True


def _go_on(connection: h11.Connection) -> bool:
    """Answers, so that the next request may come."""
    if connection.states[h11.SERVER] is not h11.SEND_RESPONSE:
        return False
    connection.send(h11.Response(status_code=200, headers=[(b"Content-Length", b"0")]))
    if connection.states[h11.SERVER] is h11.SWITCHED_PROTOCOL:  # CONNECT
        return False
    connection.send(h11.EndOfMessage())
    if connection.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
        return False
    connection.start_next_cycle()
    return True


def by_a_naive_engine(data: bytes) -> list[Seen]:
    """As a careless server reads it: any line end will do, `_` is `-`, the last of several wins, chunked beats all."""
    found = []
    while data:
        head, _, data = (
            re.split(rb"(\r?\n\r?\n)", data, maxsplit=1) if re.search(rb"\r?\n\r?\n", data) else (data, b"", b"")
        )
        first, *lines = re.split(rb"\r?\n|\r", head)
        pairs = [line.partition(b":") for line in lines]
        said = {name.strip(b" \t\0").lower().replace(b"_", b"-"): value.strip() for name, _, value in pairs}
        body = b""
        if b"chunked" in said.get(b"transfer-encoding", b"").lower():
            while True:
                size_line, _, data = data.partition(b"\n")
                size = int(size_line.split(b";")[0].strip() or b"0", 16)
                if not size:
                    break
                body, data = body + data[:size], data[size:].removeprefix(b"\r").removeprefix(b"\n")
            while data:
                line, _, data = data.partition(b"\n")
                if not line.strip(b"\r"):
                    break
        elif length := said.get(b"content-length"):
            body, data = data[: int(length)], data[int(length) :]
        words = first.split()
        found.append((words[0], words[1], body))
    return found


def complaints(sent: bytes, heard: list[bytes]) -> list[str]:
    """What is wrong about what engines heard, one connection each, when a client sent this. Empty: nothing."""
    found: list[str] = []
    by_letter, _ = strict.requests(sent)
    allowed = [seen_in(one) for one in by_letter]
    others, gave_up = by_h11(sent)
    for data in heard:
        forwarded, rest = strict.requests(data)
        if rest and not _is_beginning(rest):
            found.append(f"an engine heard what is no request: {rest[:200]!r}")
            continue
        whole = data[: len(data) - len(rest)]
        for one in forwarded:
            seen = seen_in(one)
            if seen not in allowed:
                found.append(f"forwarded, though by RFC 9112 nobody asked for it: {seen!r:.300}")
            if not gave_up and seen not in [(m, _origin(t), b) for m, t, b in others]:
                found.append(f"forwarded, though h11 finds no such request: {seen!r:.300}")
            found += [f"an engine could take {n!r} for framing" for n in map(_as_cgi, one.fields) if n is not None]
        if by_h11(whole)[0] != [seen_in(one) for one in forwarded]:
            found.append(f"h11 would read something else from {whole[:300]!r}")
        if by_a_naive_engine(whole) != [seen_in(one) for one in forwarded]:
            found.append(f"a naive engine would read something else from {whole[:300]!r}")
    return found


def _origin(target: bytes) -> bytes:
    return seen_in(Said((b"", target, b""), []))[1]


def _as_cgi(pair: tuple[bytes, bytes]) -> bytes | None:
    name = pair[0]
    plain = name.replace(b"_", b"-")
    return name if plain != name and plain in (b"content-length", b"transfer-encoding", b"host") else None


def _is_beginning(rest: bytes) -> bool:
    """Whether it could become a request. One whose upload breaks off stays the beginning of one."""
    try:
        strict.Reader(rest).request()
    except strict.Unfinished:
        return True
    except strict.Wrong:
        return False
    return True
