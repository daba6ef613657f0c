//! Files in folders of the test's own, against the real tree of commands.

use super::files::{Folders, Owner, check, find};
use super::{ConfigError, layers, parse, show};
use clap::{Command, CommandFactory};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Two folders with files, the second of which wins.
struct Files {
    folder: tempfile::TempDir,
    folders: Folders,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["a", "b"].map(|name| (folder.path().join(name), Owner::User));
        for (path, _) in &folders {
            std::fs::create_dir(path).unwrap();
        }
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        Self { folders: Folders(folders.into()), folder }
    }

    /// A setting for a command line, and where it comes from.
    fn of(&self, line: &str, setting: &str) -> (Option<String>, String) {
        let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let rows = show::rows_of(&tree(), &self.folders, &line).unwrap_or_else(|failure| panic!("{}", failure.message()));
        let row = rows.into_iter().rfind(|row| serde_json::to_value(row).unwrap()["setting"] == setting).unwrap_or_else(|| panic!("no {setting}"));
        let row = serde_json::to_value(row).unwrap();
        let value = row["value"].as_array().map(|values| values.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join(","));
        let name = |file: &str| Path::new(file).file_name().unwrap().to_str().unwrap().to_owned();
        let from = row["file"].as_str().map_or(row["from"].as_str().unwrap().to_owned(), |file| format!("{}:{}", name(file), row["line"]));
        (value, from)
    }

    fn error_of(&self, command: &str) -> String {
        let parsed = find(&self.folders, &tree(), Some(command)).and_then(|found| {
            let line = ["ringway", command, "x"];
            let typed = tree().try_get_matches_from(&line[..if command == "run" { 3 } else { 2 }]).unwrap();
            let said = parse::all(&tree(), &found.files)?;
            layers::choose(&tree(), &typed, &said).map(drop)
        });
        let text = parsed.expect_err("no error").to_string();
        text.replace(self.folder.path().to_str().unwrap(), "")
    }
}

fn tree() -> Command {
    crate::Cli::command()
}

fn value(value: &str, from: &str) -> (Option<String>, String) {
    (Some(value.into()), from.into())
}

#[test]
fn later_files_win_and_the_command_line_before_all() {
    let files = Files::new(&[
        ("a/one.toml", "[run]\ngpus = 2\nfraction = 0.5\n"),
        ("a/two.toml", "[run]\ngpus = 3\nquiet = true\n"),
        ("b/one.toml", "\n[run]\ngpus = 4\nquiet = false\n"),
    ]);
    assert_eq!(files.of("run", "gpus"), value("4", "one.toml:3"));
    assert_eq!(files.of("run -n 5", "gpus"), value("5", "command line"));
    assert_eq!(files.of("run", "fraction"), value("0.5", "one.toml:3"));
    assert_eq!(files.of("run", "quiet"), value("false", "one.toml:4"));
    assert_eq!(files.of("run -q", "quiet"), value("true", "command line"));
    assert_eq!(files.of("run", "driver"), value("auto", "default"));
    assert_eq!(files.of("run", "memory"), (None, "not set".into()));
}

#[test]
fn what_excludes_a_setting_takes_its_place() {
    let files = Files::new(&[("a/a.toml", "[run]\nfraction = 0.5\nstats = \"s.json\"\n"), ("b/b.toml", "[run]\nmemory = 64\n")]);
    assert_eq!(files.of("run", "memory"), value("64", "b.toml:2"));
    assert_eq!(files.of("run", "fraction"), (None, "not set".into()));
    assert_eq!(files.of("run -p 0.1", "fraction"), value("0.1", "command line"));
    assert_eq!(files.of("run -p 0.1", "memory"), (None, "not set".into()));
    assert_eq!(files.of("run --direct", "stats"), (None, "not set".into()));
    let files = Files::new(&[("a/a.toml", "[run]\nfraction = 0.5\nmemory = 64\n")]);
    assert_eq!(files.error_of("run"), "/a/a.toml:3: 'memory' excludes 'fraction' of line 2; leave one of them out");
}

