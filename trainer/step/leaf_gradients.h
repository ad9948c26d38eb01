// Gradients of a flat group's leaves on their way into flat buffers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/backward/weight_gradient.h"
#include "trainer/step/flat_group.h"

namespace deduce {

// Makes kernels put the gradients of one source's leaves of a group where TakeGradients wants them
// in `flat`, which gives the buffer when it is needed.
void PlaceGradients(FlatGroup& group, int source, const std::function<at::Tensor()>& flat,
                    GradientPlaces& places);

// Elements [begin, end) of a buffer of gradients.
struct ElementRun {
  int64_t begin = 0, end = 0;
};

// Copies the gradient of the leaf of one source of group.parameters[parameter] to its place in
// `flat` [gradient_size], unless it is there, and clears it; a leaf without gradient contributes
// zeros. Returns the place.
ElementRun TakeGradient(FlatGroup& group, size_t parameter, int source, at::Tensor& flat);

// The same for all parameters of the group.
void TakeGradients(FlatGroup& group, int source, at::Tensor& flat);

// While it lives, backward calls on_final(i) as soon as the gradient of that source's leaf of
// group.parameters[i] is final. Only on the thread that made this: where backward runs on another,
// nothing is called. Leaves without gradient are not reported.
class FinalGradients {
 public:
  FinalGradients(FlatGroup& group, int source,
                 const std::function<void(size_t parameter)>& on_final);
  ~FinalGradients();
  FinalGradients(const FinalGradients&) = delete;
  FinalGradients& operator=(const FinalGradients&) = delete;

 private:
  std::vector<at::Tensor> leaves_;
};

}  // namespace deduce
