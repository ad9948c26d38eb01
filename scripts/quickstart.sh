#!/usr/bin/env bash
# From a fresh clone to a trained reasoning model: set-up, build, then the tiny R1 and R1-Zero recipes on two ranks. Prints the
# path of the report and ends with one line `reward START -> END` for each reinforcement-learning stage. Safe to repeat: what
# is installed, built or trained already is not done again.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
trap 'echo "scripts/quickstart.sh: error: found exit code $? of \"$BASH_COMMAND\", expected 0" >&2' ERR

scripts/setup.sh
. scripts/environment.sh

echo "quickstart: building build/deduce (about 10 minutes the first time on 2 cores)"
cmake --preset release
cmake --build --preset release --target deduce

train() {  # NAME
  echo "quickstart: training runs/$1"
  scripts/run_ranks 2 \
    build/deduce train --config="configs/recipes/$1.textproto" --run_dir="runs/$1" --resume=auto
}
train tiny_r1
train tiny_r1_zero  # starts from tiny_r1's base model
build/deduce report runs/tiny_r1 runs/tiny_r1_zero --out=runs/report.html
echo "report: $PWD/runs/report.html"

# Accuracy on held-out problems, before the first and after the last step of each reinforcement-learning stage.
python3 - runs/tiny_r1 runs/tiny_r1_zero <<'PYTHON'
import json
import sys

for run in sys.argv[1:]:
    rewards = {}
    for line in open(f"{run}/metrics.jsonl"):
        step = json.loads(line)
        if step["stage_kind"] == "grpo":
            found = [v for k, v in step.items() if k.startswith("eval/") and k.endswith("/pass@1")]
            rewards.setdefault(step["stage"], []).extend(found[:1])
    for stage, values in rewards.items():
        if not values:
            sys.exit(f"{run}/metrics.jsonl: found no eval/TASK/pass@1 in stage {stage}, expected one")
        print(f"{run} {stage}: reward {values[0]:.2f} -> {values[-1]:.2f}")
PYTHON
