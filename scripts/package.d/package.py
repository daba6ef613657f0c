"""Makes the .deb and the .tar.gz from a release build: which file goes where is `installed`; scripts/package is the command."""

import argparse
import contextlib
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import licences

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
RELEASE = TARGET / "release"
LIBRARIES = ("libringway_shim.so", "libringway_softgpu.so", "libringway_audit.so")
# Debian's packages of what the binaries may need; anything else is a mistake of the build
OF_PACKAGE = {"libc.so.6": "libc6", "libm.so.6": "libc6", "ld-linux-x86-64.so.2": "libc6", "libgcc_s.so.1": "libgcc-s1"}
MAINTAINER = "Ringway maintainers <maintainers@ringway.invalid>"
# what is loaded at run time where it is there
RECOMMENDED = "libibverbs1, librdmacm1"


def output_of(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"scripts/package: {' '.join(map(str, words))} ended with {done.returncode}")
    return done.stdout


def source_date():
    """SOURCE_DATE_EPOCH, else when the last commit was made."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return int(os.environ["SOURCE_DATE_EPOCH"])
    with contextlib.suppress(OSError, ValueError):
        asked = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True)
        return int(asked.stdout)
    return int((ROOT / "CHANGELOG.md").stat().st_mtime)


def own_version():
    return re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


class Tree:
    """The files of a package, by the path at which they lie in it."""

    def __init__(self, folder, date):
        self.folder, self.date = folder, date

    def add(self, path, source, mode=0o644):
        """A file by its bytes or its path."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        place.chmod(mode)
        return place

    def add_gzipped(self, path, source):
        data = source if isinstance(source, bytes) else source.read_bytes()
        self.add(f"{path}.gz", gzip.compress(data, 9, mtime=0))

    def finish(self):
        """The same modes and times, whoever makes the package and when."""
        for path in [self.folder, *self.folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (self.date, self.date), follow_symlinks=False)


def commands_of(program):
    """The commands that the program has: a unit goes with its command."""
    shown = output_of(program, "--help").split("Commands:")[1]
    return set(re.findall(r"^  ([a-z]+) ", shown, re.M))


def installed(tree, program, prefix, vendor):
    """Where each file lies: under `prefix` (usr/, or nothing in an archive), completions where `vendor` says."""
    lib = tree.folder / f"{prefix}lib/ringway"
    tree.add(f"{prefix}bin/ringway", program, 0o755)
    for name in LIBRARIES:
        tree.add(f"{prefix}lib/ringway/{name}", RELEASE / name)
    output_of("strip", "--strip-unneeded", tree.folder / f"{prefix}bin/ringway", *lib.iterdir())
    with tempfile.TemporaryDirectory() as pages:
        output_of(program, "man", pages, "--date", time.strftime("%Y-%m-%d", time.gmtime(tree.date)))
        for page in sorted(Path(pages).iterdir()):
            tree.add_gzipped(f"{prefix}share/man/man1/{page.name}", page)
    for shell, path in vendor.items():
        tree.add(f"{prefix}share/{path}", output_of(program, "completions", shell).encode())
    commands = commands_of(program)
    for unit in sorted((HERE / "systemd").iterdir()):
        if unit.stem.removeprefix("ringway-") in commands:
            tree.add(f"{prefix}lib/systemd/system/{unit.name}", unit)
    # boards for Grafana and the like
    for file in sorted((HERE / "share").rglob("*")) if (HERE / "share").is_dir() else []:
        if file.is_file():
            tree.add(f"{prefix}share/ringway/{file.relative_to(HERE / 'share')}", file)
    tree.add(f"{prefix}share/ringway/grafana/ringway.json", ROOT / "docs/grafana/ringway.json")
    doc = f"{prefix}share/doc/ringway"
    for page in ("README.md", "SECURITY.md", "CHANGELOG.md"):
        tree.add_gzipped(f"{doc}/{page}", ROOT / page)
    for page in sorted((ROOT / "docs").glob("*.md")):
        tree.add_gzipped(f"{doc}/docs/{page.name}", page)
    tree.add_gzipped(f"{doc}/third-party-licences.txt", licences.text(ROOT).encode())
    return commands


def settings(tree, folder, commands):
    """The examples that are the configuration until somebody changes them; only root reads what may hold a secret."""
    paths = []
    for file in sorted((HERE / "etc").iterdir()):
        if file.stem in commands or file.stem == "ringway":
            tree.add(f"{folder}/{file.name}", file, 0o644 if file.stem == "ringway" else 0o600)
            paths.append(f"/{folder}/{file.name}")
    return paths


