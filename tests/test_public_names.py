"""What `import gateway` promises is there, and nothing else is promised by accident."""

from __future__ import annotations

import subprocess
import sys

import gateway


def test_all_public_names_exist() -> None:
    assert sorted(gateway.__all__) == ["Config", "ConfigError", "GatewayError", "create_app", "load_config"]
    for name in gateway.__all__:
        assert getattr(gateway, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(gateway, "create_ap")


def test_reading_a_configuration_does_not_load_the_gateway() -> None:
    """The command line answers at once, also on a small machine."""
    program = (
        "import sys, gateway; gateway.load_config; print(sorted({'docker', 'uvicorn', 'starlette'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
