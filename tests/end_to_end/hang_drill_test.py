"""One rank of four does one thing wrong: the rank and its call are named, the job ends with an error, no process is left."""
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

from deduce_runs import ENVIRONMENT, SOURCE, run_tests

PROGRAM = pathlib.Path(os.environ.get("HANG_DRILL", SOURCE / "build" / "tests" / "hang_drill"))
HANG_SECONDS = 5  # of a peer that computes; all else is found earlier
TIMEOUT = 120  # a hang of the drill itself

WORLD = r" \d+ of world"
DATA = r" \d+ of data \{0, 2\}"
# Fault, operation, which of its calls, rank, group; what was found, what was expected, and the kind. One of each kind of fault:
DRILLS = [
    ("kill", "AllGather", 5, 2, "world", "its process gone", "AllGather" + WORLD, "dead peer"),
    ("leave", "Barrier", 5, 2, "world", "the end of its run", "Barrier" + WORLD, "skipped"),
    ("stop", "AllGather", 5, 2, "world", "a process that does not answer", "AllGather" + WORLD, "stopped process"),
    ("skip", "AllGather", 5, 1, "world", "ReduceScatter" + WORLD, "AllGather" + WORLD, "skipped or reordered"),
    ("skip", "ReduceScatter", 5, 2, "world", "AllGatherInto" + WORLD, "ReduceScatter" + WORLD, "skipped or reordered"),
    ("skip", "Send", 16, 2, "world", "AllGather" + WORLD, r"Send \d+ to rank 3", "skipped or reordered"),
    ("reorder", "Barrier", 5, 2, "world", "Barrier" + DATA, "Barrier" + WORLD, "skipped or reordered"),
    ("shape", "Broadcast", 5, 2, "world", r"Broadcast.*\[65537\]", r"Broadcast.*\[65536\]", "wrong shape"),
    ("root", "Broadcast", 5, 2, "world", "Broadcast.* from rank 1", "Broadcast.* from rank 0", "wrong root"),
    ("peer", "Send", 16, 2, "world", "Send 0 to rank 0", "Send 16 to rank 3", "wrong peer"),
    ("tag", "Receive", 16, 2, "world", "Receive 0 from rank 1, tag 1", "Receive 16 from rank 1, tag 0", "wrong tag"),
]
# The same faults in other calls, at other ranks and in other groups.
MORE_DRILLS = [
    ("kill", "AllGather", 5, 0, "world", "its process gone", "AllGather" + WORLD, "dead peer"),
    ("exit", "Barrier", 5, 2, "world", "its process gone", "Barrier" + WORLD, "dead peer"),
    ("kill", "Send", 5, 2, "data", "its process gone", r"Send 5 to rank 0", "dead peer"),
    ("stop", "Barrier", 5, 0, "world", "a process that does not answer", "Barrier" + WORLD, "stopped process"),
    ("skip", "Barrier", 5, 2, "world", "Barrier" + DATA, "Barrier" + WORLD, "skipped or reordered"),
    ("skip", "AllReduce", 5, 2, "data", "AllGather" + WORLD, "AllReduceSum" + DATA, "skipped or reordered"),
    ("kill", "AllReduce", 5, 2, "data", "its process gone", "AllReduceSum" + DATA, "dead peer"),
    ("kill", "AllGatherInto", 5, 2, "world", "its process gone", "AllGatherInto" + WORLD, "dead peer"),
    ("skip", "Send", 5, 2, "data", "Barrier" + WORLD, r"Send 5 to rank 0", "skipped or reordered"),
    ("skip", "Receive", 16, 2, "world", "AllGather" + WORLD, r"Receive \d+ from rank 1", "skipped or reordered"),
    ("skip", "Barrier", 19, 2, "data", "the end of its run", "Barrier" + DATA, "skipped"),
    ("shape", "AllGather", 5, 2, "world", r"AllGather.*\[16385\]", r"AllGather.*\[16384\]", "wrong shape"),
    ("shape", "AllReduce", 5, 2, "data", r"AllReduceSum.*\[65537\]", r"AllReduceSum.*\[65536\]", "wrong shape"),
    ("shape", "AllGatherInto", 5, 2, "world", "AllGatherInto" + WORLD + ".* in shards", "AllGatherInto" + WORLD + ".* in shards",
     "wrong shape"),
    ("shape", "AllToAll", 5, 2, "world", "1025 rows for rank 3 in AllToAll" + WORLD, "1024", "wrong shape"),
    ("shape", "Send", 16, 2, "world", r"Send 16 to rank 3.*\[65537\]", r"Send 16 to rank 3.*\[65536\]", "wrong shape"),
    ("tag", "Send", 16, 2, "world", "Send 0 to rank 3, tag 1", "Send 16 to rank 3, tag 0", "wrong tag"),
    ("peer", "Receive", 16, 2, "world", "Receive 0 from rank 0", "Receive 16 from rank 1", "wrong peer"),
]


