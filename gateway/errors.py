"""Every way the gateway says no, in one tree.

    GatewayError
    ├── AskedWrongly                 4xx: the caller can mend it
    │   ├── BadRequestFraming        400 bad_request_framing
    │   ├── BadParameter             400 bad_parameter
    │   ├── KeyMissing               401 key_missing
    │   ├── KeyRefused               401 invalid_api_key
    │   ├── Forbidden                403 forbidden
    │   ├── HostNotAllowed           403 host_not_allowed
    │   ├── ProxyNotTrusted          403 proxy_not_trusted
    │   ├── UnknownHost              404 unknown_host
    │   ├── UnknownEngine            404 unknown_engine
    │   ├── UnknownPath              404 unknown_path
    │   ├── MethodNotAllowed         405 method_not_allowed
    │   ├── HeadTimeout              408 request_timeout
    │   ├── ReloadRefused            409 reload_refused
    │   ├── EngineBusy               409 engine_busy
    │   ├── RateLimited              429 rate_limit_exceeded
    │   ├── TooManyFailures          429 too_many_failures
    │   └── HeadTooLarge             431 request_head_too_large
    ├── EngineTrouble                the engine could not
    │   ├── QueueFull                429 queue_full
    │   ├── EngineUnreachable        502 engine_unreachable
    │   ├── EngineBroke              502 engine_broke
    │   ├── EngineStartFailed        503 engine_start_failed
    │   ├── EngineCoolingDown        503 engine_cooling_down
    │   ├── EnginePutToSleep         503 engine_put_to_sleep
    │   ├── EngineRemoved            503 engine_removed
    │   ├── QueueTimeout             503 queue_timeout
    │   ├── ShuttingDown             503 shutting_down
    │   ├── EngineStartTimeout       504 engine_start_timeout
    │   └── EngineAnswerTimeout      504 engine_answer_timeout
    ├── GatewayExhausted             503 gateway_exhausted: we ran out of something
    ├── SpoolFull                    507 spool_full: the disk is
    ├── RuntimeTrouble               raised by a runtime; the supervisor turns it into one of the above
    │   ├── EngineMissing            what should be started does not exist
    │   ├── RuntimeUnavailable       Docker (or what else starts engines) does not answer
    │   │   └── Unanswered           and may do later what it was asked for
    │   └── StartRefused             the runtime said no
    │       └── EndedAtOnce          it was started, and has ended before anybody could look
    ├── NotAwake                     the engine sleeps, for a request that must not wake it; never an answer
    ├── ConfigError                  the file cannot be used; carries every problem found
    └── IllegalEvent                 500: we broke

`code` is stable between versions and is an anchor in docs/errors.md; what that page says of it is the first paragraph
of the docstring. A class without a code of its own is never raised, or looks to clients like its parent. The message is
a sentence for the person reading it. It never holds transcripts or keys; what a runtime says of paths and containers is
for operators only (`RuntimeTrouble.public` is what clients are told).
"""

from __future__ import annotations


class GatewayError(Exception):
    """The gateway made a mistake, or could not read back from its disk what it had kept of the request. Its log says
    what, under the request's id; please report a traceback. Ask again.

    The root. `status` is the HTTP status, `code` the stable name, `title` the same for every occurrence.

    retry_after: seconds after which asking again makes sense, or None. repeated: the same has been refused to the same
    client a moment ago, and is in the log.
    """

    status: int = 500
    code: str = "internal_error"
    title: str = "The gateway failed"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.repeated = False


class AskedWrongly(GatewayError):
    status, title = 400, "The request cannot be served as it is"


class BadRequestFraming(AskedWrongly):
    """Two parsers could read these bytes differently, so they are not forwarded. Mend the client, or a proxy in
    between.
    """

    status, code, title = 400, "bad_request_framing", "The request is not valid HTTP/1.1"


class BadParameter(AskedWrongly):
    """A query parameter of the control API has a value that makes no sense. The detail names it."""

    status, code, title = 400, "bad_parameter", "A parameter has an unusable value"


class KeyMissing(AskedWrongly):
    """Programs send an API key, `Authorization: Bearer wg_…`; people log in at the web server in front. A key is made
    with `whisper-gateway keys create`.
    """

    status, code, title = 401, "key_missing", "This needs an API key or a login"


class KeyRefused(AskedWrongly):
    """The API key is misspelt, unknown, revoked or expired; the gateway's log says which. `whisper-gateway keys list`
    shows the keys there are.
    """

    status, code, title = 401, "invalid_api_key", "This API key is not valid"


