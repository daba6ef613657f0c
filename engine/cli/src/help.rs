//! What `--help` says behind the options of a command: examples, exit codes, files. The manual pages have it as sections.

/// Of `ringway` itself.
pub const RINGWAY: &str = "\
Examples:
  ringway run -- python train.py               on this machine's GPU, or the software GPU
  ringway run --server gpuhost -- CMD          on a server
  ringway serve                                serve this machine's GPUs
  ringway list --server gpuhost                what is free there, and which link would be used

Exit codes:
  0          done
  1          `ringway health`: something failed
  2          wrong command line
  125        Ringway itself failed; one line on standard error says why
  126, 127   `ringway run`: the program is not executable, or was not found
  128 + n    a daemon was ended by signal n
  others     `ringway run`: the program's own; if a signal ended it, by the same signal

Files:
  /etc/ringway/*.toml          settings of this machine
  ~/.config/ringway/*.toml     settings of this user, which come before them
  ~/.config/ringway/token.toml token file: by which server, and with what; no settings
  The environment comes before all files, the command line before the environment. `ringway config show` tells what holds, and why.";

/// Of `ringway run`.
pub const RUN: &str = "\
Examples:
  ringway run -- python train.py                       one whole GPU
  ringway run -n 2 -p 0.5 -- python train.py           half of the memory of each of two GPUs
  ringway run -m 4096 --server gpuhost -- ./app        4 GiB of a GPU of a server
  ringway run --token-file me.toml -- ./app            of the server that made the token file, encrypted
  ringway run --driver softgpu -- ./app                on the software GPU
  ringway run --stats s.json -- ./app                  and what it waited for

Exit codes:
  The program's own; if a signal ended it, `ringway run` ends by the same signal.
  2          wrong command line
  125        Ringway itself failed; one line on standard error says why
  126, 127   the program is not executable, or was not found";

/// Of `ringway why`.
pub const WHY: &str = "\
Examples:
  ringway why -- python train.py                       which calls wait, where, and what other networks would cost
  ringway why --rtt 50us --bandwidth 25Gbit -- ./app   predict for this network alone
  ringway why --json -o why.json -- ./app              for a program to read

Exit codes:
  As those of `ringway run`.";

/// Of `ringway serve`.
pub const SERVE: &str = "\
Examples:
  ringway serve                                              to this machine's users
  ringway serve --listen 0.0.0.0:7766                        to others too, encrypted; `ringway token create` lets them in
  ringway serve --driver softgpu --listen unix:/tmp/g.sock   a software GPU at a socket
  systemctl enable --now ringway-serve                       as a service, where the package is installed
  systemctl reload ringway-serve                             the program and the settings that are there now; sessions go on

Exit codes:
  125        it could not start; one line on standard error says why
  128 + n    it was ended by signal n

Files:
  /etc/ringway/serve.toml      settings, under [serve]
  /var/lib/ringway             identity and tokens, where root runs it";

/// Of `ringway token`.
pub const TOKEN: &str = "\
Examples:
  ringway token create --name alice --user alice --expires 30d -o alice.toml
  ringway token list
  ringway token revoke alice";

/// Of `ringway list`.
pub const LIST: &str = "\
Examples:
  ringway list --server gpuhost            GPUs, what is free, who leases what, which link would be used
  ringway list --server a --server b       of two servers
  ringway list --json                      of the token file's server, for a program to read

Exit codes:
  125        a server did not answer; it is named";

/// Of `ringway health`.
pub const HEALTH: &str = "\
Examples:
  ringway health                           this machine, and the token file's server
  ringway health --local                   this machine alone
  ringway health --server gpuhost --json   for a program to read

Exit codes:
  0          nothing failed
  1          something failed; its line has the cure
  125        the checks could not be made";

/// Of `ringway config`.
pub const CONFIG: &str = "\
Examples:
  ringway config show                      every command's settings
  ringway config show run                  those of one command
  ringway config show run -n 4             as they would be with that on its command line
  ringway config path                      which files are read

Files:
  /etc/ringway/*.toml, then ~/.config/ringway/*.toml: sections are named after commands, keys after their long options, as
  [run]
  fraction = 0.5
  [access]
  server = \"gpuhost:7766\"";
