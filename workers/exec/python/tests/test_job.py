"""A training against a worker played by the test."""

import json
import subprocess
import sys

import pytest

JOB = {
    "type": "job", "protocol": 1, "job": 7, "attempt": 1, "search": "s", "seed": 3, "genome": {"space": "external"},
    "data": {}, "training": {}, "epochs": 2.0, "interval": 0.5, "start_epoch": 0.5, "resume_from": "x",
    "checkpoint_directory": "/tmp", "slot": 0,
}  # fmt: skip
LOOP = "import peng\njob = peng.job()\nfor epoch in peng.epochs(job):\n    {body}\nprint('left:', job.stopped)\n"


def run(body, answers, environment=None, prologue=""):
    """Exit code, the lines on stdout, stderr."""
    environment = {"PENG_PROTOCOL": "1"} if environment is None else environment
    lines = "".join(json.dumps(line) + "\n" for line in answers)
    program = prologue + LOOP.format(body=body)
    done = subprocess.run([sys.executable, "-c", program], input=lines, capture_output=True, text=True,
                          env=environment, timeout=60)  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_training_reports_each_interval_after_those_behind_it():
    body = "print('chatter'); job.report(val_acc=50 + epoch, checkpoint='/tmp')"
    code, lines, log = run(body, [JOB, {"type": "continue"}, {"type": "continue"}, {"type": "stop", "reason": "end"}])
    assert code == 0, log
    assert lines[0] == {"type": "hello", "protocol": 1}
    assert [(line["epoch"], line["val_acc"]) for line in lines[1:]] == [(1.0, 51.0), (1.5, 51.5), (2.0, 52.0)]
    assert lines[1]["checkpoint"] == "/tmp"
    assert log.splitlines() == ["chatter", "chatter", "chatter", "left: end"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [([{"type": "stop", "reason": "known"}], "known"), ([], "the worker has gone")],
)
def test_a_stop_and_the_end_of_input_end_the_loop(answers, reason):
    code, lines, log = run("job.report(val_acc=50)", [JOB, *answers])
    assert code == 0 and len(lines) == 2
    assert log == f"left: {reason}\n"


def test_numbers_that_json_has_not_are_words():
    body = "job.report(val_acc=50, train_loss=float('inf'), val_loss=float('nan'))"
    _, lines, _ = run(body, [JOB, {"type": "stop"}])
    assert (lines[1]["train_loss"], lines[1]["val_loss"]) == ("Infinity", "NaN")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("pass", "nothing was reported for epoch 1"),
        ("job.report(val_acc=101)", "val_acc is 101.0: expected per cent"),
        ("job.report(val_acc=float('nan'))", "val_acc is nan: expected per cent"),
        ("job.report(val_acc=50, checkpoint='/nowhere/x')", "there is no checkpoint '/nowhere/x'"),
        ("job.fail('x', fault='mine')", "fault is 'mine': expected 'host'"),
        ("job.report(val_acc=50); job.report(val_acc=50); job.report(val_acc=50)", "there is nothing more to report"),
    ],
)
def test_a_mistake_is_an_exception(body, error):
    code, _, log = run(body, [JOB, {"type": "continue"}, {"type": "stop", "reason": "r"}])
    assert code == 1
    assert error in log


def test_a_training_can_say_how_it_failed():
    _, lines, log = run("job.fail('no such layer')", [JOB])
    assert lines[1] == {"type": "failed", "message": "no such layer", "retry": False}
    _, lines, _ = run("job.fail('no data', fault='host')", [JOB])
    assert lines[1] == {"type": "failed", "message": "no data", "retry": True, "fault": "host"}
    _, lines, _ = run("job.log('x'); job.diverged('weights')", [JOB])
    assert lines[1:] == [{"type": "log", "message": "x"}, {"type": "diverged", "message": "weights"}]


def test_another_protocol_is_refused():
    code, _, log = run("pass", [{**JOB, "protocol": 2}])
    assert code == 1 and "expected a job of protocol 1" in log


def test_without_a_worker_the_script_trains_to_the_end():
    program = "import peng\njob = peng.job(epochs=2)\nfor epoch in peng.epochs(job):\n    job.report(val_acc=50)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={}, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines() == ["epoch 1: 50.00 %", "epoch 2: 50.00 %"]
