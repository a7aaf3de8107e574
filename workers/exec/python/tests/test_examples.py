"""The examples, checked by the worker of this build."""

import json
import os
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def check(worker, python, example, *options):
    command = [worker, "check", "--output", "json", *options, "--", python, str(EXAMPLES / example)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PENG_LOG": "error"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    return done.returncode, json.loads(done.stdout)


def test_scikit_learn_passes_and_resumes_exactly(worker, python):
    pytest.importorskip("sklearn")
    code, findings = check(worker, python, "sklearn_digits.py")
    assert code == 0, findings
    assert {finding["check"]: finding["verdict"] for finding in findings} == {
        "environment": "ok", "whole": "ok", "stop": "ok", "resume": "ok", "orphan": "ok", "cancel": "ok",
    }  # fmt: skip


def test_scikit_learn_trains_by_hand(python, tmp_path):
    pytest.importorskip("sklearn")
    command = [python, str(EXAMPLES / "sklearn_digits.py")]
    environment = {key: value for key, value in os.environ.items() if key != "PENG_PROTOCOL"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("epoch 8: ")
    assert float(last.split()[2]) > 85.0, last


def test_pytorch_passes_and_resumes_exactly(worker, python):
    pytest.importorskip("torch", reason="PyTorch is not installed: its example is not tried")
    code, findings = check(worker, python, "torch_digits.py", "--timeout", "120")
    assert code == 0 and all(finding["verdict"] == "ok" for finding in findings), findings
