#include "trainer/weights_hash.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "trainer/content_hash.h"

namespace deduce {
namespace {

// "name TAB hash NEWLINE" for each tensor.
std::string LocalHashes(const std::vector<TensorSlice>& tensors) {
  std::string lines;
  for (const TensorSlice& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    TORCH_CHECK(tensor.begin == 0 && tensor.data.numel() == elements, tensor.name,
                ": expected the whole tensor of ", elements, " elements, got ", tensor.data.numel(),
                " from ", tensor.begin);
    absl::StrAppend(&lines, tensor.name, "\t", ContentHash(tensor.data), "\n");
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::string> WeightsHash(Communicator& world,
                                        const std::vector<TensorSlice>& whole_local_tensors) {
  const std::vector<std::string> lines_by_rank =
      world.AllGatherBytes(LocalHashes(whole_local_tensors));
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
