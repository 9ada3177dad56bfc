"""WebSockets by hand (RFC 6455): an echo that can also close with any code, or die. Only the standard library.

Text and binary messages come back as they are, and fragments come back as fragments. The text `close:CODE:REASON`
closes with that code, `die` ends the process, `ping` sends a ping, `drop` cuts the connection without a close frame.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct

from wire import BadFramingError, Exchange, head_of_answer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
Frame = tuple[bool, int, bytes]


async def echo(exchange: Exchange) -> None:
    """GET /ws: accept the upgrade and send every message back until one side closes."""
    head = exchange.head
    exchange.keep_alive = False
    if head.get("upgrade").lower() != "websocket" or not head.get("sec-websocket-key"):
        await exchange.json({"error": "this is a WebSocket"}, status=426)
        return
    accept = base64.b64encode(hashlib.sha1((head.get("sec-websocket-key") + GUID).encode()).digest()).decode()
    lines = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if offered := head.get("sec-websocket-protocol"):
        lines.append(("Sec-WebSocket-Protocol", offered.split(",")[0].strip()))
    await exchange.send(head_of_answer(101, lines))
    while True:
        try:
            last, opcode, payload = await receive(exchange.reader)
        except asyncio.IncompleteReadError:
            return
        for frame in replies(last, opcode, payload):
            await exchange.send(encode(*frame))
            if frame[1] == CLOSE:
                return
        if opcode == TEXT and payload == b"drop":
            exchange.writer.transport.abort()
            return


def replies(last: bool, opcode: int, payload: bytes) -> list[Frame]:  # noqa: FBT001 - a frame's FIN bit
    """What is sent back for one frame."""
    if opcode == CLOSE:
        return [(True, CLOSE, payload[:2])]
    if opcode == PING:
        return [(True, PONG, payload)]
    if opcode == PONG or payload == b"drop":
        return []
    if opcode == TEXT and payload == b"die":
        os._exit(7)
    if opcode == TEXT and payload == b"ping":
        return [(True, PING, b"from the engine")]
    if opcode == TEXT and payload.startswith(b"close:"):
        _, code, reason = payload.split(b":", 2)
        return [(True, CLOSE, struct.pack(">H", int(code)) + reason)]
    return [(last, opcode, payload)]


async def receive(reader: asyncio.StreamReader) -> Frame:
    """One frame from a client, unmasked."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", await reader.readexactly(8))
    if not second & 0x80:
        raise BadFramingError("a client's frame must be masked")
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(length)
    return bool(first & 0x80), first & 0x0F, unmasked(payload, mask)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as one big number: fast enough for megabytes."""
    if not payload:
        return b""
    pattern = mask * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(pattern[: len(payload)], "big")
    return number.to_bytes(len(payload), "big")


def encode(last: bool, opcode: int, payload: bytes) -> bytes:  # noqa: FBT001 - a frame's FIN bit
    """A server's frame: never masked."""
    first = (0x80 if last else 0) | opcode
    if len(payload) < 126:
        head = struct.pack(">BB", first, len(payload))
    elif len(payload) < 65536:
        head = struct.pack(">BBH", first, 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, 127, len(payload))
    return head + payload


async def refuse(exchange: Exchange) -> None:
    """GET /no-ws: the upgrade is answered with 403."""
    exchange.keep_alive = False
    await exchange.json({"error": "no WebSocket here"}, status=403)
