"""Runs on layouts that add sums up in another order: near the one of one rank, equal to themselves, and good to go on from."""
import json
import unittest

import deduce_runs as d

TENSOR = "layout { tensor_parallel: 2 exact: false }"
BOTH = "layout { tensor_parallel: 2 context_parallel: 2 context_keys: gathered exact: false }"
RING = "layout { tensor_parallel: 2 context_parallel: 2 exact: false }"


class SplitLayouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = d.Folder()
        cls.root = cls.folder.__enter__()
        d.train(cls.root / "one")
        d.train(cls.root / "tensor", ranks=2, sets=[TENSOR])
        cls.one = d.untimed(cls.root / "one")

    @classmethod
    def tearDownClass(cls):
        cls.folder.__exit__()

    def assert_near_one_rank(self, run_dir):
        """Losses and norms of 16 steps in fp32; what is sampled could differ by a rounding, but does not in this run. Returns the
        shares of tokens whose log-probability training finds again to the last bit."""
        found = d.untimed(run_dir)
        self.assertEqual([line["global_step"] for line in found], [line["global_step"] for line in self.one])
        for line, expected in zip(found, self.one):
            for name in ("loss", "grad_norm", "mtp_loss", "balance_loss", "reward"):
                self.assertEqual(name in line, name in expected)
                if name in line:
                    self.assertAlmostEqual(line[name], expected[name], delta=1e-4)
        return [line["rollout/logprob_bitwise_equal_ratio"] for line in found if "reward" in line]

    def assert_near_one_rank_and_its_own_rollouts(self, run_dir):
        self.assertEqual(self.assert_near_one_rank(run_dir), [1] * 6)

    def test_tensor_and_context_ranks_are_near_one_rank_and_train_on_the_bits_of_rollouts(self):
        self.assert_near_one_rank_and_its_own_rollouts(self.root / "tensor")
        d.train(self.root / "both", ranks=4, sets=[BOTH])
        self.assert_near_one_rank_and_its_own_rollouts(self.root / "both")

    def test_a_ring_is_near_one_rank(self):
        """It adds a token's keys up by blocks, which a rollout does not, so their log-probabilities agree to rounding."""
        d.train(self.root / "ring", ranks=4, sets=[RING])
        self.assert_near_one_rank(self.root / "ring")

    def test_two_runs_have_identical_metrics(self):
        d.train(self.root / "again", ranks=2, sets=[TENSOR])
        self.assertEqual(d.untimed(self.root / "again"), d.untimed(self.root / "tensor"))

    def test_a_run_goes_on_without_the_axis_and_with_it_again(self):
        run_dir = self.root / "killed"
        for line, ranks, sets in ((4, 2, [TENSOR]), (9, 1, ["layout { exact: true }"]), (14, 4, [BOTH])):
            d.train_and_kill(run_dir, line, ranks, sets)
        d.train(run_dir, ranks=2, sets=[TENSOR])
        self.assert_near_one_rank_and_its_own_rollouts(run_dir)

    def test_a_checkpoint_of_pieces_is_whole_for_those_who_read_it(self):
        checkpoint = self.root / "tensor" / "checkpoints" / "rl" / "6"
        inspected = d.run(["inspect", checkpoint, "--verify"])
        self.assertEqual(inspected.returncode, 0, inspected.stderr)
        lines = [json.loads(line) for line in inspected.stdout.splitlines()]
        by_name = {line["tensor"]: line for line in lines[1:]}
        slices = by_name["model.layers.0.self_attn.o_proj.weight"]["slices"]
        self.assertEqual([s["columns"] for s in slices], [[0, 16], [16, 32]])
        exported = d.run(["export", f"--checkpoint={checkpoint}", f"--out={self.root / 'exported'}"])
        self.assertEqual(exported.returncode, 0, exported.stderr)

    def test_what_the_axis_does_not_divide_is_refused_in_one_line(self):
        refused = d.run(d.train_words(self.root / "refused", sets=["layout { tensor_parallel: 4 exact: false }"]), ranks=4)
        self.assertIn("layout.tensor_parallel: found 4, expected a divisor of model.num_attention_heads (2)", refused.stderr)
        self.assertEqual(refused.returncode, 2)


if __name__ == "__main__":
    unittest.main()
