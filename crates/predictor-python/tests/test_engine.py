"""Engines, from lists and arrays."""

import numpy
import peng_predictor
import pytest
from peng_predictor import Engine

EPOCHS = [1, 2, 3, 4, 5, 6, 7]
CURVE = [50.0, 60.0, 65.0, 67.5, 68.75, 69.375, 69.69]


def test_a_curve_that_is_known_stops():
    engine = Engine("penguin-v4", epochs=25, interval=1.0)
    early, late = engine.assess(EPOCHS[:4], CURVE[:4]), engine.assess(EPOCHS, CURVE)
    assert (early.stop, late.stop) == (False, True)
    assert late.fitness == pytest.approx(70.0, abs=0.1)
    assert "within 0.5 of their median" in late.reason and "stop=True" in repr(late)
    assert not Engine("penguin-v4", 25, threshold=0.001).assess(EPOCHS, CURVE).stop


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Engine("pengu", 25), "unknown variant `pengu`"),
        (lambda: Engine("peng", 25, kep=1), "unknown field `kep`"),
        (lambda: Engine("peng", 25, keep=0), "keep = 0: must be above 0"),
        (lambda: Engine("peng", 0), "max_epochs = 0: must be at least one interval"),
        (lambda: Engine("peng", 25).assess([1, 2], [1.0]), "accuracies has 1 values, epochs has 2"),
        (lambda: Engine("peng", 25).assess([1], [numpy.nan]), "val_acc is NaN"),
        (lambda: Engine("peng", 25).assess([1, 2], [1, 5000]), "point 1: val_acc is 5000, expected per cent from 0 to 100"),
        (lambda: Engine("peng", 25).assess([1], [-5]), "point 0: val_acc is -5, expected per cent"),
        (lambda: Engine("peng", 25).assess([1], [5], [101]), "point 0: train_acc is 101, expected per cent"),
        (lambda: Engine("peng", 25).learn(1, [1], [500]), "val_acc is 500, expected per cent"),
        (lambda: Engine("peng", 25).assess_batch([1], numpy.array([[5.0], [500.0]])), "row 1: point 0: val_acc is 500"),
        (lambda: Engine("peng", 25).assess([2, 1], [1, 1]), "epoch 1 does not follow epoch 2"),
        (lambda: Engine("peng", 25).restore(b"?"), "cannot read a calibration snapshot"),
        (lambda: Engine("peng", 25).assess_batch([1], numpy.ones((2, 3))), "expected a column per epoch"),
        (lambda: Engine("penguin-v4", 25).assess_batch([1, 2], numpy.array([[1, 2], [numpy.nan, 2]])), "row 1: "),
        (lambda: peng_predictor.fit([1], [1]), "2 are the least"),
    ],
)
def test_bad_input_is_a_clear_error(call, error):
    with pytest.raises(ValueError, match=error):
        call()


def curves(count, epochs, seed=1):
    """Saturating curves with noise."""
    random = numpy.random.default_rng(seed)
    best, speed = random.uniform(60, 98, (count, 1)), random.uniform(0.15, 0.75, (count, 1))
    x = numpy.arange(1.0, epochs + 1)
    return x, numpy.clip(best - 40 * numpy.exp(-speed * x) + random.normal(0, 0.3, (count, epochs)), 0, 100)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_batch_is_each_of_its_curves(order):
    x, all_curves = curves(40, 20)
    engine = Engine("peng", epochs=20, startup=10)
    for job, curve in enumerate(all_curves[:15]):
        engine.learn(job, x, curve)
    assert engine.learned == 15
    batch = numpy.array(all_curves[15:], order=order)
    batch[::2, 8:] = numpy.nan
    batch[5] = numpy.nan
    fitness, stop = engine.assess_batch(x, batch)
    assert fitness.dtype == numpy.float64 and stop.dtype == numpy.bool_
    for row, curve in enumerate(batch):
        length = int((~numpy.isnan(curve)).sum())
        single = engine.assess(x[:length], curve[:length])
        assert stop[row] == single.stop
        numpy.testing.assert_equal(fitness[row], numpy.nan if single.fitness is None else single.fitness)
    assert numpy.isnan(fitness[5]) and not stop[5]
    assert 0 < stop.sum() < len(stop)


def test_arrays_with_strides_and_other_types_are_read():
    engine = Engine("penguin-v4", 25)
    expected = engine.assess(EPOCHS, CURVE).fitness
    wide = numpy.zeros((7, 3))
    wide[:, 1] = CURVE
    assert engine.assess(numpy.array(EPOCHS, dtype=float), wide[:, 1]).fitness == expected
    assert engine.assess(numpy.array(EPOCHS), CURVE).fitness == expected
    assert engine.assess(tuple(EPOCHS), numpy.array(CURVE, dtype=numpy.float32)).fitness == pytest.approx(expected, abs=1e-3)


def test_a_snapshot_goes_on_bit_for_bit():
    x, all_curves = curves(20, 20)
    engine = Engine("peng", 20)
    for job, curve in enumerate(all_curves):
        engine.learn(job, x, curve)
    other = Engine("peng", 20)
    other.restore(engine.snapshot())
    assert other.assess(x[:5], all_curves[3][:5]).fitness == engine.assess(x[:5], all_curves[3][:5]).fitness
    assert Engine("peng", 20).assess(x[:5], all_curves[3][:5]).fitness != engine.assess(x[:5], all_curves[3][:5]).fitness
