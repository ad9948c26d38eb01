#include "trainer/metrics/metrics.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce {

std::string FormatRecord(const MetricsRecord& record) {
  using OrderedJson = nlohmann::ordered_json;
  OrderedJson line = OrderedJson::object();
  for (const auto& [name, value] : record) {
    std::visit([&, &key = name](const auto& v) { line[key] = v; }, value);
  }
  return line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

MetricsLog::MetricsLog(WritableFile file) : file_(std::move(file)) {}

absl::StatusOr<MetricsLog> MetricsLog::Open(const std::string& path) {
  ASSIGN_OR_RETURN(WritableFile file, WritableFile::Append(path));
  return MetricsLog(std::move(file));
}

absl::Status MetricsLog::Write(const MetricsRecord& record) {
  return file_.Write(FormatRecord(record) + "\n");
}

absl::Status MetricsLog::Sync() { return file_.Sync(); }

absl::Status MetricsLog::TruncateTo(const std::string& path, int64_t offset) {
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (offset == 0 && !exists && !error) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ReadableFile file, ReadableFile::Open(path));
  if (offset > file.size()) {
    return absl::DataLossError(absl::StrCat(path, ": found ", file.size(), " bytes, expected the ",
                                            offset, " that were there at the checkpoint"));
  }
  char last = '\n';
  if (offset > 0) RETURN_IF_ERROR(file.Read(offset - 1, 1, &last));
  if (last != '\n') {
    return absl::DataLossError(
        absl::StrCat(path, ": found no end of line at byte ", offset, ", expected one"));
  }
  if (::truncate(path.c_str(), offset) != 0) return FileError(errno, path, "a writable file");
  return absl::OkStatus();
}

}  // namespace deduce
