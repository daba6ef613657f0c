"""The packages: what is in them, installed into a root of their own, a program run from there, an upgrade under a running server, and
removal."""

import functools
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .clients import CLIENTS
from .places import RINGWAY, setup
from .robustness import is_spare, until
from .runner import ROOT, TARGET, last_line, require, test

HERE = ROOT / "scripts/package.d"
PROGRAM = CLIENTS / "behaviour/pattern.py"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKET = "unix:/run/ringway/serve.sock"


class Root:
    """This machine's files with a layer of the test's own over them, in a mount namespace; the source tree is not in it."""

    def __init__(self, t, name):
        self.t, self.base = t, Path(tempfile.mkdtemp(prefix="ringway-root-"))
        # a tree whose mount points do not come along: /proc and /dev are bound, /tmp and the source tree are empty
        hidden = " ".join(shlex.quote(str(path)) for path in {ROOT, TARGET} if path.is_dir())
        script = f"""set -e
            cd {shlex.quote(str(self.base))}
            mount -t tmpfs tmpfs . && cd "$PWD"
            mkdir upper work root
            mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
            for folder in proc dev; do mount --rbind /$folder root/$folder; done
            for folder in tmp run; do mount -t tmpfs tmpfs root/$folder; done
            for folder in {hidden}; do [ ! -d "root$folder" ] || mount -t tmpfs tmpfs "root$folder"; done
            chmod 1777 root/tmp
            echo mounted
            exec sleep 600"""
        self.holder = t.start(["unshare", "--mount", "--propagation", "private", "bash", "-c", script], label=f"root-{name}")
        self.holder.wait_for_text("mounted")
        self.bring(PROGRAM, "/tmp/pattern.py")

    @staticmethod
    def unavailable():
        """Why there cannot be one; None where there can."""
        if os.geteuid() != 0:
            return "a root folder of its own needs root"
        probe = ('d=$(mktemp -d) && mount -t tmpfs tmpfs $d && cd $d && mkdir u w r && mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w r'
                 ' && test -x r/usr/bin/dpkg -a -x r/usr/bin/python3; e=$?; cd /; umount -R $d; rmdir $d; exit $e')
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", probe], capture_output=True, text=True, timeout=60)
        return None if done.returncode == 0 else f"no overlay of / with dpkg and python3 can be made here ({last_line(done.stderr)})"

    def words(self, *command, user=None):
        inside = ["nsenter", "--mount", "--target", self.holder.pid, "chroot", self.base / "root", "env", "-i", f"PATH={PATH}", "HOME=/nonexistent", "LC_ALL=C.UTF-8"]
        if user:
            inside += ["setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", "--"]
        return [*inside, *command]

    def start(self, *command, user=None, label=None):
        return self.t.start(self.words(*command, user=user), cwd="/", label=label or Path(str(command[0])).name)

    def output_of(self, *command, user=None):
        done = self.start(*command, user=user)
        code = done.wait()
        require(code == 0, f"{shlex.join(map(str, command))} ended with {code}: {last_line(done.errors())}")
        return done.output()

    def bring(self, source, path, mode=0o644):
        data = Path(source).read_bytes() if not isinstance(source, bytes) else source
        done = subprocess.run(list(map(str, self.words("sh", "-c", f"cat > {shlex.quote(path)} && chmod {mode:o} {shlex.quote(path)}"))), input=data, timeout=60)
        require(done.returncode == 0, f"{path} cannot be written in the root folder")

    def changed(self):
        """What lies in the test's layer: files that were made, changed or taken away."""
        listing = subprocess.run(["nsenter", "--mount", "--target", str(self.holder.pid), "find", str(self.base / "upper"), "!", "-type", "d"],
                                 capture_output=True, text=True, timeout=60)
        return {line.removeprefix(str(self.base / "upper")) for line in listing.stdout.splitlines()}

    def close(self):
        self.holder.stop(signal.SIGKILL)
        self.base.rmdir()


