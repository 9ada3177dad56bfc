"""Why a model could not be loaded, as one sentence for the person who can mend it.

Libraries that fetch and load models raise what they like. What happens often is recognised and explained, everything
else is told as it is. No hub token is ever part of a reason: it goes to clients and into the log.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}

_STATUS = {
    401: "the hub refuses HF_TOKEN: it is wrong, or no longer valid",
    403: "HF_TOKEN does not allow fetching it from the hub",
    404: "the hub has no such model",
    429: "the hub has been asked too often; wait a while, or set HF_TOKEN, which raises its limits",
}

_DAMAGED = re.compile(
    r"model\.bin is incomplete|invalid payload|binary version|unsupported model spec|vocabulary|json\.exception|"
    r"at line \d+ column \d+|data did not match any variant",
    re.IGNORECASE,
)
"""CTranslate2 and tokenizers on files that they cannot read."""

_SECRET = re.compile(r"hf_[A-Za-z0-9]+|(?<=Bearer )\S+|(?<=://)[^/@\s]+(?=@)")


def fetching(problem: BaseException, hub: str, cache: str) -> str | None:
    """Why fetching from `hub` into the folder `cache` failed; None if this is no such problem."""
    chain = list(_chain(problem))
    kinds = {cls.__name__ for cause in chain for cls in type(cause).__mro__}
    numbers = {cause.errno for cause in chain if type(cause).__module__ == "builtins" and isinstance(cause, OSError)}
    text = " ".join(str(cause) for cause in chain)
    if numbers & _FULL or "No space left" in text:
        return f"there is no space left for it in the cache {cache}"
    if "GatedRepoError" in kinds:
        return "the hub gives it to those only who have accepted its conditions: do so on its page, and set HF_TOKEN"
    if "DisabledRepoError" in kinds:
        return "the hub has disabled it"
    if "RepositoryNotFoundError" in kinds:
        return "the hub has no such model, or it is private and HF_TOKEN is missing or wrong"
    if "OfflineModeIsEnabled" in kinds:
        return f"it is not in the cache {cache}, and HF_HUB_OFFLINE forbids fetching it"
    for status in filter(None, map(_status, chain)):
        return _STATUS.get(status) or f"the hub {'is in trouble' if status >= 500 else 'refuses it'} (status {status})"
    return _on_the_way(kinds, hub) or (_in_the_cache(kinds, cache) if numbers & _CLOSED else None)


def _on_the_way(kinds: set[str], hub: str) -> str | None:
    if "ProxyError" in kinds:
        return f"the proxy on the way to the hub {hub} does not let us through"
    if "SSLCertVerificationError" in kinds:
        return f"the certificate of the hub {hub} is not to be trusted"
    if "SSLError" in kinds:
        return f"the hub {hub} cannot be reached: TLS fails"
    if kinds & {"TimeoutException", "Timeout"}:
        return f"the hub {hub} did not answer in time"
    if kinds & {"ConnectError", "ConnectionError", "gaierror"}:
        return f"the hub {hub} cannot be reached"
    if kinds & {"ProtocolError", "NetworkError", "ChunkedEncodingError", "XetDownloadError"}:
        return "the download broke off"
    return None


def _in_the_cache(kinds: set[str], cache: str) -> str:
    if "EntryNotFoundError" in kinds:
        return f"it is not in the cache {cache}"
    return f"the cache {cache} cannot be written"


def loading(problem: BaseException, source: str, compute_type: str) -> str | None:
    """Why what is there cannot be loaded; None if it is nothing that we know."""
    text = _one_line(problem)
    if isinstance(problem, MemoryError) or "bad_alloc" in text:
        return "there is not enough memory for it"
    if "out of memory" in text:
        return "there is not enough GPU memory for it"
    if "compute type" in text and "do not support" in text:
        return f"this device cannot compute with WHISPER_COMPUTE_TYPE={compute_type} (auto takes what it can)"
    if re.search(r"\bCUDA\b|\blib(?:cu|nv)\w+\.so", text):
        return f"the GPU cannot be used: {text} (WHISPER_DEVICE=cpu does without)"
    if "Unable to open file 'model.bin'" in text:
        return f"there is no model.bin in {source}"
    if _DAMAGED.search(text):
        return f"the model {source} is damaged: {text}"
    return None


def redacted(problem: BaseException, secrets: Iterable[str]) -> str:
    """The message in one line, or the name of an exception that has none; without what is secret in it."""
    text = _one_line(problem)
    for secret in secrets:
        text = text.replace(secret, "…")
    return _SECRET.sub("…", text)


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__


def _status(problem: BaseException) -> int | None:
    status = getattr(getattr(problem, "response", None), "status_code", None)
    return status if isinstance(status, int) and status >= 400 else None


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """The problem and what led to it."""
    seen: set[int] = set()
    cause: BaseException | None = problem
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
