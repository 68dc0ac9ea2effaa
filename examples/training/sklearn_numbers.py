"""Your own training in a trial: a number predicted from the columns of a table, with scikit-learn.

foretaste trial --data examples/adult_income.parquet --target age --attack regression-poisoning \
    --train-command 'python examples/training/sklearn_numbers.py {train} {test} {predictions}'

It reads two CSV files (the second without the target) and writes one number a line, in the order of the second file. The name
of the target is in the environment.
"""

import os
import sys

import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

train, test, predictions = sys.argv[1:4]
target = os.environ["FORETASTE_TARGET"]
known, asked = pd.read_csv(train), pd.read_csv(test)
columns = [c for c in known.columns if c != target and c in asked.columns]
words = [c for c in columns if not pd.api.types.is_numeric_dtype(known[c])]
for frame in (known, asked):
    frame[words] = frame[words].astype("category")
known = known[known[target].notna()]
# categories of both files in one order
for c in words:
    levels = sorted(set(known[c].dropna().astype(str)) | set(asked[c].dropna().astype(str)))[:250]
    for frame in (known, asked):
        frame[c] = pd.Categorical(frame[c].astype(str), categories=levels)
model = HistGradientBoostingRegressor(categorical_features=words or None)
model.fit(known[columns], known[target])
pd.DataFrame({"prediction": model.predict(asked[columns])}).to_csv(predictions, index=False)
