"""Reading a large CSV and a large Parquet, against polars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import SCRATCH, Race, ours, peer, side_wanted, timed

# rows that make about a gigabyte of CSV
ROWS = 6_000_000


def make(rows: int) -> list[Path]:
    """A mixed table: numbers, categories, and text of which one cell in fifty is quoted."""
    import polars as pl

    files = [SCRATCH / f"table_{rows}.csv", SCRATCH / f"table_{rows}.parquet"]
    if all(f.exists() for f in files):
        return files
    rng = np.random.default_rng(1)
    words = np.array("the of and to in is you that it he was for on are as with his they at be this have from".split())
    base = [" ".join(w) for w in words[rng.integers(0, len(words), (200_000, 12))]]
    picked = rng.integers(0, len(base), rows)
    text = [base[j] + ', "quoted"' if i % 50 == 0 else base[j] for i, j in enumerate(picked)]
    frame = pl.DataFrame(
        {"id": np.arange(rows), "label": rng.integers(0, 10, rows)}
        | {"colour": np.array(["red", "green", "blue", "yellow"])[rng.integers(0, 4, rows)]}
        | {f"x{i}": np.round(rng.normal(size=rows), 6) for i in range(8)}
        | {f"n{i}": rng.integers(0, 100_000, rows) for i in range(4)}
        | {"text": text}
    )
    frame.write_csv(files[0])
    # polars packs all rows tightly otherwise, and a gigabyte is wanted
    frame.write_parquet(files[1], compression="zstd", row_group_size=500_000)
    return files


def race(small: bool) -> None:
    for file in make(ROWS // 50 if small else ROWS):
        table = Race(f"reading {file.suffix[1:]}, {file.stat().st_size / 1e6:,.0f} MB")

        def run_ours():
            run = ours("bench_read", file)
            return run, f"{run['rows']:,} rows"

        def run_peer():
            run = peer("race_read.py", "polars", file)
            return run, f"{run['rows']:,} rows"

        table.side("foretaste", run_ours)
        table.side("polars", run_peer)


def main(_side: str, file: str) -> None:
    import polars as pl

    read = pl.read_csv if file.endswith(".csv") else pl.read_parquet
    with timed() as out:
        out["rows"] = read(file).height


if __name__ == "__main__":
    main(*(side_wanted() or []))
