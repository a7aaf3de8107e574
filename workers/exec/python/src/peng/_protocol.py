"""The worker at the other end of stdin and stdout."""

import json
import math
import os
import sys
from typing import Any, Dict, Optional, TextIO

VERSION = 1


class ProtocolError(RuntimeError):
    """The worker wrote something that this version does not understand, or the training broke the turns."""


class Worker:
    """Lines to and from the worker. Takes stdout for itself: what the training prints goes to stderr, the job's log."""

    def __init__(self) -> None:
        # A copy of stdout, which then is stderr, for libraries in C too.
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        sys.stdout.flush()
        os.dup2(2, 1)
        self.write({"type": "hello", "protocol": VERSION})

    def write(self, line: Dict[str, Any]) -> None:
        """Writes a line. A worker that has gone is noticed when its answer is read."""
        try:
            self._out.write(json.dumps({key: _strict(value) for key, value in line.items()}, allow_nan=False) + "\n")
            self._out.flush()
        except BrokenPipeError:
            pass

    def read(self) -> Optional[Dict[str, Any]]:
        """The next line; None when the worker has gone."""
        text = sys.stdin.readline()
        if not text:
            return None
        try:
            line = json.loads(text)
        except ValueError as error:
            raise ProtocolError(f"the worker wrote no JSON: {text[:160]!r}") from error
        if not isinstance(line, dict) or "type" not in line:
            raise ProtocolError(f"the worker wrote no line of the protocol: {text[:160]!r}")
        return line


def _strict(value: Any) -> Any:
    """Numbers of NumPy and PyTorch as floats; those that JSON has not as words."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number
