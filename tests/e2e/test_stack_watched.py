"""What Docker itself finds of the whole of compose.yaml. The last of its tests, because it can take half a minute."""

from __future__ import annotations

import pytest

from tests.e2e.shipped import Shipped, until
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("service", ["nginx", "gateway", "docker-proxy"])
def test_docker_finds_it_healthy(shipped: Shipped, service: str) -> None:
    """By the health check as shipped, of which the first comes half a minute after a start, and one may be late."""

    def healthy() -> bool:
        return bool(shipped.container(service).attrs["State"]["Health"]["Status"] == "healthy")

    until(healthy, f"healthy {service}", 3 * LONG_PATIENCE)
    assert "(healthy)" in shipped("ps", service).stdout
