from __future__ import annotations

from typing import Any

import pytest

from gateway.migration.published_ports import published


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ("8001:8000", [(8001, 8000)]),
        ("8001:22", [(8001, 22)]),
        ("127.0.0.1:8001:8000", [(8001, 8000)]),
        ("[::1]:8001:8000/tcp", [(8001, 8000)]),
        ("8001-8003:9000-9002", [(8001, 9000), (8002, 9001), (8003, 9002)]),
        ({"target": "8000", "published": "8001", "host_ip": "127.0.0.1", "protocol": "tcp"}, [(8001, 8000)]),
        ({"target": "8000", "published": "8001", "mode": "host"}, [(8001, 8000)]),
        ({"target": "8000"}, []),  # a number that Docker chooses at each start
        ("8000", []),
        ("127.0.0.1::8000", []),
        ("8001:8000/udp", []),
        ({"target": "8000", "published": "8001", "protocol": "udp"}, []),
        ("", []),
        ("x:y", []),
        ("0:8000", []),
        ("99999:8000", []),
        (None, []),
    ],
)
def test_which_port_inside_is_published_as_which(entry: Any, ports: list[tuple[int, int]]) -> None:
    assert list(published(entry)) == ports
