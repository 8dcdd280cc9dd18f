"""What every script of the parity tests shares: the cases, the CSV files and the option notation. No mathematics here:
PyTorch (make_golden.py), NumPy (numpy_reference.py) and Chainrule each bring their own."""

import csv
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
# The target columns of each data file. A single target column holds class labels 0..3, several hold real numbers.
TARGETS = {"classes.csv": ["label"], "values.csv": ["u", "v", "w"], "multilabel.csv": ["p", "q", "r"]}


def load_cases():
    return json.loads((HERE / "cases.json").read_text())


def load_csv(path, targets):
    """-> x (n, d_in), y (n, d_out): classes as one-hot rows in increasing order of the label, real targets as they are."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    features = [name for name in rows[0] if name not in targets]
    x = np.array([[float(row[name]) for name in features] for row in rows])
    y = np.array([[float(row[name]) for name in targets] for row in rows])
    if len(targets) == 1:
        classes = np.unique(y)
        y = (y == classes).astype(float)
    return x, y


def parse_call(text):
    """'sgd(momentum=0.9,nesterov=true)' -> ('sgd', [], {'momentum': 0.9, 'nesterov': True}); 'huber(1)' -> ('huber', [1], {})"""
    name, _, inside = text.partition("(")
    args, options = [], {}
    for part in filter(None, (p.strip() for p in inside.removesuffix(")").split(","))):
        key, eq, value = part.rpartition("=")
        if eq:
            options[key.strip()] = json.loads(value)
        else:
            args.append(json.loads(value))
    return name.strip(), args, options


def layer_activations(settings):
    """One activation per layer, the output's last. `activation` may be one name for all hidden layers, or a list."""
    hidden, names = settings["hidden"], settings.get("activation", [])
    names = [names] * len(hidden) if isinstance(names, str) else list(names)
    assert len(names) == len(hidden), f"{len(hidden)} hidden layers, {len(names)} activations"
    return names + [settings["output_activation"]]


def largest_difference(ours, reference, tolerance):
    """-> (largest |a-b| / max(1, |b|) over all tensors, whether all are within the tolerance). NaN and missing tensors fail."""
    if set(ours) != set(reference):
        return float("nan"), False
    worst, passed = 0.0, True
    for name, b in reference.items():
        a = np.asarray(ours[name])
        if a.shape != np.shape(b):
            return float("nan"), False
        diff = np.abs(a - b) / np.maximum(1.0, np.abs(b))
        worst = float(np.maximum(worst, np.max(diff)))  # np.maximum carries a NaN on
        passed = passed and bool(np.all(diff <= tolerance))
    return worst, passed
