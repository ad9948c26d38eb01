#include "trainer/checkpoint/manifest.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "trainer/checkpoint/content_hash.h"
#include "trainer/checkpoint/safetensors.h"

namespace deduce {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr char kFormat[] = "deduce-checkpoint";
constexpr int64_t kVersion = 2;
constexpr int64_t kVersionWithoutColumns = 1;
// What stands in the hash field while the hash of the text is taken.
constexpr char kNoHash[] = "0000000000000000";

absl::Status Error(absl::StatusCode code, const std::string& where, const std::string& found,
                   const std::string& expected) {
  return absl::Status(code, absl::StrCat(where, ": found ", found, ", expected ", expected));
}

std::string HashField(const std::string& hash) { return absl::StrCat("\"hash\": \"", hash, "\""); }

bool Get(const Json& object, const char* key, std::string& out) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return false;
  out = object[key].get<std::string>();
  return true;
}

bool Get(const Json& object, const char* key, int64_t& out) {
  if (!object.is_object() || !object.contains(key)) return false;
  if (!object[key].is_number_unsigned()) return false;
  out = object[key].get<int64_t>();
  return out >= 0;
}

// A name that stays in the checkpoint's folder.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name.front() != '.';
}

// Those of a slice, if it has any.
bool ParseColumns(const Json& slice, int64_t version, std::optional<ColumnRange>& columns) {
  if (!slice.contains("columns")) return true;
  const Json& pair = slice["columns"];
  if (version < kVersion || !pair.is_array() || pair.size() != 2) return false;
  if (!pair[0].is_number_unsigned() || !pair[1].is_number_unsigned()) return false;
  columns = ColumnRange{pair[0].get<int64_t>(), pair[1].get<int64_t>()};
  return true;
}

bool ParseTensor(const Json& value, int64_t version, TensorRecord& record) {
  std::string dtype;
  if (!Get(value, "dtype", dtype)) return false;
  const auto type = ParseSafetensorsDtype("", dtype);
  if (!type.ok() || !value.contains("shape") || !value["shape"].is_array()) return false;
  record.dtype = *type;
  int64_t elements = 1;
  for (const Json& size : value["shape"]) {
    if (!size.is_number_unsigned()) return false;
    record.shape.push_back(size.get<int64_t>());
    if (record.shape.back() < 0) return false;
    if (__builtin_mul_overflow(elements, record.shape.back(), &elements)) return false;
  }
  if (!value.contains("slices") || !value["slices"].is_array()) return false;
  for (const Json& entry : value["slices"]) {
    SliceRecord& slice = record.slices.emplace_back();
    if (!Get(entry, "file", slice.file) || !Get(entry, "key", slice.key) ||
        !Get(entry, "begin", slice.begin) || !Get(entry, "end", slice.end) ||
        !Get(entry, "hash", slice.hash) || !IsPlainName(slice.file) ||
        !ParseColumns(entry, version, slice.columns)) {
      return false;
    }
  }
  return true;
}

bool ParseBody(const Json& json, int64_t version, Manifest& manifest) {
  int64_t num_ranks = 0;
  if (!Get(json, "num_ranks", num_ranks) || num_ranks < 1 || num_ranks > INT32_MAX) return false;
  manifest.num_ranks = static_cast<int>(num_ranks);
  if (!json.contains("state") || !json["state"].is_object()) return false;
  manifest.state = json["state"];
  if (!json.contains("files") || !json["files"].is_object()) return false;
  for (const auto& [name, hash] : json["files"].items()) {
    if (!hash.is_string() || !IsPlainName(name)) return false;
    manifest.file_hashes[name] = hash.get<std::string>();
  }
  if (!json.contains("tensors") || !json["tensors"].is_object()) return false;
  for (const auto& [name, value] : json["tensors"].items()) {
    if (!ParseTensor(value, version, manifest.tensors[name])) return false;
  }
  return true;
}

bool HasTexts(const Json& object) {
  return object.is_object() && std::all_of(object.begin(), object.end(),
                                           [](const Json& value) { return value.is_string(); });
}

