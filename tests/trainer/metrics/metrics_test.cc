#include "trainer/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/trainer/file_size_limit.h"
#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

TEST(MetricsTest, RecordKeepsItsOrderAndTypes) {
  EXPECT_EQ(FormatRecord({{"stage", std::string("rl")},
                          {"step", int64_t{3}},
                          {"lr", 0.1},
                          {"grad_norm", 2.0},
                          {"kl", std::nan("")},
                          {"a", -std::numeric_limits<double>::infinity()}}),
            R"({"stage":"rl","step":3,"lr":0.1,"grad_norm":2.0,"kl":null,"a":null})");
}

TEST(MetricsTest, DoublesReadBackToTheSameBits) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const uint64_t bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    const auto json = nlohmann::json::parse(FormatRecord({{"x", value}}));
    const double read = json["x"].get<double>();
    EXPECT_EQ(std::memcmp(&read, &value, sizeof(value)), 0) << value;
  }
}

TEST(MetricsTest, TextIsEscapedIntoOneLine) {
  EXPECT_EQ(FormatRecord({{"a\"b", std::string("x\ny")}}), R"({"a\"b":"x\ny"})");
}

TEST(MetricsTest, LinesAfterTheCheckpointAreDropped) {
  const ScratchDir dir;
  auto log = MetricsLog::Open(dir / "m");
  ASSERT_TRUE(log.ok() && log->Write({{"step", int64_t{1}}}).ok());
  const int64_t offset = log->offset();
  ASSERT_TRUE(log->Write({{"step", int64_t{2}}}).ok());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(MetricsLog::TruncateTo(dir / "m", offset).ok());
  auto resumed = MetricsLog::Open(dir / "m");
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->offset(), offset);
  ASSERT_TRUE(resumed->Write({{"step", int64_t{20}}}).ok());
  EXPECT_EQ(Slurp(dir / "m"), "{\"step\":1}\n{\"step\":20}\n");
}

TEST(MetricsTest, FileThatDoesNotFitTheCheckpointIsRefusedUnchanged) {
  const ScratchDir dir;
  Spill(dir / "m", "{\"step\":1}\n");
  EXPECT_EQ(MetricsLog::TruncateTo(dir / "m", 12).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MetricsLog::TruncateTo(dir / "m", 5).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MetricsLog::TruncateTo(dir / "none", 5).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(MetricsLog::TruncateTo(dir / "none", 0).ok());
  EXPECT_EQ(Slurp(dir / "m"), "{\"step\":1}\n");
}

TEST(MetricsTest, FullDiskNeverLeavesHalfALine) {
  const ScratchDir dir;
  auto log = MetricsLog::Open(dir / "m");
  ASSERT_TRUE(log.ok() && log->Write({{"step", int64_t{1}}}).ok());
  {
    const FileSizeLimit limit(15);
    EXPECT_FALSE(log->Write({{"step", int64_t{2}}}).ok());
  }
  EXPECT_EQ(Slurp(dir / "m"), "{\"step\":1}\n");
}

}  // namespace
}  // namespace deduce
