"""Runs that must end with the same weights: other layouts, killed and resumed ones, and the same run twice."""
import json
import pathlib
import random
import re
import signal
import subprocess
import time
import unittest

import deduce_runs as d


class Runs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        d.train(cls.root / "reference", ranks=2)
        cls.reference = d.untimed(cls.root / "reference")

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()


class SameBits(Runs):
    def test_two_runs_have_identical_metrics(self):
        d.train(self.root / "again", ranks=2)
        self.assertEqual(d.untimed(self.root / "again"), self.reference)

    def test_one_rank_has_the_metrics_of_two(self):
        d.train(self.root / "one")
        self.assertEqual(d.untimed(self.root / "one"), self.reference)

    def test_expert_parallel_has_the_metrics_of_data_parallel(self):
        d.train(self.root / "expert", ranks=2, sets=["layout { expert_parallel: 2 }"])
        self.assertEqual(d.untimed(self.root / "expert"), self.reference)

    def test_a_run_with_copies_of_experts_goes_on_without_them_and_back(self):
        run_dir = self.root / "copies, killed"
        copies = ["layout { expert_parallel: 2 rebalance_every: 2 redundant_experts: 2 }"]
        for line, ranks, sets in ((4, 2, copies), (9, 1, []), (14, 2, copies)):
            d.train_and_kill(run_dir, line, ranks, sets)
        d.train(run_dir)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_a_pipeline_has_the_metrics_of_one_stage(self):
        for schedule in ("zb_h1", "dualpipe"):
            d.train(self.root / schedule, ranks=2, sets=[f'layout {{ pipeline_parallel: 2 schedule: "{schedule}" }}'])
            self.assertEqual(d.untimed(self.root / schedule), self.reference)

    def test_sharded_weights_have_the_metrics_of_whole_ones(self):
        sets = ["layout { zero_stage: 3 virtual_stages: 2 recompute: full }"]
        run_dir = self.root / "zero3, killed"
        d.train_and_kill(run_dir, 4, 2, sets)
        d.train_and_kill(run_dir, 9, 1)
        d.train(run_dir, ranks=2, sets=sets)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_rollouts_have_the_bits_of_the_trainer_at_every_step(self):
        ratios = [line["rollout/logprob_bitwise_equal_ratio"] for line in self.reference if "reward" in line]
        self.assertEqual(ratios, [1.0] * 6)

    def test_in_bf16_too_two_ranks_have_the_bits_of_one_and_rollouts_those_of_the_trainer(self):
        sets = ["model { compute: bf16 }"]
        printed = d.train(self.root / "bf16", sets=sets).stderr
        self.assertIn("\ncompute: products of bf16", printed)
        d.train(self.root / "bf16, two ranks", ranks=2, sets=sets)
        lines = d.untimed(self.root / "bf16")
        self.assertEqual(d.untimed(self.root / "bf16, two ranks"), lines)
        self.assertEqual([line["rollout/logprob_bitwise_equal_ratio"] for line in lines if "reward" in line], [1.0] * 6)
        self.assertNotEqual(lines[-1]["weights_hash"], self.reference[-1]["weights_hash"])

    def test_context_ranks_have_the_bits_of_their_own_layout_and_of_the_rollouts(self):
        """Inexact, so near one rank's numbers at first; but a killed run goes on with the same bits."""
        sets = ["layout { context_parallel: 2 context_keys: gathered exact: false }"]
        d.train(self.root / "context", ranks=4, sets=sets)
        lines = d.untimed(self.root / "context")
        self.assertEqual([line["rollout/logprob_bitwise_equal_ratio"] for line in lines if "reward" in line], [1.0] * 6)
        losses = [next(line["loss"] for line in run if "loss" in line) for run in (lines, self.reference)]
        self.assertAlmostEqual(losses[0], losses[1], delta=1e-6 * losses[1])
        self.assertNotEqual(lines[-1]["weights_hash"], self.reference[-1]["weights_hash"])

        run_dir = self.root / "context, killed"
        d.train_and_kill(run_dir, 9, 4, sets)
        d.train(run_dir, ranks=4, sets=sets)
        self.assertEqual(d.untimed(run_dir), lines)

    def test_killed_runs_end_like_the_uninterrupted_one(self):
        """Five times SIGKILL to every process, at random moments after a random line; then 1, 2, 1, ... ranks go on."""
        numbers = random.Random(7)
        run_dir = self.root / "killed"
        lines = sorted(numbers.randrange(1, len(self.reference) - 3) for _ in range(5))
        for attempt, line in enumerate(lines):
            d.train_and_kill(run_dir, line, 2 - attempt % 2, delay=numbers.uniform(0, 0.05))
        d.train(run_dir, ranks=2)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_a_run_killed_while_saving_goes_on(self):
        """What a kill in the middle of a save leaves: a folder under its partial name."""
        run_dir = self.root / "partial"
        d.train(run_dir, ranks=2)
        last = run_dir / "checkpoints" / "rl" / "6"
        partial = pathlib.Path(f"{last}.partial")
        last.rename(partial)
        (partial / "manifest.json").unlink()
        d.train(run_dir, ranks=1)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_sigterm_saves_and_the_same_command_goes_on(self):
        run_dir = self.root / "sigterm"
        process = subprocess.Popen(d.command(d.train_words(run_dir)), cwd=d.SOURCE, env=d.ENVIRONMENT,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and d.num_lines(run_dir) < 4:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0)
        self.assertIn("stopped by SIGTERM", errors)
        self.assertLess(len(d.metrics(run_dir)), len(self.reference))
        d.train(run_dir)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_a_finished_run_says_that_there_is_nothing_to_do(self):
        before = (self.root / "reference" / "metrics.jsonl").read_bytes()
        result = d.train(self.root / "reference", ranks=2)
        self.assertIn("nothing to do", result.stderr)
        self.assertEqual((self.root / "reference" / "metrics.jsonl").read_bytes(), before)

    def test_a_stage_starts_from_another_runs_stage(self):
        text = d.SMOKE.read_text()
        head, *stages = re.split(r"(?m)^(?=stage \{)", text)
        folder = self.root / "folder"
        exported = d.run(["export", f"--checkpoint={self.root}/reference#cold_start", f"--out={folder}"])
        self.assertEqual(exported.returncode, 0, exported.stderr)
        run = self.root / "reference"
        for name, start in (("stage", f"{run}#cold_start"), ("checkpoint", run / "checkpoints" / "cold_start" / "3"),
                            ("step", f"{run}#cold_start/3"), ("hugging_face", folder)):
            with self.subTest(name):
                path, run_dir = self.root / f"from_{name}.textproto", self.root / f"from_{name}"
                path.write_text(head + stages[-1].replace("stage {", f'stage {{ init_from: "{start}"', 1))
                d.train(run_dir, config=path, ranks=2)
                self.assertEqual(d.final_hash(run_dir), self.reference[-1]["weights_hash"])
                inputs = json.loads(d.run(["inspect", run_dir]).stdout.splitlines()[1])["inputs"]
                weights = next(entry for entry in inputs if entry["type"] == "weights")
                self.assertEqual(weights["name"], str(start))
                self.assertRegex(weights["hash"], r"^[0-9a-f]{16}$")


class NightlySameBits(Runs):
    def test_experts_that_are_placed_by_load_have_the_metrics_of_experts_at_home(self):
        for name, places in (("placed", "rebalance_every: 2"), ("copies", "rebalance_every: 1 redundant_experts: 4")):
            d.train(self.root / name, ranks=2, sets=[f"layout {{ expert_parallel: 2 {places} }}"])
            self.assertEqual(d.untimed(self.root / name), self.reference)

    def test_unsharded_optimizer_has_the_metrics_of_zero_1(self):
        d.train(self.root / "zero0", ranks=2, sets=["layout { zero_stage: 0 }"])
        self.assertEqual(d.untimed(self.root / "zero0"), self.reference)


if __name__ == "__main__":
    d.run_tests()
