#include "trainer/hugging_face/export.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/safetensors.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/hugging_face/weight_codec.h"
#include "trainer/hugging_face/weight_names.h"
#include "trainer/hugging_face/write_config.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;
namespace fs = std::filesystem;

// The end of the name of a routing's selection bias.
constexpr char kSelectionBias[] = "e_score_correction_bias";

// A tensor of the folder; `values` is flat and shared with the model until it is encoded.
struct Item {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  at::Tensor values;

  int64_t bytes() const { return values.numel() * static_cast<int64_t>(c10::elementSize(dtype)); }
};

// By name. A tensor whose type in the source is not known is F32; a second name of a weight is
// written where the source had it.
absl::StatusOr<std::vector<Item>> Items(const ExportRequest& request) {
  std::map<std::string, at::ScalarType> dtypes;
  if (const auto found = request.files.find(kSourceDtypes); found != request.files.end()) {
    ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(found->second, kSourceDtypes));
    for (const auto& [name, dtype] : json.items()) {
      if (!dtype.is_string()) {
        return absl::DataLossError(absl::StrCat(kSourceDtypes, ": found another value of ",
                                                QuotedName(name), ", expected a type's name"));
      }
      ASSIGN_OR_RETURN(dtypes[name],
                       ParseSafetensorsDtype(kSourceDtypes, dtype.get<std::string>()));
    }
  }
  std::map<std::string, Item> items;
  for (const TensorSlice& slice : request.tensors) {
    const auto source = dtypes.find(slice.name);
    at::ScalarType dtype = source == dtypes.end() ? at::kFloat : source->second;
    if (request.dtype && !slice.name.ends_with(kSelectionBias)) dtype = *request.dtype;
    items[slice.name] = {slice.name, dtype, slice.shape, slice.data};
  }
  for (const auto& [alias, of] : WeightAliases(request.model)) {
    const auto dtype = dtypes.find(alias);
    const auto original = items.find(of);
    if (dtype == dtypes.end() || original == items.end()) continue;
    items[alias] = original->second;
    items[alias].name = alias;
  }
  std::vector<Item> list;
  for (auto& [name, item] : items) list.push_back(std::move(item));
  return list;
}

std::vector<std::vector<Item>> Shards(const std::vector<Item>& items, int64_t max_bytes) {
  std::vector<std::vector<Item>> shards(1);
  int64_t bytes = 0;
  for (const Item& item : items) {
    if (!shards.back().empty() && bytes + item.bytes() > max_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += item.bytes();
    shards.back().push_back(item);
  }
  return shards;
}

// In the order of the Python package: wide types first, then by name.
absl::Status WriteShard(const std::string& path, std::vector<Item> items) {
  const auto rank = [](at::ScalarType dtype) {
    return dtype == at::kFloat ? 0 : dtype == at::kBFloat16 ? 1 : 2;
  };
  std::sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    return std::make_tuple(rank(a.dtype), a.name) < std::make_tuple(rank(b.dtype), b.name);
  });
  std::vector<NamedTensor> tensors;
  for (const Item& item : items) {
    const at::Tensor encoded = EncodeWeights(item.values, item.dtype);
    const bool is_narrow = item.dtype == at::kHalf || item.dtype == at::kBFloat16;
    if (is_narrow && AllFinite(item.values) && !AllFinite(encoded.to(at::kFloat))) {
      return WithExitCode(absl::InvalidArgumentError(absl::StrCat(
                              item.name, ": found a number beyond the range of ",
                              c10::toString(item.dtype), ", expected a type that holds it")),
                          ExitCode::kBadData);
    }
    tensors.push_back({item.name, encoded.view(item.shape)});
  }
  return WriteSafetensors(path, tensors, {{"format", "pt"}});
}

absl::Status WriteWeights(const std::string& dir, const std::vector<Item>& items,
                          int64_t max_bytes) {
  const std::vector<std::vector<Item>> shards = Shards(items, max_bytes);
  if (shards.size() == 1) return WriteShard(dir + "/model.safetensors", shards[0]);
  nlohmann::json map = nlohmann::json::object();  // by name, as the items are
  int64_t total = 0;
  for (size_t s = 0; s < shards.size(); ++s) {
    const std::string file =
        absl::StrFormat("model-%05d-of-%05d.safetensors", s + 1, shards.size());
    RETURN_IF_ERROR(WriteShard(absl::StrCat(dir, "/", file), shards[s]));
    for (const Item& item : shards[s]) {
      map[item.name] = file;
      total += item.bytes();
    }
  }
  const OrderedJson index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  return WriteFile(dir + "/model.safetensors.index.json", index.dump(2) + "\n");
}

// config.json with another type of weights, under the name that it has there.
absl::StatusOr<std::string> WithDtype(const std::string& config, at::ScalarType dtype) {
  OrderedJson json = OrderedJson::parse(config, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return absl::InvalidArgumentError("config.json: found no JSON object, expected one");
  const char* name = dtype == at::kFloat ? "float32" : dtype == at::kHalf ? "float16" : "bfloat16";
  json[json.contains("dtype") ? "dtype" : "torch_dtype"] = name;
  return json.dump(2) + "\n";
}

absl::Status WriteFolder(const ExportRequest& request, const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<Item> items, Items(request));
  RETURN_IF_ERROR(WriteWeights(dir, items, request.max_shard_bytes));
  std::map<std::string, std::string> files = request.files;
  files.erase(kSourceDtypes);
  if (files.count("config.json") == 0) {
    ASSIGN_OR_RETURN(files["config.json"], WriteHuggingFaceConfig(request.model));
  }
  if (request.dtype) {
    ASSIGN_OR_RETURN(files["config.json"], WithDtype(files["config.json"], *request.dtype));
  }
  for (const auto& [name, contents] : files)
    RETURN_IF_ERROR(WriteFile(absl::StrCat(dir, "/", name), contents));
  return SyncFolder(dir);
}

}  // namespace

absl::Status ExportHuggingFace(const ExportRequest& request) {
  std::error_code error;
  std::string out = request.out;
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  if (fs::exists(fs::symlink_status(out, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(out, ": found something there, expected a folder to be made"));
  }
  const std::string partial = out + ".partial";
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return FileError(error.value(), partial, "a folder that can be made");
  absl::Status status = WriteFolder(request, partial);
  if (status.ok()) {
    fs::rename(partial, out, error);
    if (!error) return absl::OkStatus();
    status = FileError(error.value(), out, "the finished folder to take this name");
  }
  fs::remove_all(partial, error);
  return status;
}

}  // namespace deduce
