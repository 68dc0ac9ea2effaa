"""Scanning large data at the defaults: a million texts, many long vectors, a million rows of a wide table, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import BIN, SCRATCH, Race, Skip, data, program


def texts(rows: int) -> Path:
    """Short messages: pieces of two messages of one class, so that words tell the class and no text stands twice."""
    import polars as pl

    at = SCRATCH / f"large_texts_{rows}.parquet"
    if not at.exists():
        held = pl.read_parquet(data("sms_spam") / "data.parquet")
        names = sorted(held["label"].unique().to_list())
        words = {name: [t.split() for t in held.filter(pl.col("label") == name)["text"]] for name in names}
        rng = np.random.default_rng(0)
        picked = rng.random(rows) < 0.15
        labels = [names[int(p)] for p in picked]

        def piece(name: str) -> list[str]:
            of = words[name][rng.integers(len(words[name]))]
            length = int(rng.integers(4, 10))
            start = int(rng.integers(max(1, len(of) - length + 1)))
            return of[start : start + length]

        made = [" ".join(piece(name) + piece(name)) for name in labels]
        pl.DataFrame({"text": made, "label": labels}).write_parquet(at)
    return at


def vectors(rows: int) -> Path:
    """Ten Gaussian classes in 512 numbers, their centres 0.2 deviations apart in each."""
    import polars as pl

    at = SCRATCH / f"large_vectors_{rows}.parquet"
    if not at.exists():
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 10, rows)
        centres = 0.2 * rng.normal(size=(10, 512))
        x = (centres[labels] + rng.normal(size=(rows, 512))).astype(np.float32)
        column = pl.Series("embedding", x, dtype=pl.Array(pl.Float32, 512))
        pl.DataFrame([column, pl.Series("label", [f"class {c}" for c in labels])]).write_parquet(at)
    return at


def table(rows: int) -> Path:
    """Fifty numbers, ten of which tell one of two classes."""
    import polars as pl

    at = SCRATCH / f"large_table_{rows}.parquet"
    if not at.exists():
        rng = np.random.default_rng(0)
        x = rng.normal(size=(50, rows)).astype(np.float32)
        labels = (x[:10].sum(axis=0) + rng.normal(size=rows) > 1).astype(int)
        columns = {f"x{i}": v for i, v in enumerate(x)} | {"label": labels}
        pl.DataFrame(columns).write_parquet(at)
    return at


def scanned(title: str, at: Path) -> None:
    out = SCRATCH / "large_report"
    run = program(BIN / "foretaste", "scan", at, "--report", out, "--quiet")
    if run["rc"] not in (0, 1):
        raise Skip(run["stderr"].strip())
    Race(f"{title}, {at.stat().st_size / 1e6:,.0f} MB").add("foretaste scan", run, f"exit code {run['rc']}")


def race(small: bool) -> None:
    part = 50 if small else 1
    scanned(f"{1_000_000 // part:,} short texts", texts(1_000_000 // part))
    scanned(f"{100_000 // part:,} vectors of 512", vectors(100_000 // part))
    scanned("10,000 pictures of 28 x 28", data("fashion_mnist") / "data.npz")
    scanned(f"{1_000_000 // part:,} rows of 50 numbers", table(1_000_000 // part))
