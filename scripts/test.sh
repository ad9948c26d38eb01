#!/usr/bin/env bash
# Every check of the project, on a fresh clone or a tree in use: set-up, formatting, the shape of the tree, unit tests under
# AddressSanitizer and UndefinedBehaviorSanitizer, clang-tidy, and all tests of the release build, whose summary comes last.
#   --tidy-all   clang-tidy over every source file instead of those that changed
set -euo pipefail
cd "$(dirname "$0")/.."

tidy_all=no
for argument in "$@"; do
  case "$argument" in
    --tidy-all) tidy_all=yes ;;
    *) echo "scripts/test.sh: error: command line: found $argument, expected --tidy-all or nothing" >&2; exit 2 ;;
  esac
done
jobs=$(nproc)

# stage NAME COMMAND...: one line before and one after; stops everything when the command fails.
stage() {
  local name=$1 start=$SECONDS code=0
  shift
  echo "test.sh: $name ..."
  "$@" || code=$?  # set -e does not hold inside the command: functions below chain with &&
  if [ "$code" -ne 0 ]; then
    echo "scripts/test.sh: error: $name: found exit code $code after $((SECONDS - start)) s, expected 0" >&2
    exit 1
  fi
  echo "test.sh: $name: done, $((SECONDS - start)) s"
}

# Prints the first place of each file that clang-format -i would change.
check_format() {
  git ls-files -z '*.cc' '*.h' | xargs -0 clang-format --dry-run -Werror 2>&1 | awk -F: '/: error:/ && !seen[$1]++'
}

build() { cmake --preset "$1" && cmake --build --preset "$1" -j "$jobs" ${2:+--target "${@:2}"}; }

# Names of the unit test programs, all of which run under the sanitizers too.
unit_tests() {
  local folder
  for folder in configs kernels data parallel trainer rl; do
    [ -z "$(git ls-files "tests/$folder/*_test.cc")" ] || echo "${folder}_test"
  done
}

# LibTorch, MPI and protobuf are not instrumented, hence detect_leaks=0: what they keep until the process ends would count as
# leaked. The build runs the programs too, to list their tests.
with_sanitizers() { ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$@"; }

# Whole programs, not one process a test as ctest does: loading LibTorch under a sanitizer takes a second each time.
unit_tests_with_sanitizers() {
  printf '%s\n' "${programs[@]}" | with_sanitizers xargs -P "$jobs" -I{} env build-asan/tests/{} --gtest_brief=1
}

# The .cc files that clang-tidy reads, which takes 10 to 60 s each: those that changed since this branch left main, or in the
# last commit when it is main. Without history to compare with: two folders that are quick to read.
tidy_files() {
  local all=(':(glob)*.cc' 'configs/*.cc' 'kernels/*.cc' 'data/*.cc' 'parallel/*.cc' 'trainer/*.cc' 'rl/*.cc') from
  if [ "$tidy_all" = yes ]; then
    git ls-files "${all[@]}"
    return
  fi
  from=$(git merge-base HEAD origin/main 2> /dev/null || git merge-base HEAD main 2> /dev/null || true)
  if [ -z "$from" ] || [ "$from" = "$(git rev-parse HEAD)" ]; then from=$(git rev-parse --verify -q HEAD~1 || true); fi
  if [ -n "$from" ]; then
    git diff --name-only --diff-filter=d "$from" -- "${all[@]}"
  else
    git ls-files 'configs/*.cc' 'data/*.cc'
  fi
}

tidy() {
  local files limit=16
  mapfile -t files < <(tidy_files)
  if [ "$tidy_all" = no ] && [ "${#files[@]}" -gt "$limit" ]; then
    echo "clang-tidy: the first $limit of ${#files[@]} files; --tidy-all reads them all"
    files=("${files[@]:0:$limit}")
  fi
  [ "${#files[@]}" -gt 0 ] || { echo "clang-tidy: no file to read"; return 0; }
  # A command for each file, without g++'s precompiled headers, which clang cannot read; sources include what they use.
  cmake --preset release -B build/tidy -DDEDUCE_UNITY=OFF > /dev/null
  sed -E -i 's/ -Winvalid-pch//; s/ -fopenmp//; s/ -include [^ ]*cmake_pch\.hxx//; s#/build/tidy #/build #g' build/tidy/compile_commands.json
  printf '%s\n' "${files[@]}" | xargs -P "$jobs" -n 1 clang-tidy -p build/tidy --quiet
}

# Waits for what only tests need, which is fetched while the compilers work.
finish_reference() { wait "$reference" || { cat .deps/reference.log; return 1; }; }

stage "set-up" scripts/setup.sh
. scripts/environment.sh
scripts/setup.sh --reference > .deps/reference.log 2>&1 &
reference=$!
trap 'kill "$reference" 2> /dev/null || true' EXIT
stage "clang-format" check_format
stage "shape of the tree" scripts/check_tree
stage "release build" build release
mapfile -t programs < <(unit_tests)
stage "sanitizer build" with_sanitizers build asan "${programs[@]}"
stage "unit tests with sanitizers" unit_tests_with_sanitizers
stage "clang-tidy" tidy
stage "reference packages" finish_reference
trap - EXIT
echo "test.sh: all tests, after $SECONDS s ..."
exec ctest --test-dir build --output-on-failure --no-tests=error -j "$jobs"  # its summary is the last thing printed
