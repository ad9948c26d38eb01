"""What surrounds a run turns against it: strangers at its ports, full disks, devices for files, signals, files that vanish."""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

import deduce_runs as d

DRILL = pathlib.Path(os.environ.get("HANG_DRILL", d.SOURCE / "build" / "tests" / "hang_drill"))
RUN_RANKS = d.SOURCE / "scripts" / "run_ranks"
ENDLESS = 'stage { name: "rl" steps: 100000 optimizer { schedule: constant } }'
STOPPED = "after a checkpoint; the same command goes on"


def mpirun(ranks, *words):
    return ["mpirun", "-np", str(ranks), "--oversubscribe", "--bind-to", "none", *map(str, words)]


def start(line, **options):
    """A process whose standard error is collected when it ends."""
    options = {"env": d.ENVIRONMENT, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(list(map(str, line)), cwd=d.SOURCE, text=True, **options)


def children(pid):
    """Ids of a process's descendants and their programs' names."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == pid:
            found[int(folder.name)] = name
            found.update(children(int(folder.name)))
    return found


def listening(pid):
    """(address, port) of the TCP sockets on which a process listens; addresses as /proc writes them. None of one that has ended."""
    inodes, found = set(), []
    try:
        for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            inodes.add(os.readlink(link))
        tables = [pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    except OSError:
        return []
    for fields in (line.split() for table in tables for line in table):
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            address, port = fields[1].split(":")
            found.append((address, int(port, 16)))
    return found


LOOPBACK = "0100007F"


def until(process, condition, what):
    """Waits; a process that ends before is a failure."""
    while not condition():
        if process.poll() is not None:
            raise AssertionError(f"found the end of the process, expected {what}: {process.stderr.read()[-1500:]}")
        time.sleep(0.02)


def end(process):
    """Kills a job that a test has left."""
    for pid in [*children(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate(timeout=60)


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        cls.run_dir = cls.root / "finished"
        d.train(cls.run_dir, sets=['stage { name: "rl" steps: 2 }'])
        cls.model = cls.run_dir / "checkpoints" / "rl" / "2"
        cls.pairs = cls.root / "pairs.tsv"
        cls.pairs.write_text("1/2\t0.5\n")
        cls.tokens = cls.root / "tokens.jsonl"
        cls.tokens.write_text('{"tokens": [1, 2, 3]}\n')

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def started(self, line, **options):
        process = start(line, **options)
        self.addCleanup(end, process)
        return process

    def failed(self, code, errors, expected_code, pattern):
        lines = [line for line in errors.splitlines() if line.startswith("deduce: error: ")]
        self.assertEqual(len(lines), 1, errors[-1500:])
        self.assertRegex(lines[0], pattern)
        self.assertEqual(code, expected_code, errors[-1500:])


class Results(Hostile):
    def commands(self):
        """Every command with results, and what it reads."""
        return [(["--help"], ""), (["train", "--help"], ""), (["inspect", self.model], ""), (["inspect", self.run_dir], ""),
                (["generate", f"--model={self.model}", "--prompt=1+2=?", "--max_new_tokens=4"], ""),
                (["logprobs", f"--model={self.model}", f"--input={self.tokens}"], ""),
                (["tokenize", f"--model={self.model}"], "1+2\n"), (["detokenize", f"--model={self.model}"], "[1, 2]\n"),
                (["score", "--verifier=math", f"--input={self.pairs}"], ""), (["report", self.run_dir], ""),
                (["plan", f"--config={d.SMOKE}"], "")]

    def test_results_that_cannot_be_written_are_an_error(self):
        for words, stdin in self.commands():
            with self.subTest(words[0]), open("/dev/full", "w") as full:
                result = subprocess.run(d.command(words), cwd=d.SOURCE, env=d.ENVIRONMENT, input=stdin, text=True, stdout=full,
                                        stderr=subprocess.PIPE, timeout=120)
                self.failed(result.returncode, result.stderr, 1,
                            r"standard output: found error 'No space left on device', expected all results to be written")

    def test_a_standard_output_that_is_closed_is_an_error(self):
        result = subprocess.run(["sh", "-c", '"$0" --help >&-', d.BINARY], stderr=subprocess.PIPE, text=True, timeout=60)
        self.failed(result.returncode, result.stderr, 1, r"standard output: found error 'Bad file descriptor'")

    def test_a_reader_that_has_enough_ends_a_command_as_it_does_cat(self):
        """By SIGPIPE, without a word; where that is ignored, with a line."""
        lines = "1+2=3\n" * 100000
        for ignored in (False, True):
            with self.subTest(ignored=ignored):
                trap = "trap '' PIPE; " if ignored else ""
                line = f'{trap}"$0" tokenize --model="$1" 2>"$2" | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}'
                result = subprocess.run(["bash", "-c", line, d.BINARY, self.model, self.root / "errors"], input=lines, text=True,
                                        stdout=subprocess.PIPE, timeout=120)
                errors = (self.root / "errors").read_text()
                self.assertEqual(result.stdout, "1\n" if ignored else "141\n", errors)
                self.assertRegex(errors, r"^deduce: error: standard output: found error 'Broken pipe'.*\n$" if ignored else r"^$")

    def test_devices_are_not_replaced(self):
        device = self.root / "device"
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # as /dev/null
        pipe = self.root / "pipe"
        os.mkfifo(pipe)
        for path in (device, pipe, self.root):
            for words, code in ((["report", self.run_dir, f"--out={path}"], 2),
                                (["plan", f"--config={d.SMOKE}", f"--trace={path}"], 2),
                                (["export", f"--checkpoint={self.model}", f"--out={path}"], 2)):
                with self.subTest(words[0], path=path.name):
                    result = d.run(words, timeout=60)
                    self.failed(result.returncode, result.stderr, code, re.escape(str(path)) + ": found ")
        self.assertTrue(stat.S_ISCHR(device.stat().st_mode))
        self.assertTrue(stat.S_ISFIFO(pipe.stat().st_mode))

    def test_places_that_cannot_be_made_are_a_bad_command_line(self):
        blocker = self.root / "blocker"
        blocker.write_text("x")
        for where in (blocker / "x", pathlib.Path("/proc/x")):
            for words in (d.train_words(where), ["report", self.run_dir, f"--out={where}/r.html"],
                          ["plan", f"--config={d.SMOKE}", f"--trace={where}/t.json"]):
                with self.subTest(words[0], where=where):
                    result = d.run(words, timeout=60)
                    self.failed(result.returncode, result.stderr, 2, re.escape(str(where)))

    def test_a_run_directory_on_a_file_system_that_is_read_only(self):
        mount = self.root / "read_only"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=True)
        try:
            (mount / "old").mkdir()
            subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
            for run_dir in (mount / "old", mount / "new"):
                result = d.run(d.train_words(run_dir), timeout=60)
                self.failed(result.returncode, result.stderr, 2, r"Read-only file system")
                self.assertIn(str(run_dir), result.stderr)
        finally:
            subprocess.run(["umount", str(mount)], check=True)

    def test_absurd_numbers_are_refused_by_their_flag(self):
        for flag, value in (("max_new_tokens", 2**63 - 1), ("max_new_tokens", 97), ("n", 2**62), ("n", 2**63), ("temperature", "1e-300"),
                            ("temperature", "1e300"), ("top_p", "1e9"), ("seed", "1e9")):
            with self.subTest(flag, value=value):
                result = d.run(["generate", f"--model={self.model}", "--prompt=1+2=?", f"--{flag}={value}"], timeout=60)
                self.failed(result.returncode, result.stderr, 2, rf"--{flag}: found .*expected ")
        result = d.run(["plan", f"--config={d.SMOKE}", "--ranks=1000000000000"], timeout=60)
        self.failed(result.returncode, result.stderr, 2, r"--ranks: found 1e\+12 ranks, expected 1 to ")

    def test_nothing_steers_a_terminal(self):
        text = "\x1b[2J\x7f\u009b31m"
        words = ["generate", f"--model={self.model}", f"--prompt={text}", "--max_new_tokens=4"]
        result = d.run(words, timeout=60)
        if result.returncode == 0:
            self.assertEqual(json.loads(result.stdout)["prompt"], text)
        for written in (result.stdout, result.stderr):
            self.assertNotRegex(written, r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_flags_may_be_followed_by_their_values_and_mistakes_are_answered(self):
        words = ["score", "--verifier", "math", "--input", self.pairs]
        self.assertEqual(d.run(words).stdout, "right\n")
        for words, pattern in ((["trian"], r"found command \"trian\", expected train"),
                               (["score", "--verifer", "math"], r"found --verifer, expected --verifier")):
            result = d.run(words, timeout=60)
            self.failed(result.returncode, result.stderr, 2, pattern)


class Files(Hostile):
    def test_a_limit_of_file_sizes_is_reported_as_a_full_disk_is(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                run_dir = self.root / f"limited{ranks}"
                process = self.started(d.command(d.train_words(run_dir, sets=[ENDLESS]), ranks))
                until(process, lambda: d.num_lines(run_dir) >= 9, "steps")
                for pid in [pid for pid, name in children(process.pid).items() if name == "deduce"] or [process.pid]:
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (20000, 20000))
                _, errors = process.communicate(timeout=120)
                self.failed(process.returncode, errors, 1, r"limited\d/.*found error 'File too large'")
                self.assertEqual(list(run_dir.rglob("*.partial")), [])

    def test_a_run_directory_that_vanishes_ends_the_run(self):
        for how in ("removed", "renamed"):
            with self.subTest(how):
                run_dir = self.root / how
                process = self.started(d.command(d.train_words(run_dir, sets=[ENDLESS])))
                until(process, lambda: d.num_lines(run_dir) >= 3, "steps")
                if how == "removed":
                    while run_dir.exists():  # the run may write into it meanwhile
                        shutil.rmtree(run_dir, ignore_errors=True)
                else:
                    run_dir.rename(self.root / "elsewhere")
                _, errors = process.communicate(timeout=120)
                self.failed(process.returncode, errors, 1, re.escape(str(run_dir)))
                self.assertNotIn("nothing to do", errors)

    def test_what_a_kill_left_of_a_finished_stage_is_removed_at_the_next_start(self):
        run_dir = pathlib.Path(shutil.copytree(self.run_dir, self.root / "left_over"))
        stage = run_dir / "checkpoints" / "base"
        before = sorted(path.name for path in stage.iterdir())
        for name in ("3.removed", "5.partial"):
            (stage / name).mkdir()
            (stage / name / "a").write_text("x")
        result = d.train(run_dir, sets=['stage { name: "rl" steps: 2 }'])
        self.assertIn("nothing to do", result.stderr)
        self.assertEqual(sorted(path.name for path in stage.iterdir()), before)


class Signals(Hostile):
    def running(self, name, ranks=1, **options):
        """A run that has made steps, its directory, and the id of a rank."""
        run_dir = self.root / name
        process = self.started(d.command(d.train_words(run_dir, sets=[ENDLESS]), ranks), **options)
        until(process, lambda: d.num_lines(run_dir) >= 15, "steps")
        ranks = [pid for pid, program in children(process.pid).items() if program == "deduce"] or [process.pid]
        return process, run_dir, sorted(ranks)

    def expect_saved(self, process, run_dir, last):
        """The run has ended in order, its last step saved; `last`: what it says at its end."""
        _, errors = process.communicate(timeout=120)
        self.assertIn(f"stopped by {last} {STOPPED}", errors)
        line = d.metrics(run_dir)[-1]
        newest = max(int(p.name) for p in (run_dir / "checkpoints" / line["stage"]).iterdir())
        self.assertEqual(newest, line["step"])
        return errors

    def test_one_rank_saves(self):
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
            with self.subTest(name):
                process, run_dir, _ = self.running(name)
                process.send_signal(getattr(signal, name))
                errors = self.expect_saved(process, run_dir, name)
                self.assertEqual(process.returncode, 0, errors)
                self.assertEqual(len(re.findall(rf"^{name}: finishing step \d+, then saving; again to stop at once$", errors, re.M)), 1)

    def test_any_rank_of_two_saves(self):
        for rank, last in ((0, "SIGINT"), (1, "a signal to another rank")):
            with self.subTest(rank=rank):
                process, run_dir, ranks = self.running(f"rank{rank}", ranks=2)
                os.kill(ranks[rank], signal.SIGINT)
                errors = self.expect_saved(process, run_dir, last)
                self.assertEqual(process.returncode, 0, errors)

    def test_signals_to_mpirun_save(self):
        """SIGUSR1 is passed on. SIGTERM makes it end the ranks, who have as long as a parameter says, and it has its own exit code."""
        patient = dict(d.ENVIRONMENT, OMPI_MCA_odls_base_sigkill_timeout="10")
        for name in ("SIGUSR1", "SIGTERM"):
            with self.subTest(name):
                process, run_dir, _ = self.running("mpirun" + name, ranks=2, env=patient)
                process.send_signal(getattr(signal, name))
                errors = self.expect_saved(process, run_dir, name)
                if name == "SIGUSR1":
                    self.assertEqual(process.returncode, 0, errors)

    def test_signals_to_run_ranks_save(self):
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            with self.subTest(name):
                run_dir = self.root / f"run_ranks{name}"
                process = self.started([RUN_RANKS, 2, d.BINARY, *d.train_words(run_dir, sets=[ENDLESS])])
                until(process, lambda: d.num_lines(run_dir) >= 15, "steps")
                process.send_signal(getattr(signal, name))
                errors = self.expect_saved(process, run_dir, "SIGUSR1")
                self.assertEqual(process.returncode, 0, errors)

    def test_a_second_signal_ends_the_run_at_once(self):
        process, run_dir, ranks = self.running("second", ranks=2)
        os.kill(ranks[1], signal.SIGSTOP)  # so that rank 0 cannot finish its step
        while process.poll() is None:
            try:
                os.kill(ranks[0], signal.SIGINT)
            except ProcessLookupError:
                break
            time.sleep(0.2)
        _, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, errors)
        self.assertEqual(errors.count("deduce: error: second SIGINT: stopping without saving\n"), 1, errors)
        self.assertEqual(len(re.findall(r"^SIGINT: finishing step \d+, then saving; again to stop at once$", errors, re.M)), 1)


class Ports(Hostile):
    """Strangers at the ports of a running job."""

    def job(self, *options, ranks=2, env=None, seconds=600):
        """A drill of ranks that run for some seconds; its mpirun and the ids of its ranks."""
        line = mpirun(ranks, *options, DRILL, "pause", "Barrier", 3, 1, "world", seconds)
        process = self.started(line, env=env or d.ENVIRONMENT)
        until(process, lambda: sum(n == "hang_drill" and bool(listening(p)) for p, n in children(process.pid).items()) == ranks,
              "ranks that listen")
        return process, [pid for pid, name in children(process.pid).items() if name == "hang_drill"]

    def goes_on(self, process):
        out, errors = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (0, "done\n"), errors)
        self.assertNotIn("deduce:", errors)

    def test_ranks_of_one_machine_listen_on_loopback_only(self):
        process, ranks = self.job()
        for pid in ranks:
            self.assertEqual([address for address, _ in listening(pid)], [LOOPBACK])
        self.goes_on(process)

    def test_names_of_hosts_do_not_matter(self):
        script = 'hostname "host$OMPI_COMM_WORLD_RANK"; exec "$@"'
        process, ranks = self.job("unshare", "--uts", "sh", "-c", script, "sh")
        for pid in ranks:
            self.assertEqual([address for address, _ in listening(pid)], [LOOPBACK])
        self.goes_on(process)

    def stranger(self, port, said=b""):
        """A connection that stays open until the test ends."""
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.addCleanup(connection.close)
        try:
            connection.sendall(said)
        except OSError:
            pass  # it has been dropped
        return connection

    def test_a_byte_that_is_held_holds_nobody(self):
        process, ranks = self.job()
        for _, port in (each for pid in ranks for each in listening(pid)):
            self.stranger(port, b"x")
        self.goes_on(process)

    def test_megabytes_of_calls_are_not_read(self):
        process, ranks = self.job()
        def peak(pid):  # kilobytes
            return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
        before = max(map(peak, ranks))
        body = b"\x22\x80\x80\x80\x1f" + b"\x22\x00" * (31 << 20)  # a record of empty calls
        for _, port in (each for pid in ranks for each in listening(pid)):
            self.stranger(port, len(body).to_bytes(4, "big") + body)
        self.assertLess(max(map(peak, ranks)), before + (16 << 10))
        self.goes_on(process)

    def test_hundreds_of_idle_connections_leave_descriptors_for_files(self):
        process, ranks = self.job("sh", "-c", 'ulimit -n 256; exec "$@"', "sh")
        for pid in ranks:
            for _, port in listening(pid):
                for _ in range(600):
                    self.stranger(port)
            self.assertLess(len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())), 128)
        self.goes_on(process)

    def test_a_fault_is_found_while_strangers_hold_every_port(self):
        process = self.started(mpirun(4, DRILL, "skip", "AllGather", 5, 1, "world", 600))
        while process.poll() is None:
            for pid, name in children(process.pid).items():
                for _, port in listening(pid) if name == "hang_drill" else []:
                    try:
                        self.stranger(port, os.urandom(31))
                    except OSError:
                        continue  # the rank has just ended
            time.sleep(0.05)
        _, errors = process.communicate(timeout=120)
        self.failed(process.returncode, errors, 1, r"rank 1 .*: found ReduceScatter .*, expected AllGather")


class Mpi(Hostile):
    def test_run_ranks_puts_a_job_out_of_reach(self):
        process = self.started([RUN_RANKS, 2, DRILL, "pause", "Barrier", 3, 1, "world", 600])
        until(process, lambda: "hang_drill" in children(process.pid).values(), "ranks")
        for pid in children(process.pid):
            self.assertNotEqual(os.readlink(f"/proc/{pid}/ns/net"), os.readlink("/proc/self/ns/net"))
            devices = pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
            self.assertEqual([line.split(":")[0].strip() for line in devices], ["lo"])
        out, errors = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (0, "done\n"), errors)

    def test_run_ranks_says_so_where_it_cannot(self):
        forbid = 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$0" 2 echo here'
        result = subprocess.run(["unshare", "-Ur", "sh", "-c", forbid, RUN_RANKS], capture_output=True, text=True, timeout=60)
        self.assertEqual((result.returncode, result.stdout), (0, "here\nhere\n"), result.stderr)
        self.assertRegex(result.stderr, r"^run_ranks: warning: found error '.*', expected a network of the job's own: ")

    def test_a_rank_alone_does_not_start_mpi(self):
        """Which would fail without a place for its files, or orted on the path."""
        environment = dict(d.ENVIRONMENT, TMPDIR="/nowhere", PATH="/nowhere", OMPI_MCA_orte_tmpdir_base="/nowhere")
        process = self.started(d.command(d.train_words(self.root / "alone", sets=[ENDLESS])), env=environment)
        until(process, lambda: d.num_lines(self.root / "alone") >= 3, "steps")
        self.assertEqual(listening(process.pid), [])
        self.assertEqual(children(process.pid), {})

    def test_a_rank_alone_makes_the_bits_of_a_rank_of_mpirun(self):
        sets = ['stage { name: "rl" steps: 2 }']
        line = mpirun(1, d.BINARY, *d.train_words(self.root / "launched", sets=sets))
        result = subprocess.run(line, cwd=d.SOURCE, env=d.ENVIRONMENT, capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(d.untimed(self.root / "launched"), d.untimed(self.run_dir))

    def test_ranks_of_one_machine_open_no_port_of_mpi(self):
        run_dir = self.root / "no_ports"
        process = self.started(d.command(d.train_words(run_dir, sets=[ENDLESS]), ranks=2))
        until(process, lambda: d.num_lines(run_dir) >= 3, "steps")
        for pid, name in children(process.pid).items():
            if name == "deduce":
                self.assertEqual([address for address, _ in listening(pid)], [LOOPBACK], "the hang watch's, and no other")


class Machines(Hostile):
    """Two machines of a sort: network namespaces with an address each. Open MPI starts its daemon in the second as by ssh."""

    def setUp(self):
        names = [f"deduce{os.getpid()}{letter}" for letter in "ab"]
        def ip(*words):
            subprocess.run(["ip", *words], check=True)
        for name in names:
            ip("netns", "add", name)
            self.addCleanup(ip, "netns", "del", name)
        ip("link", "add", "v0", "netns", names[0], "type", "veth", "peer", "name", "v1", "netns", names[1])
        for i, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", f"v{i}")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", f"v{i}", "up")
        self.agent = self.root / "agent"
        self.agent.write_text(f'#!/bin/sh\nshift\nexec ip netns exec {names[1]} unshare --uts sh -c \'hostname other; eval "$0"\' "$*"\n')
        self.agent.chmod(0o755)
        self.first = names[0]

    def job(self, *words):
        line = ["ip", "netns", "exec", self.first, "mpirun", "-np", 2, "--host", "10.77.0.1:1,10.77.0.2:1", "--bind-to", "none",
                "--mca", "plm_rsh_agent", self.agent, DRILL, *words]
        return self.started(line)

    def test_ranks_go_on_and_say_that_they_listen_to_networks(self):
        process = self.job("pause", "Barrier", 3, 1, "world", 600)
        out, errors = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (0, "done\n"), errors)
        self.assertEqual(re.findall("^deduce: (.*)$", errors, re.M),
                         ["warning: watch: found ranks on 2 hosts: each listens on one port of all its networks, which only these hosts "
                          "should reach (docs/running.md)"])

    def test_a_fault_is_found(self):
        process = self.job("skip", "AllGather", 5, 1, "world", 600)
        _, errors = process.communicate(timeout=120)
        self.failed(process.returncode, errors, 1, r"rank 1 .*: found ReduceScatter .*, expected AllGather")


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("hostile_test: found no root, expected it (cases mount a file system and make a device)")
    unittest.main(verbosity=2)
