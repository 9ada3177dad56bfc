"""Where a service keeps one model: loaded when it is needed, used by many at once, unloaded when nobody needs it.

    UNLOADED ── begin_loading, or somebody borrows ──▶ LOADING ──▶ READY ── unload, or idle for `ttl` ──▶ UNLOADED
                                                          └──────▶ BROKEN ── the next who borrows ──▶ LOADING

Whoever needs the model while it loads waits for it. If loading fails, those who wait are refused with the reason, and
the next request begins a new attempt: a service whose model hub was unreachable heals without a restart.

All decisions are made on the event loop: it alone begins attempts, counts users, sets the timer and takes the model
away, so none of these can meet another halfway. Threads of their own do what takes long, loading and closing, and all
they write is the outcome of the attempt that they were given. A load waits until the model before it is closed: the
memory of both may not be there.

A model counts as used from the moment somebody asks to borrow it, loaded or not. Idle time begins when the last user
has left. A model that was loaded ahead, without a user, is idle since it was loaded, and stays for at least a minute
(`FIRST_USER_S`): where models are unloaded at once, loading ahead would be for nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from anyio import CapacityLimiter, to_thread

from engines.transcription import memory
from engines.transcription.errors import ModelInUse, ModelNotLoaded, ModelUnavailable

Model = TypeVar("Model")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
"""Told to clients that met a model which could not be loaded."""

FIRST_USER_S = 60
"""How long a model that was loaded ahead waits for its first user, however short `ttl` is."""


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Call back once, on the event loop, after so many seconds."""


def _later(seconds: float, callback: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, callback)


def _nothing(_: object) -> None:
    pass


