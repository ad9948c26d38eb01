#include "parallel/pipeline/executor.h"

#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

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
int Tag(bool gradient, int stage) { return 2 * stage + (gradient ? 1 : 0); }

class RankExecutor {
 public:
  RankExecutor(const Plan& plan, const std::vector<ChunkWork*>& chunks, Communicator& pipeline)
      : schedule_(plan.schedule),
        rank_(pipeline.rank()),
        actions_(plan.ranks.at(rank_)),
        chunks_(chunks),
        pipeline_(pipeline) {
    for (const PlanAction& action : actions_) {
      if (IsReceive(action)) awaited_[ChannelOf(action)].push_back(&action);
    }
    for (auto& [channel, actions] : awaited_) Post(channel);
  }

  void Run(ActionRecorder* recorder) {
    for (const PlanAction& action : actions_) {
      const ActionScope scope(pipeline_, ActionText(action));
      const bool is_ours = action.op != PlanOp::kUpdate;
      const ActionRecorder::Scope recorded(is_ours ? recorder : nullptr, action);
      Do(action);
    }
    for (auto& [channel, send] : sending_) send.transfer->Wait();
    TORCH_CHECK(here_.empty(), "Execute: found ", here_.size(),
                " tensors that nobody used, expected none");
  }

 private:
  using ChannelKey = std::tuple<int, bool, int>;  // peer, gradient, stage that the message is for
  struct UnderWay {
    at::Tensor tensor;
    std::unique_ptr<Transfer> transfer;
  };

  static bool IsReceive(const PlanAction& action) {
    return action.op == PlanOp::kReceiveActivation || action.op == PlanOp::kReceiveGradient;
  }
  static bool IsGradient(const PlanAction& action) {
    return action.op == PlanOp::kReceiveGradient || action.op == PlanOp::kSendGradient;
  }

  int Stage(const PlanAction& action) const { return StageOf(schedule_, rank_, action); }

  // Of a transfer. What this rank receives is for its own stage; what it sends, for a neighbour's.
  Message MessageOf(const PlanAction& action) const {
    const int step = action.op == PlanOp::kSendActivation ? 1
                     : action.op == PlanOp::kSendGradient ? -1
                                                          : 0;
    return {IsGradient(action), Stage(action) + step, action.micro_batch};
  }
  ChannelKey ChannelOf(const PlanAction& action) const {
    const Message message = MessageOf(action);
    return {action.peer, message.gradient, message.stage};
  }

  // Posts a channel's next receive, if there is one left.
  void Post(const ChannelKey& channel) {
    std::deque<const PlanAction*>& actions = awaited_[channel];
    if (actions.empty()) return;
    const PlanAction& action = *actions.front();
    actions.pop_front();
    ChunkWork& chunk = *chunks_.at(action.chunk);
    const bool gradient = IsGradient(action);
    UnderWay& receive = receiving_[channel];
    receive.tensor =
        gradient ? chunk.EmptyOutput(action.micro_batch) : chunk.EmptyInput(action.micro_batch);
    receive.transfer =
        pipeline_.Receive(receive.tensor, action.peer, Tag(gradient, std::get<2>(channel)));
  }

  void Receive(const PlanAction& action) {
    const ChannelKey channel = ChannelOf(action);
    UnderWay receive = std::move(receiving_.at(channel));
    receive.transfer->Wait();
    Post(channel);
    here_[MessageOf(action)] = std::move(receive.tensor);
  }

  void Send(const PlanAction& action) {
    const ChannelKey channel = ChannelOf(action);
    const auto before = sending_.find(channel);
    if (before != sending_.end()) {
      before->second.transfer->Wait();
      sending_.erase(before);
    }
    UnderWay& send = sending_[channel];
    send.tensor = Take(MessageOf(action)).contiguous();
    send.transfer =
        pipeline_.Send(send.tensor, action.peer, Tag(std::get<1>(channel), std::get<2>(channel)));
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
      case PlanOp::kSendActivation:
      case PlanOp::kSendGradient:
        return Send(action);
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
  std::map<ChannelKey, std::deque<const PlanAction*>> awaited_;  // receives not posted yet
  std::map<Message, at::Tensor> here_;                  // made or received, and not used yet
  std::map<ChannelKey, UnderWay> receiving_, sending_;  // end before what they read and write
};

}  // namespace

void Execute(const Plan& plan, const std::vector<ChunkWork*>& chunks, Communicator& pipeline,
             ActionRecorder* recorder) {
  RankExecutor(plan, chunks, pipeline).Run(recorder);
}

}  // namespace deduce
