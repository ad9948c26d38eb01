#include "parallel/pipeline/action_recorder.h"

#include <ATen/ops/scalar_tensor.h>

#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "parallel/pipeline/chrome_trace.h"

namespace deduce {
namespace {

template <typename Clock>
double Now() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

ActionRecorder::Scope::Scope(ActionRecorder* recorder, const PlanAction& action)
    : recorder_(recorder),
      action_(action),
      begin_(recorder == nullptr ? 0 : Now<std::chrono::steady_clock>()) {}

ActionRecorder::Scope::~Scope() {
  if (recorder_ != nullptr)
    recorder_->actions_.push_back({action_, begin_, Now<std::chrono::steady_clock>()});
}

std::string ActionRecorder::TakeTrace(const TraceLane& place, Communicator& world,
                                      const std::string& name) {
  const std::vector<RecordedAction> actions = std::exchange(actions_, {});
  // Seconds of the system clock, which hosts share better than how long they have been up.
  const double shift = Now<std::chrono::system_clock>() - Now<std::chrono::steady_clock>();
  const double first =
      actions.empty() ? std::numeric_limits<double>::infinity() : actions.front().begin + shift;
  const double zero =
      world.AllGather(at::scalar_tensor(first, at::kDouble)).min().item<double>() - shift;
  const int process = place.replica * place.num_parts + place.part;
  const int lane = place.pipeline_rank;
  const std::string part = place.num_parts == 1 ? "" : absl::StrCat(", part ", place.part);
  std::vector<std::string> events;
  if (lane == 0) {
    events.push_back(TraceName("process_name", process, 0,
                               absl::StrCat(name, ", replica ", place.replica, part)));
  }
  events.push_back(TraceName("thread_name", process, lane, absl::StrCat("pipeline rank ", lane)));
  for (const RecordedAction& recorded : actions) {
    events.push_back(TraceEvent(recorded.action, process, lane, 1e6 * (recorded.begin - zero),
                                1e6 * (recorded.end - recorded.begin)));
  }
  const std::vector<std::string> all = world.AllGatherBytes(absl::StrJoin(events, ",\n"));
  return world.rank() == 0 ? TraceText(absl::StrJoin(all, ",\n")) : "";
}

}  // namespace deduce
