#include "parallel/pipeline/schedule/schedule_text.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "configs/status.h"

namespace deduce {
namespace {

constexpr int kMaxMicroBatches = 1 << 14;

// Up to seven digits.
std::optional<int> Number(absl::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  int value = 0;
  if (text.empty() || text.size() > 7 || !digits || !absl::SimpleAtoi(text, &value))
    return std::nullopt;
  return value;
}

// Two numbers with `between` between them.
std::optional<std::pair<int, int>> TwoNumbers(absl::string_view text, char between) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(text, absl::MaxSplits(between, 1));
  const std::optional<int> first = Number(halves.first), second = Number(halves.second);
  if (!first || !second) return std::nullopt;
  return std::pair(*first, *second);
}

std::vector<absl::string_view> Words(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 40)) quoted += absl::ascii_isprint(c) ? c : '?';
  return quoted + "\"";
}

class ScheduleParser {
 public:
  ScheduleParser(const std::string& text, const std::string& where) : text_(text) {
    schedule_.name = where;
  }

  absl::StatusOr<Schedule> Run() {
    for (absl::string_view line : absl::StrSplit(text_, '\n')) {
      ++line_;
      line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
      if (!line.empty()) RETURN_IF_ERROR(TakeLine(line));
    }
    if (!places_are_known_) RETURN_IF_ERROR(FinishPlaces());
    return std::move(schedule_);
  }

 private:
  absl::Status Wrong(const std::string& found, const std::string& expected) const {
    return absl::InvalidArgumentError(
        absl::StrCat(schedule_.name, ":", line_, ": found ", found, ", expected ", expected));
  }

  absl::Status TakeLine(absl::string_view line) {
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    const std::vector<absl::string_view> head = Words(halves.first);
    const bool has_body = halves.first.size() < line.size();
    if (schedule_.num_micro_batches == 0) {
      const std::optional<int> number = Number(absl::StripAsciiWhitespace(halves.second));
      if (!has_body || head.size() != 1 || head[0] != "micro_batches" || !number || *number < 1 ||
          *number > kMaxMicroBatches) {
        return Wrong(Quoted(line),
                     absl::StrCat("\"micro_batches: N\" with 1 to ", kMaxMicroBatches));
      }
      schedule_.num_micro_batches = *number;
      schedule_.path_of.assign(*number, -1);
      return absl::OkStatus();
    }
    if (has_body && head.size() == 2 && head[0] == "path") return TakePath(head[1], halves.second);
    if (has_body && head.size() == 2 && head[0] == "rank") return TakeRank(head[1], halves.second);
    return Wrong(Quoted(line), "\"path MICRO_BATCHES: ...\" or \"rank NUMBER: ...\"");
  }

  absl::Status TakePath(absl::string_view range, absl::string_view body) {
    if (places_are_known_) return Wrong("a path after a rank", "paths before ranks");
    std::optional<std::pair<int, int>> ends = TwoNumbers(range, '-');
    if (const std::optional<int> one = Number(range)) ends = std::pair(*one, *one);
    const int last = schedule_.num_micro_batches - 1;
    if (!ends || ends->first > ends->second || ends->second > last)
      return Wrong(Quoted(range), absl::StrCat("FIRST-LAST of the micro-batches 0 to ", last));
    std::vector<Place> path;
    for (const absl::string_view word : Words(body)) {
      const std::optional<std::pair<int, int>> place = TwoNumbers(word, '.');
      if (!place) return Wrong(Quoted(word), "RANK.CHUNK, such as 1.0");
      path.push_back({place->first, place->second});
    }
    for (int m = ends->first; m <= ends->second; ++m) {
      if (schedule_.path_of[m] >= 0)
        return Wrong(absl::StrCat("a second path of micro-batch ", m), "one");
      schedule_.path_of[m] = static_cast<int>(schedule_.paths.size());
    }
    schedule_.paths.push_back(std::move(path));
    return CheckPath();
  }

  // The newest path beside those before it.
  absl::Status CheckPath() {
    const std::vector<Place>& path = schedule_.paths.back();
    if (schedule_.paths.size() > 2) return Wrong("a third path", "one or two");
    if (path.empty()) return Wrong("a path without stages", "RANK.CHUNK of each stage");
    if (path.size() != schedule_.paths.front().size()) {
      return Wrong(absl::StrCat(path.size(), " stages"),
                   absl::StrCat("the ", schedule_.paths.front().size(), " of the first path"));
    }
    for (size_t stage = 0; stage < path.size(); ++stage) {
      const Place place = path[stage];
      if (!places_.insert(place).second) {
        return Wrong(absl::StrCat("place ", place.rank, ".", place.chunk, " again"),
                     "a chunk to have one stage");
      }
      if (schedule_.paths.size() == 2 && schedule_.paths[0][stage].rank == place.rank) {
        return Wrong(absl::StrCat("stage ", stage, " twice on rank ", place.rank),
                     "its two copies on two ranks");
      }
    }
    return absl::OkStatus();
  }

