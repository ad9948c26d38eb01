#include "trainer/model/moe.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/testing/rank_group.h"
#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

// Source rank s's micro-batch; the last one is empty when asked, to show that nobody waits for it.
PackedBatch SourceBatch(int source, int sources, bool last_is_empty) {
  if (last_is_empty && source + 1 == sources) return PackedBatch();
  return Pack(RandomSequences({7 + source, 3, 10}, 37, 20 + source));
}

// Every rank compares itself with a model that holds all experts and sees one source's micro-batch.
void ExpectSplitEqualsWhole(Communicator& group, bool last_is_empty) {
  const int ranks = group.size();
  const auto one = MakeOneMemberCommunicator();
  const auto split = MakeModel(TinyRoutedModel(), group);
  const ForwardResult found = split->Forward(SourceBatch(group.rank(), ranks, last_is_empty), true);
  MixedLoss(found).backward();

  for (int source = 0; source < ranks; ++source) {
    const auto whole = MakeModel(TinyRoutedModel(), *one);
    const ForwardResult expected = whole->Forward(SourceBatch(source, ranks, last_is_empty), true);
    MixedLoss(expected).backward();
    const bool own = source == group.rank();
    if (own) {
      EXPECT_TRUE(at::equal(found.hidden_xd, expected.hidden_xd));
      EXPECT_TRUE(at::equal(found.mtp_hidden_xd, expected.mtp_hidden_xd));
      ASSERT_EQ(found.balance_losses.size(), expected.balance_losses.size());
      for (size_t l = 0; l < expected.balance_losses.size(); ++l)
        EXPECT_TRUE(at::equal(found.balance_losses[l], expected.balance_losses[l])) << l;
      EXPECT_TRUE(at::equal(split->expert_load_le(), whole->expert_load_le()));
    }
    for (size_t p = 0; p < whole->parameters().size(); ++p) {
      const Parameter& parameter = split->parameters()[p];
      if (parameter.names[0] == "lm_head.weight") continue;
      const at::Tensor whole_grad = whole->parameters()[p].Gradient();
      if (parameter.placement == Placement::kExpertSharded) {
        const int64_t experts = parameter.value.size(0);
        EXPECT_TRUE(at::equal(parameter.leaves[source].grad(),
                              whole_grad.narrow(0, group.rank() * experts, experts)))
            << parameter.names[0] << " of source " << source;
      } else if (own) {
        EXPECT_TRUE(at::equal(parameter.Gradient(), whole_grad)) << parameter.names[0];
      }
    }
  }
}

TEST(MoeTest, TwoExpertRanksHaveTheBitsOfOne) {
  RunRanks(2, [](Communicator& group) { ExpectSplitEqualsWhole(group, false); });
}

TEST(MoeTest, FourExpertRanksHaveTheBitsOfOne) {
  RunRanks(4, [](Communicator& group) { ExpectSplitEqualsWhole(group, false); });
}

TEST(MoeTest, EmptyBatchTakesPart) {
  RunRanks(2, [](Communicator& group) { ExpectSplitEqualsWhole(group, true); });
}

TEST(MoeTest, CachedForwardOverTwoExpertRanksHasTheBitsOfOne) {
  RunRanks(2, [](Communicator& group) {
    const auto one = MakeOneMemberCommunicator();
    const auto split = MakeModel(TinyRoutedModel(), group);
    const auto whole = MakeModel(TinyRoutedModel(), *one);
    KvCache split_cache = split->MakeCache(2, 8);
    KvCache whole_cache = whole->MakeCache(2, 8);
    for (int64_t position = 0; position < 5; ++position) {
      // Rank 1 has nothing left to decode after two tokens.
      const bool idle = group.rank() == 1 && position > 1;
      const std::vector<int64_t> tokens =
          idle ? std::vector<int64_t>{} : std::vector<int64_t>{3 + position, 20 - position};
      const std::vector<int64_t> slots = idle ? std::vector<int64_t>{} : std::vector<int64_t>{1, 0};
      const std::vector<int64_t> positions(tokens.size(), position);
      const at::Tensor tokens_t = at::tensor(tokens, at::kLong);
      EXPECT_TRUE(at::equal(split->ForwardCached(tokens_t, slots, positions, split_cache),
                            whole->ForwardCached(tokens_t, slots, positions, whole_cache)));
    }
  });
}

}  // namespace
}  // namespace deduce
