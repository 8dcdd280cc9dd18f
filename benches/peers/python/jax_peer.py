"""JAX. Manner `scan`: an epoch (W4: 10,000 steps, W6: 20) is one compiled lax.scan, its shuffle included, and updates in place."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from peer import (
    TRAINING, W4_RATE, W4_STEPS, W4_X, W4_Y, W6_BATCH, W6_RATE, W6_SIZES, W6_STEPS, W7_SIZES,
    Training, arguments, emit, inference, load, one_hot, repeat, seconds,
)

args = arguments()
KEY = jax.random.key(0)
ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "tanh": jnp.tanh}


def report(variant, unit, times, accuracy=None):
    emit(args, "JAX", jax.__version__, variant, unit, times, accuracy)


def init(sizes, activation):
    """-> [(W (inputs, units), b)]: N(0, 1) for the sigmoid, as its works say, else He's for ReLU and Xavier's for tanh"""
    layers = []
    for l, (inputs, units) in enumerate(zip(sizes, sizes[1:])):
        key_w, key_b = jax.random.split(jax.random.fold_in(KEY, l))
        std = {"sigmoid": 1.0, "relu": (2 / inputs) ** 0.5, "tanh": (1 / inputs) ** 0.5}[activation]
        b = jax.random.normal(key_b, (units,)) if activation == "sigmoid" else jnp.zeros(units)
        layers.append((jax.random.normal(key_w, (inputs, units)) * std, b))
    return layers


def forward(params, x, activation):
    """-> the outputs; of ReLU and tanh networks the logits"""
    for l, (W, b) in enumerate(params):
        x = x @ W + b
        if l < len(params) - 1 or activation == "sigmoid":
            x = ACTIVATIONS[activation](x)
    return x


def loss(params, x, y, activation):
    outputs = forward(params, x, activation)
    if activation == "sigmoid":
        return 0.5 * jnp.sum((outputs - y) ** 2) / len(x)
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(outputs) * y, 1))


def sgd(params, gradients, state, rate):
    return jax.tree.map(lambda p, g: p - rate * g, params, gradients), state


def adam(params, gradients, state, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradients)
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    return jax.tree.map(lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + eps), params, m, v), (m, v, t)


def train(work: Training):
    x, classes = load(args.folder, f"{work.data}_train")
    test_x, test_classes = load(args.folder, f"{work.data}_test")
    x, y = jnp.asarray(x), jnp.asarray(one_hot(classes))
    params = init(work.sizes, work.activation)
    zeros = partial(jax.tree.map, jnp.zeros_like)
    update, state = (adam, (zeros(params), zeros(params), jnp.zeros(()))) if work.optimizer == "adam" else (sgd, ())
    steps = len(x) // work.batch

    @partial(jax.jit, donate_argnums=(0, 1))
    def epoch(params, state, key, x, y):
        order = jax.random.permutation(key, len(x))[: steps * work.batch].reshape(steps, work.batch)

        def step(carry, batch):
            params, state = carry
            gradients = jax.grad(loss)(params, x[batch], y[batch], work.activation)
            return update(params, gradients, state, work.rate), None

        return jax.lax.scan(step, (params, state), order)[0]

    times = []
    for e in range(work.epochs):
        key = jax.random.fold_in(KEY, 1000 + e)

        def run():
            nonlocal params, state
            params, state = jax.block_until_ready(epoch(params, state, key, x, y))

        times.append(seconds(run))
    answers = np.asarray(forward(params, test_x, work.activation)).argmax(1)
    report("f32", "s/epoch", times, (answers == test_classes).mean())


def steps_over(params, x, y, activation, rate, length=None):
    """-> a function of no arguments: SGD over the batches of x, or `length` steps with the one x, in one compiled scan"""

    @partial(jax.jit, donate_argnums=0)
    def steps(params, x, y):
        def step(params, batch):
            gradients = jax.grad(loss)(params, *(batch or (x, y)), activation)
            return sgd(params, gradients, (), rate)[0], None

        return jax.lax.scan(step, params, None if length else (x, y), length=length)[0]

    def run():
        nonlocal params
        params = jax.block_until_ready(steps(params, x, y))

    return run


def main():
    if args.work in TRAINING:
        train(TRAINING[args.work])
    elif args.work == "W4":
        run = steps_over(init((2, 2, 2), "sigmoid"), jnp.array(W4_X), jnp.array(W4_Y), "sigmoid", W4_RATE, W4_STEPS)
        report("f32", "s/10k steps", repeat(run))
    elif args.work == "W6":
        x, classes = (part[: W6_STEPS * W6_BATCH] for part in load(args.folder, "mnist_train"))
        x = jnp.asarray(x.reshape(W6_STEPS, W6_BATCH, 784))
        y = jnp.asarray(one_hot(classes).reshape(W6_STEPS, W6_BATCH, 10))
        report("f32", "s/20 steps", repeat(steps_over(init(W6_SIZES, "tanh"), x, y, "tanh", W6_RATE)))
    elif args.work == "W7":
        params = init(W7_SIZES, "relu")
        compiled = jax.jit(lambda x: forward(params, x, "relu"))
        answer = lambda x: compiled(x).block_until_ready()
        inference(args, "JAX", jax.__version__, answer, answer, jnp.asarray)
    else:
        raise args.unknown()


main()
