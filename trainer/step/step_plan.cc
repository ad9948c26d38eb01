#include "trainer/step/step_plan.h"

#include "parallel/reduce/gradient_tree.h"

namespace deduce {

StepPlan MakeStepPlan(RankModel& model, int64_t num_micro_batches, bool forward_only) {
  const Layout layout =
      forward_only ? model.ranks().layout.WithWholeContexts() : model.ranks().layout;
  const int64_t replicas = layout.num_replicas();
  const int each = static_cast<int>((num_micro_batches + replicas - 1) / replicas);
  const int padded = layout.Padded(each);
  StepPlan step{model.PlanFor(padded, forward_only), std::vector<int64_t>(padded)};
  const Schedule& schedule = step.plan.schedule;
  const int paths = static_cast<int>(schedule.paths.size());
  for (int path = 0; path < paths; ++path) {
    const Layout copy = layout.WithCopies(paths, path);
    const std::vector<int64_t> order =
        TreeOrder(padded / paths * copy.num_replicas(), copy.replica(), copy.num_replicas());
    size_t next = 0;
    for (int m = 0; m < padded; ++m) {
      if (schedule.path_of[m] == path) step.micro_batch_of[m] = order.at(next++);
    }
  }
  return step;
}

int ReplicaOf(const RankModel& model, int64_t micro_batch) {
  // The paths of a replica r are the copies r * paths, r * paths + 1, ... (Layout::WithCopies).
  const auto paths = static_cast<int64_t>(model.pipeline().paths.size());
  const int64_t copies = model.ranks().layout.num_replicas() * paths;
  return static_cast<int>(micro_batch % copies / paths);
}

}  // namespace deduce
