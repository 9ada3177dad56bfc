"""Which model is the default where that is left open."""

from __future__ import annotations

import logging

import pytest

from engines.faster.choice import settled
from engines.faster.settings import FasterSettings
from tests.unit.engines.recordings import MODEL

GB = 1_000_000_000
FOUR = "tiny,large-v3,medium,small"


def chosen(free: int | None, models: str = FOUR, **variables: str) -> tuple[str, str]:
    """The default and the device, with so many bytes free on the GPU."""
    variables = {"WHISPER_MODEL": "auto", "WHISPER_MODELS": models, **variables}
    settings = settled(FasterSettings.from_environment(variables), lambda: free)
    return settings.default, settings.device


def never() -> int:
    raise AssertionError("asked for nothing")


def test_settings_that_leave_nothing_open_stay_as_they_are() -> None:
    for variables in ({}, {"WHISPER_MODELS": FOUR}, {"WHISPER_MODEL": "small"}):
        settings = FasterSettings.from_environment(variables)
        assert settled(settings, never) is settings


@pytest.mark.parametrize(("free", "model"), [(80, "large-v3"), (5, "medium"), (3, "small"), (1.9, "tiny")])
def test_auto_is_the_largest_that_fits(free: float, model: str) -> None:
    assert chosen(int(free * GB)) == (model, "auto")


def test_compute_type_and_batch_size_count() -> None:
    assert chosen(7 * GB)[0] == "large-v3"
    assert chosen(7 * GB, WHISPER_COMPUTE_TYPE="float16")[0] == "medium"
    assert chosen(7 * GB, WHISPER_COMPUTE_TYPE="float16", WHISPER_BATCH_SIZE="1")[0] == "large-v3"
    assert chosen(7 * GB, WHISPER_COMPUTE_TYPE="float32", WHISPER_BATCH_SIZE="32")[0] == "small"


def test_a_folder_is_weighed_itself() -> None:
    assert chosen(80 * GB, models=f"tiny,{MODEL}")[0] == "tiny"
    assert chosen(int(1.3 * GB), models=f"tiny,{MODEL}") == (str(MODEL), "auto")


def test_where_nothing_fits_the_cpu_computes() -> None:
    assert chosen(GB) == ("small", "cpu")
    assert chosen(GB, WHISPER_DEVICE="cuda") == ("small", "cuda"), "what was asked for is not overruled"


def test_without_a_gpu_it_is_the_model_for_the_cpu() -> None:
    assert chosen(None) == ("small", "auto")


def test_where_the_cpu_was_asked_for_no_gpu_is() -> None:
    variables = {"WHISPER_MODEL": "auto", "WHISPER_MODELS": FOUR, "WHISPER_DEVICE": "cpu"}
    settings = settled(FasterSettings.from_environment(variables), never)
    assert (settings.default, settings.device) == ("small", "cpu")


@pytest.mark.parametrize(
    ("models", "model"), [("tiny,base", "base"), ("large-v3,medium", "medium"), ("base,small.en,small", "small.en")]
)
def test_for_the_cpu_it_is_the_largest_up_to_small_or_else_the_smallest(models: str, model: str) -> None:
    assert chosen(None, models=models)[0] == model


def test_the_model_for_the_cpu_can_be_named() -> None:
    assert chosen(None, WHISPER_CPU_MODEL="tiny")[0] == "tiny"
    assert chosen(GB, WHISPER_CPU_MODEL="medium") == ("medium", "cpu")
    assert chosen(None, models=f"tiny,{MODEL}", WHISPER_CPU_MODEL=MODEL.name)[0] == str(MODEL)


def test_models_of_unknown_size_are_not_chosen_if_others_are_there() -> None:
    assert chosen(80 * GB, models="a/b,tiny")[0] == "tiny"
    assert chosen(None, models="a/b,large-v3")[0] == "large-v3"
    assert chosen(80 * GB, models="a/b,c/d") == ("a/b", "cpu")


def test_develop_makes_the_smallest_the_default() -> None:
    assert chosen(80 * GB, DEVELOP="1") == ("tiny", "auto")
    assert chosen(None, models=f"a/b,tiny,{MODEL}", WHISPER_MODEL="tiny", DEVELOP="1")[0] == str(MODEL)
    settings = FasterSettings.from_environment({"DEVELOP": "1"})
    assert settled(settings, never).default == "Systran/faster-whisper-small"


@pytest.mark.parametrize(
    ("free", "variables", "line"),
    [
        (8 * GB, {}, "large-v3 device=auto why='the largest that fits: needs 6.4 GB of the 8.0 GB of GPU memory"),
        (GB, {}, "small device=cpu why='none is known to fit the 1.0 GB of GPU memory that are free; the largest up"),
        (None, {"WHISPER_CPU_MODEL": "tiny"}, "tiny device=auto why='there is no GPU, and WHISPER_CPU_MODEL says so'"),
        (None, {"DEVELOP": "1"}, "tiny device=auto why='the smallest one, for development'"),
    ],
)
def test_the_log_says_what_was_chosen_and_why(
    caplog: pytest.LogCaptureFixture, free: int | None, variables: dict[str, str], line: str
) -> None:
    with caplog.at_level(logging.INFO, "engines"):
        chosen(free, **variables)
    (record,) = caplog.messages
    assert record.startswith(f"model.chosen model={line}")
