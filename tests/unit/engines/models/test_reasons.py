"""Reasons for what cannot be provoked here: other disks, GPUs and libraries. The rest is in test_models_fetching.py."""

from __future__ import annotations

import errno
import ssl

import pytest

from engines.models import reasons

HUB, CACHE = "https://hub.example.org", "/cache/hub"


def caused(problem: BaseException, by: BaseException) -> BaseException:
    problem.__cause__ = by
    return problem


class ConnectError(Exception):
    """Named as httpx names it."""


class TimeoutException(Exception):
    pass


class ReadTimeout(TimeoutException):
    pass


class ProxyError(Exception):
    pass


class HfHubHTTPError(OSError):
    def __init__(self, status: int) -> None:
        super().__init__("no")
        self.response = type("Response", (), {"status_code": status})


class RepositoryNotFoundError(HfHubHTTPError):
    pass


class GatedRepoError(RepositoryNotFoundError):
    pass


class DisabledRepoError(HfHubHTTPError):
    pass


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left for it in the cache /cache/hub"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no space left for it in the cache /cache/hub"),
        (RuntimeError("Data processing error: No space left on device (os error 28)"), "no space left"),
        (caused(RuntimeError("copy"), OSError(errno.ENOSPC, "full")), "no space left"),
        (OSError(errno.EROFS, "Read-only file system"), "the cache /cache/hub cannot be written"),
        (PermissionError(errno.EACCES, "Permission denied"), "the cache /cache/hub cannot be written"),
        (caused(ConnectError(), ssl.SSLCertVerificationError("self-signed")), "certificate of the hub https://hub.exa"),
        (caused(OSError("no"), ReadTimeout()), "the hub https://hub.example.org did not answer in time"),
        (ProxyError("403 Forbidden"), "the proxy on the way to the hub https://hub.example.org"),
        (GatedRepoError(403), "accepted its conditions"),
        (DisabledRepoError(403), "the hub has disabled it"),
        (caused(FileNotFoundError("not found"), HfHubHTTPError(503)), "the hub is in trouble (status 503)"),
    ],
)
def test_what_goes_wrong_when_fetching_is_explained(problem: BaseException, reason: str) -> None:
    explained = reasons.fetching(problem, HUB, CACHE)
    assert explained is not None
    assert reason in explained


def test_what_has_nothing_to_do_with_the_hub_is_not_explained_by_it() -> None:
    assert reasons.fetching(ValueError("what?"), HUB, CACHE) is None
    loop = ValueError("a")
    loop.__cause__ = caused(ValueError("b"), loop)
    assert reasons.fetching(loop, HUB, CACHE) is None


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (MemoryError(), "there is not enough memory for it"),
        (RuntimeError("std::bad_alloc"), "there is not enough memory for it"),
        (RuntimeError("CUDA failed with error out of memory"), "there is not enough GPU memory for it"),
        (
            RuntimeError("CUDA failed with error CUDA driver version is insufficient"),
            "the GPU cannot be used: CUDA failed with error CUDA driver version is insufficient (WHISPER_DEVICE=cpu d",
        ),
        (
            RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"),
            "the GPU cannot be used: Library libcublas.so.12 is not found or cannot be loaded (WHISPER_DEVICE=cpu does",
        ),
        (RuntimeError("This CTranslate2 package was not compiled with CUDA support"), "the GPU cannot be used: "),
    ],
)
def test_what_goes_wrong_on_a_device_is_explained(problem: BaseException, reason: str) -> None:
    explained = reasons.loading(problem, "/models/ours", "int8")
    assert explained is not None
    assert explained.startswith(reason)


def test_what_nobody_knows_is_not_explained() -> None:
    assert reasons.loading(ZeroDivisionError("division by zero"), "/models/ours", "int8") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bad token hf_AbC123 for x", "bad token … for x"),
        ("authorization: Bearer abc.def-ghi", "authorization: Bearer …"),
        ("http://me:pass@proxy:3128 refused", "http://…@proxy:3128 refused"),
        ("token s3cret, again s3cret", "token …, again …"),
        ("line one\n  line two", "line one line two"),
        ("", "ValueError"),
    ],
)
def test_what_is_secret_is_not_told(text: str, told: str) -> None:
    assert reasons.redacted(ValueError(text), ["s3cret"]) == told
