"""A job of a search, or a training that runs by itself."""

import math
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Union

from ._protocol import ProtocolError, VERSION, Worker


class Job:
    """What to train. Made by :func:`job`.

    Under ``peng-exec-worker`` its values are the worker's; run by hand, those that ``peng.job`` was given.
    """

    #: Seed of weights, data order and augmentation.
    seed: int
    #: The network, as the search stores it: key ``space`` and what that space has.
    genome: Dict[str, Any]
    #: The ``[data]`` table of the specification.
    data: Dict[str, Any]
    #: The ``[training]`` table of the specification.
    training: Dict[str, Any]
    #: Epochs of a full training.
    epochs: float
    #: Epochs between two reports.
    interval: float
    #: Epochs that ``resume_from`` has behind it.
    start_epoch: float
    #: Checkpoint to go on from, as it was named when it was reported; None to begin.
    resume_from: Optional[str]
    #: An empty directory for checkpoints.
    checkpoint_directory: str
    #: Name of the search; empty when run by hand.
    search: str
    #: Number of the job; 0 when run by hand.
    id: int

    def __init__(self, line: Dict[str, Any], worker: Optional[Worker]) -> None:
        _check(line)
        self._worker = worker
        self.id = int(line["job"])
        self.search = line["search"]
        self.seed = int(line["seed"])
        self.genome = line["genome"]
        self.data = line["data"]
        self.training = line["training"]
        self.epochs = float(line["epochs"])
        self.interval = float(line["interval"])
        self.start_epoch = float(line["start_epoch"])
        self.resume_from = line["resume_from"]
        self.checkpoint_directory = line["checkpoint_directory"]
        #: Why the training should end; None while it should go on.
        self.stopped: Optional[str] = None
        #: Epochs reported so far, those before a resume included.
        self.epoch = self.start_epoch
        self._reports = 0

    def report(
        self,
        val_acc: float,
        *,
        train_acc: Optional[float] = None,
        val_loss: Optional[float] = None,
        train_loss: Optional[float] = None,
        checkpoint: Union[str, "os.PathLike[str]", None] = None,
        seconds: Optional[float] = None,
    ) -> bool:
        """Reports an interval and waits for the decision; True: train on.

        Accuracies are in per cent. A loss that is not finite ends the job as diverged. ``checkpoint`` is a file or
        directory with all that the training depends on; when this returns it may be overwritten.

        Raises ValueError for an accuracy that is no percentage and for a path that is no UTF-8, FileNotFoundError for a checkpoint that is not there,
        ProtocolError after the training was stopped.
        """
        if self.stopped is not None:
            raise ProtocolError(f"the training was stopped ({self.stopped}): there is nothing more to report")
        for name, accuracy in (("val_acc", val_acc), ("train_acc", train_acc)):
            if accuracy is not None and not 0.0 <= float(accuracy) <= 100.0:
                raise ValueError(f"{name} is {float(accuracy)}: expected per cent, from 0 to 100")
        if checkpoint is not None and not Path(checkpoint).exists():
            raise FileNotFoundError(f"there is no checkpoint {os.fspath(checkpoint)!r}")
        path = None if checkpoint is None else os.path.abspath(os.fsdecode(checkpoint))
        if path is not None and not _is_text(path):
            raise ValueError(f"the checkpoint's path is no UTF-8: {path!r}")
        self._reports += 1
        self.epoch = self.start_epoch + self._reports * self.interval
        values = {"val_acc": val_acc, "train_acc": train_acc, "val_loss": val_loss, "train_loss": train_loss}
        line: Dict[str, Any] = {"type": "observation", "epoch": self.epoch}
        line.update({name: float(value) for name, value in values.items() if value is not None})
        if seconds is not None:
            line["seconds"] = float(seconds)
        if path is not None:
            line["checkpoint"] = path
        self.stopped = self._ask(line)
        return self.stopped is None

    def log(self, message: str) -> None:
        """Writes to the job's log, and shows the worker that the training is alive."""
        if self._worker:
            self._worker.write({"type": "log", "message": str(message)})
        else:
            print(message, file=sys.stderr)

    def diverged(self, message: str) -> None:
        """Ends the job as diverged: no failure, but nothing that the search could use either."""
        self._end({"type": "diverged", "message": str(message)})

    def fail(self, message: str, *, retry: bool = False, fault: Optional[str] = None) -> None:
        """Ends the job as failed; with ``retry`` it is tried again later. An exception that leaves the script is
        tried again, too.

        With ``fault="host"`` this host lacks what the training needs, such as data or a GPU: the job goes to another
        worker, and this one steps aside.

        Raises ValueError for another ``fault``.
        """
        line: Dict[str, Any] = {"type": "failed", "message": str(message), "retry": retry}
        if fault is not None:
            if fault != "host":
                raise ValueError(f"fault is {fault!r}: expected 'host', or nothing")
            # A worker that does not know the key at least tries again.
            line.update(retry=True, fault=fault)
        self._end(line)

    def _end(self, line: Dict[str, Any]) -> None:
        if self._worker:
            self._worker.write(line)
        self.stopped = f"{line['type']}: {line['message']}"
        print(self.stopped, file=sys.stderr)

    def _ask(self, line: Dict[str, Any]) -> Optional[str]:
        if self._worker is None:
            print(f"epoch {line['epoch']:g}: {line['val_acc']:.2f} %", file=sys.stderr)
            done = self.epoch >= self.epochs - 1e-9
            return "trained to the end" if done else None
        self._worker.write(line)
        answer = self._worker.read()
        if answer is None:
            return "the worker has gone"
        if answer["type"] == "stop":
            return str(answer.get("reason", ""))
        if answer["type"] == "continue":
            return None
        raise ProtocolError(f"the worker answered an observation with {answer['type']!r}")


