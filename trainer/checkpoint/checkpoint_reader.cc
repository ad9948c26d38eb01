#include "trainer/checkpoint/checkpoint_reader.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/content_hash.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/safetensors.h"

namespace deduce {
namespace {

absl::Status HashError(const std::string& path, const std::string& what, const std::string& found,
                       const std::string& expected) {
  return absl::DataLossError(
      absl::StrCat(path, ": found hash ", found, " of ", what, ", expected ", expected));
}

bool IsWithin(const ElementRange& range, const TensorRecord& record) {
  int64_t elements = record.num_elements();
  if (range.columns) {
    const ColumnRange& columns = *range.columns;
    if (record.shape.size() != 2 || columns.begin < 0 || columns.size() <= 0 ||
        columns.end > record.shape[1]) {
      return false;
    }
    elements = record.shape[0] * columns.size();
  }
  return range.begin >= 0 && range.end <= elements;
}

}  // namespace

// The files of a checkpoint, each opened when first used: a rank of a large run reads few of them.
class CheckpointReader::Shards {
 public:
  explicit Shards(std::string dir) : dir_(std::move(dir)) {}

  // A slice's elements [n], as stored, checked against the manifest.
  absl::StatusOr<at::Tensor> Read(const std::string& name, at::ScalarType dtype,
                                  const SliceRecord& slice) const {
    ASSIGN_OR_RETURN(const SafetensorsFile* file, File(slice.file));
    const std::string what = absl::StrCat("tensor ", name, " ", RangeText(slice.range()));
    const auto entry = file->entries().find(slice.key);
    const std::vector<int64_t> shape = {slice.end - slice.begin};
    if (entry == file->entries().end() || entry->second.dtype != dtype ||
        entry->second.shape != shape) {
      return absl::DataLossError(
          absl::StrCat(file->path(), ": found other tensors than its manifest names, expected ",
                       slice.key, " of ", SafetensorsDtype(dtype), " ", ShapeText(shape)));
    }
    ASSIGN_OR_RETURN(at::Tensor data, file->Read(slice.key));
    if (const std::string hash = ContentHash(data); hash != slice.hash) {
      return HashError(file->path(), what, hash, slice.hash);
    }
    return data;
  }

 private:
  absl::StatusOr<const SafetensorsFile*> File(const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto found = files_.find(name);
    if (found == files_.end()) {
      ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(absl::StrCat(dir_, "/", name)));
      found = files_.emplace(name, std::move(file)).first;
    }
    return &found->second;
  }

  std::string dir_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, SafetensorsFile> files_;
};

absl::StatusOr<CheckpointReader> CheckpointReader::Open(const std::string& dir) {
  const std::string path = absl::StrCat(dir, "/manifest.json");
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(path, text));
  CheckpointReader reader;
  reader.dir_ = dir;
  reader.manifest_ = std::make_shared<const Manifest>(std::move(manifest));
  reader.shards_ = std::make_shared<const Shards>(dir);
  return reader;
}

const nlohmann::json& CheckpointReader::state() const { return manifest_->state; }

std::vector<std::string> CheckpointReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : manifest_->tensors) names.push_back(name);
  return names;
}

bool CheckpointReader::Has(const std::string& name) const {
  return manifest_->tensors.count(name) > 0;
}

at::ScalarType CheckpointReader::dtype(const std::string& name) const {
  TORCH_CHECK(Has(name), dir_, " has no tensor ", name);
  return manifest_->tensors.at(name).dtype;
}

const std::vector<int64_t>& CheckpointReader::shape(const std::string& name) const {
  TORCH_CHECK(Has(name), dir_, " has no tensor ", name);
  return manifest_->tensors.at(name).shape;
}

absl::Status CheckpointReader::Read(const std::string& name, int64_t begin, at::Tensor& out_flat,
                                    std::optional<ColumnRange> columns) const {
  const auto found = manifest_->tensors.find(name);
  const ElementRange wanted{begin, begin + out_flat.numel(), columns};
  if (found == manifest_->tensors.end() || found->second.dtype != out_flat.scalar_type() ||
      !IsWithin(wanted, found->second)) {
    return absl::InvalidArgumentError(
        absl::StrCat(dir_, ": found ",
                     found == manifest_->tensors.end()
                         ? absl::StrCat("no tensor ", name)
                         : absl::StrCat(name, " of ", SafetensorsDtype(found->second.dtype), " ",
                                        ShapeText(found->second.shape)),
                     ", expected elements ", RangeText(wanted), " of ",
                     SafetensorsDtype(out_flat.scalar_type())));
  }
  if (!out_flat.is_cpu()) {
    at::Tensor host_flat = at::empty(out_flat.sizes(), out_flat.options().device(at::kCPU));
    RETURN_IF_ERROR(Read(name, begin, host_flat, columns));
    out_flat.copy_(host_flat);
    return absl::OkStatus();
  }
  TORCH_CHECK(out_flat.is_contiguous(), name, ": expected a contiguous tensor to read into");
  const TensorRecord& record = found->second;
  const int64_t width = record.shape.empty() ? 1 : record.shape.back();
  const auto item_bytes = static_cast<int64_t>(out_flat.element_size());
  char* out = static_cast<char*>(out_flat.mutable_data_ptr());
  for (const SliceRecord& slice : record.slices) {
    const std::vector<SharedRun> runs = SharedRuns(slice.range(), wanted, width);
    if (runs.empty()) continue;
    ASSIGN_OR_RETURN(const at::Tensor data, shards_->Read(name, record.dtype, slice));
    for (const SharedRun& run : runs) {
      std::memcpy(out + run.in_b * item_bytes, TensorBytes(data).data() + run.in_a * item_bytes,
                  run.count * item_bytes);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CheckpointReader::ReadExtraFile(const std::string& file_name) const {
  const std::string path = absl::StrCat(dir_, "/", file_name);
  const auto expected = manifest_->file_hashes.find(file_name);
  if (expected == manifest_->file_hashes.end()) {
    return absl::NotFoundError(
        absl::StrCat(dir_, "/manifest.json: found no file ", file_name, ", expected one"));
  }
  ASSIGN_OR_RETURN(std::string contents, ReadFile(path));
  if (const std::string hash = ContentHash(contents); hash != expected->second) {
    return HashError(path, "the file", hash, expected->second);
  }
  return contents;
}

absl::Status CheckpointReader::VerifyAll() const {
  for (const auto& [name, hash] : manifest_->file_hashes) {
    RETURN_IF_ERROR(ReadExtraFile(name).status());
  }
  for (const auto& [name, record] : manifest_->tensors) {
    for (const SliceRecord& slice : record.slices) {
      RETURN_IF_ERROR(shards_->Read(name, record.dtype, slice).status());
    }
  }
  return absl::OkStatus();
}

}  // namespace deduce
