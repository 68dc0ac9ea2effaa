"""Boosted trees, 100 rounds of 31 leaves, against scikit-learn's HistGradientBoostingClassifier on the same threads."""

from __future__ import annotations

import json
import os

import numpy as np
from common import SCRATCH, Race, data, ours, peer, measured, side_wanted

# data set, label, columns that are no features, classes rarer than this are one
SETS = [
    ("adult_income", "income", ["split"], 0),
    ("credit_default", "default", [], 0),
    ("nsl_kdd", "label", ["split", "difficulty"], 300),
]
SEEDS = [1, 2, 3]


def table(name: str, label: str, drop: list[str], rare: int):
    """Columns as numbers (categories as codes), which of them are categories, and classes."""
    import pandas as pd

    frame = pd.read_parquet(data(name) / "data.parquet")
    words = frame[label].astype(str)
    counts = words.value_counts()
    words = words.where(words.map(counts) >= rare, "other")
    features = frame.drop(columns=[label, *drop])
    kinds, columns = "", []
    for column in features:
        values = features[column]
        if pd.api.types.is_numeric_dtype(values):
            kinds, columns = kinds + "n", [*columns, values.to_numpy("f8")]
        else:
            codes = values.astype("category").cat.codes.to_numpy()
            kinds, columns = kinds + "c", [*columns, np.where(codes < 0, np.nan, codes)]
    return np.array(columns), kinds, np.unique(words, return_inverse=True)[1]


def race(small: bool) -> None:
    threads = [1] if small else [1, 2]
    for name, *rest in SETS:
        columns, kinds, y = table(name, *rest)
        for t in threads:
            for seed in SEEDS[: 1 if small or t > 1 else None]:
                order = np.random.default_rng(seed).permutation(len(y))
                test = len(y) // 5
                train = len(y) - test
                at, labels = SCRATCH / "boost.f64", SCRATCH / "boost.u32"
                columns[:, order].astype("<f8").tofile(at)
                y[order].astype("<u4").tofile(labels)
                words = [train, test, kinds, y.max() + 1, at, labels]
                board = Race(f"boosted trees, {name}, {train:,} x {len(kinds)}, {y.max() + 1} classes, {t} threads, split {seed}")

                def run_ours():
                    run = ours("bench_boost", *words, "--threads", t)
                    return run, said(run)

                def run_peer():
                    os.environ["OMP_NUM_THREADS"] = str(t)
                    run = peer("race_boost.py", "sklearn", *words)
                    return run, said(run)

                board.side("foretaste", run_ours)
                board.side("scikit-learn", run_peer)


def said(run: dict) -> str:
    return f"accuracy {run['accuracy']:.4f}, log-loss {run['loss']:.4f}"


def main(side: str, train: str, test: str, kinds: str, classes: str, at: str, labels: str) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss

    rows, n = int(train) + int(test), int(train)
    x = np.fromfile(at, "<f8").reshape(len(kinds), rows).T
    x = np.asfortranarray(x)
    y = np.fromfile(labels, "<u4")
    model = HistGradientBoostingClassifier(
        early_stopping=False, categorical_features=[k == "c" for k in kinds], random_state=0
    )
    # imports and thread pools are not timed
    HistGradientBoostingClassifier(max_iter=2, early_stopping=False).fit(x[:500, :2], np.arange(500) % 2)
    with measured() as out:
        model.fit(x[:n], y[:n])
    out["accuracy"] = float(model.score(x[n:], y[n:]))
    out["loss"] = float(log_loss(y[n:], model.predict_proba(x[n:]), labels=model.classes_))
    print(json.dumps(out))


if __name__ == "__main__":
    main(*(side_wanted() or []))
