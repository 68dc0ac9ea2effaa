"""Exact KNN-Shapley values, against pyDVL and the same recursion in numpy, one query after another and all at once. pyDVL is not
in `requirements.txt`: it wants an older numpy (`pip install pydvl`)."""

from __future__ import annotations

import numpy as np
from common import SCRATCH, Race, Skip, ours, peer, side_wanted, timed

K, COLS = 10, 64


def race(small: bool) -> None:
    rows, queries = (1_000, 100) if small else (20_000, 1_000)
    at, mine = SCRATCH / "shapley.f32", SCRATCH / "shapley_ours.f64"
    np.random.default_rng(1).normal(size=(rows + queries, COLS)).astype("<f4").tofile(at)
    table = Race(f"exact KNN-Shapley, {rows:,} rows, {queries:,} queries, {COLS} columns, k = {K}")

    def run_ours():
        return ours("bench_shapley", rows, queries, COLS, K, at, "--out", mine), ""

    def run_peer(side: str):
        out = SCRATCH / f"shapley_{side}.f64"
        run = peer("race_shapley.py", side, rows, queries, at, out)
        return run, f"largest difference {np.abs(np.fromfile(mine) - np.fromfile(out)).max():.1e}"

    table.side("foretaste", run_ours)
    table.side("pyDVL", lambda: run_peer("pydvl"))
    table.side("numpy, query by query", lambda: run_peer("each"))
    table.side("numpy, all at once", lambda: run_peer("all"))


def recursion(match: np.ndarray) -> np.ndarray:
    """Values in the order of distance; `match` is queries x rows (Jia and others 2019, theorem 1)."""
    n = match.shape[1]
    place = np.arange(1, n)
    steps = (match[:, :-1] - match[:, 1:]) / K * np.minimum(K, place) / place
    last = match[:, -1:] * min(K, n) / (n * K)
    return np.concatenate([np.cumsum(np.concatenate([last, steps[:, ::-1]], 1), 1)[:, ::-1]], 1)


def values(x: np.ndarray, labels: np.ndarray, q: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Sum over the queries."""
    distance = (q * q).sum(1)[:, None] + (x * x).sum(1)[None] - 2 * q @ x.T
    order = np.argsort(distance, 1, kind="stable")
    sorted_values = recursion((labels[order] == wanted[:, None]).astype(float))
    out = np.zeros(len(x))
    np.add.at(out, order, sorted_values)
    return out


def pydvl(x: np.ndarray, labels: np.ndarray, q: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Mean over the queries, as pyDVL has it."""
    try:
        from importlib.metadata import version

        from pydvl.valuation import Dataset, KNNShapleyValuation
        from sklearn.neighbors import KNeighborsClassifier
    except ImportError as why:
        raise Skip("pyDVL is not installed: pip install pydvl") from why
    names = [str(i) for i in range(x.shape[1])]
    train, test = Dataset(x, labels, names, ["class"]), Dataset(q, wanted, names, ["class"])
    values = KNNShapleyValuation(KNeighborsClassifier(n_neighbors=K), test, progress=False)
    with timed(pydvl=version("pydvl")):
        values.fit(train)
    return np.asarray(values.result.values, float)[np.argsort(values.result.indices)]


def main(side: str, rows: str, queries: str, at: str, out: str) -> None:
    n, m = int(rows), int(queries)
    data = np.fromfile(at, "<f4").reshape(n + m, COLS)
    x, q, labels, wanted = data[:n], data[n:], np.arange(n) % 10, np.arange(m) % 10
    if side == "pydvl":
        pydvl(x, labels, q, wanted).tofile(out)
        return
    step = 1 if side == "each" else 100
    with timed():
        total = sum(values(x, labels, q[i:i + step], wanted[i:i + step]) for i in range(0, m, step)) / m
    total.tofile(out)


if __name__ == "__main__":
    main(*(side_wanted() or []))
