// The weights of a Hugging Face folder into a model.
#pragma once

#include "absl/status/status.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/step/rank_model.h"

namespace deduce {

// Fills what this rank holds of the model, whose shape must be the folder's; only those tensors are
// read, of a tensor that is split all. Each tensor of the model must be there in its shape, as
// fp32, bf16, fp16 or scaled fp8, all its numbers finite, and each tensor of the files must belong
// to the model; one that repeats another (a tied head) must hold the same bytes. Errors:
// InvalidArgument, `FILE: tensor NAME: found X, expected Y`; DataLoss, naming the file, for one
// that was cut since it was opened. The model is then partly overwritten and must not be used.
absl::Status ReadHuggingFaceWeights(const HuggingFaceFolder& folder, RankModel& model);

// The same for a model of one rank that is thrown away: whether the folder can be loaded.
absl::Status VerifyHuggingFaceWeights(const HuggingFaceFolder& folder);

}  // namespace deduce
