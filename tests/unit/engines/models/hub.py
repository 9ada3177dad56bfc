"""A Hugging Face hub of our own, with one model on it and a will of its own."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of `folder` as the repository `ours/whisper`.

    status, error_code, error_message: what everything is answered with instead, if not 200. cut: connections break off
    in the middle of files. silent: nothing is answered at all.
    """

    repository = "ours/whisper"

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.status = 200
        self.error_code: str | None = None
        self.error_message = "no"
        self.cut = False
        self.silent = False
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.end = threading.Event()
        self.address = ""


@contextmanager
def running(folder: Path, host: str = "127.0.0.1") -> Iterator[Hub]:
    hub = Hub(folder)

    with ThreadingHTTPServer((host, 0), type("Handler", (_Handler,), {"hub": hub})) as server:
        hub.address = f"http://{host}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.end.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, *, body: bool) -> None:
        hub = self.hub
        hub.asked.append(self.path)
        hub.tokens.add(self.headers.get("authorization", ""))
        if hub.silent:
            hub.end.wait()
            self.close_connection = True
            return
        if hub.status != 200:
            headers = {"X-Error-Code": hub.error_code} if hub.error_code else {}
            self._answer(hub.status, json.dumps({"error": hub.error_message}).encode(), headers)
            return
        path = self.path.partition("?")[0]
        if re.fullmatch(rf"/api/models/{hub.repository}(/revision/\w+)?", path):
            self._json({"id": hub.repository, "sha": COMMIT, "siblings": [{"rfilename": n} for n in hub.files]})
        elif path == f"/api/models/{hub.repository}/tree/{COMMIT}":
            self._json([_entry(name, content) for name, content in hub.files.items()])
        elif (name := path.removeprefix(f"/{hub.repository}/resolve/{COMMIT}/")) in hub.files:
            self._file(hub.files[name], body=body)
        else:
            known = path.startswith(f"/{hub.repository}/resolve/{COMMIT}/")
            self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, content: bytes, *, body: bool) -> None:
        headers = {"ETag": f'"{_digest(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if self.hub.cut else content)
            self.close_connection = self.hub.cut

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


def _digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "oid": _digest(content), "size": len(content)}
