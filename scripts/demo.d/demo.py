"""Runs train_digits.py three times (on tinygrad's CPU device, through Ringway, directly on the software GPU), compares the
numbers and shows them. Called by scripts/demo when everything is built. Ends with 1 if a number is off."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
RINGWAY = TARGET / "release" / "ringway"
PYTHON = Path(os.environ["RINGWAY_VENV"]) / "bin" / "python"
PROGRAM = Path(__file__).resolve().parent / "train_digits.py"
OUT = TARGET / "demo"

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
LIMIT_S = 600


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def title(text):
    print("\n" + paint("1;36", text), flush=True)


def run(name, command, steps, environment):
    """Runs the program; its output passes through, indented. Returns what it wrote and the wall time."""
    result = OUT / f"{name}.json"
    result.unlink(missing_ok=True)
    words = [*map(str, command), str(PYTHON), str(PROGRAM), "--steps", str(steps), "--json", str(result)]
    shown = " ".join(words).replace(str(ROOT) + "/", "").replace(str(PYTHON), "python").replace(str(TARGET) + "/", "target/")
    assignments = " ".join(f"{key}={value}" for key, value in environment.items() if key == "DEV")
    print(paint("2", f"  $ {assignments} {shown.split(' --steps')[0]}"), flush=True)
    started = time.monotonic()
    # CCACHE=0: every run compiles its kernels, so that wall times compare
    process = subprocess.Popen(words, env={**os.environ, "CCACHE": "0", **environment}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        for line in process.stdout:
            print("  " + line.rstrip(), flush=True)
            if time.monotonic() - started > LIMIT_S:
                raise subprocess.TimeoutExpired(words, LIMIT_S)
        code = process.wait(LIMIT_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
        sys.exit(f"the {name} run was stopped")
    wall = time.monotonic() - started
    if code != 0 or not result.exists():
        sys.exit(paint("1;31", f"the {name} run failed (exit code {code})"))
    return json.loads(result.read_text()), wall


def curve(series, width=64, height=10):
    """A plot of losses in characters: one column for each group of steps, the mean of the group as height."""
    width = min(width, len(series))
    groups = [series[i * len(series) // width:(i + 1) * len(series) // width] for i in range(width)]
    means = [sum(group) / len(group) for group in groups]
    top = max(means)
    blocks = " ▁▂▃▄▅▆▇█"
    for row in range(height, 0, -1):
        line = "".join(blocks[max(0, min(8, round((mean / top * height - (row - 1)) * 8)))] for mean in means)
        label = f"{top * row / height:5.2f}" if row in (height, height // 2) else "     "
        print(f"  {label} ┤{paint('32', line)}")
    print(f"   0.00 └{'─' * width}")
    print(f"         step 1{'':{max(0, width - 12 - len(str(len(series))))}}step {len(series)}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--steps", type=int, default=160, help="training steps, at least 20 (default 160)")
    arguments = parser.parse_args()
    if arguments.steps < 20:
        parser.error("--steps must be at least 20")
    OUT.mkdir(parents=True, exist_ok=True)
    stats_file = OUT / "stats.json"
    stats_file.unlink(missing_ok=True)

    title("1  tinygrad's own CPU device, for comparison")
    cpu, cpu_wall = run("cpu", [], arguments.steps, {"DEV": "CPU"})
    title("2  the same program through Ringway: the GPU is in another process")
    remote, remote_wall = run("ringway", [RINGWAY, "run", "-n", "1", "--stats", stats_file, "--"], arguments.steps, {"DEV": "CUDA:PTX"})
    title("3  the same program directly on the software GPU, without Ringway between")
    direct, direct_wall = run("direct", [RINGWAY, "run", "--direct", "--"], arguments.steps, {"DEV": "CUDA:PTX"})
    stats = json.loads(stats_file.read_text())

    title("loss, through Ringway")
    curve(remote["losses"])

    title("the first 20 steps")
    print(f"  {'step':>4}  {'tinygrad CPU':>14}  {'Ringway':>14}  {'difference':>10}  {'directly':>14}")
    worst = 0.0
    for step in range(20):
        a, b, d = cpu["losses"][step], remote["losses"][step], direct["losses"][step]
        difference = abs(a - b) / abs(a)
        worst = max(worst, difference)
        same = "same bits" if remote["losses_hex"][step] == direct["losses_hex"][step] else "DIFFERS"
        print(f"  {step + 1:>4}  {a:>14.8f}  {b:>14.8f}  {difference:>10.1e}  {d:>14.8f}  {same}")

    steps = arguments.steps
    title("the session")
    print(f"  link                      {stats['link']}")
    print(f"  driver calls              {stats['calls']:,}   ({stats['calls'] / steps:.1f} per training step, all set-up counted in)")
    print(f"  of them, the program waited for {stats['waiting_calls']:,}   ({stats['waiting_calls'] / steps:.2f} per training step)")
    by_waits = sorted(stats["by_function"].items(), key=lambda item: -item[1]["waits"])
    for name, counts in by_waits[:4]:
        if counts["waits"]:
            print(f"      {name:<28} {counts['waits']:>7,} waits  ({counts['waits'] / steps:.2f} per step)")
    print(f"  bytes to the server       {stats['bytes_up']:,}")
    print(f"  bytes back                {stats['bytes_down']:,}")

    title("time")
    print(f"  {'':<26}{'wall':>9}{'a step':>11}")
    for name, result, wall in (("tinygrad CPU", cpu, cpu_wall), ("through Ringway", remote, remote_wall), ("directly", direct, direct_wall)):
        print(f"  {name:<26}{wall:>7.1f} s{1000 * result['step_s']:>8.1f} ms")
    print(f"  through Ringway / directly {remote_wall / direct_wall:>6.2f}")

    title("checks")
    checks = [
        (f"test accuracy {100 * remote['accuracy']:.2f} %, at least 95 %", remote["accuracy"] >= 0.95),
        (f"losses within 1e-3 of the CPU device's over 20 steps (worst {worst:.1e})", worst <= 1e-3),
        (f"accuracy within one point of the CPU device's ({100 * cpu['accuracy']:.2f} %)", abs(remote["accuracy"] - cpu["accuracy"]) <= 0.01),
        (f"all {steps} losses equal the direct run's bit for bit", remote["losses_hex"] == direct["losses_hex"]),
        ("accuracy equals the direct run's", remote["accuracy"] == direct["accuracy"]),
    ]
    for text, good in checks:
        print(f"  {paint('1;32', 'ok  ') if good else paint('1;31', 'FAIL')}  {text}")
    return 0 if all(good for _, good in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
