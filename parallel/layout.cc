#include "parallel/layout.h"

#include <c10/util/Exception.h>

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/status.h"
#include "parallel/prove.h"
#include "parallel/schedule/make_schedule.h"
#include "parallel/schedule/schedule_text.h"

namespace deduce {
namespace {

constexpr int64_t kMaxAxis = int64_t{1} << 20;  // keeps products of axes far from overflow

absl::Status Wrong(absl::string_view field, int64_t found, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("layout.", field, ": found ", found, ", expected ", expected));
}

absl::Status CheckAxis(absl::string_view field, int64_t found, int64_t least) {
  if (found < least) return Wrong(field, found, absl::StrCat("at least ", least));
  if (found > kMaxAxis) return Wrong(field, found, absl::StrCat("at most ", kMaxAxis));
  return absl::OkStatus();
}

absl::Status CheckUnsupported(absl::string_view field, int64_t found) {
  return found == 1 ? absl::OkStatus() : Wrong(field, found, "1 (this axis is not supported yet)");
}

const std::string kFilePrefix = "file:";

absl::StatusOr<std::shared_ptr<const Schedule>> ReadSchedule(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path, "schedule"));
  ASSIGN_OR_RETURN(Schedule schedule, ParseSchedule(text, path));
  RETURN_IF_ERROR(Prove(MakePlan(schedule), {}));
  return std::make_shared<const Schedule>(std::move(schedule));
}

// Fills in what the pipeline does.
absl::Status SetSchedule(const LayoutConfig& config, Layout& layout) {
  layout.schedule = config.schedule();
  const int ranks = layout.pipeline_parallel;
  if (!layout.schedule.starts_with(kFilePrefix)) {
    ASSIGN_OR_RETURN(layout.num_chunks,
                     NumChunks(layout.schedule, ranks, static_cast<int>(config.virtual_stages())));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(layout.own_schedule, ReadSchedule(layout.schedule.substr(kFilePrefix.size())));
  const Schedule& own = *layout.own_schedule;
  if (own.num_ranks() != ranks) {
    return Wrong("pipeline_parallel", ranks,
                 absl::StrCat("the ", own.num_ranks(), " ranks of ", own.name));
  }
  if (config.virtual_stages() != 0 && config.virtual_stages() != own.num_chunks) {
    return Wrong("virtual_stages", config.virtual_stages(),
                 absl::StrCat("none, or the ", own.num_chunks, " chunks of ", own.name));
  }
  layout.num_chunks = own.num_chunks;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Layout> MakeLayout(const LayoutConfig& config, int num_ranks, int rank) {
  TORCH_CHECK(rank >= 0 && rank < num_ranks, "MakeLayout: found rank ", rank, ", expected one of ",
              num_ranks);
  RETURN_IF_ERROR(CheckUnsupported("tensor_parallel", config.tensor_parallel()));
  RETURN_IF_ERROR(CheckUnsupported("context_parallel", config.context_parallel()));
  RETURN_IF_ERROR(CheckAxis("data_parallel", config.data_parallel(), 0));
  RETURN_IF_ERROR(CheckAxis("expert_parallel", config.expert_parallel(), 1));
  RETURN_IF_ERROR(CheckAxis("pipeline_parallel", config.pipeline_parallel(), 1));
  RETURN_IF_ERROR(CheckAxis("virtual_stages", config.virtual_stages(), 0));

  const int64_t pipeline_parallel = config.pipeline_parallel();
  const int64_t expert_parallel = config.expert_parallel();
  const int64_t others = pipeline_parallel * expert_parallel;
  if (config.data_parallel() == 0 && num_ranks % others != 0) {
    const std::string divisor = absl::StrCat("a divisor of the ", num_ranks, " ranks of this job");
    if (pipeline_parallel == 1) return Wrong("expert_parallel", expert_parallel, divisor);
    if (expert_parallel == 1) return Wrong("pipeline_parallel", pipeline_parallel, divisor);
    return absl::InvalidArgumentError(
        absl::StrCat("layout: found pipeline_parallel ", pipeline_parallel, " x expert_parallel ",
                     expert_parallel, " = ", others, ", expected ", divisor));
  }
  const int64_t data_parallel =
      config.data_parallel() == 0 ? num_ranks / others : config.data_parallel();
  const int64_t replicas = data_parallel * expert_parallel;
  if (replicas > kMaxAxis || replicas * pipeline_parallel != num_ranks) {
    const std::string pipeline =
        pipeline_parallel == 1 ? "" : absl::StrCat("pipeline_parallel ", pipeline_parallel, " x ");
    return absl::InvalidArgumentError(
        absl::StrCat("layout: found ", pipeline, "data_parallel ", data_parallel,
                     " x expert_parallel ", expert_parallel, " = ", replicas * pipeline_parallel,
                     " ranks, expected the ", num_ranks, " ranks of this job"));
  }
  if (config.exact() && !std::has_single_bit(static_cast<uint64_t>(replicas))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layout.exact: found true with data_parallel ", data_parallel, " x expert_parallel ",
        expert_parallel, " = ", replicas, " replicas, expected a power of two of them"));
  }

  Layout layout;
  layout.data_parallel = static_cast<int>(data_parallel);
  layout.expert_parallel = static_cast<int>(expert_parallel);
  layout.pipeline_parallel = static_cast<int>(pipeline_parallel);
  RETURN_IF_ERROR(SetSchedule(config, layout));
  layout.stage_layers.assign(config.stage_layers().begin(), config.stage_layers().end());
  layout.rebalance_every = config.rebalance_every();
  layout.redundant_experts = static_cast<int>(config.redundant_experts());
  layout.expert_nodes = static_cast<int>(config.expert_nodes());
  layout.num_ranks = num_ranks;
  layout.rank = rank;
  layout.data_rank = rank % layout.data_parallel;
  layout.expert_rank = rank / layout.data_parallel % layout.expert_parallel;
  layout.pipeline_rank = rank / layout.num_replicas();
  return layout;
}

int Layout::num_stages() const {
  if (own_schedule) return own_schedule->num_stages();
  const bool two_copies = schedule == "dualpipe" && pipeline_parallel > 1;
  return pipeline_parallel * (two_copies ? 1 : num_chunks);
}

int Layout::Padded(int num_micro_batches) const {
  if (!own_schedule) return PaddedMicroBatches(schedule, pipeline_parallel, num_micro_batches);
  const int each = own_schedule->num_micro_batches;
  return (num_micro_batches + each - 1) / each * each;
}

Schedule Layout::Pipeline(int num_micro_batches) const {
  if (!own_schedule)
    return MakeSchedule(schedule, pipeline_parallel, num_chunks, num_micro_batches);
  return Repeated(*own_schedule, num_micro_batches / own_schedule->num_micro_batches);
}

Layout Layout::WithCopies(int copies, int copy) const {
  Layout longer = *this;
  longer.data_parallel = data_parallel * copies;
  longer.data_rank = data_rank * copies + copy;
  return longer;
}

}  // namespace deduce