def dependencies(tree):
    """What the binaries need of a system, from the binaries."""
    oldest, packages = (0, 0), set()
    for binary in [tree.folder / "usr/bin/ringway", *sorted((tree.folder / "usr/lib/ringway").iterdir())]:
        listing = output_of("objdump", "-p", binary)
        for library in re.findall(r"^\s+NEEDED\s+(\S+)", listing, re.M):
            if library not in OF_PACKAGE:
                sys.exit(f"scripts/package: {binary.name} needs {library}, which no package is known for")
            packages.add(OF_PACKAGE[library])
        versions = [tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_(\d+\.\d+)", listing)]
        oldest = max(oldest, *versions)
    named = {"libc6": f"libc6 (>= {oldest[0]}.{oldest[1]})"}
    return ", ".join(sorted(named.get(package, package) for package in packages) + ["passwd"])


def control(version, depends, size_kib):
    description = (HERE / "debian/description").read_text().rstrip("\n")
    return (f"Package: ringway\nVersion: {version}\nSection: utils\nPriority: optional\nArchitecture: amd64\n"
            f"Maintainer: {MAINTAINER}\nInstalled-Size: {size_kib}\n"
            f"Depends: {depends}\nRecommends: {RECOMMENDED}\nDescription: {description}\n")


def debian_changelog(version, date):
    when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(date))
    return f"ringway ({version}) unstable; urgency=medium\n\n  * What changed is in CHANGELOG.md.\n\n -- {MAINTAINER}  {when}\n".encode()


def make_deb(out, program, version, date):
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(Path(folder) / "root", date)
        commands = installed(tree, program, "usr/", {"bash": "bash-completion/completions/ringway", "zsh": "zsh/vendor-completions/_ringway",
                                                     "fish": "fish/vendor_completions.d/ringway.fish"})
        conffiles = settings(tree, "etc/ringway", commands)
        tree.add("usr/share/doc/ringway/copyright", HERE / "debian/copyright")
        tree.add("usr/share/lintian/overrides/ringway", HERE / "debian/lintian-overrides")
        tree.add_gzipped("usr/share/doc/ringway/changelog", debian_changelog(version, date))
        size_kib = sum(file.stat().st_size // 1024 + 1 for file in tree.folder.rglob("*") if file.is_file())
        sums = output_of("md5sum", *(file.relative_to(tree.folder) for file in sorted((tree.folder / "usr").rglob("*")) if file.is_file()), cwd=tree.folder)
        depends = dependencies(tree)
        tree.add("DEBIAN/control", control(version, depends, size_kib).encode())
        tree.add("DEBIAN/conffiles", "".join(f"{path}\n" for path in conffiles).encode())
        tree.add("DEBIAN/md5sums", sums.encode())
        for script in ("postinst", "prerm", "postrm"):
            tree.add(f"DEBIAN/{script}", HERE / "debian" / script, 0o755)
        tree.finish()
        path = out / f"ringway_{version}_amd64.deb"
        output_of("dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--build", tree.folder, path, env={**os.environ, "SOURCE_DATE_EPOCH": str(date)})
    return path


def make_archive(out, program, version, date):
    name = f"ringway-{version}-x86_64"
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(Path(folder) / name, date)
        commands = installed(tree, program, "", {"bash": "bash-completion/completions/ringway", "zsh": "zsh/site-functions/_ringway",
                                                 "fish": "fish/vendor_completions.d/ringway.fish"})
        settings(tree, "etc/ringway", commands)
        for unit in (tree.folder / "lib/systemd/system").iterdir():
            unit.write_text(unit.read_text().replace("/usr/bin/ringway", "/usr/local/bin/ringway"))
        tree.add("INSTALL", HERE / "INSTALL")
        tree.add("LICENSE", ROOT / "LICENSE")
        tree.finish()
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in [tree.folder, *sorted(tree.folder.rglob("*"))]:
                row = archive.gettarinfo(path, path.relative_to(folder).as_posix())
                row.uid = row.gid = 0
                row.uname = row.gname = "root"
                with open(path, "rb") if path.is_file() else contextlib.nullcontext() as file:
                    archive.addfile(row, file)
        path = out / f"{name}.tar.gz"
        path.write_bytes(gzip.compress(data.getvalue(), 6, mtime=0))
    return path


def main():
    parser = argparse.ArgumentParser(prog="scripts/package", description="Makes the packages of Ringway.")
    parser.add_argument("--no-build", action="store_true", help="take the release build that is there")
    parser.add_argument("--out", type=Path, default=TARGET / "package", help="folder for the packages")
    parser.add_argument("--version", default=own_version(), help="version of the packages")
    parser.add_argument("--only", choices=("deb", "archive"), help="make one of them")
    arguments = parser.parse_args()
    if not re.fullmatch(r"\d[\w.+~]*", arguments.version):
        parser.error(f"{arguments.version!r} is no version; write one as 0.1.1~test")
    program = RELEASE / "ringway"
    missing = [str(file) for file in (program, *(RELEASE / name for name in LIBRARIES)) if not file.is_file()]
    if missing:
        sys.exit(f"scripts/package: {', '.join(missing)} is not there; build first, by leaving --no-build out")
    if not shutil.which("dpkg-deb") and arguments.only != "archive":
        sys.exit("scripts/package: there is no dpkg-deb on this machine; --only archive does without")
    os.umask(0o022)
    arguments.out.mkdir(parents=True, exist_ok=True)
    date = source_date()
    makers = {"deb": make_deb, "archive": make_archive}
    for name, make in makers.items():
        if arguments.only in (None, name):
            print(make(arguments.out.absolute(), program, arguments.version, date))


if __name__ == "__main__":
    main()
