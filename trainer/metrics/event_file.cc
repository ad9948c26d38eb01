#include "trainer/metrics/event_file.h"

#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "trainer/metrics/event.pb.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;

// TensorBoard takes every file with "tfevents" in its name for one of events.
constexpr char kEventFileName[] = "events.out.tfevents.0000000000.deduce";
constexpr char kRebuiltName[] = "rebuilt.partial";

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  constexpr uint32_t kReversedPolynomial = 0x82f63b78;
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kReversedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrcTable = MakeCrcTable();

template <typename T>
std::string LittleEndian(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A checksum of data that contain checksums is weak, hence the mask (TFRecord format).
std::string MaskedCrc(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return LittleEndian<uint32_t>(((crc >> 15) | (crc << 17)) + 0xa282ead8u);
}

double SecondsSince1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string VersionRecord() {
  Event event;
  event.set_wall_time(SecondsSince1970());
  event.set_file_version("brain.Event:2");
  return FrameTfRecord(event.SerializeAsString());
}

std::optional<double> Number(const MetricValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::nullopt;
}

// The record as a framed event; empty if it has no scalar.
std::string EventRecord(const MetricsRecord& record) {
  Event event;
  event.set_wall_time(SecondsSince1970());
  for (const auto& [name, value] : record) {
    const std::optional<double> number = Number(value);
    if (!number || name == "step") continue;
    if (name == "global_step") {
      event.set_step(static_cast<int64_t>(*number));
    } else if (name == "wall_time") {
      event.set_wall_time(*number);
    } else if (std::abs(*number) <= std::numeric_limits<float>::max()) {  // false for NaN
      Summary::Value* scalar = event.mutable_summary()->add_value();
      scalar->set_tag(name);
      scalar->set_simple_value(static_cast<float>(*number));
    }
  }
  return event.has_summary() ? FrameTfRecord(event.SerializeAsString()) : "";
}

absl::StatusOr<MetricsRecord> ParseRecord(const std::string& where, const std::string& line) {
  const auto json = ParseJson<nlohmann::ordered_json>(line, where, "a JSON object of metrics");
  const auto error = absl::DataLossError(
      absl::StrCat(where, ": found no metrics, expected a JSON object of numbers and strings"));
  if (!json.ok() || !json->is_object()) return error;
  MetricsRecord record;
  for (const auto& [name, value] : json->items()) {
    if (value.is_number_integer()) {
      record.emplace_back(name, value.get<int64_t>());
    } else if (value.is_number()) {
      record.emplace_back(name, value.get<double>());
    } else if (value.is_string()) {
      record.emplace_back(name, value.get<std::string>());
    } else if (!value.is_null() && !value.is_array()) {  // an interval is no scalar
      return error;
    }
  }
  return record;
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return FileError(error.value(), path, "a folder that can be made");
  return absl::OkStatus();
}

// Puts the rebuilt file in the place of all event files.
absl::Status ReplaceEventFiles(const std::string& dir) {
  std::error_code error;
  std::vector<fs::path> old_files;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    if (absl::StrContains(entry.path().filename().string(), "tfevents")) {
      old_files.push_back(entry.path());
    }
  }
  for (const fs::path& path : old_files) {
    if (!error) fs::remove(path, error);
  }
  if (!error) fs::rename(fs::path(dir) / kRebuiltName, fs::path(dir) / kEventFileName, error);
  if (error) return FileError(error.value(), dir, "event files that can be replaced");
  return absl::OkStatus();
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

std::string FrameTfRecord(std::string_view payload) {
  const std::string length = LittleEndian<uint64_t>(payload.size());
  return (length + MaskedCrc(length)).append(payload) + MaskedCrc(payload);
}

EventFile::EventFile(WritableFile file) : file_(std::move(file)) {}

absl::StatusOr<EventFile> EventFile::Open(const std::string& tensorboard_dir) {
  RETURN_IF_ERROR(MakeFolder(tensorboard_dir));
  ASSIGN_OR_RETURN(WritableFile file,
                   WritableFile::Append(absl::StrCat(tensorboard_dir, "/", kEventFileName)));
  if (file.size() == 0) RETURN_IF_ERROR(file.Write(VersionRecord()));
  return EventFile(std::move(file));
}

absl::Status EventFile::Write(const MetricsRecord& record) {
  return file_.Write(EventRecord(record));
}

absl::Status RebuildEvents(const std::string& metrics_path, const std::string& tensorboard_dir) {
  RETURN_IF_ERROR(MakeFolder(tensorboard_dir));
  std::string lines;
  std::error_code ignored;
  if (fs::exists(metrics_path, ignored)) {
    ASSIGN_OR_RETURN(lines, ReadFile(metrics_path));
  }
  std::string events = VersionRecord();
  int64_t number = 0;
  for (const auto& line : absl::StrSplit(lines, '\n')) {
    ++number;
    if (line.empty()) continue;
    ASSIGN_OR_RETURN(const MetricsRecord record,
                     ParseRecord(absl::StrCat(metrics_path, ":", number), std::string(line)));
    events += EventRecord(record);
  }
  RETURN_IF_ERROR(WriteFile(absl::StrCat(tensorboard_dir, "/", kRebuiltName), events));
  return ReplaceEventFiles(tensorboard_dir);
}

}  // namespace deduce
