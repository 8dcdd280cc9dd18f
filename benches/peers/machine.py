"""What a measurement depends on: the CPU, the programs' versions, the commit, and how busy the machine was."""

import os
import platform
import re
import subprocess
from pathlib import Path

# The instruction sets that decide which kernels run, by their names in /proc/cpuinfo.
FLAGS = ("avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
         "asimd", "sve", "bf16")


def machine() -> dict:
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    field = lambda name: (re.search(rf"^{name}\s*:\s*(.+)$", info, re.M) or ["", ""])[1]
    flags = set((field("flags") or field("Features")).split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": field("model name") or platform.processor() or platform.machine(),
            "family_model": f"{field('cpu family')}/{field('model')}".strip("/"), "cores": os.cpu_count(),
            "flags": [flag for flag in FLAGS if flag in flags], "memory_gib": round(memory / 2**30, 1), "system": system()}


def system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def versions(root: Path) -> dict:
    """Of the compilers, and the commit that is checked out; `+` after it: with changes, other than results, that are not
    committed."""
    commit = output(["git", "-C", root, "rev-parse", "--short=12", "HEAD"])
    changed = output(["git", "-C", root, "status", "--porcelain", "--untracked-files=no", "--", ".",
                      ":(exclude)benches/runs"])
    return {"commit": (commit or "unknown") + ("+" if changed else ""), "rustc": output(["rustc", "--version"]),
            "gcc": output(["gcc", "-dumpfullversion"]), "python": platform.python_version()}


def output(command: list) -> str:
    """-> what it prints, or nothing where it cannot be run"""
    try:
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def busy_seconds() -> float | None:
    """CPU seconds that all processes used since the machine started, and that its host withheld; None where that is not told."""
    try:
        user, nice, kernel, _, _, irq, softirq, stolen = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + kernel + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")
