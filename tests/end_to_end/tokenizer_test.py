"""deduce tokenize and detokenize give what the `tokenizers` package gives, for every family of tokenizers, both ways."""
import json
import subprocess
import unittest

import deduce_runs as d

REFERENCE = d.SOURCE / ".deps" / "reference" / "bin" / "python"
FAMILIES = d.SOURCE / "tests" / "end_to_end" / "tokenizer_families.py"
# Answer -> the command and the file of questions.
ANSWERS = {
    "ids": (("tokenize", "--json"), "texts"),
    "special_ids": (("tokenize", "--json", "--add_special_tokens"), "texts"),
    "decoded": (("detokenize",), "sequences"),
    "decoded_plain": (("detokenize", "--skip_special_tokens"), "sequences"),
}


def values(text):
    return [json.loads(line) for line in text.rstrip("\n").split("\n")]


class Tokenizers(unittest.TestCase):
    lines = 2000  # random texts of each of the large families

    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        subprocess.run([REFERENCE, FAMILIES, cls.root, str(cls.lines)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def compare(self, family, answer):
        (command, *flags), questions_file = ANSWERS[answer]
        expected = values((self.root / family / answer).read_text())
        questions = (self.root / family / questions_file).read_text().split("\n")[:len(expected)]
        result = d.run([command, f"--model={self.root / family}", *flags], stdin="\n".join(questions) + "\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        got = values(result.stdout)
        self.assertEqual(len(got), len(expected))
        for question, ours, theirs in zip(questions, got, expected):
            if ours != theirs:
                self.fail(f"{family}, {answer} of {question}: found {ours!a}, expected {theirs!a}")
        return len(expected)

    def test_every_family_both_ways(self):
        families = sorted(path.name for path in self.root.iterdir())
        self.assertGreaterEqual(len(families), 20)
        equal = {}
        for family in families:
            with self.subTest(family=family):
                counts = {answer: self.compare(family, answer) for answer in ANSWERS}
                print(f"{family}: equal, " + ", ".join(f"{count} {answer}" for answer, count in counts.items()), flush=True)
                equal[family] = sum(counts.values())
        d.leave_for_parity_table("tokenizers", equal)

    def test_malformed_bytes_are_refused_with_their_place(self):
        result = subprocess.run(d.command(["tokenize", f"--model={self.root / 'gpt2'}"]), input=b"a\xff\n", env=d.ENVIRONMENT,
                                capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 3)
        self.assertIn(b"standard input:1: byte 1 of the text: found 0xff, expected UTF-8", result.stderr)

    def test_text_that_is_no_json_string_is_refused(self):
        result = d.run(["tokenize", "--json", f"--model={self.root / 'gpt2'}"], stdin='"a"\nb\n')
        self.assertEqual(result.returncode, 3)
        self.assertIn("standard input:2: found text that is not JSON", result.stderr)


class NightlyTokenizers(Tokenizers):
    lines = 20000


if __name__ == "__main__":
    d.run_tests()
