"""Starting the real binary, and reading what it leaves. Shared by the end-to-end tests; standard library only."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("DEDUCE_BINARY", SOURCE / "build" / "deduce"))
SMOKE = SOURCE / "tests" / "end_to_end" / "smoke.textproto"
TIMED = ("step_time", "perf/", "timing_s/", "rollout/tokens_per_second")

ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1")


def command(words, ranks=1):
    """The command line of `deduce WORDS` on this many ranks."""
    line = [str(BINARY), *map(str, words)]
    if ranks == 1:
        return line
    return ["mpirun", "-np", str(ranks), "--oversubscribe", "--bind-to", "none", *line]


def run(words, ranks=1, stdin="", timeout=240, **options):
    """Runs to the end; a run that does not end in `timeout` seconds is a hang and raises."""
    return subprocess.run(command(words, ranks), cwd=SOURCE, env=ENVIRONMENT, input=stdin, text=True,
                          capture_output=True, timeout=timeout, **options)


def train_words(run_dir, config=SMOKE, sets=(), resume="auto"):
    return ["train", f"--config={config}", f"--run_dir={run_dir}", f"--resume={resume}", *[f"--set={s}" for s in sets]]


def train(run_dir, ranks=1, config=SMOKE, sets=(), resume="auto"):
    result = run(train_words(run_dir, config, sets, resume), ranks)
    if result.returncode != 0:
        raise AssertionError(f"train ended with {result.returncode}: {result.stderr[-2000:]}")
    return result


def kill(run_dir):
    """SIGKILL to mpirun and every rank of a run; whether there was any."""
    return subprocess.run(["pkill", "-KILL", "-f", "--", f"--run_dir={run_dir}( |$)"]).returncode == 0


def train_and_kill(run_dir, line, ranks=1, sets=(), delay=0.0):
    """Trains until `line` lines of metrics are written and `delay` seconds more, then kills every process."""
    process = subprocess.Popen(command(train_words(run_dir, sets=sets), ranks), cwd=SOURCE, env=ENVIRONMENT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and num_lines(run_dir) < line:
        time.sleep(0.002)
    time.sleep(delay)
    if not kill(run_dir) or process.wait(timeout=60) == 0:
        raise AssertionError(f"the run ended before it could be killed after line {line}")


def metrics(run_dir):
    return [json.loads(line) for line in (pathlib.Path(run_dir) / "metrics.jsonl").read_text().splitlines()]


def num_lines(run_dir):
    """Of metrics.jsonl, which a running job may be about to write."""
    path = pathlib.Path(run_dir) / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def untimed(run_dir):
    """metrics.jsonl without what may differ between two equal runs: times."""
    return [{k: v for k, v in line.items() if not k.startswith(TIMED)} for line in metrics(run_dir)]


def final_hash(run_dir):
    return metrics(run_dir)[-1]["weights_hash"]


def leave_for_parity_table(name, value):
    """For parity_table_test.py, which prints what several tests found."""
    if "DEDUCE_PARITY" in os.environ:
        folder = pathlib.Path(os.environ["DEDUCE_PARITY"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(value))


def run_tests():
    """unittest.main for the classes that are named on the command line; else for those called Nightly..., which are long and rare
    variants of others, if DEDUCE_NIGHTLY is set, and for the others if it is not."""
    if len(sys.argv) == 1:
        nightly = "DEDUCE_NIGHTLY" in os.environ
        sys.argv += [name for name, value in vars(sys.modules["__main__"]).items()
                     if isinstance(value, type) and issubclass(value, unittest.TestCase) and name.startswith("Nightly") == nightly]
    unittest.main(verbosity=2)


class Folder:
    """A temporary folder for one test."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="deduce-test-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
