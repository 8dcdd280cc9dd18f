"""TensorFlow with Keras layers, losses and optimizers. Manner `xla`: an epoch (W4: 10,000 steps) is one compiled XLA loop; only the
shuffle is drawn outside, where it is cheaper. W6 is one compiled step."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf

from peer import (
    TRAINING, W4_RATE, W4_STEPS, W4_X, W4_Y, W6_BATCH, W6_RATE, W6_SIZES, W6_STEPS,
    Training, arguments, emit, load, one_hot, repeat, seconds,
)

args = arguments()
tf.config.threading.set_intra_op_parallelism_threads(args.threads)
tf.config.threading.set_inter_op_parallelism_threads(args.threads)
keras.utils.set_random_seed(0)


class Quadratic(keras.losses.Loss):
    def call(self, y, outputs):
        return 0.5 * keras.ops.sum((outputs - y) ** 2, -1)


def report(unit, times, accuracy=None):
    emit(args, "TensorFlow", tf.__version__, "f32", unit, times, accuracy)


def network(sizes, activation):
    quadratic = activation == "sigmoid"
    init = keras.initializers.RandomNormal(0, 1)
    start = {"kernel_initializer": init, "bias_initializer": init} if quadratic else {}
    layers = [keras.layers.Dense(n, activation=activation, **start) for n in sizes[1:-1]]
    layers.append(keras.layers.Dense(sizes[-1], activation=activation if quadratic else None, **start))
    return keras.Sequential([keras.Input((sizes[0],)), *layers])


def stepper(model, quadratic, optimizer):
    loss = Quadratic() if quadratic else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer.build(model.trainable_variables)

    def step(x, y):
        with tf.GradientTape() as tape:
            cost = loss(y, model(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(cost, model.trainable_variables), model.trainable_variables))

    return step


def train(work: Training):
    x, classes = load(args.folder, f"{work.data}_train")
    test_x, test_classes = load(args.folder, f"{work.data}_test")
    model, quadratic = network(work.sizes, work.activation), work.loss == "quadratic"
    optimizer = keras.optimizers.Adam(work.rate) if work.optimizer == "adam" else keras.optimizers.SGD(work.rate)
    step = stepper(model, quadratic, optimizer)
    all_x, all_y = tf.constant(x), tf.constant(one_hot(classes) if quadratic else classes)
    steps = len(x) // work.batch

    @tf.function(jit_compile=True)
    def epoch(order):
        for k in tf.range(steps):
            batch = tf.slice(order, [k * work.batch], [work.batch])
            step(tf.ensure_shape(tf.gather(all_x, batch), (work.batch, x.shape[1])), tf.gather(all_y, batch))

    random = np.random.default_rng(0)

    def run():
        epoch(tf.constant(random.permutation(len(x)).astype(np.int32)))
        model.trainable_variables[0].numpy()  # waits

    times = [seconds(run) for _ in range(work.epochs)]
    report("s/epoch", times, (model.predict(test_x, verbose=0, batch_size=1000).argmax(1) == test_classes).mean())


def small_steps():
    model = network((2, 2, 2), "sigmoid")
    step, x, y = stepper(model, True, keras.optimizers.SGD(W4_RATE)), tf.constant(W4_X), tf.constant(W4_Y)

    @tf.function(jit_compile=True)
    def steps():
        for _ in tf.range(W4_STEPS):
            step(x, y)

    def run():
        steps()
        model.trainable_variables[0].numpy()

    report("s/10k steps", repeat(run))


def large_steps():
    x, classes = load(args.folder, "mnist_train")
    model = network(W6_SIZES, "tanh")
    step = tf.function(stepper(model, False, keras.optimizers.SGD(W6_RATE)), jit_compile=True)
    starts = range(0, W6_STEPS * W6_BATCH, W6_BATCH)
    batches = [(tf.constant(x[k : k + W6_BATCH]), tf.constant(classes[k : k + W6_BATCH])) for k in starts]

    def run():
        for batch in batches:
            step(*batch)
        model.trainable_variables[0].numpy()

    report("s/20 steps", repeat(run))


def main():
    if args.work in TRAINING:
        train(TRAINING[args.work])
    elif args.work == "W4":
        small_steps()
    elif args.work == "W6":
        large_steps()
    else:
        raise args.unknown()


main()
