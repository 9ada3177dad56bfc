"""`whisper-gateway keys`: create, list, revoke.

A new key is the only thing on standard output, so that `KEY=$(whisper-gateway keys create …)` works; all that is said
about it goes to standard error. The running gateway notices by itself that the file has changed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from gateway.auth.issuing import Order, issue, revoke
from gateway.auth.key_file import KeyFile, KeyTrouble
from gateway.auth.keys import Key, check_name
from gateway.auth.rates import parse_rate
from gateway.config import Config
from gateway.config.durations import parse_duration
from gateway.config.hosts import parse_hostname
from gateway.config.problems import did_you_mean, quoted
from gateway.config.schema import GatewaySettings
from gateway.terminal import DEFAULT, ConfigPath, fail, load

app = typer.Typer(help="API keys for programs.", no_args_is_help=True, rich_markup_mode=None)

T = TypeVar("T")


@app.command()
def create(  # noqa: PLR0917 - typer calls it
    name: Annotated[str, typer.Option("--name", help="What the log and the list call it, such as ci.")],
    hosts: Annotated[
        list[str] | None,
        typer.Option("--hosts", metavar="HOST[,HOST]", help="The only hostnames it is for; by default, all."),
    ] = None,
    rate: Annotated[str | None, typer.Option("--rate", help="Most requests, such as 60/m (s, m, h, d).")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="How long it is valid, such as 90d.")] = None,
    admin: Annotated[  # noqa: FBT002 - typer's way of a flag
        bool, typer.Option("--admin", help="It may wake engines, put them to sleep and read their logs.")
    ] = False,
    config: ConfigPath = DEFAULT,
) -> None:
    """Make a key, and print it: this once, it is kept nowhere."""
    settings = load(config)
    now = _now()
    order = Order(
        name=_read("--name", check_name, name),
        hosts=_chosen_hosts(hosts, settings),
        rate=_read("--rate", parse_rate, rate) if rate is not None else None,
        expires=now + timedelta(seconds=_read("--expires", parse_duration, expires)) if expires is not None else None,
        admin=admin,
    )
    folder = settings.gateway.state_dir
    file = KeyFile(folder)
    roots_own = os.geteuid() == 0 and not folder.exists()
    with _troubles_told(), file.changing() as keys:
        is_first = not file.path.exists()
        key, token = issue(keys, order, now)
    _hand_over(token, file, key)
    for line in _explained(key, settings.gateway, is_first=is_first, roots_own=roots_own):
        typer.echo(line, err=True)


@app.command("list")
def list_(
    config: ConfigPath = DEFAULT,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002
) -> None:
    """Show every key: state, what it is for, when it was last used."""
    from gateway.auth.key_table import key_table, keys_as_json  # noqa: PLC0415 - the other words need none of this
    from gateway.auth.last_used import read_last_used  # noqa: PLC0415

    folder = load(config).gateway.state_dir
    with _troubles_told():
        keys, _ = KeyFile(folder).read()
    try:
        used = read_last_used(folder)
    except KeyTrouble as trouble:
        typer.echo(f"whisper-gateway: {trouble}", err=True)
        used = {}
    if json:
        typer.echo(keys_as_json(keys, used, _now()))
    elif keys:
        key_table(keys, used, _now())
    else:
        typer.echo("there are no keys; `whisper-gateway keys create --name NAME` makes one", err=True)


@app.command("revoke")
def revoke_(
    key: Annotated[str, typer.Argument(metavar="NAME|ID", help="The key, by its name or its id.")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Make a key invalid, from the next request on, for ever."""
    folder = load(config).gateway.state_dir
    with _troubles_told(), KeyFile(folder).changing() as keys:
        revoked, changed = revoke(keys, key, _now())
    typer.echo(f"{revoked.name} (id {revoked.id}) is revoked{'' if changed else ' already'}")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _read(option: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        fail(f"{option}: {error}")


def _chosen_hosts(texts: list[str] | None, config: Config) -> tuple[str, ...] | None:
    """The hostnames, once each; None for all. Ends the program if the configuration does not know one."""
    if texts is None:
        return None
    known = dict.fromkeys(host for engine in config.engines.values() for host in engine.hosts)
    if config.gateway.portal:
        known[config.gateway.portal] = None
    chosen = [_read("--hosts", parse_hostname, text.strip()) for text in ",".join(texts).split(",")]
    for host in chosen:
        if host not in known:
            remedy = did_you_mean(host, known) or f" (known are {', '.join(known)})"
            fail(f"--hosts: no engine has the hostname {quoted(host)}{remedy}")
    return tuple(dict.fromkeys(chosen))


@contextlib.contextmanager
def _troubles_told() -> Iterator[None]:
    try:
        yield
    except KeyTrouble as trouble:
        fail(str(trouble))


def _hand_over(token: str, file: KeyFile, key: Key) -> None:
    """Print the key. One that nobody got to see is taken back."""
    try:
        typer.echo(token)
        sys.stdout.flush()
    except OSError as error:
        with _troubles_told(), file.changing() as keys:
            keys[:] = [kept for kept in keys if kept.id != key.id]
        with contextlib.suppress(OSError):  # the interpreter flushes once more when it ends, and would complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"the key could not be printed ({error.strerror}), and was taken back")


def _explained(key: Key, settings: GatewaySettings, *, is_first: bool, roots_own: bool) -> Iterator[str]:
    """What to know about a new key. roots_own: root has made the folder for it."""
    yield f"{key.name} (id {key.id}) is for {_terms(key)}. It is shown this once only: keep it now."
    if settings.access == "everybody":
        yield "Nobody is asked for a key, though, while gateway.access is `everybody`."
    elif is_first and settings.access == "auto" and settings.listen.is_loopback and not settings.trusted_proxies:
        yield "From now on every request needs a key: so far everybody on this machine was let in without."
    folder = settings.state_dir
    owner = folder.stat().st_uid
    if roots_own:
        yield f"{folder} was made for this, and belongs to root: if the gateway is another user, give it to that one."
    elif os.geteuid() not in (0, owner):
        yield f"The file of keys belongs to you, and {folder} to user {owner}: can the gateway read it?"


def _terms(key: Key) -> str:
    """Such as "whisper.example.org, 60 requests a minute, until 2026-01-31 12:00 UTC"."""
    terms = [", ".join(key.hosts) if key.hosts is not None else "every engine"]
    if key.admin:
        terms.append("waking engines, putting them to sleep and reading their logs")
    if key.rate is not None:
        terms.append(f"at most {key.rate.in_words}")
    terms.append(f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires is not None else "until it is revoked")
    return ", ".join(terms)
