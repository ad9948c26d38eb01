#!/usr/bin/env bash
# Installs what a build needs: packages from apt (as root or through sudo) and the pinned LibTorch wheel under .deps/.
# Safe to repeat, also after an interruption: what is there already is left alone. Needs no terminal.
#   --reference   also what only the tests need: Python packages to compare with (5 GB), and a browser
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ cmake ninja-build ccache git python3 python3-venv libopenmpi-dev openmpi-bin libprotobuf-dev
  protobuf-compiler libabsl-dev libgtest-dev libgmock-dev nlohmann-json3-dev libxxhash-dev libpcre2-dev libicu-dev
  clang-format clang-tidy)
# torch's wheel holds LibTorch; libtorch_cpu.so needs these two libraries of CUDA and no other wheel, also without a GPU.
libtorch=(torch==2.13.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
cmake_minimum=3.25  # of presets version 6; Ubuntu 22.04 has 3.22
build_tools=(cmake==3.31.6 ninja==1.11.1.3)
# What tests, benchmarks and scripts/get_smollm2.sh compare with. torch here is the whole wheel with those of CUDA, which
# `import torch` loads. What these packages need in turn is pinned by a list, where Python is new enough for it.
reference=(tensorboard==2.20.0 numpy==2.2.6 tokenizers==0.23.3 torch==2.13.0 transformers==5.23.0 trl==1.16.0
  safetensors==0.8.0 jinja2==3.1.6 gguf==0.19.0 sentencepiece==0.2.3 setuptools==84.2.1)
reference_options=()
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
  reference_options=(--constraint scripts/reference_constraints.txt)
fi

with_reference=no
for argument in "$@"; do
  case "$argument" in
    --reference) with_reference=yes ;;
    *) echo "scripts/setup.sh: error: command line: found $argument, expected --reference or nothing" >&2; exit 2 ;;
  esac
done

mkdir -p .deps
log=.deps/setup.log
exec 9>.deps/setup.lock
flock 9  # a second set-up of the same tree waits for the first
: > "$log"

say() { echo "setup: $*"; }

# run STEP COMMAND...: one line when it begins and one when it is done; when it fails, the end of what it said.
run() {
  local step=$1 start=$SECONDS code=0
  shift
  say "$step ..."
  "$@" >> "$log" 2>&1 < /dev/null || code=$?
  if [ "$code" -ne 0 ]; then
    tail -n 15 "$log" >&2
    echo "scripts/setup.sh: error: $step: found exit code $code of '$1', expected 0 (its last words are above, all of them in $log)" >&2
    exit 1
  fi
  say "$step: done, $((SECONDS - start)) s"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo > /dev/null; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    echo "found neither root nor sudo, expected one of them to install with apt: $*"
    return 1
  fi
}

install_apt() {  # NAME...
  as_root dpkg --configure -a &&  # an interrupted installation is finished first
    as_root apt-get update &&
    as_root apt-get install -y --no-install-recommends "$@"
}

# Prints those of the named packages that are not installed.
missing_apt() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2> /dev/null)" = installed ] || echo "$name"
  done
}

# Whether the virtual environment $1 holds all of the pinned NAME==VERSION: pip writes RECORD last, in one rename, so a
# package whose installation was interrupted has none.
has_wheels() {
  local environment=$1 pin
  shift
  for pin in "$@"; do
    compgen -G "$environment/lib/python3*/site-packages/$(tr - _ <<< "${pin%%==*}")-${pin##*==}.dist-info/RECORD" > /dev/null || return 1
  done
}

# need_disk GB STEP: an installation that fills the disk fails late, in words that do not say so.
need_disk() {
  local found
  found=$(df --output=avail -B1000000000 .deps | tail -n 1 | tr -d ' ')
  [ "$found" -ge "$1" ] || { echo "scripts/setup.sh: error: disk: found $found GB free for $2, expected at least $1" >&2; exit 1; }
}

install_wheels() {  # ENVIRONMENT (pip options and NAME==VERSION)...
  local environment=$1
  shift
  python3 -m venv --clear "$environment" && "$environment/bin/python" -m pip install --disable-pip-version-check "$@"
}

if ! command -v apt-get > /dev/null; then
  echo "scripts/setup.sh: error: system: found no apt-get, expected Debian 12 or Ubuntu 22.04 or later" >&2
  exit 1
fi

[ "$with_reference" = no ] || packages+=(chromium iproute2)
mapfile -t missing < <(missing_apt "${packages[@]}")
if [ "${#missing[@]}" -eq 0 ]; then
  say "apt packages: there"
else
  run "apt packages (${missing[*]})" install_apt "${missing[@]}"
fi

cmake_version=$(cmake --version | sed -n '1s/[^0-9]*//p')
if [ "$(printf '%s\n' "$cmake_minimum" "$cmake_version" | sort -V | head -n 1)" = "$cmake_minimum" ]; then
  say "CMake: there, $cmake_version"
elif has_wheels .deps/tools "${build_tools[@]}"; then
  say "CMake: there, .deps/tools/bin"
else
  run "CMake into .deps/tools/bin (the system's is $cmake_version, $cmake_minimum is needed)" \
    install_wheels .deps/tools "${build_tools[@]}"
fi

if has_wheels .deps/py "${libtorch[@]}"; then
  say "LibTorch: there, ${libtorch[0]}"
else
  need_disk 3 "LibTorch and a build"
  run "LibTorch into .deps/py (${libtorch[0]}, about 1 GB)" install_wheels .deps/py --no-deps "${libtorch[@]}"
fi

if [ "$with_reference" = yes ]; then
  if has_wheels .deps/reference "${reference[@]}"; then
    say "reference packages: there"
  else
    need_disk 11 "the reference packages, their downloads, and the builds of all tests"
    run "reference packages into .deps/reference (about 5 GB)" install_wheels .deps/reference "${reference_options[@]}" "${reference[@]}"
  fi
fi
