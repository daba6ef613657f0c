"""Trains a small convolutional network on scikit-learn's handwritten digits with tinygrad.

An ordinary tinygrad program: it knows nothing of Ringway. DEV=CUDA:PTX trains on the CUDA device, DEV=CPU on the
processor. Weights and batches come from numpy, so every device starts from the same numbers.
"""

import argparse
import json
import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from tinygrad import Context, Device, Tensor, TinyJit
from tinygrad.nn.optim import SGD

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=160)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--json", metavar="FILE", help="write losses, accuracy and times there")
arguments = parser.parse_args()

digits = load_digits()
order = np.random.RandomState(1).permutation(len(digits.target))
images = (digits.images[order] / 16.0).astype(np.float32)[:, None]
labels = digits.target[order].astype(np.int32)
train_images, train_labels = images[:1437], labels[:1437]
test_images, test_labels = images[1437:], labels[1437:]

random = np.random.RandomState(2)


def weight(*shape):
    fan_in = int(np.prod(shape[1:]))
    return Tensor((random.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)).realize().is_param_()


def zeros(size):
    return Tensor(np.zeros(size, np.float32)).realize().is_param_()


conv1, bias1 = weight(16, 1, 3, 3), zeros(16)
conv2, bias2 = weight(32, 16, 3, 3), zeros(32)
dense, bias3 = weight(10, 128), zeros(10)


def network(x):
    x = x.conv2d(conv1, bias1, padding=1).relu().max_pool2d()
    x = x.conv2d(conv2, bias2, padding=1).relu().max_pool2d()
    return x.flatten(1).linear(dense.transpose(), bias3)


optimizer = SGD([conv1, bias1, conv2, bias2, dense, bias3], lr=0.05, momentum=0.9)


@TinyJit
def train_step(x, y):
    optimizer.zero_grad()
    loss = network(x).sparse_categorical_crossentropy(y).backward()
    return loss.realize(*optimizer.schedule_step())


@TinyJit
def predict(x):
    return network(x).argmax(1).realize()


print(f"training on {Device.DEFAULT}: {arguments.steps} steps of {arguments.batch} images", flush=True)
started = time.perf_counter()
losses, warm = [], started
with Context(TRAINING=1):
    for step in range(arguments.steps):
        batch = random.randint(0, len(train_labels), arguments.batch)
        loss = train_step(Tensor(train_images[batch]).realize(), Tensor(train_labels[batch]).realize())
        losses.append(loss.item())
        if step == 3:
            warm = time.perf_counter()
        if step % 20 == 19 or step == 0:
            print(f"step {step + 1:4}  loss {losses[-1]:.4f}  {time.perf_counter() - started:6.1f} s", flush=True)
trained = time.perf_counter()

correct = 0
for start in range(0, len(test_labels), 120):
    x = Tensor(np.ascontiguousarray(test_images[start:start + 120])).realize()
    correct += int((predict(x).numpy() == test_labels[start:start + 120]).sum())
accuracy = correct / len(test_labels)
print(f"test accuracy {100 * accuracy:.2f} % ({correct} of {len(test_labels)})", flush=True)

if arguments.json:
    with open(arguments.json, "w") as file:
        json.dump({
            "device": Device.DEFAULT,
            "steps": arguments.steps,
            "losses": losses,
            "losses_hex": [float(loss).hex() for loss in losses],
            "accuracy": accuracy,
            "train_s": trained - started,
            "step_s": (trained - warm) / max(1, arguments.steps - 4),
            "total_s": time.perf_counter() - started,
        }, file)
sys.exit(0)
