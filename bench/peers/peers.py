"""Races against other projects, in one run on one machine: `cargo xtask bench peers [--only NAME] [--small]`."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from importlib.metadata import version

from common import SCRATCH, Skip

RACES = ["confident", "knn", "signatures", "shapley", "minhash", "text", "boost", "cnn", "scan", "read", "simulate", "large"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="cargo xtask bench peers", description=__doc__)
    parser.add_argument("--only", action="append", choices=RACES, help="run this race only (may be repeated)")
    parser.add_argument("--small", action="store_true", help="small sizes: to see that it works, not to quote")
    args = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    names = ["cleanlab", "datasketch", "faiss-cpu", "numpy", "polars", "rensa", "scikit-learn"]
    print(f"{platform.machine()}, {os.cpu_count()} cores; " + ", ".join(f"{n} {version(n)}" for n in names))
    print("Ratios: time of that side over ours; above 1, ours takes less. Both sides may use all cores.")
    for name in args.only or RACES:
        try:
            importlib.import_module(f"race_{name}").race(args.small)
        except Skip as why:
            print(f"\n## {name}\n\nskipped: {why}", file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
