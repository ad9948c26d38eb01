"""Bad input under the real binary: one line, the right exit code, nothing damaged, and no hang on two ranks."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import deduce_runs as d

TEXT = d.SMOKE.read_text()
TOKENIZER = json.loads((d.SOURCE / "configs" / "recipes" / "tiny_tokenizer.json").read_text())


def replaced(old, new):
    assert old in TEXT, old
    return TEXT.replace(old, new, 1)


def tokenizer_with(change):
    data = json.loads(json.dumps(TOKENIZER))
    change(data)
    return json.dumps(data, ensure_ascii=False)


def with_file(field_from, field_to):
    return replaced(field_from, field_to)


# name: (config text, files to write beside it, exit code, pattern of the line)
CONFIG_CASES = {
    "unknown field": (TEXT + "\nlerning_rate: 1\n", {}, 2, r"lerning_rate"),
    "unknown nested field": (replaced("hidden_size: 32", "hidden_siz: 32"), {}, 2, r"hidden_siz\b"),
    "missing required field": (replaced("hidden_size: 32", ""), {}, 2, r"model\.hidden_size"),
    "duplicate field": (replaced("hidden_size: 32", "hidden_size: 32 hidden_size: 32"), {}, 2, r"hidden_size"),
    "text for a number": (replaced("steps: 7", 'steps: "seven"'), {}, 2, r"steps"),
    "number out of range": (replaced("seed: 3", "seed: -3"), {}, 2, r"seed"),
    "unknown enum value": (replaced("attention: MLA", "attention: MLAA"), {}, 2, r"attention"),
    "unknown kind of stage": (replaced("  pretrain {", "  pretraining {"), {}, 2, r"pretraining"),
    "two kinds of stage": (replaced("  pretrain {", "  sft { } pretrain {"), {}, 2, r"pretrain: found it beside sft"),
    "unbalanced braces": (TEXT + "\nmodel {", {}, 2, r"config\.textproto:"),
    "no stage": (TEXT[:TEXT.index("stage {")], {}, 2, r"stage"),
    "two stages of one name": (replaced('name: "cold_start"', 'name: "base"'), {}, 2, r"stage\[1\]\.name"),
    "init_from of nowhere": (replaced('name: "rl"', 'name: "rl" init_from: "moon"'), {}, 2, r"init_from"),
    "group of one": (replaced("num_generations: 4", "num_generations: 1"), {}, 2, r"num_generations"),
    "mini-batches that do not divide": (replaced("num_mini_batches: 2", "num_mini_batches: 3"), {}, 2,
                                        r"num_mini_batches"),
    "unknown verifier": (replaced('verifier: "format"', 'verifier: "beauty"'), {}, 2, r"beauty"),
    "negative learning rate": (replaced("learning_rate: 3e-3", "learning_rate: -3e-3"), {}, 2, r"learning_rate"),
    "odd rotary width": (replaced("qk_rope_head_dim: 8", "qk_rope_head_dim: 7"), {}, 2, r"qk_rope_head_dim"),
    "experts that groups do not divide": (replaced("n_routed_experts: 8", "n_routed_experts: 9"), {}, 2,
                                          r"n_routed_experts"),
    "experts that ranks do not divide": (TEXT + "\nlayout { expert_parallel: 3 }\n", {}, 2, r"expert"),
    "layout that is not the rank count": (TEXT + "\nlayout { data_parallel: 3 }\n", {}, 2, r"layout"),
    "axis that one rank cannot have": (TEXT + "\nlayout { tensor_parallel: 2 }\n", {}, 2, r"tensor_parallel"),
    "more context ranks than ranks": (TEXT + "\nlayout { context_parallel: 2 }\n", {}, 2,
                                      r"layout\.context_parallel: found 2, expected a divisor of the 1 ranks"),
    "pipeline that ranks do not divide": (TEXT + "\nlayout { pipeline_parallel: 3 }\n", {}, 2, r"pipeline_parallel"),
    "device that is not there": (TEXT + "\nlayout { device: cuda }\n", {}, 2,
                                 r"layout\.device: found 0 CUDA devices, expected at least 1"),
    "unknown schedule": (TEXT + '\nlayout { schedule: "2f2b" }\n', {}, 2, r"layout\.schedule: found \"2f2b\""),
    "chunks that a schedule has not": (TEXT + '\nlayout { schedule: "zbv" virtual_stages: 3 }\n', {}, 2, r"virtual_stages"),
    "stage layers that do not add up": (TEXT + "\nlayout { stage_layers: 3 }\n", {}, 2, r"stage_layers"),
    "context longer than positions": (replaced("max_position_embeddings: 96", "max_position_embeddings: 48"), {}, 2,
                                      r"max_position_embeddings|max_completion_length|max_prompt_length"),
    "unknown task": (replaced('task { name: "chain_sum" step', 'task { name: "chess" step'), {}, 2, r"chess"),
    "prompt template without its place": (
        replaced("data { num_samples: 20", 'data { prompt_template: "1+1=?" num_samples: 20'), {}, 2, r"prompt_template"),
    "chat without a chat template": (replaced("data { num_samples: 20", "data { chat: true num_samples: 20"), {}, 3,
                                     r"stage\[1\]\.data\.chat: .*found no chat template"),
    "no tokenizer file": (replaced("configs/recipes/tiny_tokenizer.json", "FOLDER/none.json"), {}, 3, r"none\.json"),
    "tokenizer that is no JSON": (replaced("configs/recipes/tiny_tokenizer.json", "FOLDER/t.json"), {"t.json": "{not json"}, 3,
                                  r"t\.json"),
    "tokenizer without its unknown token": (
        replaced("configs/recipes/tiny_tokenizer.json", "FOLDER/t.json"),
        {"t.json": tokenizer_with(lambda t: t["model"].update(unk_token="<nothing>"))}, 3, r"t\.json.*nothing"),
    "tokenizer of another type": (replaced("configs/recipes/tiny_tokenizer.json", "FOLDER/t.json"),
                                  {"t.json": tokenizer_with(lambda t: t["model"].update(type="Unigram"))}, 3,
                                  r"t\.json.*BPE"),
    "tokenizer larger than the model": (replaced("vocab_size: 48", "vocab_size: 40"), {}, 3, r"vocab_size"),
    "no data file": (replaced('data { num_samples: 20 task { name: "chain_sum" } }', 'data { path: "FOLDER/d.jsonl" }'),
                     {}, 3, r"d\.jsonl"),
}


def data_case(line, pattern):
    text = replaced('data { num_samples: 20 task { name: "chain_sum" } }', 'data { path: "FOLDER/d.jsonl" }')
    good = json.dumps({"prompt": "1+1=?", "completion": "2"}).encode()
    return (text, {"d.jsonl": good + b"\n" + line + (b"\n" if line is not None else b"")}, 3, pattern)


def problems_case(lines, pattern):
    """Reinforcement learning on a file of these rows, evaluated on a task."""
    text = replaced('data { task { name: "chain_sum" } }', 'data { path: "FOLDER/d.jsonl" }')
    text = text.replace("evaluate { every_steps: 3", 'evaluate { task { name: "chain_sum" } every_steps: 3')
    return (text, {"d.jsonl": "".join(json.dumps(line) + "\n" for line in lines)}, 3, pattern)


CONFIG_CASES.update({
    "row with an unknown verifier": problems_case(
        [{"prompt": "1+1=?", "answer": "2", "verifier": "math"}, {"prompt": "1+1=?", "answer": "2", "verifier": "maths"}],
        r'd\.jsonl:2: found "maths".*expected (one of )?math, chain_sum'),
    "rows whose answers cannot be read": problems_case(
        [{"prompt": "1+1=?", "answer": "two", "verifier": "chain_sum"}] * 2,
        r'd\.jsonl:1: found the answer "two", expected one that the verifier chain_sum can read, .* all 2 problems'),
    "data line that is no JSON": data_case(b"{oops", r"d\.jsonl:2"),
    "data line without a field": data_case(b'{"prompt": "1+1=?"}', r"d\.jsonl:2"),
    "data line of another type": data_case(b'{"prompt": 1, "completion": "2"}', r"d\.jsonl:2"),
    "data line that is not UTF-8": data_case(b'{"prompt": "\xff\xfe", "completion": "2"}', r"d\.jsonl:2"),
    "data line with half a surrogate pair": data_case(b'{"prompt": "\\ud800", "completion": "2"}',
                                                      r"d\.jsonl:2: .*byte \d+ .*surrogate"),
    "data line with NaN": data_case(b'{"prompt": "1", "completion": NaN}', r"d\.jsonl:2: .*byte \d+ .*invalid literal"),
    "data line far beyond the context": data_case(
        json.dumps({"prompt": "1+" * 4000, "completion": "2"}).encode(), r"d\.jsonl:2"),
})


def snapshot(folder):
    """Every file below a folder with its contents."""
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        cls.run_dir = cls.root / "finished"
        d.train(cls.run_dir, sets=['stage { name: "rl" steps: 3 }'])
        cls.checkpoint = cls.run_dir / "checkpoints" / "rl" / "3"

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def check(self, result, code, pattern):
        lines = [line for line in result.stderr.splitlines() if line.startswith("deduce: error: ")]
        self.assertEqual(len(lines), 1, result.stderr[-1500:])
        self.assertRegex(lines[0], pattern)
        self.assertRegex(lines[0], r"found .*expected ")
        self.assertEqual(result.returncode, code, result.stderr[-1500:])

    def case_files(self, name, text, files):
        folder = self.root / re.sub(r"\W+", "_", name)
        folder.mkdir(exist_ok=True)
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content if isinstance(content, bytes) else content.encode())
        path = folder / "config.textproto"
        path.write_text(text.replace("FOLDER", str(folder)))
        return path

    def test_configs_tokenizers_and_data_on_one_rank(self):
        for name, (text, files, code, pattern) in CONFIG_CASES.items():
            with self.subTest(name):
                config = self.case_files(name, text, files)
                run_dir = config.parent / "run"
                self.check(d.run(d.train_words(run_dir, config), timeout=60), code, pattern)
                self.assertFalse(run_dir.exists(), "a refused run must leave nothing behind")

    def test_configs_tokenizers_and_data_on_two_ranks(self):
        for name in ("unknown field", "layout that is not the rank count", "experts that ranks do not divide",
                     "tokenizer that is no JSON", "data line that is no JSON"):
            with self.subTest(name):
                text, files, code, pattern = CONFIG_CASES[name]
                config = self.case_files(name, text, files)
                self.check(d.run(d.train_words(config.parent / "run2", config), ranks=2, timeout=60), code, pattern)

    def test_command_lines(self):
        for words, pattern in (
                (["train"], r"--config"),
                (["dance"], r"dance"),
                (["train", "--config=a", "--config=b"], r"--config"),
                (["train", f"--config={d.SMOKE}", "--run_dir=x", "--resume=perhaps"], r"--resume"),
                (["train", f"--config={d.SMOKE}", "--speed=9"], r"--speed"),
                (["train", f"--config={d.SMOKE}", "--set=model { width: 3 }"], r"width"),
                (["train", "--config=/nowhere/x.textproto"], r"/nowhere/x.textproto"),
                (["generate", f"--model={self.checkpoint}"], r"--prompt"),
                (["generate", f"--model={self.checkpoint}", "--prompt=1", "--n=many"], r"--n"),
                (["generate", f"--model={self.checkpoint}", "--prompt=1", "--n=0"], r"--n: found 0, expected at least 1"),
                (["generate", f"--model={self.checkpoint}", "--prompt=1", "--compute=x"],
                 r"--compute: found \"x\", expected fp32, bf16 or bf16_where_native"),
                (["score", "--verifier=taste", "--input=x"], r"taste")):
            with self.subTest(" ".join(words[:2])):
                self.check(d.run(words, timeout=60), 2, pattern)

    def test_plans(self):
        """Plans that cannot be: nothing on standard output, and no trace."""
        config = d.SOURCE / "configs" / "recipes" / "deepseek_v3_2048_h800.textproto"
        trace = self.root / "trace.json"
        for change, pattern in (
                ("plan { cluster { memory_gb: 50 } }", r"plan: rank 0 of the pipeline: found .*memory_gb \(50\)"),
                ('plan { cluster { name: "abacus" } }', r"plan\.cluster\.name: found \"abacus\""),
                ("plan { cluster { efficiency: 0 } }", r"plan\.cluster\.efficiency"),
                ("plan { sequence_length: -1 }", r"plan\.sequence_length: found -1"),
                ("plan { sequences_per_step: 16000000 micro_batch_tokens: 1 }", r"plan\.micro_batch_tokens"),
                ("plan { calibration { micro_batches: 119 } }", r"plan\.calibration\.micro_batches: found 119"),
                ("plan { calibration { weight_gradient_seconds: 9 } }", r"plan\.calibration\.backward_seconds"),
                ('layout { schedule: "1f1b" }', r"plan\.calibration\.weight_gradient_seconds: found a time"),
                ('plan { rollout { stage: "rl" } }', r"plan\.rollout\[0\]\.mean_completion_tokens: found nothing"),
                ("plan { bubbles: 3 }", r"bubbles"),
                ("layout { data_parallel: 3 }", r"layout\.exact"),
                ("layout { pipeline_parallel: 15 }", r"layout\.pipeline_parallel: found 15"),
                ("layout { stage_layers: [61, -1] }", r"layout\.stage_layers\[1\]: found -1"),
                ("layout { stage_layers: [30, 31] }", r"layout\.stage_layers: found 2")):
            with self.subTest(change):
                result = d.run(["plan", f"--config={config}", f"--set={change}", f"--trace={trace}"], timeout=60)
                self.check(result, 2, pattern)
                self.assertEqual(result.stdout, "")
                self.assertFalse(trace.exists())
        self.check(d.run(["plan", f"--config={config}", "--ranks=7"], timeout=60), 2, r"layout: found ")
        self.check(d.run(["plan", f"--config={config}", "--trace=/nowhere/t.json"], timeout=60), 2, r"/nowhere/t\.json")

    def test_run_directory_of_another_config(self):
        before = snapshot(self.run_dir)
        result = d.run(d.train_words(self.run_dir, sets=['stage { name: "rl" steps: 3 }', "seed: 4"]), ranks=2)
        self.check(result, 2, r"seed")
        self.assertEqual(snapshot(self.run_dir), before)

    def test_resume_rules(self):
        self.check(d.run(d.train_words(self.root / "empty", resume="must")), 2, r"run_dir")
        result = d.run(d.train_words(self.run_dir, sets=['stage { name: "rl" steps: 3 }'], resume="never"))
        self.check(result, 2, r"run_dir")

    def damaged(self, name, damage):
        """A copy of the run whose newest checkpoint is damaged, so that resuming has to read it."""
        copy = self.root / name
        shutil.copytree(self.run_dir, copy)
        damage(copy / "checkpoints" / "rl" / "3")
        return copy

    def test_damaged_checkpoints(self):
        def truncate(c):
            shard = next(c.glob("*.safetensors"))
            shard.write_bytes(shard.read_bytes()[:-100])

        def flip(c):
            # In a weight, which every reader reads: shards hold the optimizer's state too.
            for shard in c.glob("*.safetensors"):
                data = bytearray(shard.read_bytes())
                size = int.from_bytes(data[:8], "little")
                header = json.loads(data[8 : 8 + size])
                for key, tensor in header.items():
                    if key.startswith("model.embed_tokens.weight"):
                        data[8 + size + tensor["data_offsets"][0]] ^= 4
                        shard.write_bytes(data)

        def flip_manifest(c):
            data = (c / "manifest.json").read_text()
            (c / "manifest.json").write_text(data.replace("rank-00000", "rank-00007", 1))

        def misname(c):
            shard = next(c.glob("*.safetensors"))
            shard.rename(c / "other.safetensors")

        def foreign(c):
            (c / "manifest.json").write_text('{"weights": "of another program"}')

        def no_json(c):
            (c / "manifest.json").write_text("PK\x03\x04")

        for damage in (truncate, flip, flip_manifest, misname, foreign, no_json):
            with self.subTest(damage.__name__):
                copy = self.damaged(damage.__name__, damage)
                before = snapshot(copy)
                checkpoint = copy / "checkpoints" / "rl" / "3"
                self.check(d.run(["inspect", checkpoint, "--verify"]), 3, re.escape(str(checkpoint)))
                self.check(d.run(["generate", f"--model={checkpoint}", "--prompt=1+1=?"]), 3, re.escape(str(checkpoint)))
                # More steps than are done, so that the run has to go on from the damaged checkpoint.
                text = (copy / "config.textproto").read_text()
                (copy / "config.textproto").write_text(re.sub(r'(name: "rl"\s+steps: )3', r"\g<1>4", text))
                words = d.train_words(copy, sets=['stage { name: "rl" steps: 4 }'])
                self.check(d.run(words, ranks=2), 3, re.escape(str(checkpoint)))
                after = snapshot(copy)
                for path in before:
                    if path.parts[0] == "checkpoints":
                        self.assertEqual(after[path], before[path])

    def test_full_disk_while_saving(self):
        """A small file system: the failing save is reported by all ranks and leaves no partial checkpoint behind."""
        mount = self.root / "small"
        mount.mkdir()
        # A user namespace would do for others; CI and containers are root.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(mount)], check=True)
        try:
            result = d.run(d.train_words(mount / "run"), ranks=2)
            self.check(result, 1, r"run/")
            self.assertEqual(list(mount.rglob("*.partial")), [])
        finally:
            subprocess.run(["umount", str(mount)], check=True)

    def test_no_permission(self):
        """A run directory that cannot be made: below a file, which stops root too."""
        blocker = self.root / "a_file"
        blocker.write_text("x")
        self.check(d.run(d.train_words(blocker / "run"), ranks=2), 2, r"a_file")

    def test_tokens_and_text_that_do_not_fit(self):
        path = self.root / "tokens.jsonl"
        for line, pattern in (('{"tokens": [1, 999]}', r"tokens\.jsonl:1.*999"), ("{}", r"tokens\.jsonl:1"),
                              ('{"tokens": [1]}', r"tokens\.jsonl:1")):
            with self.subTest(line):
                path.write_text(line + "\n")
                self.check(d.run(["logprobs", f"--model={self.checkpoint}", f"--input={path}"]), 3, pattern)
        self.check(d.run(["report", self.root / "no_run"]), 3, r"no_run")

    def exported(self, name):
        """The trained model as a Hugging Face folder."""
        out = self.root / name
        result = d.run(["export", f"--checkpoint={self.checkpoint}", f"--out={out}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        return out

    def test_json_that_is_too_deep(self):
        deep = "[" * 100_000 + "]" * 100_000
        lines = self.root / "deep.jsonl"
        for words, stdin, text in (
                (["detokenize", f"--model={self.checkpoint}"], deep + "\n", None),
                (["tokenize", "--json", f"--model={self.checkpoint}"], deep + "\n", None),
                (["logprobs", f"--model={self.checkpoint}", f"--input={lines}"], "", '{"tokens": %s}' % deep),
                (["generate", f"--model={self.checkpoint}", f"--prompts={lines}"], "", '{"prompt": %s}' % deep),
                (["generate", f"--model={self.checkpoint}", f"--prompts={lines}"], "",
                 '{"messages": [{"role": "user", "content": %s}]}' % deep)):
            with self.subTest(" ".join(words[:1])):
                lines.write_text((text or "") + "\n")
                self.check(d.run(words, stdin=stdin, timeout=60), 3, r"nested more than 64 deep")
        folder = self.exported("deep")
        for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
            with self.subTest(name):
                copy = self.root / f"deep_{name}"
                shutil.copytree(folder, copy)
                (copy / name).write_text('{"a": %s}' % deep)
                self.check(d.run(["generate", f"--model={copy}", "--prompt=1"], timeout=60), 3, name + r": found values nested")
        manifest = self.damaged("deep_manifest", lambda c: (c / "manifest.json").write_text('{"a": %s}' % deep))
        self.check(d.run(["inspect", manifest / "checkpoints" / "rl" / "3"]), 3, r"manifest\.json: found values nested")

    def test_pipes_and_devices_in_place_of_files(self):
        """A pipe without a writer, which opening would wait for, and a device without an end."""
        pipe = self.root / "pipe"
        os.mkfifo(pipe)
        folder = self.exported("pipes")
        for source in (pipe, pathlib.Path("/dev/zero")):
            with self.subTest(str(source)):
                found = r"found a (pipe|folder) or device, expected a"
                for words, code in (
                        (["train", f"--config={source}", f"--run_dir={self.root}/none"], 2),
                        (d.train_words(self.root / "none", sets=[f'tokenizer: "{source}"']), 3),
                        (d.train_words(self.root / "none", sets=[f'stage {{ name: "cold_start" data {{ path: "{source}" }} }}'],
                                       config=self.file_config()), 3),
                        (["generate", f"--model={self.checkpoint}", f"--prompts={source}"], 3),
                        (["logprobs", f"--model={self.checkpoint}", f"--input={source}"], 3),
                        (["score", "--verifier=math", f"--input={source}"], 3)):
                    self.check(d.run(words, timeout=60), code, found)
                for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                             "chat_template.jinja", "model.safetensors"):
                    copy = self.root / f"pipes_{source.name}_{name}"
                    shutil.copytree(folder, copy)
                    (copy / name).unlink(missing_ok=True)
                    (copy / name).symlink_to(source)
                    self.check(d.run(["generate", f"--model={copy}", "--prompt=1", "--chat"], timeout=60), 3, found)

    def file_config(self):
        """The run with a data file, to be replaced by another path."""
        text, files, _, _ = data_case(b'{"prompt": "1", "completion": "2"}', "")
        return self.case_files("file_config", text, files)

    def test_weights_that_do_not_fit_or_are_not_numbers(self):
        folder = self.exported("weights")
        config = json.loads((folder / "config.json").read_text())
        huge = self.root / "huge"
        shutil.copytree(folder, huge)
        for field, value in (("hidden_size", 1 << 24), ("n_routed_experts", 1 << 20), ("moe_intermediate_size", 1 << 24),
                             ("intermediate_size", 1 << 24), ("num_hidden_layers", 9999), ("vocab_size", 1 << 24),
                             ("kv_lora_rank", 1 << 24), ("max_position_embeddings", 1 << 30)):
            with self.subTest(field):
                (huge / "config.json").write_text(json.dumps({**config, field: value}))
                # In 4 GB of addresses, which the program needs a part of.
                result = subprocess.run(["prlimit", "--as=4000000000", *d.command(["inspect", huge])], env=d.ENVIRONMENT,
                                        capture_output=True, text=True, timeout=60)
                self.check(result, 3, r"huge/")
        path = folder / "model.safetensors"
        data = bytearray(path.read_bytes())
        size = int.from_bytes(data[:8], "little")
        begin = json.loads(data[8:8 + size])["model.norm.weight"]["data_offsets"][0]
        data[8 + size + begin:8 + size + begin + 4] = bytes.fromhex("0000c07f")  # a NaN
        path.write_bytes(data)
        self.check(d.run(["generate", f"--model={folder}", "--prompt=1"]), 3,
                   r'model\.safetensors: tensor "model\.norm\.weight": found NaN or infinity')

    def test_lines_without_an_end(self):
        path = self.root / "long.jsonl"
        with open(path, "wb") as file:
            file.truncate(200_000_000)
        for words in (["logprobs", f"--model={self.checkpoint}", f"--input={path}"], ["score", "--verifier=math", f"--input={path}"],
                      ["generate", f"--model={self.checkpoint}", f"--prompts={path}"]):
            with self.subTest(words[0]):
                self.check(d.run(words, timeout=60), 3, r"long\.jsonl:1: found more than 67108864 bytes")
        copy = self.root / "long_rollout"
        shutil.copytree(self.run_dir, copy)
        table = sorted(copy.glob("rollouts/rl/*.jsonl"))[0]
        with open(table, "ab") as file:
            file.truncate(table.stat().st_size + 200_000_000)
        self.check(d.run(["report", copy], timeout=60), 3, r"found more than 67108864 bytes")


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("bad_input_test: found no root, expected it (one case mounts a small tmpfs)")
    unittest.main(verbosity=2)
