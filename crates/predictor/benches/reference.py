"""SciPy's curve_fit on curves in the style of benches/fit.rs: time per fit, failures, sums of squares.

    python benches/reference.py            times beside those of `cargo bench -p peng-predictor`
    python benches/reference.py fixture    writes tests/fixtures/scipy.csv: generated curves, SciPy's best sums of squares
    python benches/reference.py compare F  compares with F, what `cargo run --release --example fits -- SET` printed

Needs numpy and scipy (1.17 was used).
"""
import csv
import os
import statistics
import sys
import time
import warnings

import numpy as np
from scipy.optimize import curve_fit

warnings.simplefilter("ignore")
BOUNDS = ((0.5, 1.0, 0.0), (200.0, np.inf, np.inf))
MASK = (1 << 64) - 1


def accuracies(seed, points):
    state = seed

    def uniform():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        return (state >> 33) / (1 << 31)

    a, kappa, rate = 60 + 35 * uniform(), 10 + 40 * uniform(), 0.05 + 0.45 * uniform()
    return np.array([a - kappa * np.exp(-rate * i) + uniform() - 0.5 for i in range(points)])


def family(x, a, b, c):
    return a - b ** (c - x)


def fit(x, y, start=None):
    """Sum of squares and parameters, or None where the solver fails within the original's 300 evaluations."""
    try:
        found, _ = curve_fit(family, x, y, p0=start, bounds=BOUNDS, max_nfev=300)
    except (RuntimeError, ValueError):
        return None
    return float(((family(x, *found) - y) ** 2).sum()), found


def times():
    for points in (10, 20, 25, 50):
        x, spent, failed = np.arange(points, dtype=float), [], 0
        for seed in range(64):
            y = accuracies(seed, points)
            begin = time.perf_counter()
            failed += fit(x, y) is None
            spent.append(1e6 * (time.perf_counter() - begin))
        spent.sort()
        print(f"scipy  {points:3} points: median {statistics.median(spent):9.0f} us, slowest {spent[-1]:9.0f} us, failed {failed} of 64")


def fixture():
    rows = []
    for seed in range(40):
        kind, curve = seed % 4, accuracies(seed, 25)
        if kind == 1:
            curve = curve[::-1] * 0.5
        elif kind == 2:
            curve = 10.0 + (curve - curve.mean()) * 0.02
        elif kind == 3:
            curve = np.round(curve + 8 * np.sin(np.arange(25) * 1.7 + seed), 1)
        for points in (4, 6, 9, 14, 25):
            x, y = np.arange(points, dtype=float), np.round(curve[:points], 6)
            starts = (None, (10, 1.001, 100), (y.max() + 1, 1.2, 10), (y.max() + 5, 1.05, 40))
            best = min((f[0] for f in (fit(x, y, s) for s in starts) if f), default=float("inf"))
            rows.append([seed, best] + [f"{v:.6f}" for v in y])
    path = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "scipy.csv")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        for seed, best, *values in rows:
            writer.writerow([seed, repr(best)] + values)
    print(f"{len(rows)} prefixes in {os.path.normpath(path)}")


def compare(path):
    wins = ties = losses = failed = agree = minimum = 0
    spent = []
    for row in csv.reader(open(path)):
        name, arch, step, squares, predicted, target, recorded = row[:7]
        y = np.array([float(v) for v in row[7:]])
        begin = time.perf_counter()
        found = fit(np.arange(len(y), dtype=float), y)
        spent.append(1e3 * (time.perf_counter() - begin))
        if found is None:
            failed += 1
            continue
        ours, theirs = float(squares), found[0]
        slack = 1e-9 * max(theirs, 1e-9)
        wins += ours < theirs * (1 - 1e-6) - 1e-12
        losses += ours > theirs + slack
        ties += theirs * (1 - 1e-6) - 1e-12 <= ours <= theirs + slack
        if ours > theirs + slack:
            print("loss", name, arch, step, ours, theirs)
        if theirs <= ours * (1 + 1e-6):
            minimum += 1
            agree += abs(float(predicted) - family(float(target), *found[1])) <= 0.01
    spent.sort()
    print(f"{path}: {wins} wins, {ties} ties, {losses} losses, scipy failed {failed}; "
          f"within 1e-6 of the minimum {minimum}, of which predictions agree to 0.01 {agree}; "
          f"scipy median {statistics.median(spent):.1f} ms, p99 {spent[int(0.99 * len(spent))]:.0f} ms")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        times()
    elif sys.argv[1] == "fixture":
        fixture()
    else:
        compare(sys.argv[2])
