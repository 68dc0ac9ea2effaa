"""Finding wrong labels: real data with 5 and 10 % of the labels flipped, beside cleanlab with scikit-learn.

`cargo xtask bench labels [--only SET] [--rate 0.05] [--how uniform|pair] [--no-peer]`

Ranking: average precision of the suspicion. Default setting: precision and recall of the samples in findings of wrong labels
(scattered or moved), first of those that would be set aside (the false-discovery level is for them), then of all that are told,
and of cleanlab's `find_label_issues`, which tells without setting aside. The peer's probabilities come from a five-fold logistic regression on the features that
`foretaste` itself used (exported by `export_features`), or, where they cannot be exported, on the usual ones. Its folds are
shuffled: several sets are sorted by class, and folds in the order of the file would put rows of one source together.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
import warnings

import numpy as np
import pyarrow.parquet as pq
from common import BIN, SCRATCH, Skip, environment, program
from noisy import SETS, Set, features, flip, load, write
from scipy.sparse import issparse

DETECTOR = "confident-learning"
DENSE_ITERATIONS = 200


def scan(file, label: str, *flags: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict]:
    """Suspicion of the label detector, and whether a finding of wrong labels sets the sample aside or holds it at all, by row."""
    binary = BIN / "foretaste"
    if not binary.exists():
        raise Skip("foretaste is not built")
    out = SCRATCH / "labels_report"
    measure = program(binary, "scan", file, "--label", label, "--report", out, "--quiet", *flags)
    if measure["rc"] not in (0, 1):
        raise Skip(f"scan ended with {measure['rc']}: {measure['stderr'].strip().splitlines()[:1]}")
    samples = pq.read_table(out / "samples.parquet").sort_by("row")
    names = [n for n in samples.column_names if n.replace("_", "-") == f"suspicion-{DETECTOR}"]
    if not names:
        raise Skip(f"`{DETECTOR}` did not run")
    report = json.loads((out / "report.json").read_text())
    errors = [f for f in report["findings"] if f["kind"] in ("label-error", "label-poisoning")]
    told = np.isin(samples["row"].to_numpy(), [m["row"] for f in errors for m in f["members"]])
    aside = np.isin(samples["row"].to_numpy(), [m["row"] for f in errors for m in f["members"] if m["quarantine"]])
    score = samples[names[0]].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.nan_to_num(score, nan=-np.inf), aside, told, measure


def exported(file, label: str):
    """Our own features as a matrix, or `None`."""
    binary, out = BIN / "examples" / "export_features", SCRATCH / "features.npy"
    if not binary.exists():
        return None
    for stale in (out, out.with_suffix(".npz")):
        stale.unlink(missing_ok=True)
    done = subprocess.run(
        [str(binary), str(file), "--label", label, "--out", str(out)], env=environment(), capture_output=True, text=True
    )
    if done.returncode != 0:
        return None
    if out.with_suffix(".npz").exists():
        from scipy.sparse import load_npz

        return load_npz(out.with_suffix(".npz"))
    return np.load(out) if out.exists() else None


def cleanlab(x: object, labels: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rankings (higher is more suspicious) and default picks."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    codes = np.unique(labels, return_inverse=True)[1]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    # with thousands of dense numbers a fold more iterations take minutes and change little
    model = LogisticRegression(max_iter=1000 if issparse(x) else DENSE_ITERATIONS)
    probs = cross_val_predict(model, x, codes, cv=folds, method="predict_proba")
    rank = {
        m: -get_label_quality_scores(codes, probs, method=m) for m in ("normalized_margin", "self_confidence")
    }
    return rank, find_label_issues(codes, probs, n_jobs=1)


def measures(wrong: np.ndarray, score: np.ndarray, picked: np.ndarray) -> str:
    from sklearn.metrics import average_precision_score

    finite = np.where(np.isfinite(score), score, score[np.isfinite(score)].min(initial=0) - 1)
    hits = int((wrong & picked).sum())
    precision, recall = hits / max(int(picked.sum()), 1), hits / max(int(wrong.sum()), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    ap = average_precision_score(wrong, finite)
    return f"{ap:6.3f} {precision:9.3f} {recall:6.3f} {f1:6.3f} {int(picked.sum()):8,}"


def one(s: Set, rate: float, how: str, with_peer: bool) -> None:
    content, published = load(s)
    given = flip(published, rate, how)
    wrong = given != published
    file, label = write(s, content, given, f"{how}_{round(rate * 100)}")
    case = f"{s.name:<18} {rate:4.0%} {how:<8}"
    try:
        score, aside, told, measure = scan(file, label)
        for side, picked in (("foretaste, set aside", aside), ("foretaste, all told", told)):
            print(f"{case} {side:<32} {measures(wrong, score, picked)} {measure['wall_s']:8.1f}", flush=True)
    except Skip as why:
        print(f"{case} foretaste skipped: {why}", flush=True)
    if with_peer:
        x = exported(file, label)
        same = "our features" if x is not None else "usual features"
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ranks, picked = cleanlab(features(s, content) if x is None else x, given)
        wall = time.perf_counter() - start
        for name, score in ranks.items():
            side = f"cleanlab {name.split('_')[-1]}, {same}"
            print(f"{case} {side:<32} {measures(wrong, score, picked)} {wall:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="cargo xtask bench labels", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=[s.name for s in SETS])
    parser.add_argument("--rate", action="append", type=float, help="share of flipped labels (default 0.05 and 0.1)")
    parser.add_argument("--how", action="append", choices=["uniform", "pair"])
    parser.add_argument("--no-peer", action="store_true", help="ours only")
    args = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    head = f"{'set':<18} rate {'how':<8} {'side':<32} {'AP':>6} precision recall {'F1':>6} {'flagged':>8} {'wall s':>8}"
    print("Published labels count as right, so the true precision of both sides is higher.\n" + head)
    for s in SETS:
        if args.only and s.name not in args.only:
            continue
        try:
            for rate in args.rate or [0.05, 0.1]:
                for how in args.how or ["uniform", "pair"]:
                    one(s, rate, how, not args.no_peer)
        except Skip as why:
            print(f"{s.name:<18} skipped: {why}")


if __name__ == "__main__":
    main()
