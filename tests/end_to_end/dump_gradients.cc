// dump_gradients MODEL_DIR TOKENS.json OUT.safetensors COMPUTE: the gradient of the mean negative
// log-probability of a sequence's tokens after the first (the loss of fine-tuning), by logical
// tensor, computed in fp32 or bf16, for hugging_face_test.py to compare.
#include <ATen/TensorOperators.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "configs/status.h"
#include "data/records/packing.h"
#include "trainer/checkpoint/safetensors.h"
#include "trainer/hugging_face/model_folder.h"

namespace deduce {
namespace {

absl::Status DumpGradients(const std::string& dir, const std::string& tokens,
                           const std::string& out, const std::string& compute_name) {
  ModelConfig::Compute compute;
  if (!ModelConfig::Compute_Parse(compute_name, &compute))
    return absl::InvalidArgumentError(compute_name);
  ASSIGN_OR_RETURN(const ModelFolder folder, LoadModelFolder(dir, compute));
  std::ifstream file(tokens);
  const auto ids = nlohmann::json::parse(file).get<std::vector<int32_t>>();
  const PackedBatch batch =
      MakePackedBatch({PackItem{.tokens = ids, .columns = {{Column::kWeight, {1.0F}}}}});
  const at::Tensor hidden_xd = folder.transformer().Forward(batch, /*with_mtp=*/false).hidden_xd;
  const at::Tensor log_prob_x =
      folder.transformer().LogProbs(hidden_xd, batch.targets_x).log_prob_t;
  const double count = static_cast<double>(ids.size() - 1);
  (log_prob_x * batch[Column::kWeight]).sum().div(-count).backward();
  std::vector<NamedTensor> gradients;
  for (const Parameter& parameter : folder.transformer().parameters()) {
    const at::Tensor gradient = parameter.Gradient();
    if (!gradient.defined()) continue;  // of the prediction module
    const bool stack = parameter.placement == Placement::kExpertSharded;
    for (size_t i = 0; i < parameter.names.size(); ++i) {
      gradients.push_back({parameter.names[i],
                           (stack ? gradient[static_cast<int64_t>(i)] : gradient).contiguous()});
    }
  }
  return WriteSafetensors(out, gradients);
}

}  // namespace
}  // namespace deduce

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: dump_gradients MODEL_DIR TOKENS.json OUT.safetensors COMPUTE" << std::endl;
    return 2;
  }
  const absl::Status status = deduce::DumpGradients(argv[1], argv[2], argv[3], argv[4]);
  if (!status.ok()) std::cerr << status << std::endl;
  return status.ok() ? 0 : 1;
}
