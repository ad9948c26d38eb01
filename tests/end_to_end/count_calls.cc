// count_calls LAYOUT: what one step of a tiny model sends on each rank of this job, by operation;
// LAYOUT is the text of a `layout` message. For scripts/bench/update_traffic and
// many_ranks_test.py. Prints JSON.
#include <ATen/ops/amax.h>
#include <ATen/ops/tensor.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "parallel/communicator/mpi_communicator.h"
#include "tests/testing/counting_communicator.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

// Collective. The most calls and bytes of any rank, by operation.
nlohmann::ordered_json MostOfAnyRank(Communicator& world, const CallCounts& counts) {
  std::set<std::string> operations;
  std::string own;
  for (const auto& [operation, count] : counts) own += operation + "\n";
  for (const std::string& theirs : world.AllGatherBytes(own)) {
    for (size_t at = 0; at < theirs.size(); at = theirs.find('\n', at) + 1)
      operations.insert(theirs.substr(at, theirs.find('\n', at) - at));
  }
  nlohmann::ordered_json most;
  for (const std::string& operation : operations) {
    const auto found = counts.find(operation);
    const CallCount count = found == counts.end() ? CallCount() : found->second;
    at::Tensor numbers = at::tensor({count.calls, count.bytes}, at::kLong);
    world.AllReduce(numbers, Reduction::kMax);
    most[operation] = {{"calls", numbers[0].item<int64_t>()},
                       {"bytes", numbers[1].item<int64_t>()}};
  }
  return most;
}

void CountCalls(Communicator& world, const std::string& layout) {
  const auto counts = std::make_shared<CallCounts>();
  const auto counted = MakeCountingCommunicator(world, counts);
  TinyTraining training(*counted, LayoutOf(layout), DeepRoutedModel());
  const nlohmann::ordered_json start = MostOfAnyRank(world, *counts);
  StageConfig stage = TinyChunkTrainer();
  stage.mutable_pretrain()->set_samples_per_step(4 * world.size());
  training.Step(stage, 0);
  counts->clear();
  training.Step(stage, 1);
  int64_t elements = 0;
  for (const ModelChunk& chunk : training.model->chunks()) {
    for (const FlatGroup& group : chunk.store->groups()) elements += group.values.numel();
  }
  const nlohmann::ordered_json step = MostOfAnyRank(world, *counts);
  if (world.rank() != 0) return;
  std::cout << nlohmann::ordered_json{{"ranks", world.size()},
                                      {"layout", layout},
                                      {"weights_of_rank_0", elements},
                                      {"start", start},
                                      {"step", step}}
            << std::endl;
}

}  // namespace
}  // namespace deduce

int main(int argc, char** argv) {
  const auto world = deduce::MakeMpiWorld(&argc, &argv);
  if (argc != 2) {
    std::cerr << "usage: count_calls LAYOUT" << std::endl;
    return 2;
  }
  try {
    deduce::CountCalls(*world, argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "count_calls: error: rank " << world->rank() << ": " << error.what() << std::endl;
    world->Abort(1);
  }
}
