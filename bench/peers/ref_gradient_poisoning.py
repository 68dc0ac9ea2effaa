"""The implicit gradient of gradient poisoning, computed twice without foretaste: by the formula with the whole Hessian
written out, and by finite differences through training. The numbers are those of the tests in
crates/foretaste-attacks/src/linear.rs.

    python bench/peers/ref_gradient_poisoning.py
"""

import numpy as np


def problem(rows, shift, classes):
    t = np.arange(rows) + shift
    label = np.arange(rows) % classes
    side = label.astype(float)
    x = np.stack(
        [np.sin(1.3 * t) + 0.9 * side, np.cos(0.7 * t) - 0.5 * side, np.sin(2.1 * t) * np.cos(0.4 * t)], axis=1
    )
    return np.hstack([x, np.ones((rows, 1))]), label


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss(theta, x, y):
    p = softmax(x @ theta.T)
    return -np.log(p[np.arange(len(y)), y]).mean()


def derivatives(theta, x, y, w, l2):
    """Gradient and the whole Hessian of the weighted mean loss with its penalty."""
    classes, width = theta.shape
    p = softmax(x @ theta.T)
    share = w / w.sum()
    residual = p - np.eye(classes)[y]
    gradient = (share[:, None] * residual).T @ x + l2 * theta
    hessian = l2 * np.eye(classes * width)
    for xi, pi, si in zip(x, p, share):
        hessian += si * np.kron(np.diag(pi) - np.outer(pi, pi), np.outer(xi, xi))
    return gradient, hessian


def fit(x, y, w, classes, l2):
    theta = np.zeros((classes, x.shape[1]))
    for _ in range(100):
        gradient, hessian = derivatives(theta, x, y, w, l2)
        if np.abs(gradient).max() < 1e-13:
            break
        theta -= np.linalg.solve(hessian, gradient.ravel()).reshape(theta.shape)
    return theta


def main():
    poison = np.array([0.8, -0.3, 0.5])
    for classes, weight in [(2, 1.0), (3, 4.0)]:
        l2 = 0.05
        x, y = problem(24, 0.0, classes)
        xv, yv = problem(20, 100.0, classes)
        w = np.append(np.ones(24), weight)
        ally = np.append(y, 0)

        def trained(at):
            allx = np.vstack([x, np.append(at, 1.0)])
            return allx, fit(allx, ally, w, classes, l2)

        allx, theta = trained(poison)
        right, _ = derivatives(theta, xv, yv, np.ones(len(yv)), 0.0)
        _, hessian = derivatives(theta, allx, ally, w, l2)
        u = np.linalg.solve(hessian, right.ravel()).reshape(theta.shape)
        xp = np.append(poison, 1.0)
        p = softmax((theta @ xp)[None])[0]
        s = np.diag(p) - np.outer(p, p)
        mixed = (p - np.eye(classes)[0]) @ u + (s @ (u @ xp)) @ theta
        formula = -weight / w.sum() * mixed[:3]
        h = 1e-5
        differences = []
        for k in range(3):
            step = np.eye(3)[k] * h
            differences.append(
                (loss(trained(poison + step)[1], xv, yv) - loss(trained(poison - step)[1], xv, yv)) / (2 * h)
            )
        print(f"{classes} classes, weight {weight}: loss {loss(theta, xv, yv):.10f}")
        print("  formula    ", " ".join(f"{v:.10f}" for v in formula))
        print("  differences", " ".join(f"{v:.10f}" for v in differences))


if __name__ == "__main__":
    main()
