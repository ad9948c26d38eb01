// Values of expressions.
#pragma once

#include <ctime>
#include <functional>

#include "data/text/chat_template/budget.h"
#include "data/text/chat_template/frame.h"
#include "data/text/chat_template/syntax_tree.h"
#include "data/text/chat_template/values/arguments.h"

namespace deduce::jinja {

// The same error with the line it came from, unless it has one already.
absl::Status AtLine(absl::Status status, int line);
// The line of such an error; 0 if it has none.
int LineOf(const absl::Status& status);

// Runs a macro.
using MacroCaller = std::function<absl::StatusOr<Value>(const Function&, const Arguments&)>;

class Evaluator {
 public:
  // `budget` outlives this. `now`: see CallGlobal.
  Evaluator(Budget& budget, std::time_t now, MacroCaller call_macro)
      : budget_(budget), now_(now), call_macro_(std::move(call_macro)) {}

  // Errors: what Python and Jinja would raise, limits, what is not supported; AtLine.
  absl::StatusOr<Value> Evaluate(const Expression& node, Frame& frame);

  // The filter of a block, or a chain of them, on the block's text.
  absl::StatusOr<Value> EvaluateFilter(const Expression& filter, const Value& text, Frame& frame);

  // A call expression, with `extra` as one more argument by name.
  absl::StatusOr<Value> Call(const Expression& call, Frame& frame,
                             const std::pair<std::string, Value>* extra = nullptr);

  // A test of a loop is evaluated for all items before the first round, which Jinja does not do; a
  // namespace, which the rounds may change, must not be read then.
  void set_in_loop_test(bool in_loop_test) { in_loop_test_ = in_loop_test; }
  bool in_loop_test() const { return in_loop_test_; }

 private:
  absl::StatusOr<Value> EvaluateKind(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateArithmetic(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateTest(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateItems(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateDict(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateConditional(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateCompare(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateConcat(const Expression& node, Frame& frame);
  absl::StatusOr<Value> EvaluateSubscript(const Expression& node, Frame& frame);
  absl::StatusOr<Value> Filtered(const std::string& name, const Value& input,
                                 const Arguments& arguments);
  // The parts behind the first.
  absl::StatusOr<Arguments> EvaluateArguments(const Expression& node, Frame& frame);

  Budget& budget_;
  const std::time_t now_;
  const MacroCaller call_macro_;
  bool in_loop_test_ = false;
};

}  // namespace deduce::jinja
