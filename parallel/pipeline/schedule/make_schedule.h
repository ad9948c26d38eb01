// Schedules by the names of config field layout.schedule.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Chunks that a rank has. virtual_stages: what was asked for, or 0. InvalidArgument, naming the
// field, when the name is unknown, the schedule has another number of chunks, or it cannot have
// num_ranks. One rank has nothing to overlap: it has one chunk if nothing was asked for.
absl::StatusOr<int> NumChunks(const std::string& name, int num_ranks, int virtual_stages);

// The least number of micro-batches, not below num_micro_batches, that the schedule can have: what
// is missing is made up with empty ones.
int PaddedMicroBatches(const std::string& name, int num_ranks, int num_micro_batches);

// num_chunks and num_micro_batches as the two functions above return them.
Schedule MakeSchedule(const std::string& name, int num_ranks, int num_chunks,
                      int num_micro_batches);

}  // namespace deduce
