# The gateway as a Nix package: callPackage ./package.nix { }
{
  lib,
  python3Packages,
  # This repository. Another revision: src = fetchgit { ... };
  src ? lib.cleanSource ../..,
}:

python3Packages.buildPythonApplication {
  pname = "whisper-gateway";
  version = "0.1.0";
  pyproject = true;

  inherit src;

  build-system = [ python3Packages.hatchling ];

  # As in pyproject.toml. What the engines need is not here: they run in images of their own.
  dependencies = with python3Packages; [
    docker
    httptools
    httpx
    prometheus-client
    pydantic
    pyyaml
    rich
    sniffio
    starlette
    structlog
    typer
    tzdata
    uvicorn
    uvloop
    watchfiles
  ];

  # They need Docker, nginx and models.
  doCheck = false;
  pythonImportsCheck = [ "gateway" ];

  meta = {
    description = "One door for self-hosted speech-to-text";
    license = lib.licenses.mit;
    mainProgram = "whisper-gateway";
    platforms = lib.platforms.unix;
  };
}
