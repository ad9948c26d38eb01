"""A student that learns from what a teacher's checkpoint writes."""
import json
import random
import shutil
import unittest

import deduce_runs as d
from safetensors_files import read_tensors, write_tensors

STAGE = """
stage {
  name: "student"
  steps: 40
  optimizer { learning_rate: 5e-3 weight_decay: 0 }
  micro_batch_tokens: 192
  data { task { name: "chain_sum" } }
  distill { prompts_per_step: 24 teacher: "%s" max_prompt_length: 32 max_completion_length: 40 temperature: %s top_p: 1 %s }
}
"""


def renumber(folder, out):
    """A copy of a Hugging Face folder in which the tokens that are not added have each other's ids."""
    shutil.copytree(folder, out)
    tokenizer = json.loads((out / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    known = {token["id"] for token in tokenizer["added_tokens"]}
    old = [i for i in vocabulary.values() if i not in known]
    new = random.Random(5).sample(old, len(old))
    moved = dict(zip(old, new))
    tokenizer["model"]["vocab"] = {token: moved.get(i, i) for token, i in vocabulary.items()}
    (out / "tokenizer.json").write_text(json.dumps(tokenizer))
    tensors = read_tensors(out)
    for name, (dtype, shape, data) in tensors.items():
        if not name.endswith(("embed_tokens.weight", "head.weight")):
            continue
        width = len(data) // shape[0]
        rows = [data[i * width:(i + 1) * width] for i in range(shape[0])]
        for i, j in moved.items():
            rows[j] = data[i * width:(i + 1) * width]
        tensors[name] = (dtype, shape, b"".join(rows))
    (path,) = out.glob("*.safetensors")
    write_tensors(path, tensors)


class Distillation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        d.train(cls.root / "teacher", sets=['stage { name: "base" steps: 60 }', 'stage { name: "rl" steps: 1 }'])
        cls.teacher = cls.root / "teacher" / "checkpoints" / "base" / "60"
        cls.head = d.SMOKE.read_text().split("stage {")[0].replace("seed: 3", "seed: 4")
        cls.config = cls.write("student", cls.head + STAGE % (cls.teacher, 0.5, ""))
        d.train(cls.root / "student", config=cls.config)
        cls.reference = d.untimed(cls.root / "student")

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    @classmethod
    def write(cls, name, text):
        path = cls.root / f"{name}.textproto"
        path.write_text(text)
        return path

    def test_the_loss_on_the_teachers_completions_falls(self):
        losses = [line["loss"] for line in self.reference]
        self.assertEqual(len(losses), 40)
        # Without learning it stays at 3.9, the logarithm of 48 tokens. The teacher's own choices at this temperature have
        # a loss of about 2.4; a third of the way back is room for noise of one step, which is 0.1.
        self.assertLess(losses[-1], losses[0] - 1)

    def test_completions_that_do_not_end_are_left_out(self):
        kept = [line["distill/kept_ratio"] for line in self.reference]
        self.assertTrue(all(0 < share <= 1 for share in kept), kept)
        self.assertLess(min(kept), 1)

    def test_two_ranks_have_the_metrics_of_one(self):
        d.train(self.root / "two", ranks=2, config=self.config)
        self.assertEqual(d.untimed(self.root / "two"), self.reference)

    def test_a_run_that_resumes_has_the_metrics_of_a_straight_one(self):
        run_dir = self.root / "resumed"
        d.train(run_dir, config=self.config)
        (run_dir / "checkpoints" / "student" / "40").rename(run_dir / "checkpoints" / "student" / "40.partial")
        d.train(run_dir, config=self.config)
        self.assertEqual(d.untimed(run_dir), self.reference)

    def test_a_teacher_with_other_ids_for_the_same_texts_teaches_the_same(self):
        """Greedily, as draws go by ids; up to the first plus, as this teacher would never end by itself."""
        exported, renumbered = self.root / "exported", self.root / "renumbered"
        result = d.run(["export", f"--checkpoint={self.teacher}", f"--out={exported}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        renumber(exported, renumbered)
        found = []
        for teacher in (exported, renumbered):
            config = self.write(teacher.name, self.head + STAGE % (teacher, 0, ""))
            d.train(self.root / f"student of {teacher.name}", config=config, sets=['stage { name: "student" steps: 3 data { stop: "+" } }'])
            found.append(d.untimed(self.root / f"student of {teacher.name}"))
        self.assertEqual(*found)
        self.assertNotEqual((exported / "tokenizer.json").read_bytes(), (renumbered / "tokenizer.json").read_bytes())

    def test_a_step_without_a_right_completion_is_counted_and_trains_nothing(self):
        config = self.write("right", self.head +
                            STAGE % (self.teacher, 1, "only_right: true"))
        for ranks in (1, 2):
            run_dir = self.root / f"right on {ranks}"
            result = d.train(run_dir, ranks=ranks, config=config, sets=['stage { name: "student" steps: 2 }'])
            self.assertRegex(result.stderr, r"stage student, step 1: nothing to learn from, as no completion was kept "
                                            r"\(\d+ did not end, \d+ were not right, 0 were too long")
            lines = d.untimed(run_dir)
            self.assertEqual([line["skipped_updates"] for line in lines], [1, 1])
            self.assertEqual([line["distill/kept_ratio"] for line in lines], [0, 0])
            self.assertEqual(lines[0]["weights_hash"], lines[1]["weights_hash"])
            self.assertNotIn("loss", lines[0])

    def test_a_missing_teacher_is_named(self):
        config = self.write("missing", self.head + STAGE % (self.root / "nobody", 1, ""))
        result = d.run(d.train_words(self.root / "missing", config))
        self.assertEqual(result.returncode, 3)
        self.assertIn(str(self.root / "nobody"), result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
