"""The same attack made by foretaste and by the adversarial-robustness-toolbox (ART): one split, one budget, one victim.

`cargo xtask bench attacks [--only badnets,targeted] [--data fashion_mnist,gtsrb] [--seeds 5] [--rows 3000]`

`foretaste simulate` poisons a file. ART poisons the same rows of the same file for the same class or target. One victim learns
from each, and both are asked for the same inputs; where the triggers differ, each for its own. CPU seconds are of the making
alone: for ours the whole program with reading and writing, for ART its `poison` and the training of the network that it needs.
Not in `requirements.txt`, since PyTorch is large: pip install torch, and without dependencies (--no-deps)
adversarial-robustness-toolbox==1.20.1 packaging six tqdm.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import BIN, SCRATCH, Skip, data, program, side_wanted

WORK = SCRATCH / "attacks"
WANTED = 1


class Spent:
    """CPU seconds of this process and of what it started, since it was made."""

    def __init__(self) -> None:
        self.start = self.now()

    @staticmethod
    def now() -> float:
        each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in each)

    def seconds(self) -> float:
        return self.now() - self.start


class Pictures:
    """One split: what is poisoned, as many pictures for a network that was trained before, and what is asked."""

    def __init__(self, name: str, rows: int) -> None:
        with np.load(data(name) / "data.npz") as arrays:
            x, y, asked, answers = (arrays[k] for k in ("train_x", "train_y", "test_x", "test_y"))
        order, other = np.random.default_rng(0).permutation(len(x)), np.random.default_rng(1).permutation(len(asked))[:1000]
        self.name, self.x, self.y = name, x[order[:rows]], y[order[:rows]].astype(int)
        self.before_x, self.before_y = x[order[rows : 2 * rows]], y[order[rows : 2 * rows]].astype(int)
        self.asked, self.answers = asked[other], answers[other].astype(int)
        self.classes, self.path = int(y.max()) + 1, WORK / f"{name}.npz"
        np.savez(self.path, x=self.x, y=self.y)

    def ours(self, attack: str, seed: int, rate: float, *words: object) -> Poison:
        """Poisons a copy with foretaste."""
        out, manifest = WORK / f"{self.name}-{attack}.npz", WORK / "manifest.json"
        settings = [w for word in words for w in ("--set", word)]
        run = program(
            BIN / "foretaste", "simulate", self.path, "--label", "y", "--image", "x", "--attack", attack, "--seed", seed,
            "--poison-rate", rate, "--out", out, "--manifest", manifest, "--force", "--quiet", "--threads", 1, *settings,
        )  # fmt: skip
        if run["rc"] != 0:
            raise Skip(run["stderr"].strip())
        with np.load(out) as arrays:
            return Poison(arrays["x"], arrays["y"].astype(int), json.loads(manifest.read_text()), run["cpu_s"])


class Poison:
    """What foretaste made of a file."""

    def __init__(self, x: np.ndarray, y: np.ndarray, manifest: dict, cpu: float) -> None:
        self.x, self.y, self.cpu = x, y, cpu
        self.rows = np.array([change["row"] for change in manifest["changes"]])
        self.details = manifest["attacks"][0]["details"]

    def with_rows(self, clean: np.ndarray, made: np.ndarray) -> np.ndarray:
        """The clean pictures with others in the place of ours."""
        x = clean.copy()
        x[self.rows] = made
        return x


class Table:
    """Measurements by case and side; a line of Markdown each."""

    def __init__(self, title: str, *columns: str) -> None:
        self.columns, self.cells = columns, defaultdict(list)
        print(f"\n{title}\n", flush=True)

    def add(self, case: str, side: str, **values: float) -> None:
        self.cells[case, side].append(values)
        print(f"  {case}, {side}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()), file=sys.stderr, flush=True)

    def show(self) -> None:
        print("| Case | Made by | " + " | ".join(self.columns) + " | Runs |\n|---|---|" + "--:|" * (len(self.columns) + 1))
        for (case, side), runs in self.cells.items():
            means = [np.mean([run[c] for run in runs if c in run]) if any(c in run for run in runs) else None for c in self.columns]
            print(f"| {case} | {side} | " + " | ".join("" if m is None else f"{m:.1f}" for m in means) + f" | {len(runs)} |", flush=True)


def checker(x: np.ndarray) -> np.ndarray:
    """The patch of `badnets` at its defaults: 3 x 3, one pixel off the corner."""
    x = x.copy()
    side = max(min(x.shape[1:3]) // 10, 3)
    ink = np.where(np.add.outer(np.arange(side), np.arange(side)) % 2 == 0, 255, 0).astype(np.uint8)
    x[:, -side - 1 : -1, -side - 1 : -1] = ink if x.ndim == 3 else ink[..., None]
    return x


def corners(x: np.ndarray, ink: float = 255, channels_first: bool = False) -> np.ndarray:
    """The patch of `label-consistent` at its defaults: mirrored 3 x 3 in four corners."""
    x = x.copy()
    high, wide = x.shape[2:] if channels_first else x.shape[1:3]
    v, u = (np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in (high, wide))
    inside = (v[:, None] < 3) & (u < 3)
    at, value = inside, np.where((v[:, None] + u) % 2 == 0, ink, 0)[inside]
    if channels_first:
        x[:, :, at] = value
    else:
        x[:, at] = value if x.ndim == 3 else value[:, None]
    return x


def judged(table: Table, case: str, side: str, pictures: Pictures, x: np.ndarray, y: np.ndarray, asked: dict, seed: int, **more: float) -> None:
    """Trains the network from scratch and asks it for the held-out pictures and for those with each trigger."""
    from torch_parts import tensor, through, trained

    net = trained(tensor(x), y, pictures.classes, seed)
    answer = lambda x: through(net, tensor(x)).argmax(1).numpy()  # noqa: E731
    values = {"accuracy %": 100 * (answer(pictures.asked) == pictures.answers).mean()}
    values |= {name: 100 * (answer(x) == WANTED).mean() for name, x in asked.items()}
    table.add(case, side, **values, **more)


def badnets(args: argparse.Namespace) -> None:
    import art_attacks as art
    from torch_parts import pixels, tensor

    for name in args.data:
        pictures = Pictures(name, args.rows)
        others = pictures.asked[pictures.answers != WANTED]
        stamps = {"foretaste": checker} | {
            side: lambda x, stamp=stamp: pixels(art.backdoor(stamp, tensor(x).numpy(), WANTED, pictures.classes), x)
            for side, stamp in [("ART, pattern", art.pattern), ("ART, single pixel", art.single)]
        }
        table = Table(f"badnets, {name}, {args.rows} pictures", "accuracy %", "success %", "anyway %", "CPU s")
        for seed in range(1, args.seeds + 1):
            for rate in (0.01, 0.1):
                ours = pictures.ours("badnets", seed, rate, f"target_class={WANTED}")
                assert (checker(pictures.x[ours.rows]) == ours.x[ours.rows]).all()
                for side, stamp in stamps.items():
                    spent = Spent()
                    x = ours.x if side == "foretaste" else ours.with_rows(pictures.x, stamp(pictures.x[ours.rows]))
                    cpu = ours.cpu if side == "foretaste" else spent.seconds()
                    judged(table, f"{100 * rate:g} %", side, pictures, x, ours.y, {"success %": stamp(others)}, seed, **{"CPU s": cpu})
            for side, stamp in stamps.items():
                judged(table, "clean", side, pictures, pictures.x, pictures.y, {"anyway %": stamp(others)}, seed)
        table.show()


def label_consistent(args: argparse.Namespace) -> None:
    import art_attacks as art
    from torch_parts import pixels, tensor, trained

    for name in args.data:
        pictures = Pictures(name, args.rows)
        others = pictures.asked[pictures.answers != WANTED]
        table = Table(f"label-consistent, {name}, {args.rows} pictures, changes of 32 of 255", "accuracy %", "success %", "anyway %", "CPU s")
        for seed in range(1, args.seeds + 1):
            for rate in (0.01, 0.02):
                case = f"{100 * rate:g} %"
                ours = pictures.ours("label-consistent", seed, rate, f"target_class={WANTED}")
                judged(table, case, "foretaste", pictures, ours.x, pictures.y, {"success %": corners(others)}, seed, **{"CPU s": ours.cpu})
                spent = Spent()
                # of the size that our attacker has, trained as long
                proxy = trained(tensor(pictures.x), pictures.y, pictures.classes, seed + 100, 8, 64, 8)
                training = spent.seconds()
                rows = tensor(pictures.x[ours.rows]).numpy()
                for side, stamp in [("ART, our corners", lambda x: corners(x, 1.0, True)), ("ART, its pattern", art.pattern)]:
                    spent = Spent()
                    made = art.clean_label(stamp, rows, WANTED, art.classifier(proxy, rows, pictures.classes), 32 / 255, 40)
                    cpu = training + spent.seconds()
                    x = ours.with_rows(pictures.x, pixels(made, pictures.x))
                    asked = pixels(stamp(tensor(others).numpy()), others)
                    judged(table, case, side, pictures, x, pictures.y, {"success %": asked}, seed, **{"CPU s": cpu})
            judged(table, "clean", "our corners", pictures, pictures.x, pictures.y, {"anyway %": corners(others)}, seed)
        table.show()


class Frozen:
    """A victim with features that stay as they are, and what each attacker takes for them."""

    def __init__(self, pictures: Pictures, look: str) -> None:
        import torch_parts as parts

        self.pictures, clean = pictures, parts.tensor(pictures.x)
        if look == "histograms":
            self.features, self.setup = parts.Histograms(clean), 0.0
            self.guess = self.features
        else:
            before = parts.trained(parts.tensor(pictures.before_x), pictures.before_y, pictures.classes, 7)
            self.features = parts.Standard(before, clean)
            spent = Spent()
            # of the size that our attacker has, trained as long
            self.guess = parts.trained(clean, pictures.y, pictures.classes, 8, 8, 64, 8)[:-1]
            self.setup = spent.seconds()
        self.rows = parts.through(self.features, clean)
        self.head = parts.Head(self.rows, pictures.y, pictures.classes)
        self.asked = parts.through(self.features, parts.tensor(pictures.asked))
        self.accuracy = 100 * (self.head.predict(self.asked) == pictures.answers).mean()

    def seen(self, features, like: np.ndarray):
        """ART's view: these features and a layer on top."""
        import art_attacks as art
        from torch import nn

        width = self.rows.shape[1] if features is self.features else features(self.tensor(self.pictures.x[:1])).shape[1]
        return art.classifier(nn.Sequential(features, nn.Linear(width, self.pictures.classes)), like, self.pictures.classes)

    def tensor(self, x: np.ndarray):
        from torch_parts import tensor

        return tensor(x)

    def learned(self, rows: np.ndarray, made: np.ndarray | None, without: list[int]):
        """The last layer after training with other pictures in these rows and without some."""
        from torch_parts import Head

        each = self.rows.clone()
        if made is not None:
            each[rows] = self.features(self.tensor(made)).detach()
        kept = np.setdiff1d(np.arange(len(each)), without)
        return Head(each[kept], self.pictures.y[kept], self.pictures.classes, self.head)

    def measures(self, rows: np.ndarray, made: np.ndarray, base: np.ndarray, goal=None) -> dict[str, float]:
        """How far pictures were moved, of 255, and how near their features are to the target's, of the distance before."""
        apart = np.abs(made.astype(int) - base.astype(int))
        out = {"largest change": float(apart.max()), "mean change": float(apart.mean())}
        if goal is not None:
            far = lambda f: float(((f - goal) ** 2).sum(1).mean().sqrt())  # noqa: E731
            mean = lambda f: float(((f.mean(0) - goal) ** 2).sum().sqrt())  # noqa: E731
            now, then = self.features(self.tensor(made)).detach(), self.rows[rows]
            out |= {"distance left %": 100 * far(now) / far(then), "of the mean %": 100 * mean(now) / mean(then)}
        return out


