// Parameters for tests of the buffers that hold them.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/rank_groups.h"
#include "trainer/model/parameter.h"
#include "trainer/step/flat_group.h"

namespace deduce {

inline Parameter MakeParameter(const std::string& name, int64_t size, bool decay) {
  Parameter parameter;
  parameter.names = {name};
  parameter.value = at::arange(size, at::kFloat);
  parameter.decay = decay;
  return parameter;
}

// A matrix of two and a half blocks, a norm, and a small matrix.
inline std::vector<Parameter> Parameters() {
  std::vector<Parameter> parameters;
  parameters.push_back(MakeParameter("big", kBlockElements * 5 / 2, true));
  parameters.push_back(MakeParameter("norm", 7, false));
  parameters.push_back(MakeParameter("small", 100, true));
  return parameters;
}

inline RankGroups DataParallelRanks(Communicator& world) {
  Layout layout;
  layout.num_ranks = layout.data_parallel = world.size();
  layout.rank = layout.data_rank = world.rank();
  return MakeRankGroups(world, layout);
}

// A layout of a tensor axis and a data axis, and what its ranks hold of two matrices that are split
// by rows and by columns, with a bias and a norm that is whole. Values are those of the whole
// tensors.
struct SplitParameters {
  SplitParameters(Communicator& world, int tensor_parallel) {
    Layout layout;
    layout.num_ranks = world.size();
    layout.rank = world.rank();
    layout.tensor_parallel = tensor_parallel;
    layout.data_parallel = world.size() / tensor_parallel;
    layout.tensor_rank = world.rank() % tensor_parallel;
    layout.data_rank = world.rank() / tensor_parallel;
    ranks = MakeRankGroups(world, layout);
    ParameterFactory factory(3, 0.5, 0, 1, parameters, ComputeType::kFloat32, at::kFloat,
                             layout.tensor_rank, tensor_parallel);
    factory.Matrix("rows", 64, 1200, SplitBy::kRows);
    factory.Norm("norm", 7);
    factory.Bias("bias", 64, SplitBy::kRows);
    factory.Matrix("columns", 500, 128, SplitBy::kColumns);
  }
  std::vector<Parameter> parameters;
  RankGroups ranks;
};

}  // namespace deduce
