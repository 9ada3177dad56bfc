"""Talks to a running gateway's admin address, for the command line."""

from __future__ import annotations

from typing import Any

import httpx

PATIENCE = httpx.Timeout(10, read=None)
"""A wake takes as long as the engine's start timeout; the gateway always ends it."""


class ControlError(Exception):
    """What to tell the person at the terminal, in one line."""


def call(method: str, path: str, admin: str) -> dict[str, Any]:
    """The JSON answer; text answers come as {"text": ...}. Raises ControlError."""
    try:
        answer = httpx.request(method, f"http://{admin}{path}", timeout=PATIENCE, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ControlError(f"no gateway answers on {admin} ({error}); is `whisper-gateway serve` running?") from error
    match answer.headers.get("content-type", "").partition(";")[0]:
        case "application/problem+json":
            problem = answer.json()
            raise ControlError(f"{problem['detail']} ({problem['code']})")
        case "text/plain" if answer.is_success:
            return {"text": answer.text}
        case "application/json":
            content: dict[str, Any] = answer.json()
            return content
        case _:
            raise ControlError(f"what answers on {admin} is not a whisper-gateway")
