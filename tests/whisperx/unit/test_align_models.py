"""Which alignment models are in memory, with the real small one."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from engines.transcription.errors import ModelUnavailable
from engines.whisperx.align_models import BY_WHISPERX, AlignModels
from engines.whisperx.settings import WhisperXSettings
from tests.fixtures.whisperx_models import ALIGN

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("libraries")]


def models(kept: int = 2, **sources: str) -> AlignModels:
    named = sources or dict.fromkeys(["en", "fr", "de", "es"], str(ALIGN))
    return AlignModels(
        WhisperXSettings.from_environment(
            {
                "ALIGN_MODELS": ",".join(f"{language}={source}" for language, source in named.items()),
                "ALIGN_MODELS_KEPT": str(kept),
                "WHISPER_DEVICE": "cpu",
            }
        )
    )


async def use(models: AlignModels, language: str) -> Any:
    async with models.borrowed(language) as aligner:
        return aligner


def test_the_languages_of_whisperx_are_known() -> None:
    from whisperx import alignment

    theirs = {*alignment.DEFAULT_ALIGN_MODELS_TORCH, *alignment.DEFAULT_ALIGN_MODELS_HF}
    assert theirs == BY_WHISPERX


def test_the_operators_models_are_known_too() -> None:
    some = models(cy=str(ALIGN))
    assert some.knows("cy")
    assert some.knows("ja")
    assert not some.knows("gd")


async def test_a_model_is_loaded_once_and_stays() -> None:
    some = models()
    assert some.loaded() == []
    first = await use(some, "en")
    assert some.loaded() == ["en"]
    assert await use(some, "en") is first


async def test_of_too_many_the_one_whose_use_is_longest_ago_goes() -> None:
    some = models(kept=2)
    for language in ("en", "fr", "en", "de"):
        await use(some, language)
    assert some.loaded() == ["en", "de"]
    assert repr(some) == "<AlignModels fr=unloaded en=ready de=ready>"


async def test_a_model_in_use_is_never_thrown_out() -> None:
    some = models(kept=1)
    async with AsyncExitStack() as users:
        english = await users.enter_async_context(some.borrowed("en"))
        await users.enter_async_context(some.borrowed("fr"))
        assert some.loaded() == ["en", "fr"]
        assert await use(some, "en") is english
        await use(some, "de")
        assert {"en", "fr"} <= set(some.loaded())
    assert len(some.loaded()) == 1


async def test_a_model_that_cannot_be_loaded_says_why_and_is_tried_again(tmp_path: Any) -> None:
    folder = tmp_path / "align"
    some = models(en=str(folder))
    with pytest.raises(ModelUnavailable, match="there is no such folder"):
        await use(some, "en")
    assert some.loaded() == []
    folder.symlink_to(ALIGN)
    await use(some, "en")
    assert some.loaded() == ["en"]


def test_models_of_whisperx_s_choice_are_unloaded_like_all_others() -> None:
    some = AlignModels(WhisperXSettings.from_environment({"WHISPER_TTL": "5m", "ALIGN_MODELS": f"en={ALIGN}"}))
    assert [some._slot(language).ttl for language in ("en", "de")] == [300, 300]


async def test_a_model_can_be_loaded_ahead() -> None:
    some = models()
    some.begin_loading("en")
    assert some.loaded() == []
    await use(some, "en")
    assert some.loaded() == ["en"]
