"""A multi-layer perceptron on the UCI digits with scikit-learn.

    peng-exec-worker -- python sklearn_digits.py      for each job of a search
    python sklearn_digits.py                          by hand
"""

import pickle
from pathlib import Path

import numpy
import peng
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

job = peng.job(epochs=8)
images, labels = load_digits(return_X_y=True)
split = train_test_split(images / 16.0, labels, test_size=400, stratify=labels, random_state=0)
train_x, val_x, train_y, val_y = split

if job.resume_from:
    network = pickle.loads(Path(job.resume_from).read_bytes())
else:
    # The width follows from the genome, whatever its space: an external one may say it outright.
    description = job.genome.get("description", {})
    width = description.get("width", 8 + sum(str(job.genome).encode()) % 57)
    network = MLPClassifier((width,), learning_rate_init=0.003, random_state=job.seed % 2**32)

for epoch in peng.epochs(job):
    network.partial_fit(train_x, train_y, classes=numpy.arange(10))
    checkpoint = Path(job.checkpoint_directory, "network.pickle")
    checkpoint.write_bytes(pickle.dumps(network))
    job.report(
        val_acc=100 * network.score(val_x, val_y),
        train_acc=100 * network.score(train_x, train_y),
        train_loss=network.loss_,
        checkpoint=checkpoint,
    )
