"""The exact fit beside SciPy's."""

import csv
from pathlib import Path

import numpy
import peng_predictor
import pytest

pytest.importorskip("scipy")
import scipy_fit
from test_engine import curves

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "curves" / "icpp23-1e14-full.csv"


def lose(rows):
    """Prefixes on which SciPy has the smaller sum of squares, and how many were compared."""
    lost, compared = [], 0
    for row in rows:
        for length in range(4, len(row) + 1):
            x, y = numpy.arange(float(length)), numpy.asarray(row[:length], dtype=float)
            theirs, ours = scipy_fit.fit(x, y), peng_predictor.fit(x, y)
            compared += theirs is not None
            if theirs is not None and ours.squares > theirs[1] * (1 + 1e-9) + 1e-9:
                lost.append((row, length, ours.squares, theirs[1]))
    return lost, compared


def test_no_prefix_of_made_up_curves_is_lost():
    lost, compared = lose(curves(5, 15)[1])
    assert compared > 30
    assert lost == []


def test_no_prefix_of_recorded_curves_is_lost():
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there")
    rows = {}
    with RECORDED.open() as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["arch"], []).append(float(row["val_acc"]))
    lost, compared = lose(list(rows.values())[:5])
    assert compared > 50
    assert lost == []
