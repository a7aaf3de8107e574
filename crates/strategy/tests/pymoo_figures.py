"""Figures of pymoo's NSGA-II that the tests of this folder compare with. Run by hand, not by the tests:

    python3 -m venv venv && venv/bin/pip install pymoo==0.6.2 && venv/bin/python pymoo_figures.py

Prints the constants of fronts.rs and hypervolume.rs.
"""

import numpy as np
import pymoo
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import ElementwiseProblem
from pymoo.indicators.hv import HV
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.sampling.rnd import BinaryRandomSampling
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
from pymoo.optimize import minimize
from pymoo.problems import get_problem
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

POINTS = [[1, 9], [2, 6], [4, 4], [7, 3], [9, 1], [3, 8], [5, 5], [8, 4], [6, 7], [9, 9], [4, 6], [2, 9]]


def fronts():
    points = np.array(POINTS, dtype=float)
    for front in NonDominatedSorting().do(points):
        front = np.sort(front)
        print("front", front.tolist(), [round(float(d), 6) for d in calc_crowding_distance(points[front])])


def zdt(name):
    """Mean hypervolume after 20,000 evaluations, reference point (1.1, 1.1), 10 seeds."""
    values = []
    for seed in range(10):
        result = minimize(get_problem(name), NSGA2(pop_size=100), ("n_eval", 20000), seed=seed)
        values.append(HV(ref_point=np.array([1.1, 1.1]))(result.F))
    print(name, round(float(np.mean(values)), 4), "sd", round(float(np.std(values)), 4))


def graph(bits):
    """Inputs of the nodes of a phase of four nodes; node 0 enters, the last one leaves; idle nodes are left out."""
    taken = {to: [j + 1 for j in range(to - 1) if bits[(to - 1) * (to - 2) // 2 + j]] for to in range(1, 5)}
    active = [i for i in taken if taken[i] or any(i in t for t in taken.values())]
    inputs = {i: taken[i] or [0] for i in active}
    ends = [i for i in active if not any(i in t for t in taken.values())]
    return active, inputs, ([0] if bits[6] else []) + ends


def network(bits):
    """Convolutions, joins, longest path in convolutions, and FLOPs: 8 filters, 32 by 32 colour images, 10 classes."""
    convs = joins = depth = 0
    accumulates, side, before, channels = 0, 32, 3, 8
    for p in range(3):
        active, inputs, ends = graph(bits[7 * p : 7 * p + 7])
        if not active:
            continue
        if before == 3:
            side -= 2
            accumulates += 9 * before * channels * side**2
        else:
            side //= 2
            accumulates += before * channels * side**2
        longest = {0: 0}
        for i in active:
            longest[i] = 1 + max(longest[j] for j in inputs[i])
        depth += max(longest[j] for j in ends)
        joined = [len(v) for v in [*inputs.values(), ends] if len(v) > 1]
        convs += len(active)
        joins += len(joined)
        accumulates += (9 * len(active) + sum(joined)) * channels**2 * side**2
        before, channels = channels, 2 * channels
    return convs, joins, depth, 2 * (accumulates + before * 10)


class Phases(ElementwiseProblem):
    """The landscape of hypervolume.rs on nsga-macro genomes: fitness in percent, FLOPs in millions."""

    def __init__(self):
        super().__init__(n_var=21, n_obj=2, xl=0, xu=1, vtype=bool)

    def _evaluate(self, x, out, *args, **kwargs):
        bits = [int(b) for b in x]
        convs, joins, depth, flops = network(bits)
        if convs == 0:
            out["F"] = [0.0, 50.0]
            return
        fitness = 100 * (1 - np.exp(-(0.3 * depth + 0.15 * convs + 0.2 * min(joins, 4)) / 3))
        out["F"] = [-fitness, flops / 1e6]


def phases():
    """Mean hypervolume after 500 evaluations, reference point (fitness 0, 50 MFLOPs), 50 seeds."""
    values = []
    for seed in range(50):
        algorithm = NSGA2(
            pop_size=20,
            sampling=BinaryRandomSampling(),
            crossover=TwoPointCrossover(prob=0.9),
            mutation=BitflipMutation(prob=1.0, prob_var=1 / 21),
            eliminate_duplicates=True,
        )
        result = minimize(Phases(), algorithm, ("n_eval", 500), seed=seed)
        values.append(HV(ref_point=np.array([0.0, 50.0]))(result.F))
    print("phases", round(float(np.mean(values)), 1), "sd", round(float(np.std(values)), 1))


if __name__ == "__main__":
    print("pymoo", pymoo.__version__)
    fronts()
    for problem in ["zdt1", "zdt2", "zdt3"]:
        zdt(problem)
    phases()
