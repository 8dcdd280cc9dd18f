"""What the program takes: its own size, and the memory of training on MNIST.

    python3 tests/resources.py target/release/chainrule
"""

import os
import resource
import subprocess
import sys
import tempfile

MOST_BYTES = 15_000_000
MOST_MEMORY = 150_000_000

program = os.path.abspath(sys.argv[1])
size = os.path.getsize(program)
with tempfile.TemporaryDirectory() as scratch:
    command = [program, "train", "mnist", "--epochs", "1", "--quiet", "--run-dir", f"{scratch}/run"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
# Linux counts in KiB, macOS in bytes.
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(f"program: {size / 1e6:.1f} MB of at most {MOST_BYTES / 1e6:.0f}")
print(f"peak memory of training on MNIST: {memory / 1e6:.0f} MB of at most {MOST_MEMORY / 1e6:.0f}")
if not (size <= MOST_BYTES and memory <= MOST_MEMORY):
    sys.exit("more than allowed")
