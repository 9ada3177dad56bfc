"""What happens when a model must come from a hub, with the real library and a hub of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from huggingface_hub import close_session, constants

from engines.faster.settings import FasterSettings
from engines.models.models import Models
from engines.transcription.errors import ModelUnavailable
from tests.fixtures.patience import PATIENCE
from tests.unit.engines.models.hub import Hub, running
from tests.unit.engines.recordings import MODEL

pytestmark = pytest.mark.anyio

TOKEN = "hf_" + "SecretSecretSecret"


class Fetched:
    """A model of which only the files matter."""

    def __init__(self, folder: str) -> None:
        self.files = {path.name for path in Path(folder).iterdir()}

    def close(self) -> None:
        pass


class Restless:
    """The module `time`, without its sleep."""

    sleep = staticmethod(lambda _: None)

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The library takes it for the real one, and has an empty cache. It reads its environment only once."""
    with running(MODEL) as one:
        use(one.address, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", PATIENCE)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield one
        close_session()


def use(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def models(model: str = Hub.repository) -> Models[Fetched]:
    return Models(FasterSettings.from_environment({"WHISPER_MODEL": model}), Fetched)


async def refused(served: Models[Fetched]) -> str:
    with pytest.raises(ModelUnavailable) as refusal:
        await served.load(served.default)
    assert (refusal.value.status, refusal.value.retry_after) == (503, 5)
    reason = refusal.value.message
    assert TOKEN not in reason
    assert served.report()["reason"] in reason
    return reason


async def test_a_model_is_fetched_with_the_token_and_only_what_it_needs(hub: Hub) -> None:
    hub.files["model.safetensors"] = b"the same for another library"
    served = models()
    async with served.borrowed(served.default) as model:
        assert model.files == {path.name for path in MODEL.iterdir()}
    assert hub.tokens == {f"Bearer {TOKEN}"}


async def test_what_is_in_the_cache_is_not_asked_for_again(hub: Hub) -> None:
    """A woken engine does not begin with a conversation, and needs no network."""
    await models().load(Hub.repository)
    hub.asked.clear()
    hub.status = 500
    served = models()
    async with served.borrowed(served.default) as model:
        assert "model.bin" in model.files
    assert hub.asked == []


async def test_an_interrupted_fetch_is_completed(hub: Hub, tmp_path: Path) -> None:
    await models().load(Hub.repository)
    (found,) = (tmp_path / "cache").rglob("snapshots/*/model.bin")
    found.resolve().unlink()
    found.unlink()
    served = models()
    async with served.borrowed(served.default) as model:
        assert "model.bin" in model.files


@pytest.mark.parametrize(
    ("status", "error_code", "reason"),
    [
        (401, "RepoNotFound", "the hub has no such model, or it is private and HF_TOKEN is missing or wrong"),
        (404, "RepoNotFound", "the hub has no such model, or it is private and HF_TOKEN is missing or wrong"),
        (403, "GatedRepo", "only who have accepted its conditions: do so on its page, and set HF_TOKEN"),
        (401, None, "the hub refuses HF_TOKEN: it is wrong, or no longer valid"),
        (403, None, "HF_TOKEN does not allow fetching it from the hub"),
        (404, "RevisionNotFound", "the hub has no such model"),
        (429, None, "the hub has been asked too often; wait a while, or set HF_TOKEN, which raises its limits"),
        (500, None, "the hub is in trouble (status 500)"),
        (502, None, "the hub is in trouble (status 502)"),
        (400, None, "the hub refuses it (status 400)"),
    ],
)
async def test_a_hub_that_refuses_is_explained_and_asked_again_for_the_next_request(
    hub: Hub, status: int, error_code: str | None, reason: str
) -> None:
    served = models()
    hub.status, hub.error_code = status, error_code
    hub.error_message = f"no access with {TOKEN}"
    assert (await refused(served)).endswith(reason)
    hub.status = 200
    async with served.borrowed(served.default) as model:
        assert "model.bin" in model.files


async def test_a_model_that_the_hub_does_not_have_is_explained(hub: Hub) -> None:
    assert (await refused(models("no/such"))).endswith("private and HF_TOKEN is missing or wrong")
    assert hub.asked


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://someone:secret@127.0.0.1:9"])
async def test_a_hub_that_cannot_be_reached_is_explained(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served, there = models(), constants.ENDPOINT
    use(address, monkeypatch)
    assert (await refused(served)).endswith("the hub http://127.0.0.1:9 cannot be reached")
    use(there, monkeypatch)
    await served.load(served.default)


async def test_a_hub_that_speaks_no_tls_is_explained(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    address = hub.address.replace("http:", "https:")
    use(address, monkeypatch)
    assert (await refused(models())).endswith(f"the hub {address} cannot be reached: TLS fails")


async def test_a_hub_that_says_nothing_is_not_waited_for_for_ever(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself, the library would wait without a limit."""
    served = models()
    hub.silent = True
    with monkeypatch.context() as patch, anyio.fail_after(PATIENCE):
        patch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
        assert (await refused(served)).endswith(f"the hub {hub.address} did not answer in time")
    hub.silent = False
    await served.load(served.default)


async def test_a_download_that_breaks_off_is_explained(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library tries to resume it, and waits in between."""
    monkeypatch.setattr("huggingface_hub.file_download.time", Restless())
    served = models()
    hub.cut = True
    assert (await refused(served)).endswith("the download broke off")
    hub.cut = False
    await served.load(served.default)


async def test_without_permission_to_ask_the_cache_must_have_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    served = models()
    reason = f"it is not in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids fetching it"
    assert (await refused(served)).endswith(reason)
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    await served.load(served.default)


async def test_a_cache_that_cannot_be_written_is_explained(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/proc/cache")
    assert (await refused(models())).endswith("the cache /proc/cache cannot be written")
    assert hub.asked


FULL_DISK = """
import asyncio, resource
from engines.models.models import Models
from engines.faster.settings import FasterSettings
from tests.unit.engines.models.test_models_fetching import Fetched

async def main():
    models = Models(FasterSettings.from_environment({"WHISPER_MODEL": "ours/whisper"}), Fetched)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (500_000, most):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        try:
            await models.load(models.default)
            print(models.report())
        except Exception as exc:
            print(exc)

asyncio.run(main())
"""


def test_a_full_disk_is_explained_and_room_on_it_used(tmp_path: Path) -> None:
    """In a process of its own, which may write no more than 500 kB into a file, and then may again."""
    with running(MODEL) as hub:
        environment = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-W", "ignore", "-c", FULL_DISK]
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=60
        )
    refusal, report = done.stdout.splitlines()
    assert refusal == f"The model could not be loaded: there is no space left for it in the cache {tmp_path}/hub"
    assert report == "{'status': 'ready', 'model': 'ours/whisper'}"
