"""What the words of the command line share: where the configuration is, and how they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gateway.config import Config, load_config
from gateway.errors import ConfigError

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="WHISPER_GATEWAY_CONFIG", help="The configuration file.")
]
DEFAULT = Path("config.yaml")


def load(path: Path) -> Config:
    """The configuration; one that cannot be used ends the program."""
    try:
        return load_config(path)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError, *remedy: str) -> NoReturn:
    """End the program with status 2 and a line on standard error for each problem, and what can be done about them."""
    for line in (*error.problems, *remedy):
        typer.echo(line, err=True)
    raise typer.Exit(2)


def fail(message: str) -> NoReturn:
    """End the program with status 1 and one line on standard error."""
    typer.echo(f"whisper-gateway: {message}", err=True)
    raise typer.Exit(1)
