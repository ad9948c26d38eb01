"""The commands as a user types them, on a model that was just trained, and other programs reading what a run leaves."""
import json
import pathlib
import struct
import subprocess
import unittest

import deduce_runs as d
from safetensors_files import read_tensors, write_tensors

REFERENCE = d.SOURCE / ".deps" / "reference" / "bin" / "python"


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        cls.run_dir = cls.root / "run"
        d.train(cls.run_dir, ranks=2)
        cls.model = cls.run_dir / "checkpoints" / "rl" / "6"

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def lines(self, words, **options):
        result = d.run(words, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines()

    def generate(self, *flags):
        return [json.loads(line) for line in self.lines(["generate", f"--model={self.model}", *flags])]

    def test_generate_is_a_function_of_the_seed(self):
        flags = ("--prompt=12+34+56=?", "--max_new_tokens=20", "--n=3")
        first = self.generate(*flags, "--seed=1")
        self.assertEqual(len(first), 3)
        self.assertEqual(first, self.generate(*flags, "--seed=1"))
        self.assertNotEqual(first, self.generate(*flags, "--seed=2"))

    def test_generate_reads_a_file_of_prompts(self):
        path = self.root / "prompts.jsonl"
        path.write_text('{"prompt": "1+2+3=?"}\n{"prompt": "44+5+6=?"}\n')
        got = self.generate(f"--prompts={path}", "--max_new_tokens=5", "--temperature=0")
        self.assertEqual([line["prompt"] for line in got], ["1+2+3=?", "44+5+6=?"])

    def test_a_run_is_taken_as_its_newest_checkpoint_which_is_said(self):
        flags = ("--prompt=12+34+56=?", "--max_new_tokens=5", "--temperature=0")
        result = d.run(["generate", f"--model={self.run_dir}", *flags])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], self.generate(*flags))
        self.assertEqual(result.stderr, f"{self.run_dir}: takes its newest checkpoint, {self.model}; it has base/6, base/7, "
                         "cold_start/2, cold_start/3, rl/4, rl/6\n")
        for words in (["tokenize"], ["detokenize", "--skip_special_tokens"]):
            self.lines([*words, f"--model={self.run_dir}"], stdin="")
        neither = d.run(["generate", f"--model={self.run_dir}/checkpoints", *flags])
        self.assertEqual(neither.returncode, 3)
        self.assertIn("found neither a checkpoint nor a Hugging Face folder, expected one; below it are base/6, base/7, ", neither.stderr)
        self.assertEqual(d.run(["inspect", f"{self.run_dir}#rl/6"]).stdout, d.run(["inspect", self.model]).stdout)

    def test_an_export_says_what_it_wrote_in_the_type_that_was_asked_for(self):
        for dtype, size in (("fp32", 4), ("bf16", 2), ("fp16", 2)):
            out = self.root / dtype
            line = self.lines(["export", f"--checkpoint={self.model}", f"--out={out}", f"--dtype={dtype}"])
            self.assertRegex(line[0], rf"^{out}: \d+ tensors of {dtype}, [0-9.]+ MB in 1 file, from {self.model}$")
            tensors = [json.loads(text) for text in self.lines(["inspect", out])[1:]]
            types = {t["dtype"] for t in tensors if not t["tensor"].endswith("e_score_correction_bias")}
            self.assertEqual(types, {{"fp32": "F32", "bf16": "BF16", "fp16": "F16"}[dtype]})
            self.generate_from(out)
        refused = d.run(["export", f"--checkpoint={self.model}", f"--out={self.root}/x", "--dtype=fp8"])
        self.assertEqual(refused.returncode, 2)
        self.assertIn('--dtype: found "fp8", expected fp32, bf16 or fp16', refused.stderr)

    def test_numbers_that_overflow_are_no_results(self):
        folder = self.root / "overflow"
        self.lines(["export", f"--checkpoint={self.model}", f"--out={folder}", "--dtype=fp32"])
        tensors = {}
        for name, (dtype, shape, data) in read_tensors(folder).items():
            huge = struct.pack("<f", 3e38) * (len(data) // 4)
            tensors[name] = (dtype, shape, huge if name == "lm_head.weight" else data)
        (path,) = folder.glob("*.safetensors")
        write_tensors(path, tensors)
        (self.root / "overflow.jsonl").write_text('{"tokens": [1, 2, 3]}\n')
        result = d.run(["logprobs", f"--model={folder}", f"--input={self.root}/overflow.jsonl"])
        self.assertEqual((result.returncode, result.stdout), (3, ""))
        self.assertRegex(result.stderr, "found log-probability .*overflow.jsonl:1, expected weights with which")

    def generate_from(self, folder):
        self.assertEqual(len(self.lines(["generate", f"--model={folder}", "--prompt=1+2+3=?", "--max_new_tokens=2"])), 1)

    def test_training_begins_and_ends_in_a_few_lines(self):
        result = d.train(self.root / "short", sets=["seed: 5"])
        printed = result.stderr.splitlines()
        self.assertEqual(printed[0], f"run smoke in {self.root}/short")
        start = printed.index(f"all settings: {self.root}/short/config.textproto")
        self.assertLess(start, 30)
        self.assertIn("stage cold_start: sft, 3 steps, task chain_sum", printed)
        self.assertIn("seed: 5", " ".join(printed[:start]))
        last = f"{self.root}/short/checkpoints/rl/6"
        self.assertEqual(printed[-6:], [
            f"finished: all stages of {self.root}/short", f"last checkpoint: {last}", "what to type next:",
            f"  {d.BINARY} report {self.root}/short", f"  {d.BINARY} generate --model={last} --prompt='...'",
            f"  {d.BINARY} export --checkpoint={last} --out={self.root}/short/export"])

    def test_a_stop_ends_a_completion(self):
        flags = ("--prompt=12+34+56=?", "--max_new_tokens=30", "--n=8", "--seed=2")
        for free, stopped in zip(self.generate(*flags), self.generate(*flags, "--stop=1")):
            text = free["completion"]
            self.assertEqual(stopped["completion"], text[:text.index("1") + 1] if "1" in text else text)
            self.assertEqual(stopped["finished"], free["finished"] or "1" in text)
        result = d.run(["generate", f"--model={self.model}", "--prompt=1", "--stop=12"])
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("--stop: found \"12\", expected", result.stderr)

    def exported(self, name, **files):
        """The model as a folder, with more files of JSON in it."""
        out = self.root / name
        self.lines(["export", f"--checkpoint={self.model}", f"--out={out}"])
        for file_name, content in files.items():
            (out / f"{file_name}.json").write_text(json.dumps(content))
        return out

    def test_any_end_token_of_the_models_files_ends_a_completion(self):
        ids = {text: json.loads(self.lines(["tokenize", f"--model={self.model}"], stdin=text + "\n")[0])[0] for text in "12"}
        ends = set(ids.values())
        config = json.loads((self.exported("plain") / "config.json").read_text())
        folder = self.exported("ends", generation_config={"eos_token_id": [ids["1"], ids["1"]]},
                               config={**config, "eos_token_id": ids["2"]})
        flags = ("--prompt=12+34+56=?", "--max_new_tokens=30", "--n=8", "--seed=2")
        stopped = [json.loads(line) for line in self.lines(["generate", f"--model={folder}", *flags])]
        for free, short in zip(self.generate(*flags), stopped):
            at = next((i for i, token in enumerate(free["tokens"]) if token in ends), len(free["tokens"]) - 1)
            self.assertEqual(short["tokens"], free["tokens"][:at + 1])
            if short["tokens"][-1] in ends:
                self.assertTrue(short["finished"])
                self.assertEqual(short["completion"], free["completion"][:len(short["completion"])])
                self.assertNotRegex(short["completion"], "[12]$")

    def test_a_turn_ends_with_the_token_that_its_template_writes(self):
        template = "{% for m in messages %}{{ m.content }}<|pad|>{% endfor %}"
        folder = self.exported("turns", tokenizer_config={"eos_token": "<|end|>", "chat_template": template})
        prompt = self.root / "chat.jsonl"
        prompt.write_text('{"prompt": [{"role": "user", "content": "1+2+3=?"}]}\n')
        pad = json.loads(self.lines(["tokenize", f"--model={folder}"], stdin="<|pad|>\n")[0])[0]
        flags = ["--max_new_tokens=80", "--n=64", "--temperature=20"]
        chat = [json.loads(line) for line in self.lines(["generate", f"--model={folder}", f"--prompts={prompt}", *flags])]
        self.assertTrue(any(line["tokens"][-1] == pad for line in chat))
        self.assertFalse(any(pad in line["tokens"][:-1] for line in chat))
        plain = [json.loads(line) for line in self.lines(["generate", f"--model={folder}", "--prompt=1+2+3=?", *flags])]
        self.assertTrue(any(pad in line["tokens"][:-1] for line in plain))

    def test_a_checkpoint_keeps_the_end_tokens_of_its_tokenizer(self):
        folder = self.root / "tokenizer"
        folder.mkdir()
        (folder / "tokenizer.json").write_text((d.SOURCE / "configs/recipes/tiny_tokenizer.json").read_text())
        (folder / "generation_config.json").write_text('{"eos_token_id": [2, 5]}')
        run_dir = self.root / "other_ends"
        d.train(run_dir, sets=[f'tokenizer: "{folder}/tokenizer.json"', 'stage { name: "rl" steps: 1 }'])
        kept = json.loads((run_dir / "checkpoints" / "rl" / "1" / "generation_config.json").read_text())
        self.assertEqual(kept, {"eos_token_id": [2, 5]})
        (folder / "generation_config.json").write_text('{"eos_token_id": [2, 6]}')
        result = d.run(d.train_words(run_dir, sets=[f'tokenizer: "{folder}/tokenizer.json"', 'stage { name: "rl" steps: 2 }']))
        self.assertEqual(result.returncode, 3, result.stderr[-500:])
        self.assertIn("eos_token_id", result.stderr)

    def test_standard_input_may_stand_for_a_file(self):
        got = self.lines(["generate", f"--model={self.model}", "--prompts=/dev/stdin", "--max_new_tokens=2"],
                         stdin='{"prompt": "1+2+3=?"}\n')
        self.assertEqual(len(got), 1)

    def test_a_chat_needs_a_template(self):
        result = d.run(["generate", f"--model={self.model}", "--prompt=1+2+3=?", "--chat"])
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, r"^deduce: error: --prompt: .*found no chat template, expected .*\n$")

    def test_logprobs_agree_with_what_generate_recorded(self):
        """The recorded values are fp32, printed to 9 digits by one command and as the shortest text by the other."""
        sample = self.generate("--prompt=12+34+56=?", "--max_new_tokens=12", "--seed=4")[0]
        ids = json.loads(self.lines(["tokenize", f"--model={self.model}"], stdin="12+34+56=?\n")[0])
        path = self.root / "tokens.jsonl"
        path.write_text(json.dumps({"tokens": [1, *ids, *sample["tokens"]]}) + "\n")
        got = json.loads(self.lines(["logprobs", f"--model={self.model}", f"--input={path}"])[0])["logprobs"]
        self.assertEqual(len(got), len(ids) + len(sample["tokens"]))
        for a, b in zip(got[len(ids):], sample["logprobs"]):
            self.assertAlmostEqual(a, b, delta=1e-7 * max(1, abs(b)))

    def test_tokenize_and_back(self):
        text = "<think>12+三四=四六</think>"
        ids = self.lines(["tokenize", f"--model={self.model}"], stdin=text + "\n")[0]
        self.assertEqual(json.loads(self.lines(["detokenize", f"--model={self.model}"], stdin=ids + "\n")[0]), text)

    def test_score(self):
        path = self.root / "pairs.tsv"
        path.write_text("1/2\t\\boxed{0.5}\n1/2\t0.25\n\tanything\n")
        self.assertEqual(self.lines(["score", "--verifier=math", f"--input={path}"]), ["right", "wrong", "unscorable"])

    def test_score_of_json_lines(self):
        path = self.root / "completions.jsonl"
        path.write_text('{"answer": 2, "completion": "<think>hm</think><answer>2</answer>", "prompt": "1+1=?"}\n'
                        '{"answer": "2", "completion": "I do not know"}\n')
        lines = self.lines(["score", "--verifier=math", f"--input={path}"])
        self.assertEqual([json.loads(line) for line in lines],
                         [{"verdict": "right"}, {"verdict": "wrong", "reason": "no_answer"}])

    def test_inspect_lists_every_tensor_and_verifies(self):
        lines = [json.loads(line) for line in self.lines(["inspect", self.model, "--verify"])]
        self.assertEqual((lines[0]["stage"], lines[0]["step"]), ("rl", 6))
        self.assertEqual(lines[0]["weights_hash"], d.final_hash(self.run_dir))
        names = {line["tensor"] for line in lines[1:]}
        self.assertIn("model.layers.1.mlp.experts.7.up_proj.weight", names)
        self.assertIn("model.layers.1.mlp.gate.e_score_correction_bias", names)
        self.assertIn("optimizer.first.lm_head.weight", names)

    def test_help_of_every_command(self):
        for command in ("train", "generate", "logprobs", "tokenize", "detokenize", "score", "report", "inspect", "export"):
            self.assertIn("deduce " + command, self.lines([command, "--help"])[0])

    def test_report_opens_without_console_errors(self):
        page = self.lines(["report", self.run_dir])[0]
        self.assertEqual(page, f"{self.run_dir}/report.html")
        result = subprocess.run([d.SOURCE / "scripts" / "check_report_page", page], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("console errors: 0", result.stdout)

    def test_tensorboard_reads_the_same_numbers(self):
        script = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
print(json.dumps({tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in ("loss", "reward")}))
"""
        result = subprocess.run([REFERENCE, "-c", script, self.run_dir / "tensorboard"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        read = json.loads(result.stdout)
        for tag, values in read.items():
            expected = [(m["global_step"], m[tag]) for m in d.metrics(self.run_dir) if tag in m]
            self.assertEqual([step for step, _ in values], [step for step, _ in expected])
            for (_, a), (_, b) in zip(values, expected):
                self.assertAlmostEqual(a, b, delta=1e-6 * max(1, abs(b)))  # fp32 in event files

    def test_hugging_face_tokenizers_gives_the_same_ids(self):
        texts = ["12+34=46;", "<think>三五+二〇=五五</think><answer>五五</answer>", "a 7 ?", "(1,2)*3/4-5."]
        script = """
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
print(json.dumps([tokenizer.encode(t, add_special_tokens=False).ids for t in json.loads(sys.argv[2])]))
"""
        result = subprocess.run([REFERENCE, "-c", script, d.SOURCE / "configs" / "recipes" / "tiny_tokenizer.json", json.dumps(texts)],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        for text, ids in zip(texts, json.loads(result.stdout)):
            self.assertEqual(json.loads(self.lines(["tokenize", f"--model={self.model}"], stdin=text + "\n")[0]), ids)


if __name__ == "__main__":
    unittest.main(verbosity=2)