  // Once all paths are there.
  absl::Status FinishPlaces() {
    places_are_known_ = true;
    if (schedule_.num_micro_batches == 0) return Wrong("no micro_batches", "their number");
    const auto lost = std::find(schedule_.path_of.begin(), schedule_.path_of.end(), -1);
    if (lost != schedule_.path_of.end())
      return Wrong(absl::StrCat("no path of micro-batch ", lost - schedule_.path_of.begin()),
                   "one for each micro-batch, before the ranks");
    int ranks = 0;
    for (const Place& place : places_) {
      ranks = std::max(ranks, place.rank + 1);
      schedule_.num_chunks = std::max(schedule_.num_chunks, place.chunk + 1);
    }
    // Not by their product, which may be large.
    size_t index = 0;
    for (const Place& place : places_) {  // by rank, then chunk
      const Place next{static_cast<int>(index / schedule_.num_chunks),
                       static_cast<int>(index % schedule_.num_chunks)};
      if (place != next) return NoStage(next);
      ++index;
    }
    if (index % schedule_.num_chunks != 0)
      return NoStage({ranks - 1, static_cast<int>(index % schedule_.num_chunks)});
    schedule_.ranks.resize(ranks);
    return schedule_.paths.size() == 2 ? CheckTwoPaths() : absl::OkStatus();
  }

  absl::Status NoStage(const Place& place) const {
    return Wrong(
        absl::StrCat("no stage at ", place.rank, ".", place.chunk),
        absl::StrCat("one on each of the ", schedule_.num_chunks, " chunks of every rank"));
  }

  // The two copies of a stage are replicas, of which each has as many micro-batches; and ranks make
  // the groups of their stages in order, so both holders must come to a stage at the same time.
  absl::Status CheckTwoPaths() const {
    const auto first = std::count(schedule_.path_of.begin(), schedule_.path_of.end(), 0);
    if (2 * first != schedule_.num_micro_batches) {
      return Wrong(absl::StrCat(first, " micro-batches on the first path, ",
                                schedule_.num_micro_batches - first, " on the second"),
                   "as many on each");
    }
    std::map<int, int> held;  // by rank: its stages so far
    for (int stage = 0; stage < schedule_.num_stages(); ++stage) {
      const int a = schedule_.paths[0][stage].rank, b = schedule_.paths[1][stage].rank;
      if (held[a]++ != held[b]++) {
        return Wrong(absl::StrCat("stage ", stage, " on ranks ", a, " and ", b),
                     "two ranks that hold as many stages before it");
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeRank(absl::string_view name, absl::string_view body) {
    if (!places_are_known_) RETURN_IF_ERROR(FinishPlaces());
    const std::optional<int> rank = Number(name);
    if (!rank || *rank >= schedule_.num_ranks())
      return Wrong("rank " + Quoted(name), absl::StrCat("0 to ", schedule_.num_ranks() - 1));
    for (const absl::string_view word : Words(body)) {
      const std::vector<absl::string_view> halves = absl::StrSplit(word, '&');
      ASSIGN_OR_RETURN(const Action first, TakeAction(*rank, halves[0]));
      Step step{first};
      if (halves.size() > 1) {
        ASSIGN_OR_RETURN(step.second, TakeAction(*rank, halves[1]));
        const std::set<Work> works = {first.work, step.second->work};
        const bool same =
            first.chunk == step.second->chunk && first.micro_batch == step.second->micro_batch;
        if (halves.size() > 2 || works != std::set{Work::kForward, Work::kBackward} || same)
          return Wrong(Quoted(word), "at once one F and the B of another, as F0.3&B1.2");
      }
      schedule_.ranks[*rank].push_back(step);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Action> TakeAction(int rank, absl::string_view word) const {
    const std::string letters = "FBIW";
    const size_t work = word.empty() ? std::string::npos : letters.find(word[0]);
    const std::optional<std::pair<int, int>> numbers =
        word.empty() ? std::nullopt : TwoNumbers(word.substr(1), '.');
    if (work == std::string::npos || !numbers)
      return Wrong(Quoted(word), "F, B, I or W with CHUNK.MICRO_BATCH, such as F0.3");
    const Action action{static_cast<Work>(work), numbers->first, numbers->second};
    if (StageOf(schedule_, rank, action) < 0) {
      return Wrong(Quoted(word), absl::StrCat("a chunk of rank ", rank,
                                              " and a micro-batch whose path leads there"));
    }
    return action;
  }

  const std::string& text_;
  int line_ = 0;
  Schedule schedule_;
  std::set<Place> places_;
  bool places_are_known_ = false;
};

}  // namespace

absl::StatusOr<Schedule> ParseSchedule(const std::string& text, const std::string& where) {
  return ScheduleParser(text, where).Run();
}

std::string ScheduleText(const Schedule& schedule) {
  std::string text = absl::StrCat("micro_batches: ", schedule.num_micro_batches, "\n");
  for (size_t path = 0; path < schedule.paths.size(); ++path) {
    const auto first =
        std::find(schedule.path_of.begin(), schedule.path_of.end(), static_cast<int>(path));
    const auto last = std::find_if(first, schedule.path_of.end(),
                                   [&](int of) { return of != static_cast<int>(path); });
    absl::StrAppend(&text, "path ", first - schedule.path_of.begin(), "-",
                    last - schedule.path_of.begin() - 1, ":");
    for (const Place& place : schedule.paths[path])
      absl::StrAppend(&text, " ", place.rank, ".", place.chunk);
    text += "\n";
  }
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    absl::StrAppend(&text, "rank ", rank, ": ", StepsText(schedule.ranks[rank]), "\n");
  return text;
}

}  // namespace deduce
