#include "rl/run/run_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/rl/report/run_directory.h"

namespace deduce {
namespace {

MetricsRecord Record(int64_t step) {
  return {{"step", step}, {"global_step", step}, {"loss", 0.5 * static_cast<double>(step)}};
}

std::vector<int64_t> LoggedSteps(const RunDirectory& run) {
  std::istringstream text(ReadWhole(run.file("metrics.jsonl")));
  std::vector<int64_t> steps;
  for (std::string line; std::getline(text, line);) {
    steps.push_back(nlohmann::json::parse(line)["step"].get<int64_t>());
  }
  return steps;
}

// Bytes of the run's one event file.
int64_t EventBytes(const RunDirectory& run) {
  int64_t bytes = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(run.file("tensorboard"))) {
    bytes += static_cast<int64_t>(entry.file_size());
    ++files;
  }
  EXPECT_EQ(files, 1);
  return bytes;
}

// Opens at `offset` and logs steps [first, last); returns the offset after them.
int64_t LogSteps(const RunDirectory& run, int64_t offset, int64_t first, int64_t last) {
  auto log = RunLog::Open(run.path(), offset);
  EXPECT_TRUE(log.ok()) << log.status();
  (*log)->BeginStage("base", first, 10);
  for (int64_t step = first; step < last; ++step) {
    const absl::Status written = (*log)->Write(Record(step));
    EXPECT_TRUE(written.ok()) << written;
  }
  return (*log)->SyncedOffset().value();
}

TEST(RunLogTest, ARecordIsALineOfMetrics) {
  const RunDirectory run;
  const int64_t offset = LogSteps(run, 0, 1, 4);
  EXPECT_EQ(LoggedSteps(run), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(offset, static_cast<int64_t>(std::filesystem::file_size(run.file("metrics.jsonl"))));
}

TEST(RunLogTest, AResumedRunDropsWhatItRepeatsFromBothFiles) {
  const RunDirectory run, whole;
  const int64_t offset = LogSteps(run, 0, 1, 3);
  LogSteps(run, offset, 3, 7);  // killed; the checkpoint knows the first offset
  LogSteps(run, offset, 3, 5);
  LogSteps(whole, 0, 1, 5);
  EXPECT_EQ(ReadWhole(run.file("metrics.jsonl")), ReadWhole(whole.file("metrics.jsonl")));
  EXPECT_EQ(EventBytes(run), EventBytes(whole));
}

// Its owner cleared it away.
TEST(RunLogTest, ARunGoesOnWithoutAFileThatIsGone) {
  const RunDirectory run;
  const int64_t offset = LogSteps(run, 0, 1, 3);
  std::filesystem::remove(run.file("metrics.jsonl"));
  LogSteps(run, offset, 3, 5);
  EXPECT_EQ(LoggedSteps(run), (std::vector<int64_t>{3, 4}));
}

TEST(RunLogTest, AFileThatVanishesWhileItIsWrittenIsAnError) {
  const RunDirectory run;
  auto log = RunLog::Open(run.path(), 0);
  ASSERT_TRUE(log.ok()) << log.status();
  (*log)->BeginStage("base", 0, 10);
  ASSERT_TRUE((*log)->Write(Record(1)).ok());
  const std::string message =
      run.file("metrics.jsonl") +
      ": found it removed or replaced while the run writes it, expected it to stay";
  std::filesystem::remove(run.file("metrics.jsonl"));
  EXPECT_EQ((*log)->Write(Record(2)).message(), message);
  run.Write("metrics.jsonl", "another\n");
  EXPECT_EQ((*log)->SyncedOffset().status().message(), message);
}

TEST(RunLogTest, AnOffsetBeyondTheFileIsDamage) {
  const RunDirectory run;
  const int64_t offset = LogSteps(run, 0, 1, 3);
  EXPECT_EQ(RunLog::Open(run.path(), offset + 1).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace deduce
