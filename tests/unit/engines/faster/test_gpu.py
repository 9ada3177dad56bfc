"""What the driver says, as far as that can be told without one: a driver that we own answers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from engines.faster import gpu
from engines.faster.gpu import free_gpu_memory


class Driver:
    """Two GPUs, with 8 and 2 bytes free."""

    class NVMLError(Exception):
        pass

    def nvmlInit(self) -> None:  # noqa: N802  NVIDIA's names
        pass

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        if index > 1:
            raise self.NVMLError("Invalid Argument")
        return "GPU-a" if index == 0 else "GPU-b"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid not in ("GPU-a", "GPU-b"):
            raise self.NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetMemoryInfo(self, device: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(total=24, free=8 if device == "GPU-a" else 2)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    one = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", one)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return one


@pytest.mark.usefixtures("driver")
def test_the_first_gpu_is_asked() -> None:
    assert free_gpu_memory() == 8


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("visible", "free"),
    [("0", 8), ("1,0", 2), ("GPU-b", 2), ("", None), ("-1", None), ("7", None), ("GPU-c", None), ("none", None)],
)
def test_the_first_one_that_cuda_sees_is_asked(monkeypatch: pytest.MonkeyPatch, visible: str, free: int | None) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert free_gpu_memory() == free


def test_without_a_driver_there_is_no_gpu(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise driver.NVMLError("NVML Shared Library Not Found")

    monkeypatch.setattr(driver, "nvmlInit", refuse)
    assert free_gpu_memory() is None


def test_without_the_library_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert free_gpu_memory() is None


def test_a_driver_that_does_not_answer_is_not_waited_for(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    hang: Callable[[], bool] = end.wait
    monkeypatch.setattr(driver, "nvmlInit", hang)
    monkeypatch.setattr(gpu, "PATIENCE_S", 0.01)
    assert free_gpu_memory() is None
    end.set()


def test_the_real_library_answers_or_says_that_there_is_none() -> None:
    free = free_gpu_memory()
    assert free is None or free > 0
