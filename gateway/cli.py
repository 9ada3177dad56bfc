"""The command line: parses words, calls one function each, prints one line per problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway import key_commands, migrate_command
from gateway.config import Config, load_config
from gateway.errors import ConfigError
from gateway.terminal import DEFAULT, ConfigPath, fail, load, refuse

app = typer.Typer(
    help="One door for self-hosted speech-to-text.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
app.add_typer(key_commands.app, name="keys")

Address = Annotated[
    str | None,
    typer.Option("--admin", help="The gateway's admin address, if no configuration file is at hand."),
]
Engine = Annotated[str, typer.Argument(help="Name of the engine, as in the configuration.")]


@app.command()
def serve(config: ConfigPath = DEFAULT) -> None:
    """Run the gateway."""
    settings = _load_to_serve(config)
    from gateway.logs import configure_logs  # noqa: PLC0415 - the other words need none of this
    from gateway.serving import serve as run  # noqa: PLC0415

    configure_logs(settings.gateway.log)
    try:
        run(settings, config)
    except OSError as error:
        fail(error.strerror or str(error))


@app.command()
def check(config: ConfigPath = DEFAULT) -> None:
    """Read the configuration and list everything that is wrong with it."""
    settings = _load_to_serve(config, for_sure=False)
    hosts = sum(len(engine.hosts) for engine in settings.engines.values())
    typer.echo(f"{config}: good, {len(settings.engines)} engines under {hosts} hostnames")


@app.command()
def status(config: ConfigPath = DEFAULT, admin: Address = None) -> None:
    """Show every engine: phase, uptime, serving, waiting, idle in."""
    from gateway.control.table import engine_table  # noqa: PLC0415

    engine_table(_call("GET", "/api/engines", config, admin)["engines"])


@app.command()
def wake(engine: Engine, config: ConfigPath = DEFAULT, admin: Address = None) -> None:
    """Wake an engine, and wait until it is ready."""
    state = _call("POST", f"/api/engines/{quote(engine, safe='')}/wake?wait=true", config, admin)
    if state["phase"] == "failed":
        fail(f"{engine} could not be woken: it {state['failure']}")
    if state["phase"] != "ready":
        fail(f"{engine} is {state['phase']}: somebody called the wake off")
    typer.echo(f"{engine} is {state['phase']}")


@app.command()
def sleep(
    engine: Engine,
    config: ConfigPath = DEFAULT,
    admin: Address = None,
    force: Annotated[bool, typer.Option("--force", help="Even if that cuts off what it serves.")] = False,  # noqa: FBT002
) -> None:
    """Put an engine to sleep, and wait until it sleeps."""
    query = f"?wait=true&force={str(force).lower()}"
    state = _call("POST", f"/api/engines/{quote(engine, safe='')}/sleep{query}", config, admin)
    if state["phase"] not in ("asleep", "failed"):
        fail(f"{engine} is {state['phase']} again: a request came, or it could not be stopped; see the gateway's log")
    typer.echo(f"{engine} is {state['phase']}")


@app.command()
def reload(config: ConfigPath = DEFAULT, admin: Address = None) -> None:
    """Let the running gateway read its configuration again. Nothing is cut off."""
    changes = _call("POST", "/api/reload", config, admin)
    parts = [f"{', '.join(names)} {what}" for what, names in changes.items() if names]
    typer.echo(f"reloaded: {'; '.join(parts) or 'no engine has changed'}")


@app.command()
def logs(
    engine: Engine,
    config: ConfigPath = DEFAULT,
    admin: Address = None,
    tail: Annotated[int, typer.Option(min=1, max=10_000, help="How many lines.")] = 100,
) -> None:
    """Show an engine's last log lines."""
    typer.echo(_call("GET", f"/api/engines/{quote(engine, safe='')}/logs?tail={tail}", config, admin)["text"], nl=False)


app.command()(migrate_command.migrate)


def main() -> None:
    """The console script."""
    app()


def _load_to_serve(path: Path, *, for_sure: bool = True) -> Config:
    """The configuration, if the gateway may open with it and with the keys there are; else ends with status 2."""
    from gateway.auth.opening import problem_with_opening  # noqa: PLC0415 - the other words need none of this

    config = load(path)
    if problem := problem_with_opening(path, config.gateway, for_sure=for_sure):
        refuse(ConfigError([problem]))
    return config


def _call(method: str, path: str, config: Path, admin: str | None) -> dict[str, Any]:
    from gateway.control.client import ControlError, call  # noqa: PLC0415

    try:
        return call(method, path, admin or _admin_of(config))
    except ControlError as error:
        fail(str(error))


def _admin_of(path: Path) -> str:
    """Where the gateway is asked that goes by this file; it may run on though the file has been broken since."""
    try:
        return str(load_config(path).gateway.admin)
    except ConfigError as error:
        refuse(error, "The gateway's admin address is read from there; --admin 127.0.0.1:8891 does without.")
