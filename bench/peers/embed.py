"""Vectors of an ONNX model: ours (resizing, scaling, runtime) beside numpy and onnxruntime.

    python3 bench/peers/embed.py MODEL SCALE            16 pictures of gtsrb, all numbers
    python3 bench/peers/embed.py MODEL SCALE --fixture  reference numbers for the test of foretaste-embed

SCALE is `mean,deviation` of bytes. Needs onnxruntime and numpy (Pillow to check the resizing), and
`cargo build --release -p foretaste-embed --features onnx --example vectors`.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
from common import BIN, ROOT, SCRATCH, data, environment


def weights(source: int, target: int) -> np.ndarray:
    """Bilinear: a triangle around the centre of each target pixel, as wide as a pixel of the coarser grid."""
    ratio = source / target
    reach = max(ratio, 1.0)
    centres = (np.arange(target) + 0.5) * ratio
    w = np.maximum(0.0, 1.0 - np.abs(np.arange(source)[None, :] + 0.5 - centres[:, None]) / reach)
    return w / w.sum(axis=1, keepdims=True)


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture of height x width x 3 as side x side x 3."""
    down, across = weights(picture.shape[0], side), weights(picture.shape[1], side)
    return np.einsum("ai,bj,ijc->abc", down, across, picture.astype(np.float64))


def reference(model: str, scale: tuple[float, float], pictures: np.ndarray) -> np.ndarray:
    """Vectors by onnxruntime, one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    one = session.get_inputs()[0]
    side = one.shape[2]
    batch = np.stack([(resized(p, side) - scale[0]) / scale[1] for p in pictures]).transpose(0, 3, 1, 2)
    start = time.process_time()
    out = session.run(None, {one.name: np.ascontiguousarray(batch, dtype=np.float32)})[0]
    print(f"onnxruntime: {(time.process_time() - start) / len(pictures) * 1000:.1f} ms of CPU a picture")
    return out


def drawn(seed: int, width: int, height: int) -> np.ndarray:
    """A picture by rule; the test of foretaste-embed draws the same."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * 7 + y * 13 + c * 50 + seed * 29 + x * y % 17 * 5) % 256).astype(np.uint8)


def pillow(pictures: np.ndarray, side: int) -> None:
    """How far the resizing is from Pillow's, in steps of a byte."""
    from PIL import Image

    def by_pillow(p: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR)).astype(float)

    far = max(np.abs(by_pillow(p) - resized(p, side)).max() for p in pictures)
    print(f"largest difference of the resizing from Pillow, which rounds twice: {far:.2f} of 255")


def main() -> None:
    model, scale = sys.argv[1], sys.argv[2]
    numbers = tuple(float(v) for v in scale.split(","))
    if "--fixture" in sys.argv:
        pictures = np.stack([drawn(seed, 40, 30) for seed in range(4)])
        vectors = reference(model, numbers, pictures)
        lines = [" ".join(f"{v:.6f}" for v in [*row[:16], np.linalg.norm(row)]) for row in vectors]
        to = ROOT / "crates/foretaste-embed/tests/efficientnet_lite0.txt"
        to.write_text("\n".join(lines) + "\n")
        return
    pictures = np.load(data("gtsrb") / "data.npz")["train_x"][:6400:400]
    n, height, width, channels = pictures.shape
    SCRATCH.mkdir(parents=True, exist_ok=True)
    raw, out = SCRATCH / "pictures.raw", SCRATCH / "vectors.raw"
    raw.write_bytes(pictures.tobytes())
    example = str(BIN / "examples" / "vectors")
    words = [example, model, scale, str(raw), str(width), str(height), str(channels), str(out)]
    subprocess.run(words, env=environment(), check=True)
    ours = np.fromfile(out, dtype="<f4").reshape(n, -1)
    theirs = reference(model, numbers, pictures)
    print(f"{n} pictures, {ours.shape[1]} numbers each, of size {np.abs(theirs).mean():.3f} in the mean")
    print(f"largest difference from onnxruntime: {np.abs(ours - theirs).max():.2e}")
    pillow(pictures, 224)


if __name__ == "__main__":
    main()
