"""What the Python peers share: arguments, the works, the prepared data, repetitions, the JSON line.

Every peer is called as  PROGRAM WORK MANNER THREADS FOLDER  and prints one JSON line for each figure.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Arguments:
    work: str
    manner: str
    threads: int
    folder: Path

    def unknown(self) -> SystemExit:
        return SystemExit(f"no work '{self.work}' in manner '{self.manner}'")


def arguments() -> Arguments:
    if len(sys.argv) != 5:
        raise SystemExit(f"usage: {Path(sys.argv[0]).name} WORK MANNER THREADS FOLDER, found {sys.argv[1:]}")
    work, manner, threads, folder = sys.argv[1:]
    return Arguments(work, manner, int(threads), Path(folder))


@dataclass(frozen=True)
class Training:
    """A work that trains whole epochs. Quadratic: 1/2 the sum over outputs, a mean over samples, sigmoid outputs,
    weights and biases N(0, 1). Cross-entropy: softmax, a mean over samples, each peer's usual weights."""

    data: str
    sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    batch: int
    rate: float
    epochs: int


TRAINING = {
    "W1": Training("mnist", (784, 30, 10), "sigmoid", "quadratic", "sgd", 10, 3.0, 6),
    "W2": Training("mnist", (784, 50, 10), "relu", "cross_entropy", "sgd", 100, 0.1, 9),
    "W3": Training("digits", (1024, 16, 16, 10), "sigmoid", "quadratic", "sgd", 1, 0.01, 11),
    "W5": Training("mnist", (784, 512, 512, 10), "relu", "cross_entropy", "adam", 128, 0.001, 4),
}
W4_X, W4_Y, W4_STEPS, W4_RATE = [[0.05, 0.1]], [[0.01, 0.99]], 10_000, 0.5
W6_SIZES = (784, 2500, 2000, 1500, 1000, 500, 10)
W6_BATCH, W6_STEPS, W6_RATE = 256, 20, 0.01
W7_SIZES = (784, 128, 64, 10)


def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """-> x (n, d) float32 in [0, 1], classes (n,) int64; part: mnist_train, mnist_test, digits_train, digits_test"""
    classes = np.fromfile(folder / f"{part}_y.u8", np.uint8)
    x = np.fromfile(folder / f"{part}_x.u8", np.uint8).reshape(len(classes), -1)
    scale = np.float32(255 if part.startswith("mnist") else 1)
    return x.astype(np.float32) / scale, classes.astype(np.int64)


def one_hot(classes: np.ndarray) -> np.ndarray:
    """-> (n, 10) float32"""
    return np.eye(10, dtype=np.float32)[classes]


def w7_inputs(folder: Path) -> dict[str, np.ndarray]:
    """-> {"digits": 1,024 test images, "dense": as many rows of U[0, 1)}, each (1024, 784) float32"""
    digits = load(folder, "mnist_test")[0][:1024].copy()
    return {"digits": digits, "dense": np.random.default_rng(0).random(digits.shape, np.float32)}


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def repeat(run: Callable[[], object], least: int = 4, for_seconds: float = 0.5, most: int = 31) -> list[float]:
    """-> seconds of each run: at least `least`, on for half a second, at most `most`."""
    times: list[float] = []
    while len(times) < least or (sum(times) < for_seconds and len(times) < most):
        times.append(seconds(run))
    return times


def latencies(answer: Callable, samples: list) -> list[float]:
    """-> median microseconds of 10,000 calls, four times, the first to warm up"""
    clock, n = time.perf_counter, len(samples)

    def median() -> float:
        times = []
        for i in range(10_000):
            x = samples[i % n]
            start = clock()
            answer(x)
            times.append(clock() - start)
        return 1e6 * statistics.median(times)

    return [median() for _ in range(4)]


def throughputs(answer: Callable, batch: object) -> list[float]:
    """-> samples a second in batches of 1,024, six times, the first to warm up"""
    calls = 200

    def run() -> None:
        for _ in range(calls):
            answer(batch)

    return [calls * 1024 / seconds(run) for _ in range(6)]


def inference(args: Arguments, name: str, version: str, one: Callable, many: Callable, convert: Callable = lambda x: x) -> None:
    """Measures W7: `one` answers one sample (1, 784), `many` a batch (1024, 784), each given as `convert` makes it."""
    for kind, x in w7_inputs(args.folder).items():
        if args.manner == "latency":
            times = latencies(one, [convert(x[i : i + 1].copy()) for i in range(512)])
            emit(args, name, version, f"latency {kind}", "us/sample", times)
        else:
            bf16 = " bf16" if args.manner.endswith("bf16") else ""
            emit(args, name, version, f"throughput {kind}{bf16}", "samples/s", throughputs(many, convert(x)))


def emit(args: Arguments, name: str, version: str, variant: str, unit: str, times: list[float], accuracy: float | None = None) -> None:
    """Prints the JSON line; the first of the times is dropped."""
    figures = [float(f"{time:.7g}") for time in times[1:]]
    line = {"peer": name, "version": version, "work": args.work, "manner": args.manner, "variant": variant, "threads": args.threads,
            "unit": unit, "value": statistics.median(figures), "reps": figures,
            "accuracy": None if accuracy is None else round(float(accuracy), 4)}
    print(json.dumps(line), flush=True)
