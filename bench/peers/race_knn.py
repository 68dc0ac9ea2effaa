"""Exact ten nearest neighbours of a set with itself, against faiss IndexFlatL2 and scikit-learn's brute force."""

from __future__ import annotations

import numpy as np
from common import SCRATCH, Race, data, ours, peer, side_wanted, timed

K = 10


def gaussian(rows: int, cols: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, cols)).astype("<f4")


def pixels(rows: int) -> np.ndarray:
    """Fashion-MNIST, train and test, then copies with noise, up to `rows`."""
    arrays = np.load(data("fashion_mnist") / "data.npz")
    x = np.concatenate([arrays["train_x"], arrays["test_x"]]).reshape(-1, 784).astype("<f4") / 255
    rng = np.random.default_rng(2)
    more = x[rng.integers(0, len(x), max(rows - len(x), 0))]
    noisy = more + rng.normal(scale=0.05, size=more.shape).astype("<f4")
    return np.concatenate([x, noisy])[:rows].astype("<f4")


def race(small: bool) -> None:
    sets = [("128 Gaussian columns", lambda: gaussian(4_000 if small else 50_000, 128)),
            ("784 pixels", lambda: pixels(2_000 if small else 20_000))]  # fmt: skip
    for name, make in sets:
        x = make()
        rows, cols = x.shape
        at, mine = SCRATCH / f"knn_{cols}.f32", SCRATCH / "knn_ours.u32"
        x.tofile(at)
        table = Race(f"exact neighbours, {rows:,} x {cols} ({name}), k = {K}")

        def run_ours():
            return ours("bench_knn", rows, cols, K, at, "--out", mine), ""

        def run_peer(side: str):
            theirs = SCRATCH / f"knn_{side}.u32"
            run = peer("race_knn.py", side, rows, cols, at, theirs)
            return run, compare(x, np.fromfile(mine, "<u4").reshape(rows, K), np.fromfile(theirs, "<u4").reshape(rows, K))

        table.side("foretaste", run_ours)
        table.side("faiss IndexFlatL2", lambda: run_peer("faiss"))
        table.side("scikit-learn brute", lambda: run_peer("sklearn"))


def compare(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    """Rows with the same neighbours; of the others, how many have truly nearer ones on our side."""
    differ = np.flatnonzero((np.sort(a, 1) != np.sort(b, 1)).any(1))
    x64 = x.astype(np.float64)

    def far(i: int, rows: np.ndarray) -> float:
        return float(np.sort(((x64[rows] - x64[i]) ** 2).sum(1))[-1])

    worse = sum(far(i, a[i]) > far(i, b[i]) * (1 + 1e-6) for i in differ)
    return f"{len(x) - len(differ):,} of {len(x):,} rows the same; of the rest, ours farther in {worse}"


def faiss_side(x: np.ndarray) -> np.ndarray:
    import faiss

    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    return index.search(x, K + 1)[1]


def sklearn_side(x: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(x).kneighbors(x, return_distance=False)


def main(side: str, rows: str, cols: str, at: str, out: str) -> None:
    x = np.fromfile(at, "<f4").reshape(int(rows), int(cols))
    search = {"faiss": faiss_side, "sklearn": sklearn_side}[side]
    search(x[:64])  # imports and thread pools are not timed
    with timed():
        near = search(x)
    # the row itself is not its neighbour; where copies push it out, the last goes
    kept = np.empty((len(x), K), "<u4")
    for i, row in enumerate(near):
        kept[i] = [j for j in row if j != i][:K]
    kept.tofile(out)


if __name__ == "__main__":
    main(*(side_wanted() or []))
