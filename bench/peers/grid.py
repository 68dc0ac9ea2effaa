"""The grid: every attack x poison rate x data set x seed of `scenarios/grid/`, and one table of it all.

`cargo xtask bench grid [--only gtsrb,sms-spam] [--seed 1] [--rate 0.01] [--max-rows 4000] [--peers] [--jobs 1] [--table docs/grid.md]`

Results lie in `bench-peers/scratch/grid/` (or where `--out` says), a file a unit: what was measured is not measured again.
`--peers` puts filters of other projects (`filter.py`) beside the scan. `--table` writes the table as Markdown; `--beside DIR` adds
what other filters left of the same poisoned data, from a run of the same seeds with `--peers --out DIR`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(os.environ.get("FORETASTE_BIN", ROOT / "target" / "release"))
SCRATCH = Path(os.environ.get("FORETASTE_SCRATCH", ROOT / "bench-peers" / "scratch"))

ALL_PEERS = ["cleanlab", "art-spectral", "art-spectral-told", "art-activation", "art-activation-relative"]


def toml(scenario: dict, defences: list[str], peers: list[str]) -> str:
    """The scenario with more defences, as TOML."""
    lines = [f"{key} = {json.dumps(scenario[key], ensure_ascii=False)}" for key in ("name", "about")]
    lines += [f"defences = {json.dumps(defences + peers)}", f"seeds = {json.dumps(scenario['seeds'])}", "[data]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in scenario["data"].items()]

    def table(name: str, entry: dict) -> None:
        lines.append(f"[[{name}]]")
        for key, value in entry.items():
            if isinstance(value, dict):
                inner = ", ".join(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
                lines.append(f"{key} = {{ {inner} }}")
            else:
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")

    for victim in scenario["victims"]:
        table("victims", victim)
    for attack in scenario["attacks"]:
        table("attacks", attack)
    for peer in peers:
        command = f"{sys.executable} {HERE / 'filter.py'} {peer} {{train}} {{flagged}}"
        table("defence-commands", {"name": peer, "command": command, "format": "parquet", "time-limit": 1200})
    return "\n".join(lines) + "\n"


def run(path: Path, args: argparse.Namespace, out: Path) -> None:
    scenario = tomllib.loads(path.read_text())
    out.mkdir(parents=True, exist_ok=True)
    peers = []
    if args.peers:
        is_text = any(a["id"] == "phrase-trigger" for a in scenario["attacks"])
        peers = [p for p in args.peer or [*ALL_PEERS, "ngram-z"] if p != "ngram-z" or is_text]
    if args.attack:
        scenario["attacks"] = [a for a in scenario["attacks"] if a.get("name", a["id"]) in args.attack or a["id"] in args.attack]
    changed = out / "scenario.toml"
    changed.write_text(toml(scenario, args.defence or scenario["defences"], peers))
    command = [str(BIN / "foretaste"), "trial", str(changed), "--out", str(out), "--jobs", str(args.jobs), "--quiet"]
    for flag, value in (("--seed", args.seed), ("--poison-rate", args.rate), ("--max-rows", args.max_rows), ("--threads", args.threads)):
        if value:
            command += [flag, value]
    env = {**os.environ, "FORETASTE_DATA": os.environ.get("FORETASTE_DATA", str(ROOT / ".." / "shared" / "data"))}
    done = subprocess.run(command, env=env)
    if done.returncode not in (0, 2):
        print(f"{path.stem}: ended with {done.returncode}", file=sys.stderr)


def percent(interval: dict | None) -> str:
    return "" if interval is None else f"{100 * interval['mean']:.1f}"


def table(folders: list[Path]) -> str:
    """One table a data set; a row an attack and rate."""
    out = []
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for folder in folders:
        trial = json.loads((folder / "trial.json").read_text())
        own = trial["summary"]
        defences = list(dict.fromkeys(s["defence"] for s in own))
        cells = {(s["victim"], s["attack"], s["poison-rate"], s["defence"]): s for s in own}
        cases = list(dict.fromkeys((s["victim"], s["attack"], s["poison-rate"]) for s in own))
        others = [d for d in defences if d not in ("none", "scan", "perfect", "random")]
        seeds = len({row["seed"] for row in trial["results"]})
        name = trial["name"].removeprefix("Grid: ")
        out += [f"## {name}", "", f"{trial['rows']:,} rows, {len(trial['classes'])} classes, {seeds} seeds.", ""]
        head = ["Attack", "Rate", "Poison", "Accuracy: none", "scan", "perfect", "Success: none", "scan", "perfect",
                "Found", "False", "Named"]
        head += [f"{d}: found / false" for d in others]
        out += ["| " + " | ".join(head) + " |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|" + "--:|" * len(others)]
        for victim, attack, rate in cases:
            get = lambda d: cells.get((victim, attack, rate, d))  # noqa: E731
            scan, none, perfect = get("scan"), get("none"), get("perfect")
            if scan is None:
                continue
            seeds_of = scan["seeds"]
            found = sum(n for _, n in scan["named"])
            named = ", ".join(f"{k} {n}/{seeds_of}" for k, n in scan["named"]) or ("none" if rate else f"{scan['poison-findings']:.1f} findings of poison")
            if found > scan["named-right"]:
                named += f" (right in {scan['named-right']})"
            if rate:
                for key in ("all", attack):
                    totals[key][0] += seeds_of
                    totals[key][1] += found
                    totals[key][2] += scan["named-right"]
            row = [attack, f"{100 * rate:g} %" if rate else "", f"{scan['n-poison']:.0f}" if rate else ""]
            row += ["" if s is None else percent(s["accuracy"]) for s in (none, scan, perfect)]
            row += ["" if s is None else percent(s.get("attack-success-rate")) for s in (none, scan, perfect)]
            row += [percent(scan["true-positive-rate"]) if rate else "", f"{100 * scan['false-positive-rate']['mean']:.2f}", named]
            for d in others:
                peer = get(d)
                row.append("" if peer is None else f"{percent(peer['true-positive-rate'])} / {100 * peer['false-positive-rate']['mean']:.1f}")
            out.append("| " + " | ".join(row) + " |")
        out.append("")
        if trial.get("failed"):
            out += ["Not measured:", ""]
            out += [f"- {f['what']}: {f['why']}" for f in trial["failed"]]
            out.append("")
    head = ["# The grid", "",
            "Every attack of the catalogue that needs nothing but the data, at every rate, against `scan` as it is: it is told nothing. Made by"
            " `cargo xtask bench grid`; when, with what and what it means stands in [figures.md](figures.md#the-grid).", "",
            "Training part of a 70/30 split. Accuracy and success (inputs that go where the attacker wants): of the victim trained on"
            " everything (none), on what the scan leaves, and on what a filter that knows the truth leaves (perfect). Found: share of the"
            " poison set aside; false: of the honest samples. All in percent, means over seeds. Named: kind of finding that agrees best with the"
            " poison, in how many of the seeds.", "",
            "## Named", "", "Found: a kind of finding holds a tenth of the poison at least and is poison for the most part. A shortcut, which says that nothing is"
            " wrong, finds nothing.", "",
            "| Attack | Runs | Found | Named right | of the found |", "|---|--:|--:|--:|--:|"]
    for key in ["all", *sorted(k for k in totals if k != "all")]:
        runs, found, right = totals[key]
        head.append(f"| {key} | {runs} | {found} | {right} | {100 * right / found:.0f} % |" if found else f"| {key} | {runs} | 0 | 0 | |")
    return "\n".join([*head, "", *out])


def beside(ours: list[Path], theirs: Path) -> str:
    """Poison found, honest taken out and attack success left, of the same units."""
    out = ["## Beside other filters", "",
           "Same poisoned data, same seeds. In each cell: poison taken out / honest samples taken out, in percent, and after the arrow"
           " the attack's success on the model trained on the rest. `told`: the filter was given the true poison rate.", ""]
    head, lines = [], []
    for folder in ours:
        if not (theirs / folder.name / "trial.json").exists():
            continue
        trials = [json.loads((at / "trial.json").read_text()) for at in (folder, theirs / folder.name)]
        key = lambda r: (r.get("attack", "no attack"), r["poison-rate"], r["seed"])  # noqa: E731
        cases: dict[tuple, dict[str, list]] = {}
        seeds = {r["seed"] for r in trials[1]["results"]}
        for row in [*trials[1]["results"], *[r for r in trials[0]["results"] if r["defence"] == "scan" and r["seed"] in seeds]]:
            cases.setdefault(key(row)[:2], {}).setdefault(row["defence"], []).append(row)
        head = list(dict.fromkeys([*head, *[d for case in cases.values() for d in case if d not in ("none", "scan")]]))
        for (attack, rate), by in cases.items():
            if "scan" not in by or len(by) < 3:
                continue
            lines.append((trials[0]["name"].removeprefix("Grid: "), attack, rate, by))
    mean = lambda rows, name: 100 * sum(r.get(name) or 0 for r in rows) / len(rows)  # noqa: E731

    def cell(rows: list | None, poisoned: bool) -> str:
        if not rows:
            return ""
        text = (f"{mean(rows, 'true-positive-rate'):.0f} / " if poisoned else "") + f"{mean(rows, 'false-positive-rate'):.1f}"
        return text + (f" → {mean(rows, 'attack-success-rate'):.0f}" if "attack-success-rate" in rows[0] else "")

    out += ["| Data | Attack | Rate | none | scan | " + " | ".join(head) + " |", "|---|---|--:|" + "--:|" * (len(head) + 2)]
    for name, attack, rate, by in lines:
        none = by.get("none")
        left = f"{mean(none, 'attack-success-rate'):.0f}" if none and "attack-success-rate" in none[0] else ""
        cells = [name, attack, f"{100 * rate:g} %" if rate else "", left, cell(by["scan"], rate > 0)]
        out.append("| " + " | ".join([*cells, *[cell(by.get(d), rate > 0) for d in head]]) + " |")
    return "\n".join([*out, ""])


def main() -> None:
    words = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=words, help="data sets, by the name of their file")
    parser.add_argument("--attack", type=words, help="attacks, by id or name")
    parser.add_argument("--seed")
    parser.add_argument("--rate")
    parser.add_argument("--max-rows")
    parser.add_argument("--threads")
    parser.add_argument("--jobs", default=1, type=int)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--peer", type=words, help="these filters of others only")
    parser.add_argument("--defence", type=words, help="defences besides those of others")
    parser.add_argument("--out", type=Path, default=SCRATCH / "grid")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--beside", type=Path, help="results of a run with --peers")
    parser.add_argument("--no-run", action="store_true", help="make the table of what is there")
    args = parser.parse_args()
    args.peers = args.peers or bool(args.peer)
    names = sorted(p.stem for p in (ROOT / "scenarios" / "grid").glob("*.toml"))
    for name in [] if args.no_run else args.only or names:
        run(ROOT / "scenarios" / "grid" / f"{name}.toml", args, args.out / name)
    folders = [args.out / n for n in args.only or names if (args.out / n / "trial.json").exists()]
    text = table(folders)
    if args.beside:
        text += "\n" + beside(folders, args.beside)
    if args.table:
        args.table.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
