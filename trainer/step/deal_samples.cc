#include "trainer/step/deal_samples.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "configs/status.h"
#include "data/records/packing.h"
#include "kernels/host_values.h"
#include "trainer/step/step_plan.h"

namespace deduce {
namespace {

at::TensorOptions HostOptions(at::ScalarType type) {
  return at::TensorOptions(at::kCPU).dtype(type);
}

// The samples of this rank's turn.
absl::StatusOr<std::vector<TokenSample>> MakeShare(const Communicator& world, int64_t num_samples,
                                                   const MakeSample& make) {
  std::vector<TokenSample> share;
  for (int64_t i = world.rank(); i < num_samples; i += world.size()) {
    ASSIGN_OR_RETURN(share.emplace_back(), make(i));
  }
  return share;
}

constexpr int64_t kShapeWidth = 4;  // numbers of a SampleShape

void AppendShape(const TokenSample& sample, std::vector<int64_t>& row) {
  row.push_back(static_cast<int64_t>(sample.tokens.size()));
  row.push_back(sample.prompt_length);
  const std::vector<uint8_t>& learned = sample.learned;
  const int64_t all = learned.empty() ? -1 : std::count(learned.begin() + 1, learned.end(), 1);
  row.push_back(all);
  row.push_back(learned.empty() ? -1 : all - learned[1]);
}

// Tokens as they travel: ~token for one that is not learned, where a sample says so.
void AppendTokens(const TokenSample& sample, std::vector<int32_t>& send) {
  for (size_t i = 0; i < sample.tokens.size(); ++i) {
    const bool given = !sample.learned.empty() && sample.learned[i] == 0;
    send.push_back(given ? ~sample.tokens[i] : sample.tokens[i]);
  }
}

TokenSample Received(std::vector<int32_t> tokens, const SampleShape& shape) {
  TokenSample sample{.tokens = std::move(tokens), .prompt_length = shape.prompt_length};
  if (shape.num_learned < 0) return sample;
  for (int32_t& token : sample.tokens) {
    sample.learned.push_back(token >= 0 ? 1 : 0);
    if (token < 0) token = ~token;
  }
  return sample;
}

struct Gathered {
  std::vector<SampleShape> shapes;       // by sample
  std::vector<int64_t> replica_of_rank;  // by world rank
};

// Collective over the world.
Gathered GatherShapes(Communicator& world, int replica, const std::vector<TokenSample>& share,
                      int64_t num_samples) {
  const int64_t ranks = world.size();
  const int64_t width = 1 + kShapeWidth * ((num_samples + ranks - 1) / ranks);
  std::vector<int64_t> row = {replica};
  for (const TokenSample& sample : share) AppendShape(sample, row);
  row.resize(width);  // some ranks have a sample less
  const std::vector<int64_t> rows =
      HostValues<int64_t>(world.AllGather(at::tensor(row, HostOptions(at::kLong))));
  Gathered gathered;
  for (int64_t r = 0; r < ranks; ++r) gathered.replica_of_rank.push_back(rows[r * width]);
  for (int64_t i = 0; i < num_samples; ++i) {
    const int64_t at = i % ranks * width + 1 + kShapeWidth * (i / ranks);
    gathered.shapes.push_back({rows[at], rows[at + 1], rows[at + 2], rows[at + 3]});
  }
  return gathered;
}

// Collective over the world. replica_of: that trains on a sample, by sample. Returns those of this
// rank's replica. Between two ranks samples travel in their order.
std::map<int64_t, TokenSample> SendTokens(Communicator& world,
                                          const std::vector<TokenSample>& share,
                                          const Gathered& gathered,
                                          const std::vector<int>& replica_of) {
  const int ranks = world.size();
  const auto num_samples = static_cast<int64_t>(replica_of.size());
  std::vector<int32_t> send;
  std::vector<int64_t> send_rows(ranks), receive_rows(ranks);
  for (int to = 0; to < ranks; ++to) {
    const size_t before = send.size();
    int64_t i = world.rank();
    for (const TokenSample& sample : share) {
      if (replica_of[i] == gathered.replica_of_rank[to]) AppendTokens(sample, send);
      i += ranks;
    }
    send_rows[to] = static_cast<int64_t>(send.size() - before);
  }
  const int64_t replica = gathered.replica_of_rank[world.rank()];
  for (int64_t i = 0; i < num_samples; ++i) {
    if (replica_of[i] == replica) receive_rows[i % ranks] += gathered.shapes[i].num_tokens;
  }
  const std::vector<int64_t> tokens = HostValues<int64_t>(
      world.AllToAll(at::tensor(send, HostOptions(at::kInt)), send_rows, receive_rows));
  std::map<int64_t, TokenSample> own;
  auto next = tokens.begin();
  for (int from = 0; from < ranks; ++from) {
    for (int64_t i = from; i < num_samples; i += ranks) {
      if (replica_of[i] != replica) continue;
      const SampleShape& shape = gathered.shapes[i];
      own[i] = Received({next, next + shape.num_tokens}, shape);
      next += shape.num_tokens;
    }
  }
  return own;
}

}  // namespace

absl::StatusOr<DealtSamples> DealSamples(RankModel& model, int64_t num_samples,
                                         int64_t micro_batch_tokens, const MakeSample& make) {
  Communicator& world = *model.ranks().world;
  const absl::StatusOr<std::vector<TokenSample>> share = MakeShare(world, num_samples, make);
  RETURN_IF_ERROR(AgreeOnStatus(world, share.status()));
  Gathered gathered = GatherShapes(world, model.ranks().layout.replica(), *share, num_samples);
  std::vector<int64_t> lengths;
  for (const SampleShape& shape : gathered.shapes) lengths.push_back(shape.num_tokens);
  DealtSamples dealt{.micro_batches = PackEvenly(lengths, micro_batch_tokens)};
  std::vector<int> replica_of(num_samples);
  for (size_t m = 0; m < dealt.micro_batches.size(); ++m) {
    for (const int64_t i : dealt.micro_batches[m])
      replica_of[i] = ReplicaOf(model, static_cast<int64_t>(m));
  }
  dealt.own = SendTokens(world, *share, gathered, replica_of);
  dealt.shapes = std::move(gathered.shapes);
  return dealt;
}

}  // namespace deduce
