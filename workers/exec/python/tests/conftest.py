import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="session")
def worker() -> str:
    """The worker of this build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = target / "debug" / "peng-exec-worker"
    found = str(path) if path.exists() else shutil.which("peng-exec-worker")
    assert found, f"{path} is not built: cargo build -p peng-exec-worker"
    return found


@pytest.fixture
def python() -> str:
    return sys.executable
