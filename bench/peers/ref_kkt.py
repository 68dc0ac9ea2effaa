"""How far a decoy is from standing still with two points among the data, computed without foretaste. The numbers are those of
the test in crates/foretaste-attacks/src/kkt.rs.

    python bench/peers/ref_kkt.py
"""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gradient(theta, x, y, w, l2):
    """Of the weighted mean loss with its penalty; theta holds a class a row, the intercept last."""
    residual = softmax(x @ theta.T) - np.eye(len(theta))[y]
    return (w[:, None] * residual).T @ x / w.sum() + l2 * theta


def main():
    l2, share = 0.05, 0.1
    i = np.arange(60)
    y = i % 2
    x = np.stack([np.sin(1.3 * i) + 1.8 * y - 0.9, np.cos(0.7 * i) - 0.8 * y + 0.4, np.ones(60)], axis=1)
    # the rows that are trained on
    x, y = x[i % 3 != 2], y[i % 3 != 2]
    theta = np.array([[0.3, -0.8, 0.1], [-0.2, 0.5, 0.4]])
    points = np.array([[-0.6, 0.9, 1.0], [1.1, -0.2, 1.0]])
    shares = share * np.array([0.3, 0.7])
    every = np.vstack([x, points])
    weights = np.append(np.ones(len(x)), shares * len(x))
    residual = (1 + share) * gradient(theta, every, np.append(y, [0, 1]), weights, l2)
    print("residual", " ".join(f"{v:.10f}" for v in residual.ravel()))


if __name__ == "__main__":
    main()
