#include "rl/commands/inspect.h"

#include <nlohmann/json.hpp>

#include "configs/status.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/safetensors.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/hugging_face/read_weights.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson Summary(const std::string& dir, const Manifest& manifest, bool verified) {
  int64_t elements = 0, bytes = 0;
  for (const auto& [name, record] : manifest.tensors) {
    elements += record.num_elements();
    bytes += record.num_elements() * static_cast<int64_t>(c10::elementSize(record.dtype));
  }
  OrderedJson summary = {{"checkpoint", dir}};
  for (const char* key : {"stage", "step", "weights_hash"}) {
    summary[key] = manifest.state.contains(key) ? OrderedJson(manifest.state[key]) : OrderedJson();
  }
  summary["num_ranks"] = manifest.num_ranks;
  summary["num_tensors"] = manifest.tensors.size();
  summary["num_elements"] = elements;
  summary["num_bytes"] = bytes;
  summary["verified"] = verified;
  summary["files"] = manifest.file_hashes;
  summary["state"] = manifest.state;
  return summary;
}

OrderedJson Describe(const std::string& name, const TensorRecord& record) {
  OrderedJson slices = OrderedJson::array();
  for (const SliceRecord& slice : record.slices) {
    slices.push_back(
        {{"file", slice.file}, {"begin", slice.begin}, {"end", slice.end}, {"hash", slice.hash}});
    if (slice.columns) slices.back()["columns"] = {slice.columns->begin, slice.columns->end};
  }
  return {{"tensor", name},
          {"dtype", SafetensorsDtype(record.dtype)},
          {"shape", record.shape},
          {"slices", slices}};
}

// A Hugging Face folder has no hashes; verifying it is comparing it with its config.json.
absl::Status InspectHuggingFace(const std::string& dir, bool verify, std::ostream& out) {
  ASSIGN_OR_RETURN(const HuggingFaceFolder folder, HuggingFaceFolder::Open(dir));
  if (verify) RETURN_IF_ERROR(VerifyHuggingFaceWeights(folder));
  int64_t bytes = 0;
  for (const auto& [name, tensor] : folder.weights.tensors())
    bytes += static_cast<int64_t>(tensor.bytes.size());
  out << OrderedJson{{"hugging_face", dir},
                     {"num_tensors", folder.weights.tensors().size()},
                     {"num_bytes", bytes},
                     {"verified", verify},
                     {"model", folder.model.ShortDebugString()}}
             .dump()
      << "\n";
  for (const auto& [name, tensor] : folder.weights.tensors()) {
    out << OrderedJson{{"tensor", name},
                       {"dtype", SafetensorsDtype(tensor.dtype)},
                       {"shape", tensor.shape},
                       {"file", tensor.path}}
               .dump()
        << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Inspect(const std::string& dir, bool verify, std::ostream& out) {
  if (IsHuggingFaceFolder(dir)) return InspectHuggingFace(dir, verify, out);
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(dir));
  if (verify) RETURN_IF_ERROR(reader.VerifyAll());
  out << Summary(dir, reader.manifest(), verify).dump() << "\n";
  for (const auto& [name, record] : reader.manifest().tensors) {
    out << Describe(name, record).dump() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace deduce
