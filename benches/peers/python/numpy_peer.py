"""NumPy, float32, a batch at a time. Manner `vectorised`: backpropagation by hand, in place where it can be."""

import numpy as np

from peer import (
    TRAINING, W4_RATE, W4_STEPS, W4_X, W4_Y, W6_BATCH, W6_RATE, W6_SIZES, W6_STEPS, W7_SIZES,
    Training, arguments, emit, inference, load, one_hot, repeat, seconds,
)

args = arguments()
random = np.random.default_rng(0)
np.seterr(over="ignore")  # exp of a saturated sigmoid


def report(variant, unit, times, accuracy=None):
    emit(args, "NumPy", np.__version__, variant, unit, times, accuracy)


class Network:
    """W (inputs, units). Sigmoid: quadratic loss, N(0, 1). ReLU and tanh: softmax with cross-entropy."""

    def __init__(self, sizes, activation):
        self.activation = activation
        self.W, self.b = [], []
        for inputs, units in zip(sizes, sizes[1:]):
            std = {"sigmoid": 1.0, "relu": (2 / inputs) ** 0.5, "tanh": (1 / inputs) ** 0.5}[activation]
            self.W.append((random.standard_normal((inputs, units)) * std).astype(np.float32))
            b = random.standard_normal(units) if activation == "sigmoid" else np.zeros(units)
            self.b.append(b.astype(np.float32))
        self.m = [np.zeros_like(p) for p in self.W + self.b]
        self.v = [np.zeros_like(p) for p in self.W + self.b]
        self.t = 0

    def forward(self, x):
        """-> [x, a(1), …, the outputs]"""
        layers = [x]
        for l, (W, b) in enumerate(zip(self.W, self.b)):
            z = layers[-1] @ W
            z += b
            if self.activation == "sigmoid":
                np.negative(z, out=z)
                np.exp(z, out=z)
                z += 1
                np.reciprocal(z, out=z)
            elif l == len(self.W) - 1:
                z -= z.max(1, keepdims=True)
                np.exp(z, out=z)
                z /= z.sum(1, keepdims=True)
            elif self.activation == "relu":
                np.maximum(z, 0, out=z)
            else:
                np.tanh(z, out=z)
            layers.append(z)
        return layers

    def gradients(self, x, y):
        """-> dC/dW of each layer, dC/db of each layer, of the mean over the batch"""
        a = self.forward(x)
        delta = a[-1] - y
        if self.activation == "sigmoid":
            delta *= a[-1] * (1 - a[-1])
        delta *= np.float32(1 / len(x))
        dW, db = [], []
        for l in range(len(self.W) - 1, -1, -1):
            dW.append(a[l].T @ delta)
            db.append(delta.sum(0))
            if l:
                delta = delta @ self.W[l].T
                if self.activation == "relu":
                    delta *= a[l] > 0
                elif self.activation == "tanh":
                    delta *= 1 - a[l] * a[l]
                else:
                    delta *= a[l] * (1 - a[l])
        return dW[::-1], db[::-1]

    def sgd(self, x, y, rate):
        dW, db = self.gradients(x, y)
        for p, g in zip(self.W + self.b, dW + db):
            g *= rate
            p -= g

    def adam(self, x, y, rate, beta1=0.9, beta2=0.999, eps=1e-8):
        dW, db = self.gradients(x, y)
        self.t += 1
        c1, c2 = 1 - beta1**self.t, 1 - beta2**self.t
        for p, g, m, v in zip(self.W + self.b, dW + db, self.m, self.v):
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * (g * g)
            root = np.sqrt(v / c2)
            root += eps
            p -= (rate / c1) * m / root


def train(work: Training):
    x, classes = load(args.folder, f"{work.data}_train")
    test_x, test_classes = load(args.folder, f"{work.data}_test")
    y = one_hot(classes)
    net = Network(work.sizes, work.activation)
    step = net.adam if work.optimizer == "adam" else net.sgd
    rate = np.float32(work.rate)

    def epoch():
        order = random.permutation(len(x))
        for k in range(0, len(x) - work.batch + 1, work.batch):
            batch = order[k : k + work.batch]
            step(x[batch], y[batch], rate)

    times = [seconds(epoch) for _ in range(work.epochs)]
    report("f32", "s/epoch", times, (net.forward(test_x)[-1].argmax(1) == test_classes).mean())


def main():
    if args.work in TRAINING:
        train(TRAINING[args.work])
    elif args.work == "W4":
        net, x, y = Network((2, 2, 2), "sigmoid"), np.array(W4_X, np.float32), np.array(W4_Y, np.float32)

        def small_steps():
            for _ in range(W4_STEPS):
                net.sgd(x, y, np.float32(W4_RATE))

        report("f32", "s/10k steps", repeat(small_steps))
    elif args.work == "W6":
        net, (x, classes) = Network(W6_SIZES, "tanh"), load(args.folder, "mnist_train")
        y = one_hot(classes)

        def large_steps():
            for k in range(0, W6_STEPS * W6_BATCH, W6_BATCH):
                net.sgd(x[k : k + W6_BATCH], y[k : k + W6_BATCH], np.float32(W6_RATE))

        report("f32", "s/20 steps", repeat(large_steps))
    elif args.work == "W7":
        net = Network(W7_SIZES, "relu")
        W, b = net.W, net.b

        def answer(x):
            x = np.maximum(x @ W[0] + b[0], 0)
            x = np.maximum(x @ W[1] + b[1], 0)
            return x @ W[2] + b[2]

        inference(args, "NumPy", np.__version__, answer, answer)
    else:
        raise args.unknown()


main()
