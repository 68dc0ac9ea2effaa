"""Makes examples/ from the data folder: make_examples.py DATA_FOLDER EXAMPLES_FOLDER. The same bytes every time."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq


def sms_spam(data: Path, out: Path) -> None:
    """All rows, as CSV: the README's first command reads it."""
    table = pq.read_table(data / "sms_spam" / "data.parquet")
    with (out / "sms_spam.csv").open("wb") as file:
        csv.write_csv(table, file, csv.WriteOptions(quoting_style="needed"))


def adult_income(data: Path, out: Path) -> None:
    """Every ninth row, without the split: small, and spread over the whole file."""
    table = pq.read_table(data / "adult_income" / "data.parquet").drop_columns(["split"])
    table = table.take(pa.array(np.arange(0, len(table), 9)[:5000]))
    pq.write_table(table, out / "adult_income.parquet", compression="zstd", compression_level=19)


def fashion_mnist(data: Path, out: Path) -> None:
    """The first 25 images of each class, in the order of the file."""
    arrays = np.load(data / "fashion_mnist" / "data.npz")
    labels = arrays["train_y"]
    rows = np.sort(np.concatenate([np.flatnonzero(labels == c)[:25] for c in range(10)]))
    np.savez_compressed(out / "fashion_mnist.npz", x=arrays["train_x"][rows], y=labels[rows])


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    for make in (sms_spam, adult_income, fashion_mnist):
        if (data / make.__name__).is_dir():
            make(data, out)
        else:
            print(f"skipped: data set {make.__name__} not found under {data}", file=sys.stderr)


if __name__ == "__main__":
    main()
