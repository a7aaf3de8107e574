"""Seconds per assessment, beside the fit that PEng4NN and A4NN call. Needs SciPy, pytest, and a release build:

    maturin build --release && pip install target/wheels/peng_predictor-*.whl
    python benches/against_scipy.py
"""

import sys
import time
from pathlib import Path

import numpy
import peng_predictor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import scipy_fit
from test_engine import curves


def median_seconds(work, inputs, rounds):
    times = []
    for _ in range(rounds):
        for item in inputs:
            start = time.perf_counter()
            work(*item)
            times.append(time.perf_counter() - start)
    return float(numpy.median(times))


def main():
    epochs, rows = curves(20, 25)
    prefixes = [(epochs[:n], row[:n]) for row in rows for n in range(6, 26)]
    theirs = median_seconds(lambda x, y: scipy_fit.fit(x - 1, y), prefixes, 1)
    print(f"SciPy {'curve_fit':<24}{theirs * 1e6:12.1f} us")
    for name in ("penguin-v1", "penguin-v2", "penguin-v4", "peng"):
        engine = peng_predictor.Engine(name, 25)
        for job, row in enumerate(rows):
            engine.learn(job, epochs, row)
        ours = median_seconds(engine.assess, prefixes, 20)
        print(f"peng  {name:<24}{ours * 1e6:12.1f} us{theirs / ours:10.0f} times as fast")
    print(f"(median over {len(prefixes)} prefixes of 6 to 25 epochs; penguin-* fits three prefixes per assessment)")


main()
