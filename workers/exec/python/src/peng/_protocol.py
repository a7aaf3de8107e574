"""The worker at the other end of stdin and stdout."""

import io
import json
import math
import os
import sys
from typing import Any, BinaryIO, Dict, Optional

VERSION = 1


class ProtocolError(RuntimeError):
    """The worker wrote something that this version does not understand, or the training broke the turns."""


class Worker:
    """Lines to and from the worker, in UTF-8 whatever the locale. Takes stdout for itself: what the training prints goes to
    stderr, the job's log."""

    def __init__(self) -> None:
        # Copies, as bytes: sys.stdin and sys.stdout have the encoding of the locale, or of PYTHONIOENCODING.
        self._in: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb")
        sys.stdout.flush()
        # stdout then is stderr, for libraries in C too.
        os.dup2(2, 1)
        # Under LANG=C the print of a letter that ASCII has not would end the training.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        self.write({"type": "hello", "protocol": VERSION})

    def write(self, line: Dict[str, Any]) -> None:
        """Writes a line. A worker that has gone is noticed when its answer is read."""
        text = json.dumps({key: _strict(value) for key, value in line.items()}, allow_nan=False, ensure_ascii=False)
        try:
            self._out.write(text.encode() + b"\n")
            self._out.flush()
        except BrokenPipeError:
            pass

    def read(self) -> Optional[Dict[str, Any]]:
        """The next line; None when the worker has gone. Bytes that are no UTF-8 become U+FFFD."""
        text = self._in.readline().decode("utf-8", "replace")
        if not text:
            return None
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:  # The latter of brackets in brackets.
            raise ProtocolError(f"the worker wrote no JSON: {text[:160]!r}") from error
        if not isinstance(line, dict) or "type" not in line:
            raise ProtocolError(f"the worker wrote no line of the protocol: {text[:160]!r}")
        return line


def _strict(value: Any) -> Any:
    """Numbers of NumPy and PyTorch as floats; those that JSON has not as words. Of text the halves of characters that Python
    makes of bytes that are no UTF-8 (``os.fsdecode``), as ``\\udcff``: no text has room for them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, (bool, int)):
        return value
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number