#[test]
fn access_is_for_all_commands_that_speak_to_servers() {
    let files = Files::new(&[
        ("a/a.toml", "[access]\nserver = [\"one:1\", \"two:2\"]\ntoken-file = \"/t\"\n"),
        ("b/b.toml", "[netperf]\nserver = \"three\"\n[run]\nlink = \"tcp\"\n"),
    ]);
    assert_eq!(files.of("list", "server"), value("one:1,two:2", "a.toml:2"));
    assert_eq!(files.of("list", "token-file"), value("/t", "a.toml:3"));
    assert_eq!(files.of("netperf", "server"), value("three", "b.toml:2"));
    assert_eq!(files.of("list --server x", "server"), value("x", "command line"));
    // What `run` is told holds for `why` too, which runs programs as it does; and for nothing else.
    assert_eq!(files.of("why", "link"), value("tcp", "b.toml:4"));
    assert_eq!(files.of("netperf", "link"), (None, "not set".into()));
    // A server's own secret is not what it is asked for.
    let files = Files::new(&[("a/a.toml", "[access]\ntoken = \"s\"\n")]);
    assert_eq!(files.of("serve", "token").1, "not set");
    assert_eq!(files.of("run", "token").1, "a.toml:2");
}

#[test]
fn a_way_that_is_chosen_does_not_meet_another_files_server() {
    let files = Files::new(&[("a/a.toml", "[access]\nserver = \"one:1\"\ntoken = \"s\"\n"), ("b/b.toml", "[access]\ntoken-file = \"/t\"\n")]);
    assert_eq!(files.of("list", "server").1, "not set");
    assert_eq!(files.of("list", "token-file"), value("/t", "b.toml:2"));
    assert_eq!(files.of("list", "token").1, "not set");
    assert_eq!(files.of("list --token x", "token-file").1, "not set");
    let files = Files::new(&[("a/a.toml", "[access]\nserver = \"one:1\"\n[run]\ndriver = \"softgpu\"\n")]);
    assert_eq!(files.of("run --token-file /u", "server").1, "not set");
    assert_eq!(files.of("run --driver softgpu", "server").1, "not set");
    assert!(files.of("run", "server").1.starts_with("a.toml:2"));
}

#[test]
fn sections_inside_of_sections() {
    let files = Files::new(&[("a/a.toml", "[token]\nstate = \"/s\"\n[token.create]\naddress = [\"h:1\"]\nmax-gpus = 2\n")]);
    assert_eq!(files.of("token create", "address"), value("h:1", "a.toml:4"));
    assert_eq!(files.of("token create", "max-gpus"), value("2", "a.toml:5"));
    assert_eq!(files.of("token create", "state"), value("/s", "a.toml:2"));
    assert_eq!(files.of("token create --state /x", "max-gpus"), value("2", "a.toml:5"));
}

#[test]
fn errors_name_the_line_and_the_cure() {
    for (text, wanted) in [
        ("gpus = 2", "/b/x.toml:1: 'gpus' stands outside of a section; write it under [run] or [why]"),
        ("[rum]", "/b/x.toml:1: 'rum' is no section; did you mean 'run'? (`ringway config show` lists the sections)"),
        ("[worker]", "/b/x.toml:1: 'worker' is no section;"),
        ("[run]\n\ngpsu = 2", "/b/x.toml:3: 'gpsu' is no setting of [run]; did you mean 'gpus'?"),
        ("[token.create]\nmax_gpus = 2", "/b/x.toml:2: 'max_gpus' is no setting of [token.create]; did you mean 'max-gpus'?"),
        ("[token.create]\nname = \"x\"", "/b/x.toml:2: 'name' of [token.create] cannot be set in a file"),
        ("[run]\ngpus = \"two\"", "/b/x.toml:2: invalid value 'two' for '--gpus <N>'"),
        ("[run]\ngpus = [1, 2]", "/b/x.toml:2: 'gpus' takes one value, not a list"),
        ("[run]\ngpus = true", "/b/x.toml:2: 'gpus' takes one value, not true or false"),
        ("[run]\nquiet = 1", "/b/x.toml:2: 'quiet' is on or off, not a number; write quiet = true"),
        ("[run]\nlink = \"tpc\"", "/b/x.toml:2: invalid value 'tpc' for '--link <LINK>'"),
        ("[serve]\ncores = [0,\n true]", "/b/x.toml:3: 'cores' takes one value, not true or false"),
        ("[serve]\ngrace = 99999999", "/b/x.toml:2: invalid value '99999999'"),
        ("[run", "/b/x.toml:1: this is not TOML"),
        ("[run]\ngpus = 1\ngpus = 2", "/b/x.toml:3: this is not TOML: duplicate key"),
    ] {
        let error = Files::new(&[("b/x.toml", text)]).error_of("run");
        assert!(error.starts_with(wanted), "{text:?}: {error}");
    }
    let huge = format!("[serve]\ncores = [{}]", "1,".repeat(300));
    assert!(Files::new(&[("b/x.toml", &huge)]).error_of("run").contains("more than 256 values"));
}

