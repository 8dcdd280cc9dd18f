"""The works, who takes part in each, and the goals. Plain tables: `run.py` runs them, `report.py` judges them."""

from dataclasses import dataclass

WORKS = {
    "W1": "MNIST, 784-30-10 sigmoid, quadratic loss, SGD, batches of 10, rate 3",
    "W2": "MNIST, 784-50-10 ReLU, softmax with cross-entropy, SGD, batches of 100, rate 0.1",
    "W3": "digits, 1024-16-16-10 sigmoid, quadratic loss, SGD, one sample a step, rate 0.01",
    "W4": "one sample, 2-2-2 sigmoid, quadratic loss, SGD, 10,000 steps",
    "W5": "MNIST, 784-512-512-10 ReLU, softmax with cross-entropy, Adam, batches of 128",
    "W6": "784-2500-2000-1500-1000-500-10 tanh, softmax with cross-entropy, SGD, 20 batches of 256",
    "W7": "inference, 784-128-64-10 ReLU: one sample, and batches of 1,024; MNIST digits, and dense uniform inputs",
    "E": "from process start to 97 % and to 98 % of MNIST's test images, reading the gzip files",
}

# Floating-point operations of W6's 20 steps: 2 a multiply-add, three products a layer, no input gradient of the first.
W6_SIZES = [784, 2500, 2000, 1500, 1000, 500, 10]
W6_GFLOP = 20 * 256 * (6 * sum(a * b for a, b in zip(W6_SIZES, W6_SIZES[1:])) - 2 * W6_SIZES[0] * W6_SIZES[1]) / 1e9

# $FOLDER: where `run.py --setup` put things. Each program is called as PROGRAM WORK MANNER THREADS $FOLDER/data.
PYTHON = "$FOLDER/venv/bin/python benches/peers/python/"
PROGRAMS = {
    "pytorch": PYTHON + "torch_peer.py",
    "jax": PYTHON + "jax_peer.py",
    "numpy": PYTHON + "numpy_peer.py",
    "scikit-learn": PYTHON + "sklearn_peer.py",
    "onnxruntime": PYTHON + "onnxruntime_peer.py",
    "openvino": PYTHON + "openvino_peer.py",
    "tensorflow": "$FOLDER/venv-tensorflow/bin/python benches/peers/python/tensorflow_peer.py",
    "plain-c": "$FOLDER/bin/plain_c",
    "fann": "$FOLDER/bin/fann_peer",
    "fma-peak": "$FOLDER/bin/peak",
    "candle": "$FOLDER/target/release/peer-candle",
    "burn": "$FOLDER/target/release/peer-burn",
    "tract": "$FOLDER/target/release/peer-tract",
}


@dataclass(frozen=True)
class Contestant:
    """A peer in one manner; `threads` 0 means every core."""

    peer: str
    manner: str
    threads: int

    def name(self) -> str:
        return f"{self.peer} {self.manner} @{self.threads or 'all'}"


def _lineup(text: str) -> list[Contestant]:
    """'jax scan 1, burn autodiff all' -> contestants"""
    words = [line.split() for line in text.replace("\n", " ").split(",")]
    return [Contestant(peer, manner, 0 if threads == "all" else int(threads)) for peer, manner, threads in words]


# One thread where more do not help that peer, both where it depends on the machine.
LINEUP = {
    "W1": _lineup("""jax scan 1, pytorch eager 1, pytorch manual 1, tensorflow xla all, numpy vectorised 1, plain-c dense 1,
                  plain-c skip0 1, fann online 1, candle autograd 1, burn autodiff 1"""),
    "W2": _lineup("""jax scan 1, jax scan all, pytorch eager all, pytorch manual 1, tensorflow xla all, numpy vectorised 1,
                  scikit-learn fit all, candle autograd 1, burn autodiff all"""),
    "W3": _lineup("""plain-c dense 1, plain-c skip0 1, jax scan 1, tensorflow xla all, fann online 1, pytorch eager 1,
                  pytorch manual 1, numpy vectorised 1, candle autograd 1, burn autodiff 1"""),
    "W4": _lineup("""jax scan 1, plain-c dense 1, tensorflow xla all, fann online 1, pytorch eager 1, pytorch manual 1,
                  numpy vectorised 1, candle autograd 1, burn autodiff 1"""),
    "W5": _lineup("""jax scan all, tensorflow xla all, pytorch eager all, numpy vectorised all, scikit-learn fit all,
                  candle autograd all, burn autodiff all"""),
    "W6": _lineup("""fma-peak registers 1, fma-peak registers all, pytorch eager all, pytorch bf16 all, jax scan all,
                  tensorflow xla all, numpy vectorised all, candle autograd all, burn autodiff all"""),
    "W7": _lineup("""numpy latency 1, pytorch latency 1, jax latency 1, onnxruntime latency 1, openvino latency 1, tract latency 1,
                  candle latency 1, burn latency 1,
                  pytorch throughput all, numpy throughput all, jax throughput all, onnxruntime throughput all,
                  openvino throughput all, openvino throughput-bf16 1, openvino throughput-bf16 all,
                  pytorch throughput-bf16 all, tract throughput 1, candle throughput all, burn throughput all"""),
    "E": _lineup("pytorch script all"),
}
PEERS = sorted({c.peer for lineup in LINEUP.values() for c in lineup})


@dataclass(frozen=True)
class Goal:
    """`against`: a peer in any manner, "peer manner", "best" (every peer), "frameworks" (every peer but plain C): Chainrule is to be at
    least `factor` times as fast; or "peak": at least that share of the measured FMA peak; or "seconds": at most that many."""

    work: str
    variant: str
    against: str
    factor: float


GOALS = [
    Goal("W1", "f32", "jax", 9.0),
    Goal("W1", "f32", "pytorch eager", 60.0),
    Goal("W2", "f32", "best", 4.0),
    Goal("W3", "f32", "plain-c", 3.0),
    Goal("W3", "f32", "frameworks", 12.0),
    Goal("W4", "f32", "jax", 1.0),
    Goal("W4", "f32", "plain-c", 1.0),
    Goal("W5", "f32", "jax", 2.4),
    Goal("W6", "f32", "pytorch eager", 1.4),
    Goal("W6", "f32", "peak", 0.85),
    Goal("W6", "bf16", "pytorch bf16", 2.0),
    Goal("W7", "latency digits", "best", 8.0),
    Goal("W7", "latency dense", "best", 2.4),
    Goal("W7", "throughput digits", "pytorch", 3.0),
    Goal("W7", "throughput dense", "pytorch", 1.25),
    Goal("W7", "throughput digits bf16", "openvino", 2.0),
    Goal("W7", "throughput dense bf16", "openvino", 2.0),
    Goal("E", "97", "seconds", 0.35),
    Goal("E", "98", "seconds", 1.0),
]
