"""Trains a finished run's config once more, kills it on the way, and compares the two: for runs too long for the tests.

    python3 tests/end_to_end/resume_drill.py FINISHED_RUN NEW_RUN [SEED]

Five times every process gets SIGKILL: while a checkpoint is being written, in the middle of a rollout, and at three moments drawn
by SEED. Each time the run goes on under the next of three layouts: 2 data-parallel ranks, 1 rank, 2 expert-parallel ranks. Ends with
`equal` if every line of both metrics.jsonl is the same, times aside, hence every weights_hash too.
"""
import pathlib
import random
import subprocess
import sys
import time

import deduce_runs as d

LAYOUTS = ((2, "layout { data_parallel: 2 expert_parallel: 1 }"), (1, "layout { data_parallel: 1 expert_parallel: 1 }"),
           (2, "layout { data_parallel: 1 expert_parallel: 2 }"))


def saving(run_dir):
    return any(run_dir.glob("checkpoints/*/*.partial"))


def rolling_out(run_dir):
    """The first moments after a GRPO step's line belong to the next step's rollouts."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines() if d.num_lines(run_dir) > 0 else [""]
    return '"stage_kind":"grpo"' in lines[-1] and '"reward"' in lines[-1]


def wait_until(process, seconds, condition):
    """Waits for the time to pass and then for the condition; False if the process ended before."""
    end = time.time() + seconds
    while time.time() < end or not condition():
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    return True


def drill(finished, run_dir, seed):
    random_numbers = random.Random(seed)
    length = sum(line.get("step_time", 0) for line in d.metrics(finished))
    moments = [("while saving", 0.1 * length, lambda: saving(run_dir)),
               *[("at a random moment", random_numbers.uniform(0.1, 0.3) * length, lambda: True) for _ in range(3)],
               ("while rolling out", 0.1 * length, lambda: rolling_out(run_dir))]
    attempt = 0
    while True:
        ranks, layout = LAYOUTS[attempt % len(LAYOUTS)]
        attempt += 1
        words = d.train_words(run_dir, finished / "config.textproto", [layout])
        process = subprocess.Popen(d.command(words, ranks), cwd=d.SOURCE, env=d.ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        if moments:
            name, seconds, condition = moments.pop(0)
            if wait_until(process, seconds, condition) and d.kill(run_dir):
                process.communicate()
                print(f"{ranks} ranks, {layout}: killed {name}, after {d.num_lines(run_dir)} lines", flush=True)
                continue
        _, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(f"resume_drill: found exit code {process.returncode}, expected 0: {errors[-2000:]}")
        print(f"{ranks} ranks, {layout}: ran to the end", flush=True)
        return


def main():
    finished, run_dir = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    drill(finished, run_dir, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    ours, theirs = d.untimed(run_dir), d.untimed(finished)
    for number, (a, b) in enumerate(zip(ours, theirs), start=1):
        if a != b:
            sys.exit(f"{run_dir}/metrics.jsonl:{number}: found {a}, expected {b}")
    if len(ours) != len(theirs):
        sys.exit(f"{run_dir}/metrics.jsonl: found {len(ours)} lines, expected {len(theirs)}")
    print(f"equal: {len(ours)} lines, weights_hash {ours[-1]['weights_hash']}")


if __name__ == "__main__":
    main()
