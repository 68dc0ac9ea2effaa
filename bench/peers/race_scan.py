"""A whole `foretaste scan` of real data: seconds and memory, with every report written."""

from __future__ import annotations

from common import BIN, SCRATCH, Race, Skip, data, program

SETS = [
    ("adult_income", "data.parquet", "income"),
    ("sms_spam", "data.parquet", "label"),
    ("hate_speech", "data.parquet", "class"),
    ("gtsrb", "data.npz", "y"),
]


def race(small: bool) -> None:
    table = Race("whole scan (ratios are against the first row)")
    for name, file, label in SETS[1:2] if small else SETS:

        def run():
            binary = BIN / "foretaste"
            if not binary.exists():
                raise Skip("foretaste is not built")
            report = SCRATCH / f"scan_{name}"
            measure = program(binary, "scan", data(name) / file, "--label", label, "--report", report, "--quiet")
            if measure["rc"] not in (0, 1):
                tail = (measure["stderr"].strip().splitlines() or ["no message"])[0]
                raise Skip(f"exit code {measure['rc']}: {tail}")
            return measure, f"exit code {measure['rc']}"

        table.side(name, run)
