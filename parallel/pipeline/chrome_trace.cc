#include "parallel/pipeline/chrome_trace.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace deduce {
namespace {

std::string QuotedText(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + "\"";
}

// The category of an action's event: the letter of its work, or a word.
std::string Category(PlanOp op) {
  switch (op) {
    case PlanOp::kForward:
    case PlanOp::kBackward:
    case PlanOp::kInputGradient:
    case PlanOp::kWeightGradient:
      return std::string(1, WorkLetter(static_cast<Work>(op)));
    case PlanOp::kForwardAndBackward:
      return "FB";
    case PlanOp::kSendActivation:
    case PlanOp::kSendGradient:
    case PlanOp::kExchange:
      return "send";
    case PlanOp::kReceiveActivation:
    case PlanOp::kReceiveGradient:
      return "wait";
    case PlanOp::kReduce:
      return "reduce";
    case PlanOp::kUpdate:
      return "update";
    case PlanOp::kGatherWeights:
      return "gather";
    case PlanOp::kReleaseWeights:
      return "release";
  }
  return "";
}

}  // namespace

std::string TraceName(const char* what, int pid, int tid, const std::string& name) {
  return absl::StrFormat(R"({"ph":"M","name":"%s","pid":%d,"tid":%d,"args":{"name":%s}})", what,
                         pid, tid, QuotedText(name));
}

std::string TraceEvent(const PlanAction& action, int pid, int tid, double begin_microseconds,
                       double duration_microseconds) {
  return absl::StrFormat(
      R"({"ph":"X","name":"%s","cat":"%s","pid":%d,"tid":%d,"ts":%.3f,"dur":%.3f,"args":{"chunk":%d,"micro_batch":%d}})",
      ActionText(action), Category(action.op), pid, tid, begin_microseconds, duration_microseconds,
      action.chunk, action.micro_batch);
}

std::string TraceText(const std::string& pieces) {
  return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + pieces + "\n]}\n";
}

std::string ChromeTrace(const Timeline& timeline, int pid, const std::string& process_name,
                        double seconds_of_unit) {
  const double microseconds = 1e6 * seconds_of_unit;
  std::string pieces = TraceName("process_name", pid, 0, process_name);
  for (size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
    const int tid = static_cast<int>(rank);
    absl::StrAppend(&pieces, ",\n",
                    TraceName("thread_name", pid, tid, absl::StrCat("pipeline rank ", rank)));
    for (const TimedStep& timed : timeline.ranks[rank]) {
      absl::StrAppend(&pieces, ",\n",
                      TraceEvent(ActionOf(timed.step), pid, tid, timed.begin * microseconds,
                                 (timed.end - timed.begin) * microseconds));
    }
  }
  return TraceText(pieces);
}

}  // namespace deduce
