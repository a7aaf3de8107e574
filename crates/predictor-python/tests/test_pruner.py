"""The pruner in real studies."""

import collections
import copy
import gc
import math
import pickle
import threading

import numpy
import peng_predictor
import pytest
from peng_predictor.steps import Steps

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
    with pytest.raises(ValueError, match="steps is 'batches'"):
        peng_predictor.PengPruner(EPOCHS, steps="batches")
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


def test_threads_share_what_is_learned():
    """Without the lock in the engine a call during another was refused, "Already borrowed"."""

    def brief(trial):
        for epoch in range(EPOCHS):
            trial.report(50 + epoch + trial.number * 0.01, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 1.0

    for _ in range(5):
        pruner = peng_predictor.PengPruner(EPOCHS)
        made = optuna.create_study(direction="maximize", pruner=pruner)
        made.optimize(brief, n_trials=60, n_jobs=4)
        states = collections.Counter(trial.state.name for trial in made.trials)
        assert states["COMPLETE"] + states["PRUNED"] == 60 and states["COMPLETE"] >= 7, states
        assert pruner._learned(made).learned == 60, "each trial is learned from once"


def test_one_engine_learns_and_answers_in_many_threads():
    engine = peng_predictor.Engine("peng", EPOCHS)
    epochs = [float(epoch) for epoch in range(1, EPOCHS + 1)]
    errors, start = [], threading.Barrier(8)

    def work(number):
        start.wait()
        try:
            for job in range(25):
                curve = [50.0 + number + 0.1 * epoch for epoch in epochs]
                engine.learn(100 * number + job, epochs, curve)
                engine.assess(epochs[:5], curve[:5])
                engine.snapshot()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and engine.learned == 200, errors


def test_another_study_of_the_same_name_is_learned_from_anew():
    """Two data sets, the second harder: by the bar of the first every trial of it would be pruned."""

    def run(pruner, top, trials):
        def harder(trial):
            best = top - 20 * (1 - trial.suggest_float("x", 0, 1))
            noise = numpy.random.default_rng(trial.number)
            for epoch in range(10):
                value = best - 30 * math.exp(-0.4 * (epoch + 1)) + noise.normal(0, 0.2)
                trial.report(value, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return value

        sampler = optuna.samplers.RandomSampler(1)
        made = optuna.create_study(study_name="cifar", direction="maximize", pruner=pruner, sampler=sampler)
        made.optimize(harder, n_trials=trials)
        return [len(trial.intermediate_values) for trial in made.trials]

    pruner = peng_predictor.PengPruner(epochs=10)
    run(pruner, 95, 30)
    assert run(pruner, 60, 30) == run(peng_predictor.PengPruner(epochs=10), 60, 30)


def test_a_study_that_is_gone_is_forgotten():
    pruner = peng_predictor.PengPruner(EPOCHS)
    study(pruner, trials=2)
    gc.collect()
    assert len(pruner._studies) == 0


def answer(reported, values=None, **arguments):
    """The pruner's answer for a running trial that reported at these steps, after no other."""
    pruner = peng_predictor.PengPruner(**{"epochs": 20, "engine": "penguin-v4", **arguments})
    made = optuna.create_study(direction="maximize", pruner=pruner)
    trial = made.ask()
    for step, value in zip(reported, values or CURVE):
        trial.report(value, step)
    frozen = made.get_trials(deepcopy=False)[0]
    return pruner.assess(made, frozen)


CURVE = [50.0, 60.0, 65.0, 67.5]


@pytest.mark.parametrize(
    ("steps", "arguments"),
    [
        ([0, 1, 2, 3], {"interval": 1}),
        ([1, 2, 3, 4], {"interval": 1}),
        ([1, 2, 3, 4], {"interval": 1, "first_step": 1}),
        ([7, 8, 9, 10], {"interval": 1, "first_step": 7}),
        ([0, 1, 2, 3], {"interval": 5}),
        ([4, 9, 14, 19], {"interval": 5}),
        ([5, 10, 15, 20], {"interval": 5}),
        ([0, 1, 2, 3], {"interval": 0.5}),
        ([1, 2, 3, 4], {"interval": 5, "steps": "reports", "first_step": 1}),
        ([4, 9, 14, 19], {"interval": 5, "steps": "epochs"}),
        ([5, 10, 15, 20], {"interval": 5, "steps": "epochs", "first_step": 1}),
    ],
)
def test_steps_are_reports_or_epochs_as_said_or_recognised(steps, arguments):
    interval = arguments["interval"]
    said = (arguments.get("steps"), arguments.get("first_step"))
    epochs = Steps(interval, *said).epochs(steps)
    assert epochs == [interval * (number + 1) for number in range(4)]
    # The fourth report is the last of a trial of so many epochs, and not yet that of one of twice as many.
    assert "trained to the end" in answer(steps, engine="peng", epochs=4 * interval, **arguments).reason
    assert "trained to the end" not in answer(steps, engine="peng", epochs=8 * interval, **arguments).reason


@pytest.mark.parametrize(
    ("steps", "arguments", "error"),
    [
        ([0, 5, 10], {"interval": 5}, r"the steps 0, 5, 10, \.\.\. are no reports or epochs in intervals of 5"),
        ([0, 5], {"interval": 5}, "expected 0, 1, 2, ... or 4, 9, 14, ... or 5, 10, 15, ..."),
        ([1], {"interval": 5}, "the steps 1 are no reports"),
        ([2, 3], {"interval": 1}, "expected 0, 1, 2, ... or 1, 2, 3, ..."),
        ([0, 2], {"interval": 1}, "the steps 0, 2 are no reports"),
        ([1, 6], {"interval": 5, "steps": "epochs", "first_step": 1}, "expected 5, 10, 15, ..."),
        ([1, 2], {"interval": 1, "first_step": 5}, "the steps 1, 2 are no reports"),
    ],
)
def test_steps_that_are_neither_are_refused(steps, arguments, error):
    with pytest.raises(ValueError, match=error):
        answer(steps, **arguments)


def test_reports_that_were_left_out_are_known_where_steps_are_said():
    assert Steps(2.0, "reports", None).epochs([0, 1, 3, 4]) == [2.0, 4.0, 8.0, 10.0]
    assert "trained to the end" in answer([0, 1, 3, 9], steps="reports", engine="peng", interval=2.0).reason


@pytest.mark.parametrize(
    ("value", "unit", "error"),
    [
        (5000.0, "percent", "trial 0 reported 5000 at step 1: expected 0 to 100"),
        (-5.0, "percent", "trial 0 reported -5 at step 1: expected 0 to 100"),
        (math.inf, "percent", "trial 0 reported inf at step 1"),
        (71.0, "fraction", "trial 0 reported 71 at step 1: expected 0 to 1, for unit is \"fraction\""),
    ],
)
def test_what_is_no_percentage_is_refused(value, unit, error):
    with pytest.raises(ValueError, match=error):
        answer([0, 1], [0.5, value], unit=unit)
    made = optuna.create_study(direction="maximize", pruner=peng_predictor.PengPruner(EPOCHS, unit=unit))

    def reports(trial):
        trial.report(0.5, 0)
        trial.report(value, 1)
        trial.should_prune()

    with pytest.raises(ValueError, match=error):
        made.optimize(reports, n_trials=5)
    assert len(made.trials) == 1, "it is refused once, by the first trial"


def test_the_best_float_above_all_is_a_percentage():
    assert answer([0, 1], [0.5, 1.0000001], unit="fraction").fitness is None


def test_several_objectives_are_refused():
    pruner = peng_predictor.PengPruner(EPOCHS)
    made = optuna.create_study(directions=["maximize", "minimize"], pruner=pruner)
    made.optimize(lambda trial: (1.0, 1.0), n_trials=1)
    with pytest.raises(ValueError, match="one accuracy, and the study has maximize, minimize"):
        pruner.prune(made, made.trials[0])


def test_a_trial_of_an_earlier_program_teaches_nothing_with_one_warning():
    made = optuna.create_study(direction="maximize")
    made.optimize(lambda trial: trial.report(5000.0, 0) or 1.0, n_trials=1)
    made.pruner = peng_predictor.PengPruner(EPOCHS)
    with pytest.warns(UserWarning, match="teaches nothing: trial 0 reported 5000") as warned:
        made.optimize(objective, n_trials=2)
    assert len([warning for warning in warned if "teaches nothing" in str(warning.message)]) == 1


def test_a_curve_with_nan_that_completed_teaches_nothing():
    pruner = peng_predictor.PengPruner(EPOCHS)
    made = optuna.create_study(direction="maximize", pruner=pruner)
    made.optimize(lambda trial: trial.report(math.nan, EPOCHS - 1) or 1.0, n_trials=1)
    made.optimize(objective, n_trials=1)
    pruner.assess(made, made.trials[1])
    assert pruner._learned(made).learned == 1


@pytest.mark.parametrize("again", [lambda pruner: pickle.loads(pickle.dumps(pruner)), copy.deepcopy])
def test_a_copy_has_the_arguments_and_learns_by_itself(again):
    pruner = peng_predictor.PengPruner(10, 0.5, unit="fraction", startup=3, steps="reports")
    made = optuna.create_study(direction="maximize", pruner=pruner)
    trial = made.ask()
    trial.report(0.5, 0)
    frozen = made.get_trials(deepcopy=False)[0]
    pruner.assess(made, frozen)
    other = again(pruner)
    assert len(other._studies) == 0 and other.assess(made, frozen).reason == pruner.assess(made, frozen).reason
    assert len(pruner._studies) == 1
