#include "parallel/pipeline/executor.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace deduce {
namespace {

// A message between two stages, or a tensor that one chunk leaves for another of the same rank.
struct Message {
  bool gradient = false;
  int stage = 0;  // that it is for
  int micro_batch = 0;
  auto operator<=>(const Message&) const = default;
};

// A tag for each channel between two ranks.
int Tag(const Channel& channel) { return 2 * channel.stage + (channel.gradient ? 1 : 0); }

class RankExecutor {
 public:
  RankExecutor(const Plan& plan, const std::vector<ChunkWork*>& chunks, Communicator& pipeline)
      : schedule_(plan.schedule),
        rank_(pipeline.rank()),
        actions_(plan.ranks.at(rank_)),
        chunks_(chunks),
        pipeline_(pipeline) {}

  void Run(ActionRecorder* recorder) {
    for (const PlanAction& action : actions_) {
      const ActionScope scope(pipeline_, ActionText(action));
      const bool is_ours = action.op != PlanOp::kUpdate;
      const ActionRecorder::Scope recorded(is_ours ? recorder : nullptr, action);
      Do(action);
    }
    for (auto& [channel, send] : sending_) send.transfer->Release();
    TORCH_CHECK(here_.empty(), "Execute: found ", here_.size(),
                " tensors that nobody used, expected none");
  }

 private:
  struct UnderWay {
    at::Tensor tensor;
    std::unique_ptr<Transfer> transfer;
  };

  int Stage(const PlanAction& action) const { return StageOf(schedule_, rank_, action); }

  static Message MessageOf(const Channel& channel, const PlanAction& transfer) {
    return {channel.gradient, channel.stage, transfer.micro_batch};
  }

  void Exchange(const PlanAction& exchange) {
    std::vector<PointToPoint> messages;
    for (const PlanAction& transfer : exchange.parts) {
      const Channel channel = ChannelOf(schedule_, rank_, transfer);
      const bool sends = IsSend(transfer.op);
      messages.push_back({.direction = sends ? PointToPoint::kSend : PointToPoint::kReceive,
                          .tensor = sends ? ToSend(channel, transfer) : ToReceive(transfer),
                          .peer = transfer.peer,
                          .tag = Tag(channel)});
    }
    std::vector<std::unique_ptr<Transfer>> transfers = pipeline_.Exchange(messages);
    for (size_t i = 0; i < transfers.size(); ++i) {
      const PlanAction& transfer = exchange.parts[i];
      const Channel channel = ChannelOf(schedule_, rank_, transfer);
      UnderWay& under_way =
          IsSend(transfer.op) ? sending_[channel] : receiving_[MessageOf(channel, transfer)];
      under_way = {messages[i].tensor, std::move(transfers[i])};
    }
  }

  // Once the send before on its channel is over.
  at::Tensor ToSend(const Channel& channel, const PlanAction& transfer) {
    const auto before = sending_.find(channel);
    if (before != sending_.end()) {
      before->second.transfer->Release();
      sending_.erase(before);
    }
    return Take(MessageOf(channel, transfer)).contiguous();
  }

  at::Tensor ToReceive(const PlanAction& transfer) {
    ChunkWork& chunk = *chunks_.at(transfer.chunk);
    return transfer.op == PlanOp::kReceiveGradient ? chunk.EmptyOutput(transfer.micro_batch)
                                                   : chunk.EmptyInput(transfer.micro_batch);
  }

  void Receive(const PlanAction& action) {
    const Message message = MessageOf(ChannelOf(schedule_, rank_, action), action);
    const auto found = receiving_.find(message);
    TORCH_CHECK(found != receiving_.end(), "Execute: found ", ActionText(action),
                " of what no exchange has begun, expected one before");
    found->second.transfer->Wait();
    here_[message] = std::move(found->second.tensor);
    receiving_.erase(found);
  }

  at::Tensor Take(const Message& message) {
    const auto found = here_.find(message);
    TORCH_CHECK(found != here_.end(), "Execute: found no ",
                message.gradient ? "gradient" : "activation", " of micro-batch ",
                message.micro_batch, " for stage ", message.stage, ", expected one");
    at::Tensor tensor = std::move(found->second);
    here_.erase(found);
    return tensor;
  }

  // Work that has both neighbours: takes from one side, leaves for the other.
  at::Tensor TakeInput(bool gradient, int stage, int micro_batch) {
    const bool at_end = gradient ? stage == schedule_.num_stages() - 1 : stage == 0;
    return at_end ? at::Tensor() : Take({gradient, stage, micro_batch});
  }
  void Leave(bool gradient, int stage, int micro_batch, at::Tensor tensor) {
    const int next = gradient ? stage - 1 : stage + 1;
    if (next < 0 || next == schedule_.num_stages()) return;
    here_[{gradient, next, micro_batch}] = std::move(tensor);
  }

  void DoPair(const PlanAction& forward, const PlanAction& backward) {
    const int from = Stage(forward), back = Stage(backward);
    const int m = forward.micro_batch, n = backward.micro_batch;
    ChunkWork::PairResult result =
        chunks_.at(forward.chunk)
            ->ForwardAndBackward({m, TakeInput(false, from, m), n, TakeInput(true, back, n)},
                                 *chunks_.at(backward.chunk));
    Leave(false, from, m, std::move(result.output));
    Leave(true, back, n, std::move(result.grad_input));
  }

  void Do(const PlanAction& action) {
    ChunkWork& chunk = *chunks_.at(action.chunk);
    const int stage = Stage(action);
    const int m = action.micro_batch;
    switch (action.op) {
      case PlanOp::kForward:
        return Leave(false, stage, m, chunk.Forward(m, TakeInput(false, stage, m)));
      case PlanOp::kBackward:
        return Leave(true, stage, m, chunk.Backward(m, TakeInput(true, stage, m)));
      case PlanOp::kInputGradient:
        return Leave(true, stage, m, chunk.InputGradient(m, TakeInput(true, stage, m)));
      case PlanOp::kWeightGradient:
        return chunk.WeightGradient(m);
      case PlanOp::kForwardAndBackward:
        return DoPair(action.parts.at(0), action.parts.at(1));
      case PlanOp::kExchange:
        return Exchange(action);
      case PlanOp::kSendActivation:
      case PlanOp::kSendGradient:
        TORCH_CHECK(false, "Execute: found ", ActionText(action),
                    " by itself, expected it in an exchange");
      case PlanOp::kReceiveActivation:
      case PlanOp::kReceiveGradient:
        return Receive(action);
      case PlanOp::kReduce:
        return chunk.Reduce();
      case PlanOp::kUpdate:
        return;
      case PlanOp::kGatherWeights:
        return chunk.GatherWeights();
      case PlanOp::kReleaseWeights:
        return chunk.ReleaseWeights();
    }
  }

  const Schedule& schedule_;
  const int rank_;
  const std::vector<PlanAction>& actions_;
  const std::vector<ChunkWork*>& chunks_;
  Communicator& pipeline_;
  std::map<Message, at::Tensor> here_;     // made or received, and not used yet
  std::map<Message, UnderWay> receiving_;  // end before what they write
  std::map<Channel, UnderWay> sending_;    // the last of each channel
};

}  // namespace

void Execute(const Plan& plan, const std::vector<ChunkWork*>& chunks, Communicator& pipeline,
             ActionRecorder* recorder) {
  RankExecutor(plan, chunks, pipeline).Run(recorder);
}

}  // namespace deduce
