"""tinygrad on its CUDA device with the PTX renderer, beside its own CPU device: operations and training steps.

The training step is captured by TinyJit, so from the third call on it is one CUDA graph launch.
Run with DEV=CUDA:PTX.
"""

import sys
from pathlib import Path

import numpy as np
from tinygrad import Context, Device, Tensor, TinyJit, dtypes
from tinygrad.nn.optim import SGD

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402

STEPS = 10


def operations(c):
    random = np.random.RandomState(21)
    a = random.standard_normal((40, 48)).astype(np.float32)
    b = random.standard_normal((48, 56)).astype(np.float32)
    integers = random.randint(-1000, 1000, 3000).astype(np.int32)
    cases = {
        "matrix product": lambda d: Tensor(a, device=d) @ Tensor(b, device=d),
        "softmax": lambda d: Tensor(a, device=d).softmax(1),
        "transcendental": lambda d: (Tensor(a, device=d).sin() + Tensor(a, device=d).exp() + (Tensor(a, device=d).abs() + 1).log() + 2).sqrt(),
        "layer norm": lambda d: Tensor(a, device=d).layernorm(),
        "cumulative sum": lambda d: Tensor(integers, device=d).cumsum(),
        "sort": lambda d: Tensor(integers[:200], device=d).sort()[0],
        "integer division": lambda d: Tensor(integers, device=d) // 7 + Tensor(integers, device=d) % 13,
        "shifts and masks": lambda d: (Tensor(integers, device=d).cast(dtypes.uint32) << 3) ^ (Tensor(integers, device=d).cast(dtypes.uint32) >> 5),
        "argmax": lambda d: Tensor(a, device=d).argmax(1),
        "where and compare": lambda d: (Tensor(a, device=d) > 0.2).where(Tensor(a, device=d), -1.0),
        "gather": lambda d: Tensor(a, device=d)[Tensor(np.array([3, 1, 39, 0]), device=d)],
        "half precision": lambda d: (Tensor(a, device=d).half() * 3 + 1).float(),
        "double precision": lambda d: (Tensor(a.astype(np.float64), device=d) / 3).sum(0),
        "convolution": lambda d: Tensor(a.reshape(1, 1, 40, 48), device=d).conv2d(Tensor(b[:3, :3].reshape(1, 1, 3, 3).copy(), device=d)),
        "pad, flip and permute": lambda d: Tensor(a, device=d).pad(((1, 2), (0, 3))).flip(0).permute(1, 0).contiguous(),
        "long": lambda d: (Tensor(integers.astype(np.int64), device=d) * 1_000_003).sum(),
    }
    for name, run in cases.items():
        got, want = run("CUDA").numpy(), run("CPU").numpy()
        if np.issubdtype(want.dtype, np.floating):
            c.close(name, got, want, rtol=2e-3 if name == "half precision" else 1e-4, atol=1e-5)
        else:
            c.equal(name, got, want)
    Tensor.manual_seed(4)
    cuda = Tensor.rand(500, device="CUDA").numpy()
    Tensor.manual_seed(4)
    c.equal("random numbers", cuda, Tensor.rand(500, device="CPU").numpy())


def train(device):
    """Losses and final weights of a small network, from the same start on every device."""
    random = np.random.RandomState(8)
    shapes = {"conv": (6, 1, 3, 3), "bias": (6,), "dense": (54, 10)}
    weights = {name: Tensor((random.standard_normal(shape) * 0.3).astype(np.float32), device=device).realize() for name, shape in shapes.items()}
    optimizer = SGD(list(weights.values()), lr=0.1, momentum=0.9, device=device)

    @TinyJit
    def step(x, y):
        optimizer.zero_grad()
        hidden = x.conv2d(weights["conv"], weights["bias"]).relu().max_pool2d()
        loss = (hidden.flatten(1) @ weights["dense"]).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*optimizer.schedule_step())

    losses = []
    with Context(TRAINING=1):
        for _ in range(STEPS):
            images = random.random_sample((32, 1, 8, 8)).astype(np.float32)
            labels = (images.mean(axis=(1, 2, 3)) * 40 - 15).clip(0, 9).astype(np.int32)
            losses.append(step(Tensor(images, device=device).realize(), Tensor(labels, device=device).realize()).item())
    return np.array(losses), {name: tensor.numpy() for name, tensor in weights.items()}, step


def main():
    c = Checks("tinygrad")
    c.true("the CUDA device is the default", Device.DEFAULT == "CUDA", Device.DEFAULT)
    c.true("PTX renderer", type(Device["CUDA"].renderer).__name__ == "PTXRenderer", type(Device["CUDA"].renderer).__name__)
    operations(c)
    from tinygrad.runtime.graph.cuda import CUDAGraph
    launched = []
    original = CUDAGraph.__call__
    CUDAGraph.__call__ = lambda self, *a, **k: (launched.append(1), original(self, *a, **k))[1]
    losses, weights, _ = train("CUDA")
    CUDAGraph.__call__ = original
    want_losses, want_weights, _ = train("CPU")
    c.close("training losses", losses, want_losses, rtol=1e-3)
    for name in weights:
        c.close(f"trained {name}", weights[name], want_weights[name], rtol=1e-2, atol=1e-3)
    c.true("training went through CUDA graphs", len(launched) >= STEPS - 3, str(len(launched)))
    c.finish()


if __name__ == "__main__":
    main()
