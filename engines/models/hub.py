"""Fetches models from the Hugging Face hub. The only importer of its library, which takes a while: import it in a
worker thread.

What is in the cache is used as it is, without asking the hub whether there is something newer: an engine that is woken
by a request, perhaps on a machine without internet access, should not begin with a conversation.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from engines.models.sources import place_of

_FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
"""What faster-whisper reads; some repositories hold the same model in other formats, too."""


def fetch(source: str) -> str:
    """The folder in the cache that holds this model, which is fetched if it is not there. Seconds to minutes.

    Raises what the library raises, reasons.py explains.
    """
    _limit_waiting()
    name = place_of(source)
    return _cached(name) or huggingface_hub.snapshot_download(name, allow_patterns=_FILES)


def _cached(name: str) -> str | None:
    try:
        folder = huggingface_hub.snapshot_download(name, allow_patterns=_FILES, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    # Older versions of the library return what an interrupted download left.
    return folder if (Path(folder) / "model.bin").exists() else None


def secrets() -> list[str]:
    """What must never be told."""
    token = huggingface_hub.get_token()
    return [token] if token else []


def cache() -> str:
    return constants.HF_HUB_CACHE


def address() -> str:
    """Of the hub, as it is told: without a password that may be part of it."""
    scheme, _, rest = constants.ENDPOINT.rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


@functools.cache
def _limit_waiting() -> None:
    """The library (2.4, and since 1.0) asks what a repository holds without a time limit: a hub that accepts
    connections and says nothing would keep us loading for ever.
    """
    try:
        from huggingface_hub import set_client_factory  # noqa: PLC0415  not in versions before 1.0
        from huggingface_hub.utils._http import default_client_factory  # noqa: PLC0415
    except ImportError:
        return

    def client_with_limits() -> Any:
        client = default_client_factory()
        client.event_hooks = {**client.event_hooks, "request": [*client.event_hooks["request"], _limit]}
        return client

    set_client_factory(client_with_limits)


def _limit(request: Any) -> None:
    """Fill in the limits (connect, read, write, pool) that the caller left open."""
    limits = request.extensions.get("timeout", {})
    given = {name: seconds for name, seconds in limits.items() if seconds is not None}
    usual = dict.fromkeys(("connect", "read", "write", "pool"), float(constants.HF_HUB_ETAG_TIMEOUT))
    request.extensions["timeout"] = usual | given
