#include "rl/commands/inspect.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "configs/config.h"
#include "configs/status.h"
#include "rl/report/run_data.h"
#include "rl/run/find_model.h"
#include "rl/run/run.h"
#include "trainer/checkpoint/checked_file.h"
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
  for (const auto& [name, tensor] : folder.weights.tensors()) bytes += tensor.size;
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

// "finished", "running" (somebody writes it) or "stopped".
std::string StateOfRun(const std::vector<StageNode>& nodes, bool is_written) {
  for (const StageNode& node : nodes) {
    if (node.needs_work()) return is_written ? "running" : "stopped";
  }
  return "finished";
}

OrderedJson RunSummary(const Run& run, const std::vector<StageNode>& nodes) {
  const std::optional<RunOwner> writer = WriterOf(run.dir());
  OrderedJson summary = {{"run", run.dir()},
                         {"name", run.config().name()},
                         {"state", StateOfRun(nodes, writer.has_value())},
                         {"writer", OrderedJson()},
                         {"num_stages", nodes.size()}};
  if (writer) summary["writer"] = {{"host", writer->host}, {"pid", writer->pid}};
  return summary;
}

// Seconds of the steps that metrics.jsonl has of a stage; null if it has none.
OrderedJson Seconds(const absl::StatusOr<RunMetrics>& metrics, const std::string& stage) {
  if (!metrics.ok()) return {};
  for (const StageMetrics& logged : metrics->stages) {
    if (logged.name == stage) return logged.Seconds();
  }
  return {};
}

OrderedJson DescribeStage(const StageConfig& stage, const StageNode& node,
                          const OrderedJson& seconds) {
  const bool saved = !node.checkpoint.empty();
  return {
      {"stage", stage.name()},
      {"stage_kind", StageKind(stage)},
      {"state", StateName(node.state)},
      {"step", node.step},
      {"steps", stage.steps()},
      {"checkpoint", saved ? OrderedJson(node.checkpoint) : OrderedJson()},
      {"weights_hash", saved ? OrderedJson(node.saved.value("weights_hash", "")) : OrderedJson()},
      {"num_tokens", saved ? OrderedJson(node.saved.value("num_tokens", 0)) : OrderedJson()},
      {"best",
       saved && node.saved.contains("best") ? OrderedJson(node.saved["best"]) : OrderedJson()},
      {"seconds", seconds},
      {"inputs", ToJson(node.inputs)}};
}

absl::Status InspectRun(const std::string& dir, bool verify, std::ostream& out) {
  ASSIGN_OR_RETURN(const Run run, Run::Open(dir, Run::Access::kRead));
  ASSIGN_OR_RETURN(const std::vector<StageNode> nodes, run.Stages());
  for (const StageNode& node : nodes) {
    if (!verify || node.checkpoint.empty()) continue;
    ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(node.checkpoint));
    RETURN_IF_ERROR(reader.VerifyAll());
  }
  std::string changes;
  if (std::filesystem::exists(ChangesPath(dir))) {
    ASSIGN_OR_RETURN(changes, ReadFile(ChangesPath(dir)));
  }
  // A run that has just begun, or whose metrics were cleared away, has no costs.
  const absl::StatusOr<RunMetrics> metrics = ReadRunMetrics(dir);
  out << RunSummary(run, nodes).dump() << "\n";
  for (size_t i = 0; i < nodes.size(); ++i) {
    const StageConfig& stage = run.config().stage(static_cast<int>(i));
    out << DescribeStage(stage, nodes[i], Seconds(metrics, stage.name())).dump() << "\n";
  }
  out << changes;
  return absl::OkStatus();
}

}  // namespace

absl::Status Inspect(const std::string& path, bool verify, std::ostream& out) {
  if (IsRunDirectory(path)) return InspectRun(path, verify, out);
  ASSIGN_OR_RETURN(const std::string dir, FindModel(path, std::cerr));
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
