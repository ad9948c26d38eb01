#include "parallel/pipeline/plan.h"

#include <algorithm>
#include <utility>

namespace deduce {
namespace {

PlanAction WorkOf(const Action& action) {
  return {static_cast<PlanOp>(static_cast<int>(action.work)), action.chunk, action.micro_batch};
}

std::string PartsText(const PlanAction& action, const char* between) {
  std::string text;
  for (const PlanAction& part : action.parts)
    text += (text.empty() ? "" : between) + ActionText(part);
  return text;
}

}  // namespace

std::string ActionText(const PlanAction& action) {
  if (action.op == PlanOp::kForwardAndBackward) return PartsText(action, "&");
  if (action.op == PlanOp::kExchange) return "exchange {" + PartsText(action, ", ") + "}";
  constexpr const char* kWords[] = {"F",
                                    "B",
                                    "I",
                                    "W",
                                    "",
                                    "send activation ",
                                    "receive activation ",
                                    "send gradient ",
                                    "receive gradient ",
                                    "",
                                    "reduce ",
                                    "update ",
                                    "gather weights ",
                                    "release weights "};
  std::string text = kWords[static_cast<int>(action.op)] + std::to_string(action.chunk);
  if (action.op < PlanOp::kReduce) text += "." + std::to_string(action.micro_batch);
  if (IsSend(action.op)) text += " to " + std::to_string(action.peer);
  if (IsReceive(action.op)) text += " from " + std::to_string(action.peer);
  if (action.op == PlanOp::kReduce) text += " over";
  for (const int rank : action.group) text += " " + std::to_string(rank);
  return text;
}

PlanAction ActionOf(const Step& step) {
  const PlanAction first = WorkOf(step.first);
  if (!step.second) return first;
  const PlanAction second = WorkOf(*step.second);
  const bool in_order = first.op == PlanOp::kForward;
  const PlanAction& forward = in_order ? first : second;
  return {.op = PlanOp::kForwardAndBackward,
          .chunk = forward.chunk,
          .micro_batch = forward.micro_batch,
          .parts = {forward, in_order ? second : first}};
}

bool IsSend(PlanOp op) { return op == PlanOp::kSendActivation || op == PlanOp::kSendGradient; }
bool IsReceive(PlanOp op) {
  return op == PlanOp::kReceiveActivation || op == PlanOp::kReceiveGradient;
}

absl::Span<const PlanAction> WorksOf(const PlanAction& action) {
  if (action.op == PlanOp::kForwardAndBackward) return action.parts;
  if (action.op < PlanOp::kForwardAndBackward) return {&action, 1};
  return {};
}

std::vector<int> HoldersOf(const Schedule& schedule, int stage) {
  std::vector<int> holders;
  for (const std::vector<Place>& path : schedule.paths) holders.push_back(path[stage].rank);
  std::sort(holders.begin(), holders.end());
  holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
  return holders;
}

int StageOf(const Schedule& schedule, int rank, const PlanAction& action) {
  return StageOf(schedule, rank, Action{Work::kForward, action.chunk, action.micro_batch});
}

Channel ChannelOf(const Schedule& schedule, int rank, const PlanAction& transfer) {
  const bool sends = IsSend(transfer.op);
  const int step = transfer.op == PlanOp::kSendActivation ? 1
                   : transfer.op == PlanOp::kSendGradient ? -1
                                                          : 0;
  return {
      .from = sends ? rank : transfer.peer,
      .to = sends ? transfer.peer : rank,
      .gradient = transfer.op == PlanOp::kSendGradient || transfer.op == PlanOp::kReceiveGradient,
      .stage = StageOf(schedule, rank, transfer) + step};
}

bool ReadsWeights(PlanOp op) {
  return op == PlanOp::kForward || op == PlanOp::kBackward || op == PlanOp::kInputGradient;
}

}  // namespace deduce
