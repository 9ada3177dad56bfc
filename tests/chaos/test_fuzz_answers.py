"""Whatever an engine says: no crash, no hang, and no client takes for a whole answer what is none."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import uvloop

from tests.chaos import strict
from tests.chaos.judge_answers import End, by_h11, by_letter, complaints, is_gateways_own
from tests.chaos.mutation import damaged, parts, tricky_answer
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.chaos.wires import Line, Wires, wired

HOST = b"Host: whisper.test\r\n"
REQUESTS = [
    b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n",
    b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET /a HTTP/1.0\r\n" + HOST + b"\r\n",
    b"GET /a HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
    b"GET /a HTTP/1.1\r\n" + HOST + b"TE: trailers\r\nConnection: close\r\n\r\n",
    b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = [
    GOOD,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil I close",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\n\r\nold",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + GOOD,
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a\x88\x00",
    b"HTTP/1.1 401 Unauthorized\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
]


class Liar:
    """An engine that says its piece to every request, and then goes on listening, closes, or resets."""

    def __init__(self, source: random.Random) -> None:
        self.piece = random.Random(source.random())
        self.said = damaged(source, ANSWERS, most=2) if source.random() < 0.6 else tricky_answer(source)
        self.end: End = source.choice(["open", "closed", "reset"])
        self.asked = 0

    def __call__(self, line: Line) -> None:
        said, _ = strict.requests(line.heard)
        if len(said) > line.answered:
            line.answered = len(said)
            self.asked += 1
            asyncio.get_running_loop().call_soon(self._speak, line, parts(self.piece, self.said))

    def _speak(self, line: Line, left: list[bytes]) -> None:
        if left:
            line.say(left[0])
            asyncio.get_running_loop().call_soon(self._speak, line, left[1:])
        elif self.end != "open":
            line.hang_up(None if self.end == "closed" else ConnectionResetError())


def honest(line: Line) -> None:
    said, _ = strict.requests(line.heard)
    if len(said) > line.answered:
        line.answered = len(said)
        asyncio.get_running_loop().call_soon(line.say, GOOD)


async def judge(wires: Wires, source: random.Random) -> str:
    """Raises AssertionError for anything that must not be. Returns what became of the request, in a word."""
    client, end_of_client = wires.connect()
    if source.random() < 0.4:  # so that the next request finds a kept connection
        wires.engine = honest
        client.data_received(REQUESTS[0])
        assert await wires.quiet()
        assert end_of_client.written.endswith(b"ok")
        end_of_client.written = b""
    wires.engine = liar = Liar(source)
    request = source.choice(REQUESTS)
    client.data_received(request)
    assert await wires.quiet(), "it does not come to rest"
    told, end = end_of_client.written, end_of_client.how_it_ended
    client.connection_lost(None)
    assert await wires.ended(), "it goes on though the client has left"
    for line in wires.take_lines():
        line.hang_up()
    method = request.split(b" ")[0]
    meant = [by_h11(liar.said, method, liar.end), by_letter(liar.said, method, liar.end)]
    found = complaints(method, meant, liar.end, told, end)
    assert found == [], f"{request!r} {liar.said!r} {liar.end} {told!r} {end}"
    assert wires.blunders == []
    answers, _ = strict.answers(told, [method]) if not told.startswith(b"HTTP/1.1 101") else ([], b"")
    if not answers:
        return "tunnel" if told.startswith(b"HTTP/1.1 101") else "cut" if end != "open" else "waits"
    return "refused" if is_gateways_own(answers[0]) else "passed on"


def test_fuzz_of_answers(trial: Trial, source: random.Random, tmp_path: Path) -> None:
    trial.must("no crash, no hang, no answer that is taken for another")
    count = scaled(8000, 1_000_000)
    became: Counter[str] = Counter()

    async def fuzz() -> None:
        async with wired(tmp_path, replay=False) as wires:
            for _ in range(count):
                became[await judge(wires, source)] += 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(fuzz())
    trial.measured(f"{count:,} inputs: {dict(became.most_common())}")
    assert min(became[word] for word in ("refused", "passed on", "cut")) > count / 100
