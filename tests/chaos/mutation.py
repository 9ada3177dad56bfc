"""Requests and answers as nobody should write them: valid ones, damaged a little, and heads made of tricks."""

from __future__ import annotations

import random
from collections.abc import Sequence

LENGTHS = [
    b"5", b"0", b"11", b"+5", b"-1", b"5, 5", b"0x5", b"05", b" 5", b"5 ", b"", b"5\x0b", b"18446744073709551621",
    b"5_0",
]  # fmt: skip
CODINGS = [
    b"chunked", b"Chunked", b"chunked ", b"\x0bchunked", b"gzip, chunked", b"identity", b"chunked, chunked", b"x",
    b"",
]  # fmt: skip
NAMES = [
    b"Content-Length", b"content-length", b"Content_Length", b"Content-Length ", b" Content-Length",
    b"Content-Length\t", b"Content-Length\0", b"X\r\nContent-Length", b"X\nContent-Length", b"Transfer-Encoding",
    b"transfer-encoding", b"Transfer_Encoding", b"Transfer-Encoding ", b" Transfer-Encoding",
    b"X: y\rTransfer-Encoding", b"Connection", b"Keep-Alive", b"Host", b"host", b"Hos\xe9", b"X-Forwarded-For",
    b"X_Forwarded_For", b"X-Request-Id", b"Expect", b"Upgrade", b"TE", b"Trailer", b"Cookie", b"X", b"", b"Date",
]  # fmt: skip
VALUES = [
    b"close", b"keep-alive", b"upgrade", b"content-length", b"transfer-encoding, host", b"websocket", b"h2c",
    b"100-continue", b"trailers", b"whisper.test", b"other.test", b"whisper.test:80", b"203.0.113.9", b"\xff\xfe",
    b"a\0b", b"x" * 300,
]  # fmt: skip
ENDS = [b"\r\n"] * 24 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n ", b"\r\n\t", b"\0\r\n", b" \r\n", b""]
COLONS = [b": "] * 12 + [b":", b" : ", b":\t", b"", b"=", b"::", b":\r\n "]
BODIES = [
    b"hello", b"hello world", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"5\nhello\n0\n\n", b"5\r\nhello0\r\n\r\n", b"05\r\nhello\r\n00\r\n\r\n",
    b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", b"", b"0", b"ffffffffffffffff\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\n",
    b"5;\n\r\nhello\r\n0\r\n\r\n",
]  # fmt: skip
PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\x80", b"\xff", b"0", b"5", b"ffffffffffffffff",
    b"-1", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: whisper.test\r\n", b"HTTP/1.1",
    b"HTTP/1.1 200 OK\r\n", b"GET / HTTP/1.1\r\n", b"CONNECT ", b"Upgrade: websocket\r\n",
    b"Connection: upgrade\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"%", b"#", b"x" * 40_000,
    b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"Connection: close\r\n",
    b"Trailer: X\r\n", b"\r\n\r\n", b"HTTP/1.0",
]  # fmt: skip


def damaged(source: random.Random, seeds: Sequence[bytes], most: int = 3) -> bytes:
    """A few of the seeds, with some bytes replaced, inserted, removed, repeated or cut off."""
    data = bytearray(b"".join(source.choices(seeds, k=source.randint(1, most))))
    for _ in range(source.randint(0, 4)):
        at = source.randrange(len(data) + 1)
        upto = min(len(data), at + source.randint(0, 12))
        match source.randrange(7):
            case 0:
                data[at:upto] = bytes([source.randrange(256) for _ in range(upto - at)])
            case 1:
                data[at:at] = source.choice(PIECES)
            case 2:
                del data[at:upto]
            case 3:
                data[at:at] = data[at:upto]
            case 4:
                data[at:upto] = source.choice(PIECES)
            case 5 if upto > at:
                data[at] ^= 1 << source.randrange(8)
            case _:
                if source.random() < 0.3:
                    del data[at:]
    return bytes(data)


def fields(source: random.Random) -> bytes:
    """Some header lines, most of them about where a message ends, and few of them well written."""
    lines = []
    for _ in range(source.randint(0, 4)):
        name = source.choice(NAMES)
        framing = b"ength" in name or b"ncoding" in name
        value = source.choice(LENGTHS if b"ength" in name else CODINGS) if framing else source.choice(VALUES)
        lines.append(name + source.choice(COLONS) + value + source.choice(ENDS))
    return b"".join(lines)


def tricky_request(source: random.Random) -> bytes:
    """A head made of tricks, some body, and a request behind it that a deceived parser would find or miss."""
    first = source.choice([b"POST /sum HTTP/1.1", b"GET /hello HTTP/1.1", b"POST /sum HTTP/1.0", b"PUT /x HTTP/1.1"])
    host = b"Host: whisper.test" + source.choice(ENDS)
    head = first + source.choice(ENDS) + host + fields(source) + source.choice(ENDS)
    behind = b"GET /smuggled HTTP/1.1\r\nHost: whisper.test\r\n\r\n" if source.random() < 0.7 else b""
    return head + source.choice(BODIES) + behind


def tricky_answer(source: random.Random) -> bytes:
    """Likewise, as an engine would say it."""
    first = source.choice(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.0 200 OK", b"HTTP/1.1 304", b"HTTP/1.1 500 X"]
    )
    head = first + source.choice(ENDS) + fields(source) + source.choice(ENDS)
    behind = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled" if source.random() < 0.5 else b""
    return head + source.choice(BODIES) + behind


def parts(source: random.Random, data: bytes) -> list[bytes]:
    """The data as TCP might deliver it."""
    cuts = sorted(source.randrange(len(data) + 1) for _ in range(source.choice([0, 0, 1, 3])))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if end > start]
