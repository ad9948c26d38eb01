#include "trainer/hugging_face/read_weights.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "parallel/rank_groups.h"
#include "trainer/hugging_face/check_shapes.h"
#include "trainer/hugging_face/weight_codec.h"
#include "trainer/hugging_face/weight_names.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

using Tensor = WeightFiles::Tensor;

// Bytes that are read at once.
constexpr int64_t kPieceBytes = int64_t{1} << 22;

// Calls use(first element, bytes) with piece after piece of a tensor.
template <typename Use>
absl::Status ForEachPiece(const Tensor& tensor, const Use& use) {
  std::vector<char> piece(std::min(tensor.size, kPieceBytes));
  const auto item = static_cast<int64_t>(c10::elementSize(tensor.dtype));
  for (int64_t at = 0; at < tensor.size; at += kPieceBytes) {
    const auto size = static_cast<size_t>(std::min(kPieceBytes, tensor.size - at));
    RETURN_IF_ERROR(tensor.Read(at, {piece.data(), size}));
    RETURN_IF_ERROR(use(at / item, std::string_view(piece.data(), size)));
  }
  return absl::OkStatus();
}

// Multiplies fp8 codes, all elements of a matrix, by the scales of their blocks.
absl::Status Scale(const HuggingFaceFolder& folder, const Tensor& tensor, const std::string& name,
                   at::Tensor& whole) {
  if (tensor.shape.size() != 2) {
    return TensorError(tensor.path, name, ShownTensor(tensor), "F8_E4M3 for matrices only");
  }
  const std::string scale_name = name + kScaleSuffix;
  const Tensor* scales = folder.weights.Find(scale_name);
  const std::vector<int64_t> shape = ScaleShape(tensor.shape);
  if (scales == nullptr || scales->dtype != at::kFloat || scales->shape != shape) {
    return TensorError(tensor.path, scale_name, scales ? ShownTensor(*scales) : "nothing",
                       absl::StrCat("F32 ", ShapeText(shape), " beside F8_E4M3"));
  }
  std::vector<char> bytes(scales->size);
  RETURN_IF_ERROR(scales->Read(0, bytes));
  ApplyBlockScales({bytes.data(), bytes.size()}, tensor.shape, whole);
  return absl::OkStatus();
}

// All elements of a tensor in fp32, [elements].
absl::Status Decode(const HuggingFaceFolder& folder, const Tensor& tensor, const std::string& name,
                    at::Tensor& whole) {
  const auto decode = [&](int64_t first, std::string_view bytes) {
    const auto count = static_cast<int64_t>(bytes.size() / c10::elementSize(tensor.dtype));
    at::Tensor part = whole.narrow(0, first, count);
    DecodeWeights(bytes, tensor.dtype, part);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachPiece(tensor, decode));
  if (tensor.dtype == at::kFloat8_e4m3fn) RETURN_IF_ERROR(Scale(folder, tensor, name, whole));
  if (AllFinite(whole)) return absl::OkStatus();
  return TensorError(tensor.path, name, "NaN or infinity", "finite numbers");
}

absl::Status ReadOne(const HuggingFaceFolder& folder, const TensorSlice& slice) {
  ASSIGN_OR_RETURN(const Tensor* tensor,
                   FindTensor(folder.weights, folder.dir, slice.name, slice.shape));
  if (!IsWeightDtype(tensor->dtype)) {
    return TensorError(tensor->path, slice.name, ShownTensor(*tensor), "F32, BF16, F16 or F8_E4M3");
  }
  const int64_t elements = tensor->size / static_cast<int64_t>(c10::elementSize(tensor->dtype));
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
  const absl::Status other = TensorError(tensor.path, name, "other contents",
                                         absl::StrCat("those of ", of, ", which it stands for"));
  if (tensor.dtype != original.dtype || tensor.shape != original.shape) return other;
  std::vector<char> expected;
  return ForEachPiece(tensor, [&](int64_t first, std::string_view bytes) -> absl::Status {
    expected.resize(bytes.size());
    const auto item = static_cast<int64_t>(c10::elementSize(tensor.dtype));
    RETURN_IF_ERROR(original.Read(first * item, expected));
    return std::equal(bytes.begin(), bytes.end(), expected.begin()) ? absl::OkStatus() : other;
  });
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
      return TensorError(tensor.path, name, ShownTensor(tensor),
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
