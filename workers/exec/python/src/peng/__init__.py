"""Lets a Python training join a peng search, or run by itself unchanged.

>>> job = peng.job()
>>> for epoch in peng.epochs(job):
...     ...  # train one interval, validate
...     job.report(val_acc=accuracy, checkpoint=path)
"""

from ._job import Job, epochs, job
from ._protocol import ProtocolError

__all__ = ["Job", "ProtocolError", "epochs", "job"]
