"""A user's own files: rows that are left out, turns of conversations, held-out files."""
import json
import unittest

import deduce_runs as d

# Writes a message a line; "=", "?" and ";" are tokens of the tiny tokenizer.
TEMPLATE = ("{% for m in messages %}{{ '?' if m.role == 'user' else '=' }}{{ m.content }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}={% endif %}")

STAGES = """
stage {
  name: "chat"
  steps: 4
  sft { samples_per_step: 6 assistant_only_loss: true }
  micro_batch_tokens: 96
  data { path: "FOLDER/chats.jsonl" verifier: "math" drop_too_long: true drop_bad_rows: true }
  evaluate { path: "FOLDER/held_out.jsonl" every_steps: 2 max_completion_length: 12 }
}
stage {
  name: "rl"
  steps: 2
  micro_batch_tokens: 96
  data { path: "FOLDER/problems.jsonl" verifier: "math" chat: true }
  grpo { prompts_per_step: 2 num_generations: 2 max_prompt_length: 16 max_completion_length: 16 reward { verifier: "format" } }
  evaluate { path: "FOLDER/held_out.jsonl" }
}
"""


def chat(*contents):
    roles = ["user", "assistant"] * len(contents)
    return {"messages": [{"role": role, "content": content} for role, content in zip(roles, contents)]}


def write_rows(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


class OwnData(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        tokenizer = cls.root / "tokenizer"
        tokenizer.mkdir()
        (tokenizer / "tokenizer.json").write_bytes((d.SOURCE / "configs" / "recipes" / "tiny_tokenizer.json").read_bytes())
        (tokenizer / "tokenizer_config.json").write_text('{"bos_token": "<|begin|>", "eos_token": "<|end|>"}')
        (tokenizer / "chat_template.jinja").write_text(TEMPLATE)
        good = [chat(f"{a}+1", f"{a + 1}", f"{a}+2", f"{a + 2}") for a in range(7)]
        write_rows(cls.root / "chats.jsonl", good + ["", chat("1+" * 60, "1"), '{"messages": NaN}', ""])
        write_rows(cls.root / "problems.jsonl", [{"prompt": "1+1", "answer": 2}, {"answer": 3, **chat("1+2")},
                                                {"prompt": chat("2+2")["messages"], "answer": "4", "verifier": "math"}])
        write_rows(cls.root / "held_out.jsonl", [chat("7+1", "8"), {"prompt": "1+7", "completion": "8", "answer": 8}])
        cls.config = cls.root / "config.textproto"
        cls.config.write_text(d.SMOKE.read_text().split("stage {")[0].replace("configs/recipes/tiny_tokenizer.json", str(tokenizer))
                              + STAGES.replace("FOLDER", str(cls.root)))
        cls.result = d.train(cls.root / "one", config=cls.config)
        cls.reference = d.untimed(cls.root / "one")

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def test_rows_left_out_are_said_and_counted(self):
        chats = self.root / "chats.jsonl"
        self.assertIn(f"data: stage chat: 9 rows, 1 too long (first: {chats}:9: found ", self.result.stderr)
        self.assertIn(f"1 bad (first: {chats}:10: found text that is not JSON at byte 14", self.result.stderr)
        self.assertIn("data: stage rl: 3 rows\n", self.result.stderr)
        first = next(line for line in self.reference if line["stage"] == "chat" and line["step"] == 1)
        self.assertEqual([first[f"data/{name}"] for name in ("rows", "too_long", "bad")], [9, 1, 1])

    def test_without_being_asked_the_first_such_row_ends_the_run_before_it_starts(self):
        run_dir = self.root / "strict"
        result = d.run(d.train_words(run_dir, self.config, sets=['stage { name: "chat" data { drop_too_long: false } }']))
        self.assertEqual(result.returncode, 3)
        self.assertRegex(result.stderr, r"deduce: error: .*chats\.jsonl:9: found \d+ tokens, expected at most 96")
        self.assertFalse((run_dir / "metrics.jsonl").exists())

    def test_held_out_rows_give_loss_and_accuracy(self):
        chats = [line for line in self.reference if line["stage"] == "chat" and "eval/loss" in line]
        self.assertEqual([line["step"] for line in chats], [0, 2, 4])
        self.assertLess(chats[-1]["eval/loss"], chats[0]["eval/loss"])
        for line in (*chats, *(line for line in self.reference if line["stage"] == "rl" and line["step"] in (0, 2))):
            self.assertEqual(len(line["eval/held_out/pass@1_ci95"]), 2)
        self.assertNotIn("eval/loss", self.reference[-1])

    def test_two_ranks_have_the_metrics_of_one(self):
        d.train(self.root / "two", ranks=2, config=self.config)
        self.assertEqual(d.untimed(self.root / "two"), self.reference)

    def test_a_run_that_resumes_has_the_metrics_of_a_straight_one(self):
        run_dir = self.root / "resumed"
        d.train(run_dir, config=self.config, sets=['stage { name: "chat" steps: 4 }'])
        (run_dir / "checkpoints" / "chat" / "4").rename(run_dir / "checkpoints" / "chat" / "4.partial")
        for step in (run_dir / "checkpoints" / "rl").iterdir():
            step.rename(step.with_name(f"{step.name}.partial"))
        d.train(run_dir, config=self.config)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_generate_refuses_tools_that_the_template_does_not_read(self):
        prompts = self.root / "tools.jsonl"
        write_rows(prompts, [{**chat("1+1"), "tools": [{"name": "add"}]}])
        result = d.run(["generate", f"--model={self.root / 'one' / 'checkpoints' / 'rl' / '2'}", f"--prompts={prompts}"])
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, r"deduce: error: .*tools\.jsonl:1: messages: found tools, expected none")

    def test_another_held_out_file_is_a_recorded_change(self):
        run_dir = self.root / "changed"
        held_out = self.root / "held_out_of_its_own.jsonl"
        held_out.write_bytes((self.root / "held_out.jsonl").read_bytes())
        sets = [f'stage {{ name: "chat" evaluate {{ path: "{held_out}" }} }}']
        d.train(run_dir, config=self.config, sets=sets)
        (run_dir / "checkpoints" / "chat" / "4").rename(run_dir / "checkpoints" / "chat" / "4.partial")
        for step in (run_dir / "checkpoints" / "rl").iterdir():
            step.rename(step.with_name(f"{step.name}.partial"))
        write_rows(held_out, [chat("6+2", "8")])
        d.train(run_dir, config=self.config, sets=sets)
        (change,) = [json.loads(line) for line in (run_dir / "changes.jsonl").read_text().splitlines()]
        self.assertEqual((change["stage"], change["step"], change["field"]), ("chat", 2, "stage[0].evaluate.path (its content)"))
        self.assertEqual(d.final_hash(run_dir), d.final_hash(self.root / "one"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
