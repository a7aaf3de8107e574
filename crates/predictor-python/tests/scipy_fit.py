"""The fit of PEng4NN as A4NN calls it: SciPy's curve_fit with bounds, from its default start."""

import warnings

import numpy
from scipy.optimize import curve_fit


def family(x, a, b, c):
    return a - b ** (c - x)


def fit(x, y):
    """Parameters and sum of squares; None where SciPy gives up."""
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            parameters, _ = curve_fit(family, x, y, bounds=([0.5, 1, 0], [200, numpy.inf, numpy.inf]), maxfev=300)
        except (RuntimeError, ValueError):
            return None
        return parameters, float(((family(x, *parameters) - y) ** 2).sum())
