"""Explains updates of many small networks and recomputes every term; then compares the last weights with the trainer's.

Usage: run.py PROGRAM. Activations, losses, optimizers, bias modes, regularisers, batches, sample and class weights, both
update orders, all number types, first steps and later ones, with a fixed seed. For each, `recompute.py` does every term
again by plain arithmetic, and `chainrule train` makes the same steps: the weights in its model file must have the bits
of the derivation's w+ and b+. L-BFGS is explained at each of its first four steps, softmax with each loss that it goes with.
"""

import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import recompute

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu", "leaky_relu(0.1)", "elu(0.7)", "gelu", "silu", "softplus"]
OPTIMIZERS = [
    "sgd", "sgd(momentum=0.9)", "sgd(momentum=0.9, nesterov=true)", "rmsprop", "rmsprop(momentum=0.5)", "adagrad",
    "adam", "adamw(weight_decay=0.1)", "lbfgs", "lbfgs(history=2)",
]
# (data, target columns, loss, output activations)
TASKS = [
    ("xor", None, "quadratic", ["sigmoid", "tanh", "identity"]),
    ("mazur", None, "mse", ["sigmoid", "silu", "softplus"]),
    ("mazur", None, "mae", ["identity", "elu(0.7)", "gelu"]),
    ("mazur", None, "huber(0.3)", ["identity", "relu", "leaky_relu(0.1)"]),
    ("xor", None, "binary_cross_entropy", ["sigmoid"]),
    ("mazur", None, "binary_cross_entropy(label_smoothing=0.1)", ["sigmoid"]),
    ("iris", "species", "cross_entropy", ["softmax"]),
    ("iris", "species", "cross_entropy(label_smoothing=0.1)", ["softmax"]),
    ("iris", "species", "binary_cross_entropy", ["sigmoid"]),
]


SOFTMAX = [task for task in TASKS if task[3] == ["softmax"]]
# What L-BFGS and softmax must be seen to write out.
RULES = ["jacobian", "dot-product", "loop-factor", "direction", "search", "pair"]


def settings(choose, halve, optimizers=OPTIMIZERS, tasks=TASKS):
    data, target, loss, outputs = choose.choice(tasks)
    words = [str(ROOT / "data" / "iris.csv") if data == "iris" else data]
    if target:
        words.append(f"target={target}")
    layers = choose.choice([[], [3], [2, 2], [4]])
    optimizer = choose.choice(optimizers)
    lbfgs = optimizer.startswith("lbfgs")
    options = {
        "hidden": json.dumps(layers),
        "activation": json.dumps([choose.choice(ACTIVATIONS) for _ in layers] or "tanh"),
        "output_activation": choose.choice(outputs),
        "loss": loss,
        "optimizer": optimizer,
        "learning_rate": choose.choice([0.03, 0.3]),
        "init": "normal(0.8)",
        "bias": choose.choice(["per-unit", "shared", "none"]),
        "bias_init": "normal(0.5)",
        "batch_size": '"full"' if lbfgs else choose.choice([1, 3, 4]),
        "epochs": 50,
        "seed": choose.randrange(1000),
        "dtype": choose.choice(["f64", "f64", "f32"]),
    }
    options["order"] = choose.choice(["shuffle", "file"] if lbfgs else ["shuffle", "file", "random"])
    if lbfgs and data == "iris":
        options["limit"] = 9
    if choose.random() < 0.3:
        options["l2"], options["l2_scale"] = 0.1, choose.choice(["per-sample", "per-dataset"])
    if choose.random() < 0.3:
        options["l1"] = 0.02
    if choose.random() < 0.2:
        options["train_bias"] = "false"
    if not lbfgs:
        if choose.random() < 0.25:
            options["clip_norm"] = choose.choice([0.05, 50])
        elif choose.random() < 0.4:
            options["update_order"] = "output-first"
        if choose.random() < 0.25:
            options["max_norm"] = choose.choice([0.5, 50])
        if choose.random() < 0.2:
            options["dropout"] = 0.4
        if choose.random() < 0.2:
            options["schedule"] = "warmup(3)+exponential(0.9)"
    if data == "iris" and choose.random() < 0.3:
        options["class_weight"] = "[0.5, 1, 2]"
    if options["dtype"] == "f32" and not lbfgs and halve.random() < 0.5:
        # Products of more than four samples round their operands.
        options["dtype"], options["batch_size"] = "bf16", halve.choice([3, 6])
    return words + [f"{key}={value}" for key, value in options.items()]


