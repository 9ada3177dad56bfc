"""whisper-gateway: one door for self-hosted speech-to-text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.config import Config, load_config
from gateway.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    from gateway.app import create_app

__all__ = ["Config", "ConfigError", "GatewayError", "create_app", "load_config"]


def __getattr__(name: str) -> Any:
    """`create_app` brings the whole gateway along; whoever only reads a configuration does not wait for that."""
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gateway.app import create_app  # noqa: PLC0415

    return create_app
