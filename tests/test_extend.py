"""The example of docs/extend.md does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extend.md"


def test_a_target_a_rewrite_a_calibrator_and_a_lowering_without_a_fork(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    (tmp_path / "example.py").write_text(example)
    run = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, env={**os.environ}
    )
    assert run.returncode == 0, run.stderr
    words = run.stdout.splitlines()[-1]
    assert words.startswith("True") and words.endswith("four-fifths")
    assert "'DropReluOfAbs'" in words
    assert "HardSwishToRelu6" not in words  # the target takes int8 HARD_SWISH, so nothing replaces it
    assert (tmp_path / "artifacts" / "network_int8.tflite").is_file()
