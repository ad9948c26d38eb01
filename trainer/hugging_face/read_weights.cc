#include "trainer/hugging_face/read_weights.h"

#include <ATen/ops/empty.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "parallel/rank_groups.h"
#include "trainer/checkpoint/strict_json.h"
#include "trainer/hugging_face/weight_codec.h"
#include "trainer/hugging_face/weight_names.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

using Tensor = WeightFiles::Tensor;

absl::Status TensorError(const std::string& path, const std::string& name, const std::string& found,
                         const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", QuotedName(name), ": found ",
                                                 found, ", expected ", expected));
}

std::string Shown(const Tensor& tensor) {
  return absl::StrCat(SafetensorsDtype(tensor.dtype), " ", ShapeText(tensor.shape));
}

// All elements of a tensor in fp32, [elements].
absl::Status Decode(const HuggingFaceFolder& folder, const Tensor& tensor, const std::string& name,
                    at::Tensor& whole) {
  DecodeWeights(tensor.bytes, tensor.dtype, whole);
  if (tensor.dtype != at::kFloat8_e4m3fn) return absl::OkStatus();
  if (tensor.shape.size() != 2) {
    return TensorError(tensor.path, name, Shown(tensor), "F8_E4M3 for matrices only");
  }
  const std::string scale_name = name + kScaleSuffix;
  const Tensor* scales = folder.weights.Find(scale_name);
  const std::vector<int64_t> shape = ScaleShape(tensor.shape);
  if (scales == nullptr || scales->dtype != at::kFloat || scales->shape != shape) {
    return TensorError(tensor.path, scale_name, scales ? Shown(*scales) : "nothing",
                       absl::StrCat("F32 ", ShapeText(shape), " beside F8_E4M3"));
  }
  ApplyBlockScales(scales->bytes, tensor.shape, whole);
  return absl::OkStatus();
}

absl::Status ReadOne(const HuggingFaceFolder& folder, const TensorSlice& slice) {
  const Tensor* tensor = folder.weights.Find(slice.name);
  if (tensor == nullptr) {
    return TensorError(folder.dir, slice.name, "nothing",
                       absl::StrCat("a tensor of shape ", ShapeText(slice.shape)));
  }
  if (tensor->shape != slice.shape) {
    return TensorError(tensor->path, slice.name, Shown(*tensor),
                       absl::StrCat("the shape ", ShapeText(slice.shape)));
  }
  if (!IsWeightDtype(tensor->dtype)) {
    return TensorError(tensor->path, slice.name, Shown(*tensor), "F32, BF16, F16 or F8_E4M3");
  }
  const auto elements =
      static_cast<int64_t>(tensor->bytes.size() / c10::elementSize(tensor->dtype));
  if (slice.data.numel() == elements && slice.data.is_cpu()) {
    at::Tensor whole = slice.data;
    return Decode(folder, *tensor, slice.name, whole);
  }
  // Decoded on the host, and whole: scales are of blocks that a piece may cut.
  at::Tensor whole = at::empty({elements}, at::kFloat);
  RETURN_IF_ERROR(Decode(folder, *tensor, slice.name, whole));
  at::Tensor into = slice.data;
  if (slice.columns) {
    whole = whole.view(slice.shape).narrow(1, slice.columns->begin, slice.columns->size());
  }
  into.copy_(whole.reshape({-1}).narrow(0, slice.begin, into.numel()));
  return absl::OkStatus();
}

// A second name of a weight must not say something else.
absl::Status CheckAlias(const HuggingFaceFolder& folder, const std::string& name,
                        const std::string& of) {
  const Tensor& tensor = *folder.weights.Find(name);
  const Tensor& original = *folder.weights.Find(of);
  const bool same = tensor.dtype == original.dtype && tensor.shape == original.shape &&
                    tensor.bytes == original.bytes;
  return same ? absl::OkStatus()
              : TensorError(tensor.path, name, "other contents",
                            absl::StrCat("those of ", of, ", which it stands for"));
}

bool IsScaleOfFp8(const HuggingFaceFolder& folder, const std::string& name) {
  if (!name.ends_with(kScaleSuffix)) return false;
  const Tensor* scaled =
      folder.weights.Find(name.substr(0, name.size() + 1 - sizeof(kScaleSuffix)));
  return scaled != nullptr && scaled->dtype == at::kFloat8_e4m3fn;
}

}  // namespace

absl::Status ReadHuggingFaceWeights(const HuggingFaceFolder& folder, RankModel& model) {
  std::set<std::string> own;
  std::vector<ModelPart> parts;
  for (ModelChunk& chunk : model.chunks()) {
    parts.push_back(chunk.model->part());
    chunk.store->AllocateWeights();
    for (const TensorSlice& slice : HeldTensors(chunk)) {
      RETURN_IF_ERROR(ReadOne(folder, slice));
      own.insert(slice.name);
    }
    chunk.store->ReleaseWeights();
  }
  const auto aliases = WeightAliases(model.config());
  for (const auto& [name, tensor] : folder.weights.tensors()) {
    if (own.count(name) > 0 || IsDerivedTensor(name) || IsScaleOfFp8(folder, name) ||
        IsForeignExpert(name, own, model.config()) || IsOfOtherStage(name, parts, model.config())) {
      continue;
    }
    const auto alias = aliases.find(name);
    if (alias == aliases.end()) {
      return TensorError(tensor.path, name, Shown(tensor),
                         "only tensors of the model that config.json describes");
    }
    RETURN_IF_ERROR(CheckAlias(folder, name, alias->second));
  }
  return absl::OkStatus();
}

absl::Status VerifyHuggingFaceWeights(const HuggingFaceFolder& folder) {
  const std::unique_ptr<Communicator> world = MakeOneMemberCommunicator();
  RankGroups ranks = MakeRankGroups(*world, Layout{});
  RankModel model(folder.model, /*seed=*/std::nullopt, ranks, /*sharded=*/true);
  return ReadHuggingFaceWeights(folder, model);
}

}  // namespace deduce
