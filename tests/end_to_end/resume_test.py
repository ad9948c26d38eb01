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

    def test_a_run_that_goes_back_has_the_bits_of_a_straight_one_and_loses_nothing(self):
        for name, point, aside in (("back", "rl/4", ["rl/6"]), ("back_a_stage", "base/6", ["base/7", "cold_start/2", "cold_start/3", "rl/4", "rl/6"])):
            with self.subTest(point):
                run_dir = self.copy(name, of="straight")
                checkpoints = snapshot(run_dir / "checkpoints")
                before = (run_dir / "metrics.jsonl").read_bytes()
                result = d.run(d.train_words(run_dir) + [f"--resume_from={point}"], ranks=2)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(f"back to {point}", result.stderr)
                self.assertEqual(d.untimed(run_dir), self.straight)
                kept = run_dir / "rewound" / "1"
                self.assertEqual((kept / "metrics.jsonl").read_bytes(), before)
                found = sorted(str(p.parent.relative_to(kept / "checkpoints")) for p in kept.rglob("manifest.json"))
                self.assertEqual(found, aside)
                for path, content in snapshot(kept / "checkpoints").items():
                    self.assertEqual(content, checkpoints[path])
                changes = [json.loads(line) for line in (run_dir / "changes.jsonl").read_text().splitlines()]
                self.assertEqual([(c["field"], c["from"], c["to"]) for c in changes], [("resume_from", "rl/6", point)])
                self.assertEqual(d.run(["report", kept]).returncode, 0)

    def test_going_back_to_what_is_not_there_is_refused(self):
        run_dir = self.copy("nowhere")
        words = d.train_words(run_dir, sets=[STOP_AT_3])
        self.refused(words + ["--resume_from=rl/5"], 2,
                     r"--resume_from: .*: found no checkpoint rl/5, expected one of base/6, base/7, .*rl/2, rl/3", run_dir)
        self.refused(d.train_words(self.root / "none") + ["--resume_from=rl/5"], 2, r"--resume_from: .*the run has none yet")
        self.refused(d.train_words(run_dir, sets=[STOP_AT_3], resume="never") + ["--resume_from=rl/2"], 2,
                     r"--resume_from: found it with --resume=never", run_dir)

    def test_a_stage_is_appended_to_a_finished_run(self):
        run_dir = self.copy("appended", of="straight")
        more = 'stage { name: "more" steps: 2 micro_batch_tokens: 192 sft { samples_per_step: 8 } data { task { name: "chain_sum" } } }'
        result = d.train(run_dir, sets=[more])
        self.assertIn("finished: all stages", result.stderr)
        lines = d.untimed(run_dir)
        self.assertEqual(lines[:len(self.straight)], self.straight)
        self.assertEqual([(line["stage"], line["step"], line["global_step"]) for line in lines[len(self.straight):]],
                         [("more", 1, 17), ("more", 2, 18)])

    def test_a_mistyped_stage_is_named(self):
        self.refused(d.train_words(self.root / "typo", sets=['stage { name: "typo" steps: 3 }']), 2,
                     r'stage: found "typo", but no stage has this name; stages are base, cold_start, rl; expected')

    def test_weights_alone_are_smaller_and_no_stage_goes_on_from_them(self):
        alone = "checkpoint { save_only_model: true }"
        run_dir = self.root / "alone"
        d.train(run_dir, sets=[alone])
        self.assertEqual(d.untimed(run_dir), self.straight)

        def size(folder):
            return sum(p.stat().st_size for p in folder.rglob("*.safetensors"))

        self.assertLess(size(run_dir / "checkpoints" / "rl" / "6"), 0.3 * size(self.root / "straight" / "checkpoints" / "rl" / "6"))
        shutil.rmtree(run_dir / "checkpoints" / "rl" / "6")
        self.refused(d.train_words(run_dir, sets=[alone]), 3,
                     r"rl/4: found weights alone .*expected the optimizer's state .*init_from: .*/rl/4\"", run_dir)

    def test_the_best_checkpoint_is_kept_and_can_be_named(self):
        best = 'checkpoint { best_metric: "eval/chain_sum/pass@1" every_steps: 3 keep_last: 1 weights_hash_every_step: false }'
        sets = ['stage { name: "base" evaluate { every_steps: 1 } }', 'stage { name: "rl" evaluate { every_steps: 3 } }', best]
        run_dir = self.root / "best"
        result = d.train(run_dir, sets=sets)
        for line in d.run(["inspect", run_dir]).stdout.splitlines()[1:]:
            stage = json.loads(line)
            values = [(m["eval/chain_sum/pass@1"], m["step"]) for m in d.metrics(run_dir)
                      if m["stage"] == stage["stage"] and m["step"] > 0 and (m["step"] % 3 == 0 or m["step"] == stage["steps"])
                      and "eval/chain_sum/pass@1" in m]
            if not values:
                self.assertIsNone(stage["best"])
                continue
            value, step = max(values, key=lambda pair: (pair[0], -pair[1]))
            self.assertEqual(stage["best"], {"metric": "eval/chain_sum/pass@1", "step": step, "value": value})
            link = run_dir / "checkpoints" / stage["stage"] / "best"
            self.assertEqual(str(link.readlink()), str(step))
            self.assertIn(f"best checkpoint of stage {stage['stage']} by eval/chain_sum/pass@1: {link} (step {step})", result.stderr)
            exported = self.root / f"exported {stage['stage']}"
            named = d.run(["export", f"--checkpoint={run_dir}#{stage['stage']}/best", f"--out={exported}"])
            self.assertEqual(named.returncode, 0, named.stderr)
            self.assertRegex(named.stdout, rf"^{exported}: \d+ tensors of fp32, .* MB in 1 file, from {run_dir}/checkpoints/{stage['stage']}/{step}\n$")

    def test_without_a_kl_term_no_reference_is_kept_and_none_comes_later(self):
        none = 'stage { name: "rl" grpo { beta: 0 } }'
        run_dir = self.root / "no_reference"
        d.train(run_dir, sets=[none, STOP_AT_3])

        def has_reference(folder):
            return '"reference.' in (folder / "checkpoints" / "rl" / "3" / "manifest.json").read_text()

        self.assertFalse(has_reference(run_dir))
        self.assertTrue(has_reference(self.root / "short"))
        self.refused(d.train_words(run_dir), 2, r"stage\[2\]\.grpo\.beta: found 0\.001 for want of a value|"
                     r"stage\[2\]\.grpo\.beta: found 0\.001, expected 0, with which no reference was kept", run_dir)
        d.train(run_dir, sets=[none])
        d.train(self.root / "no_reference_straight", sets=[none])
        self.assertEqual(d.untimed(run_dir), d.untimed(self.root / "no_reference_straight"))

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
