"""Runs every command that a Markdown file shows in its ```sh blocks, in the order of the page, and fails if one does,
or if a picture is missing.

Usage: readme.py FILE. Commands run in a temporary folder that holds of a clone only what they read, `data` and `recipes`, under
the same names: what they write leaves no trace. `cargo run --release --` and `chainrule` become the built program; `./check`
is left out, since it is what runs this.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target" / "release" / "chainrule"


def commands(markdown):
    """The lines of all ```sh blocks, continued lines joined, comments and prompts left out."""
    for block in re.findall(r"^```sh\n(.*?)^```", markdown, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.split(" #")[0].strip()
            if line and not line.startswith("#"):
                yield line


def main():
    page = ROOT / sys.argv[1]
    failed = passed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "data").symlink_to(ROOT / "data")
        (folder / "recipes").symlink_to(ROOT / "recipes")
        (folder / "bin").mkdir()
        (folder / "bin" / "chainrule").symlink_to(PROGRAM)
        for command in commands(page.read_text()):
            if command.startswith(("./check", "git ", "cd ", "cargo install", "pip ", "cargo add")):
                continue
            if command.startswith("cargo run --release --example"):
                continue  # the examples have a check of their own
            command = command.replace("cargo run --release --", "chainrule")
            done = subprocess.run(
                ["bash", "-c", f"set -o pipefail; export PATH={folder}/bin:$PATH; {command}"],
                cwd=folder, capture_output=True, text=True,
            )
            ok = done.returncode == 0
            passed, failed = passed + ok, failed + (not ok)
            print(("ok      " if ok else "FAILED  ") + command)
            if not ok:
                print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
        if not (ROOT / picture).is_file():
            print("MISSING", picture)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