@functools.cache
def packages_of():
    """Both packages, from the release build that is there."""
    setup("need_binutils")
    out = TARGET / "ci-packages"
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run(["scripts/package", "--no-build", "--out", out], cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(done.returncode == 0, f"scripts/package: {last_line(done.stdout)}")
    (deb,), (archive,) = out.glob("ringway_*_amd64.deb"), out.glob("ringway-*-x86_64.tar.gz")
    return deb, archive


def contents(t, deb):
    """What dpkg-deb says of the package: owners, modes and times of all files, and the paths."""
    paths = set()
    for line in t.output_of("dpkg-deb", "--contents", deb, env={"TZ": "UTC"}).splitlines():
        mode, owner, _, day, hour, path = line.split(maxsplit=5)
        require(owner == "root/root", f"{path} belongs to {owner}")
        require(mode[8] != "w" and mode[5] != "w", f"{path} can be written by others: {mode}")
        require((day, hour) == ("2023-11-14", "22:13"), f"{path} has the time {day} {hour}, not that of SOURCE_DATE_EPOCH")
        paths.add(path.removeprefix("."))
    wanted = ["/usr/bin/ringway", "/etc/ringway/serve.toml", "/etc/ringway/ringway.toml", "/usr/lib/systemd/system/ringway-serve.service",
              "/usr/share/man/man1/ringway.1.gz", "/usr/share/man/man1/ringway-run.1.gz", "/usr/share/man/man1/ringway-token-create.1.gz",
              "/usr/share/doc/ringway/copyright", "/usr/share/doc/ringway/third-party-licences.txt.gz",
              "/usr/share/bash-completion/completions/ringway", "/usr/share/zsh/vendor-completions/_ringway",
              "/usr/share/fish/vendor_completions.d/ringway.fish", *(f"/usr/lib/ringway/libringway_{name}.so" for name in ("shim", "softgpu", "audit"))]
    missing = [path for path in wanted if path not in paths]
    require(not missing, f"the package lacks {', '.join(missing)}")
    info = t.output_of("dpkg-deb", "--info", deb)
    require(re.search(r"Depends: libc6 \(>= 2\.\d+\), libgcc-s1, passwd", info), f"dependencies: {info}")
    return paths


def another_version(t, deb):
    """The same files as a later version."""
    folder = t.folder / "later"
    shutil.rmtree(folder, ignore_errors=True)
    t.sh("dpkg-deb", "--raw-extract", deb, folder)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", "Version: 99.1", control.read_text(), flags=re.M))
    settings = folder / "etc/ringway/serve.toml"
    settings.write_text(settings.read_text() + "# of the later version\n")
    later = t.folder / "later.deb"
    t.sh("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", folder, later)
    return later


def program_runs(root, *options, ringway="ringway", user=None, rounds=("4", "3")):
    words = [ringway, "run", *options, "-m", "64", "--", "/usr/bin/python3", "/tmp/pattern.py", *rounds]
    done = root.start(*words, user=user, label="installed-run")
    code = done.wait()
    require(code == 0 and "all equal" in done.output(), f"{shlex.join(words)} ended with {code}: {last_line(done.errors())}")
    return done.errors()


def look_at_pages(root):
    """Manual pages without a warning of the formatter, and completions that shells take."""
    pages = root.output_of("sh", "-c", "ls /usr/share/man/man1/ringway*.1.gz").split()
    for page in pages:
        shown = root.start("man", "--warnings", "--no-hyphenation", "-l", page)
        code = shown.wait()
        # A line that cannot be broken, as a list of alternatives in a synopsis, is no fault of the page's source.
        errors = [line for line in shown.errors().splitlines() if line.strip() and not line.endswith("cannot adjust line")]
        require(code == 0 and not errors, f"{page}: {errors or code}")
        name = Path(page).name.removesuffix(".1.gz")
        require(re.search(rf"^NAME\s+{name}\s+-", re.sub(r".\x08", "", shown.output()), re.M), f"{page} does not say what it is")
    words = root.output_of("bash", "-c", "source /usr/share/bash-completion/completions/ringway; COMP_WORDS=(ringway co); COMP_CWORD=1;"
                           " _ringway ringway co ringway; echo ${COMPREPLY[@]}").split()
    require({"config", "coverage", "completions"} <= set(words), f"bash completes `ringway co` to {words}")
    for shell, path in (("zsh", "/usr/share/zsh/vendor-completions/_ringway"), ("fish", "/usr/share/fish/vendor_completions.d/ringway.fish")):
        if shutil.which(shell, path=PATH):
            root.output_of(shell, "-n", path)
    return len(pages)


def look_at_units(root):
    """systemd's own verdict on the units, where systemd-analyze is."""
    if not shutil.which("systemd-analyze", path=PATH):
        return "units not verified: no systemd-analyze"
    for unit in root.output_of("sh", "-c", "ls /usr/lib/systemd/system/ringway-*.service").split():
        told = root.start("systemd-analyze", "verify", "--man=no", unit)
        code = told.wait()
        ours = [line for line in told.errors().splitlines() if "ringway" in line]
        require(code == 0 and not ours, f"{unit}: {last_line(told.errors())}")
    return "units verified"


def look_at_configuration(root):
    """The files of /etc/ringway hold as the documentation says, for root and for others."""
    rows = json.loads(root.output_of("ringway", "config", "show", "--json", "serve"))
    (listen,) = [row for row in rows if row["setting"] == "listen"]
    require(listen["file"] == "/etc/ringway/serve.toml" and SOCKET in listen["value"], f"listen: {listen}")
    as_other = root.output_of("ringway", "config", "show", "--json", "serve", user="nobody")
    require('"/etc/ringway' not in as_other, "a file that only root may read was read by another user")
    root.bring(b"[run]\nquiet = true\nmemory = 100\n", "/etc/ringway/site.toml")
    require(" by shm " not in program_runs(root, "--driver", "softgpu", user="nobody"), "quiet = true in /etc/ringway was not heard")
    for mode, owner, cure in (("666", "root", "chmod go-w"), ("644", "nobody", "chown root")):
        root.output_of("sh", "-c", f"chmod {mode} /etc/ringway/site.toml; chown {owner} /etc/ringway/site.toml")
        refused = root.start("ringway", "list", user="nobody")
        require(refused.wait() == 125 and f"{cure} /etc/ringway/site.toml" in refused.errors(), f"mode {mode}, {owner}: {refused.errors()}")
    root.output_of("rm", "/etc/ringway/site.toml")


def unit_words(command):
    """The command as its unit runs it, as far as it goes without systemd: with its capabilities and no way to more."""
    text = (HERE / "systemd/ringway-serve.service").read_text()
    kept = re.search(r"^CapabilityBoundingSet=(.*)", text, re.M)[1].lower().replace("cap_", "+").split()
    folder = re.search(r"^Environment=(XDG_RUNTIME_DIR=\S+)", text, re.M)[1]
    return ["setpriv", "--bounding-set", ",".join(["-all", *kept]), "--no-new-privs", "env", folder, *command]


def workers_of(server):
    children = Path(f"/proc/{server.pid}/task").glob("*/children")
    found = [int(child) for file in children for child in file.read_text().split()]
    return [child for child in found if b"\0worker\0" in Path(f"/proc/{child}/cmdline").read_bytes() and not is_spare(child)]


def upgrade_under_a_server(root, later):
    """A server as the service runs it, with settings that the administrator changed, goes on while the package is replaced."""
    root.output_of("sed", "-i", f's|^listen = .*|listen = ["{SOCKET}"]|; s|^# name = .*|name = "changed"|', "/etc/ringway/serve.toml")
    root.output_of("mkdir", "/run/ringway")
    server = root.start(*unit_words(["/usr/bin/ringway", "serve", "--driver", "softgpu", "--announce"]), label="serve")
    server.wait_for_text("ready ")
    program_runs(root, "--server", SOCKET)
    root.bring(later.read_bytes(), "/tmp/later.deb")
    root.output_of("dpkg", "--force-confold", "-i", "/tmp/later.deb")
    require("changed" in root.output_of("cat", "/etc/ringway/serve.toml"), "the upgrade did not keep the administrator's settings")
    program = root.start("ringway", "run", "--server", SOCKET, "-m", "64", "--", "/usr/bin/python3", "/tmp/pattern.py", "1", "1000", "0.05", label="under-upgrade")
    program.wait_for_text("round 3")
    (worker,) = workers_of(server)
    same = [os.readlink(f"/proc/{pid}/exe") for pid in (worker, server.pid)]
    require(same[0] == same[1] and same[0].endswith("(deleted)"), f"worker and server run {same}, not both what was there before the upgrade")
    uid = re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{worker}/status").read_text(), re.M)[1]
    require(uid == root.output_of("id", "-u", "ringway-worker").strip() != "0", f"the worker runs as uid {uid}, not as ringway-worker")
    reloaded(root, server, program, worker)
    program.stop()
    server.stop()
    until(lambda: not Path(f"/proc/{worker}").exists(), "the end of the worker", 20)
    # and the new one starts, with the old settings
    server = root.start(*unit_words(["/usr/bin/ringway", "serve", "--driver", "softgpu", "--announce"]), label="serve")
    server.wait_for_text("ready ")
    require(json.loads(root.output_of("ringway", "list", "--server", SOCKET, "--json"))[0]["server"] == "changed", "the new server has other settings")
    program_runs(root, "--server", SOCKET)
    server.stop()


def reloaded(root, server, program, worker):
    """What the package's scripts have systemd do: the new version takes the place of the old one, and the program goes on."""
    unit = (HERE / "systemd/ringway-serve.service").read_text()
    require("\nExecReload=/bin/kill -USR2 $MAINPID\n" in unit, "the unit has another way to reload")
    require("systemctl reload ringway-serve.service" in (HERE / "debian/postinst").read_text(), "an upgrade does not reload the server")
    os.kill(server.pid, signal.SIGUSR2)
    until(lambda: "took the place of" in server.errors() or "not restarted" in server.errors(), "the new version to take over", 40)
    rounds = program.output().count("round ")
    until(lambda: program.output().count("round ") > rounds + 2, "the program to go on")
    runs = os.readlink(f"/proc/{server.pid}/exe")
    require(not runs.endswith("(deleted)") and workers_of(server) == [worker], f"the server runs {runs}, its workers are {workers_of(server)}: {last_line(server.errors())}")
    other = root.start("ringway", "run", "--server", SOCKET, "-m", "64", "--", "/usr/bin/python3", "/tmp/pattern.py", "1", "1000", "0.05", label="after-upgrade")
    other.wait_for_text("round 3")
    (new,) = set(workers_of(server)) - {worker}
    require(os.readlink(f"/proc/{new}/exe") == runs, "a new session has an old worker")
    other.stop()
    until(lambda: workers_of(server) == [worker], "the end of the new session", 20)


def removal(root, paths, before):
    root.output_of("dpkg", "--remove", "ringway")
    there = root.output_of("sh", "-c", "ls -d /usr/bin/ringway /usr/lib/ringway /etc/ringway/serve.toml 2>/dev/null || true").split()
    require(there == ["/etc/ringway/serve.toml"], f"removed, there is still {there}, not the settings alone")
    root.output_of("dpkg", "--purge", "ringway")
    files = [path for path in paths if not path.endswith("/")]
    left = root.output_of("sh", "-c", f"ls -d {shlex.join(files)} /var/lib/ringway /var/lib/ringway-pool /etc/ringway 2>/dev/null || true").split()
    require(not left, f"purged, there is still {left[:5]}")
    # whatever else the scripts made
    ours = re.compile(r"^/(var/lib/dpkg|var/log|var/cache|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/\.pwd\.lock$)")
    left = sorted(path for path in root.changed() - before if not ours.match(path))
    require(not left, f"purged, the root folder still differs in {left[:5]}")
    users = root.start("getent", "passwd", "ringway", "ringway-worker")
    require(users.wait() == 2 and not users.output(), f"purged, there are still users: {users.output()}")


@test("packages", 400)
def packages(t):
    """The .deb as on a machine of its own: install, run, upgrade under a server, remove."""
    deb, _ = packages_of()
    paths = contents(t, deb)
    why = Root.unavailable()
    if why:
        folder = t.folder / "extracted"
        shutil.rmtree(folder, ignore_errors=True)
        t.sh("dpkg-deb", "--extract", deb, folder)
        done = t.start([folder / "usr/bin/ringway", "run", "--driver", "softgpu", "-m", "64", "--", "python3", PROGRAM, "4", "3"], cwd="/", label="extracted-run")
        require(done.wait() == 0 and "all equal" in done.output(), f"from the extracted package: {last_line(done.errors())}")
        return f"extracted only: {why}"
    later = another_version(t, deb)
    root = Root(t, "deb")
    try:
        before = root.changed()
        root.bring(deb.read_bytes(), "/tmp/ringway.deb")
        root.output_of("dpkg", "-i", "/tmp/ringway.deb")
        modes = root.output_of("stat", "-c", "%n %U:%G %a", "/var/lib/ringway", "/var/lib/ringway-pool").splitlines()
        require(modes == ["/var/lib/ringway root:root 700", "/var/lib/ringway-pool ringway:ringway 700"], f"state folders: {modes}")
        said = program_runs(root, "--driver", "softgpu", user="nobody")
        require(" by shm " in said, f"the installed program said {said!r}")
        look_at_configuration(root)
        pages = look_at_pages(root)
        units = look_at_units(root)
        upgrade_under_a_server(root, later)
        removal(root, paths, before)
    finally:
        root.close()
    return f"{len(paths)} paths, {pages} manual pages, {units}"


@test("archive and container", 120)
def archive_and_container(t):
    """The archive where it was unpacked, and installed by its own instructions; and what the Containerfile takes for granted."""
    deb, archive = packages_of()
    build_file(t, deb)
    t.sh("tar", "-C", t.folder, "-xzf", archive)
    (folder,) = (path for path in t.folder.glob("ringway-*-x86_64") if path.is_dir())
    try:
        licences = gzip.decompress((folder / "share/doc/ringway/third-party-licences.txt.gz").read_bytes()).decode()
        require(all(f"\n{crate} " in licences for crate in ("clap", "rustls", "ring", "serde")), "the list of licences lacks crates")
        done = t.start([folder / "bin/ringway", "run", "--driver", "softgpu", "-m", "64", "--", "python3", PROGRAM, "4", "3"], cwd="/", label="unpacked-run")
        require(done.wait() == 0 and "all equal" in done.output(), f"where it was unpacked: {last_line(done.errors())}")
    finally:
        shutil.rmtree(folder)
    why = Root.unavailable()
    if why:
        return f"not installed: {why}"
    root = Root(t, "archive")
    try:
        root.bring(archive.read_bytes(), "/tmp/ringway.tar.gz")
        steps = [line.strip() for line in (HERE / "INSTALL").read_text().split("To take it away")[0].splitlines() if line.startswith("    ")]
        steps = [step for step in steps if not step.startswith("systemctl")]
        require(len(steps) >= 6, f"INSTALL has {len(steps)} steps")
        root.output_of("sh", "-ec", "cd /tmp; tar xzf ringway.tar.gz; rm ringway.tar.gz; cd ringway-*\n" + "\n".join(steps) + "\nrm -r /tmp/ringway-*")
        program_runs(root, "--driver", "softgpu", ringway="/usr/local/bin/ringway", user="nobody")
        units = root.output_of("sh", "-c", "grep -h ^ExecStart= /usr/local/lib/systemd/system/ringway-*.service").split()
        require("ExecStart=/usr/local/bin/ringway" in units, f"the units of the archive start {units}")
    finally:
        root.close()
    return f"{len(steps)} steps of INSTALL"


def build_file(t, deb):
    """There is no container engine in CI: each instruction by itself, as far as it can be looked at."""
    text = re.sub(r"\\\n", " ", (HERE / "Containerfile").read_text())
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    known = {"FROM", "COPY", "RUN", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    require(not {word for word, _ in steps} - known, f"Containerfile: {steps}")
    require(steps[0][0] == "FROM", "Containerfile does not begin with FROM")
    words = {word: rest for word, rest in steps}
    source, _ = words["COPY"].split()
    require([path for path in deb.parent.glob(source)] == [deb], f"Containerfile copies {source}, which is not the package")
    t.sh("sh", "-n", "-c", words["RUN"])
    entry, command = json.loads(words["ENTRYPOINT"]), json.loads(words["CMD"])
    require(entry == ["/usr/bin/ringway"], f"Containerfile starts {entry}")
    shown = json.loads(t.output_of(RINGWAY, "config", "show", "--json", *command, env={"RINGWAY_CONFIG": ""}))
    (listen,) = [row for row in shown if row["setting"] == "listen"]
    require(listen["from"] == "command line" and words["EXPOSE"] in listen["value"][0], f"Containerfile listens at {listen}")
