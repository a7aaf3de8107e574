"""What Syne Tune's own ASHA saves and keeps in the searches that `--example tables` simulates, beside ours.

    pip install syne-tune==0.16.0
    python crates/scheduler/benches/against_syne_tune.py icpp23-1e14-full,metaqnn-cifar10

A set of another folder is named by its absolute path, without `.csv`. Syne Tune has the stopping variant, ours is
`asha`; `asha-promotion` is the algorithm as published. Both play the same draws, each event in the same order.
"""
import csv
import logging
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from statistics import fmean

from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving

logging.disable(logging.WARNING)
ROOT = Path(__file__).resolve().parents[3]
WORKERS = [1, 8, 32, 100]


class Searcher:
    """Proposes nothing: the jobs are given."""

    def on_trial_result(self, *args, **kwargs):
        pass


def curves(name):
    """Accuracies by job, as the example numbers them, and the last epoch of most."""
    with open(ROOT.parent / "shared/curves" / f"{name}.csv") as file:
        rows = sorted((int(r["arch"]), float(r["epoch"]), float(r["val_acc"])) for r in csv.DictReader(file))
    by_arch = {}
    for arch, _, accuracy in rows:
        by_arch.setdefault(arch, []).append(accuracy)
    jobs = [by_arch[arch] for arch in sorted(by_arch)]
    return jobs, sorted(map(len, jobs))[len(jobs) // 2]


def play(jobs, epochs, workers):
    """Epochs trained of each job, in lock step like `scheduler::simulation`."""
    asha = AsynchronousSuccessiveHalving(
        {}, "accuracy", do_minimize=False, searcher=Searcher(), time_attr="epoch",
        max_t=epochs, grace_period=3, reduction_factor=3,
    )
    trials = [Trial(job, {}, datetime.min) for job in range(len(jobs))]
    trained = [0] * len(jobs)
    slots, waiting = [None] * workers, iter(trials)
    while True:
        for at in range(workers):
            if slots[at] is None and (trial := next(waiting, None)):
                asha.on_trial_add(trial)
                slots[at] = trial
        if not any(slots):
            return trained
        for at, trial in enumerate(slots):
            if trial is None:
                continue
            job = trial.trial_id
            trained[job] += 1
            result = {"accuracy": jobs[job][trained[job] - 1], "epoch": trained[job]}
            if trained[job] == epochs:
                asha.on_trial_complete(trial, result)
                slots[at] = None
            elif asha.on_trial_result(trial, result) == "STOP":
                slots[at] = None


def measure(jobs, epochs, trained):
    """Per cent of the epochs saved, and the share of the true best tenth that is kept (ties belong to it)."""
    tenth = max(1, round(len(jobs) / 10))
    least = sorted((curve[epochs - 1] for curve in jobs), reverse=True)[tenth - 1]
    chosen = sorted(range(len(jobs)), key=lambda job: -jobs[job][trained[job] - 1])[:tenth]
    kept = sum(jobs[job][epochs - 1] >= least for job in chosen) / tenth
    return 100 * (1 - sum(trained) / (epochs * len(jobs))), kept


def example(*arguments):
    command = ["cargo", "run", "--release", "--quiet", "-p", "peng-scheduler", "--example", "tables", "--", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def main():
    sets = sys.argv[1]
    known, by_workers = {}, {workers: {} for workers in WORKERS}
    for line in example(sets, "--draws").splitlines():
        name, order = line.rsplit(" ", 1)
        jobs, epochs = known.get(name) or known.setdefault(name, curves(name))
        drawn = [jobs[int(job)] for job in order.split(",")]
        for workers, by_set in by_workers.items():
            by_set.setdefault(name, []).append(measure(drawn, epochs, play(drawn, epochs, workers)))
    for workers, by_set in by_workers.items():
        means = [[fmean(column) for column in zip(*rows)] for rows in by_set.values()]
        saved, kept = (fmean(column) for column in zip(*means))
        print(f"{'Syne Tune, means over the sets':36} {workers:5} {saved:5.1f} {kept:5.3f}")
    print(example(sets, "--means", "--workers", ",".join(map(str, WORKERS)), "asha", "asha-promotion"), end="")


main()
