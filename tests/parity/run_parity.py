"""Trains every case of cases.json with Chainrule, NumPy (now) and PyTorch (golden/), and compares every weight.

    pip install -r requirements.txt
    python run_parity.py CHAINRULE_BINARY [--only NAME] [--keep DIR]
    python run_parity.py                    without a program: NumPy with PyTorch alone, to 1e-12

A case passes when |a - b| <= 1e-10 max(1, |b|) for every weight, and 1e-9 for the running training loss of every epoch in
history.csv. The case `digits` has no golden file: 300 real bitmaps, Chainrule with NumPy. Exit code 1 if a case fails.
"""

import argparse
import csv
import json
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import numpy_reference
from common import HERE, TARGETS, largest_difference, load_cases, load_csv

WEIGHTS, LOSSES, NUMPY_WITH_TORCH = 1e-10, 1e-9, 1e-12
DIGITS = {"hidden": [16, 16], "activation": "sigmoid", "output_activation": "sigmoid", "loss": "quadratic",
          "optimizer": "sgd", "learning_rate": 0.5, "batch_size": 7, "epochs": 2}
DIGITS_LIMIT = 300


class Failed(Exception):
    pass


def run_chainrule(program, data, init, run_dir, settings, extra=()):
    """-> (weights, training loss of each epoch), read from the run folder."""
    command = [program, "train", str(data), *extra, "--init-from", str(init), "--no-shuffle", "--dtype", "f64",
               "--run-dir", str(run_dir), "--quiet", "test_split=0", "standardize=false"]
    command += [f"{key}={json.dumps(value)}" for key, value in settings.items()]  # all of it valid TOML
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode}\n    {shlex.join(command)}\n    {done.stderr.strip()}")
    weights = load_file(run_dir / "model.safetensors")
    for name, value in weights.items():
        if value.dtype != np.float64:
            raise Failed(f"{name} in model.safetensors is {value.dtype}, expected float64")
    with open(run_dir / "history.csv", newline="") as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    return weights, losses


def compare(what, ours, reference, tolerance):
    """-> the largest difference, as text for the case's line; raises Failed when one is too large (or NaN, or missing)."""
    worst, passed = largest_difference(ours, reference, tolerance)
    if set(ours) != set(reference):
        raise Failed(f"{what}: found {sorted(ours)}, expected {sorted(reference)}")
    for name in ours:
        if np.shape(ours[name]) != np.shape(reference[name]):
            raise Failed(f"{what}: {name} is {np.shape(ours[name])}, expected {np.shape(reference[name])}")
    if not passed:
        detail = ", ".join(f"{name} {largest_difference({name: ours[name]}, {name: reference[name]}, 0.0)[0]:.1e}" for name in ours)
        raise Failed(f"{what}: differs by {worst:.1e}, allowed {tolerance:.0e} ({detail})")
    return f"{what} {worst:.1e}"


def check_case(case, program, folder, golden_losses):
    name, settings, targets = case["name"], case["settings"], TARGETS[case["data"]]
    init = HERE / f"golden/{name}.init.safetensors"
    x, y = load_csv(HERE / case["data"], targets)
    torch_weights = load_file(HERE / f"golden/{name}.final.safetensors")
    torch_losses = {"loss": np.array(golden_losses[name])}
    numpy_weights, numpy_losses = numpy_reference.train(load_file(init), x, y, settings)
    line = [compare("numpy-torch", numpy_weights, torch_weights, NUMPY_WITH_TORCH)]
    compare("loss numpy-torch", {"loss": np.array(numpy_losses)}, torch_losses, NUMPY_WITH_TORCH)
    if program:
        weights, losses = run_chainrule(program, HERE / case["data"], init, folder / name, settings, ["--target", ",".join(targets)])
        line.append(compare("numpy", weights, numpy_weights, WEIGHTS))
        line.append(compare("torch", weights, torch_weights, WEIGHTS))
        line.append(compare("loss", {"loss": np.array(losses)}, torch_losses, LOSSES))
    return line


def read_digits(limit):
    """The first training bitmaps, by label, then number -> x (limit, 1024) of 0 and 1, y (limit, 10) one-hot."""
    with zipfile.ZipFile(HERE.parents[1] / "data/digits/digits.zip") as archive:
        stems = [Path(n).stem for n in archive.namelist() if n.startswith("trainingDigits/") and n.endswith(".txt")]
        stems = sorted(stems, key=lambda stem: tuple(map(int, stem.split("_"))))
        assert len(stems) == 1934, len(stems)
        stems = stems[:limit]
        bitmaps = ["".join(archive.read(f"trainingDigits/{stem}.txt").decode().split()) for stem in stems]
    x = np.array([[float(pixel) for pixel in bitmap] for bitmap in bitmaps])
    labels = np.array([int(stem.split("_")[0]) for stem in stems])
    assert x.shape == (limit, 1024) and set(np.unique(x)) == {0.0, 1.0}
    return x, np.eye(10)[labels]


def check_digits(program, folder):
    rng = np.random.default_rng(4)
    init = {}
    for l, (fan_in, units) in enumerate([(1024, 16), (16, 16), (16, 10)]):
        init[f"layers.{l}.weight"] = rng.normal(size=(units, fan_in)) / np.sqrt(fan_in)
        init[f"layers.{l}.bias"] = rng.normal(size=units) * 0.3
    save_file(init, folder / "digits.init.safetensors")
    x, y = read_digits(DIGITS_LIMIT)
    numpy_weights, numpy_losses = numpy_reference.train(init, x, y, DIGITS)
    if not program:
        return [f"numpy alone, loss {numpy_losses[0]:.4f} -> {numpy_losses[-1]:.4f}"]
    weights, losses = run_chainrule(program, "digits", folder / "digits.init.safetensors", folder / "digits", DIGITS,
                                    ["--limit", str(DIGITS_LIMIT)])
    return [compare("numpy", weights, numpy_weights, WEIGHTS),
            compare("loss", {"loss": np.array(losses)}, {"loss": np.array(numpy_losses)}, LOSSES)]


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("program", nargs="?", help="the chainrule program; without it NumPy is compared with PyTorch alone")
    cli.add_argument("--only", metavar="NAME", help="run one case (a name in cases.json, or digits)")
    cli.add_argument("--keep", metavar="DIR", help="leave the run folders here instead of a temporary folder; the folder must not exist")
    args = cli.parse_args()
    program = str(Path(args.program).resolve()) if args.program else None
    if program and not Path(program).is_file():
        cli.error(f"no program at {program}: build it with `cargo build --release`")
    cases = load_cases()
    golden_losses = json.loads((HERE / "golden/losses.json").read_text())
    checks = {case["name"]: (lambda folder, case=case: check_case(case, program, folder, golden_losses)) for case in cases}
    checks["digits"] = lambda folder: check_digits(program, folder)
    if args.only:
        if args.only not in checks:
            cli.error(f"unknown case {args.only}; cases are: {', '.join(checks)}")
        checks = {args.only: checks[args.only]}

    failed = 0
    with tempfile.TemporaryDirectory(prefix="chainrule-parity-") as temporary:
        folder = Path(temporary)
        if args.keep:
            folder = Path(args.keep).resolve()
            folder.mkdir(parents=True)
        for name, check in checks.items():
            try:
                print(f"ok      {name:30} {'  '.join(check(folder))}", flush=True)
            except Exception as error:  # one case that cannot run must not hide the others
                failed += 1
                print(f"FAILED  {name:30} {'' if isinstance(error, Failed) else type(error).__name__ + ': '}{error}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
