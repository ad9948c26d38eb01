#include "parallel/reduce/make_gradient_reducer.h"

#include "parallel/reduce/bucketed_reducer.h"
#include "parallel/reduce/exact_tree_reducer.h"
#include "parallel/reduce/in_place_reducer.h"

namespace deduce {

std::unique_ptr<GradientReducer> MakeGradientReducer(const Layout& layout) {
  if (layout.exact) return MakeExactTreeReducer();
  if (layout.reduces_each_micro_batch()) return MakeInPlaceReducer();
  return MakeBucketedReducer();
}

}  // namespace deduce
