#include "trainer/metrics/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/trainer/scratch_dir.h"
#include "trainer/metrics/event.pb.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
T At(const std::string& bytes, size_t offset) {
  T value{};
  EXPECT_LE(offset + sizeof(T), bytes.size());
  if (offset + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// The mask undone as the format's readers do it.
uint32_t Unmasked(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

std::vector<Event> ReadEvents(const std::string& path) {
  const std::string bytes = Slurp(path);
  std::vector<Event> events;
  for (size_t at = 0; at < bytes.size();) {
    const auto length = At<uint64_t>(bytes, at);
    EXPECT_EQ(Unmasked(At<uint32_t>(bytes, at + 8)), Crc32c(bytes.substr(at, 8)));
    const std::string payload = bytes.substr(at + 12, length);
    EXPECT_EQ(Unmasked(At<uint32_t>(bytes, at + 12 + length)), Crc32c(payload));
    EXPECT_TRUE(events.emplace_back().ParseFromString(payload));
    at += 16 + length;
  }
  return events;
}

// "tag@step=value" of all scalars of the one event file in the folder.
std::vector<std::string> Scalars(const std::string& dir) {
  std::vector<std::string> scalars;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    EXPECT_THAT(entry.path().filename(), HasSubstr("tfevents"));
    ++files;
    const auto events = ReadEvents(entry.path());
    EXPECT_EQ(events.at(0).file_version(), "brain.Event:2");
    for (const Event& event : events) {
      for (const auto& value : event.summary().value()) {
        scalars.push_back(value.tag() + "@" + std::to_string(event.step()) + "=" +
                          std::to_string(value.simple_value()));
      }
    }
  }
  EXPECT_EQ(files, 1);
  return scalars;
}

MetricsRecord Record(int64_t global_step, double loss) {
  return {{"stage", std::string("rl")}, {"step", int64_t{1}}, {"global_step", global_step},
          {"wall_time", 1e9 + 0.5},     {"loss", loss},       {"num_tokens", int64_t{64}}};
}

TEST(EventFileTest, CrcIsCastagnoli) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(EventFileTest, ScalarsReadBackWithStepAndTime) {
  const ScratchDir dir;
  auto file = EventFile::Open(dir / "tb/inner");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Write(Record(7, 0.25)).ok());
  EXPECT_THAT(Scalars(dir / "tb/inner"), ElementsAre("loss@7=0.250000", "num_tokens@7=64.000000"));
  const auto entry = *std::filesystem::directory_iterator(dir / "tb/inner");
  EXPECT_EQ(ReadEvents(entry.path())[1].wall_time(), 1e9 + 0.5);
}

TEST(EventFileTest, NonFiniteNumbersAreLeftOut) {
  const ScratchDir dir;
  auto file = EventFile::Open(dir / "tb");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Write(Record(1, std::nan(""))).ok());
  ASSERT_TRUE(file->Write(Record(2, 1e300)).ok());
  ASSERT_TRUE(file->Write({{"global_step", int64_t{3}}, {"loss", std::nan("")}}).ok());
  EXPECT_THAT(Scalars(dir / "tb"), ElementsAre("num_tokens@1=64.000000", "num_tokens@2=64.000000"));
}

TEST(EventFileTest, OpenAgainAppends) {
  const ScratchDir dir;
  for (const int64_t step : {1, 2}) {
    auto file = EventFile::Open(dir / "tb");
    ASSERT_TRUE(file.ok() && file->Write({{"global_step", step}, {"x", 1.0}}).ok());
  }
  EXPECT_THAT(Scalars(dir / "tb"), ElementsAre("x@1=1.000000", "x@2=1.000000"));
}

TEST(EventFileTest, RebuildSaysWhatTheMetricsSay) {
  const ScratchDir dir;
  {
    auto file = EventFile::Open(dir / "tb");
    ASSERT_TRUE(file.ok() && file->Write(Record(1, 1)).ok() && file->Write(Record(9, 9)).ok());
  }
  Spill(dir / "tb/events.out.tfevents.1.other", "an older start's, cut off");
  Spill(dir / "m",
        FormatRecord(Record(1, 1)) + "\n" + FormatRecord(Record(2, std::nan(""))) + "\n");
  const absl::Status rebuilt = RebuildEvents(dir / "m", dir / "tb");
  ASSERT_TRUE(rebuilt.ok()) << rebuilt;
  EXPECT_THAT(Scalars(dir / "tb"),
              ElementsAre("loss@1=1.000000", "num_tokens@1=64.000000", "num_tokens@2=64.000000"));
}

TEST(EventFileTest, RebuildNamesTheLineThatIsNoRecord) {
  const ScratchDir dir;
  Spill(dir / "m", "{\"global_step\":1,\"x\":1}\n[1]\n");
  const absl::Status status = RebuildEvents(dir / "m", dir / "tb");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr((dir / "m") + ":2: found"));
}

TEST(EventFileTest, RebuildWithoutMetricsGivesAnEmptyFile) {
  const ScratchDir dir;
  ASSERT_TRUE(RebuildEvents(dir / "none", dir / "tb").ok());
  EXPECT_TRUE(Scalars(dir / "tb").empty());
}

}  // namespace
}  // namespace deduce
