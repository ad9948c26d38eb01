// The tensors that a model has, compared with the headers of files before memory is taken for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/model.pb.h"
#include "trainer/hugging_face/weight_files.h"

namespace deduce {

// InvalidArgument, `PATH: tensor NAME: found X, expected Y`.
absl::Status TensorError(const std::string& path, const std::string& name, const std::string& found,
                         const std::string& expected);

// As "F32 [2, 3]".
std::string ShownTensor(const WeightFiles::Tensor& tensor);

// The tensor of this name and shape. Errors name it; `dir` stands for the files where it is absent.
absl::StatusOr<const WeightFiles::Tensor*> FindTensor(const WeightFiles& weights,
                                                      const std::string& dir,
                                                      const std::string& name,
                                                      const std::vector<int64_t>& shape);

// Whether the files hold each tensor of `model` in its shape. Takes memory for the names of at most
// as many tensors as the files have, whatever the numbers of the config are. Errors: FindTensor's,
// and for more layers or experts than there are tensors.
absl::Status CheckShapes(const ModelConfig& model, const WeightFiles& weights,
                         const std::string& dir);

}  // namespace deduce
