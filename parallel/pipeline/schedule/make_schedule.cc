#include "parallel/pipeline/schedule/make_schedule.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/interleaved.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/schedule/one_rank.h"
#include "parallel/pipeline/schedule/zb_h1.h"
#include "parallel/pipeline/schedule/zbv.h"

namespace deduce {
namespace {

struct Kind {
  std::string_view name;
  int num_chunks;  // the least, and if nothing is asked for
  bool more;       // whether there can be more
  int (*padded)(int num_ranks, int num_micro_batches);
  Schedule (*make)(int num_ranks, int num_chunks, int num_micro_batches);
};

int AnyNumber(int, int n) { return n; }
int TwiceTheRanks(int p, int n) { return std::max(n, 2 * p); }

template <Schedule (*Make)(int, int)>
Schedule WithoutChunks(int p, int, int n) {
  return Make(p, n);
}

constexpr Kind kKinds[] = {
    {"gpipe", 1, true, AnyNumber, Gpipe},
    {"1f1b", 1, false, AnyNumber, WithoutChunks<OneFOneB>},
    {"interleaved_1f1b", 2, true, [](int p, int n) { return (n + p - 1) / p * p; }, Interleaved},
    {"zb_h1", 1, false, AnyNumber, WithoutChunks<ZbH1>},
    {"zbv", 2, false, TwiceTheRanks, WithoutChunks<Zbv>},
    {"dualpipe", 2, false, [](int p, int n) { return TwiceTheRanks(p, n + n % 2); },
     WithoutChunks<DualPipe>},
    {"dualpipev", 2, false, TwiceTheRanks, WithoutChunks<DualPipeV>},
};

const Kind* FindKind(std::string_view name) {
  const auto found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const Kind& kind) { return kind.name == name; });
  return found == std::end(kKinds) ? nullptr : found;
}

const Kind& KnownKind(const std::string& name) {
  const Kind* kind = FindKind(name);
  TORCH_CHECK(kind != nullptr, "MakeSchedule: found ", name, ", expected the name of a schedule");
  return *kind;
}

absl::Status WrongField(std::string_view field, const std::string& found,
                        const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("layout.", std::string(field), ": found ", found, ", expected ", expected));
}

}  // namespace

absl::StatusOr<int> NumChunks(const std::string& name, int num_ranks, int virtual_stages) {
  const Kind* kind = FindKind(name);
  if (kind == nullptr) {
    std::string names;
    for (const Kind& known : kKinds)
      absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(known.name));
    return WrongField("schedule", absl::StrCat("\"", name, "\""), absl::StrCat("one of ", names));
  }
  if (num_ranks == 1 && virtual_stages == 0) return 1;
  const int chunks = virtual_stages != 0 ? virtual_stages : kind->num_chunks;
  const bool more = kind->more || (num_ranks == 1 && name == "1f1b");
  if (more ? chunks < kind->num_chunks : chunks != kind->num_chunks) {
    return WrongField(
        "virtual_stages", absl::StrCat(chunks),
        absl::StrCat(more ? "at least " : "", kind->num_chunks, " with schedule ", name));
  }
  if (name == "dualpipe" && num_ranks > 1 && num_ranks % 2 != 0) {
    return WrongField("pipeline_parallel", absl::StrCat(num_ranks),
                      "an even number with schedule dualpipe");
  }
  return chunks;
}

int PaddedMicroBatches(const std::string& name, int num_ranks, int num_micro_batches) {
  return num_ranks == 1 ? num_micro_batches : KnownKind(name).padded(num_ranks, num_micro_batches);
}

Schedule MakeSchedule(const std::string& name, int num_ranks, int num_chunks,
                      int num_micro_batches) {
  if (num_ranks == 1 && name != "gpipe") return OneRank(num_chunks, num_micro_batches);
  return KnownKind(name).make(num_ranks, num_chunks, num_micro_batches);
}

}  // namespace deduce