def running(marker):
    """Processes of a drill that are more than an entry in the table of processes."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if marker in (folder / "environ").read_text() and state != "Z":
                found.append(folder.name)
        except OSError:
            continue  # it has just ended
    return found


def drill(*words):
    """Exit code, standard error, seconds, and the processes that are left a while after mpirun has ended."""
    marker = f"HANG_DRILL_MARKER={os.getpid()}-{time.monotonic_ns()}"
    line = ["mpirun", "-np", "4", "--oversubscribe", "--bind-to", "none", str(PROGRAM), *map(str, words)]
    environment = dict([marker.split("=")], **ENVIRONMENT)
    # Into files: a process that is left would keep a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        code = subprocess.run(line, env=environment, stdout=out, stderr=err, timeout=TIMEOUT).returncode
        seconds = time.monotonic() - start
        for _ in range(100):  # mpirun may end before those it has killed
            left = running(marker)
            if not left:
                break
            time.sleep(0.1)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read(), seconds, left


class Drills(unittest.TestCase):
    def expect(self, fault, operation, nth, rank, group, found, expected, kind):
        """Returns what was written to standard error."""
        code, _, errors, seconds, left = drill(fault, operation, nth, rank, group, HANG_SECONDS)
        lines = re.findall("^deduce: error: (.*)$", errors, re.MULTILINE)
        print(f"{fault:8} {operation:10} rank {rank} {seconds:5.1f} s, exit {code:3}: {' | '.join(lines)}", flush=True)
        self.assertEqual(len(lines), 1, errors)
        self.assertRegex(lines[0], rf"^rank {rank}( \(step 5[^)]*\)|): found .*{found}.*, expected {expected}.*: {kind}")
        self.assertEqual(code, 137 if fault == "kill" else 1)  # mpirun's own code for SIGKILL
        self.assertEqual(left, [])
        return errors

    def expect_all(self, drills):
        for words in drills:
            with self.subTest(words[:5]):
                self.expect(*words)


class HangDrillTest(Drills):
    def test_the_culprit_is_named_and_the_job_ends(self):
        self.expect_all(DRILLS)

    def test_a_rank_that_goes_on_ends_nothing(self):
        for fault in ("none", "pause"):
            with self.subTest(fault=fault):
                code, out, errors, _, left = drill(fault, "AllGather", 5, 2, "world", 600)
                self.assertEqual((code, out, left), (0, "done\n", []), errors)
                self.assertNotIn("deduce:", errors)

    def test_a_slow_rank_is_first_warned_of(self):
        errors = self.expect("sleep", "Broadcast", 5, 2, "world", "of computing after Barrier" + DATA, "Broadcast" + WORLD, "slow peer")
        first = [line for line in errors.splitlines() if line.startswith("deduce: ")][0]
        self.assertRegex(first, r"^deduce: warning: rank 2 \(step 5\): .* slow peer; the job ends after 5 s$")

    # Messages of a few bytes do not make MPI wait: the run would go to its end with wrong numbers.
    def test_a_wrong_root_is_named_where_nothing_hangs(self):
        code, _, errors, _, _ = drill("root", "Broadcast", 19, 2, "world", 600, 64)
        self.assertEqual(code, 1)
        self.assertRegex(errors, r"deduce: error: rank 2 \(step 19\): found Broadcast.* from rank 1\), expected .*wrong root")


class NightlyHangDrillTest(Drills):
    def test_the_culprit_is_named_and_the_job_ends(self):
        self.expect_all(MORE_DRILLS)


if __name__ == "__main__":
    run_tests()
