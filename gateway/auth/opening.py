"""May the gateway open at this address? Only if strangers could be told from others there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gateway.auth.key_file import KeyFile, KeyTrouble
from gateway.auth.keys import KeyState
from gateway.config.schema import GatewaySettings


def problem_with_opening(file: Path, settings: GatewaySettings, *, for_sure: bool = True) -> str | None:
    """Why the gateway must not start with these settings and the keys there are, in one line; None if it may.

    file: where the settings were read from. for_sure: also if the keys cannot be read where they change nothing;
    whoever only checks the settings need not be allowed to.
    """
    if not for_sure and objection(settings, 0) is None:
        return None
    try:
        keys, _ = KeyFile(settings.state_dir).read()
    except KeyTrouble as trouble:
        return str(trouble)
    now = datetime.now(UTC)
    refused = objection(settings, sum(key.state_at(now) is KeyState.ACTIVE for key in keys))
    return refused and f"{file} {refused}"


def objection(settings: GatewaySettings, keys: int) -> str | None:
    """Why the gateway must not listen as it is told to, and what to do; None if it may.

    keys: how many there are that let somebody in.
    """
    if settings.listen.is_loopback or settings.trusted_proxies or settings.access == "everybody" or keys:
        return None
    return (
        f"gateway.listen: {settings.listen} is open to the network, and there is neither an API key nor a proxy that "
        "could tell who may come in: make a key (`whisper-gateway keys create`), name the proxy in front in "
        "gateway.trusted_proxies, or listen on 127.0.0.1"
    )
