"""Real data sets with a known share of wrong labels: copies with labels flipped, always the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import SCRATCH, data

SEED = 20


@dataclass
class Set:
    """A data set: its name, its label column or array, and what a model reads."""

    name: str
    label: str
    kind: str
    drop: tuple[str, ...] = ()


SETS = [
    Set("adult_income", "income", "table", ("split",)),
    Set("spambase", "type", "table"),
    Set("sms_spam", "label", "text"),
    Set("sentence_polarity", "label", "text"),
    Set("fashion_mnist", "train_y", "image"),
    Set("gtsrb", "train_y", "image"),
]


def load(s: Set) -> tuple[object, np.ndarray]:
    """The content (a table without the label, or pixels) and the labels as published."""
    if s.kind == "image":
        arrays = np.load(data(s.name) / "data.npz")
        return arrays["train_x"], arrays["train_y"]
    table = pq.read_table(data(s.name) / "data.parquet").drop_columns(list(s.drop))
    return table.drop_columns([s.label]), np.array(table[s.label].to_pylist())


def flip(labels: np.ndarray, rate: float, how: str) -> np.ndarray:
    """Exactly `rate` of the labels changed: to any other class, or (`pair`) to the next class."""
    names, codes = np.unique(labels, return_inverse=True)
    rng = np.random.default_rng([SEED, int(rate * 1000), how == "pair"])
    rows = rng.choice(len(codes), round(rate * len(codes)), replace=False)
    step = 1 if how == "pair" else rng.integers(1, len(names), len(rows))
    codes = codes.copy()
    codes[rows] = (codes[rows] + step) % len(names)
    return names[codes]


def write(s: Set, content: object, labels: np.ndarray, tag: str) -> tuple[Path, str]:
    """The file to scan and the name of its label."""
    if s.kind == "image":
        file = SCRATCH / f"{s.name}_{tag}.npz"
        np.savez(file, x=content, y=labels)
        return file, "y"
    file = SCRATCH / f"{s.name}_{tag}.parquet"
    assert isinstance(content, pa.Table)
    pq.write_table(content.append_column(s.label, pa.array(labels.tolist())), file, compression="zstd")
    return file, s.label


def features(s: Set, content: object) -> object:
    """Features for the peer where ours cannot be exported: the usual ones of scikit-learn."""
    from scipy.sparse import hstack
    from sklearn.decomposition import PCA
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if s.kind == "text":
        texts = [t or "" for t in content["text"].to_pylist()]
        return TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True).fit_transform(texts)
    if s.kind == "image":
        x = content.reshape(len(content), -1).astype(np.float32) / 255
        return PCA(200, random_state=0, svd_solver="randomized").fit_transform(x)
    frame = content.to_pandas()
    numbers = frame.select_dtypes("number")
    words = frame.drop(columns=numbers.columns).astype(str)
    parts = [StandardScaler().fit_transform(numbers)]
    if words.shape[1]:
        parts.append(OneHotEncoder(handle_unknown="ignore", min_frequency=5).fit_transform(words))
    return hstack(parts).tocsr() if len(parts) > 1 else parts[0]
