"""What the steps of a trial's reports mean."""

import math
from typing import List, Optional, Sequence, Tuple

#: The step before the first epoch, and epochs a step.
Reading = Tuple[int, float]


class Steps:
    """Steps as epochs: said by the caller, or recognised by the steps themselves."""

    def __init__(self, interval: float, kind: Optional[str], first: Optional[int]) -> None:
        if kind not in (None, "reports", "epochs"):
            raise ValueError(f'steps is {kind!r}: expected "reports", "epochs" or nothing')
        self._interval = interval
        reports = [(0 if first is None else first) - 1, interval]
        epochs = [(zero, 1.0) for zero in ([-1, 0] if first is None else [first - 1])]
        self._readings: List[Reading] = []
        if kind != "epochs":
            self._readings.append((reports[0], reports[1]))
        # A first step alone says that steps are reports, as it always has.
        if kind == "epochs" or (kind is None and first is None):
            self._readings.extend(epochs)

    def epochs(self, steps: Sequence[int]) -> List[float]:
        """The epochs trained at rising steps.

        Where several readings are possible the reports must come every interval from the first on, which tells them apart;
        with one alone some may be missing. Raises ValueError for steps that no reading fits.
        """
        for zero, width in self._readings:
            epochs = [(step - zero) * width for step in steps]
            if self._fits(epochs):
                return epochs
        raise ValueError(
            f"the steps {self._shown(steps)} are no reports or epochs in intervals of {self._interval:g}: expected "
            f'{self._expected()}; steps="reports" or steps="epochs", and first_step, say what they are'
        )

    def _fits(self, epochs: Sequence[float]) -> bool:
        intervals = [epoch / self._interval for epoch in epochs]
        if len(self._readings) == 1:
            return all(interval > 0 and math.isclose(interval, round(interval), abs_tol=1e-6) for interval in intervals)
        return all(math.isclose(interval, due, abs_tol=1e-6) for due, interval in enumerate(intervals, 1))

    def _expected(self) -> str:
        """The first steps by each reading, where steps are whole numbers."""
        firsts = []
        for zero, width in self._readings:
            each = [zero + due * self._interval / width for due in (1, 2, 3)]
            text = self._shown(each)
            if all(step == int(step) for step in each) and text not in firsts:
                firsts.append(text)
        return " or ".join(firsts)

    @staticmethod
    def _shown(steps: Sequence[float]) -> str:
        shown = ", ".join(f"{step:g}" for step in steps[:3])
        return f"{shown}, ..." if len(steps) >= 3 else shown
