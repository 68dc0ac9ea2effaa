"""Your own training in a trial: text classification with scikit-learn.

foretaste trial --data examples/sms_spam.csv --attack phrase-trigger --target-class ham \
    --train-command 'python examples/training/sklearn_text.py {train} {test} {predictions}'

It reads two CSV files (the second without the label) and writes one prediction a line, in the order of the second file.
"""

import sys

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

train, test, predictions = sys.argv[1:4]
known, asked = pd.read_csv(train), pd.read_csv(test)
model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000, C=10))
model.fit(known["text"].fillna(""), known["label"])
pd.DataFrame({"prediction": model.predict(asked["text"].fillna(""))}).to_csv(predictions, index=False)