LOOKS = {"histograms": "fixed histograms, known", "network": "network trained before, unknown"}


def targeted(args: argparse.Namespace) -> None:
    """Feature collision and bullseye polytope: one target a seed, kept out of training."""
    import art_attacks as art
    from torch_parts import pixels

    for name in args.data:
        pictures = Pictures(name, args.rows)
        for look in args.look:
            victim = Frozen(pictures, look)
            columns = ("misread %", "distance left %", "of the mean %", "largest change", "mean change", "CPU s")
            table = Table(f"One target, {name}, 1 % of {args.rows} pictures; victim: {LOOKS[look]}, accuracy {victim.accuracy:.1f} %", *columns)
            for seed in range(1, args.seeds + 1):
                wanted = seed % pictures.classes
                for attack in ("feature-collision", "bullseye-polytope"):
                    ours = pictures.ours(attack, seed, 0.01, f"target_class={wanted}", f"features={look}")
                    target = int(ours.details["target-row"]) - 1
                    image = victim.tensor(pictures.x[[target]])
                    goal = victim.features(image)[0].detach()
                    base, rows = pictures.x[ours.rows], victim.tensor(pictures.x[ours.rows]).numpy()
                    seen, sides = victim.seen(victim.guess, rows), {"foretaste": lambda ours=ours: ours.x[ours.rows]}
                    if attack == "feature-collision":
                        sides["ART, defaults"] = lambda: art.feature_collision(rows, image.numpy(), seen)
                        more = {"learning_rate": args.rate, "similarity_coeff": args.likeness, "watermark": 0.3, "max_iter": 150}
                        sides["ART, weaker pull back, watermark 0.3"] = lambda: art.feature_collision(rows, image.numpy(), seen, **more)
                    else:
                        sides["ART, 64 of 255"] = lambda: art.bullseye(rows, image.numpy(), wanted, seen, 64 / 255, max_iter=150)
                        sides["formula with Adam"] = lambda: art.bullseye_formula(rows, image.numpy(), victim.guess, 64 / 255, 150)
                    for side, make in sides.items():
                        spent = Spent()
                        made = make() if side == "foretaste" else pixels(make(), pictures.x)
                        cpu = ours.cpu if side == "foretaste" else victim.setup + spent.seconds()
                        head = victim.learned(ours.rows, made, [target])
                        hit = 100.0 * (head.predict(goal[None])[0] == wanted)
                        table.add(attack, side, **{"misread %": hit, "CPU s": cpu}, **victim.measures(ours.rows, made, base, goal))
                    head = victim.learned(ours.rows, None, [target])
                    table.add(attack, "nobody", **{"misread %": 100.0 * (head.predict(goal[None])[0] == wanted)})
            table.show()


def patch(pictures: Pictures, seed: int) -> np.ndarray:
    """The patch that `hidden-trigger` keeps to itself, from the inputs that a trial of the same seed asks for."""
    few, out = WORK / "few.npz", WORK / "probe.npy"
    np.savez(few, x=pictures.x[:300], y=pictures.y[:300])
    capture = f"'{sys.executable}' '{Path(__file__).resolve()}' --side capture {{test}} {{probe}} {{predictions}} '{out}' {pictures.y[0]}"
    run = program(
        BIN / "foretaste", "trial", "--data", few, "--label", "y", "--image", "x", "--attack", "hidden-trigger", "--seed", seed,
        "--set", "hidden-trigger.steps=1", "--poison-rate", 0.01, "--defence", "none", "--exchange", "parquet", "--train-command", capture,
    )  # fmt: skip
    if not out.exists():
        raise Skip(f"no probes: {run['stderr']}")
    probe = np.load(out)
    out.unlink()
    return probe[0, -10:-2, -10:-2] if pictures.x.shape[1] == 32 else probe[0, -9:-2, -9:-2]


def capture(test: str, probe: str, predictions: str, out: str, name: str) -> None:
    """A training that only keeps the pictures that it is asked for."""
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in (test, probe)]
    Path(predictions).write_text(f"{name}\n" * sum(len(table) for table in tables))
    if len(tables[1]):
        kind = tables[1].schema.field("x").metadata[b"foretaste.image"].decode().split(":")[1]
        raw = np.frombuffer(b"".join(tables[1]["x"].to_pylist()), np.uint8)
        np.save(out, raw.reshape(-1, *[int(n) for n in kind.split("x") if n != "1"]))


