"""The pruner in real studies."""

import math
import pickle

import numpy
import peng_predictor
import pytest

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)
EPOCHS = 20


def objective(trial, scale=1.0):
    """An accuracy that saturates, with noise; its end depends on the parameter alone."""
    best = 60 + 35 * trial.suggest_float("x", 0, 1)
    noise = numpy.random.default_rng(trial.number)
    for epoch in range(EPOCHS):
        accuracy = scale * (best - 40 * math.exp(-0.3 * (epoch + 1)) + noise.normal(0, 0.2))
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


def study(pruner, trials=60, scale=1.0, seed=4):
    made = optuna.create_study(direction="maximize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed))
    made.optimize(lambda trial: objective(trial, scale), n_trials=trials)
    return made


@pytest.mark.parametrize(("unit", "scale"), [("percent", 1.0), ("fraction", 0.01)])
def test_epochs_are_saved_and_the_best_are_kept(unit, scale):
    pruned = study(peng_predictor.PengPruner(EPOCHS, unit=unit, startup=10), scale=scale)
    whole = study(optuna.pruners.NopPruner(), scale=scale)
    spent = sum(len(trial.intermediate_values) for trial in pruned.trials)
    assert spent < 0.7 * 60 * EPOCHS, f"{spent} of {60 * EPOCHS} epochs"
    states = [trial.state for trial in pruned.trials]
    assert all(state == optuna.trial.TrialState.COMPLETE for state in states[:10]), "it learns from these"
    assert pruned.best_params == whole.best_params
    best = {trial.number for trial in sorted(whole.trials, key=lambda trial: -trial.value)[:6]}
    assert sum(states[number] == optuna.trial.TrialState.COMPLETE for number in best) >= 5


def test_any_engine_and_its_settings():
    trials = study(peng_predictor.PengPruner(EPOCHS, engine="penguin-v4", threshold=1.0), trials=10).trials
    assert any(trial.state == optuna.trial.TrialState.PRUNED for trial in trials)
    assert all(len(trial.intermediate_values) >= 6 for trial in trials), "three predictions from four points"


def test_nan_is_pruned_and_teaches_nothing():
    def diverge(trial):
        trial.report(math.nan, 0)
        if trial.should_prune():
            raise optuna.TrialPruned
        return 0.0

    made = optuna.create_study(direction="maximize", pruner=peng_predictor.PengPruner(EPOCHS))
    made.optimize(diverge, n_trials=2)
    assert all(trial.state == optuna.trial.TrialState.PRUNED for trial in made.trials)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="unit is 'ratio'"):
        peng_predictor.PengPruner(EPOCHS, unit="ratio")
    with pytest.raises(ValueError, match="risk = 2"):
        peng_predictor.PengPruner(EPOCHS, risk=2)
    made = optuna.create_study(direction="minimize", pruner=peng_predictor.PengPruner(EPOCHS))
    with pytest.raises(ValueError, match='direction="maximize"'):
        made.optimize(objective, n_trials=1)


def test_another_process_learns_from_the_storage():
    pruner = peng_predictor.PengPruner(EPOCHS)
    made = study(pruner, trials=15)
    again = pickle.loads(pickle.dumps(pruner))
    first = made.trials[12]
    assert again.assess(made, first).fitness == pytest.approx(pruner.assess(made, first).fitness, abs=1e-9)
