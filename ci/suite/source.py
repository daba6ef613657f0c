"""Tests of the source tree: it builds, its unit tests pass, generated files are current, packages depend one way."""

import json
import re

from .runner import RELEASE, ROOT, TARGET, require, test


@test("build", 1500)
def build(t):
    t.sh("cargo", "build", "--release", "--workspace")


@test("unit tests", 1500)
def unit_tests(t):
    t.sh("cargo", "test", "--release", "--workspace", "--no-fail-fast")


# what clippy says and is not followed
MATTERS_OF_TASTE = [
    "neg_cmp_op_on_partial_ord", "double_comparisons",  # comparisons that are false for NaN are meant
    "needless_range_loop",  # indices are lanes, rows and columns
    "unnecessary_cast", "identity_op", "doc_lazy_continuation",  # generated code
    "macro_metavars_in_unsafe",  # macros that call the driver
    "type_complexity", "too_many_arguments", "result_large_err", "nonminimal_bool", "manual_is_multiple_of",
]


@test("clippy", 1500)
def clippy(t):
    """No warning of the compiler or of clippy, in tests neither."""
    allowed = [word for lint in MATTERS_OF_TASTE for word in ("-A", f"clippy::{lint}")]
    t.sh("cargo", "clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings", *allowed)


@test("generated files are current", 300)
def generated(t):
    t.sh(RELEASE / "ringway-api-gen", "--check")


@test("exports equal the table", 60)
def exports(t):
    wanted = set((ROOT / "docs/symbols.txt").read_text().split())
    listing = t.output_of("nm", "-D", "--defined-only", RELEASE / "libringway_shim.so")
    have = {line.split()[2].split("@")[0] for line in listing.splitlines() if len(line.split()) == 3}
    driver = {name for name in have if re.match(r"cu[A-Z]", name)}
    require(driver == wanted, f"missing: {sorted(wanted - driver)[:5]}, not in the table: {sorted(driver - wanted)[:5]}")
    return f"{len(wanted)} symbols"


@test("ring under loom", 900)
def loom(t):
    # another target folder: the flag would rebuild everything else
    t.sh("cargo", "test", "--release", "-p", "ringway-shm-ring", "--test", "loom",
         env={"RUSTFLAGS": "--cfg loom", "CARGO_TARGET_DIR": str(TARGET / "loom")})


# each package, and the packages of this workspace that it may use
ALLOWED = {
    "ringway-api": set(),
    "ringway-wire": {"ringway-api"},
    "ringway-verbs": set(),
    "ringway-secure": set(),
    "ringway-shm-ring": set(),
    "ringway-link": {"ringway-api", "ringway-wire", "ringway-secure", "ringway-verbs", "ringway-shm-ring"},
    "ringway-client": {"ringway-api", "ringway-wire", "ringway-secure", "ringway-link", "ringway-shm-ring"},
    "ringway-shim": {"ringway-api", "ringway-wire", "ringway-link", "ringway-shm-ring", "ringway-client"},
    "ringway-audit": set(),
    "ringway-softgpu": {"ringway-api"},
    "ringway-worker": {"ringway-api", "ringway-wire", "ringway-secure", "ringway-link", "ringway-shm-ring"},
    "ringway-pool": {"ringway-api", "ringway-wire", "ringway-secure", "ringway-link", "ringway-verbs"},
}
# the server's side and the program that starts it; only that program may use them
TOP = {"ringway-worker", "ringway-pool", "ringway"}
# what is loaded into a user's program never links these (rustls it does link: a state machine without threads, sockets or globals)
NOT_IN_PROGRAMS = re.compile(r"^(tokio.*|async-std|smol|mio|hyper.*|reqwest|axum.*|tonic|tower.*|h2|prometheus|utoipa.*|clap|openssl.*|native-tls|rcgen)$")


@test("dependency directions", 60)
def dependency_directions(t):
    metadata = json.loads(t.output_of("cargo", "metadata", "--format-version", "1"))
    members = {package["id"]: package for package in metadata["packages"] if package["id"] in metadata["workspace_members"]}
    names = {package["name"] for package in members.values()}
    for package in members.values():
        uses = {dep["name"] for dep in package["dependencies"] if dep["name"] in names and dep["kind"] is None}
        if package["name"] in ALLOWED:
            wrong = uses - ALLOWED[package["name"]]
            require(not wrong, f"{package['name']} must not use {', '.join(sorted(wrong))}")
        if package["name"] != "ringway":
            require(not uses & TOP, f"{package['name']} must not use {', '.join(sorted(uses & TOP))}")
    # everything that the shim links, however deep
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    by_id = {package["id"]: package["name"] for package in metadata["packages"]}
    seen, todo = set(), [identity for identity, package in members.items() if package["name"] in ("ringway-shim", "ringway-audit")]
    while todo:
        identity = todo.pop()
        if identity not in seen:
            seen.add(identity)
            todo += [dep["pkg"] for dep in nodes[identity]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    wrong = sorted({by_id[identity] for identity in seen if NOT_IN_PROGRAMS.match(by_id[identity])})
    require(not wrong, f"what is loaded into programs links {', '.join(wrong)}")
    return f"{len(members)} packages, {len(seen)} linked into programs"


from . import documents  # noqa: E402,F401  (its tests come behind these)