def run(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAILED {' '.join(words)}\n{done.stderr}")
    return done.stdout


def tensors(path):
    """A safetensors file: name -> list of numbers."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            kind = {"F32": "f", "F64": "d"}[entry["dtype"]]
            begin, end = entry["data_offsets"]
            raw = data[8 + length + begin : 8 + length + end]
            found[name] = list(struct.unpack(f"<{len(raw) // struct.calcsize(kind)}{kind}", raw))
    return found


def terms_of(derivation):
    return [term for section in derivation["sections"] for term in section["blocks"] if term["kind"] == "term"]


def updated(derivation):
    """The new weights and biases by name: w1, w2, … and b1, b2, … as numbered through all layers."""
    return {term["symbol"].rstrip("+"): term["value"] for term in terms_of(derivation) if term["rule"] == "update"}


def same_bits(derivation, model):
    """How many new weights and biases have the bits of the model's."""
    new = updated(derivation)
    numbers, counts = {}, {"weight": 0, "bias": 0}
    for name in sorted(model, key=lambda name: (int(name.split(".")[1]), name)):
        part = name.split(".")[2]
        for value in model[name]:
            counts[part] += 1
            numbers[f"{part[0]}{counts[part]}"] = value
    for name, value in new.items():
        if struct.pack("<d", value) != struct.pack("<d", numbers[name]):
            return f"{name}+ is {value!r} in the derivation, {numbers[name]!r} in the trained model", 0
    return None, len(new)


def cases(choose, halve):
    """(settings, step) of each network."""
    newton = [optimizer for optimizer in OPTIMIZERS if optimizer.startswith("lbfgs")]
    any_case = [(settings(choose, halve), choose.choice([1, 1, 2, 7])) for _ in range(150)]
    of_newton = [(settings(choose, halve, newton), 1 + at % 4) for at in range(40)]
    of_softmax = [(settings(choose, halve, tasks=[SOFTMAX[at % len(SOFTMAX)]]), 1 + at % 3) for at in range(20)]
    return any_case + of_newton + of_softmax


def softmax_is_refused(program):
    """The losses that softmax does not go with are refused by name: there is nothing to explain."""
    losses = {loss.split("(")[0] for _, _, loss, outputs in TASKS if outputs != ["softmax"]}
    for loss in losses:
        words = [program, "explain", "mazur", "output_activation=softmax", f"loss={loss}"]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 2 or loss not in done.stderr or "softmax" not in done.stderr:
            sys.exit(f"FAILED {' '.join(words)}: not refused\n{done.stderr}")


def main():
    program, choose, halve = sys.argv[1], random.Random(4), random.Random(5)
    softmax_is_refused(program)
    terms = weights = 0
    chosen = cases(choose, halve)
    rules = {}
    unseen = {*ACTIVATIONS, *OPTIMIZERS, *(loss for _, _, loss, _ in TASKS), "softmax", "f32", "f64", "output-first",
              "dtype=bf16", "bf16("}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for index, (words, step) in enumerate(chosen):
            unseen -= {one for one in unseen if any(one in word for word in words)}
            file = folder / f"{index}.json"
            file.write_text(run(program, "explain", *words, "--step", str(step), "--format", "json"))
            if "bf16(" in json.dumps([term["formula"] for term in terms_of(json.loads(file.read_text()))]):
                unseen.discard("bf16(")
            for section in json.loads(file.read_text())["sections"]:
                for term in section["blocks"]:
                    rules[term.get("rule")] = rules.get(term.get("rule"), 0) + 1
            fault, count = recompute.check(str(file))
            if not fault:
                trained = [word for word in words if not word.startswith("epochs=")]
                run(program, "train", *trained, f"steps={step}", "--run-dir", str(folder / f"run{index}"), "--quiet")
                model = tensors(folder / f"run{index}" / "model.safetensors")
                fault, same = same_bits(json.loads(file.read_text()), model)
                # The same from the run folder: its checkpoint, or the run made again.
                again = run(program, "explain", "--run", str(folder / f"run{index}"), "--format", "json")
                if not fault and updated(json.loads(again)) != updated(json.loads(file.read_text())):
                    fault = "explain --run differs from explain"
            if fault:
                print(f"FAILED {' '.join(words)} --step {step}\n{fault}")
                return 1
            terms, weights = terms + count, weights + same
    if unseen:
        print(f"FAILED: never chosen: {unseen}")
        return 1
    if missing := [rule for rule in RULES if not rules.get(rule)]:
        print(f"FAILED: never written out: {missing}")
        return 1
    seen = ", ".join(f"{rules[rule]} {rule}" for rule in RULES)
    print(f"{len(chosen)} networks ({seen}): {terms} terms recomputed, {weights} new weights and biases equal the trainer's to the bit")
    return 0


sys.exit(main())