class Forbidden(AskedWrongly):
    """The call came from another site's page, or the caller may not steer engines: that takes a key made with
    `--admin`, or a user listed in `gateway.admins`. On the admin address: a hostname not the gateway's own.
    """

    status, code, title = 403, "forbidden", "This caller may not do that"


class HostNotAllowed(AskedWrongly):
    """The API key was made for other hostnames (`whisper-gateway keys list` shows them). Make one for this hostname, or
    without `--hosts` for what concerns all engines: metrics and reloads.
    """

    status, code, title = 403, "host_not_allowed", "This API key is not for this hostname"


class ProxyNotTrusted(AskedWrongly):
    """The request was passed on by a proxy (it carries Forwarded, Via, X-Forwarded-*, X-Real-IP or the like) that
    `gateway.trusted_proxies` does not name, to a gateway that asks nobody for a key. Name the proxy there, so that
    strangers are asked; or set `gateway.access`.
    """

    status, code, title = 403, "proxy_not_trusted", "The gateway was not told of the proxy in front of it"


class UnknownHost(AskedWrongly):
    """No engine has this hostname. Compare the address with `engines.*.hosts` and `gateway.portal` in the
    configuration.
    """

    status, code, title = 404, "unknown_host", "Nothing is served under this hostname"


class UnknownEngine(AskedWrongly):
    """The control API was asked for an engine that the configuration does not name. `whisper-gateway status` lists
    them.
    """

    status, code, title = 404, "unknown_engine", "There is no engine of this name"


class UnknownPath(AskedWrongly):
    """The control API has no such path. It begins at `/api/engines`."""

    status, code, title = 404, "unknown_path", "There is nothing at this path"


class MethodNotAllowed(AskedWrongly):
    """The control API takes another method here; the `Allow` header says which."""

    status, code, title = 405, "method_not_allowed", "This path does not take this method"


class HeadTimeout(AskedWrongly):
    """The head took longer than `gateway.head_timeout`. A slow line, or somebody who holds connections open on
    purpose.
    """

    status, code, title = 408, "request_timeout", "The request's head did not arrive in time"


class ReloadRefused(AskedWrongly):
    """The configuration file cannot be used as it is now, so nothing was changed. The detail lists what is wrong."""

    status, code, title = 409, "reload_refused", "The configuration was not reloaded"


class EngineBusy(AskedWrongly):
    """It has requests to serve. Wait until `serving` and `waiting` are 0, or use `--force`, which cuts them off."""

    status, code, title = 409, "engine_busy", "The engine is serving or waking"


class RateLimited(AskedWrongly):
    """More requests than the key's `--rate` allows. `Retry-After` says when the next one is served."""

    status, code, title = 429, "rate_limit_exceeded", "This API key's rate limit is reached"


class TooManyFailures(AskedWrongly):
    """Too many wrong API keys came from this address lately. `Retry-After` says when keys are looked at again; one that
    has worked from there before goes on working.
    """

    status, code, title = 429, "too_many_failures", "Too many wrong API keys came from this address"


class HeadTooLarge(AskedWrongly):
    """Usually too many cookies. The limit is `gateway.head_limit`."""

    status, code, title = 431, "request_head_too_large", "The request's head is too large"


class EngineTrouble(GatewayError):
    status, title = 503, "The engine could not answer"


class QueueFull(EngineTrouble):
    """More requests wait for it than `queue.limit` or `queue.bytes` allows, and not all of them somebody else's. Ask
    again when `Retry-After` says.
    """

    status, code, title = 429, "queue_full", "Too many requests wait for the engine"


class EngineUnreachable(EngineTrouble):
    """Its program runs and its readiness was confirmed, yet connections are refused. Look at the engine's log."""

    status, code, title = 502, "engine_unreachable", "The engine does not accept connections"


class EngineBroke(EngineTrouble):
    """It died, or closed the connection, or sent something that is not HTTP. Look at the engine's log; ask again."""

    status, code, title = 502, "engine_broke", "The engine broke off before it answered"


class EngineStartFailed(EngineTrouble):
    """The detail says why, the journal holds the engine's last lines. A start is tried again after a cool-down."""

    status, code, title = 503, "engine_start_failed", "The engine could not be started"


class EngineCoolingDown(EngineTrouble):
    """The last start failed; the detail says why. `Retry-After` says when the next request starts it again."""

    status, code, title = 503, "engine_cooling_down", "The engine failed a moment ago and is not tried again yet"


