from __future__ import annotations

import subprocess
import sys

HEAVY = ["av", "ctranslate2", "faster_whisper", "numpy", "onnxruntime", "tokenizers"]


def test_importing_the_engine_imports_nothing_heavy() -> None:
    """The port must be open before the libraries are."""
    program = f"import sys, engines.faster.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