class SlotState(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    BROKEN = "broken"


class ModelSlot(Generic[Model]):
    """`load` returns the model or raises; `close` makes the model let go of its memory, whoever still refers to it.

    Both are called in threads of their own. ttl: idle seconds after which the model is unloaded; None for never.
    """

    def __init__(
        self,
        load: Callable[[], Model],
        *,
        close: Callable[[Model], None] = _nothing,
        ttl: float | None = None,
        name: str = "model",
        later: Later = _later,
    ) -> None:
        self._load = load
        self._close = close
        self._ttl = ttl
        self._name = name
        self._later = later
        self._attempt: Future[Model] | None = None
        self._watched: Future[Model] | None = None
        self._closing: Future[None] | None = None
        self._timer: Timer | None = None
        self._users = 0
        self._ahead = False
        self._turn = CapacityLimiter(1)

    def __repr__(self) -> str:
        return f"<ModelSlot {self._name} {self.state} users={self._users}>"

    @property
    def state(self) -> SlotState:
        if self._attempt is None:
            return SlotState.UNLOADED
        if not self._attempt.done():
            return SlotState.LOADING
        return SlotState.READY if self._attempt.exception() is None else SlotState.BROKEN

    @property
    def reason(self) -> str | None:
        """Why the model is broken, in one line; None when it is not."""
        if self._attempt is None or not self._attempt.done():
            return None
        problem = self._attempt.exception()
        return None if problem is None else str(problem)

    @property
    def users(self) -> int:
        """How many have borrowed it, those included who wait for it to load."""
        return self._users

    @property
    def ttl(self) -> float | None:
        return self._ttl

    def begin_loading(self) -> None:
        """Begin, unless loading is under way or done. Nobody need be waiting for it."""
        if self.state in (SlotState.UNLOADED, SlotState.BROKEN):
            self._ahead = True
        self._current_attempt()

    async def load(self) -> None:
        """Have it loaded when this returns; joins a load that is under way. Raises ModelUnavailable."""
        self.begin_loading()
        await self._loaded()

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[Model]:
        """The model, which stays loaded until the block is left. Raises ModelUnavailable."""
        self._users += 1
        self._ahead = False
        self._stop_timer()
        try:
            yield await self._loaded()  # bound to no name, which would keep the model alive when it is unloaded below
        finally:
            self._users -= 1
            self._if_idle()

    async def run(self, work: Callable[[Model], Result]) -> Result:
        """Wait for the model and for one's turn, then do `work(model)` in a worker thread; first come, first served.

        For models that serve one at a time. Work that should end when its request is cancelled calls
        `anyio.from_thread.check_cancelled` now and then; the turn ends when the work has really ended, never earlier.
        Raises ModelUnavailable, and whatever `work` raises.
        """
        async with self.borrowed() as model:
            return await to_thread.run_sync(work, model, limiter=self._turn)

    async def unload(self) -> None:
        """Its memory is free when this returns. Raises ModelInUse, and ModelNotLoaded where there is nothing to do."""
        match self.state:
            case SlotState.UNLOADED | SlotState.BROKEN:
                raise ModelNotLoaded(f"The model {self._name} is not loaded.")
            case SlotState.LOADING:
                raise ModelInUse(f"The model {self._name} is being loaded. Ask again when that is over.")
            case SlotState.READY if self._users:
                raise ModelInUse(f"The model {self._name} is in use. Ask again when its requests are answered.")
            case SlotState.READY:
                await asyncio.wrap_future(self._begin_closing("asked"))

    async def _loaded(self) -> Model:
        try:
            return await asyncio.wrap_future(self._current_attempt())
        except _LoadFailed as exc:
            message = f"The model could not be loaded: {exc}"
        raise ModelUnavailable(message, retry_after=RETRY_AFTER_S)

    def _current_attempt(self) -> Future[Model]:
        """The attempt under way or done; a new one if there was none or the last one failed."""
        if self._attempt is None or self.state is SlotState.BROKEN:
            self._attempt = attempt = Future[Model]()
            _cannot_be_cancelled(attempt)
            _in_thread("model-loading", self._settle, attempt, self._closing)
        if self._attempt is not self._watched:
            self._watch(self._attempt)
        return self._attempt

    def _watch(self, attempt: Future[Model]) -> None:
        """See to it that idle time begins. Before the event loop runs nobody can; whoever comes first on it does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._watched = attempt
        wrapped = asyncio.wrap_future(attempt, loop=loop)
        wrapped.add_done_callback(lambda done: self._on_settled(attempt, failed=done.exception() is not None))

    def _on_settled(self, attempt: Future[Model], *, failed: bool) -> None:
        if attempt is self._attempt and not failed:
            self._if_idle()

    def _if_idle(self) -> None:
        """Set the timer, or unload at once. Called when a user has left and when a load is done."""
        if self._users or self._ttl is None or self.state is not SlotState.READY:
            return
        self._stop_timer()
        if seconds := max(self._ttl, FIRST_USER_S if self._ahead else 0):
            self._timer = self._later(seconds, self._on_timer)
        else:
            self._begin_closing("idle")

    def _on_timer(self) -> None:
        """Only ever the timer of the present idle time: whoever ends that also stops the timer."""
        self._timer = None
        self._begin_closing("idle")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_closing(self, why: str) -> Future[None]:
        """From now on the slot is empty. The Future is done when the model has let go of its memory."""
        assert self._attempt is not None
        assert not self._users
        self._stop_timer()
        log.info("model.unloading model=%s why=%s", self._name, why)
        self._closing = closing = Future[None]()
        _cannot_be_cancelled(closing)
        held = [self._attempt.result()]
        self._attempt = self._watched = None
        _in_thread("model-closing", self._finish, held, closing)
        return closing

    def _settle(self, attempt: Future[Model], before: Future[None] | None) -> None:
        """In a thread: load, and tell everybody who waits. before: what must be closed first."""
        if before is not None:
            before.result()
        began = time.monotonic()
        log.info("model.loading model=%s", self._name)
        try:
            model = self._load()
        except BaseException as exc:  # whatever a library raises, waiters must learn of it
            reason = _one_line(exc)
            after = time.monotonic() - began
            log.error("model.broken model=%s after=%.2fs reason=%r", self._name, after, reason)  # noqa: TRY400
            # Not `exc` itself: its traceback keeps whatever was half loaded.
            attempt.set_exception(_LoadFailed(reason))
        else:
            log.info("model.ready model=%s after=%.2fs", self._name, time.monotonic() - began)
            attempt.set_result(model)

    def _finish(self, held: list[Model], closing: Future[None]) -> None:
        """In a thread: close the only model in `held`, and give its memory back."""
        began, before = time.monotonic(), memory.resident()
        try:
            self._close(held.pop())
        except Exception:  # ours or a library's; the memory is given back all the same
            log.exception("model.not_closed model=%s", self._name)
        memory.give_back()
        after, freed = time.monotonic() - began, (before - memory.resident()) / 1e6
        log.info("model.unloaded model=%s after=%.2fs freed=%.0fMB", self._name, after, freed)
        closing.set_result(None)


class _LoadFailed(Exception):
    """Its text is the reason, in one line."""


def _cannot_be_cancelled(future: Future[Any]) -> None:
    """Without this, a waiter who is cancelled would cancel it for the others."""
    future.set_running_or_notify_cancel()


def _in_thread(name: str, work: Callable[..., None], *arguments: object) -> None:
    """A daemon, because a download that hangs must not keep a service from ending."""
    threading.Thread(target=work, args=arguments, name=name, daemon=True).start()


def _one_line(problem: BaseException) -> str:
    """The message, or the name of an exception that has none; at most 300 characters."""
    return " ".join(str(problem).split())[:300] or type(problem).__name__
