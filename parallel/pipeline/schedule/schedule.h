// A pipeline schedule as data: which rank works on which micro-batch of which stage, in which
// order. Generators (one a file in this folder) make it, parallel/pipeline/simulate times it, and
// nothing in it depends on a model or a transport.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace deduce {

enum class Work : uint8_t {
  kForward,
  kBackward,        // gradients of input and weights at once
  kInputGradient,   // the part that the stage before waits for
  kWeightGradient,  // the part that nobody waits for
};

// F, B, I or W.
char WorkLetter(Work work);

// One micro-batch through one of a rank's chunks.
struct Action {
  Work work = Work::kForward;
  int chunk = 0;
  int micro_batch = 0;
  auto operator<=>(const Action&) const = default;
};

// The work a rank does at once: one action, or a forward and a backward whose communication and
// computation overlap (DualPipe, arXiv 2412.19437, section 3.2.1).
struct Step {
  Action first;
  std::optional<Action> second = {};
  bool operator==(const Step&) const = default;
};

// Where a stage of a micro-batch is worked on.
struct Place {
  int rank = 0;
  int chunk = 0;
  auto operator<=>(const Place&) const = default;
};

struct Schedule {
  std::string name;
  int num_micro_batches = 0;
  int num_chunks = 1;  // a rank's
  // Places of stages 0, 1, ... in order. One path, or two in opposite directions (DualPipe, whose
  // ranks hold two stages each, and each stage lies on two ranks).
  std::vector<std::vector<Place>> paths;
  std::vector<int> path_of;              // of each micro-batch
  std::vector<std::vector<Step>> ranks;  // what each does, in order

  int num_ranks() const { return static_cast<int>(ranks.size()); }
  int num_stages() const { return static_cast<int>(paths.front().size()); }
};

// Stage that an action works on, or -1 when the micro-batch never comes to that chunk of the rank.
int StageOf(const Schedule& schedule, int rank, const Action& action);

// A Schedule without steps in which chunk c of rank r is stage c * num_ranks + r.
Schedule LoopSchedule(std::string name, int num_ranks, int num_chunks, int num_micro_batches);

// One in which a micro-batch goes down the ranks through their chunk 0 and back up through chunk 1.
Schedule VSchedule(std::string name, int num_ranks, int num_micro_batches);

// The schedule repeated so many times; micro-batches are numbered on.
Schedule Repeated(const Schedule& schedule, int times);

// "F0.3" a step (work, chunk, micro-batch), "F0.3&B1.2" for two at once, with spaces between.
std::string StepsText(const std::vector<Step>& steps);

}  // namespace deduce
