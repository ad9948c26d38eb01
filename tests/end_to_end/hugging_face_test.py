"""Real Hugging Face folders in and out of the real binary, against transformers, which computes its side live (see
hugging_face_models.py). Prints the parity table."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import deduce_runs as d
from safetensors_files import read_tensors, write_tensors

HERE = pathlib.Path(__file__).resolve().parent
REFERENCE = d.SOURCE / ".deps" / "reference" / "bin" / "python"
DUMP_GRADIENTS = pathlib.Path(os.environ.get("DUMP_GRADIENTS", d.SOURCE / "build" / "tests" / "dump_gradients"))
MOST_LOG_PROB_DIFFERENCE = 2e-5
MOST_GRADIENT_DIFFERENCE = 1e-4
# In bf16 deduce must be no further from fp32 than transformers in bf16, for it rounds less. But a token whose experts are nearly
# tied may go to another one in either program, and then its part of every gradient, a sum of 47 such parts, is another: for
# two such tokens a relative distance of about sqrt(2 / 47).
MOST_REROUTED_DIFFERENCE = 0.2


def reference(step, root):
    result = subprocess.run([REFERENCE, HERE / "hugging_face_models.py", step, root], capture_output=True, text=True,
                            env=dict(d.ENVIRONMENT, HF_HUB_OFFLINE="1"))
    if result.returncode != 0:
        raise AssertionError(f"hugging_face_models.py {step}: {result.stderr[-3000:]}")


def deduce(*words):
    result = d.run(words)
    if result.returncode != 0:
        raise AssertionError(f"deduce {words}: {result.stderr[-2000:]}")
    return result.stdout


def log_probs(folder, tokens, compute="fp32"):
    path = folder.parent / "tokens.jsonl"
    path.write_text(json.dumps({"tokens": tokens}) + "\n")
    return json.loads(deduce("logprobs", f"--model={folder}", f"--input={path}", f"--compute={compute}"))["logprobs"]


class HuggingFace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        reference("build", cls.root)
        cls.llama = cls.root / "llama, llama3 rope, tied"

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def assert_same_folder(self, found, expected):
        """The weights byte by byte, and every other file."""
        self.assertEqual(read_tensors(found), read_tensors(expected))
        others = lambda folder: {p.name: p.read_bytes() for p in folder.iterdir() if "safetensors" not in p.name}
        self.assertEqual(others(found), others(expected))

    def test_parity_table(self):
        places = sorted(path.parent for path in self.root.glob("*/tokens.json"))
        for place in places:
            tokens = json.loads((place / "tokens.json").read_text())
            for compute in ("fp32", "bf16"):
                (place / f"deduce_{compute}.json").write_text(json.dumps(log_probs(place / "folder", tokens, compute)))
                subprocess.run([DUMP_GRADIENTS, place / "folder", place / "tokens.json",
                                place / f"deduce_{compute}.safetensors", compute], check=True, env=d.ENVIRONMENT)
            deduce("export", f"--checkpoint={place / 'folder'}", f"--out={place / 'exported'}")
        own = self.root / "own"
        own.mkdir()
        d.train(own / "run", sets=['stage { name: "rl" steps: 1 }'])
        checkpoint = own / "run" / "checkpoints" / "rl" / "1"
        (own / "tokens").write_text(json.dumps([1, *range(5, 40)]))
        (own / "deduce_fp32.json").write_text(json.dumps(log_probs(checkpoint, [1, *range(5, 40)])))
        deduce("export", f"--checkpoint={checkpoint}", f"--out={own / 'exported'}")
        reference("check", self.root)
        table = json.loads((self.root / "table.json").read_text())
        self.assertLessEqual(table.pop("own")["exported_log_probs"], MOST_LOG_PROB_DIFFERENCE)
        self.assertEqual(sorted(table), [place.name for place in places])
        print("\nlargest difference from transformers in fp32; in bf16, medians, deduce's / transformers' own\n"
              f"{'model':32}{'log-probs':>12}{'gradients':>12}{'round trip':>12}{'exported':>12}"
              f"{'bf16 log-probs':>20}{'bf16 gradients':>20}", file=sys.stderr)
        for place in places:
            row = table[place.name]
            row["same_bytes"] = read_tensors(place / "exported") == read_tensors(place / "folder")
            print(f"{place.name:32}{row['log_probs']:12.1e}{row['gradients']:12.1e}"
                  f"{'same bytes' if row['same_bytes'] else 'DIFFERS':>12}"
                  f"{row['exported_log_probs']:12.1e}"
                  + "".join(f"{'%.1e / %.1e' % tuple(row[what]):>20}" for what in ("bf16_log_probs", "bf16_gradients")),
                  file=sys.stderr)
        d.leave_for_parity_table("models", table)
        for place in places:
            with self.subTest(place.name):
                row = table[place.name]
                self.assertLessEqual(row["log_probs"], MOST_LOG_PROB_DIFFERENCE)
                self.assertLessEqual(row["gradients"], MOST_GRADIENT_DIFFERENCE)
                self.assertLessEqual(row["exported_log_probs"], 1e-6)  # transformers on the same bytes, twice
                for what in ("bf16_log_probs", "bf16_gradients"):
                    ours, theirs = row[what]
                    routed = what == "bf16_gradients" and place.name.startswith(("deepseek", "qwen3_moe"))
                    self.assertLessEqual(ours, max(theirs, MOST_REROUTED_DIFFERENCE) if routed else theirs, what)
                    self.assertGreater(ours, 0, what)
                self.assert_same_folder(place / "exported", place / "folder")

    def test_bf16_shards_come_back_as_they_were(self):
        out = self.root / "bf16 again"
        deduce("export", f"--checkpoint={self.root / 'bf16'}", f"--out={out}", "--max_shard_bytes=20000")
        self.assertGreater(len(list(out.glob("model-*-of-*.safetensors"))), 2)
        self.assert_same_folder(out, self.root / "bf16")
        deduce("inspect", out, "--verify")
        index = json.loads((out / "model.safetensors.index.json").read_text())
        self.assertEqual(index["metadata"]["total_size"], sum(len(data) for _, _, data in read_tensors(out).values()))

    def test_fp16_comes_back_as_it_was(self):
        deduce("export", f"--checkpoint={self.root / 'fp16'}", f"--out={self.root / 'fp16 again'}")
        self.assert_same_folder(self.root / "fp16 again", self.root / "fp16")

    def test_fp8_blocks_mean_code_times_scale(self):
        tokens = json.loads((self.llama / "tokens.json").read_text())
        self.assertEqual(log_probs(self.root / "fp8", tokens), log_probs(self.root / "fp8 decoded", tokens))
        deduce("export", f"--checkpoint={self.root / 'fp8'}", f"--out={self.root / 'fp8 exported'}")
        self.assertEqual({dtype for dtype, _, _ in read_tensors(self.root / "fp8 exported").values()}, {"F32", "BF16"})
        self.assertNotIn("quantization_config", json.loads((self.root / "fp8 exported" / "config.json").read_text()))

    def train_from(self, folder, run_dir, ranks=1, sets=()):
        config = self.root / "from_folder.textproto"
        config.write_text(f"""
            name: "from_folder"
            model {{ hugging_face: "{folder}" }}
            stage {{ name: "sft" sft {{ samples_per_step: 4 }} steps: 2 optimizer {{ weight_decay: 0 }}
                     data {{ task {{ name: "chain_sum" max_terms: 2 min_terms: 2 max_digits: 1 min_digits: 1 }} }} }}""")
        d.train(run_dir, ranks=ranks, config=config, sets=sets)
        return run_dir / "checkpoints" / "sft" / "2"

    def test_a_run_starts_from_a_folder_and_exports_it_again(self):
        still = ['stage { name: "sft" optimizer { learning_rate: 0 } }']
        for name in ("qwen2, tied", "deepseek_v3, yarn, groups"):
            folder = self.root / name / "folder"
            checkpoint = self.train_from(folder, self.root / f"run of {name}", sets=still)
            out = self.root / f"export of {name}"
            deduce("export", f"--checkpoint={checkpoint}", f"--out={out}")
            biases = lambda tensors: {n: t for n, t in tensors.items() if not n.endswith("e_score_correction_bias")}
            self.assertEqual(biases(read_tensors(out)), biases(read_tensors(folder)))
            self.assertEqual((out / "tokenizer_config.json").read_bytes(), (folder / "tokenizer_config.json").read_bytes())

    def test_training_from_a_folder_has_the_same_bits_on_two_expert_ranks(self):
        folder = self.root / "qwen3_moe, normed gates" / "folder"
        self.train_from(folder, self.root / "one rank")
        self.train_from(folder, self.root / "two ranks", ranks=2, sets=["layout { expert_parallel: 2 }"])
        self.assertEqual(d.untimed(self.root / "one rank"), d.untimed(self.root / "two ranks"))

    def test_a_finished_run_from_a_folder_has_nothing_to_do(self):
        run_dir = self.root / "twice"
        self.train_from(self.llama / "folder", run_dir)
        before = (run_dir / "metrics.jsonl").read_bytes()
        self.train_from(self.llama / "folder", run_dir)
        self.assertEqual((run_dir / "metrics.jsonl").read_bytes(), before)

    def test_a_chat_template_stays_with_the_model(self):
        """From the folder through a run's checkpoint into an export; each writes the same prompt with it."""
        folder = self.root / "chat"
        shutil.copytree(self.llama / "folder", folder)
        template = "{% for m in messages %}={{ m.content }};{% endfor %}{% if add_generation_prompt %}?{% endif %}"
        (folder / "chat_template.jinja").write_text(template)
        checkpoint = self.train_from(folder, self.root / "chat run")
        exported = self.root / "chat exported"
        deduce("export", f"--checkpoint={checkpoint}", f"--out={exported}")
        prompts = self.root / "chat prompts.jsonl"
        prompts.write_text('{"messages": [{"role": "user", "content": "1+2"}, {"role": "assistant", "content": "3"}, '
                           '{"role": "user", "content": "4+5"}]}\n')
        for model in (folder, checkpoint, exported):
            with self.subTest(model.name):
                self.assertEqual((model / "chat_template.jinja").read_text(), template)
                chat = deduce("generate", f"--model={model}", "--prompt=1+2", "--chat", "--max_new_tokens=1")
                self.assertEqual(json.loads(chat)["prompt"], "=1+2;?")
                turns = deduce("generate", f"--model={model}", f"--prompts={prompts}", "--max_new_tokens=1")
                self.assertEqual(json.loads(turns)["prompt"], "=1+2;=3;=4+5;?")

    # --- bad input: one line, exit code 3 (2 for a config), no crash ---

    def refused(self, pattern, *words, code=3):
        result = d.run(words, timeout=60)
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr[-1500:])
        self.assertRegex(lines[0], r"^deduce: error: .*found .*expected ")
        self.assertRegex(lines[0], pattern)
        self.assertEqual(result.returncode, code, result.stderr)

    def broken(self, name, config=None, tensors=None):
        """A copy of the llama folder with changes: config and tensors are functions that change a dict in place."""
        folder = self.root / f"broken {name}"
        shutil.copytree(self.llama / "folder", folder)
        if config:
            data = json.loads((folder / "config.json").read_text())
            config(data)
            (folder / "config.json").write_text(json.dumps(data))
        if tensors:
            data = read_tensors(folder)
            tensors(data)
            write_tensors(folder / "model.safetensors", data)
        return folder

    def test_bad_configs(self):
        for name, change, pattern in (
                ("family", lambda c: c.update(model_type="mamba"), r"config\.json: model_type: found \"mamba\""),
                ("field", lambda c: c.update(logit_scale=2), r"logit_scale.*found 2"),
                ("activation", lambda c: c.update(hidden_act="gelu"), r"hidden_act: found \"gelu\", expected \"silu\""),
                ("rope", lambda c: c["rope_parameters"].update(rope_type="dynamic"), r"rope_type: found \"dynamic\""),
                ("shape", lambda c: c.update(num_key_value_heads=4), r"num_key_value_heads.*found 4"),
        ):
            with self.subTest(name):
                self.refused(pattern, "inspect", self.broken(name, config=change))

    def test_bad_weights(self):
        first = "model.layers.0.self_attn.q_proj.weight"
        for name, change, pattern in (
                ("missing", lambda t: t.pop(first), r"q_proj.*found nothing, expected a tensor of shape \[54, 54\]"),
                ("extra", lambda t: t.update(extra=t[first]), r"\"extra\": found F32 \[54, 54\]"),
                ("turned", lambda t: t.update({first: ("F32", [108, 27], t[first][2])}), r"found F32 \[108, 27\]"),
                ("integers", lambda t: t.update({first: ("I32", *t[first][1:])}), r"found I32 \[54, 54\]"),
                ("no scales", lambda t: t.update({first: ("F8_E4M3", [54, 54], bytes(54 * 54))}), r"weight_scale_inv"),
                ("untied", lambda t: t.update({"lm_head.weight": ("F32", [48, 54], bytes(4 * 48 * 54))}), r"lm_head.*other"),
        ):
            with self.subTest(name):
                self.refused(pattern, "inspect", self.broken(name, tensors=change), "--verify")

    @staticmethod
    def forget_a_tensor(index):
        """One of a file that has others too."""
        files = list(index["weight_map"].values())
        index["weight_map"].pop(next(name for name, file in index["weight_map"].items() if files.count(file) > 1))

    def test_bad_files(self):
        cut = self.broken("cut")
        (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-1])
        self.refused(r"model\.safetensors: found \d+ bytes|model\.safetensors: found tensor", "inspect", cut)
        gone = self.broken("gone")
        (gone / "model.safetensors").unlink()
        self.refused(r"found neither model\.safetensors", "inspect", gone)
        for name, change, pattern in (
                ("shard", lambda i: None, r"model-00002-of-00010\.safetensors"),
                ("lie", lambda i: i["weight_map"].update({"model.norm.weight": "model-00001-of-00010.safetensors"}),
                 r"index\.json: found tensor \"model\.norm\.weight\""),
                ("silence", self.forget_a_tensor, r"expected those that model\.safetensors\.index\.json names"),
                ("way out", lambda i: i["weight_map"].update({"model.norm.weight": "../x.safetensors"}), r"\.\./x"),
        ):
            with self.subTest(name):
                folder = self.root / f"index {name}"
                shutil.copytree(self.root / "bf16", folder)
                path = folder / "model.safetensors.index.json"
                index = json.loads(path.read_text())
                change(index)
                path.write_text(json.dumps(index))
                if name == "shard":
                    (folder / "model-00002-of-00010.safetensors").unlink()
                self.refused(pattern, "inspect", folder)

    def test_a_run_that_disagrees_with_its_folder(self):
        config = self.root / "disagrees.textproto"
        config.write_text(f'name: "x" run_dir: "{self.root}/x" model {{ hugging_face: "{self.llama / "folder"}" '
                          'hidden_size: 55 }')
        self.refused(r"model\.hidden_size", "train", f"--config={config}", code=2)

    def test_export_leaves_what_is_there_alone(self):
        self.refused(r"found something there", "export", f"--checkpoint={self.llama / 'folder'}",
                     f"--out={self.llama / 'folder'}", code=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
