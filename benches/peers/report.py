"""Turns the records of a run file into a Markdown table: medians, ratios, and whether each goal is met."""

import statistics
from dataclasses import dataclass, field

from contestants import GOALS, LINEUP, W6_GFLOP, WORKS, Goal

NAMES = {"chainrule": "**Chainrule**", "pytorch": "PyTorch", "jax": "JAX", "numpy": "NumPy", "scikit-learn": "scikit-learn",
         "tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "plain-c": "plain C", "fann": "FANN",
         "fma-peak": "FMA peak", "candle": "candle", "burn": "Burn", "tract": "tract", "best": "the best peer",
         "frameworks": "the best framework"}
BUSY = 0.05  # of one core: above this, others disturbed a measurement


@dataclass
class Entry:
    """One contestant's figures for one variant of a work."""

    peer: str
    manner: str
    variant: str
    threads: int
    unit: str
    version: str
    rounds: dict[int, float] = field(default_factory=dict)  # round -> median of its repetitions
    reps: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    memory: float = 0.0  # MB, the most of any run

    def is_rate(self) -> bool:
        return self.unit in ("samples/s", "GF/s")

    def median(self) -> float:
        return statistics.median(self.rounds.values())

    def best(self) -> float:
        return max(self.reps) if self.is_rate() else min(self.reps)

    def spread(self) -> float:
        """Of the rounds' medians: (largest - smallest) / median"""
        return (max(self.rounds.values()) - min(self.rounds.values())) / self.median()

    def speed(self) -> float:
        return self.median() if self.is_rate() else 1 / self.median()

    def name(self) -> str:
        return NAMES[self.peer] + ("" if self.peer == "chainrule" else f" {self.manner}")

    def on(self) -> str:
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}"


def entries_of(work: dict) -> list[Entry]:
    entries: dict[tuple, Entry] = {}
    for record in work["records"]:
        for result in record.get("results", []):
            key = record["peer"], record["manner"], result["variant"], result["threads"]
            version = result.get("version", work.get("chainrule", ""))
            entry = entries.setdefault(key, Entry(*key, result["unit"], version))
            entry.rounds[record["round"]] = statistics.median(result["reps"])
            entry.reps += result["reps"]
            entry.memory = max(entry.memory, record["peak_memory_mb"])
            if result.get("accuracy") is not None:
                entry.accuracies.append(result["accuracy"])
    return list(entries.values())


def fastest(entries: list[Entry]) -> Entry | None:
    return max(entries, key=Entry.speed, default=None)


def chainrule(entries: list[Entry], variant: str) -> Entry | None:
    """Its own fastest, where it was measured with several numbers of threads."""
    return fastest([entry for entry in entries if entry.peer == "chainrule" and entry.variant == variant])


def ratio(peer: Entry, ours: Entry) -> float:
    """How many times as fast ours is."""
    return ours.speed() / peer.speed()


def ratio_range(peer: Entry, ours: Entry) -> tuple[float, float] | None:
    """The same within each round: the lowest and the highest."""
    pairs = [(peer.rounds[number], ours.rounds[number]) for number in peer.rounds if number in ours.rounds]
    ratios = [b / a if ours.is_rate() else a / b for a, b in pairs]
    return (min(ratios), max(ratios)) if len(ratios) > 1 else None


def peak_gflops(work: dict, entries: list[Entry], threads: int) -> float | None:
    """The higher of the two that were measured in these rounds: by peak.c, and by Chainrule."""
    found = [entry.best() for entry in entries if entry.peer == "fma-peak" and entry.threads == threads]
    for record in work["records"]:
        own = record.get("peak_gflops", {}).get("f32", [])
        if len(own) >= threads:
            found.append(own[threads - 1])
    return max(found, default=None)


def against(goal: Goal, entries: list[Entry]) -> Entry | None:
    """The fastest of those that the goal is set against."""
    def meant(entry: Entry) -> bool:
        if entry.variant != goal.variant or entry.peer in ("chainrule", "fma-peak"):
            return False
        if goal.against == "best":
            return True
        if goal.against == "frameworks":
            return entry.peer != "plain-c"
        return goal.against in (entry.peer, f"{entry.peer} {entry.manner}")

    return fastest([entry for entry in entries if meant(entry)])


def judge(goal: Goal, work: dict) -> tuple[str, str, str]:
    """-> (what was asked for, what was found, the state)"""
    entries = entries_of(work)
    ours = chainrule(entries, goal.variant)
    peer, _, manner = goal.against.partition(" ")
    wanted, found, met = f"{goal.factor:g}x {NAMES.get(peer, peer)} {manner}".strip(), "–", None
    if goal.against == "seconds":
        wanted = f"at most {goal.factor:g} s"
        if ours:
            reached = min(ours.accuracies) >= float(goal.variant) / 100
            found = f"{ours.median():.3f} s" + ("" if reached else f", but only {100 * min(ours.accuracies):.2f} %")
            met = reached and ours.median() <= goal.factor
    elif goal.against == "peak":
        wanted = f"{100 * goal.factor:g} % of the FMA peak"
        peak = peak_gflops(work, entries, ours.threads) if ours else None
        if peak:
            rate = W6_GFLOP / ours.median()
            found, met = f"{100 * rate / peak:.0f} % ({rate:.0f} of {peak:.0f} GF/s)", rate / peak >= goal.factor
    else:
        other = against(goal, entries)
        if ours and other:
            name = "" if manner else f" ({other.name()}, {other.on()})"
            found, met = f"{ratio(other, ours):.2f}x{name}", ratio(other, ours) >= goal.factor
    if met is None:
        return wanted, found, "not measured"
    doubts = []
    if disturbance(work) is None or disturbance(work) > BUSY:
        doubts.append("on a busy machine")
    if goal.against in ("best", "frameworks") and missing_peers(goal.work, work):
        doubts.append("not every peer ran")
    return wanted, found, ("**goal met**" if met else "missed") + (f" ({', '.join(doubts)})" if doubts else "")


