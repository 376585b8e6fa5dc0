"""
Keep a model's weights on a volume: one function makes them, another loads them.

    modal run model_cache.py

The volume holds a cache directory laid out as Hugging Face's is: the bytes lie once under
`blobs/`, a snapshot is a directory of symbolic links to them, and `refs/main` names the newest
snapshot. The model is small but real: a network of 16 neurons that learns the sine.
"""

import hashlib
import json
from pathlib import Path

import modal

image = modal.Image.debian_slim().pip_install("numpy", "safetensors")
app = modal.App("example-model-cache", image=image)
volume = modal.Volume.from_name("example-model-cache", create_if_missing=True)

CACHE = Path("/cache")
REPOSITORY = CACHE / "hub" / "models--example--tiny-sine"

with image.imports():
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import save


@app.function(volumes={str(CACHE): volume})
def train(steps: int = 3000) -> float:
    """Fit the network by gradient descent, publish it in the cache, return its mean error."""
    random = np.random.default_rng(seed=1)
    x = random.uniform(-np.pi, np.pi, (256, 1))
    y = np.sin(x)
    rate = 0.1 / len(x)
    w1, b1 = random.normal(0, 1, (1, 16)), random.uniform(-2, 2, 16)
    w2, b2 = random.normal(0, 0.25, (16, 1)), np.zeros(1)
    for _ in range(steps):
        hidden = np.tanh(x @ w1 + b1)
        error = hidden @ w2 + b2 - y
        back = (error @ w2.T) * (1 - hidden**2)
        w1 -= rate * x.T @ back
        b1 -= rate * back.sum(0)
        w2 -= rate * hidden.T @ error
        b2 -= rate * error.sum(0)

    weights = {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
    publish(
        {
            "model.safetensors": save(weights),
            "config.json": json.dumps({"hidden": 16, "activation": "tanh"}).encode(),
        }
    )
    return float(np.abs(error).mean())


def publish(files: dict[str, bytes]) -> None:
    """Add a snapshot to the cache and commit it."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    revision = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:40]
    snapshot = REPOSITORY / "snapshots" / revision
    for directory in (snapshot, REPOSITORY / "blobs", REPOSITORY / "refs"):
        directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (REPOSITORY / "blobs" / digests[name]).write_bytes(data)
        link = snapshot / name
        link.unlink(missing_ok=True)
        # Relative: an absolute target would pin the path at which the volume is mounted.
        link.symlink_to(Path("..", "..", "blobs", digests[name]))
    (REPOSITORY / "refs" / "main").write_text(revision)
    volume.commit()


@app.cls(volumes={str(CACHE): volume})
class Model:
    """Loads the newest snapshot once per container, then answers many calls."""

    @modal.enter()
    def load(self) -> None:
        revision = (REPOSITORY / "refs" / "main").read_text()
        path = REPOSITORY / "snapshots" / revision / "model.safetensors"
        # safe_open maps the file into memory: of a large one only the tensors asked for are read.
        with safe_open(path, framework="numpy") as tensors:
            self.weights = {name: tensors.get_tensor(name) for name in tensors.keys()}

    @modal.method()
    def predict(self, xs: list[float]) -> list[float]:
        w = self.weights
        hidden = np.tanh(np.array(xs).reshape(-1, 1) @ w["w1"] + w["b1"])
        return [float(y) for y in (hidden @ w["w2"] + w["b2"]).ravel()]


@app.local_entrypoint()
def main() -> None:
    print(f"trained: mean error {train.remote():.4f}")
    xs = [-1.5, 0.0, 0.5, 1.5]
    for x, y in zip(xs, Model().predict.remote(xs), strict=True):
        print(f"sine of {x:+.1f} is about {y:+.3f}")
