"""Lets PyTorch's package for CUDA be imported for its processor part alone.

Its libraries name some fourteen libraries of CUDA, 2.5 GB, which a tensor on the processor never calls. This writes an empty one for
each: it has every function that PyTorch's libraries ask of it (so that the loader is content), and each returns 0.

    torch_stubs.py FOLDER-OF-TORCH'S-LIBRARIES OUTPUT-FOLDER
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

OF_CUDA = re.compile(r"lib(cu|nccl|nv)")
FUNCTION = re.compile(r"(cu|nccl|nv|__cuda)\w+$")


def output_of(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def wanted(libraries):
    """{library: {version: functions}} that these libraries need and that none of them is. A function without a version is in "any"."""
    own, needed, wanted = {path.name for path in libraries}, set(), defaultdict(lambda: defaultdict(set))
    file_of_version = {}
    for path in libraries:
        needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-W", "-d", path)))
        for line in output_of("readelf", "-W", "-V", path).splitlines():
            if match := re.search(r"File: (\S+)", line):
                file = match.group(1)
            elif match := re.search(r"Name: (\S+)", line):
                file_of_version[match.group(1)] = file
    for path in libraries:
        for line in output_of("nm", "-D", path).splitlines():
            words = line.split()
            if len(words) == 2 and words[0] in "Uw":
                name, _, version = words[1].partition("@")
                if FUNCTION.match(name):
                    wanted[file_of_version.get(version, "any")][version].add(name)
    for name in needed - own:
        if OF_CUDA.match(name):
            wanted.setdefault(name, defaultdict(set))
    return {name: versions for name, versions in wanted.items() if OF_CUDA.match(name) or name == "any"}


def main():
    libraries, out = sorted(Path(sys.argv[1]).glob("*.so*")), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    found = wanted(libraries)
    unversioned = {name for names in found.pop("any", {}).values() for name in names}
    # The driver is the software GPU's, and the runtime may be Ringway's: what has no version goes into a library that neither answers for.
    found["libcusparseLt.so.0" if "libcusparseLt.so.0" in found else sorted(found)[-1]][""] |= unversioned
    for name, versions in found.items():
        if name == "libcuda.so.1":
            continue
        functions = sorted(set().union(*versions.values()) if versions else ())
        source, script = out / "stub.S", out / "stub.map"
        source.write_text(".text\n" + "".join(f".globl {f}\n.type {f},@function\n{f}:\n" for f in functions)
                          + "xorl %eax, %eax\nret\n.section .note.GNU-stack,\"\",@progbits\n")
        script.write_text("".join(f"{version} {{ global: {' '.join(f'{f};' for f in sorted(names))} }};\n" for version, names in versions.items() if version))
        options = [f"-Wl,--version-script={script}"] if script.read_text() else []
        subprocess.run(["cc", "-shared", "-nostdlib", f"-Wl,-soname,{name}", *options, "-o", str(out / name), str(source)], check=True)


main()
