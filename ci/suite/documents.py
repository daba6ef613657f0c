"""Tests of the documents: what they name exists, and what users can set and type is described."""

import os
import re
import subprocess

from .places import RINGWAY
from .runner import ROOT, require, test

# set by the tests themselves, not by users
OF_TESTS = {"RINGWAY_TEST_CHILD", "RINGWAY_TEST_ETCD", "RINGWAY_TEST_NODE", "RINGWAY_TEST_RDMA", "RINGWAY_TEST_STORE_FOLDER", "RINGWAY_VERBS_PAIR", "RINGWAY_VERBS_PEER", "RINGWAY_VERBS_MUST_HAVE_DEVICE", "RINGWAY_VERBS_MAY_CHANGE_LINKS"}
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


def help_of(*words):
    return subprocess.run([RINGWAY, *words, "--help"], capture_output=True, text=True, timeout=30).stdout


def commands_in(text):
    """The commands that a help lists; `help` is not one of ours."""
    return [word for word in re.findall(r"^  ([a-z]+) ", text.split("Commands:")[1].split("Options:")[0], re.M) if word != "help"] if "Commands:" in text else []


@test("commands and options are described", 60)
def options(t):
    """docs/command-line.md names each command, option and exit code of the program, and no other."""
    page = (ROOT / "docs/command-line.md").read_text()
    sections = dict(re.findall(r"^## ringway ([a-z]+)(.*?)(?=^## |\Z)", page, re.M | re.S))
    commands = commands_in(help_of())
    require(set(sections) == set(commands), f"docs/command-line.md: sections and commands differ in {sorted(set(sections) ^ set(commands))}")
    count, known = 0, {}
    for command in commands:
        helps = [help_of(command), *(help_of(command, inner) for inner in commands_in(help_of(command)))]
        options = {option for text in helps for option in re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", text.split("Examples:")[0], re.M)} - {"--help"}
        missing = sorted(option for option in options if not re.search(rf"{option}(?![a-z-])", sections[command]))
        require(not missing, f"docs/command-line.md: ringway {command} {', '.join(missing)} is not described")
        known[command] = options
        count += len(options)
    for command, section in sections.items():
        # the first column of its tables
        told = {option for row in re.findall(r"^\| (`-.*?) \|", section, re.M) for option in re.findall(r"(?<![\w-])--[a-z-]+", row)}
        gone = sorted(told - known[command])
        require(not gone, f"docs/command-line.md: ringway {command} has no {', '.join(gone)}")
    codes = re.findall(r"^  (\d+)(?:, (\d+)| \+ n)? ", help_of().split("Exit codes:")[1].split("Files:")[0], re.M)
    missing = [code for row in codes for code in row if code and code != "0" and not re.search(rf"(?<!\d){code}(?!\d)", page.split("\n## ")[0])]
    require(codes and not missing, f"docs/command-line.md: exit codes {', '.join(missing)} are not described")
    return f"{len(commands)} commands, {count} options"
