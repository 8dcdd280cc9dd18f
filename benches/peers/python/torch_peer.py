"""PyTorch. Manners: `eager`, nn.Module with autograd and a fused torch.optim, as people write it (but shuffled as one tensor,
which is faster than a DataLoader); `manual`, backpropagation by hand in place, without autograd; `bf16`, eager in autocast."""

import torch
from torch import nn
from torch.nn import functional

from peer import (
    TRAINING, W4_RATE, W4_STEPS, W4_X, W4_Y, W6_BATCH, W6_RATE, W6_SIZES, W6_STEPS, W7_SIZES,
    Training, arguments, emit, inference, load, one_hot, repeat, seconds,
)

args = arguments()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}


def report(variant, unit, times, accuracy=None):
    emit(args, "PyTorch", torch.__version__, variant, unit, times, accuracy)


def network(sizes, activation, quadratic):
    layers = []
    for i, (inputs, units) in enumerate(zip(sizes, sizes[1:])):
        layers.append(nn.Linear(inputs, units))
        if quadratic:
            nn.init.normal_(layers[-1].weight)
            nn.init.normal_(layers[-1].bias)
        if i < len(sizes) - 2 or quadratic:
            layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def quadratic_loss(outputs, y):
    return 0.5 * ((outputs - y) ** 2).sum() / len(y)


def eager_step(model, loss, optimizer, bf16=False):
    def step(x, y):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            cost = loss(model(x), y)
        cost.backward()
        optimizer.step()

    return step


class Manual:
    """W (inputs, units); buffers made once. SGD of a quadratic loss of sigmoids, or of softmax with cross-entropy after ReLU."""

    def __init__(self, sizes, quadratic, batch, rate):
        self.quadratic, self.rate = quadratic, rate / batch
        self.W = [torch.randn(i, o) * (1.0 if quadratic else (2.0 / i) ** 0.5) for i, o in zip(sizes, sizes[1:])]
        self.b = [torch.randn(o) if quadratic else torch.zeros(o) for o in sizes[1:]]
        self.a = [torch.empty(batch, o) for o in sizes[1:]]
        self.delta = [torch.empty(batch, o) for o in sizes[1:]]

    def forward(self, x, out):
        last = len(self.W) - 1
        for l, (W, b) in enumerate(zip(self.W, self.b)):
            x = torch.addmm(b, x, W, out=out[l]) if out else torch.addmm(b, x, W)
            if self.quadratic:
                x.sigmoid_()
            elif l < last:
                x.relu_()
        return x

    def step(self, x, y):
        ops, a, last = torch.ops.aten, self.a, len(self.W) - 1
        outputs = self.forward(x, a)
        delta = ops.sigmoid_backward(outputs - y, outputs) if self.quadratic else torch.softmax(outputs, 1).sub_(y)
        for l in range(last, -1, -1):
            if l:
                back = torch.mm(delta, self.W[l].t(), out=self.delta[l - 1])
                back = ops.sigmoid_backward(back, a[l - 1]) if self.quadratic else ops.threshold_backward(back, a[l - 1], 0)
            self.W[l].addmm_((a[l - 1] if l else x).t(), delta, alpha=-self.rate)
            self.b[l].sub_(delta.sum(0), alpha=self.rate)
            if l:
                delta = back

    def __call__(self, x):
        return self.forward(x, None)


def optimizer_of(model, name, rate):
    kind = torch.optim.Adam if name == "adam" else torch.optim.SGD
    return kind(model.parameters(), lr=rate, fused=True)


def train(work: Training):
    x, classes = (torch.from_numpy(part) for part in load(args.folder, f"{work.data}_train"))
    test_x, test_classes = (torch.from_numpy(part) for part in load(args.folder, f"{work.data}_test"))
    quadratic = work.loss == "quadratic"
    if args.manner == "manual":
        model = Manual(work.sizes, quadratic, work.batch, work.rate)
        step = model.step
    else:
        model = network(work.sizes, work.activation, quadratic)
        loss = quadratic_loss if quadratic else functional.cross_entropy
        step = eager_step(model, loss, optimizer_of(model, work.optimizer, work.rate))
    y = torch.from_numpy(one_hot(classes.numpy())) if quadratic or args.manner == "manual" else classes

    def epoch():
        order = torch.randperm(len(x))
        steps = len(x) // work.batch
        for batch in list(zip(x[order].split(work.batch), y[order].split(work.batch)))[:steps]:
            step(*batch)

    with torch.inference_mode(args.manner == "manual"):
        times = [seconds(epoch) for _ in range(work.epochs)]
    with torch.no_grad():
        accuracy = (model(test_x).argmax(1) == test_classes).float().mean().item()
    report("f32", "s/epoch", times, accuracy)


def small_steps():
    x, y = torch.tensor(W4_X), torch.tensor(W4_Y)
    if args.manner == "manual":
        step = Manual((2, 2, 2), True, 1, W4_RATE).step
    else:
        model = network((2, 2, 2), "sigmoid", True)
        step = eager_step(model, quadratic_loss, optimizer_of(model, "sgd", W4_RATE))

    def run():
        for _ in range(W4_STEPS):
            step(x, y)

    with torch.inference_mode(args.manner == "manual"):
        report("f32", "s/10k steps", repeat(run))


def large_steps():
    x, classes = (torch.from_numpy(part[: W6_STEPS * W6_BATCH]) for part in load(args.folder, "mnist_train"))
    model = network(W6_SIZES, "tanh", False)
    bf16 = args.manner == "bf16"
    step = eager_step(model, functional.cross_entropy, optimizer_of(model, "sgd", W6_RATE), bf16)

    def run():
        for batch in zip(x.split(W6_BATCH), classes.split(W6_BATCH)):
            step(*batch)

    report("bf16" if bf16 else "f32", "s/20 steps", repeat(run))


def main():
    if args.work in TRAINING:
        train(TRAINING[args.work])
    elif args.work == "W4":
        small_steps()
    elif args.work == "W6":
        large_steps()
    elif args.work == "W7":
        model = network(W7_SIZES, "relu", False).eval()
        if args.manner.endswith("bf16"):
            model = model.bfloat16()
        with torch.inference_mode():
            inference(args, "PyTorch", torch.__version__, model, model, lambda x: torch.from_numpy(x).to(model[0].weight.dtype))
    else:
        raise args.unknown()


main()
