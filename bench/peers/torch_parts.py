"""What the two sides of `attacks.py` share: pictures as tensors, fixed features, and the networks that are attacked."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as fn

torch.set_num_threads(1)

SIDE, THUMB, HALF = 32, 8, 9


def tensor(x: np.ndarray) -> torch.Tensor:
    """Bytes, `N x H x W` or `N x H x W x 3`, as `N x C x H x W` from 0 to 1."""
    x = x[..., None] if x.ndim == 3 else x
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)).astype(np.float32) / 255)


def pixels(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The way back, in whole steps of light."""
    whole = np.clip(np.rint(np.asarray(x, np.float64) * 255), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return whole[..., 0] if like.ndim == 3 else whole


def taps(size: int, to: int) -> torch.Tensor:
    """Shares of `size` pixels in each of `to` pixels: a triangle as wide as the larger of the two."""
    ratio = size / to
    centre = (np.arange(to)[:, None] + 0.5) * ratio - 0.5
    share = np.maximum(0, 1 - np.abs(np.arange(size)[None] - centre) / max(ratio, 1.0))
    return torch.tensor(share / share.sum(axis=1, keepdims=True), dtype=torch.float32)


def near(cell: int) -> torch.Tensor:
    """Shares of each pixel in the two nearest of the cells along one axis."""
    place = (np.arange(SIDE)[None] + 0.5) / cell - 0.5
    return torch.tensor(np.maximum(0, 1 - np.abs(np.arange(SIDE // cell)[:, None] - place)), dtype=torch.float32)


class Histograms(nn.Module):
    """The fixed features of our models that read pictures without a network (`crates/foretaste-num/src/hog.rs`), standardised."""

    def __init__(self, clean: torch.Tensor) -> None:
        super().__init__()
        high, wide = clean.shape[2:]
        self.sizes = [(taps(high, n), taps(wide, n)) for n in (SIDE, THUMB)]
        self.cells = [near(cell) for cell in (4, 8)]
        self.mean, self.scale = torch.zeros(1), torch.ones(1)
        with torch.no_grad():
            rows = torch.cat([self(part) for part in clean.split(500)])
        spread = rows.std(0, correction=0)
        self.mean, self.scale = rows.mean(0), torch.where(spread > 1e-6, 1 / spread.clamp(min=1e-6), 0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        square, thumb = (down @ x @ across.T for down, across in self.sizes)
        p = fn.pad(square, (1, 1, 1, 1), mode="replicate")
        dx, dy = p[:, :, 1:-1, 2:] - p[:, :, 1:-1, :-2], p[:, :, 2:, 1:-1] - p[:, :, :-2, 1:-1]
        strongest = (dx**2 + dy**2).argmax(1, keepdim=True)
        dx, dy = dx.gather(1, strongest), dy.gather(1, strongest)
        some = dx**2 + dy**2 > 0
        # where nothing changes there is no direction, and its gradient would not be a number
        dx, dy = torch.where(some, dx, 1.0), torch.where(some, dy, 0.0)
        length = (dx**2 + dy**2).sqrt() * some
        turn = (torch.atan2(dy, dx) + np.pi) / np.pi * HALF
        low = turn.detach().floor()
        first = low.long() % (2 * HALF)
        votes = torch.zeros(len(x), 2 * HALF, SIDE, SIDE)
        votes = votes.scatter_add(1, first, length * (1 - (turn - low)))
        votes = votes.scatter_add(1, (first + 1) % (2 * HALF), length * (turn - low))
        out = []
        for cell in self.cells:
            sums = cell @ votes @ cell.T
            half = sums[:, :HALF] + sums[:, HALF:]
            energy = fn.pad((half**2).sum(1, keepdim=True), (0, 1, 0, 1), mode="replicate")
            block = energy[:, :, :-1, :-1] + energy[:, :, 1:, :-1] + energy[:, :, :-1, 1:] + energy[:, :, 1:, 1:]
            block = fn.pad((block + 1e-3).sqrt(), (1, 0, 1, 0), mode="replicate")
            around = (block[:, :, 1:, 1:], block[:, :, :-1, 1:], block[:, :, 1:, :-1], block[:, :, :-1, :-1])
            sums = torch.cat([sums, half], 1)
            cut = 0.5 * sum((sums / one).clamp(max=0.2) for one in around)
            out.append(cut.permute(0, 2, 3, 1).flatten(1))
        out.append(thumb.flatten(1) - 0.5)
        return (torch.cat(out, 1) - self.mean) * self.scale


def network(like: torch.Tensor, classes: int, channels: int, hidden: int) -> nn.Sequential:
    """Two convolutions and a hidden layer, the last but one of the parts."""
    colours, high, wide = like.shape[1:]
    return nn.Sequential(
        nn.Conv2d(colours, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(2 * channels * (high // 4) * (wide // 4), hidden), nn.ReLU(), nn.Linear(hidden, classes),
    )  # fmt: skip


def trained(x: torch.Tensor, y: np.ndarray, classes: int, seed: int, channels=16, hidden=128, epochs=10) -> nn.Sequential:
    """Stochastic gradient descent with momentum and a step that falls to zero; the seed decides weights and order."""
    torch.manual_seed(seed)
    net, labels = network(x, classes, channels, hidden), torch.from_numpy(y.astype(np.int64))
    descent = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    steps = epochs * (-(-len(x) // 64))
    falling = torch.optim.lr_scheduler.OneCycleLR(descent, 0.05, total_steps=steps, pct_start=0.1, cycle_momentum=False)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            descent.zero_grad()
            fn.cross_entropy(net(x[rows]), labels[rows]).backward()
            descent.step()
            falling.step()
    return net.eval()


@torch.no_grad()
def through(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What a network makes of pictures, in parts that fit into memory."""
    return torch.cat([net(part) for part in x.split(500)])


class Standard(nn.Module):
    """The hidden layer of a network that stays as it is, standardised."""

    def __init__(self, net: nn.Sequential, clean: torch.Tensor) -> None:
        super().__init__()
        self.body = net[:-1]
        self.mean, self.scale = torch.zeros(1), torch.ones(1)
        rows = through(self, clean)
        self.mean, self.scale = rows.mean(0), 1 / rows.std(0, correction=0).clamp(min=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.body(x) - self.mean) * self.scale


class Head:
    """Softmax regression on features that stay as they are, by limited-memory BFGS: `sum of losses + |w|^2 / 2`."""

    def __init__(self, rows: torch.Tensor, y: np.ndarray, classes: int, start: Head | None = None) -> None:
        labels = torch.from_numpy(y.astype(np.int64))
        first = torch.zeros(rows.shape[1] + 1, classes) if start is None else start.weights
        self.weights = first.clone().requires_grad_(True)
        search = torch.optim.LBFGS([self.weights], max_iter=300, history_size=20, tolerance_grad=1e-3, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            search.zero_grad()
            own = fn.cross_entropy(rows @ self.weights[:-1] + self.weights[-1], labels, reduction="sum")
            own = own + 0.5 * (self.weights[:-1] ** 2).sum()
            own.backward()
            return own

        search.step(loss)
        self.weights = self.weights.detach()

    def predict(self, rows: torch.Tensor) -> np.ndarray:
        return (rows @ self.weights[:-1] + self.weights[-1]).argmax(1).numpy()
