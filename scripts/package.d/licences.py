"""The licences of what is linked into the binaries: of each crate its name, version, licence and the texts that it comes with."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

OURS = ("ringway", "ringway-shim", "ringway-audit", "ringway-softgpu")
TEXTS = ("LICEN", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")


def linked(root):
    """The crates that the installed binaries link, by cargo's own account; build tools and macros are not among them."""
    asked = subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"],
                           cwd=root, stdout=subprocess.PIPE, text=True)
    if asked.returncode != 0:
        sys.exit("scripts/package: cargo metadata failed")
    metadata = json.loads(asked.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    todo, seen = [identity for identity, package in packages.items() if package["name"] in OURS and not package["source"]], set()
    while todo:
        identity = todo.pop()
        if identity in seen or any("proc-macro" in target["kind"] for target in packages[identity]["targets"]):
            continue
        seen.add(identity)
        todo += [dep["pkg"] for dep in nodes[identity]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return sorted((packages[identity] for identity in seen if packages[identity]["source"]), key=lambda package: (package["name"], package["version"]))


def text(root):
    crates = linked(root)
    lines = ["Ringway links the crates below, and Rust's standard library (https://github.com/rust-lang/rust, MIT OR Apache-2.0).", ""]
    who = defaultdict(list)
    for crate in crates:
        name = f"{crate['name']} {crate['version']}"
        licence = crate["license"]
        if not licence and not crate["license_file"]:
            sys.exit(f"scripts/package: the crate {name} names no licence")
        lines.append(f"{name}: {licence or 'see its text'}" + (f", {crate['repository']}" if crate["repository"] else ""))
        for file in sorted(Path(crate["manifest_path"]).parent.iterdir()):
            if file.is_file() and file.name.upper().startswith(TEXTS):
                who["\n".join(line.rstrip() for line in file.read_text(errors="replace").strip().splitlines())].append(name)
    for body, names in sorted(who.items(), key=lambda row: row[1]):
        lines += ["", "=" * 100, "Of " + ", ".join(dict.fromkeys(names)) + ":", "", body]
    return "\n".join(lines) + "\n"