def _check(line: Dict[str, Any]) -> None:
    """A job that could be none is refused at its beginning, whether a worker gives it or a script by itself."""
    for key, kind in (("search", str), ("genome", dict), ("data", dict), ("training", dict), ("checkpoint_directory", str)):
        if not isinstance(line[key], kind):
            raise TypeError(f"{key} is {line[key]!r}: expected {kind.__name__}")
    if not (line["resume_from"] is None or isinstance(line["resume_from"], str)):
        raise TypeError(f"resume_from is {line['resume_from']!r}: expected str or None")
    for key in ("epochs", "interval", "start_epoch"):
        number = float(line[key])
        if not (math.isfinite(number) and (number > 0.0 or number == 0.0 and key == "start_epoch")):
            raise ValueError(f"{key} is {number}: expected a number of epochs")


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def job(
    *,
    genome: Optional[Dict[str, Any]] = None,
    epochs: float = 10.0,
    interval: float = 1.0,
    seed: int = 0,
    data: Optional[Dict[str, Any]] = None,
    training: Optional[Dict[str, Any]] = None,
    checkpoint_directory: Union[str, "os.PathLike[str]"] = ".",
) -> Job:
    """The job that the worker gives; call it once, before anything is printed that must not go to the job's log.

    The arguments are for a run by hand, without a worker; under a worker they have no effect.
    """
    if "PENG_PROTOCOL" not in os.environ:
        given = {"job": 0, "search": "", "seed": seed, "genome": genome or {}, "data": data or {}}
        given.update(training=training or {}, epochs=epochs, interval=interval, start_epoch=0.0, resume_from=None)
        given["checkpoint_directory"] = os.fspath(checkpoint_directory)
        return Job(given, None)
    worker = Worker()
    line = worker.read()
    if line is None:
        raise SystemExit("the worker has gone before it gave a job")
    if line["type"] != "job" or line.get("protocol") != VERSION:
        raise ProtocolError(f"expected a job of protocol {VERSION}, the worker wrote {str(line)[:160]}")
    try:
        return Job(line, worker)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ProtocolError(f"the worker gave a job that is not understood: {type(error).__name__}: {error}") from error


def epochs(job: Job) -> Iterator[float]:
    """Yields the epoch that each interval ends with, until the training is to stop. Each needs one ``job.report``."""
    while job.stopped is None and job.epoch < job.epochs - 1e-9 * job.interval:
        before = job.epoch
        yield before + job.interval
        if job.stopped is None and job.epoch == before:
            raise ProtocolError(f"nothing was reported for epoch {before + job.interval:g}: call job.report(val_acc=...)")
