#!/usr/bin/env bash
# run.sh OUT [--build] [PROGRAM...]: builds the runtime's test programs into OUT with the nvcc of the Python environment RINGWAY_VENV,
# and (without --build) runs them in the environment given, where LD_LIBRARY_PATH leads to the libcudart that is tested. Ends with 1
# if any fails.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$1"
shift
only_build=
if [ "${1:-}" = --build ]; then
  only_build=yes
  shift
fi
toolkit=$(echo "${RINGWAY_VENV:?}"/lib/python3*/site-packages/nvidia/cu13)
mkdir -p "$out/link"
ln -sf "$toolkit/lib/libcudart.so.13" "$out/link/libcudart.so"
ln -sf "$toolkit/lib/libcudadevrt.a" "$out/link/libcudadevrt.a"

build() { # PROGRAM SOURCE FLAGS...
  local program="$1" source="$here/$2"
  shift 2
  if [ "$out/$program" -nt "$source" ] && [ "$out/$program" -nt "$here/check.h" ] && [ "$out/$program" -nt "$here/separate_part.cu" ] && [ "$out/$program" -nt "$here/run.sh" ]; then return; fi
  env -u LD_LIBRARY_PATH "$toolkit/bin/nvcc" -O2 -std=c++17 -cudart shared -L "$out/link" "$@" -o "$out/$program" "$source"
}

programs=("$@")
if [ ${#programs[@]} = 0 ]; then
  programs=(devices symbols copies streams callbacks occupancy errors cooperative default_stream default_stream_per_thread threads graphs
    device_printf pools algorithms textures arrays separate separate_ptx conditional)
fi
failed=()
for program in "${programs[@]}"; do
  case "$program" in
    default_stream_per_thread) build "$program" default_stream.cu --default-stream per-thread ;;
    conditional) build "$program" conditional.cu -rdc=true -gencode=arch=compute_80,code=compute_80 ;;
    # with machine code for another GPU and PTX, as by default, and with PTX only
    separate) build "$program" separate.cu -rdc=true "$here/separate_part.cu" ;;
    separate_ptx) build "$program" separate.cu -rdc=true -gencode=arch=compute_80,code=compute_80 "$here/separate_part.cu" ;;
    *) build "$program" "$program.cu" ;;
  esac && { [ "$only_build" ] || timeout 120 "$out/$program"; } || failed+=("$program")
done
if [ ${#failed[@]} != 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
