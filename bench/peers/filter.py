"""Filters of other projects as defences of a trial: `filter.py METHOD TRAIN.parquet FLAGGED.txt`.

`grid.py --peers` puts them into scenarios. METHOD is one of

  cleanlab          five-fold logistic regression, `find_label_issues` at its defaults
  ngram-z           BFClass-like: n-grams (1 to 3) whose share of one label stands out, z > mean + 20 standard deviations;
                    takes out what carries one under that label
  art-spectral      ART's spectral signatures at their defaults (33 % expected poison, half as much again taken out)
  art-spectral-told the same, told the true poison rate
  art-activation    ART's activation clustering at its defaults: ten dimensions, two clusters a class, the smaller is poison
  art-activation-relative  the same with its other rule: the smaller is poison if it holds less than 35 %

ART's two read the hidden layer of a network that is trained on the data: a perceptron with 64 hidden units for texts and
tables, a small convolutional network for pictures, 20 passes. Columns are named by FORETASTE_LABEL, FORETASTE_TEXT and
FORETASTE_IMAGE; FORETASTE_POISON_RATE is the true rate, which only `-told` reads.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import pyarrow.parquet as pq


def load(path: str):
    """Features, class codes, and pictures as N x C x H x W if there are some."""
    table = pq.read_table(path)
    label = os.environ["FORETASTE_LABEL"]
    codes = np.unique(np.array([str(v) for v in table[label].to_pylist()]), return_inverse=True)[1]
    text, image = os.environ.get("FORETASTE_TEXT"), os.environ.get("FORETASTE_IMAGE")
    if image:
        kind = table.schema.field(image).metadata[b"foretaste.image"].decode().split(":")[1]
        size = [int(n) for n in kind.split("x")]
        height, width, channels = (size + [1])[:3]
        raw = np.frombuffer(b"".join(table[image].to_pylist()), np.uint8)
        x = raw.reshape(-1, height, width, channels).astype(np.float32) / 255
        return x.reshape(len(x), -1), codes, x.transpose(0, 3, 1, 2), None
    if text:
        texts = [t or "" for t in table[text].to_pylist()]
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(min_df=2, ngram_range=(1, 2)).fit_transform(texts), codes, None, texts
    frame = table.drop_columns([label]).to_pandas()
    import pandas as pd

    dense = pd.get_dummies(frame, dummy_na=True).astype(np.float32)
    dense = dense.fillna(dense.median())
    x = dense.to_numpy()
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1), codes, None, None


def cleanlab(x, codes, _pictures, _texts) -> np.ndarray:
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probs = cross_val_predict(LogisticRegression(max_iter=200), x, codes, cv=folds, method="predict_proba")
    return np.flatnonzero(find_label_issues(codes, probs))


def ngram_z(_x, codes, _pictures, texts) -> np.ndarray:
    from sklearn.feature_extraction.text import CountVectorizer

    counts = CountVectorizer(binary=True, ngram_range=(1, 3), min_df=5, token_pattern=r"\S+").fit_transform(texts)
    n = np.asarray(counts.sum(axis=0)).ravel()
    flagged = np.zeros(len(codes), bool)
    scores = []
    for c in range(codes.max() + 1):
        share = (codes == c).mean()
        hits = np.asarray(counts[codes == c].sum(axis=0)).ravel()
        scores.append((hits / n - share) / np.sqrt(share * (1 - share) / n))
    every = np.concatenate(scores)
    bar = every.mean() + 20 * every.std()
    for c, z in enumerate(scores):
        carriers = np.asarray(counts[:, z > bar].sum(axis=1)).ravel() > 0
        flagged |= carriers & (codes == c)
    return np.flatnonzero(flagged)


def hidden(x, codes, pictures, _texts) -> np.ndarray:
    """Activations of the last hidden layer of a network trained on the data."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if pictures is None:
        if not isinstance(x, np.ndarray):
            from sklearn.decomposition import TruncatedSVD

            x = TruncatedSVD(256, random_state=0).fit_transform(x)
        inputs = torch.tensor(np.asarray(x, np.float32))
        body = nn.Sequential(nn.Linear(inputs.shape[1], 64), nn.ReLU())
    else:
        inputs = torch.tensor(np.ascontiguousarray(pictures))
        channels, side = inputs.shape[1], inputs.shape[2] // 4
        body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * side * (inputs.shape[3] // 4), 128), nn.ReLU(),
        )
    labels = torch.tensor(codes)
    inputs, labels, body = inputs.to(device), labels.to(device), body.to(device)
    head = nn.Linear(64 if pictures is None else 128, int(codes.max()) + 1).to(device)
    optimiser = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-3)
    for _ in range(20):
        order = torch.randperm(len(inputs), device=device)
        for rows in order.split(128):
            optimiser.zero_grad()
            nn.functional.cross_entropy(head(body(inputs[rows])), labels[rows]).backward()
            optimiser.step()
    with torch.no_grad():
        return torch.cat([body(part) for part in inputs.split(1024)]).cpu().numpy()


def art_spectral(x, codes, pictures, texts, expected: float = 0.33) -> np.ndarray:
    """ART takes out 1.5 times the expected share of every class, those with the highest scores."""
    from art.defences.detector.poison.spectral_signature_defense import SpectralSignatureDefense

    features = hidden(x, codes, pictures, texts)
    out = []
    for c in range(codes.max() + 1):
        rows = np.flatnonzero(codes == c)
        if len(rows) < 2:
            continue
        scores = np.asarray(SpectralSignatureDefense.spectral_signature_scores(features[rows])).ravel()
        bar = np.quantile(scores, max(1 - 1.5 * expected, 0.0))
        out.append(rows[scores > bar])
    return np.concatenate(out)


def art_activation(x, codes, pictures, texts, relative: bool = False) -> np.ndarray:
    """ART's reduction and clustering, class by class."""
    from art.defences.detector.poison.activation_defence import cluster_activations

    features = hidden(x, codes, pictures, texts)
    rows = [np.flatnonzero(codes == c) for c in range(codes.max() + 1)]
    rows = [r for r in rows if len(r) >= 20]
    clusters, _ = cluster_activations([features[r] for r in rows], nb_clusters=2, nb_dims=10, reduce="FastICA")
    out = []
    for own, split in zip(rows, clusters):
        sizes = np.bincount(split, minlength=2)
        small = int(sizes.argmin())
        if not relative or sizes[small] / len(own) < 0.35:
            out.append(own[split == small])
    return np.concatenate(out) if out else np.array([], int)


def main() -> None:
    method, train, flagged = sys.argv[1:4]
    data = load(train)
    if method == "cleanlab":
        rows = cleanlab(*data)
    elif method == "ngram-z":
        rows = ngram_z(*data)
    elif method == "art-spectral":
        rows = art_spectral(*data)
    elif method == "art-spectral-told":
        rows = art_spectral(*data, expected=float(os.environ["FORETASTE_POISON_RATE"]))
    elif method == "art-activation":
        rows = art_activation(*data)
    elif method == "art-activation-relative":
        rows = art_activation(*data, relative=True)
    else:
        sys.exit(f"unknown method {method}")
    with open(flagged, "w") as out:
        out.writelines(f"{row}\n" for row in rows)


if __name__ == "__main__":
    main()
