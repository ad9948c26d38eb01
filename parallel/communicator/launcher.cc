#include "parallel/communicator/launcher.h"

#include <cstdlib>
#include <initializer_list>

#include "absl/strings/numbers.h"

namespace deduce {
namespace {

// The first of these variables that holds a whole number.
std::optional<int> FirstNumber(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    int number = 0;
    if (text != nullptr && absl::SimpleAtoi(text, &number)) return number;
  }
  return std::nullopt;
}

}  // namespace

std::optional<LaunchedRank> ReadLaunchedRank() {
  const std::optional<int> rank = FirstNumber({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"});
  if (!rank) return std::nullopt;
  return LaunchedRank{.rank = *rank,
                      .num_ranks = FirstNumber({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}).value_or(0),
                      .num_ranks_here = FirstNumber({"OMPI_COMM_WORLD_LOCAL_SIZE"}).value_or(0)};
}

}  // namespace deduce
