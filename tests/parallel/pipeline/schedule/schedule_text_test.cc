#include "parallel/pipeline/schedule/schedule_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "parallel/pipeline/schedule/make_schedule.h"

namespace deduce {
namespace {

bool SameButForTheName(const Schedule& a, const Schedule& b) {
  return a.num_micro_batches == b.num_micro_batches && a.num_chunks == b.num_chunks &&
         a.paths == b.paths && a.path_of == b.path_of && a.ranks == b.ranks;
}

TEST(ScheduleTextTest, EverySchedulesTextIsReadBackAsItWas) {
  for (const char* name :
       {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev"}) {
    for (const int ranks : {1, 2, 4, 8}) {
      const int micro_batches = PaddedMicroBatches(name, ranks, 11);
      const Schedule schedule =
          MakeSchedule(name, ranks, *NumChunks(name, ranks, 0), micro_batches);
      const absl::StatusOr<Schedule> read = ParseSchedule(ScheduleText(schedule), "table");
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(SameButForTheName(*read, schedule)) << name << " on " << ranks << " ranks";
      EXPECT_EQ(read->name, "table");
    }
  }
}

TEST(ScheduleTextTest, CommentsEmptyLinesAndSplitLinesDoNotCount) {
  const absl::StatusOr<Schedule> read = ParseSchedule(
      "# mine\r\n\n micro_batches:2\npath 0-1: 0.0\t1.0 # down\nrank 1: F0.0 B0.0\n"
      "rank 0:\nrank 1: F0.1 B0.1\nrank 0: F0.0 F0.1 B0.0 B0.1",
      "table");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameButForTheName(*read, MakeSchedule("1f1b", 2, 1, 2)));
}

TEST(ScheduleTextTest, WhatIsWrongIsNamedByItsLine) {
  const std::string head = "micro_batches: 2\npath 0-1: 0.0 1.0\n";
  struct Case {
    std::string text, error;
  };
  const std::vector<Case> cases = {
      {"", "t:1: found no micro_batches, expected their number"},
      {"path 0: 0.0", "t:1: found \"path 0: 0.0\", expected \"micro_batches: N\" with 1 to 16384"},
      {"micro_batches: 0", "t:1: found \"micro_batches: 0\", expected \"micro_batches: N\""},
      {"micro_batches: 16385", "t:1: found \"micro_batches: 16385\""},
      {"micro_batches: 2.5", "t:1: found \"micro_batches: 2.5\""},
      {"micro_batches 2", "t:1: found \"micro_batches 2\""},
      {"micro_batches: 2", "t:1: found no path of micro-batch 0, expected one for each"},
      {"micro_batches: 2\npath 0: 0.0\n", "t:3: found no path of micro-batch 1"},
      {"micro_batches: 2\npath 0-2: 0.0", "t:2: found \"0-2\", expected FIRST-LAST of the micro-"},
      {"micro_batches: 2\npath 1-0: 0.0", "t:2: found \"1-0\", expected FIRST-LAST"},
      {"micro_batches: 2\npath 0-1:", "t:2: found a path without stages"},
      {"micro_batches: 2\npath 0-1: 0", "t:2: found \"0\", expected RANK.CHUNK, such as 1.0"},
      {"micro_batches: 2\npath 0-1: 0.0 0.0", "t:2: found place 0.0 again"},
      {"micro_batches: 2\npath 0-1: 0.0 2.0", "t:2: found no stage at 1.0, expected one on each"},
      {"micro_batches: 2\npath 0-1: 0.0 0.1 1.0", "t:2: found no stage at 1.1"},
      {"micro_batches: 2\npath 0-1: 9999999.9999999", "t:2: found no stage at 0.0"},
      {head + "path 1: 1.1 0.1", "t:3: found a second path of micro-batch 1, expected one"},
      {"micro_batches: 2\npath 0: 0.0 1.0\npath 1: 1.1", "t:3: found 1 stages, expected the 2 of"},
      {"micro_batches: 2\npath 0: 0.0 1.0\npath 1: 0.1 1.1",
       "t:3: found stage 0 twice on rank 0, expected its two copies on two ranks"},
      {"micro_batches: 3\npath 0-1: 0.0 1.0\npath 2: 1.1 0.1",
       "t:3: found 2 micro-batches on the first path, 1 on the second, expected as many on each"},
      {"micro_batches: 2\npath 0: 0.0 1.0 2.0\npath 1: 1.1 2.1 0.1",
       "t:3: found stage 1 on ranks 1 and 2, expected two ranks that hold as many stages before"},
      {head + "rank 0: F0.0\npath 0-1: 0.0", "t:4: found a path after a rank"},
      {head + "rank 2: F0.0", "t:3: found rank \"2\", expected 0 to 1"},
      {head + "rank x: F0.0", "t:3: found rank \"x\", expected 0 to 1"},
      {head + "rank 0 F0.0", "t:3: found \"rank 0 F0.0\", expected \"path MICRO_BATCHES: ...\" or"},
      {head + "rank 0: F0.0 X0.1", "t:3: found \"X0.1\", expected F, B, I or W with"},
      {head + "rank 0: F0", "t:3: found \"F0\", expected F, B, I or W with CHUNK.MICRO_BATCH"},
      {head + "rank 0: F0.-1", "t:3: found \"F0.-1\""},
      {head + "rank 0: F0.2", "t:3: found \"F0.2\", expected a chunk of rank 0 and a micro-batch"},
      {head + "rank 0: F1.0", "t:3: found \"F1.0\", expected a chunk of rank 0 and a micro-batch"},
      {head + "rank 0: F0.0&", "t:3: found \"\", expected F, B, I or W"},
      {head + "rank 0: F0.0&F0.1", "t:3: found \"F0.0&F0.1\", expected at once one F and the B of"},
      {head + "rank 0: F0.0&B0.0", "t:3: found \"F0.0&B0.0\", expected at once one F and the B"},
      {head + "rank 0: F0.0&B0.1&F0.1", "t:3: found \"F0.0&B0.1&F0.1\""},
      {head + std::string("rank 0: F\0.0", 12), "t:3: found \"F?.0\""},
  };
  for (const Case& wrong : cases) {
    const absl::Status status = ParseSchedule(wrong.text, "t").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong.text;
    EXPECT_THAT(std::string(status.message()), testing::StartsWith(wrong.error)) << wrong.text;
  }
}

}  // namespace
}  // namespace deduce
