"""Near-duplicate texts by MinHash, shingling and grouping included, against datasketch and rensa."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import SCRATCH, Race, ours, peer, side_wanted, timed

PERMUTATIONS, THRESHOLD, WORDS, SHINGLE = 128, 0.8, 200, 3


def make(docs: int) -> tuple[Path, list[set[int]]]:
    """Documents of random words; one in ten is a copy of the one before with two words changed."""
    rng = np.random.default_rng(5)
    words = np.array(["".join(w) for w in rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=(20_000, 6))])
    texts, pairs = [], []
    for i in range(docs):
        if i % 10 == 9:
            text = texts[-1].copy()
            text[rng.integers(0, WORDS, 2)] = rng.choice(words, 2)
            pairs.append({i - 1, i})
        else:
            text = rng.choice(words, WORDS)
        texts.append(text)
    at = SCRATCH / f"docs_{docs}.txt"
    at.write_text("\n".join(" ".join(t) for t in texts) + "\n")
    return at, pairs


def race(small: bool) -> None:
    docs = 2_000 if small else 20_000
    at, pairs = make(docs)
    wanted = set().union(*pairs)
    table = Race(f"MinHash, {docs:,} documents of {WORDS} words, {PERMUTATIONS} permutations, runs of {SHINGLE} words")

    def agreement(out: Path) -> str:
        found = {int(i) for line in out.read_text().splitlines() for i in line.split()}
        return f"{len(found & wanted):,} of {len(wanted):,} planted found, {len(found - wanted)} others"

    def run_ours():
        out = SCRATCH / "minhash_ours.txt"
        return ours("bench_minhash", "--texts", at, "--out", out), agreement(out)

    def run_peer(side: str):
        out = SCRATCH / f"minhash_{side}.txt"
        return peer("race_minhash.py", side, at, out), agreement(out)

    table.side("foretaste", run_ours)
    table.side("rensa", lambda: run_peer("rensa"))
    table.side("datasketch", lambda: run_peer("datasketch"))


def shingles(text: str) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def datasketch_side(texts: list[str]) -> list[list[int]]:
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    groups = []
    for i, text in enumerate(texts):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([s.encode() for s in shingles(text)])
        groups.extend([j, i] for j in lsh.query(sketch))
        lsh.insert(i, sketch, check_duplication=False)
    return groups


def rensa_side(texts: list[str]) -> list[list[int]]:
    from rensa import RMinHash, RMinHashLSH

    # its fastest way: one matrix for all, and a flag for each document that has a candidate
    matrix = RMinHash.digest_matrix_from_token_sets([list(shingles(t)) for t in texts], PERMUTATIONS, 42)
    lsh = RMinHashLSH(THRESHOLD, PERMUTATIONS, 16)
    flags = lsh.insert_matrix_and_query_duplicate_flags(matrix)
    return [[i] for i, flag in enumerate(flags) if flag]


def main(side: str, at: str, out: str) -> None:
    texts = Path(at).read_text().splitlines()
    find = {"datasketch": datasketch_side, "rensa": rensa_side}[side]
    find(texts[:2])
    with timed():
        groups = find(texts)
    Path(out).write_text("".join(" ".join(map(str, g)) + "\n" for g in groups))


if __name__ == "__main__":
    main(*(side_wanted() or []))
