// Tensors of a Hugging Face folder that are no tensors of our model by themselves.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "configs/model.pb.h"
#include "trainer/model/model_part.h"

namespace deduce {

// Second names of one weight, and the name that the model knows it by: a tied head, and the
// prediction module's embedding and head as DeepSeek's files repeat them.
std::map<std::string, std::string> WeightAliases(const ModelConfig& model);

// Tables that some old files hold and that follow from config.json.
bool IsDerivedTensor(const std::string& name);

// Whether the name is that of a routed expert of the model which another rank holds: one of
// `local_names` but for the number.
bool IsForeignExpert(const std::string& name, const std::set<std::string>& local_names,
                     const ModelConfig& model);

// Whether the name is that of a layer or an end of the model which is in none of these parts.
bool IsOfOtherStage(const std::string& name, const std::vector<ModelPart>& local_parts,
                    const ModelConfig& model);

// Whether the name belongs to the prediction module.
bool IsOfPredictionModule(const std::string& name, const ModelConfig& model);

}  // namespace deduce
