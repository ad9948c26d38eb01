#include "trainer/step/deal_samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "data/records/packing.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"
#include "trainer/step/step_plan.h"

namespace deduce {
namespace {

constexpr int64_t kCapacity = 24;

// Its length, prompt and tokens tell it from the others. Every third says what is learned.
TokenSample SampleOf(int64_t i) {
  TokenSample sample{std::vector<int32_t>(3 + i % 5, static_cast<int32_t>(10 + i)), 1 + i % 2};
  sample.tokens[0] = 0;  // the id that has no negative
  for (int64_t t = 0; i % 3 == 0 && t < 3 + i % 5; ++t)
    sample.learned.push_back(t == 1 || (t + i) % 3 == 2 ? 1 : 0);
  return sample;
}

std::vector<int64_t> Lengths(int64_t num_samples) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < num_samples; ++i)
    lengths.push_back(static_cast<int64_t>(SampleOf(i).tokens.size()));
  return lengths;
}

// Runs four ranks of a layout; body(world, training, samples dealt, samples made here).
template <typename Body>
void Deal(const std::string& layout, int64_t num_samples, const Body& body) {
  RunRanks(4, [&](Communicator& world) {
    TinyTraining training(world, LayoutOf(layout));
    std::vector<int64_t> made;
    const auto make = [&](int64_t i) -> absl::StatusOr<TokenSample> {
      made.push_back(i);
      return SampleOf(i);
    };
    const absl::StatusOr<DealtSamples> dealt =
        DealSamples(*training.model, num_samples, kCapacity, make);
    ASSERT_TRUE(dealt.ok()) << dealt.status();
    body(world, training, *dealt, made);
  });
}

const char* const kLayouts[] = {"", "expert_parallel: 2",
                                "pipeline_parallel: 2 schedule: 'dualpipe'", "pipeline_parallel: 2",
                                "context_parallel: 2 tensor_parallel: 2 exact: false"};

TEST(DealSamplesTest, ARankMakesTheSamplesOfItsTurnAlone) {
  for (const char* layout : kLayouts) {
    Deal(layout, 11, [](Communicator& world, auto&, auto&, const std::vector<int64_t>& made) {
      const int64_t rank = world.rank();
      std::vector<int64_t> turn = {rank, rank + 4};
      if (rank < 3) turn.push_back(rank + 8);
      EXPECT_EQ(made, turn);
    });
  }
}

TEST(DealSamplesTest, MicroBatchesAreThoseOfAllLengthsOnEveryRank) {
  Deal("", 11, [](auto&, auto&, const DealtSamples& dealt, auto&) {
    EXPECT_EQ(dealt.micro_batches, PackEvenly(Lengths(11), kCapacity));
    for (int64_t i = 0; i < 11; ++i) {
      EXPECT_EQ(dealt.shapes[i].num_tokens, Lengths(11)[i]);
      EXPECT_EQ(dealt.shapes[i].prompt_length, SampleOf(i).prompt_length);
      const std::vector<uint8_t> learned = SampleOf(i).learned;
      const auto count = [&](int64_t first) -> int64_t {
        return learned.empty() ? -1 : std::count(learned.begin() + first, learned.end(), 1);
      };
      EXPECT_EQ(dealt.shapes[i].num_learned, count(1));
      EXPECT_EQ(dealt.shapes[i].num_learned_ahead, count(2));
    }
  });
}

// 30 samples are 7 micro-batches, and 2 are one, which leaves most replicas without a sample.
TEST(DealSamplesTest, ARankGetsTheSamplesOfItsOwnMicroBatchesAloneWholeWhoeverMadeThem) {
  for (const char* layout : kLayouts) {
    for (const int64_t num_samples : {30, 2}) {
      Deal(layout, num_samples,
           [&](auto&, TinyTraining& training, const DealtSamples& dealt, auto&) {
             const auto num_micro_batches = static_cast<int64_t>(dealt.micro_batches.size());
             size_t expected = 0;
             for (const int64_t m :
                  MakeStepPlan(*training.model, num_micro_batches, false).micro_batch_of) {
               if (m >= num_micro_batches) continue;
               for (const int64_t i : dealt.micro_batches[m]) {
                 ++expected;
                 ASSERT_TRUE(dealt.own.contains(i)) << layout << ", sample " << i;
                 EXPECT_EQ(dealt.own.at(i).tokens, SampleOf(i).tokens) << layout;
                 EXPECT_EQ(dealt.own.at(i).prompt_length, SampleOf(i).prompt_length) << layout;
                 EXPECT_EQ(dealt.own.at(i).learned, SampleOf(i).learned) << layout;
               }
             }
             EXPECT_EQ(dealt.own.size(), expected) << layout;
           });
    }
  }
}

TEST(DealSamplesTest, AnErrorOfOneRankIsThatOfAll) {
  RunRanks(4, [](Communicator& world) {
    TinyTraining training(world, LayoutOf(""));
    const auto make = [](int64_t i) -> absl::StatusOr<TokenSample> {
      if (i == 6) return absl::InvalidArgumentError("sample 6");
      return SampleOf(i);
    };
    EXPECT_EQ(DealSamples(*training.model, 11, kCapacity, make).status(),
              absl::InvalidArgumentError("sample 6"));
  });
}

}  // namespace
}  // namespace deduce
