"""A request leaves no cycle behind, however it ends: the collector comes seldom, and until then memory is in use."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import pytest

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.raw_client import Incomplete
from tests.fixtures.standin import StandIn

GET = "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n"
POST = "POST {} HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 5\r\n\r\nhello"
REQUESTS = {
    "an answer": GET.format("/hello", "whisper.test"),
    "an answer to a body": POST.format("/sum"),
    "an engine's own refusal": GET.format("/status?code=404", "whisper.test"),
    "an unknown hostname": GET.format("/hello", "nobody.test"),
    "no hostname": "GET / HTTP/1.0\r\n\r\n",
    "no HTTP": "\0\r\n\r\n",
    "two lengths": "POST / HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "an engine that ends before its answer": GET.format("/cut?when=before", "whisper.test"),
    "an engine that ends under an upload": POST.format("/cut?when=upload"),
    "an answer that is cut": GET.format("/cut?when=body", "whisper.test"),
    "an answer that is no HTTP": GET.format("/garbage", "whisper.test"),
    "an answer whose head is too large": GET.format("/huge-head", "whisper.test"),
}


@pytest.fixture(params=["everybody", "known"])
def gateway(standin: StandIn, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """Lets everybody in, or nobody."""
    with running_gateway({"whisper": Engine(standin.port)}, access=request.param) as gateway:
        yield gateway


@pytest.fixture
def _collector_off() -> Iterator[None]:
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.usefixtures("_collector_off")
@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_nothing_is_left_for_the_collector(gateway: Gateway, data: str) -> None:
    def ask() -> None:
        with gateway.raw() as raw, contextlib.suppress(Incomplete, ConnectionError):
            raw.send(data).answer()
        gateway.until(lambda: not gateway.connections)
        gateway.until(gateway.is_free)

    ask()
    gc.collect()
    for _ in range(5):
        ask()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    assert [thing for thing in gc.garbage if type(thing).__module__.startswith("gateway.")] == []
