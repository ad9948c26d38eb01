#include "parallel/reduce/bucketed_reducer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "parallel/watch/recorded_communicator.h"
#include "tests/parallel/reduce/gradients_of_ranks.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

TEST(BucketedReducerTest, IsWithinRoundingOfTheTree) {
  for (const int64_t bucket : {1000000, 300, 7}) {
    const auto reducer = MakeBucketedReducer(bucket);
    for (int ranks = 1; ranks <= 4; ++ranks) {
      for (const bool sharded : {true, false}) {
        RunRanks(ranks, [&](Communicator& world) {
          const GradientShares shares = SharesOf(world, sharded);
          for (int present = 1; present <= ranks; ++present) {
            const at::Tensor error =
                (Reduced(*reducer, shares, present) - ExpectedSum(shares, present)).abs();
            EXPECT_TRUE(error.le(RoundingBound(shares, present)).all().item<bool>())
                << present << " of " << ranks << (sharded ? " in shards" : "");
          }
        });
      }
    }
  }
}

// How many elements each sum has that has been started so far, as the ledger has them.
std::string StartedSums(const Recording& recording) {
  const LedgerRecord record = recording.ledger.Record(100);
  std::string sizes;
  for (const LedgerCall& call : record.call()) {
    if (call.operation() == LedgerCall::ReduceScatter) sizes += std::to_string(call.size(0)) + " ";
  }
  return sizes;
}

TEST(BucketedReducerTest, ABucketIsStartedOnceItAndAllBeforeItAreFinal) {
  RunRanks(2, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto world = MakeRecordedCommunicator(transport, recording);
    const GradientShares shares = SharesOf(*world, true);
    // [500, 800), [200, 500), [0, 200), and then [800, 1000), which backward makes final last.
    const auto sum = MakeBucketedReducer(300)->Begin(shares, GradientOf(world->rank()), 2);
    sum->MarkFinal(600, 1000);
    EXPECT_EQ(StartedSums(*recording), "");
    sum->MarkFinal(500, 600);
    EXPECT_EQ(StartedSums(*recording), "300 ");
    sum->MarkFinal(0, 200);
    EXPECT_EQ(StartedSums(*recording), "300 ") << "the second one goes before the third";
    sum->MarkFinal(200, 450);
    EXPECT_EQ(StartedSums(*recording), "300 ");
    sum->MarkFinal(450, 500);
    EXPECT_EQ(StartedSums(*recording), "300 300 200 200 ");
    sum->Start();
    EXPECT_EQ(StartedSums(*recording), "300 300 200 200 ");
    EXPECT_TRUE((sum->Finish() - ExpectedSum(shares, 2))
                    .abs()
                    .le(RoundingBound(shares, 2))
                    .all()
                    .item<bool>());
  });
}

TEST(BucketedReducerTest, RanksMayLearnOfFinalElementsInAnyOrder) {
  RunRanks(3, [](Communicator& world) {
    const GradientShares shares = SharesOf(world, false);
    const auto sum = MakeBucketedReducer(100)->Begin(shares, GradientOf(world.rank()), 3);
    for (int i = 0; i < 5; ++i) {
      const int64_t at = 200 * ((i * (1 + world.rank())) % 5);
      sum->MarkFinal(at, at + 200);
    }
    sum->Start();
    EXPECT_TRUE((sum->Finish() - ExpectedSum(shares, 3))
                    .abs()
                    .le(RoundingBound(shares, 3))
                    .all()
                    .item<bool>());
  });
}

TEST(BucketedReducerTest, ABucketHasAnElement) { EXPECT_THROW(MakeBucketedReducer(0), c10::Error); }

}  // namespace
}  // namespace deduce
