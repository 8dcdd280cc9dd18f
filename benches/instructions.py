#!/usr/bin/env python3
"""Counts the instructions of the kernels, and fails if one needs more than the committed count allows.

    python3 benches/instructions.py            compares with benches/instructions.txt
    python3 benches/instructions.py --update   writes it anew

Counts need no quiet machine, but they belong to one compiler: run --update after changing it. The kernels run at the level
avx2, which valgrind knows on every x86-64 CPU. A kernel's count is the difference between a run of 1 and one of 1 + REPEATS
calls, so that neither starting nor preparing is in it.
"""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "benches/instructions.txt"
ALLOWED = 1.03
REPEATS = 2


def output(command: list[str], **options) -> subprocess.CompletedProcess:
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done


def program() -> str:
    """-> path of the built bench"""
    lines = output("cargo bench -p chainrule-kernels --bench instructions --no-run --message-format=json".split()).stdout
    messages = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    return next(message["executable"] for message in messages
                if message["reason"] == "compiler-artifact" and message["target"]["name"] == "instructions")


def instructions(path: str, name: str, times: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", path, name, str(times)]
    said = output(command, env=os.environ | {"CHAINRULE_SIMD": "avx2"}).stderr
    return int(re.search(r"Collected : (\d+)", said).group(1))


def main() -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        print(f"left out: the counts are for x86-64, this is {platform.machine()}")
        return
    path = program()
    names = output([path, "--list"]).stdout.split()
    counts = {name: (instructions(path, name, 1 + REPEATS) - instructions(path, name, 1)) // REPEATS for name in names}
    if "--update" in sys.argv:
        BASELINE.write_text("".join(f"{name} {count}\n" for name, count in counts.items()))
        print(f"{BASELINE.relative_to(ROOT)}: {len(counts)} counts written")
        return
    known = {name: int(count) for name, count in map(str.split, BASELINE.read_text().splitlines())}
    failed = []
    for name, count in counts.items():
        change = count / known[name] - 1 if name in known else None
        print(f"{name:28} {count:>12,}  {'new' if change is None else f'{100 * change:+.2f} %'}")
        if change is None or count > ALLOWED * known[name]:
            failed.append(name)
    failed += [f"{name} (no longer there)" for name in known.keys() - counts.keys()]
    if failed:
        sys.exit(f"more instructions than allowed, or without a count: {', '.join(failed)}\n"
                 "If that is meant: python3 benches/instructions.py --update")


main()
