"""Compares two journals of the software GPU: a program run directly, and the same program run through Ringway.

    python3 -m ci.journal_compare [--unordered] [--images-vary] DIRECT RINGWAY

What is compared and what is left out is written in docs/journal-rules.md; the numbers in the comments below are its rules.
"""

import argparse
import collections
import json
import re
import sys

# Rule 6: Ringway cuts copies into pieces of so many bytes, or of a multiple.
PIECE = 256 << 10

# Rule 1: calls that are work. Everything else is set-up, a question, or waiting.
COPIES = {"HtoD": "htod", "DtoH": "dtoh", "DtoD": "dtod"}
WORK = re.compile(
    r"^cu(Memcpy|Memset|Launch|EventRecord$|EventRecordWithFlags$|StreamWaitEvent$|GraphLaunch$|GraphAdd\w*Node|GraphExecKernelNodeSetParams|"
    r"GraphExecMemcpyNodeSetParams|StreamWaitValue|StreamWriteValue|StreamBatchMemOp)")
LOADS = re.compile(r"^cu(ModuleLoad|LibraryLoad|LinkAddData)")

ADDRESS = re.compile(r"^(mem|pinned|managed|vmm|reserved|range|array|global|module|registered|pool)\w*#\d+\+\d+$|^host$|^null$")
HANDLE = re.compile(r"^([a-z_]+)#(\d+)$")
DEFAULT_STREAMS = {None, "null", "stream:legacy", 0}


class Difference(Exception):
    """The journals do not agree; the text says where."""


