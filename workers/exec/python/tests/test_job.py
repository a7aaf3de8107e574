"""A training against a worker played by the test."""

import json
import os
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
    # The worker writes letters as they are.
    lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in answers)
    program = prologue + LOOP.format(body=body)
    # As a file is read, whatever the locale: an argument would be decoded by it.
    done = subprocess.run([sys.executable, "-c", f"exec({program.encode()!r})"], input=lines.encode(), capture_output=True,
                          env=environment, timeout=60)  # fmt: skip
    written = [json.loads(line.decode()) for line in done.stdout.splitlines()]
    return done.returncode, written, done.stderr.decode()


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


LOCALES = [
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "tr_TR.ISO-8859-9"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "utf-16"},
    {"LC_ALL": "C.UTF-8"},
]


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: "-".join(locale.values()))
def test_lines_are_utf_8_whatever_the_locale(locale):
    name = "Zürich, İstanbul, 東京, 😀"
    body = "print(job.genome['name']); job.log(job.genome['name']); job.fail(ascii(job.genome['name']))"
    job = {**JOB, "genome": {"space": "external", "name": name}}
    code, lines, log = run(body, [job], {"PENG_PROTOCOL": "1", **locale})
    assert code == 0, log
    assert lines[1] == {"type": "log", "message": name}
    assert lines[2]["message"] == ascii(name)
    assert name in log.splitlines(), log


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: "-".join(locale.values()))
def test_what_is_no_text_is_replaced_visibly(locale):
    body = "import os; odd = os.fsdecode(b'model-\\xff'); print(odd); job.log(odd); job.diverged('\\ud83d')"
    code, lines, log = run(body, [JOB], {"PENG_PROTOCOL": "1", **locale})
    assert code == 0, log
    assert [line["message"].isprintable() for line in lines[1:]] == [True, True]
    assert lines[2]["message"] == "\\ud83d" and "\\ud83d" in log
    assert lines[1]["message"] in ("model-\\udcff", "model-ÿ"), "as the locale reads the name of a file"


def test_bytes_of_the_worker_that_are_no_text_are_replaced_visibly():
    job = json.dumps(JOB).replace("external", "\\u2420").encode().replace(b"\\u2420", b"\xff")
    program = LOOP.format(body="job.fail(ascii(job.genome['space']))")
    done = subprocess.run([sys.executable, "-c", program], input=job + b"\n", capture_output=True,
                          env={"PENG_PROTOCOL": "1"}, timeout=60)  # fmt: skip
    assert json.loads(done.stdout.splitlines()[1])["message"] == "'\\ufffd'", done.stderr


def test_a_checkpoint_whose_name_is_no_text_is_a_clear_error(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff", "wb"):
        pass
    body = f"import os; job.report(val_acc=50, checkpoint=os.fsdecode({os.fsencode(tmp_path)!r} + b'/\\xff'))"
    code, _, log = run(body, [JOB])
    assert code == 1 and "path is no UTF-8" in log, log


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


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({key: value for key, value in JOB.items() if key != "seed"}, "KeyError: 'seed'"),
        ({**JOB, "epochs": None}, "TypeError: "),
        ({**JOB, "genome": "resnet"}, "genome is 'resnet': expected dict"),
        ({**JOB, "resume_from": 3}, "resume_from is 3: expected str or None"),
        ({**JOB, "interval": 0}, "interval is 0.0: expected a number of epochs"),
        ({**JOB, "start_epoch": float("nan")}, "start_epoch is nan: expected a number of epochs"),
        ({**JOB, "job": float("inf")}, "OverflowError: "),
    ],
)
def test_a_job_that_could_be_none_is_refused_at_its_beginning(line, error):
    code, lines, log = run("pass", [line])
    assert code == 1 and lines == [{"type": "hello", "protocol": 1}]
    assert "ProtocolError: the worker gave a job that is not understood: " in log and error in log, log


def test_brackets_without_end_are_no_json():
    program = "import peng; peng.job()"
    done = subprocess.run([sys.executable, "-c", program], input=b"[" * 100_000 + b"\n", capture_output=True,
                          env={"PENG_PROTOCOL": "1"}, timeout=60)  # fmt: skip
    assert b"ProtocolError: the worker wrote no JSON" in done.stderr, done.stderr


def test_without_a_worker_the_script_trains_to_the_end():
    program = "import peng\njob = peng.job(epochs=2)\nfor epoch in peng.epochs(job):\n    job.report(val_acc=50)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={}, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines() == ["epoch 1: 50.00 %", "epoch 2: 50.00 %"]
