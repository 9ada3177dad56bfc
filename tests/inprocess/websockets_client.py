"""WebSockets through the gateway, as a client opens them: with a library, or byte by byte."""

from __future__ import annotations

import base64
import socket
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.fixtures.gateway import Gateway
from tests.fixtures.patience import PATIENCE

UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: whisper.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)).decode() + "\r\n\r\n"
)


def opened(gateway: Gateway, path: str = "/ws", host: str = "whisper.test", **options: Any) -> ClientConnection:
    """A WebSocket through the gateway."""
    sock = socket.create_connection(("127.0.0.1", gateway.port))
    options = {"compression": None, "max_size": None, **options}
    client: ClientConnection = connect(f"ws://{host}{path}", sock=sock, proxy=None, open_timeout=PATIENCE, **options)
    return client


def text_frame(payload: bytes) -> bytes:
    """A client's frame, with a mask of zeros."""
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload
