"""Poison made by the adversarial-robustness-toolbox (ART), for `attacks.py`. Pictures are `N x C x H x W` from 0 to 1.

ART draws the rows that it poisons itself; here it gets those that ours took and no others, so that both poison the same.
"""

from __future__ import annotations

import contextlib
import io
import logging

import numpy as np
import torch
from art.attacks.poisoning import (
    BullseyePolytopeAttackPyTorch,
    FeatureCollisionAttack,
    GradientMatchingAttack,
    HiddenTriggerBackdoor,
    PoisoningAttackBackdoor,
    PoisoningAttackCleanLabelBackdoor,
    PoisoningAttackSVM,
)
from art.attacks.poisoning.perturbations import add_pattern_bd, add_single_bd
from art.estimators.classification import PyTorchClassifier, SklearnClassifier
from torch import nn

logging.disable(logging.WARNING)


@contextlib.contextmanager
def quiet(rows: int | None = None):
    """Without what ART prints; with `rows`, without its draws: it takes all rows in their order."""
    choice = np.random.choice
    if rows is not None:
        np.random.choice = lambda among, n, replace=True: np.asarray(among)[:rows]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        np.random.choice = choice


def one_hot(label: int, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[label]


def classifier(net: nn.Module, like: np.ndarray, classes: int) -> PyTorchClassifier:
    loss, descent = nn.CrossEntropyLoss(), torch.optim.SGD(list(net.parameters()) or [torch.zeros(1)], lr=0.01)
    return PyTorchClassifier(net, loss, like.shape[1:], classes, optimizer=descent, clip_values=(0.0, 1.0), device_type="cpu")


def pattern(x: np.ndarray) -> np.ndarray:
    """ART's pattern of four pixels."""
    return add_pattern_bd(x, channels_first=True)


def single(x: np.ndarray) -> np.ndarray:
    """ART's single pixel; it takes pictures with colours last."""
    return add_single_bd(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def backdoor(stamp, x: np.ndarray, wanted: int, classes: int) -> np.ndarray:
    return PoisoningAttackBackdoor(stamp).poison(x, one_hot(wanted, classes), broadcast=True)[0]


def clean_label(stamp, x: np.ndarray, wanted: int, proxy: PyTorchClassifier, eps: float, steps: int) -> np.ndarray:
    """It never takes all rows (`pp_poison` is below 1), so the last is given twice."""
    goal, n = one_hot(wanted, proxy.nb_classes), len(x)
    attack = PoisoningAttackCleanLabelBackdoor(
        PoisoningAttackBackdoor(stamp), proxy, goal, pp_poison=(n + 0.5) / (n + 1), eps=eps, eps_step=2.5 * eps / steps, max_iter=steps
    )
    attack.attack.set_params(verbose=False)
    with quiet(n):
        return attack.poison(np.concatenate([x, x[-1:]]), np.tile(goal, (n + 1, 1)))[0][:n]


def feature_layer(seen: PyTorchClassifier) -> str:
    """The name of the part before the last."""
    return seen.layer_names[-2]


def hidden_trigger(stamp, x: np.ndarray, sources: np.ndarray, classes: tuple[int, int], seen, eps: float, **more) -> np.ndarray:
    wanted, own = (one_hot(c, seen.nb_classes) for c in classes)
    attack = HiddenTriggerBackdoor(
        seen, wanted, own, feature_layer(seen), PoisoningAttackBackdoor(stamp), eps=eps, poison_percent=1.0, verbose=False, **more
    )
    labels = np.concatenate([np.tile(wanted, (len(x), 1)), np.tile(own, (len(sources), 1))])
    with quiet(len(x)):
        return attack.poison(np.concatenate([x, sources]), labels)[0]


def feature_collision(x: np.ndarray, target: np.ndarray, seen: PyTorchClassifier, **more) -> np.ndarray:
    attack = FeatureCollisionAttack(seen, target, feature_layer(seen), verbose=False, **more)
    with quiet():
        return attack.poison(x)[0]


def bullseye(x: np.ndarray, target: np.ndarray, wanted: int, seen: PyTorchClassifier, eps: float, **more) -> np.ndarray:
    attack = BullseyePolytopeAttackPyTorch(seen, target, feature_layer(seen), epsilon=eps, verbose=False, **more)
    with quiet():
        return attack.poison(x, np.tile(one_hot(wanted, seen.nb_classes), (len(x), 1)))[0]


def bullseye_formula(x: np.ndarray, target: np.ndarray, features: nn.Module, eps: float, steps: int) -> np.ndarray:
    """Equation 3 of the paper with one network and Adam at ART's step, for comparison: ART's class does not read its target."""
    base = torch.from_numpy(x)
    now = base.clone().requires_grad_(True)
    with torch.no_grad():
        goal = features(torch.from_numpy(target))[0]
    descent = torch.optim.Adam([now], lr=4e-2)
    for _ in range(steps):
        descent.zero_grad()
        ((features(now).mean(0) - goal) ** 2).sum().div((goal**2).sum()).backward()
        descent.step()
        with torch.no_grad():
            now.copy_((base + (now - base).clamp(-eps, eps)).clamp(0, 1))
    return now.detach().numpy()


def gradient_matching(x: np.ndarray, target: np.ndarray, wanted: int, seen: PyTorchClassifier, eps: float, **more) -> np.ndarray:
    """It starts a process for each of its passes over a handful of pictures; here it reads them itself, which is faster."""
    attack, loader = GradientMatchingAttack(seen, percent_poison=1.0, epsilon=eps, verbose=False, **more), torch.utils.data.DataLoader
    torch.utils.data.DataLoader = lambda *words, num_workers=0, **more: loader(*words, **more)
    try:
        with quiet():
            return attack.poison(target, np.array([wanted]), x, np.full(len(x), wanted))[0]
    finally:
        torch.utils.data.DataLoader = loader


def svm(model, points, known, judged, box, **more) -> np.ndarray:
    """Points, moved; `known` and `judged` are rows and labels of the attacker's two parts. What `poison` does besides, a measure
    of success that needs probabilities, is left out."""
    hot = np.eye(2)
    seen = SklearnClassifier(model, clip_values=box)
    seen.fit(known[0], hot[known[1]])
    attack = PoisoningAttackSVM(seen, x_train=known[0], y_train=hot[known[1]], x_val=judged[0], y_val=hot[judged[1]], verbose=False, **more)
    with quiet():
        return np.concatenate([attack.generate_attack_point(x.copy(), hot[y]) for x, y in zip(*points)])
