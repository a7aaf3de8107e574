"""Any bytes as the lines of a worker, any values as those of a training: ``python tests/fuzz_job.py -max_total_time=600``.

Needs atheris (Linux). A training that meets what is no line of the protocol ends with a ProtocolError, and whatever it reports,
each line that it writes is one object of strict JSON in UTF-8.
"""

import io
import json
import os
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
with atheris.instrument_imports(include=["peng"]):
    import peng
    from peng import _job
    from peng._protocol import Worker

JOB = {
    "type": "job", "protocol": 1, "job": 7, "attempt": 1, "search": "s", "seed": 3, "genome": {"space": "external"},
    "data": {}, "training": {}, "epochs": 2.0, "interval": 0.5, "start_epoch": 0.5, "resume_from": None,
    "checkpoint_directory": "/tmp", "slot": 0,
}  # fmt: skip
KEYS = sorted(JOB)
CONTINUE = b'{"type":"continue"}\n'
STEPS = 20


class Bytes(Worker):
    """A worker whose lines are bytes in memory."""

    def __init__(self, lines):
        self._in, self._out = io.BytesIO(lines), io.BytesIO()


def strict(name):
    raise AssertionError(f"{name} is no JSON")


def train(worker, report):
    """Trains as a script does; what was written is checked whatever comes of it."""
    _job.Worker = lambda: worker
    try:
        job = peng.job()
        for step, _ in enumerate(peng.epochs(job)):
            before = job.epoch
            report(job)
            assert job.stopped is not None or job.epoch > before, f"it stands still at {before}"
            if step == STEPS:
                break
    except peng.ProtocolError:
        pass
    except SystemExit as gone:
        assert gone.code == "the worker has gone before it gave a job"
    finally:
        written = worker._out.getvalue()
        assert not written or written.endswith(b"\n")
        for line in written.decode().split("\n")[:-1]:
            assert json.loads(line, parse_constant=strict)["type"] in ("observation", "log", "failed", "diverged")


def job_of(data):
    """The sample with one key changed or left out, or any bytes."""
    choice = data.ConsumeIntInRange(0, 2)
    if choice == 0:
        return data.ConsumeBytes(200)
    job = dict(JOB)
    key = data.PickValueInList(KEYS)
    if choice == 1:
        del job[key]
        return json.dumps(job).encode() + b"\n"
    value = data.ConsumeUnicodeNoSurrogates(40)
    return json.dumps(job).encode().replace(json.dumps(JOB[key]).encode(), value.encode(), 1) + b"\n"


def report_of(data):
    """What a training says after an interval."""
    text, numbers = data.ConsumeUnicode(20), [data.ConsumeFloat() for _ in range(3)]
    say = data.PickValueInList(["log", "diverged", "fail", "report"])

    def report(job):
        if say == "fail":
            job.fail(text, retry=bool(numbers[0] > 0))
        elif say != "report":
            getattr(job, say)(text)
        if job.stopped is None:
            job.report(50.0, val_loss=numbers[0], train_loss=numbers[1], seconds=numbers[2])

    return report


def check(bytes_):
    data = atheris.FuzzedDataProvider(bytes_)
    report, job, count = report_of(data), job_of(data), data.ConsumeIntInRange(0, STEPS)
    answers = CONTINUE * count + data.ConsumeBytes(data.remaining_bytes())
    train(Bytes(job + answers), report)


if __name__ == "__main__":
    os.environ["PENG_PROTOCOL"] = "1"
    sys.stderr = open(os.devnull, "w", errors="backslashreplace")  # As it is of Python. Where a failed training says so.
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
