# Sourced by the scripts: checks what a bare machine lacks, and installs it. Quick when nothing is missing.

say()  { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

# as_root CMD...: through sudo where we are not root
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else die "root is needed for: $*
  Run it as root, or install sudo."; fi
}

# apt_install PACKAGE...: Debian and Ubuntu; elsewhere says what to install
apt_install() {
  command -v apt-get >/dev/null 2>&1 || die "please install: $* (no apt-get on this machine)"
  say "installing $* (apt-get)"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return 0
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null || die "apt-get update failed: is the network reachable?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || die "apt-get could not install $*"
}

need_python() {
  command -v python3 >/dev/null 2>&1 || apt_install python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "Python 3.10 or later is needed, found $(python3 --version)"
}

need_rust() {
  command -v cc >/dev/null 2>&1 || apt_install gcc libc6-dev
  [ -d "$HOME/.cargo/bin" ] && case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) export PATH="$HOME/.cargo/bin:$PATH" ;; esac
  if ! command -v cargo >/dev/null 2>&1; then
    command -v curl >/dev/null 2>&1 || apt_install curl ca-certificates
    say "installing Rust (rustup, minimal profile)"
    curl -sSf https://sh.rustup.rs | sh -s -- -y -q --profile minimal -c clippy -c rustfmt --no-modify-path \
      || die "Rust could not be installed; see https://rustup.rs"
    export PATH="$HOME/.cargo/bin:$PATH"
  fi
}

# need_venv: the Python packages of ci/requirements.txt in RINGWAY_VENV (default .venv), made again when the list changes
need_venv() {
  need_python
  export RINGWAY_VENV="${RINGWAY_VENV:-$PWD/.venv}"
  local want have
  want=$(sha256sum ci/requirements.txt | cut -d' ' -f1)
  have=$(cat "$RINGWAY_VENV/.requirements" 2>/dev/null) || have=
  [ "$want" = "$have" ] && [ -x "$RINGWAY_VENV/bin/python" ] && return 0
  say "installing the Python packages of ci/requirements.txt into $RINGWAY_VENV (about 300 MB, once)"
  if ! python3 -m venv "$RINGWAY_VENV" >/dev/null 2>&1; then
    apt_install python3-venv
    python3 -m venv "$RINGWAY_VENV" || die "python3 -m venv $RINGWAY_VENV failed"
  fi
  "$RINGWAY_VENV/bin/python" -m pip install -q --disable-pip-version-check -r ci/requirements.txt \
    || die "pip could not install ci/requirements.txt; is a package index reachable?"
  printf '%s\n' "$want" > "$RINGWAY_VENV/.requirements"
}

# need_clang: tinygrad's own CPU device compiles with clang
need_clang() { command -v clang >/dev/null 2>&1 || apt_install clang; }

# need_cxx: nvcc compiles host code with g++
need_cxx() { command -v g++ >/dev/null 2>&1 || apt_install g++; }