def missing_peers(name: str, work: dict) -> list[str]:
    """Those of the line-up that gave no result."""
    ran = {record["peer"] for record in work["records"] if "results" in record}
    return sorted({contestant.peer for contestant in LINEUP[name]} - ran)


def disturbance(work: dict) -> float | None:
    """The largest share of one core that other processes used during a run of a second or more."""
    shares = [record["cpu_seconds_of_others"] / record["wall_seconds"] for record in work["records"]
              if record.get("cpu_seconds_of_others") is not None and record["wall_seconds"] >= 1]
    return max(shares, default=None)


def markdown(document: dict) -> str:
    here = document["machine"]
    flags = ", ".join(here["flags"])
    lines = [f"# Chainrule and its peers on {here['cpu']}, {here['cores']} cores", "",
             f"{here['cpu']} (family/model {here['family_model']}; {flags}), {here['cores']} cores, {here['memory_gib']} GiB, "
             f"{here['system']}. Made by `benches/peers/run.py`; every figure with its command is in the JSON file beside this one.", "",
             "Each contestant of a work ran once in every round, in turn. *Median*: of the rounds' medians. *Best*: of every repetition. "
             "*Spread*: of the rounds' medians, (largest - smallest) / median. *Ratio*: how many times as fast Chainrule is, "
             "median by median, and in brackets the lowest and highest within one round.", "",
             "| work | variant | goal | found | state |", "|---|---|---|---|---|"]
    for goal in GOALS:
        wanted, found, state = judge(goal, document["works"].get(goal.work, {"records": []}))
        lines.append(f"| {goal.work} | {goal.variant} | {wanted} | {found} | {state} |")
    for name, work in document["works"].items():
        lines += ["", f"## {name}: {WORKS[name]}", "", *work_table(name, work)]
    return "\n".join(lines) + "\n"


def work_table(name: str, work: dict) -> list[str]:
    entries = entries_of(work)
    rounds = f"{work['rounds']} {'rounds' if work['rounds'] > 1 else 'round'}"
    lines = [f"{rounds} from {work['started']}; commit {work['commit']}; {work['rustc']}; gcc {work['gcc']}; "
             f"Python {work['python']}. {business(work)}", ""]
    for variant in dict.fromkeys(entry.variant for entry in entries):
        group = sorted((entry for entry in entries if entry.variant == variant), key=Entry.speed, reverse=True)
        ours, unit = chainrule(entries, variant), group[0].unit
        columns = ["contestant", "version", "threads", "median", "best", "spread", "accuracy", "peak memory", "ratio"]
        lines += [f"**{variant}**, {unit}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [row(name, entry, ours) for entry in group] + [""]
    errors = dict.fromkeys(f"- {record['peer']} {record['manner']}: {record['error']}" for record in work["records"] if "error" in record)
    if errors:
        lines += ["Failed:", "", *errors, ""]
    if missing_peers(name, work):
        lines += [f"No result of: {', '.join(NAMES[peer] for peer in missing_peers(name, work))}.", ""]
    return lines[:-1]


def row(name: str, entry: Entry, ours: Entry | None) -> str:
    accuracy = f"{100 * min(entry.accuracies):.2f} %" if entry.accuracies else "–"
    speed = f" ({W6_GFLOP / entry.median():.0f} GF/s)" if name == "W6" and not entry.is_rate() else ""
    shown = "–"
    if ours and entry.peer not in ("chainrule", "fma-peak"):
        shown, limits = f"{ratio(entry, ours):.2f}", ratio_range(entry, ours)
        shown += f" ({limits[0]:.2f}–{limits[1]:.2f})" if limits else ""
    cells = [entry.name(), entry.version, str(entry.threads), number(entry.median()) + speed, number(entry.best()),
             f"{100 * entry.spread():.0f} %", accuracy, f"{entry.memory:.0f} MB", shown]
    return f"| {' | '.join(cells)} |"


def number(value: float) -> str:
    """Four significant digits, thousands apart."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def business(work: dict) -> str:
    share = disturbance(work)
    if share is None:
        return "How busy the machine was is not known."
    text = f"Other processes and the host took at most {100 * share:.0f} % of one core during a run"
    return text + (": **taken on a busy machine**." if share > BUSY else ".")


def brief(record: dict) -> list[str]:
    """A record in a line for each of its results, for whoever watches."""
    name = f"{record['peer']} {record['manner']}"
    if "error" in record:
        return [f"{name}: FAILED: {record['error']}"]
    lines = []
    for result in record["results"]:
        accuracy = result.get("accuracy")
        reached = "" if accuracy is None else f", accuracy {100 * accuracy:.2f} %"
        figure = number(statistics.median(result["reps"]))
        lines.append(f"{name}: {result['variant']}, @{result['threads']}: {figure} {result['unit']}{reached}")
    return lines
