"""The engines as an Optuna pruner."""

import math
from typing import Any, Dict, List, Optional, Tuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from ._native import Assessment, Engine

#: A pruned trial is not resumed, and does not win.
FINAL = {"thaw": False, "tolerance": 0.0}


class PengPruner(optuna.pruners.BasePruner):
    """Prunes a trial when its final accuracy is known well enough.

    >>> study = optuna.create_study(direction="maximize", pruner=PengPruner(epochs=25, unit="fraction"))

    ``epochs``: of a full trial; ``interval``: epochs between two reports; ``first_step``: the step of the first report,
    0 for ``for epoch in range(25): trial.report(accuracy, epoch)``. ``unit``: of the reported accuracies, "percent" or
    "fraction". Further arguments are settings of the engine: ``keep``, ``risk``, ``startup``, ``warm_up``, ...

    The default engine learns from the trials that ended before, the first of which it lets train to the end
    (``startup``). Two of its settings have another default here, for Optuna resumes no trial and a pruned one is never
    the best of its study: ``thaw`` is False, so that no stop counts on being taken back, and ``tolerance`` is 0, so that
    no trial is pruned because it is known to be good. The penguin-* engines do prune good trials once they are known.

    A trial that reports NaN is pruned. With several processes each learns from the storage that they share, in the order
    in which it sees trials end. Trials that were pruned count with the accuracy that was predicted for them.
    """

    def __init__(
        self,
        epochs: float,
        interval: float = 1.0,
        *,
        engine: str = "peng",
        unit: str = "percent",
        first_step: int = 0,
        **settings: Any,
    ) -> None:
        if unit not in ("percent", "fraction"):
            raise ValueError(f'unit is {unit!r}: expected "percent" or "fraction"')
        self._arguments = (engine, float(epochs), float(interval))
        self._settings = {**FINAL, **settings}
        self._scale = 100.0 if unit == "fraction" else 1.0
        self._first_step = first_step
        self._engines: Dict[str, Tuple[Engine, set]] = {}
        self._new_engine()  # Wrong settings are refused here, not in the first trial.

    def prune(self, study: "optuna.study.Study", trial: FrozenTrial) -> bool:
        """Whether the trial may end here. ``trial.should_prune()`` asks it."""
        assessment = self.assess(study, trial)
        return True if assessment is None else assessment.stop

    def assess(self, study: "optuna.study.Study", trial: FrozenTrial) -> Optional[Assessment]:
        """The engine's answer for a trial: prediction, interval, reason. None for a trial that reported NaN."""
        if study.direction != optuna.study.StudyDirection.MAXIMIZE:
            raise ValueError('PengPruner predicts accuracies: create the study with direction="maximize"')
        engine = self._learned(study)
        epochs, accuracies = self._curve(trial)
        if any(math.isnan(accuracy) for accuracy in accuracies):
            return None
        return engine.assess(epochs, accuracies)

    def _learned(self, study: "optuna.study.Study") -> Engine:
        engine, seen = self._engines.setdefault(study.study_name, (self._new_engine(), set()))
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        new = [trial for trial in ended if trial.number not in seen]
        for trial in sorted(new, key=lambda trial: (trial.datetime_complete, trial.number)):
            seen.add(trial.number)
            self._learn(engine, trial)
        return engine

    def _learn(self, engine: Engine, trial: FrozenTrial) -> None:
        epochs, accuracies = self._curve(trial)
        if not epochs or not all(math.isfinite(accuracy) for accuracy in accuracies):
            return
        _, target, interval = self._arguments
        if epochs[-1] >= target - interval / 2:
            engine.learn(trial.number, epochs, accuracies)
        elif trial.state == TrialState.PRUNED:
            fitness = engine.assess(epochs, accuracies).fitness
            if fitness is not None:
                engine.learn(trial.number, epochs, accuracies, stopped=fitness)

    def _curve(self, trial: FrozenTrial) -> Tuple[List[float], List[float]]:
        points = sorted(trial.intermediate_values.items())
        interval = self._arguments[2]
        epochs = [(step - self._first_step + 1) * interval for step, _ in points]
        return epochs, [value * self._scale for _, value in points]

    def _new_engine(self) -> Engine:
        return Engine(*self._arguments, **self._settings)

    def __getstate__(self) -> Dict[str, Any]:
        # Another process learns anew from the storage.
        return {**self.__dict__, "_engines": {}}
