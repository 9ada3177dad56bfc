"""`whisper-gateway migrate`: from docker-autostart's JSON file to a configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import ConfigError
from gateway.terminal import DEFAULT, fail, refuse


def migrate(
    source: Annotated[Path, typer.Argument(help="docker-autostart's JSON file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; - for standard output.")] = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Even if the file is there already.")] = False,  # noqa: FBT002
) -> None:
    """Make a configuration of docker-autostart's JSON file."""
    from gateway.migration import Migration, migrated, write  # noqa: PLC0415 - the other words need none of this

    def put(migration: Migration) -> None:
        try:
            write(migration.text, output, replace=force)
        except FileExistsError:
            fail(f"{output} is there already; --output names another file, --force replaces it")
        except OSError as error:
            fail(f"{output} cannot be written: {error.strerror or error}")
        typer.echo(f"{output} is written" + ("; to check:" if migration.checks else ""), err=True)

    try:
        migration = migrated(source, os.environ)
    except ConfigError as error:
        refuse(error)
    if str(output) == "-":
        typer.echo(migration.text, nl=False)
    else:
        put(migration)
    for check in migration.checks:
        typer.echo(f"- {check}", err=True)
