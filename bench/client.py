"""The clients of the benchmark: raw blocking sockets, the same code on every route.

Timeouts are the kernel's (SO_RCVTIMEO, SO_SNDTIMEO), so that a call blocks in the kernel and costs one system call.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "bench.test"
_BETWEEN = b"\r\n\r\n"


def connect(port: int, timeout: float = 30) -> socket.socket:
    """A blocking connection on loopback. A call that makes no progress for `timeout` seconds raises BlockingIOError."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(None)
    limit = struct.pack("ll", int(timeout), int(timeout % 1 * 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def head(method: str, path: str, *fields: str) -> bytes:
    """A request's head."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def read_answer(sock: socket.socket) -> Answer:
    """One answer with Content-Length. Raises BenchError if it is cut short or does not come."""
    data = b""
    while _BETWEEN not in data:
        data += _receive(sock)
    top, _, body = data.partition(_BETWEEN)
    status_line, *fields = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    if "content-length" not in headers:
        raise BenchError(f"an answer without Content-Length: {status_line}")
    while len(body) < int(headers["content-length"]):
        body += _receive(sock)
    return Answer(int(status_line.split(" ")[1]), headers, body)


def ask(port: int, request: bytes, timeout: float = 30) -> Answer:
    """One request on its own connection. Raises BenchError unless the status is 200."""
    with connect(port, timeout) as sock:
        sock.sendall(request)
        answer = read_answer(sock)
    if answer.status != 200:
        request_line = request.split(b"\r\n")[0].decode()
        raise BenchError(f"{request_line} was answered {answer.status}: {answer.body[:300]!r}")
    return answer


def _receive(sock: socket.socket) -> bytes:
    try:
        data = sock.recv(65536)
    except BlockingIOError as exc:
        raise BenchError("no answer came in time") from exc
    if not data:
        raise BenchError("the connection was closed before the answer was complete")
    return data


class Body:
    """A request's body: one small file, kept in the page cache, that is sent again and again with sendfile(2).

    Sending costs the client nearly nothing, so that on a machine with few cores the proxy and the backend have them.
    """

    PIECE = 4_000_000
    CHUNK = 50_000

    def __init__(self, size: int, *, chunked: bool = False) -> None:
        """size: bytes of payload, a multiple of PIECE."""
        self.size = size
        self.field = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        self._end = b"0\r\n\r\n" if chunked else b""
        self._times = size // self.PIECE
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        for part in self._framed() if chunked else [bytes(self.PIECE)]:
            self._file.write(part)
        self._file.flush()
        self._file_size = self._file.tell()

    def _framed(self) -> Iterator[bytes]:
        for _ in range(self.PIECE // self.CHUNK):
            yield b"%x\r\n%s\r\n" % (self.CHUNK, bytes(self.CHUNK))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def send(self, sock: socket.socket) -> int:
        """Sends until all is sent, or the other side takes no more for the socket's timeout. Returns bytes sent."""
        out, source, sent = sock.fileno(), self._file.fileno(), 0
        for _ in range(self._times):
            offset = 0
            while offset < self._file_size:
                try:
                    step = os.sendfile(out, source, offset, self._file_size - offset)
                except BlockingIOError:
                    return sent
                offset += step
                sent += step
        sock.sendall(self._end)
        return sent


def upload(port: int, body: Body) -> float:
    """Sends the body to /upload and returns the seconds until the whole answer was there.

    Raises BenchError unless the backend counted every byte.
    """
    begin = time.monotonic()
    with connect(port) as sock:
        try:
            sock.sendall(head("POST", "/upload", body.field))
            body.send(sock)
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise BenchError("the connection was closed during the upload") from exc
        answer = read_answer(sock)
    seconds = time.monotonic() - begin
    if answer.status != 200 or int(answer.body) != body.size:
        raise BenchError(f"an upload of {body.size} bytes was answered {answer.status}: {answer.body[:300]!r}")
    return seconds
