"""Trains a fully-connected network in plain NumPy, float64, written from the equations: no autograd, no framework.

    python numpy_reference.py CASE [--init FILE] [--out FILE]     (CASE: a name in cases.json)

The equations, for a batch of n samples (rows). Letters: x, a, z, delta (n, units); W (out, in); b (out,) or (1,).
  forward   z(l) = a(l-1) W(l)^T + b(l),  a(l) = f(z(l)),  a(-1) = x
  BP1       delta(L) = dC/da(L) * f'(z(L));  softmax + cross-entropy, and sigmoid + binary cross-entropy: a - y
  BP2       delta(l) = (delta(l+1) W(l+1)) * f'(z(l))
  BP3, BP4  dC/db(l) = the sum of delta(l) over the samples (a shared bias: and over the units),  dC/dW(l) = delta(l)^T a(l-1)
C is the mean over the batch; a penalty l1 |w| + l2/2 w^2 of every weight, no bias, is added to that mean.
"""

import argparse
import math

import numpy as np

from common import HERE, TARGETS, layer_activations, load_cases, load_csv, parse_call

# ---------------------------------------------------------------- activations: f(z) and f'(z)


def logistic(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


def log1p_exp(z):
    """ln(1 + e^z) without overflow."""
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def normal_cdf(z):
    return 0.5 * (1.0 + np.vectorize(math.erf)(z / math.sqrt(2.0)))


def normal_pdf(z):
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def activation(text):
    """-> (f, f'), both functions of z. At a kink the derivative is the one from the left."""
    name, args, _ = parse_call(text)
    k = args[0] if args else {"leaky_relu": 0.01, "elu": 1.0}.get(name)
    return {
        "identity": (lambda z: z, np.ones_like),
        "sigmoid": (logistic, lambda z: logistic(z) * logistic(-z)),
        "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
        "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0) * 1.0),
        "leaky_relu": (lambda z: np.where(z > 0, z, k * z), lambda z: np.where(z > 0, 1.0, k)),
        "elu": (lambda z: np.where(z > 0, z, k * np.expm1(np.minimum(z, 0.0))),
                lambda z: np.where(z > 0, 1.0, k * np.exp(np.minimum(z, 0.0)))),
        "gelu": (lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_pdf(z)),
        "silu": (lambda z: z * logistic(z), lambda z: logistic(z) * (1.0 + z * logistic(-z))),
        "softplus": (log1p_exp, logistic),
    }[name]


# ---------------------------------------------------------------- losses: the mean over the batch, and delta of the last layer


def log_softmax(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def loss_and_delta(loss, output_activation, z, y):
    """z, y (n, d_out) -> (loss of the batch, delta (n, d_out)); loss is a mean, and delta the gradient of that mean in z."""
    name, args, options = parse_call(loss)
    n, d_out = z.shape
    if name == "cross_entropy":
        assert output_activation == "softmax"
        smoothing = options.get("label_smoothing", 0.0)
        y = (1.0 - smoothing) * y + smoothing / d_out
        return -(y * log_softmax(z)).sum() / n, (np.exp(log_softmax(z)) - y) / n
    if name == "binary_cross_entropy":
        assert output_activation == "sigmoid"
        return (log1p_exp(z) - y * z).sum() / n, (logistic(z) - y) / n
    f, df = activation(output_activation)
    r = f(z) - y
    if name == "quadratic":
        value, slope = 0.5 * (r * r).sum() / n, r / n
    elif name == "mse":
        value, slope = (r * r).sum() / (n * d_out), 2.0 * r / (n * d_out)
    elif name == "mae":
        value, slope = np.abs(r).sum() / (n * d_out), np.sign(r) / (n * d_out)
    elif name == "huber":
        k = args[0] if args else 1.0
        h = np.where(np.abs(r) <= k, 0.5 * r * r, k * (np.abs(r) - 0.5 * k))
        value, slope = h.sum() / (n * d_out), np.clip(r, -k, k) / (n * d_out)
    else:
        raise ValueError(f"unknown loss {loss}")
    return value, slope * df(z)


# ---------------------------------------------------------------- loss and gradient of one batch


def loss_and_gradient(params, activations, loss, x, y):
    """-> (mean loss of the batch, gradient), the gradient with the names of the parameters."""
    depth = len(activations)
    inputs, zs = [], []  # of each layer
    a = x
    for l in range(depth):
        inputs.append(a)
        z = a @ params[f"layers.{l}.weight"].T + params.get(f"layers.{l}.bias", 0.0)
        zs.append(z)
        if l + 1 < depth:
            a = activation(activations[l])[0](z)

    value, delta = loss_and_delta(loss, activations[-1], zs[-1], y)
    gradient = {}
    for l in reversed(range(depth)):
        gradient[f"layers.{l}.weight"] = delta.T @ inputs[l]
        bias = params.get(f"layers.{l}.bias")
        if bias is not None:
            per_unit = delta.sum(axis=0)
            shared = bias.shape == (1,) and len(per_unit) > 1
            gradient[f"layers.{l}.bias"] = per_unit.sum(keepdims=True) if shared else per_unit
        if l > 0:
            delta = (delta @ params[f"layers.{l}.weight"]) * activation(activations[l - 1])[1](zs[l - 1])
    return value, gradient


# ---------------------------------------------------------------- optimizers: the new w from w, gradient g, memory m, step t = 1, 2, ...


def sgd(w, g, m, t, lr, momentum=0.0, nesterov=False):
    m["v"] = v = momentum * m.get("v", 0.0) + g  # the learning rate is not inside v
    return w - lr * (g + momentum * v if nesterov else v)


def rmsprop(w, g, m, t, lr, alpha=0.99, eps=1e-8):
    m["s"] = s = alpha * m.get("s", 0.0) + (1.0 - alpha) * g**2
    return w - lr * g / (np.sqrt(s) + eps)


def adagrad(w, g, m, t, lr, eps=1e-10):
    m["s"] = s = m.get("s", 0.0) + g**2
    return w - lr * g / (np.sqrt(s) + eps)


def adam(w, g, m, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m["m"] = first = beta1 * m.get("m", 0.0) + (1.0 - beta1) * g
    m["v"] = second = beta2 * m.get("v", 0.0) + (1.0 - beta2) * g**2
    return w - lr * (first / (1.0 - beta1**t)) / (np.sqrt(second / (1.0 - beta2**t)) + eps)


def adamw(w, g, m, t, lr, weight_decay=0.01, **options):
    return adam(w - lr * weight_decay * w, g, m, t, lr, **options)  # decays biases too


OPTIMIZERS = {"sgd": sgd, "rmsprop": rmsprop, "adagrad": adagrad, "adam": adam, "adamw": adamw}


def scheduled(rate, schedule, epoch):
    """The learning rate of an epoch, counted from 0."""
    name, args, _ = parse_call(schedule)
    if name == "constant":
        return rate
    if name == "step":
        return rate * args[1] ** (epoch // args[0])
    if name == "exponential":
        return rate * args[0] ** epoch
    raise ValueError(f"unknown schedule {schedule}")


# ---------------------------------------------------------------- training


def train(params, x, y, settings):
    """params: {'layers.0.weight': ...}, not changed -> (new params, running mean loss of each epoch, without the penalties)."""
    params = {name: np.array(value, dtype=np.float64) for name, value in params.items()}
    activations = layer_activations(settings)
    optimizer, _, options = parse_call(settings["optimizer"])
    if "momentum" in settings:
        options["momentum"] = settings["momentum"]
    l1, l2, clip = (settings.get(key, 0.0) for key in ("l1", "l2", "clip_norm"))
    n = len(x)
    size = n if settings["batch_size"] == "full" else settings["batch_size"]
    memory = {name: {} for name in params}
    losses, t = [], 0
    for epoch in range(settings["epochs"]):
        rate = scheduled(settings["learning_rate"], settings.get("schedule", "constant"), epoch)
        total = 0.0
        for start in range(0, n, size):
            batch = slice(start, min(start + size, n))
            value, gradient = loss_and_gradient(params, activations, settings["loss"], x[batch], y[batch])
            total += value * (batch.stop - batch.start)
            for name, w in params.items():
                if name.endswith(".weight"):
                    gradient[name] = gradient[name] + l1 * np.sign(w) + l2 * w
            if clip:
                norm = math.sqrt(sum(float((g * g).sum()) for g in gradient.values()))
                factor = min(1.0, clip / (norm + 1e-6))
                gradient = {name: factor * g for name, g in gradient.items()}
            t += 1
            for name in params:
                params[name] = OPTIMIZERS[optimizer](params[name], gradient[name], memory[name], t, rate, **options)
        losses.append(float(total / n))
    return params, losses


def main():
    from safetensors.numpy import load_file, save_file

    cli = argparse.ArgumentParser(description="Train one case of cases.json in NumPy.")
    cli.add_argument("case")
    cli.add_argument("--init", help="safetensors of the first weights (default: golden/CASE.init.safetensors)")
    cli.add_argument("--out", help="where to write the trained weights (safetensors)")
    args = cli.parse_args()
    case = {case["name"]: case for case in load_cases()}[args.case]
    x, y = load_csv(HERE / case["data"], TARGETS[case["data"]])
    params, losses = train(load_file(args.init or HERE / f"golden/{args.case}.init.safetensors"), x, y, case["settings"])
    for epoch, loss in enumerate(losses):
        print(f"epoch {epoch}: running training loss {loss!r}")
    if args.out:
        save_file(params, args.out)


if __name__ == "__main__":
    main()
