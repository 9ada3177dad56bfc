"""Nothing opens to the network that could not tell strangers from others."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.auth.opening import objection
from gateway.config.schema import GatewaySettings

OPEN = {"listen": "0.0.0.0:8890"}


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({}, 0),
        ({"listen": "[::1]:8890"}, 0),
        ({**OPEN, "trusted_proxies": ["10.0.0.1/32"]}, 0),
        (OPEN, 1),
        ({**OPEN, "access": "everybody"}, 0),  # somebody has said so
    ],
)
def test_the_gateway_may_open(settings: dict[str, Any], keys: int) -> None:
    assert objection(GatewaySettings.model_validate(settings), keys) is None


@pytest.mark.parametrize("listen", ["0.0.0.0:8890", "[::]:8890", "192.168.1.5:8890"])
@pytest.mark.parametrize("access", ["auto", "known"])
def test_an_open_address_without_keys_and_proxies_is_refused_with_the_remedies(listen: str, access: str) -> None:
    refused = objection(GatewaySettings.model_validate({"listen": listen, "access": access}), 0)
    assert refused is not None
    for word in (listen, "keys create", "trusted_proxies", "127.0.0.1"):
        assert word in refused
