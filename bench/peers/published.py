"""Data as published: how many samples are flagged, and the most suspicious of them to look at.

`cargo xtask bench published [--only SET] [--show 20]`
"""

from __future__ import annotations

import argparse
import json

from common import BIN, SCRATCH, Skip, program
from noisy import SETS, load, write


def main() -> None:
    parser = argparse.ArgumentParser(prog="cargo xtask bench published", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=[s.name for s in SETS])
    parser.add_argument("--show", type=int, default=0, help="members of label-error findings to print, per set")
    args = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    print(f"{'set':<20} {'rows':>8} {'findings':>9} {'in label errors':>16} {'in any':>8} {'wall s':>7}")
    for s in SETS:
        if args.only and s.name not in args.only:
            continue
        try:
            one(s, args.show)
        except Skip as why:
            print(f"{s.name:<20} skipped: {why}")


def one(s, show: int) -> None:
    binary, out = BIN / "foretaste", SCRATCH / f"published_{s.name}"
    if not binary.exists():
        raise Skip("foretaste is not built")
    content, labels = load(s)
    file, label = write(s, content, labels, "published")
    run = program(binary, "scan", file, "--label", label, "--report", out, "--quiet")
    if run["rc"] not in (0, 1):
        raise Skip(f"scan ended with {run['rc']}: {run['stderr'].strip().splitlines()[:1]}")
    report = json.loads((out / "report.json").read_text())
    rows = {k: {m["row"] for f in report["findings"] if k in ("any", f["kind"]) for m in f["members"]}
            for k in ("label-error", "any")}  # fmt: skip
    print(
        f"{s.name:<20} {len(labels):8,} {len(report['findings']):9,} {len(rows['label-error']):16,}"
        f" {len(rows['any']):8,} {run['wall_s']:7.1f}",
        flush=True,
    )
    members = [m for f in report["findings"] if f["kind"] == "label-error" for m in f["members"]]
    members.sort(key=lambda m: -m["suspicion"])
    for m in members[:show]:
        cells = {} if s.kind == "image" else {n: content[n][m["row"]].as_py() for n in content.column_names}
        text = "; ".join(f"{k}={v}" for k, v in cells.items() if v not in (0, 0.0, None))
        print(f"  row {m['row']}: given {m.get('given')}, expected {m.get('expected')}: {text[:220]}")


if __name__ == "__main__":
    main()
