"""What TRIM (Jagielski and others 2018, algorithm 2), told the number of poisoned rows, leaves of `regression-poisoning`, and
what `foretaste scan` leaves, which is told nothing: R2 of a ridge regression on held-out rows of the data as they were.

    python bench/peers/ref_trim.py

TRIM starts from five random subsets and keeps the best; columns are standardised, categories are columns of 0 and 1.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from common import BIN, data

CASES = [
    ("vehicle_claim_fraud", "Age"),
    ("spambase", "capitalTotal"),
    ("credit_default", "LIMIT_BAL"),
    ("credit_default", "BILL_AMT1"),
    ("nsl_kdd", "count"),
    ("spambase", "your"),
    ("adult_income", "hours_per_week"),
    ("adult_income", "age"),
]


def table(name):
    files = sorted(p for p in data(name).iterdir() if p.suffix in (".parquet", ".csv"))
    frame = pd.read_parquet(files[0]) if files[0].suffix == ".parquet" else pd.read_csv(files[0])
    return frame.sample(min(6000, len(frame)), random_state=1).reset_index(drop=True)


def ridge(x, y, l2=1e-3):
    mean, scale = x.mean(0), x.std(0) + 1e-9
    z = (x - mean) / scale
    w = np.linalg.solve(z.T @ z / len(y) + l2 * np.eye(z.shape[1]), z.T @ (y - y.mean()) / len(y))
    return lambda q: (q - mean) / scale @ w + y.mean()


def r2(model, x, y):
    return 100 * (1 - ((y - model(x)) ** 2).mean() / y.var())


def trim(x, y, keep, rng, starts=5):
    best = None
    for _ in range(starts):
        inside, last = rng.permutation(len(y))[:keep], np.inf
        for _ in range(400):
            square = (y - ridge(x[inside], y[inside])(x)) ** 2
            nearest = np.argsort(square, kind="stable")[:keep]
            loss = square[nearest].sum()
            if loss >= last * (1 - 1e-6):
                break
            inside, last = nearest, loss
        if best is None or last < best[0]:
            best = (last, inside)
    return best[1]


def foretaste(*words):
    # exit code 1 says that there are findings
    done = subprocess.run([str(BIN / "foretaste"), *words, "--quiet"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)


def main():
    print("| Data, target | Rate | Clean | None | TRIM, told | found / false | `scan` | found / false |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for (name, target), rate in [(case, rate) for case in CASES for rate in (0.04, 0.12)]:
        with tempfile.TemporaryDirectory() as room:
            at = lambda n: os.path.join(room, n)  # noqa: E731
            frame = table(name)
            cut = int(0.7 * len(frame))
            frame.iloc[:cut].to_csv(at("train.csv"), index=False)
            foretaste("simulate", at("train.csv"), "--target", target, "--attack", "regression-poisoning",
                      "--poison-rate", str(rate), "--seed", "1", "--out", at("p.csv"))
            foretaste("scan", at("p.csv"), "--target", target, "--report", at("out"))
            poisoned = pd.read_csv(at("p.csv"))
            bad = {c["row"] for c in json.loads(Path(at("p.manifest.json")).read_text())["changes"]}
            report = json.loads(Path(at("out/report.json")).read_text())
        aside = {m["row"] for f in report["findings"] for m in f["members"] if m["quarantine"]}
        both = pd.concat([poisoned[frame.columns], frame.iloc[cut:]])
        x = pd.get_dummies(both.drop(columns=[target]), dtype=float)
        x = x.loc[:, x.nunique() > 1].to_numpy()
        y = both[target].to_numpy(float)
        n = len(poisoned)
        honest = np.array([i not in bad for i in range(n)])
        kept = np.array([i not in aside for i in range(n)])
        inside = np.zeros(n, bool)
        inside[trim(x[:n], y[:n], int(honest.sum()), np.random.default_rng(0))] = True

        def left(of):
            return f"{r2(ridge(x[:n][of], y[:n][of]), x[n:], y[n:]):.1f}"

        def share(of):
            return f"{100 * (~of & ~honest).sum() / (~honest).sum():.0f} / {100 * (~of & honest).sum() / honest.sum():.1f}"

        everything = np.ones(n, bool)
        print(f"| {name}, {target} | {100 * rate:g} % | {left(honest)} | {left(everything)} | {left(inside)} | {share(inside)}"
              f" | {left(kept)} | {share(kept)} |", flush=True)


if __name__ == "__main__":
    main()
