#include "parallel/layout.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::StartsWith;

LayoutConfig Config(const std::string& text) {
  LayoutConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  return config;
}

TEST(LayoutTest, DataIsTheFastestAxis) {
  for (int rank = 0; rank < 8; ++rank) {
    const absl::StatusOr<Layout> layout =
        MakeLayout(Config("data_parallel: 2 expert_parallel: 4"), 8, rank);
    ASSERT_TRUE(layout.ok()) << layout.status();
    EXPECT_EQ(layout->data_rank, rank % 2);
    EXPECT_EQ(layout->expert_rank, rank / 2);
    EXPECT_EQ(layout->rank, rank);
    EXPECT_EQ(layout->replica(), rank);
    EXPECT_EQ(layout->num_replicas(), 8);
    EXPECT_EQ(layout->num_ranks, 8);
  }
}

// Plans are made for machines with devices anywhere; a run is refused where there is none.
TEST(LayoutTest, ADeviceIsPlannedAnywhereAndCheckedBeforeARun) {
  const absl::StatusOr<Layout> layout = MakeLayout(Config("device: cuda"), 1, 0);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->device, c10::Device(c10::kCUDA));
  EXPECT_TRUE(CheckDevice(Config("")).ok());
  const absl::Status status = CheckDevice(Config("device: cuda"));
  if (!status.ok()) {
    EXPECT_EQ(status.message(), "layout.device: found 0 CUDA devices, expected at least 1");
  }
}

TEST(LayoutTest, PipelineIsTheSlowestAxis) {
  for (int rank = 0; rank < 8; ++rank) {
    const absl::StatusOr<Layout> layout =
        MakeLayout(Config("pipeline_parallel: 2 expert_parallel: 2 schedule: \"zbv\""), 8, rank);
    ASSERT_TRUE(layout.ok()) << layout.status();
    EXPECT_EQ(layout->pipeline_rank, rank / 4);
    EXPECT_EQ(layout->expert_rank, rank / 2 % 2);
    EXPECT_EQ(layout->data_rank, rank % 2);
    EXPECT_EQ(layout->num_replicas(), 4);
    EXPECT_EQ(layout->num_chunks, 2);
  }
}

TEST(LayoutTest, PartsOfAMicroBatchAreTheFastestAxes) {
  for (int rank = 0; rank < 24; ++rank) {
    const absl::StatusOr<Layout> layout = MakeLayout(
        Config("data_parallel: 2 context_parallel: 3 tensor_parallel: 2 pipeline_parallel: 2 "
               "exact: false"),
        24, rank);
    ASSERT_TRUE(layout.ok()) << layout.status();
    EXPECT_EQ(layout->tensor_rank, rank % 2);
    EXPECT_EQ(layout->context_rank, rank / 2 % 3);
    EXPECT_EQ(layout->part(), rank % 6);
    EXPECT_EQ(layout->num_parts(), 6);
    EXPECT_EQ(layout->data_rank, rank / 6 % 2);
    EXPECT_EQ(layout->pipeline_rank, rank / 12);
  }
}

TEST(LayoutTest, WholeContextsAreALongerDataAxis) {
  const Layout whole = MakeLayout(Config("data_parallel: 2 context_parallel: 3 exact: false"), 6, 4)
                           ->WithWholeContexts();
  EXPECT_EQ(whole.num_parts(), 1);
  EXPECT_EQ(whole.num_replicas(), 6);
  EXPECT_EQ(whole.replica(), 4);
}

TEST(LayoutTest, CopiesOfAStageAreALongerDataAxis) {
  // Replica 1 of 2 x 2; its second copy comes between its first and the first of the next.
  const Layout layout = *MakeLayout(Config("expert_parallel: 2"), 4, 1);
  EXPECT_EQ(layout.WithCopies(2, 0).replica(), 2);
  EXPECT_EQ(layout.WithCopies(2, 1).replica(), 3);
  EXPECT_EQ(layout.WithCopies(2, 1).num_replicas(), 8);
}

