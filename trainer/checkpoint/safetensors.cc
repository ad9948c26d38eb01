#include "trainer/checkpoint/safetensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "trainer/checkpoint/content_hash.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

constexpr int64_t kLengthBytes = 8;
constexpr uint64_t kMostHeaderBytes = 100'000'000;  // the format's own limit
constexpr char kMetadata[] = "__metadata__";

constexpr std::pair<at::ScalarType, const char*> kDtypes[] = {
    {at::kDouble, "F64"},    {at::kFloat, "F32"},
    {at::kBFloat16, "BF16"}, {at::kHalf, "F16"},
    {at::kLong, "I64"},      {at::kInt, "I32"},
    {at::kByte, "U8"},       {at::kFloat8_e4m3fn, "F8_E4M3"}};

absl::Status Damaged(const std::string& path, const std::string& found,
                     const std::string& expected) {
  return absl::DataLossError(absl::StrCat(path, ": found ", found, ", expected ", expected));
}

absl::StatusOr<std::string> ReadHeaderText(const ReadableFile& file) {
  if (file.size() < kLengthBytes) {
    return Damaged(file.path(), absl::StrCat(file.size(), " bytes"), "a safetensors file");
  }
  uint64_t length = 0;
  RETURN_IF_ERROR(file.Read(0, kLengthBytes, &length));
  const uint64_t rest = file.size() - kLengthBytes;
  if (length > rest) {
    return Damaged(file.path(), absl::StrCat("a header of ", length, " bytes"),
                   absl::StrCat("at most ", rest, ", the rest of the file"));
  }
  if (length > kMostHeaderBytes) {
    return Damaged(file.path(), absl::StrCat("a header of ", length, " bytes"),
                   absl::StrCat("at most ", kMostHeaderBytes));
  }
  std::string text(length, '\0');
  RETURN_IF_ERROR(file.Read(kLengthBytes, length, text.data()));
  return text;
}

bool IsNonNegative(const Json& value) {
  return value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{INT64_MAX};
}

// The shape, and the bytes of a tensor of it; nothing if it is no shape or the bytes do not fit 63
// bits.
std::optional<int64_t> ReadShape(const Json& value, int64_t item_bytes,
                                 std::vector<int64_t>& shape) {
  if (!value.is_array()) return std::nullopt;
  int64_t bytes = item_bytes;
  for (const Json& dimension : value) {
    if (!IsNonNegative(dimension)) return std::nullopt;
    shape.push_back(dimension.get<int64_t>());
    if (__builtin_mul_overflow(bytes, shape.back(), &bytes)) return std::nullopt;
  }
  return bytes;
}

// One tensor's entry; `data` is where the data section begins, `data_size` its bytes.
absl::StatusOr<SafetensorsFile::Entry> ReadEntry(const std::string& path, const std::string& name,
                                                 const Json& value, int64_t data,
                                                 int64_t data_size) {
  const std::string what = absl::StrCat("tensor ", QuotedName(name));
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() ||
      !value.contains("shape") || !value.contains("data_offsets")) {
    return Damaged(path, what + " without them", "dtype, shape and data_offsets");
  }
  SafetensorsFile::Entry entry;
  ASSIGN_OR_RETURN(entry.dtype, ParseSafetensorsDtype(absl::StrCat(path, ": ", what),
                                                      value["dtype"].get<std::string>()));
  const auto bytes = ReadShape(value["shape"], c10::elementSize(entry.dtype), entry.shape);
  if (!bytes) {
    return Damaged(path, what + " of an impossible shape", "non-negative sizes that fit 63 bits");
  }
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !IsNonNegative(offsets[0]) ||
      !IsNonNegative(offsets[1]) || offsets[0] > offsets[1] ||
      offsets[1].get<int64_t>() > data_size) {
    return Damaged(path, what + " with other data_offsets",
                   absl::StrCat("[begin, end] with begin <= end <= ", data_size));
  }
  entry.begin = data + offsets[0].get<int64_t>();
  entry.end = data + offsets[1].get<int64_t>();
  if (entry.end - entry.begin != *bytes) {
    return Damaged(
        path, absl::StrCat(what, " with ", entry.end - entry.begin, " bytes"),
        absl::StrCat(*bytes, " for ", SafetensorsDtype(entry.dtype), " ", ShapeText(entry.shape)));
  }
  return entry;
}

