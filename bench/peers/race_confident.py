"""Label issues from given probabilities: which samples each filter rule flags, against cleanlab."""

from __future__ import annotations

import numpy as np
from common import SCRATCH, Race, ours, peer, side_wanted, timed

RULES = [
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_self_confidence",
    "low_normalized_margin",
]


def make(rows: int, classes: int) -> tuple[str, str]:
    """Labels and probabilities as raw files: a Gaussian score per class, one label in ten redrawn."""
    labels_at, probs_at = SCRATCH / f"labels_{rows}_{classes}.u32", SCRATCH / f"probs_{rows}_{classes}.f32"
    if not probs_at.exists():
        rng = np.random.default_rng(3)
        truth = rng.integers(0, classes, rows)
        score = rng.normal(size=(rows, classes))
        score[np.arange(rows), truth] += 3
        probs = np.exp(score)
        probs /= probs.sum(axis=1, keepdims=True)
        given = np.where(rng.random(rows) < 0.1, rng.integers(0, classes, rows), truth)
        given.astype("<u4").tofile(labels_at)
        probs.astype("<f4").tofile(probs_at)
    return str(labels_at), str(probs_at)


def race(small: bool) -> None:
    sizes = [(20_000, 10), (5_000, 50)] if small else [(1_000_000, 10), (200_000, 100)]
    for rows, classes in sizes:
        labels, probs = make(rows, classes)
        for rule in RULES:
            table = Race(f"label issues, {rows:,} x {classes}, {rule}")
            mine, theirs = SCRATCH / "flags_ours.u8", SCRATCH / "flags_cleanlab.u8"

            def run_ours():
                run = ours("bench_confident", "--labels", labels, "--probs", probs, "--classes", classes,
                           "--rule", rule, "--out", mine)  # fmt: skip
                return run, f"{np.fromfile(mine, np.uint8).sum():,} flagged"

            def run_cleanlab():
                run = peer("race_confident.py", "cleanlab", labels, probs, classes, rule, theirs)
                a, b = np.fromfile(mine, np.uint8), np.fromfile(theirs, np.uint8)
                differ = int((a != b).sum()) if len(a) == len(b) else max(len(a), len(b))
                if differ == 0:
                    return run, "same set"
                # NumPy's default order of equal values is arbitrary: is that all of the difference?
                peer("race_confident.py", "cleanlab", labels, probs, classes, rule, theirs, "stable")
                left = int((a != np.fromfile(theirs, np.uint8)).sum())
                return run, f"{differ} of {int(b.sum()):,} differ, {left} when cleanlab sorts stably"

            table.side("foretaste", run_ours)
            table.side("cleanlab", run_cleanlab)


def cleanlab_side(labels: str, probs: str, classes: str, rule: str, out: str, order: str = "default") -> None:
    from cleanlab.filter import find_label_issues

    if order == "stable":
        plain = np.argsort
        np.argsort = lambda values, *rest, **named: plain(values, *rest, **{**named, "kind": "stable"})
    given = np.fromfile(labels, "<u4").astype(np.int64)
    table = np.fromfile(probs, "<f4").reshape(-1, int(classes))
    with timed():
        # one job: more start processes that each copy the table, and their CPU time is not this process's
        flags = find_label_issues(given, table, filter_by=rule, n_jobs=1)
    flags.astype(np.uint8).tofile(out)


if __name__ == "__main__":
    if words := side_wanted():
        cleanlab_side(*words[1:])
    else:
        raise SystemExit("run `cargo xtask bench peers --only confident`")