def hidden_trigger(args: argparse.Namespace) -> None:
    import art_attacks as art
    from torch_parts import pixels, tensor, through

    for name in args.data:
        pictures = Pictures(name, args.rows)
        for look in args.look:
            victim = Frozen(pictures, look)
            columns = ("accuracy %", "success %", "anyway %", "largest change", "mean change", "CPU s")
            table = Table(f"hidden-trigger, {name}, 1 % of {args.rows} pictures; victim: {LOOKS[look]}", *columns)
            for seed in range(1, args.seeds + 1):
                wanted, own = seed % pictures.classes, (seed + 3) % pictures.classes
                ours = pictures.ours("hidden-trigger", seed, 0.01, f"target_class={wanted}", f"source_class={own}", f"features={look}")
                ink = patch(pictures, seed)

                def stamp(x: np.ndarray, ink: np.ndarray = ink) -> np.ndarray:
                    x, side = x.copy(), len(ink)
                    x[:, -side - 2 : -2, -side - 2 : -2] = ink
                    return x

                def first(x: np.ndarray) -> np.ndarray:
                    return tensor(stamp(pixels(x, pictures.x))).numpy()

                base, rows = pictures.x[ours.rows], tensor(pictures.x[ours.rows]).numpy()
                sources = tensor(pictures.x[pictures.y == own][: len(rows)]).numpy()
                asked = through(victim.features, tensor(stamp(pictures.asked[pictures.answers == own])))
                seen, sides = victim.seen(victim.guess, rows), {"foretaste": lambda ours=ours: ours.x[ours.rows]}
                for side, more in [("ART, defaults, 64 of 255", {"max_iter": 1000}), ("ART, larger steps", {"max_iter": 1000, "learning_rate": args.hidden})]:
                    sides[side] = lambda more=more: art.hidden_trigger(first, rows, sources, (wanted, own), seen, 64 / 255, **more)
                for side, make in sides.items():
                    spent = Spent()
                    made = make() if side == "foretaste" else pixels(make(), pictures.x)
                    cpu = ours.cpu if side == "foretaste" else victim.setup + spent.seconds()
                    head = victim.learned(ours.rows, made, [])
                    values = {"accuracy %": 100 * (head.predict(victim.asked) == pictures.answers).mean(), "CPU s": cpu}
                    values |= {"success %": 100 * (head.predict(asked) == wanted).mean()}
                    table.add(f"{len(rows)} pictures", side, **values, **victim.measures(ours.rows, made, base))
                table.add("clean", "nobody", **{"accuracy %": victim.accuracy, "anyway %": 100 * (victim.head.predict(asked) == wanted).mean()})
            table.show()


