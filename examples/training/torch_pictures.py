"""Your own training in a trial: a small convolutional network on pictures with PyTorch.

foretaste trial --data examples/fashion_mnist.npz --attack badnets --poison-rate 0.1 --exchange parquet \
    --train-command 'python examples/training/torch_pictures.py {train} {test} {predictions}'

Pictures from a .npz come as raw bytes, whose sizes stand with the column: `raw:28x28x1` is height, width, colours. All are of one
size here. The names of the columns are in the environment. The seed is fixed, so that a trial measures the poison and not the
luck of the draw.
"""

import os
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import nn

label, image = os.environ["FORETASTE_LABEL"], os.environ["FORETASTE_IMAGE"]
train, test, predictions = sys.argv[1:4]
known, asked = pq.read_table(train), pq.read_table(test)
kind, sizes = known.schema.field(image).metadata[b"foretaste.image"].decode().split(":")
high, wide, colours = (int(n) for n in sizes.split("x"))


def pictures(table):
    raw = np.frombuffer(b"".join(table[image].to_pylist()), np.uint8).reshape(-1, high, wide, colours)
    return torch.from_numpy(raw.transpose(0, 3, 1, 2).astype(np.float32) / 255)


names = [str(v) for v in known[label].to_pylist()]
classes = sorted(set(names))
target = torch.tensor([classes.index(c) for c in names])
rows, questions = pictures(known), pictures(asked)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(colours, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * (high // 4) * (wide // 4), 128), nn.ReLU(), nn.Linear(128, len(classes)),
)  # fmt: skip
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(10):
    for batch in torch.randperm(len(rows)).split(64):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(rows[batch]), target[batch]).backward()
        optimiser.step()
with torch.no_grad():
    best = torch.cat([model(part).argmax(1) for part in questions.split(500)])
pd.DataFrame({"prediction": [classes[i] for i in best]}).to_csv(predictions, index=False)