// The format wants the data section used without holes or overlaps.
absl::Status CheckTiling(const std::string& path,
                         const std::map<std::string, SafetensorsFile::Entry>& entries, int64_t data,
                         int64_t file_size) {
  std::vector<std::pair<std::pair<int64_t, int64_t>, std::string>> ranges;
  for (const auto& [name, entry] : entries) ranges.push_back({{entry.begin, entry.end}, name});
  std::sort(ranges.begin(), ranges.end());
  int64_t position = data;
  for (const auto& [range, name] : ranges) {
    if (range.first != position) {
      return Damaged(path, absl::StrCat("tensor ", QuotedName(name), " at byte ", range.first),
                     absl::StrCat(position, ", where the one before it ends"));
    }
    position = range.second;
  }
  if (position != file_size) {
    return Damaged(path, absl::StrCat(file_size, " bytes"),
                   absl::StrCat(position, ", where the last tensor ends"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> HeaderText(const std::string& path,
                                       const std::vector<NamedTensor>& tensors,
                                       const std::map<std::string, std::string>& metadata) {
  // Entry by entry: an object of ordered_json compares each new name with all before it.
  const auto dump = [](const nlohmann::ordered_json& json) {
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  };
  std::vector<std::string> entries;
  if (!metadata.empty()) entries.push_back(absl::StrCat(dump(kMetadata), ":", dump(metadata)));
  std::set<std::string> names = {kMetadata};
  int64_t begin = 0;
  for (const auto& [name, data] : tensors) {
    if (!names.insert(name).second) {
      return absl::InternalError(
          absl::StrCat(path, ": found tensor ", QuotedName(name), " twice, expected unique names"));
    }
    const int64_t end = begin + static_cast<int64_t>(data.nbytes());
    const nlohmann::ordered_json entry = {{"dtype", SafetensorsDtype(data.scalar_type())},
                                          {"shape", data.sizes().vec()},
                                          {"data_offsets", {begin, end}}};
    entries.push_back(absl::StrCat(dump(name), ":", dump(entry)));
    begin = end;
  }
  std::string text = absl::StrCat("{", absl::StrJoin(entries, ","), "}");
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  return text;
}

}  // namespace

std::string SafetensorsDtype(at::ScalarType dtype) {
  for (const auto& [type, name] : kDtypes) {
    if (type == dtype) return name;
  }
  TORCH_CHECK(false, "safetensors: unsupported type ", c10::toString(dtype));
}

absl::StatusOr<at::ScalarType> ParseSafetensorsDtype(const std::string& where,
                                                     const std::string& name) {
  for (const auto& [type, known] : kDtypes) {
    if (name == known) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found dtype ", QuotedName(name),
                   ", expected F64, F32, BF16, F16, F8_E4M3, I64, I32 or U8"));
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  ASSIGN_OR_RETURN(const std::string header, HeaderText(path, tensors, metadata));
  ASSIGN_OR_RETURN(WritableFile file, WritableFile::Truncate(path));
  const uint64_t length = header.size();  // little-endian, as every machine this runs on
  RETURN_IF_ERROR(file.Write({reinterpret_cast<const char*>(&length), sizeof(length)}));
  RETURN_IF_ERROR(file.Write(header));
  for (const NamedTensor& tensor : tensors) RETURN_IF_ERROR(file.Write(TensorBytes(tensor.data)));
  return file.Sync();
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(ReadableFile file, ReadableFile::Open(path));
  ASSIGN_OR_RETURN(const std::string text, ReadHeaderText(file));
  const absl::StatusOr<Json> parsed = ParseJsonObject(text, path);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  const Json& header = *parsed;
  const int64_t data = kLengthBytes + static_cast<int64_t>(text.size());
  SafetensorsFile result;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadata) {
      if (!value.is_object()) return Damaged(path, "__metadata__ of another type", "an object");
      for (const auto& [key, entry] : value.items()) {
        if (!entry.is_string()) return Damaged(path, "__metadata__ of another type", "strings");
        result.metadata_[key] = entry.get<std::string>();
      }
      continue;
    }
    ASSIGN_OR_RETURN(result.entries_[name], ReadEntry(path, name, value, data, file.size() - data));
  }
  RETURN_IF_ERROR(CheckTiling(path, result.entries_, data, file.size()));
  result.file_ = std::make_shared<const ReadableFile>(std::move(file));
  return result;
}

absl::StatusOr<at::Tensor> SafetensorsFile::Read(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return absl::NotFoundError(
        absl::StrCat(path(), ": found no tensor ", QuotedName(name), ", expected one"));
  }
  const Entry& entry = found->second;
  at::Tensor tensor = at::empty(entry.shape, entry.dtype);
  RETURN_IF_ERROR(file_->Read(entry.begin, entry.end - entry.begin, tensor.mutable_data_ptr()));
  return tensor;
}

}  // namespace deduce
