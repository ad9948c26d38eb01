#include "parallel/chrome_trace.h"

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

std::string MetadataEvent(const char* what, int pid, int tid, const std::string& name) {
  return absl::StrFormat(R"({"ph":"M","name":"%s","pid":%d,"tid":%d,"args":{"name":%s}})", what,
                         pid, tid, QuotedText(name));
}

std::string CompleteEvent(const Action& action, const TimedStep& timed, int pid, int tid,
                          double microseconds) {
  return absl::StrFormat(
      R"({"ph":"X","name":"%s","cat":"%c","pid":%d,"tid":%d,"ts":%.3f,"dur":%.3f,"args":{"chunk":%d,"micro_batch":%d}})",
      StepsText({{action}}), WorkLetter(action.work), pid, tid, timed.begin * microseconds,
      (timed.end - timed.begin) * microseconds, action.chunk, action.micro_batch);
}

}  // namespace

std::string ChromeTrace(const Timeline& timeline, int pid, const std::string& process_name,
                        double seconds_of_unit) {
  const double microseconds = 1e6 * seconds_of_unit;
  std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" +
                     MetadataEvent("process_name", pid, 0, process_name);
  for (size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
    const int tid = static_cast<int>(rank);
    absl::StrAppend(&text, ",\n",
                    MetadataEvent("thread_name", pid, tid, absl::StrCat("pipeline rank ", rank)));
    for (const TimedStep& timed : timeline.ranks[rank]) {
      absl::StrAppend(&text, ",\n", CompleteEvent(timed.step.first, timed, pid, tid, microseconds));
      if (!timed.step.second) continue;
      absl::StrAppend(&text, ",\n",
                      CompleteEvent(*timed.step.second, timed, pid, tid, microseconds));
    }
  }
  return text + "\n]}\n";
}

}  // namespace deduce
