"""Simulating poison in a large Parquet, against a plain copy through the same reader and writer."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from common import BIN, SCRATCH, Race, Skip, data, program

ROWS, PICTURES, TURNS = 1_000_000, 100_000, 7


def table(rows: int, digits: int | None) -> Path:
    """Eight numbers with all their digits or so many, a category, a label."""
    import polars as pl

    at = SCRATCH / f"simulate_{rows}_{digits or 'all'}.parquet"
    if not at.exists():
        rng = np.random.default_rng(0)
        numbers = rng.normal(size=(8, rows))
        columns = {f"x{i}": v if digits is None else np.round(v, digits) for i, v in enumerate(numbers)}
        columns["city"] = np.array(["Rome", "Oslo", "Lima", "Kyiv"])[rng.integers(0, 4, rows)]
        columns["label"] = np.array(["ham", "spam"])[rng.integers(0, 2, rows)]
        pl.DataFrame(columns).write_parquet(at, compression="zstd", row_group_size=100_000)
    return at


def png(pixels: np.ndarray) -> bytes:
    """A grey picture as PNG."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 6)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def pictures(rows: int) -> Path:
    """Pictures of clothes, each with faint noise so that none is the copy of another."""
    import polars as pl

    at = SCRATCH / f"simulate_pictures_{rows}.parquet"
    if not at.exists():
        held = np.load(data("fashion_mnist") / "data.npz")
        x, y = held["train_x"], held["train_y"]
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 3, size=(rows, *x.shape[1:]), dtype=np.uint8)
        files = [png(np.minimum(x[i % len(x)], 250) + noise[i]) for i in range(rows)]
        frame = pl.DataFrame({"image": files, "label": [f"class {y[i % len(y)]}" for i in range(rows)]})
        frame.write_parquet(at, compression="zstd", row_group_size=10_000)
    return at


def median(runs: list[dict]) -> dict:
    runs = sorted(runs, key=lambda r: r["wall_s"])
    return runs[len(runs) // 2]


def turns(title: str, source: Path, attack: str) -> None:
    """Both in turn, so that a slow hour of the machine is slow for both; the medians are compared."""
    copied, made = SCRATCH / "simulate_copy.parquet", SCRATCH / "simulate_out.parquet"
    both: tuple[list[dict], list[dict]] = ([], [])
    for _ in range(TURNS):
        simulate = ["simulate", source, "--attack", attack, "--poison-rate", "0.01", "--seed", "1"]
        for runs, command in (
            (both[0], [BIN / "foretaste", *simulate, "--out", made, "--force"]),
            (both[1], [BIN / "examples" / "bench_copy", source, copied]),
        ):
            run = program(*command)
            if run["rc"] != 0:
                raise Skip(run["stderr"].strip())
            runs.append(run)
    race = Race(f"{title}, {source.stat().st_size / 1e6:,.0f} MB, medians of {TURNS} in turn")
    race.add(f"simulate {attack}", median(both[0]))
    race.add("a plain copy", median(both[1]))


def race(small: bool) -> None:
    rows = ROWS // 50 if small else ROWS
    turns(f"{rows:,} rows, all digits", table(rows, None), "label-flip")
    turns(f"{rows:,} rows, three decimals", table(rows, 3), "label-flip")
    several = PICTURES // 50 if small else PICTURES
    turns(f"{several:,} pictures", pictures(several), "badnets")
    turns(f"{several:,} pictures", pictures(several), "label-flip")
