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

# one_at_a_time FUNCTION ARG...: waits while another process of this user installs something
one_at_a_time() {
  local folder="${XDG_CACHE_HOME:-$HOME/.cache}/ringway"
  mkdir -p "$folder" && command -v flock >/dev/null 2>&1 || { "$@"; return; }
  ( flock 9 && "$@" 9>&- ) 9>"$folder/setup.lock"
}

# apt_install PACKAGE...: Debian and Ubuntu; elsewhere says what to install
apt_install() { one_at_a_time apt_install_now "$@" || exit 1; }
apt_install_now() {
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
  need_bindgen
  [ -d "$HOME/.cargo/bin" ] && case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) export PATH="$HOME/.cargo/bin:$PATH" ;; esac
  if ! command -v cargo >/dev/null 2>&1; then
    command -v curl >/dev/null 2>&1 || apt_install curl ca-certificates
    say "installing Rust (rustup, minimal profile)"
    curl -sSf https://sh.rustup.rs | sh -s -- -y -q --profile minimal -c clippy -c rustfmt --no-modify-path \
      || die "Rust could not be installed; see https://rustup.rs"
    export PATH="$HOME/.cargo/bin:$PATH"
  fi
}

# need_bindgen: what building rdma-mummy-sys takes: cmake, make, and libclang with the headers that belong to it. No RDMA
# library: that is loaded at run time
need_bindgen() {
  command -v cmake >/dev/null 2>&1 && command -v make >/dev/null 2>&1 || apt_install cmake make
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  compgen -G "/usr/lib/llvm-*/lib/libclang*.so*" >/dev/null && compgen -G "/usr/lib/llvm-*/lib/clang/*/include/stddef.h" >/dev/null && return 0
  compgen -G "/usr/lib64/libclang.so*" >/dev/null && return 0
  command -v apt-get >/dev/null 2>&1 || die "please install libclang and its headers (no apt-get on this machine), or set LIBCLANG_PATH"
  apt_install libclang1
  local library
  library=$(compgen -G "/usr/lib/llvm-*/lib/libclang*.so*" | sort -V | tail -1)
  library=${library#/usr/lib/llvm-}
  apt_install "libclang-common-${library%%/*}-dev"
}

# make_venv FOLDER SIZE FILE [PIP-OPTION...]: a Python environment with the packages of a list, made again when the list changes
make_venv() {
  need_python
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
  one_at_a_time make_venv_now "$@" || exit 1
}
make_venv_now() {
  local folder=$1 size=$2 file=$3 want have
  shift 3
  want=$(sed -n 's#^-r #ci/#p' "$file" | xargs cat "$file" | sha256sum | cut -d' ' -f1)
  have=$(cat "$folder/.requirements" 2>/dev/null) || have=
  [ "$want" = "$have" ] && [ -x "$folder/bin/python" ] && return 0
  say "installing the Python packages of $file into $folder (about $size, once)"
  python3 -m venv "$folder" || die "python3 -m venv $folder failed"
  "$folder/bin/python" -m pip install -q --disable-pip-version-check "$@" -r "$file" \
    || die "pip could not install $file; is a package index reachable?"
  printf '%s\n' "$want" > "$folder/.requirements"
}

# need_venv: the Python packages of ci/requirements.txt in RINGWAY_VENV (default .venv)
need_venv() {
  export RINGWAY_VENV="${RINGWAY_VENV:-$PWD/.venv}"
  make_venv "$RINGWAY_VENV" "300 MB" ci/requirements.txt
}

# need_suites_venv: those and what other projects' test suites need, in a folder beside it
need_suites_venv() {
  export RINGWAY_VENV="${RINGWAY_VENV:-$PWD/.venv}"
  make_venv "$RINGWAY_VENV-suites" "350 MB" ci/requirements-suites.txt
}

# need_torch_venv: PyTorch for its processor part only, without the CUDA libraries that its package asks for
need_torch_venv() {
  export RINGWAY_VENV="${RINGWAY_VENV:-$PWD/.venv}"
  make_venv "$RINGWAY_VENV-torch" "1.5 GB" ci/requirements-torch.txt --no-deps
  command -v nm >/dev/null 2>&1 || apt_install binutils
}

# need_compilers_venv: other compilers that emit PTX, in a folder beside it
need_compilers_venv() {
  export RINGWAY_VENV="${RINGWAY_VENV:-$PWD/.venv}"
  make_venv "$RINGWAY_VENV-compilers" "600 MB" ci/requirements-compilers.txt
}

# need_clang: tinygrad's own CPU device compiles with clang
need_clang() { command -v clang >/dev/null 2>&1 || apt_install clang; }

# need_valgrind: instructions are counted by its callgrind
need_valgrind() { command -v valgrind >/dev/null 2>&1 || apt_install valgrind; }

# need_binutils: packages hold stripped binaries
need_binutils() { command -v strip >/dev/null 2>&1 && command -v objdump >/dev/null 2>&1 || apt_install binutils; }

# need_cxx: nvcc compiles host code with g++
need_cxx() { command -v g++ >/dev/null 2>&1 || apt_install g++; }

# need_etcd: for the tests of pools. Unpacked into a folder of this user's, because its package, installed, runs it as a service
need_etcd() { command -v etcd >/dev/null 2>&1 || one_at_a_time need_etcd_now || exit 1; }
need_etcd_now() {
  local folder="${XDG_CACHE_HOME:-$HOME/.cache}/ringway/etcd"
  [ -x "$folder/usr/bin/etcd" ] && return 0
  command -v apt-get >/dev/null 2>&1 || die "please install etcd 3.4 or later (no apt-get on this machine)"
  say "fetching etcd-server (apt-get) into $folder"
  rm -rf "$folder" && mkdir -p "$folder" || die "$folder cannot be made"
  ( cd "$folder" || exit 1
    apt-get download -qq etcd-server >/dev/null 2>&1 || { as_root apt-get update -qq >/dev/null && apt-get download -qq etcd-server >/dev/null; } || exit 1
    dpkg-deb -x etcd-server_*.deb . && rm etcd-server_*.deb ) || die "apt-get could not download etcd-server"
  [ -x "$folder/usr/bin/etcd" ] || die "the package etcd-server has no usr/bin/etcd"
}
