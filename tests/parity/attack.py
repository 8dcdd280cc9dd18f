"""Attacks on a network for MNIST, recomputed with NumPy: dE/dx, an adversarial input, and accuracies under attack.

Usage: attack.py CHAINRULE
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EPSILONS = [0.0, 0.02, 0.05, 0.1]
STEPS = 10


def idx(name, header):
    return np.frombuffer(gzip.open(ROOT / "data" / "mnist" / name).read()[header:], np.uint8)


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    x = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784) / 255
    labels = idx("t10k-labels-idx1-ubyte.gz", 8)
    with tempfile.TemporaryDirectory() as folder:
        def chainrule(line):
            command = [program, *line.split(), "--data-dir", str(ROOT / "data")]
            return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

        chainrule("train mnist --dtype f64 --hidden 20 epochs=1 --quiet --run-dir run")
        weights = load_file(pathlib.Path(folder) / "run" / "model.safetensors")
        one = json.loads(chainrule("fool run mnist --sample 0 --target 3 --json"))
        epsilons = ",".join(map(str, EPSILONS))
        curve = json.loads(chainrule(f"fool run mnist --epsilon {epsilons} --json"))["rows"]
    w1, b1, w2, b2 = (weights[f"layers.{l}.{part}"] for l in (0, 1) for part in ("weight", "bias"))

    def outputs(x):
        z1 = x @ w1.T + b1
        z2 = np.maximum(z1, 0) @ w2.T + b2
        p = np.exp(z2 - z2.max(axis=1, keepdims=True))
        return z1, p / p.sum(axis=1, keepdims=True)

    def gradient(x, classes):
        z1, p = outputs(x)
        p[np.arange(len(x)), classes] -= 1  # delta of softmax with cross-entropy
        return ((p @ w2) * (z1 > 0)) @ w1

    def iterated(x, classes, epsilon, sign):
        low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
        for _ in range(STEPS):
            x = np.clip(x + sign * 2.5 * epsilon / STEPS * np.sign(gradient(x, classes)), low, high)
        return x

    first = x[:1]
    differences = {
        "dE/dx": np.abs(gradient(first, [3])[0] - one["input_gradient"]).max(),
        "adversarial input": np.abs(iterated(first, [3], one["epsilon"], -1)[0] - one["after"]["inputs"]).max(),
    }
    bad = 0
    for name, difference in differences.items():
        bad += not difference <= 1e-12
        print(f"{name}: {difference:.1e}")
    for row in curve:
        epsilon = row["epsilon"]
        ours = np.clip(x + epsilon * np.sign(gradient(x, labels)), 0, 1), iterated(x, labels, epsilon, 1)
        for name, changed in zip(("fgsm", "iterated"), ours):
            correct = int((outputs(changed)[1].argmax(axis=1) == labels).sum())
            # A derivative of almost 0 may have the other sign: a sample in a thousand.
            bad += not abs(correct - row[name]["correct"]) <= 10
            print(f"epsilon {epsilon} {name}: {row[name]['correct']} correct, NumPy {correct}")
    return 1 if bad else 0


sys.exit(main())
