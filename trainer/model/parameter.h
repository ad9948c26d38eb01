// A trainable tensor: what the optimizer, the gradient reduction and the checkpoint need to know of
// it.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/matmul.h"

namespace deduce {

// Where a parameter lives along the axes of a layout; the ranks that its gradient is summed over
// follow from this alone.
enum class Placement {
  kReplicated,     // on every replica, and on every rank that has a part of its tokens
  kExpertSharded,  // split over the expert axis, copied along the data axis and to all parts
  kEmbedding,      // as kReplicated, on two stages of a pipeline: the first and the last
  kPiece           // split over the tensor axis, copied along all others
};

// How the tensor axis splits a tensor into pieces of equal size.
enum class SplitBy { kNone, kRows, kColumns };

struct Parameter {
  // Hugging Face names of its logical tensors. One, except for a stack of experts, whose slices
  // along dimension 0 are logical tensors of their own ("...experts.3.up_proj.weight"): those of
  // this rank's experts.
  std::vector<std::string> names;
  at::Tensor value;  // contiguous; storage may be rebound to a slice of a flat buffer
  Placement placement = Placement::kReplicated;
  // For a kPiece: which piece of how many `value` is.
  SplitBy split = SplitBy::kNone;
  int piece = 0;
  int num_pieces = 1;
  bool decay = true;  // weight decay applies (matrices, not norms and biases)
  ComputeType compute = ComputeType::kFloat32;  // of the products that it is a weight of
  at::Tensor rounded;  // bf16 copy of forward_value() while a RoundedWeights lives; else undefined

  // Autograd leaves that alias `value`: one for a replicated parameter; for experts one per rank of
  // the expert group, because the gradient of each source micro-batch must stay apart until it
  // enters its place in the sum (docs/design/numerics.md). An embedding used at both ends of the
  // model has one for each end that is here, for the same reason.
  std::vector<at::Tensor> leaves;
  // For a stack of experts: the layer among the model part's routed ones, and the text before and
  // after an expert's number in its name.
  int64_t routed_layer = 0;
  std::string prefix, suffix;
  // For a stack whose experts are placed by load: [slots, out, in], copies of those that this rank
  // computes, which leaves alias instead of `value`. Else undefined.
  at::Tensor slots;

  bool is_copy = false;  // of an embedding on the last stage: the first stage updates it

  // Moves value (keeping its contents) into `storage` (contiguous, same type, same number of
  // elements, else c10::Error) and makes `num_sources` new leaves.
  void Rebind(const at::Tensor& storage, int num_sources);

  // The weights that forward reads.
  const at::Tensor& forward_value() const { return slots.defined() ? slots : value; }

  // The sum of the leaves' gradients; undefined if none has one.
  at::Tensor Gradient() const;
};

// Where a layer finds its weight: a place in the model's list, read anew at every forward, so that
// Rebind reaches every layer.
class ParameterRef {
 public:
  ParameterRef() = default;
  ParameterRef(const std::vector<Parameter>* all, size_t index) : all_(all), index_(index) {}
  const at::Tensor& leaf(size_t source = 0) const { return parameter().leaves[source]; }

  // The weight of a product of type compute(): the leaf, or the rounded copy where there is one,
  // which has no gradient: c10::Error when one could be wanted.
  const at::Tensor& weight(size_t source = 0) const {
    const Parameter& found = parameter();
    if (!found.rounded.defined()) return found.leaves[source];
    TORCH_CHECK(!at::GradMode::is_enabled(), found.names.front(),
                ": found a forward with gradients on rounded weights, expected one without");
    return found.rounded;
  }
  ComputeType compute() const { return parameter().compute; }

 private:
  const Parameter& parameter() const { return (*all_)[index_]; }

  const std::vector<Parameter>* all_ = nullptr;
  size_t index_ = 0;
};

// Appends parameters with their initial weights to a model's list (not owned; its address must
// stay). A weight is a function of (seed, logical name) alone, so every layout starts from the same
// bits. Without a seed matrices are zero.
class ParameterFactory {
 public:
  // deviation: of initial matrices; compute: of their products; options: type and device of all
  // parameters, whose numbers are those of kFloat on the CPU whatever they are. The expert rank out
  // of `expert_ranks` holds the stacks' slices, the tensor rank out of `tensor_ranks` the pieces of
  // what is split.
  ParameterFactory(std::optional<uint64_t> seed, double deviation, int expert_rank,
                   int expert_ranks, std::vector<Parameter>& parameters,
                   ComputeType compute = ComputeType::kFloat32,
                   const at::TensorOptions& options = at::kFloat, int tensor_rank = 0,
                   int tensor_ranks = 1)
      : seed_(seed),
        deviation_(deviation),
        expert_rank_(expert_rank),
        expert_ranks_(expert_ranks),
        parameters_(parameters),
        compute_(compute),
        options_(options),
        tensor_rank_(tensor_rank),
        tensor_ranks_(tensor_ranks) {}

  int tensor_ranks() const { return tensor_ranks_; }
  const at::TensorOptions& options() const { return options_; }

  // [out, in], normal numbers; of a split matrix this rank's piece, [out / tensor ranks, in] or
  // [out, in / tensor ranks], cut from the numbers of the whole. Throws c10::Error when the ranks
  // do not divide what they split.
  ParameterRef Matrix(const std::string& name, int64_t out, int64_t in,
                      SplitBy split = SplitBy::kNone);
  // The same for an embedding of which `num_ends` ends of the model are here.
  ParameterRef Embedding(const std::string& name, int64_t out, int64_t in, int num_ends,
                         bool is_copy);
  // [size], ones, without weight decay.
  ParameterRef Norm(const std::string& name, int64_t size);
  // [size], zeros, without weight decay; [size / tensor ranks] when split, by kRows.
  ParameterRef Bias(const std::string& name, int64_t size, SplitBy split = SplitBy::kNone);
  // [local experts, out, in]; expert e of all is named `prefix` + e + `suffix`. Throws c10::Error
  // when the ranks do not divide num_experts.
  ParameterRef ExpertStack(const std::string& prefix, const std::string& suffix,
                           int64_t num_experts, int64_t out, int64_t in, int64_t routed_layer = 0);

 private:
  Parameter RandomMatrix(const std::string& name, int64_t out, int64_t in) const;
  ParameterRef Vector(const std::string& name, at::Tensor value, SplitBy split);
  void Cut(SplitBy split, Parameter& parameter) const;
  ParameterRef Append(Parameter parameter, int num_sources);

  std::optional<uint64_t> seed_;
  double deviation_;
  int expert_rank_;
  int expert_ranks_;
  std::vector<Parameter>& parameters_;
  ComputeType compute_;
  at::TensorOptions options_;
  int tensor_rank_;
  int tensor_ranks_;
};

// While it lives, products in bf16 read copies of the weights, rounded once, instead of rounding
// them at every call, which in a rollout would cost more than its few rows' products. Changes no
// bit. For forwards without gradients, between which no weight changes. A model in fp32 is left
// alone.
class RoundedWeights {
 public:
  explicit RoundedWeights(std::vector<Parameter>& parameters);
  ~RoundedWeights();
  RoundedWeights(const RoundedWeights&) = delete;
  RoundedWeights& operator=(const RoundedWeights&) = delete;

 private:
  std::vector<Parameter>& parameters_;
};

}  // namespace deduce
