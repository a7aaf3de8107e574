"""The engines as an Optuna pruner."""

import math
import threading
import warnings
from typing import Any, Dict, List, Optional, Set, Tuple
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial, TrialState

from ._native import Assessment, Engine
from .steps import Steps

#: A pruned trial is not resumed, and does not win.
FINAL = {"thaw": False, "tolerance": 0.0}


class PengPruner(optuna.pruners.BasePruner):
    """Prunes a trial when its final accuracy is known well enough.

    >>> study = optuna.create_study(direction="maximize", pruner=PengPruner(epochs=25, unit="fraction"))

    ``epochs``: of a full trial; ``interval``: epochs between two reports. ``unit``: of the reported accuracies, "percent" or
    "fraction". Further arguments are settings of the engine: ``keep``, ``risk``, ``startup``, ``warm_up``, ...

    ``steps``: what the step of ``trial.report(accuracy, step)`` is, "reports" (their number, whatever the interval) or
    "epochs" (trained so far). ``first_step``: the step of the first report, or the step after the first epoch: 0 for
    ``for epoch in range(25)``, 1 for ``range(1, 26)``. Left out, it is recognised by the first report of each trial: with
    ``interval=5`` the steps 0, 1, 2 are reports, 4, 9, 14 and 5, 10, 15 are epochs. What is none of them is refused.

    The default engine learns from the trials that ended before, the first of which it lets train to the end
    (``startup``). Two of its settings have another default here, for Optuna resumes no trial and a pruned one is never
    the best of its study: ``thaw`` is False, so that no stop counts on being taken back, and ``tolerance`` is 0, so that
    no trial is pruned because it is known to be good. The penguin-* engines do prune good trials once they are known.

    Each study is learned from by itself, whatever its name. Threads (``n_jobs``) share what is learned. A pickled pruner takes
    along its arguments alone: another process learns anew from the storage. With several processes each learns from the
    storage that they share, in the order in which it sees trials end. Trials that were pruned count with the accuracy that
    was predicted for them.

    A trial that reports NaN is pruned and teaches nothing. ValueError is raised for a study that minimises or has several
    objectives, for accuracies that are no percentages, and for steps that are neither reports nor epochs. An ended trial
    with such a thing in it, as one of an earlier program, teaches nothing, with one warning.
    """

    def __init__(
        self,
        epochs: float,
        interval: float = 1.0,
        *,
        engine: str = "peng",
        unit: str = "percent",
        steps: Optional[str] = None,
        first_step: Optional[int] = None,
        **settings: Any,
    ) -> None:
        if unit not in ("percent", "fraction"):
            raise ValueError(f'unit is {unit!r}: expected "percent" or "fraction"')
        self._arguments = (engine, float(epochs), float(interval))
        self._settings = {**FINAL, **settings}
        self._unit = unit
        self._steps = Steps(float(interval), steps, first_step)
        self._forget()
        self._new_engine()  # Wrong settings are refused here, not in the first trial.

    def prune(self, study: "optuna.study.Study", trial: FrozenTrial) -> bool:
        """Whether the trial may end here. ``trial.should_prune()`` asks it."""
        assessment = self.assess(study, trial)
        return True if assessment is None else assessment.stop

    def assess(self, study: "optuna.study.Study", trial: FrozenTrial) -> Optional[Assessment]:
        """The engine's answer for a trial: prediction, interval, reason. None for a trial that reported NaN."""
        if study.directions != [optuna.study.StudyDirection.MAXIMIZE]:
            directions = ", ".join(direction.name.lower() for direction in study.directions)
            raise ValueError(
                f"PengPruner predicts one accuracy, and the study has {directions}: "
                'create the study with direction="maximize"'
            )
        curve = self._curve(trial)
        return None if curve is None else self._learned(study).assess(*curve)

    def _learned(self, study: "optuna.study.Study") -> Engine:
        with self._lock:
            if study not in self._studies:
                self._studies[study] = (self._new_engine(), set())
            engine, seen = self._studies[study]
            ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
            new = [trial for trial in ended if trial.number not in seen]
            for trial in sorted(new, key=lambda trial: (trial.datetime_complete, trial.number)):
                seen.add(trial.number)
                try:
                    self._learn(engine, trial)
                except ValueError as error:
                    warnings.warn(f"a trial teaches nothing: {error}", stacklevel=2)
            return engine

    def _learn(self, engine: Engine, trial: FrozenTrial) -> None:
        curve = self._curve(trial)
        if curve is None or not curve[0]:
            return
        _, target, interval = self._arguments
        if curve[0][-1] >= target - interval / 2:
            engine.learn(trial.number, *curve)
        elif trial.state == TrialState.PRUNED:
            fitness = engine.assess(*curve).fitness
            if fitness is not None:
                engine.learn(trial.number, *curve, stopped=fitness)

    def _curve(self, trial: FrozenTrial) -> Optional[Tuple[List[float], List[float]]]:
        """Epochs and accuracies in per cent; None with a NaN among them."""
        points = sorted(trial.intermediate_values.items())
        if any(math.isnan(value) for _, value in points):
            return None
        highest = 1.0 if self._unit == "fraction" else 100.0
        for step, value in points:
            # Sums of float32 are a little above.
            if not 0.0 <= value <= highest * (1 + 1e-6):
                raise ValueError(
                    f"trial {trial.number} reported {value:g} at step {step}: expected 0 to {highest:g}, "
                    f'for unit is "{self._unit}"'
                )
        try:
            epochs = self._steps.epochs([step for step, _ in points])
        except ValueError as error:
            raise ValueError(f"trial {trial.number}: {error}") from None
        return epochs, [min(value * (100.0 / highest), 100.0) for _, value in points]

    def _new_engine(self) -> Engine:
        return Engine(*self._arguments, **self._settings)

    def _forget(self) -> None:
        #: By the study itself: another may have its name.
        self._studies: "WeakKeyDictionary[optuna.study.Study, Tuple[Engine, Set[int]]]" = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        # Another process learns anew from the storage.
        return {name: value for name, value in self.__dict__.items() if name not in ("_studies", "_lock")}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
