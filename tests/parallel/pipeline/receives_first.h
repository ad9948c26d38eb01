// Plans whose receives begin as early as a channel allows, as is best where channels are
// independent.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "parallel/pipeline/plan.h"

namespace deduce {

// The plan with each send and receive by itself: the first receive of each channel at the very
// start, the next one as soon as the one before has been waited for, and a send after what makes
// it.
inline Plan ReceivesFirst(Plan plan) {
  for (size_t rank = 0; rank < plan.ranks.size(); ++rank) {
    std::map<Channel, std::vector<PlanAction>> waits;  // in reverse
    const std::vector<PlanAction> actions = std::move(plan.ranks[rank]);
    for (auto action = actions.rbegin(); action != actions.rend(); ++action) {
      if (IsReceive(action->op))
        waits[ChannelOf(plan.schedule, static_cast<int>(rank), *action)].push_back(*action);
    }
    std::vector<PlanAction> result;
    const auto begin_next = [&](std::vector<PlanAction>& channel) {
      if (channel.empty()) return;
      result.push_back({.op = PlanOp::kExchange, .parts = {channel.back()}});
      channel.pop_back();
    };
    for (auto& [channel, of_channel] : waits) begin_next(of_channel);
    for (const PlanAction& action : actions) {
      if (action.op != PlanOp::kExchange) result.push_back(action);
      if (IsReceive(action.op))
        begin_next(waits[ChannelOf(plan.schedule, static_cast<int>(rank), action)]);
      if (action.op != PlanOp::kExchange) continue;
      for (const PlanAction& transfer : action.parts) {
        if (IsSend(transfer.op)) result.push_back({.op = PlanOp::kExchange, .parts = {transfer}});
      }
    }
    plan.ranks[rank] = std::move(result);
  }
  return plan;
}

}  // namespace deduce
