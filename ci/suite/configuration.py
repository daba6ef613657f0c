"""Settings from files, the environment and the command line, as commands see them: which server a program gets, and who decides."""

import json
import os
import shutil

from .clients import CLIENTS
from .places import RINGWAY, Served
from .runner import last_line, require, test

PROGRAM = CLIENTS / "behaviour/pattern.py"


class Files:
    """A folder of configuration files for commands."""

    def __init__(self, t):
        self.t, self.folder = t, t.folder / "config"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def write(self, text, name="a.toml", mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def start(self, *words, env=None, label=None):
        return self.t.start([RINGWAY, *words], env={"RINGWAY_CONFIG": self.folder, **(env or {})}, label=label)

    def run(self, *options, env=None):
        """Which server a program got, by its name in the first line, and whether the line was there at all."""
        done = self.start("run", *options, "-m", "64", "--", "python3", PROGRAM, "1", env=env, label="run")
        code = done.wait()
        require(code == 0 and "all equal" in done.output(), f"run {' '.join(options)} ended with {code}: {last_line(done.errors())}")
        return done.errors()

    def refused(self, *words, env=None):
        done = self.start(*words, env=env)
        code = done.wait()
        require(code == 125, f"{' '.join(words)} ended with {code}, not 125: {last_line(done.errors())}")
        return done.errors()


@test("configuration files", 120)
def configuration(t):
    """The command line comes before the environment, that before files; what is wrong in a file is named with its line."""
    files = Files(t)
    servers = {}
    try:
        for name in ("alpha", "beta", "gamma"):
            files.write(f'[serve]\nname = "{name}"\n', name="serve.toml")
            servers[name] = Served(t, environment={"RINGWAY_CONFIG": files.folder})
        address = {name: f"unix:{server.socket}" for name, server in servers.items()}
        # what it says of servers is not for the embedded one, which would take a secret from it that nobody brings
        files.write('[serve]\nname = "delta"\ntoken = "hunter2"\n', name="serve.toml")
        require(" on delta " not in files.run("--driver", "softgpu"), "the embedded server read [serve]")
        files.write(f'[access]\nserver = "{address["alpha"]}"\n')
        by_env = {"RINGWAY_SERVER": address["beta"]}
        for said, name in ((files.run(), "alpha"), (files.run(env=by_env), "beta"), (files.run("--server", address["gamma"], env=by_env), "gamma")):
            require(f" on {name} " in said, f"the program should have been on {name}: {last_line(said)}")
        said = files.run("--driver", "softgpu")
        require(not any(f" on {name} " in said for name in servers), f"--driver did not come before a file's server: {last_line(said)}")
        rows = json.loads(t.output_of(RINGWAY, "list", "--json", env={"RINGWAY_CONFIG": str(files.folder)}))
        require([row["server"] for row in rows] == ["alpha"], f"list went to {[row['server'] for row in rows]}")
        # who decided
        files.write('\n[run]\nfraction = 0.25\nquiet = true\n', name="b.toml")
        require(" on alpha " not in files.run(), "quiet = true was not heard")
        shown = json.loads(t.output_of(RINGWAY, "config", "show", "--json", "run", "-n", "2", env={"RINGWAY_CONFIG": str(files.folder), **by_env}))
        rows = {row["setting"]: row for row in shown}
        require(rows["fraction"]["file"] == str(files.folder / "b.toml") and rows["fraction"]["line"] == 3, f"fraction: {rows['fraction']}")
        require((rows["server"]["from"], rows["server"]["variable"], rows["server"]["value"]) == ("environment", "RINGWAY_SERVER", [address["beta"]]), f"server: {rows['server']}")
        require((rows["gpus"]["from"], rows["gpus"]["value"]) == ("command line", ["2"]), f"gpus: {rows['gpus']}")
        text = t.output_of(RINGWAY, "config", "show", "serve", env={"RINGWAY_CONFIG": str(files.folder), "RINGWAY_TOKEN": "hunter3"})
        require("hunter" not in text and "RINGWAY_TOKEN" in text, f"config show serve: {text}")
        # what is wrong
        wrong = files.write("[run]\ngpsu = 2\n", name="c.toml")
        for words in (("run", "--", "true"), ("list",), ("config", "show")):
            said = files.refused(*words)
            require(f"{wrong}:2: 'gpsu' is no setting of [run]; did you mean 'gpus'?" in said, f"{words}: {said}")
        require("Usage:" in t.output_of(RINGWAY, "run", "--help", env={"RINGWAY_CONFIG": str(files.folder)}), "no help where a file is wrong")
        files.write("[run]\ngpus = 1\n", name="c.toml", mode=0o666)
        require(f"chmod go-w {wrong}" in files.refused("list"), "a file that all may write was read")
        if os.geteuid() == 0:
            wrong.chmod(0o600)
            os.chown(wrong, 65534, 65534)
            require(f"chown 0 {wrong}" in files.refused("list"), "a stranger's file was read")
    finally:
        for server in servers.values():
            server.close()
    return f"{len(servers)} servers"
