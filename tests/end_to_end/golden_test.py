"""Small runs that must give, to the last digit, the metrics and hashes of weights that were recorded before.

    golden_test.py                     compares with golden/CPU/RUN.jsonl
    golden_test.py --record [RUN ...]  writes those files, for a change that means to change numbers

Products of other CPU types differ in the last bits, so each type has its own folder. On one without a record every run is
made twice and must repeat itself.
"""
import json
import pathlib
import sys
import time
import unittest

import deduce_runs as d

CONFIGS = pathlib.Path(__file__).resolve().parent / "golden"
RECORD_COMMAND = "tests/end_to_end/golden_test.py --record"
NOT_A_TIME = "perf/max_over_mean_rank_load"  # under a prefix of times


def cpu_type():
    """Of what numbers depend on: the maker's numbers, and the widest instructions that a virtual machine leaves."""
    text = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    fields = dict((part.strip() for part in line.split(":", 1)) for line in text.splitlines() if ":" in line)
    names = [fields.get(name, "unknown") for name in ("vendor_id", "cpu family", "model")]
    flags = set(fields.get("flags", "").split())
    return "-".join(names + [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if flag in flags])


def train(root, name, ranks=1, sets=(), config=None):
    """The lines of metrics of a run in root / name, without times."""
    d.train(root / name, ranks, config or CONFIGS / f"{name}.textproto", sets)
    return [{key: value for key, value in line.items() if key == NOT_A_TIME or not key.startswith(d.TIMED)}
            for line in d.metrics(root / name)]


def mla_moe(root):
    return train(root, "smoke", config=d.SMOKE)


def gqa_from_a_folder(root):
    base = train(root, "gqa_base")
    folder = root / "folder"
    exported = d.run(["export", f"--checkpoint={root}/gqa_base/checkpoints/base/2", f"--out={folder}"])
    if exported.returncode != 0:
        raise AssertionError(f"export ended with {exported.returncode}: {exported.stderr}")
    return base + train(root, "gqa", sets=[f'model {{ hugging_face: "{folder}" }}'])


def pipeline_expert(root):
    return train(root, "pipeline_expert", ranks=4)


def sharded_weights(root):
    return train(root, "sharded_weights", ranks=2)


def distill(root):
    teacher = train(root, "distill_teacher")
    path = root / "distill_teacher" / "checkpoints" / "base" / "3"
    return teacher + train(root, "distill", sets=[f'stage {{ name: "student" distill {{ teacher: "{path}" }} }}'])


RUNS = {run.__name__: run for run in (mla_moe, gqa_from_a_folder, pipeline_expert, sharded_weights, distill)}


def make(name):
    with d.Folder() as root:
        return RUNS[name](root)


def record_path(name, cpu):
    return CONFIGS / cpu / f"{name}.jsonl"


def read_record(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def place(number, line):
    return f"line {number} (stage {line.get('stage')}, step {line.get('step')})"


def shown(line, name):
    """The value's text, in which 1 is not 1.0, 0.0 is not -0.0, and NaN is NaN."""
    return json.dumps(line[name]) if name in line else "nothing"


def differing_fields(found, expected):
    """In the order of `expected`; those that were not there come last."""
    return [name for name in {**expected, **found} if shown(found, name) != shown(expected, name)]


def difference(found, expected):
    """Which values differ, the first line and field first; empty if none does."""
    lines = []
    for number, (new, old) in enumerate(zip(found, expected), 1):
        names = differing_fields(new, old)
        if names and not lines:
            lines.append(f"first in {place(number, old)}, {names[0]}: found {shown(new, names[0])}, "
                         f"expected {shown(old, names[0])}")
            lines += [f"    {name}: found {shown(new, name)}, expected {shown(old, name)}" for name in names[1:]]
        elif names:
            lines.append(f"then {place(number, old)}: {', '.join(names)}")
    if len(found) != len(expected):
        lines.append(f"number of lines: found {len(found)}, expected {len(expected)}")
    return "\n".join(lines)


class Golden(unittest.TestCase):
    def compare(self, name):
        cpu = cpu_type()
        path = record_path(name, cpu)
        found = make(name)
        hashes = [line["weights_hash"] for line in found if "loss" in line]
        self.assertEqual(len(set(hashes)), len(hashes), "a step left the weights as they were")
        if path.exists():
            expected, source = read_record(path), path
        else:
            print(f"\n{name}: no record for the CPU type {cpu}, so the run is compared with itself.\n"
                  f"To record: {RECORD_COMMAND} {name}, with a binary whose numbers are trusted.", file=sys.stderr)
            expected, source = make(name), "a second run"
        different = difference(found, expected)
        if different:
            self.fail(f"\n{name} differs from {source}:\n{different}")

    def test_mla_experts_and_a_prediction_module_through_three_stages(self):
        self.compare("mla_moe")

    def test_grouped_queries_from_a_hugging_face_folder(self):
        self.compare("gqa_from_a_folder")

    def test_pipeline_of_expert_ranks(self):
        self.compare("pipeline_expert")

    def test_sharded_weights(self):
        self.compare("sharded_weights")

    def test_distillation(self):
        self.compare("distill")


class Difference(unittest.TestCase):
    RECORD = [{"stage": "a", "step": 1, "loss": 0.1, "lr": 1}, {"stage": "a", "step": 2, "loss": 0.5, "lr": 1}]

    def changed(self, line, **fields):
        return [{**old, **(fields if i == line else {})} for i, old in enumerate(self.RECORD)]

    def test_equal_lines_have_none(self):
        self.assertEqual(difference(self.changed(0), self.RECORD), "")

    def test_the_last_bit_of_a_number_shows_with_its_line_and_both_values(self):
        found = difference(self.changed(1, loss=0.5000000000000001), self.RECORD)
        self.assertEqual(found, "first in line 2 (stage a, step 2), loss: found 0.5000000000000001, expected 0.5")

    def test_kinds_of_numbers_and_added_and_missing_names_show(self):
        for fields, expected in (({"lr": 1.0}, "lr: found 1.0, expected 1"), ({"new": 0}, "new: found 0, expected nothing")):
            self.assertTrue(difference(self.changed(0, **fields), self.RECORD).endswith(expected))
            self.assertTrue(difference(self.RECORD, self.changed(0, **fields)))

    def test_a_missing_line_shows(self):
        self.assertEqual(difference(self.RECORD[:1], self.RECORD), "number of lines: found 1, expected 2")


def record(names):
    unknown = set(names) - set(RUNS)
    if unknown:
        sys.exit(f"found no run {', '.join(sorted(unknown))}, expected some of {', '.join(RUNS)}")
    for name in names or RUNS:
        start = time.monotonic()
        lines = make(name)
        different = difference(make(name), lines)
        if different:
            sys.exit(f"{name} does not repeat itself, so it cannot be recorded:\n{different}")
        path = record_path(name, cpu_type())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        print(f"{path}: {len(lines)} lines, two runs in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        record(sys.argv[2:])
    else:
        unittest.main(verbosity=2)
