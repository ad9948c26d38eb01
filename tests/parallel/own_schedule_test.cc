// A user's schedule on its way into a layout: read, proved, stretched to a step's micro-batches.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "parallel/layout.h"
#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/prove.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/schedule_text.h"
#include "tests/data/temporary_file.h"
#include "tests/parallel/pipeline/receives_first.h"

namespace deduce {
namespace {

absl::StatusOr<Layout> LayoutWithFile(const std::string& path, int ranks,
                                      const std::string& more = "") {
  LayoutConfig config;
  TORCH_CHECK(google::protobuf::TextFormat::ParseFromString(more, &config));
  config.set_pipeline_parallel(ranks);
  config.set_schedule("file:" + path);
  return MakeLayout(config, ranks, 0);
}

std::string Example() {
  return std::string(DEDUCE_SOURCE_DIR) + "/configs/recipes/four_stages.schedule";
}

TEST(OwnScheduleTest, TheExampleIsReadAndProved) {
  const absl::StatusOr<Layout> layout = LayoutWithFile(Example(), 4);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->num_stages(), 4);
  EXPECT_EQ(layout->num_chunks, 1);
  EXPECT_EQ(StepsText({layout->Pipeline(8).ranks[3].back()}), "W0.7");
}

TEST(OwnScheduleTest, ItIsPaddedUpToItsNumberAndRepeatedBeyond) {
  const absl::StatusOr<Layout> layout = LayoutWithFile(Example(), 4);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->Padded(1), 8);
  EXPECT_EQ(layout->Padded(8), 8);
  EXPECT_EQ(layout->Padded(9), 16);
  const Schedule twice = layout->Pipeline(16);
  EXPECT_EQ(twice.num_micro_batches, 16);
  const size_t steps = layout->own_schedule->ranks[1].size();
  ASSERT_EQ(twice.ranks[1].size(), 2 * steps);
  EXPECT_EQ(StepsText({twice.ranks[1][steps]}), "F0.8");
  EXPECT_EQ(Prove(MakePlan(twice), {}), absl::OkStatus());
  const Plan receives_first = ReceivesFirst(MakePlan(twice));
  EXPECT_EQ(Prove(receives_first, {.transports = {TransportKind::kChannels}}), absl::OkStatus());
  EXPECT_THAT(std::string(Prove(receives_first, {}).message()),
              testing::HasSubstr("found a wait that never ends on ordered peers"));
}

TEST(OwnScheduleTest, TwoPathsAreRepeatedToo) {
  const TemporaryFile file("two_paths", ScheduleText(DualPipe(4, 8)));
  const absl::StatusOr<Layout> layout = LayoutWithFile(file.path(), 4);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->num_stages(), 4);
  EXPECT_EQ(layout->num_chunks, 2);
  EXPECT_EQ(Prove(MakePlan(layout->Pipeline(24)), {}), absl::OkStatus());
}

TEST(OwnScheduleTest, ManyStagesMayLieOnOneRank) {
  const TemporaryFile file("one_rank",
                           "micro_batches: 1\npath 0: 0.0 0.1 0.2\n"
                           "rank 0: F0.0 F1.0 F2.0 B2.0 I1.0 B0.0 W1.0");
  const absl::StatusOr<Layout> layout = LayoutWithFile(file.path(), 1);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->num_stages(), 3);
}

TEST(OwnScheduleTest, WrongOnesAreRefusedByTheFirstWrongAction) {
  const std::string head = "micro_batches: 2\npath 0-1: 0.0 1.0\n";
  const std::string first = "rank 0: F0.0 F0.1 B0.0 B0.1\n", second = "rank 1: F0.0 B0.0 F0.1 B0.1";
  struct Case {
    std::string text, error;
  };
  const std::vector<Case> cases = {
      {head + first, "rank 1, action 2 (the end): found no forward of micro-batch 0 in chunk 0"},
      {head + first + "rank 1: F0.0 B0.0 F0.1",
       "rank 1, action 10 (the end): found no whole backward of micro-batch 1 in chunk 0"},
      {head + first + "rank 1: F0.0 F0.0 B0.0 F0.1 B0.1",
       "rank 1, action 5 (F0.0): found this work a second time, expected it once"},
      {head + first + "rank 1: F0.0 B0.0 B0.1 F0.1", "found "},
      {head + "rank 0: F0.0 F0.1 B0.1 B0.0\n" + "rank 1: F0.0 F0.1 B0.1 B0.0",
       "rank 0, action 8 (B0.0): found a weight gradient after that of micro-batch 1"},
      {head + "rank 0: F0.0 B0.0 F0.1 B0.1\nrank 1: F0.0 F0.1 B0.0 B0.1",
       "found a wait that never ends"},
  };
  for (const Case& wrong : cases) {
    const TemporaryFile file("wrong", wrong.text);
    const absl::Status status = LayoutWithFile(file.path(), 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong.text;
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(testing::StartsWith("plan " + file.path() + ": rank "),
                               testing::HasSubstr(wrong.error)))
        << wrong.text;
  }
}

// Each rank begins a receive when its message is made, and waits for it when it wants it.
TEST(OwnScheduleTest, AStageMayTakeMicroBatchesInAnotherOrderThanTheOneBefore) {
  const TemporaryFile file("another_order",
                           "micro_batches: 2\npath 0-1: 0.0 1.0\n"
                           "rank 0: F0.1 F0.0 B0.0 B0.1\nrank 1: F0.0 B0.0 F0.1 B0.1");
  EXPECT_EQ(LayoutWithFile(file.path(), 2).status(), absl::OkStatus());
}

TEST(OwnScheduleTest, AFileThatDoesNotFitTheLayoutIsRefused) {
  const auto error = [](const std::string& path, int ranks, const std::string& more = "") {
    return std::string(LayoutWithFile(path, ranks, more).status().message());
  };
  EXPECT_THAT(error(Example(), 2),
              testing::StartsWith("layout.pipeline_parallel: found 2, expected the 4 ranks of "));
  EXPECT_THAT(error(Example(), 4, "virtual_stages: 2"),
              testing::StartsWith("layout.virtual_stages: found 2, expected none, or the 1 "));
  EXPECT_EQ(error("/none/such", 4), "/none/such: found no readable text, expected a schedule file");
  EXPECT_EQ(error("/tmp", 4), "/tmp: found no readable text, expected a schedule file");
  const TemporaryFile file("broken", "micro_batches: 1\nrank 0: F0.0");
  EXPECT_EQ(error(file.path(), 1),
            file.path() +
                ":2: found no path of micro-batch 0, expected one for each micro-batch, "
                "before the ranks");
}

}  // namespace
}  // namespace deduce
