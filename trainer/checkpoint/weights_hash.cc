#include "trainer/checkpoint/weights_hash.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "trainer/checkpoint/content_hash.h"

namespace deduce {
namespace {

// Collective. The whole of a tensor, [elements], of which every rank holds a piece.
at::Tensor JoinPieces(const TensorSlice& piece, Communicator& ranks) {
  const at::Tensor pieces = ranks.AllGather(piece.data);  // [ranks, elements of a piece]
  if (!piece.columns) return pieces.reshape({-1});
  return pieces.view({pieces.size(0), piece.shape[0], piece.columns->size()})
      .transpose(0, 1)
      .reshape({-1});
}

// Whether a slice is the one that its rank has of as many equal pieces as there are ranks.
bool IsPieceOf(const TensorSlice& slice, int64_t elements, const Communicator& ranks) {
  if (slice.data.numel() * ranks.size() != elements) return false;
  if (!slice.columns) return slice.begin == ranks.rank() * slice.data.numel();
  return slice.begin == 0 && slice.columns->begin == ranks.rank() * slice.columns->size();
}

// "name TAB hash NEWLINE" for each tensor.
std::string LocalHashes(const std::vector<TensorSlice>& tensors, Communicator* ranks) {
  std::string lines;
  for (const TensorSlice& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    at::Tensor whole = tensor.data;
    if (tensor.data.numel() < elements || tensor.columns) {
      TORCH_CHECK(ranks != nullptr && IsPieceOf(tensor, elements, *ranks), tensor.name,
                  ": expected the whole tensor of ", elements, " elements or a rank's piece, got ",
                  RangeText(tensor.range()));
      whole = JoinPieces(tensor, *ranks);
    }
    absl::StrAppend(&lines, tensor.name, "\t", ContentHash(whole), "\n");
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::string> WeightsHash(Communicator& world,
                                        const std::vector<TensorSlice>& local_tensors,
                                        Communicator* tensor) {
  const std::vector<std::string> lines_by_rank =
      world.AllGatherBytes(LocalHashes(local_tensors, tensor));
  std::map<std::string, std::pair<std::string, int>> hashes;  // by name: hash and first rank
  for (int rank = 0; rank < world.size(); ++rank) {
    for (const auto& line : absl::StrSplit(lines_by_rank[rank], '\n', absl::SkipEmpty())) {
      const std::pair<std::string, std::string> entry = absl::StrSplit(line, '\t');
      const auto [found, is_new] = hashes.try_emplace(entry.first, entry.second, rank);
      const auto& [hash, first_rank] = found->second;
      if (hash != entry.second) {
        return absl::InternalError(absl::StrCat(entry.first, ": found hash ", entry.second,
                                                " on rank ", rank, ", expected ", hash,
                                                " as on rank ", first_rank));
      }
    }
  }
  std::string all;
  for (const auto& [name, entry] : hashes) absl::StrAppend(&all, name, "\t", entry.first, "\n");
  return ContentHash(all);
}

}  // namespace deduce
