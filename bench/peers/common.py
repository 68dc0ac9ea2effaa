"""What all races share: where things are, how a process is measured, how a table is printed.

Both sides of a race run in processes of their own. A side that times itself prints one JSON line with `cpu_s`, `wall_s` and
`peak_kb`, so that imports and the reading of inputs count for neither; a whole program is measured from outside.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("FORETASTE_BIN", ROOT / "target" / "release"))
SCRATCH = Path(os.environ.get("FORETASTE_SCRATCH", ROOT / "bench-peers" / "scratch"))
_DATA = os.environ.get("FORETASTE_DATA")
DATA = Path(_DATA).resolve() if _DATA else (ROOT / ".." / "shared" / "data").resolve()


class Skip(Exception):
    """A race or a side of it cannot run; the text says why."""


def data(name: str) -> Path:
    """The folder of a data set."""
    folder = DATA / name
    if not folder.is_dir():
        raise Skip(f"data set {name} not found")
    return folder


def environment() -> dict[str, str]:
    """The environment of a side, without settings that would pick another machine's kernels."""
    env = dict(os.environ)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        env.pop(name, None)
    return env


def ours(example: str, *words: object) -> dict:
    """Runs one of our bench examples; it times itself."""
    binary = BIN / "examples" / example
    if not binary.exists():
        raise Skip(f"{example} is not built")
    return _last_json([str(binary), *map(str, words)])


def peer(script: str, name: str, *words: object) -> dict:
    """Runs `script NAME WORDS` in a process of its own; it times itself with `timed`."""
    return _last_json([sys.executable, str(Path(__file__).parent / script), "--side", name, *map(str, words)])


def _last_json(command: list[str]) -> dict:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode != 0:
        tail = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Skip(f"{Path(command[0]).name} failed: {tail}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def program(*command: object) -> dict:
    """Measures a whole program from outside, start and reading included."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [str(c) for c in command], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    errors = process.stderr.read().decode(errors="replace") if process.stderr else ""
    # wait4 gives this one child's peak; RUSAGE_CHILDREN would give the largest of all so far
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": cpu, "wall_s": wall, "peak_kb": usage.ru_maxrss, "rc": process.returncode, "stderr": errors}


@contextmanager
def measured(**extra: object):
    """Times its block into the dictionary that it yields."""
    out: dict = dict(extra)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    yield out
    after = resource.getrusage(resource.RUSAGE_SELF)
    out["cpu_s"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    out["wall_s"] = time.perf_counter() - start
    out["peak_kb"] = after.ru_maxrss


@contextmanager
def timed(**extra: object):
    """Times its block and prints the line that `peer` reads. Put more results into what it yields."""
    with measured(**extra) as out:
        yield out
    print(json.dumps(out))


class Race:
    """Rows of one race. The first side is ours; ratios are against it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[tuple[str, dict, str]] = []
        print(f"\n## {title}\n")
        print(f"{'side':<26} {'CPU s':>9} {'wall s':>9} {'peak MB':>9} {'CPU ratio':>10} {'wall ratio':>10}  agreement")

    def add(self, side: str, run: dict, agreement: str = "") -> None:
        """Prints a row. A ratio above 1 says that ours takes less."""
        first = self.rows[0][1] if self.rows else run
        # a clock of hundredths of a second says nothing of less
        ratios = [f"{run[k] / first[k]:10.2f}" if first[k] >= 0.01 else f"{'-':>10}" for k in ("cpu_s", "wall_s")]
        peak = run["peak_kb"] / 1024
        print(
            f"{side:<26} {run['cpu_s']:9.3f} {run['wall_s']:9.3f} {peak:9.1f} {ratios[0]} {ratios[1]}  {agreement}",
            flush=True,
        )
        self.rows.append((side, run, agreement))

    def side(self, name: str, run) -> None:
        """Adds what `run` returns, `(measure, agreement)`, or says why it could not run."""
        try:
            measure, agreement = run()
        except Skip as why:
            print(f"{name:<26} skipped: {why}", flush=True)
            return
        self.add(name, measure, agreement)


def side_wanted() -> list[str] | None:
    """The words after `--side`, if this process is one side of a race."""
    return sys.argv[2:] if sys.argv[1:2] == ["--side"] else None
