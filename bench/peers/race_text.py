"""Out-of-fold class probabilities of texts, 1-to-3-grams, five folds, against a scikit-learn pipeline."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from common import SCRATCH, Race, data, ours, peer, side_wanted, timed

FOLDS = 5


def make(small: bool):
    """The first texts of sentence_polarity, shuffled, one a line, and their classes as raw integers."""
    table = pq.read_table(data("sentence_polarity") / "data.parquet")
    texts, labels = table["text"].to_pylist(), np.array(table["label"].to_pylist())
    order = np.random.default_rng(4).permutation(len(texts))[: 2_000 if small else 10_000]
    texts_at, labels_at = SCRATCH / "texts.txt", SCRATCH / "texts.u32"
    texts_at.write_text("\n".join(" ".join(texts[i].split()) for i in order) + "\n")
    codes = np.unique(labels[order], return_inverse=True)[1].astype("<u4")
    codes.tofile(labels_at)
    return texts_at, labels_at, codes


def race(small: bool) -> None:
    texts, labels, codes = make(small)
    table = Race(f"out-of-fold probabilities, {len(codes):,} texts, {FOLDS} folds, 1-3-grams")

    def accuracy(out) -> str:
        probs = np.fromfile(out, "<f4").reshape(len(codes), -1)
        loss = -np.log(np.clip(probs[np.arange(len(codes)), codes], 1e-9, 1)).mean()
        return f"accuracy {100 * (probs.argmax(1) == codes).mean():.2f} %, log loss {loss:.3f}"

    def run_ours():
        out = SCRATCH / "text_ours.f32"
        run = ours("bench_text", "--texts", texts, "--labels", labels, "--folds", FOLDS, "--out", out)
        return run, accuracy(out)

    def run_peer():
        out = SCRATCH / "text_sklearn.f32"
        return peer("race_text.py", "sklearn", texts, labels, out), accuracy(out)

    table.side("foretaste", run_ours)
    table.side("scikit-learn", run_peer)


def main(_side: str, texts_at: str, labels_at: str, out: str) -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    texts = open(texts_at, encoding="utf-8").read().splitlines()
    codes = np.fromfile(labels_at, "<u4")
    model = make_pipeline(CountVectorizer(ngram_range=(1, 3)), LogisticRegression(max_iter=1000))
    with timed():
        probs = cross_val_predict(model, texts, codes, cv=FOLDS, method="predict_proba")
    probs.astype("<f4").tofile(out)


if __name__ == "__main__":
    main(*(side_wanted() or []))
