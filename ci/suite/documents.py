"""Tests of the documents: what they name exists, and what users can set and type is described."""

import os
import re
import subprocess

from .places import RINGWAY
from .runner import ROOT, require, test

# set by the tests themselves, not by users
OF_TESTS = {"RINGWAY_TEST_CHILD", "RINGWAY_TEST_RDMA", "RINGWAY_TEST_STORE_FOLDER", "RINGWAY_VERBS_PAIR", "RINGWAY_VERBS_PEER", "RINGWAY_VERBS_MUST_HAVE_DEVICE", "RINGWAY_VERBS_MAY_CHANGE_LINKS"}
PLACEHOLDERS = ("FAMILY", "NAME")


def tracked(t, *patterns):
    return t.output_of("git", "-C", str(ROOT), "ls-files", *patterns).split()


@test("documents name what exists", 60)
def names(t):
    """Links between documents, and paths of the tree that they name."""
    documents = tracked(t, "*.md")
    wrong, seen = [], 0
    for document in documents:
        text = (ROOT / document).read_text()
        links = [os.path.join(os.path.dirname(document), target) for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text)]
        paths = re.findall(r"`((?:engine|shim|ci|scripts|docs|shm-ring|verbs|perf)/[\w./-]+)`", text)
        for path in links + paths:
            if any(word in path for word in PLACEHOLDERS):
                continue
            seen += 1
            if not (ROOT / path).exists():
                wrong.append(f"{document}: {os.path.normpath(path)}")
    require(not wrong, f"named but not there: {', '.join(wrong[:5])}")
    return f"{len(documents)} documents, {seen} names"


@test("environment variables are described", 60)
def environment(t):
    read = set()
    for file in tracked(t, "*.rs", "scripts"):
        read |= set(re.findall(r"\bRINGWAY_[A-Z0-9_]*[A-Z0-9]\b", (ROOT / file).read_text(errors="replace")))
    described = set()
    for page in ("environment.md", "softgpu.md"):
        described |= set(re.findall(r"`(RINGWAY_[A-Z0-9_]*[A-Z0-9])`", (ROOT / "docs" / page).read_text()))
    missing, gone = sorted(read - described - OF_TESTS), sorted(described - read)
    require(not missing, f"not described in docs/environment.md or docs/softgpu.md: {', '.join(missing)}")
    require(not gone, f"described but read nowhere: {', '.join(gone)}")
    return f"{len(described)} variables"


@test("commands and options are described", 60)
def options(t):
    page = (ROOT / "docs/command-line.md").read_text()
    help_of = lambda *words: subprocess.run([RINGWAY, *words, "--help"], capture_output=True, text=True, timeout=30).stdout  # noqa: E731
    commands = re.findall(r"^  ([a-z]+) ", help_of().split("Commands:")[1].split("Options:")[0], re.M)
    count = 0
    for command in commands:
        if command == "help":
            continue
        section = re.search(rf"^## ringway {command}\b.*?(?=^## |\Z)", page, re.M | re.S)
        require(section, f"docs/command-line.md has no section for ringway {command}")
        for option in set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", help_of(command), re.M)) - {"--help"}:
            require(option in section[0], f"docs/command-line.md: ringway {command} {option} is not described")
            count += 1
    return f"{len(commands) - 1} commands, {count} options"
