// Watches the calls of all ranks, and says which rank is why when a job makes no progress.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "parallel/communicator/communicator.h"

namespace deduce {

struct HangWatchOptions {
  // How long a rank may wait in one call for another that computes before the job is ended. After a
  // tenth of it, there is a warning, and a rank that does not answer ends the job. Ranks that
  // contradict each other, or that are gone, end it as soon as that is seen.
  double hang_seconds = 1800;
  // How long a rank is in one call before ranks are first compared; then at twice that, and so on.
  double look_seconds = 2;
  // Called on one rank, on a thread of the watch, with "rank 2 (...): found X, expected Y". By
  // default they print it, and on_hang ends the job with exit code 1.
  std::function<void(const std::string& text)> on_hang = {};
  std::function<void(const std::string& text)> on_warning = {};
};

class HangWatch {
 public:
  // Collective. `world` (of at least two ranks) outlives the watch; the same options on all ranks.
  // An error, the same on all ranks, if they cannot reach each other over TCP.
  static absl::StatusOr<std::unique_ptr<HangWatch>> Start(Communicator& world,
                                                          const HangWatchOptions& options);

  // Waits until all ranks come to it, unless an exception is on its way. MPI must end later.
  ~HangWatch();

  // The communicator to use instead of the one that is watched; same bits.
  Communicator& world();

 private:
  class Running;
  explicit HangWatch(std::unique_ptr<Running> running);
  std::unique_ptr<Running> running_;
};

}  // namespace deduce
