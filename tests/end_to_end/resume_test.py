"""Runs that go on: with other files, other settings, fewer checkpoints, or beside another process that writes them."""
import json
import pathlib
import shutil
import subprocess
import time
import unittest

import deduce_runs as d

TOKENIZER = d.SOURCE / "configs" / "recipes" / "tiny_tokenizer.json"
STOP_AT_3 = 'stage { name: "rl" steps: 3 }'


def snapshot(folder):
    """Every file below a folder with its contents."""
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def start(run_dir, ranks=1, sets=()):
    return subprocess.Popen(d.command(d.train_words(run_dir, sets=sets), ranks), cwd=d.SOURCE, env=d.ENVIRONMENT,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_lines(process, run_dir, lines):
    while d.num_lines(run_dir) < lines:
        if process.poll() is not None:
            raise AssertionError(f"the run ended early: {process.stderr.read()[-1500:]}")
        time.sleep(0.005)


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        d.train(cls.root / "straight")
        cls.straight = d.untimed(cls.root / "straight")
        d.train(cls.root / "short", sets=[STOP_AT_3])

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def copy(self, name, of="short"):
        return pathlib.Path(shutil.copytree(self.root / of, self.root / name))

    def refused(self, words, code, pattern, unchanged=None, ranks=1):
        before = snapshot(unchanged) if unchanged else None
        result = d.run(words, ranks)
        lines = [line for line in result.stderr.splitlines() if line.startswith("deduce: error: ")]
        self.assertEqual(result.returncode, code, result.stderr[-1500:])
        self.assertEqual(len(lines), 1, result.stderr[-1500:])
        self.assertRegex(lines[0], pattern)
        if unchanged:
            self.assertEqual(snapshot(unchanged), before)

    def test_more_steps_of_a_finished_run_are_those_of_a_longer_run(self):
        run_dir = self.copy("longer")
        d.train(run_dir, ranks=2)
        self.assertEqual(d.untimed(run_dir), self.straight)
        changes = [json.loads(line) for line in (run_dir / "changes.jsonl").read_text().splitlines()]
        self.assertEqual(changes, [{"stage": "rl", "step": 3, "field": "stage[2].steps", "from": "3", "to": "6"}])
        self.assertEqual((run_dir / "checkpoints" / "rl" / "6" / "changes.jsonl").read_bytes(),
                         (run_dir / "changes.jsonl").read_bytes())

    def test_more_steps_may_not_change_the_past(self):
        run_dir = self.copy("cosine")
        self.refused(d.train_words(run_dir, sets=['stage { name: "rl" optimizer { schedule: cosine } }']), 2,
                     r"stage\[2\]\.steps: found 6, expected 3: with optimizer\.schedule cosine", run_dir)
        self.refused(d.train_words(run_dir, sets=[STOP_AT_3, 'stage { name: "base" steps: 9 }']), 2,
                     r"stage\[0\]\.steps: found 9, expected 7: stage cold_start has begun", run_dir)

    def test_the_learning_rate_of_the_rest_may_change(self):
        run_dir = self.copy("other_rate")
        rate = 'stage { name: "rl" optimizer { learning_rate: 5e-4 } }'
        self.refused(d.train_words(run_dir, sets=[STOP_AT_3, rate]), 2,
                     r"stage\[2\]\.optimizer\.learning_rate: found 0\.0005, expected 0\.001: stage rl is finished", run_dir)
        d.train(run_dir, sets=[rate])
        lines = [line for line in d.untimed(run_dir) if line["stage"] == "rl" and line["step"] > 0]
        self.assertEqual([line["lr"] for line in lines], [1e-3] * 3 + [5e-4] * 3)
        self.assertNotEqual(lines[-1]["weights_hash"], self.straight[-1]["weights_hash"])
        self.assertIn("learning_rate", (run_dir / "changes.jsonl").read_text())

    def test_other_data_or_another_tokenizer_is_named_before_anything_is_written(self):
        folder = self.root / "files"
        folder.mkdir()
        data, tokenizer = folder / "data.jsonl", folder / "tokenizer.json"
        lines = [json.dumps({"prompt": f"{i}+1=?", "completion": str(i + 1)}) for i in range(20)]
        data.write_text("\n".join(lines) + "\n")
        shutil.copy(TOKENIZER, tokenizer)
        text = d.SMOKE.read_text().replace("configs/recipes/tiny_tokenizer.json", str(tokenizer))
        head, first, *_ = text.split("stage {")
        first = first[:first.index("  data {")] + f'  data {{ path: "{data}" }}\n}}\n'
        config, run_dir = folder / "config.textproto", folder / "run"
        config.write_text(head + "stage {" + first)
        words = d.train_words(run_dir, config)
        self.assertEqual(d.run(words).returncode, 0)
        more = words + ['--set=stage { name: "base" steps: 9 optimizer { schedule: constant } }']
        for path in (data, tokenizer):
            with self.subTest(path.name):
                text = path.read_text()
                path.write_text(text.replace("19+1", "18+1") if path == data else text + "\n")
                self.refused(more, 3, rf"{path}: found content of hash \w+, expected \w+, which .* was made from", run_dir)
                path.write_text(text)
        self.assertEqual(d.run(more).returncode, 0)

    def test_finished_stages_without_checkpoints_are_not_trained_again(self):
        run_dir = self.copy("cleared")
        for stage in ("base", "cold_start"):
            shutil.rmtree(run_dir / "checkpoints" / stage)
        result = d.train(run_dir)
        self.assertIn("stage base: its last checkpoint is gone", result.stderr)
        self.assertEqual(d.untimed(run_dir), self.straight)

    def test_a_second_process_is_refused_and_the_first_not_disturbed(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                run_dir = self.root / f"twice{ranks}"
                first = start(run_dir, ranks, sets=['stage { name: "rl" steps: 1000 }'])
                wait_for_lines(first, run_dir, 2)
                self.refused(d.train_words(run_dir), 2, r"run_dir: found process \d+ on \S+ writing .*, expected nobody",
                             ranks=ranks)
                summary = json.loads(d.run(["inspect", run_dir]).stdout.splitlines()[0])
                self.assertEqual(summary["state"], "running")
                wait_for_lines(first, run_dir, len(self.straight))
                d.kill(run_dir)
                first.communicate(timeout=60)
                lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines(True) if line[-1] == "\n"]
                untimed = [{k: v for k, v in line.items() if not k.startswith(d.TIMED)} for line in lines]
                self.assertEqual(untimed[:len(self.straight)], self.straight)

    def test_a_killed_run_leaves_a_lock_that_is_taken_over(self):
        run_dir = self.root / "killed"
        d.train_and_kill(run_dir, 4)
        self.assertTrue((run_dir / "lock").exists())
        self.assertEqual(json.loads(d.run(["inspect", run_dir]).stdout.splitlines()[0])["state"], "stopped")
        d.train(run_dir)
        self.assertEqual(d.untimed(run_dir), self.straight)

    def test_metrics_that_vanish_end_the_run_and_do_not_keep_it_from_going_on(self):
        run_dir = self.root / "vanished"
        process = start(run_dir)
        wait_for_lines(process, run_dir, 9)
        (run_dir / "metrics.jsonl").unlink()
        _, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(errors, r"deduce: error: .*metrics\.jsonl: found it removed or replaced")
        result = d.train(run_dir)
        self.assertIn("the run goes on without its earlier lines", result.stderr)
        lines = d.untimed(run_dir)
        self.assertEqual(lines, self.straight[-len(lines):])

    def test_inspecting_a_run_lists_its_stages_and_changes_nothing(self):
        run_dir = self.root / "straight"
        before = snapshot(run_dir)
        result = d.run(["inspect", run_dir, "--verify"])
        self.assertEqual(result.returncode, 0, result.stderr)
        summary, *stages = map(json.loads, result.stdout.splitlines())
        self.assertEqual(summary["state"], "finished")
        self.assertIsNone(summary["writer"])
        self.assertFalse((run_dir / "lock").exists())
        self.assertEqual([(s["stage"], s["stage_kind"], s["state"], s["step"]) for s in stages],
                         [("base", "pretrain", "finished", 7), ("cold_start", "sft", "finished", 3),
                          ("rl", "grpo", "finished", 6)])
        inputs = {entry["type"]: entry for entry in stages[1]["inputs"]}
        self.assertEqual(inputs["weights"], {"type": "weights", "name": "base", "hash": stages[0]["weights_hash"]})
        self.assertEqual(inputs["task"]["name"], "chain_sum")
        self.assertGreater(stages[2]["seconds"], 0)
        self.assertEqual(snapshot(run_dir), before)

    def test_commands_of_one_process_do_not_start_mpi(self):
        """Which would fail without a place for its files."""
        environment = dict(d.ENVIRONMENT, TMPDIR="/nowhere", PATH="/nowhere", OMPI_MCA_orte_tmpdir_base="/nowhere")
        for words in (["--help"], ["train", "--help"], ["inspect", self.root / "straight"]):
            result = subprocess.run([str(d.BINARY), *map(str, words)], cwd=d.SOURCE, env=environment, text=True,
                                    capture_output=True, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stderr, "")
        two = d.run(["inspect", self.root / "straight"], ranks=2)
        self.assertEqual(len(two.stdout.splitlines()), 4, two.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
