"""`python -m engines.faster`: serve on HOST:PORT until SIGTERM."""

from __future__ import annotations

import os
import sys

from engines.faster.app import create_app
from engines.faster.settings import FasterSettings
from engines.transcription.service import serve
from engines.transcription.settings import BadSettings


def main() -> None:
    try:
        settings = FasterSettings.from_environment(os.environ)
    except BadSettings as exc:
        print(exc, file=sys.stderr)  # noqa: T201  for the person who just started us
        sys.exit(2)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