def read(path):
    """The lines of a journal in the order of the calls; data that came later is put to its call."""
    calls, later = [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                # a process that was ended may leave half a line at the end
                if line.endswith("\n"):
                    raise Difference(f"{path}:{number} is not JSON") from None
                continue
            (later if "of" in entry else calls).append(entry)
    calls.sort(key=lambda call: call["seq"])
    by_seq = {call["seq"]: call for call in calls}
    for entry in later:
        call = by_seq.get(entry["of"])
        if call is not None:
            call.setdefault("data", {}).update({key: value for key, value in entry.items() if key != "of"})
    return calls


def plain_name(function):
    """Rule 2: a name without its version, its per-thread variant, and without Async."""
    return re.sub(r"(_v\d+)?(_ptsz|_ptds)?$", "", function).replace("Async", "")


def position(value):
    """(base, offset) of an address in a journal, or None."""
    match = re.match(r"^(\w+#\d+)\+(\d+)$", value) if isinstance(value, str) else None
    return (match.group(1), int(match.group(2))) if match else None


class Journal:
    """What a journal says that is compared: work per stream, and what was loaded."""

    def __init__(self, path):
        self.path = path
        self.calls = read(path)
        self.names = {}  # Rule 4: handles, numbered anew by their first use
        self.counts = collections.Counter()
        self.loaded = collections.Counter()
        self.streams = collections.OrderedDict()
        # Rule 10: an event counts if a stream waits for it; the worker watches events of its own
        self.awaited = {call["in"]["hEvent"] for call in self.calls if plain_name(call["fn"]) == "cuStreamWaitEvent"}
        for call in self.calls:
            if call["result"] != 0:  # Rule 5: a refused call did nothing
                continue
            name = plain_name(call["fn"])
            if LOADS.match(name):
                image = call.get("data", {}).get("image")
                if image is not None:
                    self.loaded[image] += 1
            elif WORK.match(name) and not (name.startswith("cuEventRecord") and call["in"]["hEvent"] not in self.awaited):
                self.add(name, call)

    def canonical(self, value):
        if isinstance(value, dict):
            return {key: self.canonical(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.canonical(item) for item in value]
        if isinstance(value, str):
            if ADDRESS.match(value):
                return "address"  # Rule 3
            match = HANDLE.match(value)
            if match:
                kind = match.group(1)
                if value not in self.names:
                    self.counts[kind] += 1
                    self.names[value] = f"{kind}#{self.counts[kind]}"
                return self.names[value]
        return value

    def add(self, name, call):
        arguments = dict(call["in"])
        data = dict(call.get("data", {}))
        stream = data.pop("stream", None) or arguments.pop("hStream", None)
        stream = "default" if stream in DEFAULT_STREAMS else self.canonical(stream)
        queue = self.streams.setdefault(stream, [])
        kind = next((COPIES[key] for key in COPIES if key in name), None) if name.startswith("cuMemcpy") else None
        if name == "cuMemcpy" and "byteCount" in arguments:  # unified addressing: the data says which way it went
            kind = "htod" if "htod" in data else "dtoh" if "dtoh" in data else "dtod"
        if kind and "byteCount" in arguments:
            # the device's end; the host's is not compared
            source = position(arguments.get("srcDevice", arguments.get("src"))) if kind != "htod" else None
            target = position(arguments.get("dstDevice", arguments.get("dst"))) if kind != "dtoh" else None
            size, last = arguments["byteCount"], queue[-1] if queue else None
            # Rule 6: pieces that continue each other are one copy
            if last and last[0] == kind and last[1]["bytes"] % PIECE == 0 and continues(last[2], source) and continues(last[3], target):
                last[1]["bytes"] += size
                last[1]["hash"] = None
                last[2], last[3] = after(source, size), after(target, size)
                return
            queue.append([kind, {"bytes": size, "hash": data.get(kind)}, after(source, size), after(target, size)])
            return
        box = data.get("box")
        if box and kind is None and ("htod" in data) != ("dtoh" in data):
            # Rule 6: a copy of a box from or to the host is a copy of each of its rows
            kind = "htod" if "htod" in data else "dtoh"
            self.add_rows(queue, kind, box)
            return
        if "kernel" in data:  # Rule 7: a launch is what the driver understood, whichever function asked for it
            arguments = {}
            name = "launch" if name.startswith("cuLaunch") else name
        queue.append([name, {"in": self.canonical(arguments), "data": self.canonical(data)}, None, None])


    def add_rows(self, queue, kind, box):
        width, height, depth = box["extent"][:3]
        source_pitch, source_slice, target_pitch, target_slice = box["pitches"]
        source, target = (position(end) for end in box["ends"])
        source, target = (None, target) if kind == "htod" else (source, None)
        rows = width * height
        if (source_pitch == target_pitch == width or height == 1) and (source_slice == target_slice == rows or depth == 1):
            # without a gap at either end it is one run
            width, height, depth = rows * depth, 1, 1
        for layer in range(depth):
            for row in range(height):
                a = (source[0], source[1] + layer * source_slice + row * source_pitch) if source else None
                b = (target[0], target[1] + layer * target_slice + row * target_pitch) if target else None
                queue.append([kind, {"bytes": width, "hash": None}, after(a, width), after(b, width)])


def continues(end, start):
    return end is not None and start is not None and end == start or end is None and start is None


def after(place, size):
    return (place[0], place[1] + size) if place else None


def show(record):
    return f"{record[0]} {json.dumps(record[1], sort_keys=True)}"[:600]


def same(a, b):
    if a[0] != b[0]:
        return False
    if a[0] in COPIES.values():
        hashes = (a[1]["hash"], b[1]["hash"])
        return a[1]["bytes"] == b[1]["bytes"] and (None in hashes or hashes[0] == hashes[1])
    return a[1] == b[1]


def compare(direct, ringway, ordered=True, same_images=True):
    """Raises Difference, or returns a line that says how much agreed."""
    missing = set(direct.loaded) - set(ringway.loaded)
    extra = set(ringway.loaded) - set(direct.loaded)
    # Rule 8: what is loaded, not how often; only how many images where a compiler does not write the same twice
    if (missing or extra) and (same_images or len(missing) != len(extra)):
        raise Difference(f"images loaded differ: {len(missing)} only directly, {len(extra)} only through Ringway")
    compared = hashes = 0
    if ordered:
        if len(direct.streams) != len(ringway.streams):
            raise Difference(f"work on {len(direct.streams)} streams directly, on {len(ringway.streams)} through Ringway: "
                             f"{list(direct.streams)} and {list(ringway.streams)}")
        for (name, a), (other, b) in zip(direct.streams.items(), ringway.streams.items()):
            for number, (x, y) in enumerate(zip(a, b)):
                if not same(x, y):
                    raise Difference(f"call {number} on stream {name} ({other}) differs:\n  directly  {show(x)}\n  Ringway   {show(y)}")
                hashes += x[0] in COPIES.values() and x[1]["hash"] is not None and y[1]["hash"] is not None
            if len(a) != len(b):
                longer = a if len(a) > len(b) else b
                raise Difference(f"stream {name}: {len(a)} calls directly, {len(b)} through Ringway; the first that is alone: {show(longer[min(len(a), len(b))])}")
            compared += len(a)
    else:  # Rule 9: threads of a program submit in any order
        def tally(journal):
            return collections.Counter(
                json.dumps([row[0], {key: value for key, value in row[1].items()} if row[0] in COPIES.values() else without_handles(row[1])], sort_keys=True)
                for queue in journal.streams.values() for row in queue)
        a, b = tally(direct), tally(ringway)
        if a != b:
            only = (a - b) or (b - a)
            raise Difference(f"{sum((a - b).values())} calls only directly, {sum((b - a).values())} only through Ringway; one of them: {next(iter(only))[:600]}")
        compared = sum(a.values())
    return f"{compared} driver calls agree" + (f", {hashes} with data" if hashes else "")


def without_handles(value):
    if isinstance(value, dict):
        return {key: without_handles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_handles(item) for item in value]
    return re.sub(r"#\d+$", "", value) if isinstance(value, str) else value


def compare_files(direct, ringway, ordered=True, same_images=True):
    a, b = Journal(direct), Journal(ringway)
    if not a.streams:
        if b.streams:
            raise Difference("no work directly, but some through Ringway")
        return "no driver work in either journal"
    return compare(a, b, ordered, same_images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unordered", action="store_true", help="the program's threads submit in any order")
    parser.add_argument("--images-vary", action="store_true", help="the program's compiler does not write the same image twice")
    parser.add_argument("direct")
    parser.add_argument("ringway")
    arguments = parser.parse_args()
    try:
        print(compare_files(arguments.direct, arguments.ringway, not arguments.unordered, not arguments.images_vary))
    except (Difference, OSError) as problem:
        print(f"journals differ: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
