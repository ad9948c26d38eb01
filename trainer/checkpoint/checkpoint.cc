#include "trainer/checkpoint/checkpoint.h"

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/content_hash.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/safetensors.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kManifestName[] = "manifest.json";

absl::Status MakePartialFolder(const std::string& dir, const std::string& partial) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(dir, error))) {
    return absl::AlreadyExistsError(absl::StrCat(dir, ": found a checkpoint, expected none"));
  }
  fs::remove_all(partial, error);
  if (error) return FileError(error.value(), partial, "an old partial checkpoint to be removable");
  fs::create_directories(partial, error);
  if (error) return FileError(error.value(), partial, "a folder that can be made");
  return absl::OkStatus();
}

// What a slice is called in its file.
std::string KeyOf(const TensorSlice& slice) {
  const std::string key = absl::StrCat(slice.name, "@", slice.begin);
  return slice.columns ? absl::StrCat(key, "@", slice.columns->begin) : key;
}

// Writes this rank's file (none if it has no elements) and returns its slices as JSON, for rank 0's
// manifest.
absl::StatusOr<std::string> WriteShard(const std::string& partial, int rank,
                                       const std::vector<TensorSlice>& slices) {
  const std::string file = absl::StrFormat("rank-%05d.safetensors", rank);
  std::vector<NamedTensor> tensors;
  Json list = Json::array();
  for (const TensorSlice& slice : slices) {
    TORCH_CHECK(slice.data.dim() == 1, slice.name, ": expected a flat slice, got ",
                slice.data.sizes());
    const std::string key = KeyOf(slice);
    const at::Tensor data = slice.data.cpu();
    if (data.numel() > 0) tensors.push_back({key, data});
    list.push_back({{"name", slice.name},
                    {"dtype", static_cast<int>(slice.data.scalar_type())},
                    {"shape", slice.shape},
                    {"file", file},
                    {"key", key},
                    {"begin", slice.begin},
                    {"end", slice.begin + slice.data.numel()},
                    {"hash", ContentHash(data)}});
    if (slice.columns) list.back()["columns"] = {slice.columns->begin, slice.columns->end};
  }
  if (!tensors.empty())
    RETURN_IF_ERROR(WriteSafetensors(absl::StrCat(partial, "/", file), tensors));
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Manifest> MergeSlices(const std::string& dir,
                                     const std::vector<std::string>& slices_by_rank) {
  Manifest manifest;
  manifest.num_ranks = static_cast<int>(slices_by_rank.size());
  for (const std::string& text : slices_by_rank) {
    for (const Json& slice : Json::parse(text)) {
      const auto dtype = static_cast<at::ScalarType>(slice["dtype"].get<int>());
      SliceRecord record{.file = slice["file"],
                         .key = slice["key"],
                         .begin = slice["begin"],
                         .end = slice["end"],
                         .hash = slice["hash"]};
      if (slice.contains("columns"))
        record.columns = ColumnRange{slice["columns"][0], slice["columns"][1]};
      RETURN_IF_ERROR(AddSlice(manifest, slice["name"], dtype, slice["shape"], record));
    }
  }
  RETURN_IF_ERROR(CheckCoverage(dir, manifest));
  return manifest;
}

// Rank 0, when all shards are on the disk: completes the folder and gives it its name.
absl::Status Publish(const std::string& dir, const std::string& partial, Manifest manifest,
                     const std::string& state_json,
                     const std::map<std::string, std::string>& extra_files) {
  manifest.state = Json::parse(state_json, nullptr, /*allow_exceptions=*/false);
  TORCH_CHECK(manifest.state.is_object(),
              "the state of a checkpoint is no JSON object: ", state_json);
  for (const auto& [name, contents] : extra_files) {
    RETURN_IF_ERROR(WriteFile(absl::StrCat(partial, "/", name), contents));
    manifest.file_hashes[name] = ContentHash(contents);
  }
  RETURN_IF_ERROR(WriteFile(absl::StrCat(partial, "/", kManifestName), EncodeManifest(manifest)));
  RETURN_IF_ERROR(SyncFolder(partial));
  std::error_code error;
  fs::rename(partial, dir, error);
  if (error) return FileError(error.value(), dir, "the finished checkpoint to take this name");
  const std::string parent = fs::path(dir).parent_path();
  return SyncFolder(parent.empty() ? "." : parent);
}

absl::Status WriteAndPublish(Communicator& world, const std::string& dir,
                             const std::string& partial, const std::vector<TensorSlice>& slices,
                             const std::string& state_json,
                             const std::map<std::string, std::string>& extra_files) {
  const absl::StatusOr<std::string> written = WriteShard(partial, world.rank(), slices);
  RETURN_IF_ERROR(AgreeOnStatus(world, written.status()));
  const std::vector<std::string> slices_by_rank = world.AllGatherBytes(*written);
  absl::Status published;
  if (world.rank() == 0) {
    absl::StatusOr<Manifest> manifest = MergeSlices(dir, slices_by_rank);
    published = manifest.ok() ? Publish(dir, partial, *std::move(manifest), state_json, extra_files)
                              : manifest.status();
  }
  return AgreeOnStatus(world, published);
}

}  // namespace

absl::Status SaveCheckpoint(Communicator& world, const std::string& dir,
                            const std::vector<TensorSlice>& slices, const std::string& state_json,
                            const std::map<std::string, std::string>& extra_files) {
  const std::string partial = dir + ".partial";
  const bool is_root = world.rank() == 0;
  RETURN_IF_ERROR(
      AgreeOnStatus(world, is_root ? MakePartialFolder(dir, partial) : absl::OkStatus()));
  const absl::Status status = WriteAndPublish(world, dir, partial, slices, state_json, extra_files);
  if (!status.ok()) {
    std::error_code ignored;  // the first error is the one to report
    if (is_root) fs::remove_all(partial, ignored);
    world.Barrier();  // nobody ends the job while the folder is being removed
  }
  return status;
}

}  // namespace deduce
