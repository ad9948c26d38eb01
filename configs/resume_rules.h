// Says what may change in the config of a run that goes on. The past of a run stays what its config
// says it is: a setting that decided what was computed so far is kept, one that decides only what
// comes may change and is recorded, one that decides no number is free. Every field of the schema
// has a class (a test insists).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"

namespace deduce {

// How far a stage of the saved run has come.
struct StageDone {
  int64_t step = 0;       // its newest checkpoint's; 0: it has not begun
  bool over = false;      // its last step is done
  std::string successor;  // a stage that started from its last weights; "": none
  std::string weights;    // its newest, as init_from names them; "": none
};

struct ConfigChange {
  std::string field;     // its path
  std::string from, to;  // as text; "nothing" where there was or is none
  std::string stage;     // from which step of which stage on it holds
  int64_t step = 0;
};

// Compares the saved config of a run with the one it is to go on with; `done` has one entry for
// each saved stage. The changes of class kFromHereOn, in the order of fields. A stage that has not
// begun may change in any field, new stages may follow the old ones, and `steps` may become more
// (or less, down to those done) if the learning rates of the past would be the same and no stage
// has gone on from it. A change must be given by name: a field left out has its default, which here
// only means that it was forgotten. InvalidArgument `FIELD: found X, expected Y...` for any other
// difference; it says how another run starts from the weights that are there.
absl::StatusOr<std::vector<ConfigChange>> ChangesOnResume(const RunConfig& saved,
                                                          const RunConfig& now,
                                                          const std::vector<StageDone>& done);

}  // namespace deduce