TEST(LayoutTest, ZeroDataParallelTakesTheRemainingRanks) {
  EXPECT_EQ(MakeLayout(Config(""), 1, 0)->data_parallel, 1);
  EXPECT_EQ(MakeLayout(Config(""), 4, 0)->data_parallel, 4);
  EXPECT_EQ(MakeLayout(Config("expert_parallel: 4"), 8, 0)->data_parallel, 2);
}

TEST(LayoutTest, InexactModeAllowsAnyNumberOfReplicas) {
  EXPECT_EQ(MakeLayout(Config("exact: false"), 6, 5)->num_replicas(), 6);
}

TEST(LayoutTest, EveryWrongLayoutIsRefusedByItsField) {
  struct Case {
    std::string config;
    int num_ranks;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"pipeline_parallel: 3", 4,
       "layout.pipeline_parallel: found 3, expected a divisor of the 4 ranks of this job"},
      {"pipeline_parallel: 2 expert_parallel: 4", 4,
       "layout: found pipeline_parallel 2 x expert_parallel 4 = 8, expected a divisor of the 4"},
      {"pipeline_parallel: 2 data_parallel: 2", 2,
       "layout: found data_parallel 2 x pipeline_parallel 2 = 4 ranks, "
       "expected the 2 ranks"},
      {"schedule: \"2f2b\"", 1, "layout.schedule: found \"2f2b\", expected one of gpipe, 1f1b, "},
      {"tensor_parallel: 2", 2,
       "layout.exact: found true with tensor_parallel 2, expected false: a sum over parts of"},
      {"tensor_parallel: 2 context_parallel: 2", 4,
       "layout.exact: found true with context_parallel 2 x tensor_parallel 2, expected false"},
      {"zero_stage: 2", 2,
       "layout.zero_stage: found 2, expected at most 1, or 3, with exact: true"},
      {"zero_stage: 3 rebalance_every: 2", 2,
       "layout.zero_stage: found 3, expected at most 1 with rebalance_every"},
      {"zero_stage: 3 schedule: \"dualpipe\" pipeline_parallel: 2", 2,
       "layout.zero_stage: found 3, expected at most 1 with schedule dualpipe"},
      {"zero_stage: 2 exact: false rebalance_every: 2", 2,
       "layout.zero_stage: found 2, expected at most 1 with rebalance_every"},
      {"zero_stage: 2 exact: false schedule: \"dualpipe\" pipeline_parallel: 2", 2,
       "layout.zero_stage: found 2, expected at most 1 with schedule dualpipe"},
      {"expert_parallel: 3 rebalance_every: 5 exact: false", 3,
       "layout.rebalance_every: found 5, expected 0 with expert_parallel 3"},
      {"context_parallel: 0", 2, "layout.context_parallel: found 0, expected at least 1"},
      {"context_parallel: 3 exact: false", 4,
       "layout.context_parallel: found 3, expected a divisor of the 4 ranks of this job"},
      {"data_parallel: -1", 1, "layout.data_parallel: found -1, expected at least 0"},
      {"expert_parallel: 0", 1, "layout.expert_parallel: found 0, expected at least 1"},
      {"data_parallel: 4611686018427387904 expert_parallel: 4", 1,
       "layout.data_parallel: found 4611686018427387904, expected at most 1048576"},
      {"expert_parallel: 3", 4,
       "layout.expert_parallel: found 3, expected a divisor of the 4 ranks of this job"},
      {"data_parallel: 2 expert_parallel: 2", 2,
       "layout: found data_parallel 2 x expert_parallel 2 = 4 ranks, expected the 2 ranks of this "
       "job"},
      {"data_parallel: 1", 2, "layout: found data_parallel 1 = 1 ranks, expected the 2 ranks"},
      {"expert_parallel: 3", 6,
       "layout.exact: found true with data_parallel 2 x expert_parallel 3 = 6 replicas, expected a "
       "power of two"},
  };
  for (const Case& wrong : cases) {
    const absl::Status status = MakeLayout(Config(wrong.config), wrong.num_ranks, 0).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong.config;
    EXPECT_THAT(std::string(status.message()), StartsWith(wrong.message)) << wrong.config;
  }
}

}  // namespace
}  // namespace deduce
