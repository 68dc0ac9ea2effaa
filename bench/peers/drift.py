"""Drift against trusted data: false alarms on data cut at random, and what is found of known changes.

`cargo xtask bench drift [--only SET] [--seeds 5] [--fdr 0.05] [--kind null|label-flip|subpopulation-flip|target-flip|adversarial-flip|source|shift]`

Each set is cut in two halves at random, one new and one trusted. `null` leaves them alone. The attacks change 5 % of the new
labels (`foretaste simulate`): at random, in one region, around one input, or where it hurts a linear model most. `source` puts 5 % of strangers into the new half: texts that end in other words, pictures
that stand on their heads, rows with a column drawn anew. `shift` moves one column by a fifth of its standard deviation.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from common import BIN, SCRATCH, program

DATA = Path(os.environ.get("FORETASTE_DATA", "data"))
SETS = {
    "sms_spam": "label",
    "sentence_polarity": "label",
    "food_reviews": "score",
    "spambase": "type",
    "adult_income": "income",
    "fashion_mnist": "y",
}
ATTACKS = ["label-flip", "subpopulation-flip", "target-flip", "adversarial-flip"]
KINDS = ["null", *ATTACKS, "source", "shift"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="cargo xtask bench drift", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(SETS))
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fdr", default="0.05")
    args = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for kind in args.kind or KINDS:
        for name in args.only or SETS:
            for seed in range(args.seeds):
                one(kind, name, seed, args.fdr)


def one(kind: str, name: str, seed: int, fdr: str) -> None:
    rng = np.random.default_rng(seed)
    path = DATA / name / ("data.npz" if name == "fashion_mnist" else "data.parquet")
    label = SETS[name]
    if path.suffix == ".npz":
        arrays = dict(np.load(path))
        x, y = arrays["train_x"], arrays["train_y"]
        order = rng.permutation(len(y))[:4000]
        new, old = order[::2], order[1::2]
        pictures = x[new].copy()
        if kind == "source":
            some = rng.choice(len(new), len(new) // 20, replace=False)
            pictures[some] = pictures[some][:, ::-1]
        elif kind == "shift":
            return
        names = [SCRATCH / f"drift_{side}.npz" for side in ("new", "old")]
        np.savez(names[0], train_x=pictures, train_y=y[new])
        np.savez(names[1], train_x=x[old], train_y=y[old])
    else:
        table = pd.read_parquet(path)
        table = table.drop(columns=[c for c in ("split", "product") if c in table])
        order = rng.permutation(len(table))[:10_000]
        new, old = table.iloc[order[::2]].copy(), table.iloc[order[1::2]]
        text = next((c for c in ("text", "review") if c in table), None)
        some = rng.choice(len(new), len(new) // 20, replace=False)
        if kind == "source" and text:
            ends = ["sent from my phone", "thanks in advance", "kind regards"]
            new[text] = new[text].to_numpy(dtype=object)
            values = list(new[text])
            for i in some:
                values[i] = f"{values[i]} {ends[int(rng.integers(3))]}"
            new[text] = values
        elif kind in ("source", "shift"):
            numbers = [c for c in table if c != label and pd.api.types.is_numeric_dtype(table[c]) and table[c].nunique() > 20]
            if text or not numbers:
                return
            column = numbers[0]
            values = new[column].to_numpy(dtype=float).copy()
            if kind == "source":
                values[some] = rng.normal(values.mean() + 2 * values.std(), values.std(), len(some)).round()
            else:
                values = values + 0.2 * values.std()
            new[column] = values
            old = old.assign(**{column: old[column].astype(float)})
        names = [SCRATCH / f"drift_{side}.parquet" for side in ("new", "old")]
        new.to_parquet(names[0], index=False)
        old.to_parquet(names[1], index=False)
    binary = BIN / "foretaste"
    if kind in ATTACKS:
        flipped = SCRATCH / f"drift_flipped{names[0].suffix}"
        run = program(binary, "simulate", names[0], "--label", label, "--attack", kind, "--poison-rate", "0.05", "--seed", str(seed), "--out", flipped, "--force")
        assert run["rc"] == 0, run["stderr"]
        names[0] = flipped
    out = SCRATCH / "drift.json"
    run = program(binary, "scan", names[0], "--trusted", names[1], "--label", label, "--fdr", fdr, "--only", "hidden-content,near-duplicate", "--json", out, "--quiet")
    if not out.exists():
        print(f"{kind:<18} {name:<18} {seed} failed: {run['stderr'].strip()[:300]}")
        return
    report = json.loads(out.read_text())
    out.unlink()
    drift = [f for f in report["findings"] if f["kind"] == "drift"]
    tested = [f for f in drift if f["decision"]["p_value"] is not None]
    p = lambda f: "a fact" if f["decision"]["p_value"] is None else f"p {f['decision']['p_value']:.1e}"
    told = "; ".join(f"{f['severity']}: {f['title']} ({p(f)})" for f in drift) or "-"
    print(f"{kind:<18} {name:<18} {seed} {len(tested)}  {told}  [{run['cpu_s']:.1f} s]", flush=True)


if __name__ == "__main__":
    main()
