#include "trainer/hugging_face/weight_files.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/strict_json.h"

namespace deduce {
namespace {

constexpr char kSingle[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

// Tensor name -> file name. File names are plain: an index points nowhere else.
absl::StatusOr<std::map<std::string, std::string>> ReadIndex(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  const absl::StatusOr<nlohmann::json> parsed = ParseJsonObject(text, path);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  const nlohmann::json& json = *parsed;
  if (!json.contains("weight_map") || !json["weight_map"].is_object()) {
    return absl::DataLossError(
        absl::StrCat(path, ": found no weight_map, expected an object of tensor and file names"));
  }
  std::map<std::string, std::string> map;
  for (const auto& [name, file] : json["weight_map"].items()) {
    const std::string file_name = file.is_string() ? file.get<std::string>() : "";
    if (!absl::EndsWith(file_name, ".safetensors") || absl::StrContains(file_name, "/")) {
      return absl::DataLossError(absl::StrCat(path, ": weight_map: found file ",
                                              QuotedName(file_name), " of tensor ",
                                              QuotedName(name), ", expected NAME.safetensors"));
    }
    map[name] = file_name;
  }
  return map;
}

}  // namespace

const WeightFiles::Tensor* WeightFiles::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

absl::Status WeightFiles::Tensor::Read(int64_t offset, std::span<char> out) const {
  return file->Read(begin + offset, static_cast<int64_t>(out.size()), out.data());
}

absl::Status WeightFiles::Add(const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  for (const auto& [name, entry] : file.entries()) {
    if (const Tensor* other = Find(name)) {
      return absl::DataLossError(absl::StrCat(path, ": found tensor ", QuotedName(name),
                                              " again, expected it in ", other->path, " only"));
    }
    tensors_[name] = {path,        entry.dtype, entry.shape, entry.end - entry.begin,
                      entry.begin, file.file()};
  }
  return absl::OkStatus();
}

bool WeightFiles::AreIn(const std::string& dir) {
  std::error_code error;
  return std::filesystem::exists(absl::StrCat(dir, "/", kSingle), error) ||
         std::filesystem::exists(absl::StrCat(dir, "/", kIndex), error);
}

absl::StatusOr<WeightFiles> WeightFiles::Open(const std::string& dir) {
  const std::string single = absl::StrCat(dir, "/", kSingle);
  const std::string index = absl::StrCat(dir, "/", kIndex);
  std::error_code error;
  const bool has_single = std::filesystem::exists(single, error);
  const bool has_index = std::filesystem::exists(index, error);
  if (has_single == has_index) {
    return absl::NotFoundError(absl::StrCat(dir, ": found ", has_single ? "both " : "neither ",
                                            kSingle, has_single ? " and " : " nor ", kIndex,
                                            ", expected one of them"));
  }
  WeightFiles files;
  if (has_single) {
    RETURN_IF_ERROR(files.Add(single));
    return files;
  }
  ASSIGN_OR_RETURN(const auto map, ReadIndex(index));
  std::set<std::string> names;
  for (const auto& [name, file] : map) names.insert(file);
  for (const std::string& file : names) RETURN_IF_ERROR(files.Add(absl::StrCat(dir, "/", file)));
  for (const auto& [name, file] : map) {
    const Tensor* tensor = files.Find(name);
    if (tensor == nullptr || tensor->path != absl::StrCat(dir, "/", file)) {
      return absl::DataLossError(absl::StrCat(index, ": found tensor ", QuotedName(name), " in ",
                                              file, ", expected it in ",
                                              tensor ? tensor->path : "no file, as the files say"));
    }
  }
  for (const auto& [name, tensor] : files.tensors()) {
    if (map.count(name) == 0) {
      return absl::DataLossError(absl::StrCat(tensor.path, ": found tensor ", QuotedName(name),
                                              ", expected those that ", kIndex, " names"));
    }
  }
  return files;
}

}  // namespace deduce
