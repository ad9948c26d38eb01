#include "parallel/pipeline/schedule/schedule.h"

#include <utility>

namespace deduce {
namespace {

std::string ActionText(const Action& action) {
  return WorkLetter(action.work) + std::to_string(action.chunk) + "." +
         std::to_string(action.micro_batch);
}

}  // namespace

char WorkLetter(Work work) { return "FBIW"[static_cast<int>(work)]; }

int StageOf(const Schedule& schedule, int rank, const Action& action) {
  if (action.micro_batch < 0 || action.micro_batch >= schedule.num_micro_batches) return -1;
  const std::vector<Place>& path = schedule.paths[schedule.path_of[action.micro_batch]];
  for (size_t stage = 0; stage < path.size(); ++stage) {
    if (path[stage] == Place{rank, action.chunk}) return static_cast<int>(stage);
  }
  return -1;
}

Schedule LoopSchedule(std::string name, int num_ranks, int num_chunks, int num_micro_batches) {
  Schedule schedule{.name = std::move(name),
                    .num_micro_batches = num_micro_batches,
                    .num_chunks = num_chunks,
                    .paths = {{}},
                    .path_of = std::vector<int>(num_micro_batches, 0),
                    .ranks = std::vector<std::vector<Step>>(num_ranks)};
  for (int chunk = 0; chunk < num_chunks; ++chunk) {
    for (int rank = 0; rank < num_ranks; ++rank) schedule.paths[0].push_back({rank, chunk});
  }
  return schedule;
}

Schedule VSchedule(std::string name, int num_ranks, int num_micro_batches) {
  Schedule schedule = LoopSchedule(std::move(name), num_ranks, 1, num_micro_batches);
  schedule.num_chunks = 2;
  for (int rank = num_ranks - 1; rank >= 0; --rank) schedule.paths[0].push_back({rank, 1});
  return schedule;
}

Schedule Repeated(const Schedule& schedule, int times) {
  Schedule all = schedule;
  all.num_micro_batches *= times;
  for (int time = 1; time < times; ++time) {
    all.path_of.insert(all.path_of.end(), schedule.path_of.begin(), schedule.path_of.end());
    for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
      for (Step step : schedule.ranks[rank]) {
        step.first.micro_batch += time * schedule.num_micro_batches;
        if (step.second) step.second->micro_batch += time * schedule.num_micro_batches;
        all.ranks[rank].push_back(step);
      }
    }
  }
  return all;
}

std::string StepsText(const std::vector<Step>& steps) {
  std::string text;
  for (const Step& step : steps) {
    if (!text.empty()) text += ' ';
    text += ActionText(step.first);
    if (step.second) text += "&" + ActionText(*step.second);
  }
  return text;
}

}  // namespace deduce
