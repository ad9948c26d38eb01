// Weights that a stage takes from outside its run: another run's stage, a checkpoint, or a Hugging
// Face folder.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "trainer/hugging_face/folder.h"

namespace deduce {

// One of both.
struct OutsideWeights {
  std::string checkpoint;  // its folder; "": none
  std::shared_ptr<const HuggingFaceFolder> folder;
};

// Finds what init_from of stage `index` names; the stage must start outside its run
// (StartsOutside). RUN_DIR#STAGE must be finished, and RUN_DIR alone means its last stage.
// Errors: exit code 2 (another model, naming the field, or tokenizer) or 3 (no such run, stage or
// folder, or the stage is not finished, with the checkpoints that are there). Changes nothing.
absl::StatusOr<OutsideWeights> FindOutsideWeights(const RunConfig& config, int index,
                                                  const Tokenizer& tokenizer);

// Hashes the contents of its weight files. Errors: those of reading.
absl::StatusOr<std::string> HashOfFolder(const HuggingFaceFolder& folder);

}  // namespace deduce
