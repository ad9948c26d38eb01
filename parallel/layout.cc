#include "parallel/layout.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/config.h"
#include "configs/status.h"
#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/prove.h"
#include "parallel/pipeline/schedule/make_schedule.h"
#include "parallel/pipeline/schedule/schedule_text.h"

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

// An axis of the layout, as its field has it.
struct Axis {
  const char* field;
  int64_t size;
};

// "pipeline_parallel 2 x expert_parallel 4", without axes of one rank.
std::string Product(const std::vector<Axis>& axes) {
  std::vector<std::string> factors;
  for (const Axis& axis : axes) {
    if (axis.size != 1) factors.push_back(absl::StrCat(axis.field, " ", axis.size));
  }
  return absl::StrJoin(factors, " x ");
}

// The data axis: as the config says, or what the other axes leave of the ranks.
absl::StatusOr<int64_t> DataParallel(const LayoutConfig& config, int64_t num_ranks) {
  RETURN_IF_ERROR(CheckAxis("virtual_stages", config.virtual_stages(), 0));
  const std::vector<Axis> others = {{"pipeline_parallel", config.pipeline_parallel()},
                                    {"expert_parallel", config.expert_parallel()},
                                    {"context_parallel", config.context_parallel()},
                                    {"tensor_parallel", config.tensor_parallel()}};
  RETURN_IF_ERROR(CheckAxis("data_parallel", config.data_parallel(), 0));
  int64_t product = 1;
  for (const Axis& axis : others) {
    RETURN_IF_ERROR(CheckAxis(axis.field, axis.size, 1));
    product = std::min(product * axis.size, kMaxAxis + 1);
  }
  if (config.data_parallel() == 0) {
    if (num_ranks % product == 0) return num_ranks / product;
    const std::string divisor = absl::StrCat("a divisor of the ", num_ranks, " ranks of this job");
    for (const Axis& axis : others) {
      if (axis.size == product) return Wrong(axis.field, axis.size, divisor);
    }
    return absl::InvalidArgumentError(
        absl::StrCat("layout: found ", Product(others), " = ", product, ", expected ", divisor));
  }
  if (config.data_parallel() * product == num_ranks) return config.data_parallel();
  const std::string rest = product == 1 ? "" : absl::StrCat(" x ", Product(others));
  return absl::InvalidArgumentError(absl::StrCat(
      "layout: found data_parallel ", config.data_parallel(), rest, " = ",
      config.data_parallel() * product, " ranks, expected the ", num_ranks, " ranks of this job"));
}

// Whether gradients can be reduced after every micro-batch, or weights gathered for each use, if
// that is asked for: by all holders of a stage at the same time, and each expert's at home.
absl::Status CheckZeroStage(const LayoutConfig& config, const Layout& layout) {
  const int64_t found = config.zero_stage();
  if (found < 2) return absl::OkStatus();
  if (config.exact() && found == 2)
    return Wrong("zero_stage", found,
                 "at most 1, or 3, with exact: true, whose sums it would not make smaller");
  if (config.rebalance_every() > 0)
    return Wrong("zero_stage", found, "at most 1 with rebalance_every");
  if (layout.Pipeline(layout.Padded(1)).paths.size() > 1) {
    return Wrong("zero_stage", found,
                 absl::StrCat("at most 1 with schedule ", config.schedule(),
                              ", whose two copies of a stage are at different micro-batches"));
  }
  return absl::OkStatus();
}

// Whether exact mode can have the layout, if it is asked for.
absl::Status CheckExact(const LayoutConfig& config, int64_t data_parallel) {
  const bool halves = std::has_single_bit(static_cast<uint64_t>(config.expert_parallel()));
  if (!config.exact() && config.rebalance_every() > 0 && !halves) {
    return Wrong("rebalance_every", config.rebalance_every(),
                 absl::StrCat("0 with expert_parallel ", config.expert_parallel(),
                              ", which is no power of two"));
  }
  if (!config.exact()) return absl::OkStatus();
  const std::vector<Axis> parts = {{"context_parallel", config.context_parallel()},
                                   {"tensor_parallel", config.tensor_parallel()}};
  if (!Product(parts).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout.exact: found true with ", Product(parts),
                     ", expected false: a sum over parts of a sequence has other bits"));
  }
  const int64_t replicas = data_parallel * config.expert_parallel();
  if (std::has_single_bit(static_cast<uint64_t>(replicas))) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "layout.exact: found true with data_parallel ", data_parallel, " x expert_parallel ",
      config.expert_parallel(), " = ", replicas, " replicas, expected a power of two of them"));
}

}  // namespace

absl::StatusOr<Layout> MakeLayout(const LayoutConfig& config, int num_ranks, int rank) {
  TORCH_CHECK(rank >= 0 && rank < num_ranks, "MakeLayout: found rank ", rank, ", expected one of ",
              num_ranks);
  ASSIGN_OR_RETURN(const int64_t data_parallel, DataParallel(config, num_ranks));
  RETURN_IF_ERROR(CheckExact(config, data_parallel));

  Layout layout;
  layout.data_parallel = static_cast<int>(data_parallel);
  layout.expert_parallel = static_cast<int>(config.expert_parallel());
  layout.pipeline_parallel = static_cast<int>(config.pipeline_parallel());
  layout.context_parallel = static_cast<int>(config.context_parallel());
  layout.tensor_parallel = static_cast<int>(config.tensor_parallel());
  layout.gathers_keys = config.context_keys() == LayoutConfig::gathered;
  layout.zero_stage = static_cast<int>(config.zero_stage());
  layout.exact = config.exact();
  RETURN_IF_ERROR(SetSchedule(config, layout));
  RETURN_IF_ERROR(CheckZeroStage(config, layout));
  layout.stage_layers.assign(config.stage_layers().begin(), config.stage_layers().end());
  layout.rebalance_every = config.rebalance_every();
  layout.redundant_experts = static_cast<int>(config.redundant_experts());
  layout.expert_nodes = static_cast<int>(config.expert_nodes());
  layout.device = DeviceOf(config);
  layout.num_ranks = num_ranks;
  layout.rank = rank;
  int rest = rank;
  for (const auto& [axis_rank, size] :
       {std::pair(&layout.tensor_rank, layout.tensor_parallel),
        std::pair(&layout.context_rank, layout.context_parallel),
        std::pair(&layout.data_rank, layout.data_parallel),
        std::pair(&layout.expert_rank, layout.expert_parallel),
        std::pair(&layout.pipeline_rank, layout.pipeline_parallel)}) {
    *axis_rank = rest % size;
    rest /= size;
  }
  return layout;
}

c10::Device DeviceOf(const LayoutConfig& config) {
  return config.device() == LayoutConfig::cuda ? c10::kCUDA : c10::kCPU;
}

absl::Status CheckDevice(const LayoutConfig& config) {
  if (DeviceOf(config).is_cpu() || at::detail::getCUDAHooks().deviceCount() > 0)
    return absl::OkStatus();
  return absl::InvalidArgumentError("layout.device: found 0 CUDA devices, expected at least 1");
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

Layout Layout::WithWholeContexts() const {
  Layout whole = WithCopies(context_parallel, context_rank);
  whole.context_parallel = 1;
  whole.context_rank = 0;
  return whole;
}

Plan MakePlan(const Layout& layout, int num_micro_batches, bool forward_only) {
  Plan plan = MakePlan(layout.Pipeline(num_micro_batches));
  if (forward_only) plan = ForwardPart(std::move(plan));
  return layout.shards_weights() ? WithShardedWeights(std::move(plan)) : plan;
}

}  // namespace deduce
