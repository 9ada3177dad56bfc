from __future__ import annotations

import subprocess
import sys

from fastapi.testclient import TestClient

from engines.faster.app import create_app
from engines.faster.settings import FasterSettings
from tests.fixtures.patience import PATIENCE

QUIET = {"WHISPER_PRELOAD": "none"}
HEAVY = ["av", "ctranslate2", "faster_whisper", "numpy", "onnxruntime", "tokenizers"]


def test_importing_the_engine_imports_nothing_heavy() -> None:
    """The port must be open before the libraries are."""
    program = f"import sys, engines.faster.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout.strip() == "[]"


def test_a_default_model_that_was_left_open_is_chosen() -> None:
    app = create_app(FasterSettings.from_environment({"WHISPER_MODELS": "medium,tiny", "DEVELOP": "1"} | QUIET))
    with TestClient(app) as client:
        listed = {model["id"]: model["default"] for model in client.get("/v1/models").json()["data"]}
    assert listed == {"medium": False, "tiny": True}
