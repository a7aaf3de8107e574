"""Learning curves of nine more kinds of search, for `--example tables`: what `peng` does on data it was not made on.

    python benches/families.py /FOLDER [SET ...]
    cargo run --release -p peng-scheduler --example tables -- /FOLDER/digits-const,/FOLDER/mid-boost

Each set has 150 to 200 models with random hyperparameters, of scikit-learn (1.9 was used) on the 8x8 digits or on
generated classes, with validation and training accuracies after each epoch, or tree, and but for the trees FLOPs.
The folder is an absolute path. All nine take a quarter of an hour on two cores; the same versions make the same curves.
"""
import argparse
import os
import warnings
from multiprocessing import Pool
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore")


def split(x, y, validation):
    x, val_x, y, val_y = train_test_split(x, y, test_size=validation, random_state=0, stratify=y)
    return x, y, val_x, val_y


def digits():
    x, y = load_digits(return_X_y=True)
    return split(x / 16, y, 0.4)


def noisy_digits():
    """A third of the labels to train on are random."""
    x, y, val_x, val_y = digits()
    random = np.random.RandomState(1)
    wrong = random.rand(len(y)) < 0.35
    y[wrong] = random.randint(0, 10, wrong.sum())
    return x, y, val_x, val_y


def hard():
    """Ten classes that overlap."""
    return split(*classes(4000, 10, 1.0), 0.5)


def mid():
    """Five classes, further apart."""
    return split(*classes(3000, 5, 1.5), 0.5)


def classes(count, kinds, apart):
    return make_classification(
        count, n_features=30, n_informative=15, n_classes=kinds, n_clusters_per_class=2,
        class_sep=apart, random_state=3, flip_y=0.02,
    )


def constant(epoch, epochs):
    return 1.0


def cosine(epoch, epochs):
    return 0.5 * (1 + np.cos(np.pi * epoch / epochs))


def steps(epoch, epochs):
    return 0.1 ** ((epoch >= epochs // 2) + (epoch >= 3 * epochs // 4))


def networks(schedule):
    """Networks of one to three hidden layers whose learning rate follows the schedule."""

    def train(data, rng, epochs, seed):
        x, y, val_x, val_y = data
        solver = str(rng.choice(["sgd", "adam"]))
        rate = 10 ** (rng.uniform(-4, -0.5) if solver == "sgd" else rng.uniform(-4.5, -1.5))
        layers = tuple(int(2 ** rng.uniform(2, 7)) for _ in range(rng.integers(1, 4)))
        model = MLPClassifier(
            layers, solver=solver, learning_rate_init=rate, momentum=rng.choice([0.0, 0.5, 0.9]),
            batch_size=int(2 ** rng.integers(4, 8)), alpha=10 ** rng.uniform(-6, -0.5), random_state=seed,
            activation=str(rng.choice(["relu", "tanh"])),
        )
        points = []
        for epoch in range(epochs):
            if epoch > 0:
                now = rate * schedule(epoch, epochs)
                model._optimizer.learning_rate_init = model._optimizer.learning_rate = now
            model.partial_fit(x, y, classes=np.unique(y))
            points.append((100 * model.score(val_x, val_y), 100 * model.score(x, y)))
        return points, sum(weights.size for weights in model.coefs_)

    return train


def kernels(data, rng, epochs, seed):
    """Linear models on random Fourier features, at a constant learning rate."""
    x, y, val_x, val_y = data
    features = RBFSampler(gamma=10 ** rng.uniform(-4, -1), n_components=int(2 ** rng.uniform(4, 8)), random_state=seed)
    x, val_x = features.fit_transform(x), features.transform(val_x)
    model = SGDClassifier(
        loss=rng.choice(["log_loss", "hinge", "modified_huber"]), alpha=10 ** rng.uniform(-6, -1),
        learning_rate="constant", eta0=10 ** rng.uniform(-3.5, 0.5), random_state=seed,
    )
    points = []
    for epoch in range(epochs):
        order = np.random.RandomState(1000 * seed + epoch).permutation(len(x))
        model.partial_fit(x[order], y[order], classes=np.unique(y))
        points.append((100 * model.score(val_x, val_y), 100 * model.score(x, y)))
    return points, features.random_weights_.size + model.coef_.size


def boosting(data, rng, epochs, seed):
    """Gradient boosting, a tree for each class and epoch."""
    x, y, val_x, val_y = data
    model = GradientBoostingClassifier(
        learning_rate=10 ** rng.uniform(-2.5, 0.2), n_estimators=epochs, max_depth=int(rng.integers(1, 6)),
        subsample=rng.uniform(0.3, 1), max_features=rng.uniform(0.1, 1), min_samples_leaf=int(2 ** rng.uniform(0, 6)),
        random_state=seed,
    ).fit(x, y)
    said = zip(model.staged_predict(val_x), model.staged_predict(x))
    return [(100 * (of_new == val_y).mean(), 100 * (of_known == y).mean()) for of_new, of_known in said], None


# How it is trained, on what, epochs, models.
SETS = {
    "digits-const": (networks(constant), digits, 30, 200),
    "digits-cosine": (networks(cosine), digits, 30, 200),
    "digits-noisy": (networks(constant), noisy_digits, 40, 200),
    "hard-step": (networks(steps), hard, 30, 200),
    "mid-cosine": (networks(cosine), mid, 25, 200),
    "hard-sgd": (kernels, hard, 25, 200),
    "digits-sgd": (kernels, digits, 25, 200),
    "mid-boost": (boosting, mid, 40, 150),
    "digits-boost": (boosting, digits, 30, 150),
}


def curve(name, number):
    """Validation and training accuracies, and how many weights are multiplied with, if the set says so."""
    train, data, epochs, _ = SETS[name]
    rng = np.random.default_rng([sum(ord(letter) * at for at, letter in enumerate(name, 1)), number])
    return train(data(), rng, epochs, number)


def main():
    parser = argparse.ArgumentParser(description="Writes the learning curves of nine kinds of search.")
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("sets", nargs="*", help=f"all, or some of {', '.join(SETS)}")
    args = parser.parse_args()
    unknown = [name for name in args.sets if name not in SETS]
    if unknown:
        parser.error(f"no set {', '.join(unknown)}: there are {', '.join(SETS)}")
    folder = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    with Pool() as pool:
        for name in args.sets or SETS:
            curves = pool.starmap(curve, [(name, number) for number in range(SETS[name][3])], chunksize=5)
            with open(folder / f"{name}.csv", "w") as file:
                print("arch,epoch,val_acc,train_acc", file=file)
                for number, (points, _) in enumerate(curves):
                    for epoch, (val_acc, train_acc) in enumerate(points, 1):
                        print(f"{number},{epoch},{val_acc:.3f},{train_acc:.3f}", file=file)
            if all(weights for _, weights in curves):
                with open(folder / f"{name}.archs.csv", "w") as file:
                    print("arch,mflops", file=file)
                    for number, (_, weights) in enumerate(curves):
                        print(f"{number},{2e-6 * weights:.6g}", file=file)
            print(f"{name}: {len(curves)} curves", flush=True)


if __name__ == "__main__":
    main()