// Whether what a run goes on from has the types that it is read as.
absl::Status CheckState(const std::string& where, const Json& state) {
  const auto check = [&](const char* name, const char* expected, const auto& is) -> absl::Status {
    const auto field = state.find(name);
    if (field == state.end() || is(*field)) return absl::OkStatus();
    return Error(absl::StatusCode::kDataLoss, where, absl::StrCat("another value of state.", name),
                 expected);
  };
  for (const char* name :
       {"metrics_offset", "nonfinite_in_a_row", "num_tokens", "num_updates", "step"}) {
    RETURN_IF_ERROR(check(name, "a whole number of at least 0", [](const Json& value) {
      return value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{INT64_MAX};
    }));
  }
  for (const char* name : {"teacher_hash", "weights_hash"}) {
    RETURN_IF_ERROR(check(name, "a text", [](const Json& value) { return value.is_string(); }));
  }
  return check("inputs", "a list of objects of texts", [](const Json& value) {
    return value.is_array() && std::all_of(value.begin(), value.end(), HasTexts);
  });
}

absl::Status SliceError(const std::string& where, const std::string& name, const SliceRecord& slice,
                        const std::string& expected) {
  return Error(
      absl::StatusCode::kInternal, where,
      absl::StrCat("a slice ", RangeText(slice.range()), " of tensor ", name, " in ", slice.file),
      expected);
}

using Slices = std::vector<SliceRecord>;

// Of the sorted slices that have the same columns, whether they are all `elements` of these.
absl::Status CheckElements(const std::string& where, const std::string& name,
                           Slices::const_iterator first, Slices::const_iterator last,
                           int64_t elements, const std::string& shape) {
  int64_t position = 0;
  for (auto slice = first; slice != last; ++slice) {
    if (slice->begin != position || slice->end <= slice->begin) {
      return SliceError(where, name, *slice,
                        absl::StrCat("the next one to begin at element ", position));
    }
    position = slice->end;
  }
  if (position == elements) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, where,
               absl::StrCat("slices of tensor ", name, " that end at element ", position),
               absl::StrCat(elements, " elements of ", shape));
}

absl::Status CheckSlices(const std::string& where, const std::string& name,
                         const TensorRecord& record) {
  const Slices& slices = record.slices;
  const std::string shape = absl::StrCat("shape ", ShapeText(record.shape));
  if (slices.empty() || !slices.back().columns) {
    return CheckElements(where, name, slices.begin(), slices.end(), record.num_elements(), shape);
  }
  int64_t column = 0;
  for (auto first = slices.begin(); first != slices.end();) {
    const auto last = std::find_if(first, slices.end(), [&](const SliceRecord& slice) {
      return slice.columns != first->columns;
    });
    if (record.shape.size() != 2 || !first->columns || first->columns->begin != column ||
        first->columns->size() <= 0 || first->columns->end > record.shape[1]) {
      return SliceError(where, name, *first,
                        absl::StrCat("the next one to begin at column ", column, " of ", shape));
    }
    RETURN_IF_ERROR(CheckElements(
        where, name, first, last, record.shape[0] * first->columns->size(),
        absl::StrCat("columns [", column, ", ", first->columns->end, ") of ", shape)));
    column = first->columns->end;
    first = last;
  }
  if (column == record.shape[1]) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, where,
               absl::StrCat("slices of tensor ", name, " that end at column ", column),
               absl::StrCat(record.shape[1], " columns of ", shape));
}

}  // namespace

