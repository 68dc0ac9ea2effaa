"""Training steps of the small convolutional network, against PyTorch on the CPU. Not in `requirements.txt`: PyTorch is large."""

from __future__ import annotations

from common import Race, Skip, ours, peer, side_wanted, timed

BATCH, CLASSES = 64, 10


def race(small: bool) -> None:
    steps = 20 if small else 300
    for threads in (1, 2):
        table = Race(f"{steps} steps, conv16-conv32-fc128, batch {BATCH}, 28 x 28, threads: {threads}")
        table.side("foretaste", lambda: rate(ours("bench_cnn", "--steps", steps, "--threads", threads), steps))
        table.side("PyTorch", lambda: rate(peer("race_cnn.py", "torch", steps, threads), steps))


def rate(run: dict, steps: int) -> tuple[dict, str]:
    return run, f"{steps / run['wall_s']:.0f} steps/s of wall, {steps / run['cpu_s']:.0f} of CPU"


def main(side: str, steps: str, threads: str) -> None:
    try:
        import torch
    except ImportError as why:
        raise Skip("PyTorch is not installed: pip install torch") from why
    from torch import nn

    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, CLASSES),
    )  # fmt: skip
    descent = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    x, y = torch.rand(BATCH, 1, 28, 28), torch.randint(0, CLASSES, (BATCH,))

    def step() -> None:
        descent.zero_grad()
        loss_of(net(x), y).backward()
        descent.step()

    for _ in range(5):  # thread pools and choice of kernels are not timed
        step()
    with timed(torch=torch.__version__):
        for _ in range(int(steps)):
            step()


if __name__ == "__main__":
    main(*(side_wanted() or []))
