#include "trainer/step/shared_embedding.h"

#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

#include <functional>
#include <memory>

namespace deduce {
namespace {

// The group of a chunk's store that has the embedding: its index, or -1.
int EmbeddingGroup(const ModelChunk& chunk) {
  const std::vector<FlatGroup>& groups = chunk.store->groups();
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].placement == Placement::kEmbedding) return static_cast<int>(g);
  }
  return -1;
}

// Along each path of the pipeline: `take(chunk, group)` at one end goes to `give` at the other.
void Transport(RankModel& model, bool to_first,
               const std::function<at::Tensor(size_t chunk, size_t group)>& tensor_of,
               const std::function<void(at::Tensor& into, const at::Tensor& from)>& give) {
  const c10::NoGradGuard no_grad;
  const Schedule& pipeline = model.pipeline();
  if (!SharesEmbedding(model.config()) || pipeline.num_stages() == 1) return;
  const int rank = model.ranks().layout.pipeline_rank;
  const auto tensor_at = [&](const Place& place) {
    return tensor_of(place.chunk, EmbeddingGroup(model.chunks()[place.chunk]));
  };
  std::vector<at::Tensor> sent;  // live until the transfers are over
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (size_t path = 0; path < pipeline.paths.size(); ++path) {
    const Place first = pipeline.paths[path].front(), last = pipeline.paths[path].back();
    const Place from = to_first ? last : first, to = to_first ? first : last;
    if (from.rank != rank || to.rank == rank) continue;
    sent.push_back(tensor_at(from).contiguous());
    transfers.push_back(model.ranks().pipeline->Send(sent.back(), to.rank, static_cast<int>(path)));
  }
  for (size_t path = 0; path < pipeline.paths.size(); ++path) {
    const Place first = pipeline.paths[path].front(), last = pipeline.paths[path].back();
    const Place from = to_first ? last : first, to = to_first ? first : last;
    if (to.rank != rank) continue;
    at::Tensor into = tensor_at(to);
    if (from.rank == rank) {
      give(into, tensor_at(from));
      continue;
    }
    at::Tensor received = at::empty_like(into);
    model.ranks().pipeline->Receive(received, from.rank, static_cast<int>(path))->Wait();
    give(into, received);
  }
  for (const std::unique_ptr<Transfer>& transfer : transfers) transfer->Wait();
}

}  // namespace

void AddSharedEmbedding(RankModel& model, const std::vector<std::vector<at::Tensor>*>& shards) {
  Transport(
      model, /*to_first=*/true,
      [&](size_t chunk, size_t group) { return shards.at(chunk)->at(group); },
      [](at::Tensor& into, const at::Tensor& from) { into.add_(from); });
}

void CopySharedEmbedding(RankModel& model) {
  Transport(
      model, /*to_first=*/false,
      [&](size_t chunk, size_t group) {
        return model.chunks()[chunk].store->groups()[group].stored();
      },
      [](at::Tensor& into, const at::Tensor& from) { into.copy_(from); });
}

}  // namespace deduce
