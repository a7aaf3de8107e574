from typing import Any, Optional, Sequence, Tuple, Union

import numpy
import numpy.typing

Numbers = Union[Sequence[float], numpy.typing.NDArray[numpy.float64]]

class Assessment:
    @property
    def stop(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def fitness(self) -> Optional[float]: ...
    @property
    def interval_80(self) -> Optional[Tuple[float, float]]: ...
    @property
    def interval_90(self) -> Optional[Tuple[float, float]]: ...
    @property
    def chance(self) -> Optional[float]: ...

class Engine:
    def __init__(self, name: str, epochs: float, interval: float = 1.0, **settings: Any) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def learned(self) -> int: ...
    def assess(
        self,
        epochs: Numbers,
        accuracies: Numbers,
        train_acc: Optional[Numbers] = None,
        train_loss: Optional[Numbers] = None,
        cost: Optional[float] = None,
    ) -> Assessment: ...
    def assess_batch(
        self,
        epochs: Numbers,
        accuracies: numpy.typing.NDArray[numpy.float64],
        train_acc: Optional[numpy.typing.NDArray[numpy.float64]] = None,
    ) -> Tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.bool_]]: ...
    def learn(
        self,
        job: int,
        epochs: Numbers,
        accuracies: Numbers,
        train_acc: Optional[Numbers] = None,
        train_loss: Optional[Numbers] = None,
        cost: Optional[float] = None,
        stopped: Optional[float] = None,
    ) -> None: ...
    def snapshot(self) -> bytes: ...
    def restore(self, snapshot: bytes) -> None: ...

class Fit:
    @property
    def asymptote(self) -> float: ...
    @property
    def squares(self) -> float: ...
    def at(self, x: float) -> float: ...

def fit(xs: Numbers, ys: Numbers, lowest: float = 0.5, highest: float = 200.0) -> Fit: ...
