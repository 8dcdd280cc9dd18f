"""Event files of `train --tensorboard`, read by TensorBoard itself and compared with the run folder.

    python tests/event_files.py target/release/chainrule

Needs tensorboard, numpy and safetensors (tests/parity/requirements.txt).
"""

import csv
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ALL = {"scalars": 0, "histograms": 0, "images": 0}
program = os.path.abspath(sys.argv[1])


def train(folder, *words):
    command = [program, "train", *words, "--quiet"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=folder)
    assert done.returncode == 0, " ".join(command)


def read(folder):
    events = EventAccumulator(folder, size_guidance=ALL)
    events.Reload()
    return events


def steps(events, tag, kind="Scalars"):
    return [event.step for event in getattr(events, kind)(tag)]


def history(run):
    with open(f"{run}/history.csv", newline="") as file:
        return list(csv.DictReader(file))


def check_scalars(events, run):
    """Every figure of history.csv is there, at the number of epochs finished, as the nearest f32."""
    rows = history(run)
    columns = {"learning_rate": "learning_rate"}
    for kind in ["loss", "accuracy"]:
        columns |= {f"{kind}/{name}": f"{name}_{kind}" for name in ["train", "test", "validation"]}
    compared = 0
    for tag, column in columns.items():
        expected = [(int(row["epoch"]) + 1, float(row[column])) for row in rows if row.get(column)]
        if not expected:
            assert tag not in events.Tags()["scalars"], tag
            continue
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in found] == [step for step, _ in expected], (tag, found)
        for (_, value), (_, wanted) in zip(found, expected):
            assert abs(value - wanted) <= 1e-6 * abs(wanted), (tag, value, wanted)
            compared += 1
    return compared


def check_histogram(event, values):
    """Extremes and sums are exact; as many values lie below each limit as its buckets say."""
    found, values = event.histogram_value, values.astype(np.float64).ravel()
    assert found.num == values.size
    assert (found.min, found.max) == (values.min(), values.max())
    assert abs(found.sum - values.sum()) <= 1e-9 * np.abs(values).sum()
    assert abs(found.sum_squares - (values**2).sum()) <= 1e-9 * (values**2).sum()
    limits, buckets = np.array(found.bucket_limit), np.array(found.bucket)
    assert (np.diff(limits) > 0).all() and buckets.sum() == values.size
    assert buckets[0] > 0 and buckets[-1] > 0, "TensorBoard puts the extremes at the outer edges"
    for limit, count in zip(limits, np.cumsum(buckets)):
        # A value that is a limit may be counted on either side of it.
        assert (values < limit).sum() <= count <= (values <= limit).sum(), (limit, count)


def check_model(events, run):
    """The last histograms of weights and biases are those of the model file."""
    model = load_file(f"{run}/model.safetensors")
    layers = sum(name.endswith(".weight") for name in model)
    for l in range(layers):
        name = "output" if l == layers - 1 else f"hidden_{l + 1}"
        check_histogram(events.Histograms(f"weights/{name}")[-1], model[f"layers.{l}.weight"])
        if f"layers.{l}.bias" in model:
            check_histogram(events.Histograms(f"biases/{name}")[-1], model[f"layers.{l}.bias"])
        for kind in ["gradients", "activations", "deltas"]:
            found = events.Histograms(f"{kind}/{name}")
            assert [event.step for event in found] == steps(events, f"weights/{name}", "Histograms")
            for value in [event.histogram_value for event in found]:
                assert value.num > 0 and sum(value.bucket) == value.num and value.min <= value.max
        # The norm of the gradient of all parameters of a layer, from their squares.
        for at, norm in enumerate(events.Scalars(f"gradient_norm/{name}")):
            kinds = [f"{kind}/{name}" for kind in ["gradients", "bias_gradients"]]
            there = [kind for kind in kinds if kind in events.Tags()["histograms"]]
            squares = sum(events.Histograms(kind)[at].histogram_value.sum_squares for kind in there)
            assert abs(norm.value - squares**0.5) <= 1e-5 * squares**0.5, (norm, squares**0.5)
    return layers


def check_images(events):
    images = events.Images("first_layer/weights")
    for image in images:
        data = image.encoded_image_string
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", data[16:24]) == (image.width, image.height)
    return images


with tempfile.TemporaryDirectory() as scratch:
    run = f"{scratch}/run"
    train(scratch, "digits", "--epochs", "5", "--run-dir", run, "--validation-split", "0.1", "--tensorboard")
    events = read(f"{run}/tensorboard")
    compared = check_scalars(events, run)
    layers = check_model(events, run)
    assert steps(events, "weights/output", "Histograms") == [0, 1, 2, 3, 4, 5]
    images = check_images(events)
    # 64 units: 8 tiles of 32 pixels in a frame and their distance, and the same at the edge.
    assert len(images) == 6 and images[0].width == 8 * (32 + 2 + 8) + 8
    print(f"digits: {compared} scalars, {layers} layers, {len(images)} images")

    # f64, one output, inputs that are no pictures, more epochs than are looked at.
    small = f"{scratch}/small"
    train(scratch, "xor", "--dtype", "f64", "--epochs", "200", "--run-dir", small, "--tensorboard=logs/small")
    events = read(f"{scratch}/logs/small")
    check_scalars(events, small)
    check_model(events, small)
    check_images(events)
    shown = steps(events, "weights/output", "Histograms")
    assert shown[:65] == list(range(65)) and shown[-1] == 200 and len(shown) < 130, shown
    print(f"xor: {len(shown)} histograms of 200 epochs")

    # Killed after it had written more epochs than its checkpoint knows, then resumed without a word of where its event files
    # are, and from another folder: no step is there twice.
    for killed, flag, board in [
        (f"{scratch}/killed", "--tensorboard", f"{scratch}/killed/tensorboard"),
        (f"{scratch}/elsewhere", "--tensorboard=logs/elsewhere", f"{scratch}/logs/elsewhere"),
    ]:
        train(scratch, "digits", "--hidden", "16", "--epochs", "4", "--run-dir", killed, flag)
        shutil.copytree(f"{killed}/checkpoint", f"{scratch}/checkpoint")
        train("/", "--resume", killed, "--epochs", "9")
        shutil.rmtree(f"{killed}/checkpoint")
        shutil.move(f"{scratch}/checkpoint", f"{killed}/checkpoint")
        os.remove(f"{killed}/model.safetensors")
        last = sorted(os.listdir(board))[-1]
        with open(f"{board}/{last}", "r+b") as file:
            file.truncate(os.path.getsize(file.name) - 100)  # what a power cut leaves
        train("/", "--resume", killed, "--epochs", "7")
        events = read(board)
        assert len(os.listdir(board)) == 3, os.listdir(board)
        assert os.path.exists(f"{killed}/tensorboard") == (flag == "--tensorboard")
        assert steps(events, "loss/train") == list(range(1, 8)), steps(events, "loss/train")
        assert steps(events, "weights/output", "Histograms") == list(range(8))
        check_scalars(events, killed)
        check_model(events, killed)
    print("resumed: every step once")