class EnginePutToSleep(EngineTrouble):
    """An operator used `sleep --force` before this request was answered. Ask again to wake the engine."""

    status, code, title = 503, "engine_put_to_sleep", "The engine was put to sleep by its operator"


class EngineRemoved(EngineTrouble):
    """The configuration changed under this request: its engine was removed or replaced. Send it again."""

    status, code, title = 503, "engine_removed", "The engine was removed"


class QueueTimeout(EngineTrouble):
    """It has waited for `queue.max_wait`: the engine starts slowly, has too many requests before this one, or waits for
    its turn in the budget. Ask again when `Retry-After` says.
    """

    status, code, title = 503, "queue_timeout", "The request has waited too long for its turn"


class ShuttingDown(EngineTrouble):
    """The gateway stops or restarts. Ask again in a moment."""

    status, code, title = 503, "shutting_down", "The gateway is shutting down"


class EngineStartTimeout(EngineTrouble):
    """It did not answer on `ready.path` within `start_timeout`. Raise that if the engine needs longer; else see its
    log.
    """

    status, code, title = 504, "engine_start_timeout", "The engine did not become ready in time"


class EngineAnswerTimeout(EngineTrouble):
    """It had the whole request for `answer_timeout` and sent nothing. Raise that for long recordings; else see its
    log.
    """

    status, code, title = 504, "engine_answer_timeout", "The engine did not begin its answer in time"


class GatewayExhausted(GatewayError):
    """Out of sockets, ports or memory for them. Raise the limit on open files (`ulimit -n`, `LimitNOFILE=`)."""

    status, code, title = 503, "gateway_exhausted", "The gateway has no connections left"


class SpoolFull(GatewayError):
    """A large body was to be kept until its engine is awake, and there was no room for it. Make some in
    `gateway.spool.dir`, or let the bodies there be fewer or smaller (`gateway.spool`).
    """

    status, code, title = 507, "spool_full", "The disk for request bodies is full"


class RuntimeTrouble(GatewayError):
    """The detail says what, the log more. Mostly the rights are missing to read a log or to end a process: compare the
    gateway's user with that of the process.

    To those who asked for an engine the supervisor says `engine_start_failed` instead. `message` is a clause about the
    engine, for operators: it may name paths, programs and containers. `public` is one that may be told to anybody.
    """

    status, code, title = 503, "runtime_trouble", "The engine's runtime could not do it"
    public: str = "could not be managed by its runtime"

    def __init__(self, message: str, *, retry_after: float | None = None, public: str | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        if public is not None:
            self.public = public


class EngineMissing(RuntimeTrouble):
    """The engine's container, whose log was asked for, does not exist, or is hidden by the docker-proxy. The detail
    names the command that makes it.
    """

    status, code, title = 503, "engine_missing", "What the engine is run by does not exist"
    public = "does not exist yet"


class RuntimeUnavailable(RuntimeTrouble):
    """Docker, or the docker-proxy before it, was asked for an engine's log and does not answer. See whether it runs;
    ask again when `Retry-After` says.
    """

    status, code, title = 503, "runtime_unavailable", "The engine's runtime does not answer"
    public = "cannot be reached at the moment"


class Unanswered(RuntimeUnavailable):
    """A stop was handed over, and its answer has not come."""


class StartRefused(RuntimeTrouble):
    """Docker, or the docker-proxy before it, was asked for an engine's log and said no. The detail has its words."""

    status, code, title = 503, "start_refused", "The engine's runtime refused"
    public = "was refused by its runtime"


class EndedAtOnce(StartRefused):
    """meant: somebody may have wanted that."""

    def __init__(self, words: str, *, meant: bool = False) -> None:
        super().__init__(words, public=words)
        self.meant = meant


class NotAwake(GatewayError):
    """The engine is not ready, and this request shall not wake it. Never an answer: the gateway gives its own."""

    status, code, title = 503, "not_awake", "The engine is not awake"


class IllegalEvent(GatewayError):
    """A mistake of the gateway's. Please report it, with what its log says."""

    status, code, title = 500, "illegal_event", "The lifecycle does not allow this"


class ConfigError(GatewayError):
    """Its problems are listed by `whisper-gateway check`. Never an answer: a start ends with it, and a reload is
    refused with `reload_refused`.

    problems: one printable line each, with place, path and what to do.
    """

    code, title = "bad_config", "The configuration cannot be used"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
