"""Installs the peers into a folder: data, Python environments, C programs, Rust programs. Running it again changes nothing."""

import gzip
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = {"scikit-learn": "python", "pytorch": "python", "jax": "python", "numpy": "python", "onnxruntime": "python",
         "openvino": "python", "tensorflow": "tensorflow", "plain-c": "c", "fma-peak": "c", "fann": "fann",
         "candle": "candle", "burn": "burn", "tract": "tract"}
MNIST = {"mnist_train_x.u8": ("train-images-idx3-ubyte.gz", 16), "mnist_train_y.u8": ("train-labels-idx1-ubyte.gz", 8),
         "mnist_test_x.u8": ("t10k-images-idx3-ubyte.gz", 16), "mnist_test_y.u8": ("t10k-labels-idx1-ubyte.gz", 8)}


class Failed(Exception):
    """What could not be installed, and what to do, in words."""


def install(folder: Path, data: Path, peers: list[str]) -> None:
    """Installs `peers` into `folder`; `data` holds mnist/ and digits/digits.zip."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare_data(folder / "data", data)
    parts = dict.fromkeys(PARTS[peer] for peer in peers)
    if "tract" in parts:  # reads the model that Python writes
        parts = dict.fromkeys(["python", *parts])
    for part in parts:
        print(f"== {part}", flush=True)
        if part == "python":
            venv(folder / "venv", HERE / "requirements.txt")
            run([folder / "venv/bin/python", HERE / "python/onnx_model.py", folder / "data"])
        elif part == "tensorflow":
            venv(folder / "venv-tensorflow", HERE / "requirements-tensorflow.txt")
        elif part == "c":
            compile_c(folder, "plain_c", ["-mprefer-vector-width=512", "-ffast-math"] if has_avx512() else ["-ffast-math"], [])
            compile_c(folder, "peak", ["-pthread", "-ffp-contract=fast"], [])
        elif part == "fann":
            if not Path("/usr/include/floatfann.h").exists():
                apt("libfann-dev")
            compile_c(folder, "fann_peer", [], ["-lfloatfann"])
        else:
            need("cargo", "install Rust, see the README of the repository")
            environment = {"CARGO_TARGET_DIR": str(folder / "target")}
            run(["cargo", "build", "--release", "--locked", "--manifest-path", HERE / "rust/Cargo.toml", "-p", f"peer-{part}"], environment)


def prepare_data(target: Path, source: Path) -> None:
    """Bytes without headers, which C and Rust read as easily as Python: x (n, d) as u8, y (n,) as u8."""
    target.mkdir(exist_ok=True)
    for name, (packed, header) in MNIST.items():
        path = source / "mnist" / packed
        if not path.is_file():
            raise Failed(f"{path}: no such file. --data DIR names the folder with mnist/ and digits/")
        with gzip.open(path) as file:
            (target / name).write_bytes(file.read()[header:])
    with zipfile.ZipFile(source / "digits" / "digits.zip") as archive:
        for folder, part in (("trainingDigits", "digits_train"), ("testDigits", "digits_test")):
            names = sorted(name for name in archive.namelist() if f"{folder}/" in name and name.endswith(".txt"))
            texts = [archive.read(name).translate(None, b"\r\n") for name in names]
            if not texts or any(len(text) != 1024 for text in texts):
                raise Failed(f"digits.zip: expected bitmaps of 32x32 in {folder}/")
            (target / f"{part}_x.u8").write_bytes(bytes(byte - ord("0") for text in texts for byte in text))
            (target / f"{part}_y.u8").write_bytes(bytes(int(Path(name).name[0]) for name in names))


def venv(folder: Path, requirements: Path) -> None:
    if not (folder / "bin/pip").exists():
        run([sys.executable, "-m", "venv", folder])
    run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])


def compile_c(folder: Path, name: str, options: list[str], libraries: list[str]) -> None:
    need("gcc", "install it, for instance with 'apt-get install gcc'")
    (folder / "bin").mkdir(exist_ok=True)
    run(["gcc", "-O3", "-march=native", "-Wall", *options, HERE / f"c/{name}.c", "-o", folder / "bin" / name, *libraries, "-lm"])


def apt(package: str) -> None:
    need("apt-get", f"install {package} with your system's package manager")
    if os.geteuid() != 0:
        raise Failed(f"{package} is missing: run 'sudo apt-get install {package}', then this again")
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", package])


def has_avx512() -> bool:
    info = Path("/proc/cpuinfo")
    return info.exists() and "avx512f" in info.read_text()


def need(program: str, otherwise: str) -> None:
    if not shutil.which(program):
        raise Failed(f"'{program}' is needed and was not found: {otherwise}")


def run(command: list, environment: dict[str, str] | None = None) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode}: {' '.join(words)}")
