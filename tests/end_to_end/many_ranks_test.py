"""A tiny model on 64 processes of one machine, PP4 x EP4 x DP4: the numbers of one rank, what a rank costs, and a killed one.

    many_ranks_test.py [RANKS ...]   prints the costs of these numbers of ranks (8, 16, 32, 64), and tests the last one
"""
import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

import deduce_runs as d

CONFIG = d.SOURCE / "tests" / "end_to_end" / "many_ranks.textproto"
COUNT_CALLS = pathlib.Path(os.environ.get("COUNT_CALLS", d.SOURCE / "build" / "tests" / "count_calls"))
LAYOUTS = {  # the rest of the ranks is the data axis
    4: "pipeline_parallel: 2 expert_parallel: 2",
    8: "pipeline_parallel: 4 expert_parallel: 2",
    16: "pipeline_parallel: 4 expert_parallel: 2",
    32: "pipeline_parallel: 4 expert_parallel: 4",
    64: "pipeline_parallel: 4 expert_parallel: 4",
}
VICTIM = 37
TIMEOUT = 1800  # a hang of the drill itself
ranks = [64]


def processes(run_dir):
    """Process numbers of a run's ranks, by rank."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if pathlib.Path(os.fsdecode(words[0])).name != d.BINARY.name or f"--run_dir={run_dir}".encode() not in words:
                continue
            variables = dict(entry.split(b"=", 1) for entry in (folder / "environ").read_bytes().split(b"\0") if b"=" in entry)
            found[int(variables[b"OMPI_COMM_WORLD_RANK"])] = int(folder.name)
        except (OSError, KeyError):
            continue  # it has just ended, or has not begun
    return found


def memory(pid):
    """Resident and proportional megabytes of a process: the second counts a page that n processes share as one nth."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return [int(re.search(rf"^{name}: *(\d+)", lines, re.MULTILINE).group(1)) / 1024 for name in ("Rss", "Pss")]


def connections(pid):
    """Established TCP connections and connected Unix sockets of a process."""
    inodes = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
        except OSError:
            continue
        if match:
            inodes.add(match.group(1))
    tcp = unix = 0
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            tcp += fields[9] in inodes and fields[3] == "01"
    for line in pathlib.Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        unix += fields[6] in inodes and fields[5] == "03"
    return tcp, unix


class Job:
    """A run on some ranks, started and not waited for; whatever is left of it is killed at the end of a `with`."""

    def __init__(self, run_dir, num_ranks, sets=()):
        self.run_dir = run_dir
        self.num_ranks = num_ranks
        self.start = time.monotonic()
        words = d.train_words(run_dir, CONFIG, [f"layout {{ {LAYOUTS[num_ranks]} }}", *sets])
        self.errors = open(f"{run_dir}.errors", "w+")
        self.process = subprocess.Popen(d.command(words, num_ranks), cwd=d.SOURCE, env=d.ENVIRONMENT,
                                        stdout=subprocess.DEVNULL, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            d.kill(self.run_dir)
            self.process.wait(timeout=60)
        self.errors.close()

    def seconds_to_line(self, line):
        """From the start of mpirun until so many steps are logged."""
        while d.num_lines(self.run_dir) < line:
            if self.process.poll() is not None or time.monotonic() - self.start > TIMEOUT:
                raise AssertionError(f"the run of {self.num_ranks} ranks wrote {d.num_lines(self.run_dir)} lines: {self.text()}")
            time.sleep(0.02)
        return time.monotonic() - self.start

    def text(self):
        self.errors.seek(0)
        return self.errors.read()


def costs(root, num_ranks):
    """Trains, and says what a rank takes after the first step. Returns the run's metrics."""
    with Job(root / f"ranks_{num_ranks}", num_ranks) as job:
        first = job.seconds_to_line(1)
        found = processes(job.run_dir)
        for pid in found.values():
            os.kill(pid, signal.SIGSTOP)  # a moment of the run, in which none ends
        resident, proportional = zip(*(memory(pid) for pid in found.values()))
        tcp, unix = zip(*(connections(pid) for pid in found.values()))
        for pid in found.values():
            os.kill(pid, signal.SIGCONT)
        code = job.process.wait(timeout=TIMEOUT)
        if code != 0:
            raise AssertionError(f"the run of {num_ranks} ranks ended with {code}: {job.text()}")
    print(f"{num_ranks:3} ranks: first step logged after {first:.1f} s, all after {time.monotonic() - job.start:.1f} s; "
          f"a rank: {max(resident):.0f} MB resident, {sum(proportional) / len(found):.1f} MB proportional "
          f"(most {max(proportional):.1f}); connections: {sorted(collections.Counter(tcp).items())} TCP, "
          f"most {max(unix)} Unix", flush=True)
    return d.untimed(job.run_dir)


def calls(num_ranks):
    """What a rank calls in one step, by operation, and how much it gives or sends."""
    line = ["mpirun", "-np", str(num_ranks), "--oversubscribe", "--bind-to", "none", str(COUNT_CALLS), LAYOUTS[num_ranks]]
    result = subprocess.run(line, env=d.ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    found = json.loads(result.stdout)
    for part in ("start", "step"):
        counts = ", ".join(f"{count['calls']} {name} ({count['bytes']:,} B)" for name, count in found[part].items())
        print(f"{num_ranks:3} ranks: {part}, the most of any rank: {counts}", flush=True)
    return found["step"]


class ManyRanks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def test_they_have_the_numbers_of_one_rank(self):
        d.train(self.root / "one", config=CONFIG)
        expected = d.untimed(self.root / "one")
        for number in ranks:
            self.assertEqual(costs(self.root, number), expected)

    def test_collectives_of_a_step_do_not_grow_with_the_ranks(self):
        few, many = calls(16), calls(ranks[-1])
        for name in ("AllGatherInto", "AllReduce", "AllGather", "AllGatherBytes", "Broadcast"):
            self.assertLessEqual(many.get(name, {"calls": 0})["calls"], few.get(name, {"calls": 0})["calls"], name)

    def test_a_killed_rank_is_named(self):
        number = ranks[-1]
        victim = VICTIM % number
        with Job(self.root / "killed", number, ["stage { name: \"base\" steps: 100000 }"]) as job:
            job.seconds_to_line(1)
            os.kill(processes(job.run_dir)[victim], signal.SIGKILL)
            start = time.monotonic()
            while "deduce: error:" not in job.text() and job.process.poll() is None:
                time.sleep(0.05)
            named = time.monotonic() - start
            code = job.process.wait(timeout=TIMEOUT)
            ended = time.monotonic() - start
            errors = job.text()
        lines = [line for line in errors.splitlines() if line.startswith("deduce: error:")]
        self.assertEqual(len(lines), 1, errors)
        line = lines[0]
        print(f"{number:3} ranks: rank {victim} killed; named after {named:.1f} s, the job ended after {ended:.1f} s: {line}")
        self.assertRegex(line, rf"^deduce: error: rank {victim}( \([^)]*\))?: found its process gone")
        self.assertNotEqual(code, 0)
        self.assertEqual(processes(job.run_dir), {})


if __name__ == "__main__":
    ranks = [int(word) for word in sys.argv[1:]] or ranks
    unittest.main(argv=sys.argv[:1], verbosity=2)
