#include "rl/run/stage_graph.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "trainer/checkpoint/checkpoint_folders.h"
#include "trainer/checkpoint/checkpoint_reader.h"

namespace deduce {
namespace {

absl::Status BadData(const std::string& message) {
  return WithExitCode(absl::DataLossError(message), ExitCode::kBadData);
}

absl::StatusOr<StageNode> ReadNode(const StageConfig& stage, const CheckpointEntry& newest) {
  absl::StatusOr<CheckpointReader> reader = CheckpointReader::Open(newest.path);
  if (!reader.ok()) return WithExitCode(reader.status(), ExitCode::kBadData);
  StageNode node{.state = newest.step == stage.steps() ? StageNode::State::kFinished
                                                       : StageNode::State::kBegun,
                 .checkpoint = newest.path,
                 .step = newest.step,
                 .saved = reader->state()};
  node.inputs = InputsOfState(node.saved);
  if (node.saved.contains("best") && node.saved["best"].is_object())
    node.best = node.saved["best"].value("step", int64_t{0});
  if (node.state == StageNode::State::kFinished)
    node.output.hash = node.saved.value("weights_hash", "");
  return node;
}

// A stage that somebody went on from has done its work, whether or not it is still there.
void MarkGone(const RunConfig& config, std::vector<StageNode>& nodes) {
  for (int i = config.stage_size() - 1; i >= 0; --i) {
    for (int j = i + 1; j < config.stage_size() && nodes[i].needs_work(); ++j) {
      const bool begun = !nodes[j].checkpoint.empty() || nodes[j].state == StageNode::State::kGone;
      if (InitialStage(config, j) == i && begun) nodes[i].state = StageNode::State::kGone;
    }
  }
}

}  // namespace

std::string StateName(StageNode::State state) {
  switch (state) {
    case StageNode::State::kBegun:
      return "begun";
    case StageNode::State::kFinished:
      return "finished";
    case StageNode::State::kGone:
      return "gone";
    default:
      return "waiting";
  }
}

bool IsAfter(const RunConfig& config, const CheckpointEntry& entry, const CheckpointEntry& point) {
  const int stage = FindStage(config, entry.stage), of_point = FindStage(config, point.stage);
  return stage > of_point || (stage == of_point && entry.step > point.step);
}

absl::StatusOr<std::vector<StageNode>> ReadStageGraph(const RunConfig& config,
                                                      const std::string& run_dir,
                                                      const std::optional<CheckpointEntry>& end) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointEntry> entries, ListCheckpoints(run_dir));
  std::vector<StageNode> nodes;
  for (const StageConfig& stage : config.stage()) {
    const CheckpointEntry* newest = nullptr;
    for (const CheckpointEntry& entry : entries) {
      if (entry.stage != stage.name() || (end && IsAfter(config, entry, *end))) continue;
      newest = &entry;  // steps rise within a stage
    }
    StageNode node;
    if (newest != nullptr) {
      ASSIGN_OR_RETURN(node, ReadNode(stage, *newest));
    }
    node.output.name = stage.name();
    nodes.push_back(std::move(node));
  }
  MarkGone(config, nodes);
  return nodes;
}

absl::Status CheckHistory(const RunConfig& config, const std::string& run_dir,
                          const std::vector<StageNode>& nodes) {
  const int size = config.stage_size();
  for (int i = 0; i < size; ++i) {
    const StageConfig& stage = config.stage(i);
    for (int j = i + 1; j < size && nodes[i].needs_work(); ++j) {
      if (nodes[j].checkpoint.empty()) continue;
      return BadData(absl::StrCat(
          CheckpointDir(run_dir, stage.name(), stage.steps()), ": found nothing, though stage ",
          config.stage(j).name(),
          ", which comes after, has begun; expected the checkpoint, or none of later stages"));
    }
    if (nodes[i].state == StageNode::State::kBegun && nodes[i].saved.value("only_model", false)) {
      return BadData(absl::StrCat(
          nodes[i].checkpoint,
          ": found weights alone (checkpoint.save_only_model), expected the "
          "optimizer's state to go on inside stage ",
          stage.name(), "; a stage of a new run can start from them with init_from: \"",
          nodes[i].checkpoint, "\""));
    }
    const int initial = InitialStage(config, i);
    if (initial < 0 || nodes[initial].state != StageNode::State::kFinished) continue;
    for (const Artifact& input : nodes[i].inputs) {
      const std::string& there = nodes[initial].output.hash;
      if (input.type != ArtifactType::kWeights || input.hash == there) continue;
      return BadData(absl::StrCat(nodes[initial].checkpoint, ": found weights ", there,
                                  ", expected ", input.hash, ", which ", nodes[i].checkpoint,
                                  " started from"));
    }
  }
  return absl::OkStatus();
}

int64_t MetricsOffset(const std::vector<StageNode>& nodes) {
  int64_t offset = 0;
  for (const StageNode& node : nodes) {
    if (node.saved.is_object())
      offset = std::max(offset, node.saved.value("metrics_offset", int64_t{0}));
  }
  return offset;
}

}  // namespace deduce
