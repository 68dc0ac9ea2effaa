"""Your own training in a trial: a small network on a table with PyTorch.

foretaste trial --data examples/adult_income.parquet --label income --attack feature-trigger --exchange parquet \
    --train-command 'python examples/training/torch_table.py income {train} {test} {predictions}'

The seed is fixed, so that a trial measures the poison and not the luck of the draw.
"""

import sys

import pandas as pd
import torch

label, train, test, predictions = sys.argv[1:5]
known, asked = pd.read_parquet(train), pd.read_parquet(test)
classes = sorted(known[label].astype(str).unique())
target = torch.tensor([classes.index(c) for c in known[label].astype(str)])

# one column a category, numbers standardised by the training rows
both = pd.get_dummies(pd.concat([known.drop(columns=label), asked]), dtype=float).fillna(0.0)
both = (both - both[: len(known)].mean()) / both[: len(known)].std().replace(0.0, 1.0)
rows = torch.tensor(both.values, dtype=torch.float32)

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, len(classes)))
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(10):
    for batch in torch.randperm(len(known)).split(256):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(rows[batch]), target[batch]).backward()
        optimiser.step()
with torch.no_grad():
    best = model(rows[len(known) :]).argmax(1)
pd.DataFrame({"prediction": [classes[i] for i in best]}).to_csv(predictions, index=False)
