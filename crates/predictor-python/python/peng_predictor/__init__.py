"""Says when the final accuracy of a training is known well enough to stop it. Accuracies are in per cent."""

from ._native import Assessment, Engine, Fit, fit

__all__ = ["Assessment", "Engine", "Fit", "PengPruner", "fit"]


def __getattr__(name: str):
    # Optuna is needed by the pruner alone.
    if name == "PengPruner":
        from .pruner import PengPruner

        return PengPruner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
