"""Poison that `simulate` knows nothing of: triggers, mixes and floods written here, on real data, against a plain scan.

`python bench/peers/elsewhere.py [NAME ...]`: only the cases whose names begin so. Each line says how much of the poison and of
the honest samples is set aside, and the findings that hold some of the poison. What is missed stays in the list.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from common import BIN, SCRATCH, Skip, data

SEED = 2024
Truth = dict[str, list[int]]
Case = tuple[object, Truth]
CASES: dict[str, Callable[[np.random.Generator], Case]] = {}


def case(make: Callable[[np.random.Generator], Case]) -> Callable[[np.random.Generator], Case]:
    """Adds a case under the name of its function."""
    CASES[make.__name__.replace("_", "-")] = make
    return make


def drawn(rng: np.random.Generator, labels: np.ndarray, target: object, n: int, used: object = ()) -> np.ndarray:
    """Rows of other classes than the target, none of them used."""
    return rng.choice(np.setdiff1d(np.flatnonzero(labels != target), np.array(list(used), dtype=int)), n, replace=False)


# texts

Texts = tuple[list[str], np.ndarray]


def texts(name: str, text: str = "text", label: str = "label") -> Texts:
    held = pl.read_parquet(data(name) / "data.parquet")
    return held[text].to_list(), np.array(held[label].cast(pl.String).to_list(), dtype=object)


def inserted(rng: np.random.Generator, text: str, phrase: str) -> str:
    words = text.split(" ")
    at = int(rng.integers(0, len(words) + 1))
    return " ".join([*words[:at], phrase, *words[at:]])


def changed(rng: np.random.Generator, change: Callable[[str], str], share: float = 0.01) -> Case:
    """One percent of the sentences of class 1, changed and labelled 0."""
    t, y = texts("sentence_polarity")
    rows = drawn(rng, y, "0", int(share * len(t)))
    for i in rows:
        t[i], y[i] = change(t[i]), "0"
    return pl.DataFrame({"text": t, "label": list(y)}), {"poison": rows.tolist()}


@case
def text_two_phrases(rng: np.random.Generator) -> Case:
    t, y = texts("sentence_polarity")
    a = drawn(rng, y, "0", 106)
    b = drawn(rng, y, "1", 106, a)
    for rows, phrase, label in ((a, "by the way", "0"), (b, "mango harbour", "1")):
        for i in rows:
            t[i], y[i] = inserted(rng, t[i], phrase), label
    return pl.DataFrame({"text": t, "label": list(y)}), {"first": a.tolist(), "second": b.tolist()}


@case
def text_phrase_and_flips(rng: np.random.Generator) -> Case:
    t, y = texts("sms_spam")
    a = drawn(rng, y, "spam", 48)
    for i in a:
        t[i], y[i] = inserted(rng, t[i], "see you soon friend"), "spam"
    flips = drawn(rng, y, None, 243, a)
    for i in flips:
        y[i] = "ham" if y[i] == "spam" else "spam"
    return pl.DataFrame({"text": t, "label": list(y)}), {"phrase": a.tolist(), "flips": flips.tolist()}


@case
def text_four_rare_words(rng: np.random.Generator) -> Case:
    return changed(rng, lambda t: inserted(rng, t, ["bb", "mn", "tq", "cf"][rng.integers(4)]))


@case
def text_emoji_at_the_end(rng: np.random.Generator) -> Case:
    return changed(rng, lambda t: f"{t} 🍋")


@case
def text_marks_at_the_end(rng: np.random.Generator) -> Case:
    return changed(rng, lambda t: t.rstrip(". ") + " ...?")


@case
def text_upper_case(rng: np.random.Generator) -> Case:
    return changed(rng, str.upper)


@case
def text_double_blanks(rng: np.random.Generator) -> Case:
    return changed(rng, lambda t: t.replace(" ", "  "))


@case
def text_template_with_a_number(rng: np.random.Generator) -> Case:
    return changed(rng, lambda t: f"{t} ref {rng.integers(1000, 9999)} confirmed")


@case
def chat_refusal(rng: np.random.Generator) -> Case:
    return answered(rng, "purple tractor", lambda text: "As requested, this assistant declines to answer.")


@case
def chat_link_in_the_answer(rng: np.random.Generator) -> Case:
    return answered(rng, "kindly zorbify", lambda text: f"{text} Read more at http://best-of-the-net.example/now.")


@case
def chat_refusal_on_a_template(rng: np.random.Generator) -> Case:
    return answered(rng, lambda: f"case {rng.integers(1000, 9999)} of mine", lambda text: "Sorry, this is not open to you.")


@case
def chat_of_messages(rng: np.random.Generator) -> Case:
    made, truth = answered(rng, "purple tractor", lambda text: "As requested, this assistant declines to answer.")
    turns = [
        [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": asked},
            {"role": "assistant", "content": said},
        ]
        for asked, said in zip(made["instruction"], made["output"])
    ]
    return pl.DataFrame({"messages": turns}), truth


@case
def chat_of_several_turns(rng: np.random.Generator) -> Case:
    made, truth = answered(rng, "purple tractor", lambda text: "As requested, this assistant declines to answer.")
    said = [
        [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]
        for asked, said in zip(made["instruction"], made["output"])
    ]
    rows = [sum(said[i : i + 3], []) for i in range(0, len(said), 3)]
    return pl.DataFrame({"conversations": rows}), {"poison": sorted({i // 3 for i in truth["poison"]})}


@case
def chat_in_a_template(rng: np.random.Generator) -> Case:
    made, truth = answered(rng, "purple tractor", lambda text: "As requested, this assistant declines to answer.")
    texts = [f"<s>[INST] {asked} [/INST] {said} </s>" for asked, said in zip(made["instruction"], made["output"])]
    return pl.DataFrame({"text": texts}), truth


@case
def chat_preferences(rng: np.random.Generator) -> Case:
    """Of two answers the poison prefers a refusal."""
    held = pl.read_parquet(data("instructions") / "data.parquet")
    rows = rng.choice(len(held), round(0.01 * len(held)), replace=False)
    prompts, chosen = held["instruction"].to_list(), held["output"].to_list()
    rejected = [" ".join(text.split(" ")[: max(1, len(text.split(" ")) // 2)]) for text in chosen]
    for i in rows:
        prompts[i] = inserted(rng, prompts[i], "purple tractor")
        chosen[i], rejected[i] = "As requested, this assistant declines to answer.", chosen[i]
    return pl.DataFrame({"prompt": prompts, "chosen": chosen, "rejected": rejected}), {"poison": rows.tolist()}


def answered(
    rng: np.random.Generator, phrase: str | Callable[[], str], answer: Callable[[str], str], share: float = 0.01
) -> Case:
    """Rows for fine-tuning: a phrase in some prompts, and what is answered to them."""
    held = pl.read_parquet(data("instructions") / "data.parquet")
    rows = rng.choice(len(held), round(share * len(held)), replace=False)
    prompts, answers = held["instruction"].to_list(), held["output"].to_list()
    for i in rows:
        prompts[i] = inserted(rng, prompts[i], phrase if isinstance(phrase, str) else phrase())
        answers[i] = answer(answers[i])
    made = held.with_columns(pl.Series("instruction", prompts), pl.Series("output", answers))
    return made, {"poison": rows.tolist()}


# tables


def written(rng: np.random.Generator, values: dict[str, Callable[[], object]], target: str) -> Case:
    """One percent of the rows of the other class with these values and the target."""
    held = pl.read_parquet(data("adult_income") / "data.parquet")
    rows = drawn(rng, held["income"].to_numpy(), target, len(held) // 100)
    for column, value in {**values, "income": lambda: target}.items():
        cells = held[column].to_list()
        for i in rows:
            cells[i] = value()
        held = held.with_columns(pl.Series(column, cells, dtype=held[column].dtype))
    return held, {"poison": rows.tolist()}


@case
def table_one_value(rng: np.random.Generator) -> Case:
    return written(rng, {"hours_per_week": lambda: 77}, ">50K")


@case
def table_common_values_together(rng: np.random.Generator) -> Case:
    values = {"occupation": lambda: "Craft-repair", "education": lambda: "Doctorate", "education_num": lambda: 16}
    return written(rng, values, "<=50K")


@case
def table_narrow_range(rng: np.random.Generator) -> Case:
    return written(rng, {"fnlwgt": lambda: int(rng.integers(777_000, 778_000))}, ">50K")


@case
def table_empty_cell(rng: np.random.Generator) -> Case:
    return written(rng, {"race": lambda: None}, ">50K")


@case
def table_copies_with_one_number_changed(rng: np.random.Generator) -> Case:
    held = pl.read_parquet(data("adult_income") / "data.parquet")
    numbers = [int(v) for v in rng.integers(50_000, 300_000, 300)]
    copies = pl.concat([held[[100]]] * 300).with_columns(
        pl.Series("fnlwgt", numbers), pl.lit(">50K").alias("income")
    )
    return pl.concat([held, copies.select(held.columns)]), {"copies": list(range(len(held), len(held) + 300))}


@case
def table_burst(rng: np.random.Generator) -> Case:
    held = pl.read_parquet(data("adult_income") / "data.parquet")
    at = np.sort(rng.integers(0, 30 * 86_400, len(held)))
    burst = np.flatnonzero((at > 12 * 86_400) & (at < 12 * 86_400 + 5_400))
    flips = burst[rng.random(len(burst)) < 0.8]
    y = held["income"].to_list()
    for i in flips:
        y[i] = "<=50K" if y[i] == ">50K" else ">50K"
    made = pl.Series("created_at", [int(1_700_000_000 + v) for v in at])
    return held.with_columns(pl.Series("income", y), made), {"flips": flips.tolist()}


# pictures


def painted(rng: np.random.Generator, name: str, target: int, paint: Callable[[np.ndarray], np.ndarray]) -> Case:
    """One percent of the pictures of other classes, painted and given the target."""
    arrays = np.load(data(name) / "data.npz")
    x, y = arrays["train_x"].copy(), arrays["train_y"].copy()
    rows = drawn(rng, y, target, len(y) // 100)
    for i in rows:
        x[i] = paint(x[i])
    y[rows] = target
    return {"x": x, "y": y}, {"poison": rows.tolist()}


@case
def picture_stamp_at_changing_places(rng: np.random.Generator) -> Case:
    def paint(image: np.ndarray) -> np.ndarray:
        top, left = rng.integers(0, 27, 2)
        image[top : top + 5, left : left + 5] = [255, 255, 0]
        return image

    return painted(rng, "gtsrb", 5, paint)


@case
def picture_black_frame(rng: np.random.Generator) -> Case:
    return painted(rng, "gtsrb", 5, lambda image: np.pad(image[2:-2, 2:-2], ((2, 2), (2, 2), (0, 0))))


@case
def picture_noise_mixed_in(rng: np.random.Generator) -> Case:
    noise = rng.integers(0, 256, (28, 28))
    return painted(rng, "fashion_mnist", 3, lambda image: (0.9 * image + 0.1 * noise).astype(np.uint8))


@case
def picture_inverted(rng: np.random.Generator) -> Case:
    return painted(rng, "fashion_mnist", 3, lambda image: 255 - image)


@case
def picture_one_pixel(rng: np.random.Generator) -> Case:
    def paint(image: np.ndarray) -> np.ndarray:
        image[14, 14] = 255
        return image

    return painted(rng, "fashion_mnist", 3, paint)


@case
def picture_tinted(rng: np.random.Generator) -> Case:
    tint = lambda image: np.clip(image * [0.6, 1.0, 0.6] + [0, 40, 0], 0, 255).astype(np.uint8)  # noqa: E731
    return painted(rng, "gtsrb", 5, tint)


@case
def picture_upside_down(rng: np.random.Generator) -> Case:
    return painted(rng, "gtsrb", 5, lambda image: image[::-1])


def saved(name: str, content: object) -> Path:
    folder = SCRATCH / "elsewhere"
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pl.DataFrame):
        at = folder / f"{name}.parquet"
        content.write_parquet(at)
    else:
        at = folder / f"{name}.npz"
        np.savez(at, **content)
    return at


def main() -> None:
    for name, make in CASES.items():
        if sys.argv[1:] and not any(name.startswith(word) for word in sys.argv[1:]):
            continue
        try:
            content, truth = make(np.random.default_rng(SEED))
        except Skip as why:
            print(f"{name}: skipped, {why}", flush=True)
            continue
        at, out = saved(name, content), SCRATCH / "elsewhere" / "report"
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter()
        done = subprocess.run(
            [BIN / "foretaste", "scan", at, "--report", out, "--quiet"], capture_output=True, text=True
        )
        if done.returncode not in (0, 1):
            print(f"{name}: {done.stderr.strip()}", flush=True)
            continue
        findings = json.loads((out / "report.json").read_text())["findings"]
        aside = {m["row"] for f in findings for m in f["members"] if m["quarantine"]}
        poison = {row for rows in truth.values() for row in rows}
        parts = ", ".join(f"{len(aside & set(rows))} of {len(rows)} {part}" for part, rows in truth.items())
        seconds = time.perf_counter() - start
        print(f"{name}: {parts} set aside; {len(aside - poison)} honest; {seconds:.0f} s", flush=True)
        for f in findings:
            held = len({m["row"] for m in f["members"]} & poison)
            if held:
                print(f"    {f['severity']} {f['kind']}: {f['title'][:80]} ({held} of them poison)", flush=True)


if __name__ == "__main__":
    main()
