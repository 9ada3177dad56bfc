"""Names, states and orders, with models that cost nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from engines.faster.settings import FasterSettings
from engines.models.models import Models
from engines.transcription.errors import (
    ModelAlreadyLoaded,
    ModelInUse,
    ModelNotFound,
    ModelNotLoaded,
    ModelUnavailable,
)
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


class Fake:
    """A model that remembers where it came from."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("small", "large", "ours"):
        (tmp_path / name).mkdir()
    return tmp_path


def models(folders: Path, load: Callable[[str], Fake] = Fake, **variables: str) -> Models[Fake]:
    named = ",".join(str(folders / name) for name in ("small", "large", "ours"))
    return Models(FasterSettings.from_environment({"WHISPER_MODELS": named, **variables}), load)


class Slow:
    """Loads the small model when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, folder: str) -> Fake:
        assert not folder.endswith("small") or self.go.wait(PATIENCE)
        return Fake(folder)


async def test_a_borrowed_model_is_the_one_that_was_named(folders: Path) -> None:
    served = models(folders, WHISPER_ALIASES="mine=ours")
    for name, folder in ((None, "small"), ("whisper-1", "small"), ("large", "large"), ("mine", "ours")):
        async with served.borrowed(served.resolve(name)) as model:
            assert model.folder == str(folders / folder)
    assert served.loaded() == ["small", "large", "ours"]
    with pytest.raises(ModelNotFound):
        served.resolve("other")


@pytest.mark.parametrize(
    ("preload", "states"),
    [
        ("default", "small=loading large=unloaded ours=unloaded"),
        ("none", "small=unloaded large=unloaded ours=unloaded"),
        ("ours", "small=unloaded large=unloaded ours=loading"),
        ("large,default", "small=loading large=loading ours=unloaded"),
    ],
)
async def test_what_is_preloaded_is_a_setting(folders: Path, preload: str, states: str) -> None:
    served = models(folders, WHISPER_PRELOAD=preload)
    served.preload()
    preloading = [pair.partition("=")[0] for pair in states.split() if pair.endswith("=loading")]
    assert [name for name in ("small", "large", "ours") if served.details(name)["state"] != "unloaded"] == preloading
    for name in preloading:
        async with served.borrowed(name):
            pass
    assert served.loaded() == preloading


async def test_models_are_loaded_and_unloaded_by_hand(folders: Path) -> None:
    served = models(folders)
    await served.load("large")
    assert served.loaded() == ["large"]
    with pytest.raises(ModelAlreadyLoaded):
        await served.load("large")
    async with served.borrowed("large") as model:
        with pytest.raises(ModelInUse):
            await served.unload("large")
    await served.unload("large")
    assert model.closed
    assert served.loaded() == []
    with pytest.raises(ModelNotLoaded):
        await served.unload("large")


async def test_a_load_that_is_under_way_is_joined(folders: Path) -> None:
    slow = Slow()
    served = models(folders, slow)
    served.begin_loading("small")
    async with anyio.create_task_group() as group:
        group.start_soon(served.load, "small")
        await anyio.lowlevel.checkpoint()
        with pytest.raises(ModelInUse):
            await served.unload("small")
        slow.go.set()
    assert served.loaded() == ["small"]


async def test_each_model_has_its_own_idle_time(folders: Path) -> None:
    served = models(folders, WHISPER_TTL="0,large=never,ours=5m")
    assert [served.details(name)["ttl"] for name in ("small", "large", "ours")] == [0, None, 300]
    for name in ("small", "large"):
        async with served.borrowed(name):
            pass
    assert served.loaded() == ["large"]


async def test_models_are_listed_as_openai_does_with_what_is_loaded(folders: Path) -> None:
    served = models(folders)
    await served.load("large")
    assert [(model["id"], model["loaded"], model["default"]) for model in served.listed()] == [
        ("small", False, True),
        ("large", True, False),
        ("ours", False, False),
    ]
    assert served.described("large") == served.listed()[1]


async def test_details_count_users(folders: Path) -> None:
    served = models(folders)
    async with served.borrowed("small"), served.borrowed("small"):
        assert served.details("small") == {"id": "small", "state": "ready", "users": 2, "ttl": None}
    assert repr(served) == "<Models small=ready large=unloaded ours=unloaded>"


async def test_health_tells_of_the_default_model(folders: Path) -> None:
    served = models(folders)
    assert served.report() == {"status": "unloaded", "model": "small"}
    served.preload()
    assert served.report()["status"] in ("loading", "ready")
    async with served.borrowed("small"):
        assert served.report() == {"status": "ready", "model": "small"}


async def test_a_folder_may_come_late(folders: Path) -> None:
    served = models(folders)
    (folders / "small").rmdir()
    with pytest.raises(ModelUnavailable, match=f"there is no folder {folders}/small"):
        await served.load("small")
    assert served.report() == {
        "status": "broken",
        "model": "small",
        "reason": f"there is no folder {folders}/small",
    }
    assert served.details("small")["reason"] == served.report()["reason"]
    (folders / "small").mkdir()
    async with served.borrowed("small"):
        assert "reason" not in served.report()


async def test_several_models_load_at_the_same_time(folders: Path) -> None:
    """A model that is being fetched for an hour must not keep another one waiting."""
    slow = Slow()
    served = models(folders, slow)
    served.begin_loading("small")
    async with served.borrowed("large"):
        assert repr(served) == "<Models small=loading large=ready ours=unloaded>"
    slow.go.set()
    async with served.borrowed("small"):
        pass