int64_t TensorRecord::num_elements() const {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

absl::Status AddSlice(Manifest& manifest, const std::string& name, at::ScalarType dtype,
                      const std::vector<int64_t>& shape, const SliceRecord& slice) {
  const auto [position, is_new] = manifest.tensors.try_emplace(name);
  TensorRecord& record = position->second;
  if (is_new) {
    record.dtype = dtype;
    record.shape = shape;
  }
  if (record.dtype != dtype || record.shape != shape) {
    return Error(absl::StatusCode::kInternal, name,
                 absl::StrCat("slices of ", SafetensorsDtype(dtype), " ", ShapeText(shape)),
                 absl::StrCat(SafetensorsDtype(record.dtype), " ", ShapeText(record.shape),
                              " as on other ranks"));
  }
  if (slice.begin != slice.end) record.slices.push_back(slice);
  return absl::OkStatus();
}

absl::Status CheckCoverage(const std::string& where, Manifest& manifest) {
  for (auto& [name, record] : manifest.tensors) {
    std::sort(record.slices.begin(), record.slices.end(), [](const auto& a, const auto& b) {
      return std::tie(a.columns, a.begin, a.end, a.file) <
             std::tie(b.columns, b.begin, b.end, b.file);
    });
    RETURN_IF_ERROR(CheckSlices(where, name, record));
  }
  return absl::OkStatus();
}

std::string EncodeManifest(const Manifest& manifest) {
  bool has_columns = false;
  OrderedJson tensors = OrderedJson::object();
  for (const auto& [name, record] : manifest.tensors) {
    OrderedJson& tensor = tensors[name];
    tensor = {{"dtype", SafetensorsDtype(record.dtype)}, {"shape", record.shape}};
    OrderedJson& slices = tensor["slices"] = OrderedJson::array();
    for (const SliceRecord& slice : record.slices) {
      slices.push_back({{"file", slice.file},
                        {"key", slice.key},
                        {"begin", slice.begin},
                        {"end", slice.end},
                        {"hash", slice.hash}});
      if (!slice.columns) continue;
      slices.back()["columns"] = {slice.columns->begin, slice.columns->end};
      has_columns = true;
    }
  }
  OrderedJson json = {{"format", kFormat},
                      {"version", has_columns ? kVersion : kVersionWithoutColumns},
                      {"hash", kNoHash}};
  json["num_ranks"] = manifest.num_ranks;
  json["state"] = manifest.state;
  json["files"] = OrderedJson(OrderedJson::object());
  for (const auto& [name, hash] : manifest.file_hashes) json["files"][name] = hash;
  json["tensors"] = std::move(tensors);
  std::string text = json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  const std::string hash = ContentHash(text);
  text.replace(text.find(HashField(kNoHash)), HashField(kNoHash).size(), HashField(hash));
  return text;
}

absl::StatusOr<Manifest> ParseManifest(const std::string& path, const std::string& text) {
  const absl::StatusOr<Json> parsed = ParseJson<Json>(text, path, "a checkpoint's manifest");
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  const Json& json = *parsed;
  std::string format, hash;
  if (!Get(json, "format", format) || format != kFormat) {
    return Error(absl::StatusCode::kInvalidArgument, path, "JSON of another format",
                 absl::StrCat("\"format\": \"", kFormat, "\""));
  }
  int64_t version = 0;
  if (!Get(json, "version", version) || version < kVersionWithoutColumns || version > kVersion) {
    return Error(absl::StatusCode::kInvalidArgument, path, absl::StrCat("version ", version),
                 absl::StrCat(kVersionWithoutColumns, " or ", kVersion));
  }
  std::string blank = text;
  const bool has_hash = Get(json, "hash", hash);
  const size_t field = has_hash ? blank.find(HashField(hash)) : std::string::npos;
  if (field == std::string::npos) {
    return Error(absl::StatusCode::kDataLoss, path, "no hash of its own", "one");
  }
  blank.replace(field, HashField(hash).size(), HashField(kNoHash));
  if (const std::string actual = ContentHash(blank); actual != hash) {
    return Error(absl::StatusCode::kDataLoss, path, absl::StrCat("contents of hash ", actual),
                 absl::StrCat(hash, ", as it says itself"));
  }
  Manifest manifest;
  if (!ParseBody(json, version, manifest)) {
    return Error(absl::StatusCode::kDataLoss, path, "fields missing or of another type",
                 absl::StrCat("a manifest of version ", version));
  }
  RETURN_IF_ERROR(CheckState(path, manifest.state));
  if (const absl::Status covered = CheckCoverage(path, manifest); !covered.ok()) {
    return absl::DataLossError(covered.message());
  }
  return manifest;
}

}  // namespace deduce
