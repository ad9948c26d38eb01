// The part of a model that one rank holds: the whole, or with a pipeline one part for each of its
// chunks, in flat buffers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "configs/model.pb.h"
#include "parallel/pipeline/plan.h"
#include "parallel/rank_groups.h"
#include "trainer/model/transformer.h"
#include "trainer/step/expert_slots.h"
#include "trainer/step/parameter_store.h"

namespace deduce {

struct ModelChunk {
  StageGroups stage;
  std::unique_ptr<Transformer> model;
  std::unique_ptr<ParameterStore> store;
  std::unique_ptr<ExpertSlots> slots;  // null without experts that are placed by load
};

// Keys and values of sequences under generation, of the layers on this rank.
struct RolloutCache {
  std::vector<KvCache> by_chunk;
  void CopySlot(int64_t from, int64_t to, int64_t length);
};

class RankModel {
 public:
  // Collective over the world of `ranks` (not owned, address must stay). seed and type are those of
  // Transformer, sharded that of ParameterStore. The model is on the
  // device of the layout. Throws c10::Error when CheckModelLayout
  // would refuse.
  RankModel(const ModelConfig& config, std::optional<uint64_t> seed, RankGroups& ranks,
            bool sharded, at::ScalarType type = at::kFloat);

  const ModelConfig& config() const { return chunks_.front().model->config(); }
  RankGroups& ranks() const { return ranks_; }
  std::vector<ModelChunk>& chunks() { return chunks_; }  // by number
  const std::vector<ModelChunk>& chunks() const { return chunks_; }

  // Numbers of the chunks in the order of their stages: that in which collectives over the holders
  // of a stage are entered, so that two ranks with the same two stages do not wait for each other.
  std::vector<size_t> ChunksByStage() const;

  // Their stores in that order.
  std::vector<ParameterStore*> StoresByStage() const;

  // Collective over the expert groups; to be called after every change of weights. See ExpertSlots.
  void FillExpertSlots();

  // Places of the pipeline's stages; without steps.
  const Schedule& pipeline() const { return pipeline_; }

  // The proved plan for this many micro-batches of a replica, a number that Layout::Padded returns.
  // forward_only: the forwards alone.
  const Plan& PlanFor(int num_micro_batches, bool forward_only);

  RolloutCache MakeCache(int64_t num_slots, int64_t max_positions) const;

  // Collective over the expert group and over the pipeline, whose ranks give the same arguments.
  // Forward of new tokens, on the host, in a cache, as Transformer::ForwardCached; returns the
  // log-probabilities of the whole vocabulary after the rows `wanted`, [wanted, vocabulary]
  // (undefined if none), on every rank's device. Weights are whole.
  at::Tensor NextLogProbs(const at::Tensor& tokens_t, const std::vector<int64_t>& slots,
                          const std::vector<int64_t>& positions, const std::vector<int64_t>& wanted,
                          double temperature, RolloutCache& cache);

 private:
  RankGroups& ranks_;
  Schedule pipeline_;
  std::vector<ModelChunk> chunks_;
  std::map<std::pair<int, bool>, Plan> plans_;
};

// InvalidArgument, naming the field of the config, when the layers cannot be dealt to the pipeline
// of a layout.
absl::Status CheckModelLayout(const ModelConfig& config, const Layout& layout);

// While it lives, RoundedWeights of every chunk, whose weights are whole.
class RoundedChunks {
 public:
  explicit RoundedChunks(RankModel& model);

 private:
  std::vector<std::unique_ptr<RoundedWeights>> chunks_;
};

}  // namespace deduce
