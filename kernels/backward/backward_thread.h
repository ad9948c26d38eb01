// On which thread backward runs.
#pragma once

#include <c10/core/AutogradState.h>

namespace deduce {

// While it lives, backward that this thread begins runs on this thread, whatever the device.
// LibTorch would run a device's part on one thread of the process, to which what is set up on this
// one (DeferredWeightGradients, GradientPlaces) is unknown, in an order of its own, and on which
// ranks that are threads would wait for each other's messages for ever.
class BackwardOnThisThread {
 public:
  BackwardOnThisThread() { Enable(false); }
  ~BackwardOnThisThread() { Enable(before_); }
  BackwardOnThisThread(const BackwardOnThisThread&) = delete;
  BackwardOnThisThread& operator=(const BackwardOnThisThread&) = delete;

 private:
  static void Enable(bool threads) {
    c10::AutogradState::get_tls_state().set_multithreading_enabled(threads);
  }
  const bool before_ = c10::AutogradState::get_tls_state().get_multithreading_enabled();
};

}  // namespace deduce
