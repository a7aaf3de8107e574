from ._native import Assessment as Assessment, Engine as Engine, Fit as Fit, fit as fit
from .pruner import PengPruner as PengPruner
