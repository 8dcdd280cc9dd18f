#!/usr/bin/env python3
"""Runs Chainrule and its peers alternately, and writes what was measured to benches/runs.

    python3 benches/peers/run.py --setup                      installs the peers (--peers: some of them)
    python3 benches/peers/run.py                              measures every work
    python3 benches/peers/run.py --works W1,W4 --rounds 3 --peers jax,plain-c

Round 1 runs every contestant of a work once, then round 2, and so on: all see the same minutes of the machine.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import install
import machine
import report
from contestants import LINEUP, PEERS, PROGRAMS, WORKS, Contestant

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300  # seconds for one contestant of one round
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
CHAINRULE = Contestant("chainrule", "bench", 0)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Chainrule and its peers, measured alternately.")
    parser.add_argument("--setup", action="store_true", help="install the peers into --folder, then stop")
    parser.add_argument("--folder", type=Path, default=ROOT / "target/peers", metavar="DIR", help="the peers' programs [target/peers]")
    parser.add_argument("--data", type=Path, default=ROOT / "data", metavar="DIR", help="holds mnist/ and digits/ [data]")
    parser.add_argument("--chainrule", type=Path, default=ROOT / "target/release/chainrule", metavar="PATH",
                        help="[target/release/chainrule]")
    parser.add_argument("--works", type=names_of(list(WORKS)), default=list(WORKS), metavar="W1,…", help="W1 to W7 and E [all]")
    parser.add_argument("--peers", type=names_of(PEERS), default=PEERS, metavar="NAME,…", help=f"of {', '.join(PEERS)} [all]")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="[5]")
    parser.add_argument("--out", type=Path, default=ROOT / "benches/runs", metavar="DIR", help="[benches/runs]")
    return parser.parse_args()


def names_of(known: list[str]):
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}': expected some of {', '.join(known)}")
        return names

    return parse


def command_of(contestant: Contestant, work: str, variant: str) -> list[str]:
    """With $FOLDER, $DATA, $CHAINRULE and $SCRATCH in it, which `execute` fills in and the run file keeps."""
    if work == "E" and contestant == CHAINRULE:
        return ["$CHAINRULE", "train", f"mnist-{variant}", "--run-dir", "$SCRATCH/run", "--quiet"]
    if work == "E":
        return ["$FOLDER/venv/bin/python", "benches/peers/python/torch_script.py", variant, "$DATA/mnist"]
    if contestant == CHAINRULE:
        return ["$CHAINRULE", "bench", work, "--json"]
    threads = contestant.threads or os.cpu_count()
    pinned = ["taskset", "-c", str(os.cpu_count() - 1)] if threads == 1 else []
    return [*pinned, *PROGRAMS[contestant.peer].split(), work, contestant.manner, str(threads), "$FOLDER/data"]


def environment_of(contestant: Contestant, work: str, data: Path) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    if contestant == CHAINRULE:
        environment["CHAINRULE_DATA"] = str(data)
    elif work != "E":  # an ordinary script sets none
        environment |= dict.fromkeys(THREAD_VARIABLES, str(contestant.threads or os.cpu_count()))
    return environment


def execute(command: list[str], places: dict[str, str], environment: dict[str, str]) -> tuple[dict, str]:
    """-> (how it went: seconds, CPU seconds, CPU seconds of others, peak memory, error), its standard output"""
    filled = []
    for word in command:
        for name, place in places.items():
            word = word.replace(name, place)
        filled.append(word)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        busy, start = machine.busy_seconds(), time.perf_counter()
        try:
            process = subprocess.Popen(filled, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=ROOT)
        except OSError as error:
            return {"command": " ".join(command), "error": f"cannot be run ({error.strerror}): --setup installs the peers"}, ""
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, own = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
        others = None if busy is None else max(0.0, machine.busy_seconds() - busy - own)
        out.seek(0)
        err.seek(0)
        text, errors = out.read().decode(errors="replace"), err.read().decode(errors="replace").strip().splitlines()
    how = {"command": " ".join(command), "wall_seconds": round(seconds, 4), "cpu_seconds": round(own, 3),
           "cpu_seconds_of_others": None if others is None else round(others, 2), "peak_memory_mb": round(usage.ru_maxrss / 1024, 1)}
    if process.returncode != 0:
        late = f"stopped after {TIMEOUT} s" if seconds >= TIMEOUT else f"exit code {process.returncode}"
        how["error"] = f"{late}: {errors[-1] if errors else 'it said nothing'}"
    return how, text


def measure(contestant: Contestant, work: str, places: dict[str, str]) -> list[dict]:
    """Runs a contestant once -> records, one for each process, each with its results"""
    environment = environment_of(contestant, work, Path(places["$DATA"]))
    records = []
    for variant in ("97", "98") if work == "E" else ("",):
        with tempfile.TemporaryDirectory() as scratch:
            places = places | {"$SCRATCH": scratch}
            how, text = execute(command_of(contestant, work, variant), places, environment)
            record = {"peer": contestant.peer, "manner": contestant.manner} | how
            if "error" not in record:
                try:
                    record |= results_of(contestant, work, variant, text, how, Path(scratch))
                except (ValueError, KeyError, TypeError, OSError) as error:
                    record["error"] = f"its output was not understood: {type(error).__name__}: {error}"
            records.append(record)
    return records


def results_of(contestant: Contestant, work: str, variant: str, text: str, how: dict, scratch: Path) -> dict:
    if work == "E":
        if contestant == CHAINRULE:
            summary = json.loads((scratch / "run/summary.json").read_text())
            accuracy, threads = summary["test"]["accuracy"], summary["threads"]
            result = {"accuracy": accuracy, "threads": threads}
        else:
            line = json.loads(text)
            result = {"version": line["version"], "accuracy": line["accuracy"], "threads": os.cpu_count()}
        return {"results": [result | {"variant": variant, "unit": "s", "reps": [how["wall_seconds"]]}]}
    if contestant == CHAINRULE:
        document = json.loads(text)
        results = [result for result in document["results"] if result["work"] == work]
        record = {"results": results, "machine": document["machine"], "peak_gflops": document["peak_gflops"]}
    else:
        results = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        record = {"results": results}
    if not results:
        raise ValueError(f"no result of {work}")
    for result in results:
        missing = {"variant", "threads", "unit", "reps"} - result.keys()
        if missing or not result["reps"] or not all(value > 0 for value in result["reps"]):
            raise ValueError(f"a result without {', '.join(sorted(missing)) or 'times above 0'}")
    return record


def run_work(work: str, args: argparse.Namespace, places: dict[str, str]) -> dict:
    lineup = [CHAINRULE, *(contestant for contestant in LINEUP[work] if contestant.peer in args.peers)]
    started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    records = []
    for number in range(1, args.rounds + 1):
        shift = (number - 1) % len(lineup)  # nobody always follows the same one
        for contestant in lineup[shift:] + lineup[:shift]:
            for record in measure(contestant, work, places):
                records.append({"round": number} | record)
                for line in report.brief(record):
                    print(f"{work} round {number}: {line}", flush=True)
    program = machine.output([args.chainrule, "--version"])
    return {"started": started, "rounds": args.rounds, "chainrule": program} | machine.versions(ROOT) | {"records": records}


def document_text(document: dict) -> str:
    """JSON with one record a line."""
    works = []
    for name, work in document["works"].items():
        head = json.dumps({key: value for key, value in work.items() if key != "records"})
        records = ",\n  ".join(json.dumps(record) for record in work["records"])
        works.append(f'"{name}": {head[:-1]}, "records": [\n  {records}]}}')
    return f'{{"machine": {json.dumps(document["machine"])},\n "works": {{\n ' + ",\n ".join(works) + "}}\n"


def write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def main() -> int:
    args = options()
    folder, data = args.folder.resolve(), args.data.resolve()
    if args.setup:
        install.install(folder, data, args.peers)
        print("every peer asked for is installed")
        return 0
    if not args.chainrule.is_file():
        sys.exit(f"{args.chainrule}: no such program. Build it with 'cargo build --release', or name it with --chainrule PATH")
    places = {"$FOLDER": str(folder), "$DATA": str(data), "$CHAINRULE": str(args.chainrule.resolve())}
    here = machine.machine()
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{datetime.date.today()}-{machine.slug(here['cpu'])}-{here['cores']}-cores.json"
    # Works measured earlier on the same day stay, and are replaced when measured again.
    document = json.loads(path.read_text()) if path.exists() else {"works": {}}
    document = {"machine": here, "works": document["works"]}
    for work in args.works:
        document["works"][work] = run_work(work, args, places)
        document["works"] = dict(sorted(document["works"].items(), key=lambda item: list(WORKS).index(item[0])))
        write(path, document_text(document))
        write(path.with_suffix(".md"), report.markdown(document))
    print(f"written: {path} and {path.with_suffix('.md').name}")
    failed = sum("error" in record for work in args.works for record in document["works"][work]["records"])
    if failed:
        print(f"{failed} runs failed: they are listed in the table", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except install.Failed as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: works that were finished are written")
