"""How an error looks to the one who gets it: OpenAI's envelope, an HTML page, or problem+json (RFC 9457).

Programs that speak OpenAI's API find their envelope under /v1/, browsers get a page, everybody else a problem.
"""

from __future__ import annotations

import html
import json
import math
from typing import Any

from gateway.errors import AskedWrongly, GatewayError, KeyRefused

Refusal = tuple[int, list[tuple[bytes, bytes]], bytes]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}}
code{{color:#666}}
</style>
<h1>{title}</h1><p>{message}</p><p><code>{status} {code}</code></p></html>
"""


def refusal(error: GatewayError, scope: dict[str, Any] | None = None) -> Refusal:
    """Status, headers and body for this error, in the dialect of the request (`scope` of an HTTP request, if any)."""
    path: str = scope["path"] if scope else ""
    if path.startswith("/v1/"):
        content_type, text = b"application/json", _openai(error)
    elif scope and _wants_page(scope):
        content_type, text = b"text/html; charset=utf-8", _page(error)
    else:
        content_type, text = b"application/problem+json", _problem(error)
    body = text.encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-gateway-error", error.code.encode()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", _challenge(error)))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    return error.status, headers, body


def _challenge(error: GatewayError) -> bytes:
    """RFC 6750 section 3. Browsers know no dialog for this scheme, so that none opens for a program's wrong key."""
    challenge = b'Bearer realm="whisper-gateway"'
    return challenge + b', error="invalid_token"' if isinstance(error, KeyRefused) else challenge


def _wants_page(scope: dict[str, Any]) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _openai(error: GatewayError) -> str:
    kind = "invalid_request_error" if isinstance(error, AskedWrongly) else "server_error"
    return json.dumps({"error": {"message": error.message, "type": kind, "param": None, "code": error.code}})


def _problem(error: GatewayError) -> str:
    problem = {"type": "about:blank", "title": error.title, "status": error.status}
    return json.dumps({**problem, "detail": error.message, "code": error.code})


def _page(error: GatewayError) -> str:
    title, message = html.escape(error.title), html.escape(error.message)
    return _PAGE.format(title=title, message=message, status=error.status, code=error.code)
