"""Writes classes.csv, values.csv and multilabel.csv: 23 samples, 6 features. Run once; the files are committed.

    python make_data.py

A random teacher gives the targets, so that there is something to learn. 23 is prime: every batch size but 1 and 23 leaves a
ragged last batch. The first label is not 0 and labels come in no order, so that a program which numbers classes as they appear fails.
"""

import numpy as np

from common import HERE, TARGETS

FEATURES = ["a", "b", "c", "d", "e", "f"]


def write(name, x, y, target_format):
    lines = [",".join(FEATURES + TARGETS[name])]
    for xs, ys in zip(x, y):
        lines.append(",".join([f"{v:.6f}" for v in xs] + [format(v, target_format) for v in ys]))
    (HERE / name).write_text("\n".join(lines) + "\n")


def main():
    rng = np.random.default_rng(3)
    n = 23
    x = np.round(rng.normal(size=(n, 6)) * [1.0, 0.5, 2.0, 1.0, 1.5, 0.8] + [0.0, 0.3, -0.5, 0.0, 0.2, 0.0], 6)
    score = np.tanh(x @ rng.normal(size=(6, 5))) @ rng.normal(size=(5, 4))
    label = np.argmax(score - score.mean(axis=0), axis=1)
    assert label[0] != 0 and set(label) == {0, 1, 2, 3}, label
    write("classes.csv", x, label[:, None], "d")
    values = 1.5 * np.tanh(x @ rng.normal(size=(6, 5))) @ rng.normal(size=(5, 3)) + 0.1 * rng.normal(size=(n, 3))
    write("values.csv", x, values, ".6f")
    bits = (x @ rng.normal(size=(6, 3)) + 0.5 * rng.normal(size=(n, 3)) > 0).astype(int)
    assert all(0 < column.sum() < n for column in bits.T)
    write("multilabel.csv", x, bits, "d")


if __name__ == "__main__":
    main()
