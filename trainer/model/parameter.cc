#include "trainer/model/parameter.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <utility>

#include "kernels/random.h"

namespace deduce {
namespace {

// Initial weights are made on the host, so that they have the same bits on every device; those of a
// model that only tells its shapes are made nowhere.
at::TensorOptions HostOptions(const at::TensorOptions& options) {
  const bool without_memory = options.device().is_meta();
  return at::TensorOptions(without_memory ? at::kMeta : at::kCPU).dtype(at::kFloat);
}

void MakeLeaves(Parameter& parameter, int num_sources) {
  parameter.leaves.clear();
  for (int source = 0; source < num_sources; ++source) {
    parameter.leaves.push_back(parameter.forward_value().detach().requires_grad_(true));
  }
}

}  // namespace

void Parameter::Rebind(const at::Tensor& storage, int num_sources) {
  TORCH_CHECK(storage.numel() == value.numel() && storage.is_contiguous() &&
                  storage.scalar_type() == value.scalar_type(),
              names.front(), ": found storage of ", storage.numel(), " elements of type ",
              storage.scalar_type(), ", expected ", value.numel(), " contiguous elements of type ",
              value.scalar_type());
  TORCH_CHECK(num_sources > 0, names.front(), ": found ", num_sources,
              " sources, expected at least 1");
  const at::NoGradGuard no_grad;
  at::Tensor moved = storage.detach().view(value.sizes());
  moved.copy_(value);
  value = std::move(moved);
  MakeLeaves(*this, num_sources);
}

at::Tensor Parameter::Gradient() const {
  at::Tensor sum;
  for (const at::Tensor& leaf : leaves) {
    if (leaf.grad().defined()) sum = sum.defined() ? sum.add(leaf.grad()) : leaf.grad();
  }
  return sum;
}

ParameterRef ParameterFactory::Append(Parameter parameter, int num_sources) {
  parameter.value = parameter.value.to(options_);
  MakeLeaves(parameter, num_sources);
  parameters_.push_back(std::move(parameter));
  return {&parameters_, parameters_.size() - 1};
}

Parameter ParameterFactory::RandomMatrix(const std::string& name, int64_t out, int64_t in) const {
  Parameter parameter;
  parameter.names = {name};
  parameter.value = at::zeros({out, in}, HostOptions(options_));
  parameter.compute = compute_;
  if (seed_) FillNormal(RandomStream(*seed_, name), 0, deviation_, parameter.value);
  return parameter;
}

// Leaves this rank's piece of the whole value. One rank's piece is the whole, which needs no place
// of its own.
void ParameterFactory::Cut(SplitBy split, Parameter& parameter) const {
  if (split == SplitBy::kNone || tensor_ranks_ == 1) return;
  const int64_t dimension = split == SplitBy::kColumns ? 1 : 0;
  const int64_t size = parameter.value.size(dimension);
  TORCH_CHECK(size % tensor_ranks_ == 0, parameter.names.front(), ": found ", size,
              split == SplitBy::kColumns ? " columns" : " rows", ", expected a multiple of the ",
              tensor_ranks_, " tensor ranks");
  const int64_t each = size / tensor_ranks_;
  // A copy, so that the whole is freed.
  parameter.value = parameter.value.narrow(dimension, tensor_rank_ * each, each)
                        .clone(at::MemoryFormat::Contiguous);
  parameter.placement = Placement::kPiece;
  parameter.split = split;
  parameter.piece = tensor_rank_;
  parameter.num_pieces = tensor_ranks_;
}

ParameterRef ParameterFactory::Matrix(const std::string& name, int64_t out, int64_t in,
                                      SplitBy split) {
  Parameter parameter = RandomMatrix(name, out, in);
  Cut(split, parameter);
  return Append(std::move(parameter), 1);
}

ParameterRef ParameterFactory::Embedding(const std::string& name, int64_t out, int64_t in,
                                         int num_ends, bool is_copy) {
  Parameter parameter = RandomMatrix(name, out, in);
  parameter.placement = Placement::kEmbedding;
  parameter.is_copy = is_copy;
  return Append(std::move(parameter), num_ends);
}

ParameterRef ParameterFactory::Norm(const std::string& name, int64_t size) {
  return Vector(name, at::ones({size}, HostOptions(options_)), SplitBy::kNone);
}

ParameterRef ParameterFactory::Bias(const std::string& name, int64_t size, SplitBy split) {
  TORCH_CHECK(split != SplitBy::kColumns, name, ": found a bias split by columns, expected rows");
  return Vector(name, at::zeros({size}, HostOptions(options_)), split);
}

ParameterRef ParameterFactory::Vector(const std::string& name, at::Tensor value, SplitBy split) {
  Parameter parameter;
  parameter.names = {name};
  parameter.value = std::move(value);
  parameter.decay = false;
  Cut(split, parameter);
  return Append(std::move(parameter), 1);
}

ParameterRef ParameterFactory::ExpertStack(const std::string& prefix, const std::string& suffix,
                                           int64_t num_experts, int64_t out, int64_t in,
                                           int64_t routed_layer) {
  TORCH_CHECK(num_experts % expert_ranks_ == 0, prefix, ": found ", num_experts,
              " experts, expected a multiple of the ", expert_ranks_, " expert ranks");
  const int64_t local_experts = num_experts / expert_ranks_;
  Parameter parameter;
  parameter.value = at::zeros({local_experts, out, in}, HostOptions(options_));
  parameter.placement = Placement::kExpertSharded;
  parameter.routed_layer = routed_layer;
  parameter.prefix = prefix;
  parameter.suffix = suffix;
  parameter.compute = compute_;
  for (int64_t local = 0; local < local_experts; ++local) {
    const int64_t expert = expert_rank_ * local_experts + local;
    parameter.names.push_back(prefix + std::to_string(expert) + suffix);
    at::Tensor slice = parameter.value.select(0, local);
    if (seed_) FillNormal(RandomStream(*seed_, parameter.names.back()), 0, deviation_, slice);
  }
  return Append(std::move(parameter), expert_ranks_);
}

RoundedWeights::RoundedWeights(std::vector<Parameter>& parameters) : parameters_(parameters) {
  for (Parameter& parameter : parameters_) {
    if (parameter.compute != ComputeType::kFloat32)
      parameter.rounded = AsOperand(parameter.forward_value(), parameter.compute);
  }
}

RoundedWeights::~RoundedWeights() {
  for (Parameter& parameter : parameters_) parameter.rounded.reset();
}

}  // namespace deduce