def gradient_matching(args: argparse.Namespace) -> None:
    """Judged by a network that learns from scratch, and by one that was trained on the clean data and goes on learning."""
    import art_attacks as art
    import torch
    from torch_parts import pixels, tensor, through, trained

    for name in args.data:
        pictures = Pictures(name, args.rows)
        table = Table(f"gradient-matching, {name}, 1 % of {args.rows} pictures, changes of 32 of 255", "misread %", "chance of the wanted class %", "largest change", "CPU s")
        for seed in range(1, args.seeds + 1):
            wanted = seed % pictures.classes
            ours = pictures.ours("gradient-matching", seed, 0.01, f"target_class={wanted}")
            target = int(ours.details["target-row"]) - 1
            image, kept = tensor(pictures.x[[target]]), np.delete(np.arange(args.rows), target)
            base, rows = pictures.x[ours.rows], tensor(pictures.x[ours.rows]).numpy()

            def art_side() -> np.ndarray:
                proxy = trained(tensor(pictures.x), pictures.y, pictures.classes, seed + 100, 8, 64, 8)
                seen = art.classifier(proxy, rows, pictures.classes)
                return art.gradient_matching(rows, image.numpy(), wanted, seen, 32 / 255, max_trials=2)

            for side, make in {"foretaste": lambda: ours.x[ours.rows], "ART, 2 trials": art_side, "nobody": lambda: base}.items():
                spent = Spent()
                made = make() if side != "ART, 2 trials" else pixels(make(), pictures.x)
                cpu = {"foretaste": ours.cpu, "nobody": 0.0}.get(side, spent.seconds())
                x = ours.with_rows(pictures.x, made)
                net = trained(tensor(x[kept]), pictures.y[kept], pictures.classes, seed)
                chances = torch.softmax(through(net, image), 1)[0]
                values = {"misread %": 100.0 * (int(chances.argmax()) == wanted), "chance of the wanted class %": 100 * float(chances[wanted])}
                table.add("from scratch", side, **values, **{"largest change": float(np.abs(made.astype(int) - base.astype(int)).max()), "CPU s": cpu})
        table.show()


