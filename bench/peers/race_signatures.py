"""Scores of planted behaviour in vectors, against the adversarial-robustness-toolbox (ART): its own functions if it is
installed, else its formulas with numpy and scikit-learn."""

from __future__ import annotations

import numpy as np
from common import SCRATCH, Race, ours, peer, side_wanted, timed

CLASSES = 10
POISON = 0.05


def vectors(rows: int, cols: int) -> np.ndarray:
    """Classes one after another, with a spectrum that falls as those of real embeddings do; the last rows of the first class
    are shifted along a direction of their own."""
    rng = np.random.default_rng(1)
    scale = (1 + np.arange(cols)) ** -0.5
    out = np.empty((CLASSES * rows, cols), "<f4")
    for c in range(CLASSES):
        turn = np.linalg.qr(rng.normal(size=(cols, cols)))[0]
        x = (rng.normal(size=(rows, cols)) * scale) @ turn + rng.normal(size=cols)
        if c == 0:
            shift = rng.normal(size=cols)
            x[-int(POISON * rows):] += 5 * shift / np.linalg.norm(shift)
        out[c * rows:(c + 1) * rows] = x
    return out


def found(scores: np.ndarray, rows: int) -> str:
    """Share of the poisoned rows among as many of the highest scores of their class, and of all classes."""
    n = int(POISON * rows)
    own = set(np.argsort(-scores[:rows], kind="stable")[:n]) & set(range(rows - n, rows))
    all_ = set(np.argsort(-scores, kind="stable")[:n]) & set(range(rows - n, rows))
    return f"poison found: {100 * len(own) / n:.0f} % of its class, {100 * len(all_) / n:.0f} % of all"


def race(small: bool) -> None:
    rows, cols = (500, 64) if small else (5_000, 512)
    at = SCRATCH / "signatures.f32"
    vectors(rows, cols).tofile(at)
    for title, mine, sides in [
        ("spectral signatures", "spectral", ["svd"]),
        ("activation clustering", "clusters", ["ica", "pca"]),
        ("robust covariance (no peer installs)", "robust", []),
    ]:
        table = Race(f"{title}, {CLASSES * rows:,} x {cols}, {CLASSES} classes, {100 * POISON:.0f} % of one poisoned")

        def run_ours(mine=mine):
            out = SCRATCH / "signatures_ours.f32"
            run = ours("bench_signatures", rows, cols, at, mine, "--out", out)
            return run, found(np.fromfile(out, "<f4"), rows)

        def run_peer(side: str):
            out = SCRATCH / f"signatures_{side}.f32"
            run = peer("race_signatures.py", side, rows, cols, at, out)
            return run, f"{found(np.fromfile(out, '<f4'), rows)}; {run['source']}"

        table.side("foretaste", run_ours)
        for side in sides:
            name = {"svd": "ART SpectralSignature", "ica": "ART Activation, ICA", "pca": "ART Activation, PCA"}[side]
            table.side(name, lambda side=side: run_peer(side))


def art_spectral():
    try:
        from art.defences.detector.poison.spectral_signature_defense import SpectralSignatureDefense

        return SpectralSignatureDefense.spectral_signature_scores, "its own function"
    except Exception:

        def scores(matrix_r):
            matrix_m = matrix_r - np.mean(matrix_r, axis=0)
            eigs = np.linalg.svd(matrix_m, full_matrices=False)[2][:1]
            return np.expand_dims(np.linalg.norm(np.matmul(eigs, np.transpose(matrix_r)), axis=0), axis=1)

        return scores, "its formula"


def art_clusters(reduce: str):
    try:
        from art.defences.detector.poison.activation_defence import cluster_activations

        def split(x):
            clusters, reduced = cluster_activations([x], nb_clusters=2, nb_dims=10, reduce=reduce, clustering_method="KMeans")
            return clusters[0], reduced[0]

        return split, "its own function"
    except Exception:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA, FastICA

        def split(x):
            projector = FastICA(n_components=10, max_iter=1000, tol=0.005) if reduce == "FastICA" else PCA(n_components=10)
            reduced = projector.fit_transform(x)
            return KMeans(n_clusters=2).fit_predict(reduced), reduced

        return split, "its formula"


def main(side: str, rows: str, cols: str, at: str, out: str) -> None:
    from sklearn.metrics import silhouette_score

    x = np.fromfile(at, "<f4").reshape(CLASSES, int(rows), int(cols))
    score, source = art_spectral() if side == "svd" else art_clusters({"ica": "FastICA", "pca": "PCA"}[side])
    score(x[0][:64])  # imports and thread pools are not timed
    np.random.seed(1)
    with timed(source=source):
        if side == "svd":
            scores = [score(part)[:, 0] for part in x]
        else:
            scores = []
            for part in x:
                clusters, reduced = score(part)
                share = min(np.mean(clusters == 0), np.mean(clusters == 1))
                small = clusters == (0 if np.mean(clusters == 0) <= 0.5 else 1)
                # what its analysis by silhouette computes; weighed as ours, so that rows have an order
                scores.append(small * silhouette_score(reduced, clusters) * (1 - 2 * share))
    np.concatenate(scores).astype("<f4").tofile(out)


if __name__ == "__main__":
    main(*(side_wanted() or []))
