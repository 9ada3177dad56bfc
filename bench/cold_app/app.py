"""An app that is ready 300 ms after its start and says when that was. Standard library only; runs in a container.

Every answer carries the CLOCK_MONOTONIC time (ns) at which the app began to listen, as header and as body. Containers
share that clock with their host.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

BOOT = 0.3


def serve(connection: socket.socket, answer: bytes) -> None:
    """Answers every request on one connection; none has a body."""
    data = b""
    with connection:
        while more := connection.recv(65536):
            data += more
            while b"\r\n\r\n" in data:
                data = data.partition(b"\r\n\r\n")[2]
                connection.sendall(answer)


def main() -> None:
    # The first process of a container has no default action for SIGTERM; without this, each stop takes ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(BOOT)
    with socket.create_server(("0.0.0.0", 8000), backlog=128) as server:
        stamp = b"%d" % time.monotonic_ns()
        answer = b"HTTP/1.1 200 OK\r\nX-Listening-Since: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            stamp,
            len(stamp),
            stamp,
        )
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, answer), daemon=True).start()


if __name__ == "__main__":
    main()
