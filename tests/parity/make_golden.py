"""Writes golden/: for each case of cases.json the first weights, the weights after training by PyTorch, and losses.json.

    python -m venv /tmp/venv-torch && /tmp/venv-torch/bin/pip install -r requirements.txt torch==2.15.0
    /tmp/venv-torch/bin/python make_golden.py

Written by torch 2.15.0+cu132, numpy 2.4.6, safetensors 0.8.0, Python 3.11, on the CPU, one thread, float64.
Everything that can be PyTorch's own is: autograd, torch.nn.functional, torch.optim, its schedulers and its clipping.
The committed files are what counts; another version of torch may differ in the last bits.
"""

import json
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from common import HERE, TARGETS, layer_activations, load_cases, load_csv, parse_call

ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,  # slope 0.01
    "elu": F.elu,  # alpha 1
    "gelu": F.gelu,  # exact: erf
    "silu": F.silu,
    "softplus": F.softplus,  # beta 1
}
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def initial(case, d_in, d_out):
    """Weights N(0, 1/in), biases N(0, 0.3^2), from a seed that is the name of the case."""
    rng = np.random.default_rng(zlib.crc32(case["name"].encode()))
    sizes = [d_in, *case["settings"]["hidden"], d_out]
    bias = case["settings"].get("bias")
    params = {}
    for l, (fan_in, units) in enumerate(zip(sizes, sizes[1:])):
        params[f"layers.{l}.weight"] = rng.normal(size=(units, fan_in)) / np.sqrt(fan_in)
        if bias != "none":
            params[f"layers.{l}.bias"] = rng.normal(size=1 if bias == "shared" else units) * 0.3
    return params


def activate(text, z):
    name, args, _ = parse_call(text)
    return ACTIVATIONS[name](z, *args)


def batch_loss(settings, z, y):
    """z: the last layer's pre-activations, y: targets (classes as one-hot rows)."""
    name, args, options = parse_call(settings["loss"])
    if name == "cross_entropy":
        return F.cross_entropy(z, y.argmax(dim=1), **options)
    if name == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(y)
    a = activate(settings["output_activation"], z)
    if name == "quadratic":
        return F.mse_loss(a, y, reduction="sum") / 2 / len(y)
    if name == "huber":
        return F.huber_loss(a, y, delta=float(args[0]))
    return {"mse": F.mse_loss, "mae": F.l1_loss}[name](a, y)


def make_scheduler(optimizer, schedule):
    name, args, _ = parse_call(schedule)
    if name == "step":
        return torch.optim.lr_scheduler.StepLR(optimizer, *args)
    if name == "exponential":
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, *args)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def train(first, x, y, settings):
    params = {name: torch.tensor(value, requires_grad=True) for name, value in first.items()}
    weights = [p for name, p in params.items() if name.endswith(".weight")]
    x, y = torch.tensor(x), torch.tensor(y)
    name, _, options = parse_call(settings["optimizer"])
    if "momentum" in settings:
        options["momentum"] = settings["momentum"]
    optimizer = OPTIMIZERS[name](params.values(), lr=settings["learning_rate"], **options)
    scheduler = make_scheduler(optimizer, settings.get("schedule", "constant"))
    size = len(x) if settings["batch_size"] == "full" else settings["batch_size"]
    activations = layer_activations(settings)
    losses = []
    for _ in range(settings["epochs"]):
        total = 0.0
        for xs, ys in zip(x.split(size), y.split(size)):
            z, a = None, xs
            for l, f in enumerate(activations):
                z = F.linear(a, params[f"layers.{l}.weight"])
                if f"layers.{l}.bias" in params:
                    z = z + params[f"layers.{l}.bias"]
                if l + 1 < len(activations):
                    a = activate(f, z)
            loss = batch_loss(settings, z, ys)
            objective = loss
            if "l1" in settings:
                objective = objective + settings["l1"] * sum(w.abs().sum() for w in weights)
            if "l2" in settings:
                objective = objective + settings["l2"] / 2 * sum((w * w).sum() for w in weights)
            optimizer.zero_grad()
            objective.backward()
            if "clip_norm" in settings:
                torch.nn.utils.clip_grad_norm_(params.values(), settings["clip_norm"])
            optimizer.step()
            total += loss.item() * len(xs)
        scheduler.step()
        losses.append(total / len(x))
    return {name: p.detach().numpy() for name, p in params.items()}, losses


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    golden = HERE / "golden"
    golden.mkdir(exist_ok=True)
    for old in golden.iterdir():
        old.unlink()
    losses = {}
    for case in load_cases():
        name = case["name"]
        x, y = load_csv(HERE / case["data"], TARGETS[case["data"]])
        first = initial(case, x.shape[1], y.shape[1])
        final, losses[name] = train(first, x, y, case["settings"])
        save_file(first, golden / f"{name}.init.safetensors")
        save_file(final, golden / f"{name}.final.safetensors")
        print(f"{name:32} loss {' '.join(f'{v:.6f}' for v in losses[name])}")
    (golden / "losses.json").write_text(json.dumps(losses, indent=1) + "\n")


if __name__ == "__main__":
    main()
