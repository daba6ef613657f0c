#!/usr/bin/env bash
# build.sh OUT: builds the C++ clients into OUT with the nvcc of the Python environment RINGWAY_VENV.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$1"
toolkit=$(echo "${RINGWAY_VENV:?}"/lib/python3*/site-packages/nvidia/cu13)
mkdir -p "$out/lib"
ln -sf "$toolkit/lib/libcudart.so.13" "$out/lib/libcudart.so"
ln -sf "$toolkit/lib/libcudart_static.a" "$out/lib/libcudart_static.a"
ln -sf "$toolkit/lib/libcudadevrt.a" "$out/lib/libcudadevrt.a"
build() { # SOURCE RUNTIME BINARY
  if [ "$out/$3" -nt "$here/$1" ] && [ "$out/$3" -nt "$here/build.sh" ]; then return; fi
  "$toolkit/bin/nvcc" -O2 -std=c++17 -cudart "$2" -L "$out/lib" -o "$out/$3" "$here/$1"
}
build suite.cu shared suite
build static_runtime.cu static static_runtime
