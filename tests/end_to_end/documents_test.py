"""README and docs: the commands of their `sh` blocks run in order, in a folder like a clone's, with a tiny model in place of the real
one and few steps; and scripts/check_documents finds what it should. docs/design/tests.md has the marks of blocks that do not run."""
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import unittest

import deduce_runs as d
from safetensors_files import write_tensors

DOCUMENTS = ["README.md", *sorted(str(p.relative_to(d.SOURCE)) for p in (d.SOURCE / "docs").glob("*.md"))]
NOT_RUN = ("slow", "cluster", "interactive")  # behind `sh`
# Numbers of a config -> what becomes of them, so that a run takes seconds.
SMALLER = {
    "steps": lambda n: max(1, n // 10),
    "every_steps": lambda n: max(1, n // 10),
    "warmup_steps": lambda n: min(n, 1),
    "samples_per_step": lambda n: min(n, 4),
    "prompts_per_step": lambda n: min(n, 2),
    "num_generations": lambda n: min(n, 4),
    "num_problems": lambda n: min(n, 4),
}
RECIPES = SMALLER | {"steps": lambda n: min(n, 2)}
TIMEOUT = 300  # seconds of a block, for a hang


def shortened(text, changes=SMALLER):
    return re.sub(rf"\b({'|'.join(changes)}): (\d+)\b", lambda m: f"{m[1]}: {changes[m[1]](int(m[2]))}", text)


def command_blocks(text):
    """(line, block) of each `sh` block without a mark."""
    blocks = []
    for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", text, re.M):
        words = match[1].split()
        if words[:1] != ["sh"]:
            continue
        if words[1:] and words[1] not in NOT_RUN:
            raise AssertionError(f"found the mark {words[1]}, expected one of {', '.join(NOT_RUN)}")
        if not words[1:]:
            blocks.append((text[:match.start()].count("\n") + 2, match[2]))
    return blocks


def byte_characters():
    """The printable character of each byte in byte-level vocabularies, as GPT-2 has them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (chr(256 + i) for i in itertools.count())
    return [chr(b) if b in plain else next(others) for b in range(256)]


CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def write_tokenizer(folder):
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    added = [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, text in enumerate(special)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    vocabulary = {token: i for i, token in enumerate(special + byte_characters())}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
        "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": []}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "add_bos_token": False,
        "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE, "tokenizer_class": "PreTrainedTokenizerFast"}))
    return len(vocabulary)


def write_model(folder):
    """A Llama of 2 layers with random weights, under SmolLM2's names, with a tokenizer of bytes and its kind of chat template."""
    folder.mkdir(parents=True)
    vocabulary, hidden, width, heads, layers = write_tokenizer(folder), 32, 48, 2, 2
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary, "hidden_size": hidden,
        "intermediate_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 100000, "tie_word_embeddings": True,
        "hidden_act": "silu", "attention_bias": False, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32"}))
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name in ("q", "k", "v", "o"):
            shapes[f"{layer}self_attn.{name}_proj.weight"] = [hidden, hidden]
        shapes |= {f"{layer}mlp.{name}_proj.weight": [width, hidden] for name in ("gate", "up")}
        shapes[f"{layer}mlp.down_proj.weight"] = [hidden, width]
        shapes |= {f"{layer}{name}_layernorm.weight": [hidden] for name in ("input", "post_attention")}
    generator = random.Random(1)
    tensors = {}
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0 if len(shape) == 1 else generator.gauss(0, 0.1) for _ in range(count)]
        tensors[name] = ("F32", shape, struct.pack(f"<{count}f", *values))
    write_tensors(folder / "model.safetensors", tensors)


def run_block(block, folder, script="set -euo pipefail\n"):
    environment = dict(d.ENVIRONMENT, HF_HUB_OFFLINE="1")
    return subprocess.run(["bash", "-c", script + block], cwd=folder, env=environment, text=True, capture_output=True, timeout=TIMEOUT)


class Clone:
    """A folder with what a reader of the documents has: a build, recipes, scripts, a model, and the runs of quickstart.sh."""

    def __init__(self, root):
        self.root = root
        (root / "build").mkdir()
        (root / "build" / "deduce").symlink_to(d.BINARY)
        (root / "scripts").symlink_to(d.SOURCE / "scripts")
        (root / ".deps").mkdir()
        (root / ".deps" / "reference").symlink_to(d.SOURCE / ".deps" / "reference")
        write_model(root / ".deps" / "smollm2")
        recipes = root / "configs" / "recipes"
        shutil.copytree(d.SOURCE / "configs" / "recipes", recipes)
        for path in [*recipes.glob("tiny_*.textproto"), *recipes.glob("smollm2_*.textproto")]:
            path.write_text(shortened(path.read_text(), RECIPES))
        for name in ("tiny_r1", "tiny_r1_zero"):
            made = run_block(f"build/deduce train --config=configs/recipes/{name}.textproto", root)
            if made.returncode != 0:
                raise AssertionError(f"{name}: {made.stderr[-2000:]}")


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        root = cls.folder.__enter__()
        (root / "clone").mkdir()
        cls.clone = Clone(root / "clone").root

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def run_document(self, name):
        """Every block, in a copy of the clone of its own."""
        copy = self.clone.parent / name.replace("/", "_")
        shutil.copytree(self.clone, copy, symlinks=True)
        for line, block in command_blocks((d.SOURCE / name).read_text()):
            result = run_block(shortened(block), copy)
            self.assertEqual(result.returncode, 0, f"{name}:{line}:\n{block}\n{result.stdout[-1500:]}\n{result.stderr[-3000:]}")


def add_test(name):
    test = "test_" + re.sub(r"\W", "_", name.removesuffix(".md"))
    setattr(Documents, test, lambda self: self.run_document(name))


for document in DOCUMENTS:
    if command_blocks((d.SOURCE / document).read_text()):
        add_test(document)


class Checks(unittest.TestCase):
    """scripts/check_documents on a tree of its own."""

    def check(self, files):
        with d.Folder() as root:
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            result = subprocess.run([d.SOURCE / "scripts" / "check_documents", root], text=True, capture_output=True)
            self.assertEqual(result.returncode, 1 if result.stdout else 0, result.stderr)
            return result.stdout.splitlines()

    def test_good_tree(self):
        self.assertEqual(self.check({"README.md": "# A b\n\n[one](docs/one.md#c-d), `docs/one.md`\n", "docs/one.md": "## C `d`\n"}), [])

    def test_dead_link(self):
        self.assertEqual(self.check({"README.md": "[one](docs/one.md)\n"}),
                         ["README.md:1: found a link to docs/one.md, expected a file that exists"])

    def test_dead_heading(self):
        self.assertEqual(self.check({"README.md": "[one](docs/one.md#e)\n", "docs/one.md": "# C\n"}),
                         ["README.md:1: found a link to docs/one.md#e, expected a heading of that file"])

    def test_name_of_no_file(self):
        self.assertEqual(self.check({"README.md": "`rl/run/gone`\n"}),
                         ["README.md:1: found the name rl/run/gone, expected a file that exists"])

    def test_width(self):
        self.assertEqual(self.check({"README.md": "x" * 121 + "\n", "docs/one.md": "x" * 140 + "\n"}),
                         ["README.md:1: found 121 characters, expected at most 120"])

    def test_length(self):
        self.assertEqual(self.check({"README.md": "\n" * 151}), ["README.md:151: found 151 lines, expected at most 150"])

    def test_unknown_fence(self):
        self.assertEqual(self.check({"README.md": "```python\n```\n"}), ["README.md:1: found a fence of python, expected one of sh, text, textproto, json"])

    def test_indented_block(self):
        self.assertEqual(self.check({"README.md": "Run\n\n    make\n\n- an item\n\n    of two paragraphs\n"}),
                         ["README.md:3: found an indented block, expected a fence"])

    def test_experiment_without_a_line(self):
        self.assertEqual(self.check({"EXPERIMENTS.md": "\n", "docs/experiments/one.md": "\n"}),
                         ["docs/experiments/one.md:1: found no line in EXPERIMENTS.md, expected one"])

    def test_this_tree(self):
        result = subprocess.run([d.SOURCE / "scripts" / "check_documents"], text=True, capture_output=True)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_stale_reference(self):
        with d.Folder() as root:
            for folder in ("configs", "docs", "scripts"):
                shutil.copytree(d.SOURCE / folder, root / folder)
            proto = root / "configs" / "objective.proto"
            proto.write_text(proto.read_text().replace("// KL coefficient", "// the KL coefficient"))
            result = subprocess.run([root / "scripts" / "make_config_reference", "--check"], text=True, capture_output=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("docs/config.md: found another text", result.stderr)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    d.run_tests()