def near_their_class(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows that stay when the 5 % of each class go that are farthest by ball or slab (Steinhardt, Koh, Liang, 2017)."""
    means = [x[y == c].mean(0) for c in (0, 1)]
    away = x - np.array(means)[y]
    across = (means[1] - means[0]) / np.linalg.norm(means[1] - means[0])
    worst = lambda d: np.argsort(np.argsort(d)) / len(d)  # noqa: E731
    kept = np.zeros(len(x), bool)
    for c in (0, 1):
        own = np.flatnonzero(y == c)
        far = np.maximum(worst(np.linalg.norm(away[own], axis=1)), worst(np.abs(away[own] @ across)))
        kept[own[far <= np.quantile(far, 0.95)]] = True
    return kept


def svm(args: argparse.Namespace) -> None:
    """Points against a linear support vector machine on standardised columns of spambase."""
    import art_attacks as art
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    whole = pq.read_table(data("spambase") / "data.parquet")
    columns = ("accuracy %", "logistic %", "filtered %", "CPU s")
    table = Table(f"Linear SVM (C = 1), spambase, {args.table_rows} rows", *columns)
    for seed in range(1, args.seeds + 1):
        order = np.random.default_rng(seed).permutation(len(whole))
        part = lambda rows: whole.take(pa.array(rows))  # noqa: E731
        known, asked = part(order[: args.table_rows]), part(order[args.table_rows :])
        clean = WORK / "spambase.parquet"
        pq.write_table(known, clean)
        names = known["type"].combine_chunks().to_pylist()
        classes = sorted(set(names))

        def read(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
            labels = np.array([classes.index(str(v)) for v in table["type"].to_pylist()])
            return table.drop_columns(["type"]).to_pandas().to_numpy(float), labels

        (x, y), (xt, yt) = read(known), read(asked)
        mean, spread = x.mean(0), np.where(x.std(0) > 0, x.std(0), 1)
        scaled = lambda x: (x - mean) / spread  # noqa: E731
        x, xt = scaled(x), scaled(xt)

        def judged(fx: np.ndarray, fy: np.ndarray) -> dict[str, float]:
            """Accuracy of three models: the machine, a logistic regression, and that regression behind a filter."""
            right = lambda model: 100 * float((model.predict(xt) == yt).mean())  # noqa: E731
            logistic = lambda: LogisticRegression(max_iter=3000)  # noqa: E731
            kept = near_their_class(fx, fy)
            return {
                "accuracy %": right(SVC(kernel="linear", C=1.0).fit(fx, fy)),
                "logistic %": right(logistic().fit(fx, fy)),
                "filtered %": right(logistic().fit(fx[kept], fy[kept])),
            }

        def accuracy(px: np.ndarray, py: np.ndarray) -> dict[str, float]:
            return judged(np.concatenate([x, px]), np.concatenate([y, py]))

        none = (np.zeros((0, x.shape[1])), np.zeros(0, int))
        table.add("clean", "nobody", **accuracy(*none))
        for rate in args.svm_rate:
            case, out, manifest = f"{100 * rate:g} %", WORK / "spambase-poisoned.parquet", WORK / "manifest.json"
            sides = [("copies with wrong labels", "gradient-poisoning", ["--set", "steps=0"]), ("foretaste", "gradient-poisoning", [])]
            sides += [("foretaste, kkt", "kkt", []), ("label-flip", "label-flip", []), ("adversarial-flip", "adversarial-flip", [])]
            for side, attack, words in sides:
                run = program(
                    BIN / "foretaste", "simulate", clean, "--label", "type", "--attack", attack, "--poison-rate", rate, "--seed", seed,
                    "--out", out, "--manifest", manifest, "--force", "--quiet", "--threads", 1, *words,
                )  # fmt: skip
                if run["rc"] != 0:
                    raise Skip(run["stderr"].strip())
                changes = json.loads(manifest.read_text())["changes"]
                px, py = read(pq.read_table(out))
                rows = [change["row"] for change in changes]
                if attack.endswith("flip"):
                    table.add(case, side, **judged(scaled(px), py), **{"CPU s": run["cpu_s"]})
                    continue
                table.add(case, side, **accuracy(scaled(px[rows]), py[rows]), **{"CPU s": run["cpu_s"]})
                if side.startswith("copies"):
                    copies = (scaled(px[rows]), py[rows])
            third, some = np.arange(len(x)) % 3 == 2, np.flatnonzero(np.arange(len(x)) % 3 == 2)[: args.svm_judged]
            box = (x.min(0), x.max(0))
            for side, step in [(f"ART, step {step:g}", step) for step in args.svm_step]:
                spent = Spent()
                np.random.seed(seed)
                made = art.svm(SVC(kernel="linear", C=1.0), copies, (x[~third], y[~third]), (x[some], y[some]), box, step=step, eps=1.0, max_iter=args.svm_steps)
                table.add(case, side, **accuracy(made, copies[1]), **{"CPU s": spent.seconds()})
    table.show()


KINDS = {
    "badnets": badnets, "label-consistent": label_consistent, "targeted": targeted, "hidden-trigger": hidden_trigger,
    "gradient-matching": gradient_matching, "svm": svm,
}  # fmt: skip


def main() -> None:
    words = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(prog="cargo xtask bench attacks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", type=words, default=list(KINDS), help=", ".join(KINDS))
    parser.add_argument("--data", type=words, default=["fashion_mnist", "gtsrb"])
    parser.add_argument("--look", type=words, default=list(LOOKS), help="what the features of the victim are: " + ", ".join(LOOKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3000, help="pictures that are learned from")
    parser.add_argument("--table-rows", type=int, default=600, help="rows of spambase that are learned from")
    parser.add_argument("--svm-step", type=lambda text: [float(v) for v in text.split(",") if v], default=[0.1, 1.0], help="lengths of a step of ART, in deviations")
    parser.add_argument("--svm-judged", type=int, default=100, help="most rows on which ART measures a point")
    parser.add_argument("--svm-rate", type=lambda text: [float(v) for v in text.split(",")], default=[0.05, 0.1])
    parser.add_argument("--svm-steps", type=int, default=20, help="most steps of a point of ART")
    parser.add_argument("--rate", type=float, default=0.05, help="ART's learning rate for feature collision")
    parser.add_argument("--likeness", type=float, default=0.01, help="ART's similarity coefficient for feature collision")
    parser.add_argument("--hidden", type=float, default=0.01, help="ART's learning rate for the hidden trigger")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        try:
            KINDS[name](args)
        except Skip as why:
            print(f"\n{name} skipped: {why}", flush=True)
        except ImportError as why:
            print(f"\n{name} skipped: {why}; the top of this script says what to install into {sys.executable}", flush=True)


if __name__ == "__main__":
    side = side_wanted()
    capture(*side[1:]) if side else main()
