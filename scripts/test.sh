#!/usr/bin/env bash
# Every check of the project, on a fresh clone or a tree in use: set-up, formatting, the shape of the tree, unit tests under
# AddressSanitizer and UndefinedBehaviorSanitizer, clang-tidy, and the tests of the release build, whose summary comes last.
#   --all   also the long and rare tests (label `nightly`), and clang-tidy over every source file instead of those that changed
set -euo pipefail
cd "$(dirname "$0")/.."

all=no
for argument in "$@"; do
  case "$argument" in
    --all) all=yes ;;
    *) echo "scripts/test.sh: error: command line: found $argument, expected --all or nothing" >&2; exit 2 ;;
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

build() { cmake --preset "$1" -DDEDUCE_UNITY=ON && cmake --build --preset "$1" -j "$jobs" ${2:+--target "${@:2}"}; }

# Names of the unit test programs, all of which run under the sanitizers too.
unit_tests() {
  local folder
  for folder in trainer rl parallel data kernels configs; do
    [ -z "$(git ls-files "tests/$folder/*_test.cc")" ] || echo "${folder}_test"
  done
}

# LibTorch, MPI and protobuf are not instrumented, hence detect_leaks=0: what they keep until the process ends would count as
# leaked.
with_sanitizers() { ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$@"; }

# Each program in two shards, the longest first, so that no core waits for the other's last program.
unit_tests_with_sanitizers() {
  local program shard
  for program in "${programs[@]}"; do
    for shard in 0 1; do printf '%s\0' "GTEST_SHARD_INDEX=$shard" "build-asan/tests/$program"; done
  done | with_sanitizers xargs -0 -P "$jobs" -n 2 sh -c 'env GTEST_TOTAL_SHARDS=2 "$@" --gtest_brief=1 "--gtest_filter=-*Nightly*"' sh
}

# The .cc files that changed since this branch left main, or in the last commit when it is main. Without history to compare
# with: two folders that are quick to read.
changed_files() {
  local sources=(':(glob)*.cc' 'configs/*.cc' 'kernels/*.cc' 'data/*.cc' 'parallel/*.cc' 'trainer/*.cc' 'rl/*.cc') from
  if [ "$all" = yes ]; then
    git ls-files "${sources[@]}"
    return
  fi
  from=$(git merge-base HEAD origin/main 2> /dev/null || git merge-base HEAD main 2> /dev/null || true)
  if [ -z "$from" ] || [ "$from" = "$(git rev-parse HEAD)" ]; then from=$(git rev-parse --verify -q HEAD~1 || true); fi
  if [ -n "$from" ]; then
    git diff --name-only --diff-filter=d "$from" -- "${sources[@]}"
  else
    git ls-files 'configs/*.cc' 'data/*.cc'
  fi
}

# Reading headers is most of the work here too, so clang-tidy reads what the compiler does: the sources of the release build that
# hold a dozen files each. One takes 6 to 25 s, and the whole tree has about twenty.
tidy() {
  local units
  # A command for each, without g++'s precompiled headers, which clang cannot read; sources include what they use.
  mkdir -p build/tidy
  sed -E 's/ -Winvalid-pch//; s/ -fopenmp//; s/ -include [^ ]*cmake_pch\.hxx//' build/compile_commands.json > build/tidy/compile_commands.json
  mapfile -t units < <(changed_files | while read -r file; do
    if [ "$file" = main.cc ]; then echo main.cc; else grep -lF "/$file\"" build/CMakeFiles/deduce_*.dir/Unity/*.cxx || true; fi
  done | sort -u)
  [ "${#units[@]}" -gt 0 ] || { echo "clang-tidy: no file to read"; return 0; }
  printf '%s\n' "${units[@]}" | xargs -P "$jobs" -n 1 clang-tidy -p build/tidy --quiet
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
stage "documents" scripts/check_documents
stage "sources of the report page" scripts/check_page_sources
stage "release build" build release
mapfile -t programs < <(unit_tests)
stage "sanitizer build" build asan "${programs[@]}"
stage "unit tests with sanitizers" unit_tests_with_sanitizers
stage "clang-tidy" tidy
stage "reference packages" finish_reference
trap - EXIT
selection=(-LE nightly)
[ "$all" = no ] || selection=()
echo "test.sh: tests of the release build, after $SECONDS s ..."
# Its summary is the last thing printed.
exec ctest --test-dir build --output-on-failure --no-tests=error -j "$jobs" "${selection[@]}"
