"""The pruner in real studies."""

import math
import pickle

import numpy
import peng_predictor
import pytest

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)
EPOCHS = 20
PRUNED = optuna.trial.TrialState.PRUNED


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


def test_epochs_are_saved_and_the_best_are_kept():
    """Over several studies, for one can be lucky: a median pruner that waits 5 epochs spends half of all epochs here."""
    spent, pruned_trials, wrong = 0, 0, 0
    for seed in range(5):
        pruned = study(peng_predictor.PengPruner(EPOCHS), seed=seed)
        whole = study(optuna.pruners.NopPruner(), seed=seed)
        assert pruned.best_params == whole.best_params, f"seed {seed}"
        spent += sum(len(trial.intermediate_values) for trial in pruned.trials)
        for trial in pruned.trials:
            if trial.state == PRUNED:
                # The bar that it was measured by: the best tenth of those before it.
                before = sorted((t.value for t in whole.trials[: trial.number]), reverse=True)
                bar = before[math.ceil(0.1 * len(before)) - 1]
                wrong += whole.trials[trial.number].value > bar
                pruned_trials += 1
    assert spent < 0.45 * 5 * 60 * EPOCHS, f"{spent} epochs"
    assert wrong <= 0.02 * pruned_trials, f"{wrong} of {pruned_trials} were among the best tenth so far"


def test_fractions_are_judged_as_per_cent():
    numbers = [
        [len(trial.intermediate_values) for trial in study(peng_predictor.PengPruner(EPOCHS, unit=unit), scale=scale).trials]
        for unit, scale in (("percent", 1.0), ("fraction", 0.01))
    ]
    assert numbers[0] == numbers[1]


def test_the_first_trials_are_trained_to_the_end():
    trials = study(peng_predictor.PengPruner(EPOCHS, startup=12), trials=20).trials
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in trials[:12])
    assert any(trial.state == PRUNED for trial in trials[12:])


def test_any_engine_and_its_settings():
    trials = study(peng_predictor.PengPruner(EPOCHS, engine="penguin-v4", threshold=1.0), trials=10).trials
    assert any(trial.state == PRUNED for trial in trials)
    assert all(len(trial.intermediate_values) >= 6 for trial in trials), "three predictions from four points"


def test_nan_is_pruned_and_teaches_nothing():
    def diverge(trial):
        trial.report(math.nan, 0)
        if trial.should_prune():
            raise optuna.TrialPruned
        return 0.0

    made = optuna.create_study(direction="maximize", pruner=peng_predictor.PengPruner(EPOCHS))
    made.optimize(diverge, n_trials=2)
    assert all(trial.state == PRUNED for trial in made.trials)


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