#[test]
fn a_secret_is_in_no_error_and_no_listing() {
    for text in ["[access]\ntoken = \"hunter2", "[access]\ntoken = [\"hunter2\"]", "[access]\ntokne = \"hunter2\""] {
        let error = Files::new(&[("b/x.toml", text)]).error_of("run");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let files = Files::new(&[("b/x.toml", "[access]\ntoken = \"hunter2\"\n[serve]\ntoken = \"hunter2\"\n")]);
    for command in ["run", "serve", "list"] {
        assert_eq!(files.of(command, "token").0, None);
    }
}

#[test]
fn a_file_named_after_a_command_is_for_that_command() {
    let files = Files::new(&[("a/serve.toml", "[serve]\nname = \"x\"\n"), ("a/token.toml", "no configuration at all"), ("a/.hidden.toml", "nor this")]);
    assert_eq!(files.of("serve", "name"), value("x", "serve.toml:2"));
    assert_eq!(files.of("run", "gpus"), value("1", "default"));
    let files = Files::new(&[("a/serve.toml", "[run]\ngpus = 2\n"), ("a/run.toml", "[run]\ngpus = 3\n")]);
    assert!(files.error_of("serve").contains("a file named after `serve` holds nothing but [serve]"));
    assert_eq!(files.of("why", "gpus"), value("3", "run.toml:2"));
}

#[test]
fn files_that_others_can_write_are_refused() {
    let path = Path::new("/etc/ringway/x.toml");
    let ok = |owner, user, file_owner, mode| check(path, owner, user, file_owner, mode).is_ok();
    assert!(ok(Owner::System, 1000, 0, 0o644) && ok(Owner::System, 0, 0, 0o600) && ok(Owner::User, 1000, 1000, 0o600) && ok(Owner::User, 1000, 0, 0o644));
    assert!(!ok(Owner::System, 1000, 1000, 0o644) && !ok(Owner::User, 1000, 1001, 0o644) && !ok(Owner::User, 0, 1000, 0o644));
    for mode in [0o666, 0o664, 0o622, 0o602] {
        assert!(!ok(Owner::System, 0, 0, mode) && !ok(Owner::User, 1000, 1000, mode), "{mode:o}");
    }
    let error = check(path, Owner::System, 0, 0, 0o100_666).unwrap_err().to_string();
    assert_eq!(error, "/etc/ringway/x.toml: it can be written by other users (mode 666), who could choose what Ringway does; chmod go-w /etc/ringway/x.toml");
    // And the check is made.
    let files = Files::new(&[("b/x.toml", "")]);
    std::fs::set_permissions(files.folder.path().join("b/x.toml"), PermissionsExt::from_mode(0o646)).unwrap();
    assert!(matches!(find(&files.folders, &tree(), None), Err(ConfigError::Untrusted(..))));
}

#[test]
fn files_are_bounded_and_regular() {
    let files = Files::new(&[("a/x.toml", &"#".repeat(300_000))]);
    assert!(files.error_of("run").contains("it is longer than 256 KiB"));
    let files = Files::new(&[]);
    std::fs::create_dir(files.folder.path().join("a/x.toml")).unwrap();
    assert!(files.error_of("run").contains("it is no regular file"));
    let files = Files::new(&[]);
    for number in 0..65 {
        std::fs::write(files.folder.path().join(format!("a/{number}.toml")), "").unwrap();
    }
    assert!(files.error_of("run").contains("more than 64 files"));
    let files = Files::new(&[]);
    std::fs::write(files.folder.path().join("a/x.toml"), b"[run]\n# \xff").unwrap();
    assert!(files.error_of("run").contains("not text in UTF-8"));
}
