// A schedule as a text that a person can write: layout.schedule "file:PATH".
//
//   # Two ranks, a stage each.               what follows a # does not count, nor do empty lines
//   micro_batches: 2                         the first line: numbered 0, 1, ...
//   path 0-1: 0.0 1.0                        of these micro-batches: RANK.CHUNK of stages 0, 1, ...
//   rank 0: F0.0 F0.1 B0.0 B0.1              what a rank does, in order; more lines of it go on
//   rank 1: F0.0 B0.0 F0.1 B0.1
//
// A step is F (forward), B (backward) or its halves I (input gradient) and W (weight gradient),
// then CHUNK.MICRO_BATCH; F0.3&B1.2 are a forward and a backward at once.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// where: what errors call the text, and the schedule's name. Every chunk of every rank must have a
// stage, on one path or on two that share the micro-batches evenly and never a rank at a stage.
// InvalidArgument `WHERE:LINE: found X, expected Y`. That the steps are a schedule is for Prove to
// say.
absl::StatusOr<Schedule> ParseSchedule(const std::string& text, const std::string& where);

// The text of a schedule, which ParseSchedule reads back as it was (but for its name).
std::string ScheduleText(const Schedule& schedule);

}  // namespace deduce
