#include "data/text/chat_template/evaluator.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/filters.h"
#include "data/text/chat_template/globals.h"
#include "data/text/chat_template/values/methods.h"
#include "data/text/chat_template/values/operators.h"
#include "data/text/chat_template/values/python_repr.h"
#include "data/text/chat_template/values/python_text.h"
#include "data/text/chat_template/values/subscript.h"
#include "data/text/chat_template/values/value_tests.h"

namespace deduce::jinja {
namespace {

using K = Expression::Kind;

constexpr char kLinePayload[] = "deduce/template_line";

// Values that a template makes may be so large.
absl::Status CheckSize(const Value& value) {
  RETURN_IF_ERROR(CheckTextSize(value.weight()));
  const bool container = value.is_sequence() || value.is(Kind::kDict) || value.is(Kind::kIterator);
  if (container && value.nesting() > kMaxNesting) {
    return Unsupported(
        "a container that holds a namespace, a function, or more than 100 levels of containers");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AtLine(absl::Status status, int line) {
  if (!status.ok() && !status.GetPayload(kLinePayload)) {
    status.SetPayload(kLinePayload, absl::Cord(absl::StrCat(line)));
  }
  return status;
}

int LineOf(const absl::Status& status) {
  const absl::optional<absl::Cord> line = status.GetPayload(kLinePayload);
  return line ? std::stoi(std::string(*line)) : 0;
}

absl::StatusOr<Value> Evaluator::Evaluate(const Expression& node, Frame& frame) {
  absl::Status status = budget_.Enter();
  if (status.ok()) {
    absl::StatusOr<Value> value = EvaluateKind(node, frame);
    status = value.ok() ? CheckSize(*value) : value.status();
    --budget_.depth;
    if (status.ok()) return value;
  }
  return AtLine(std::move(status), node.line);
}

absl::StatusOr<Value> Evaluator::EvaluateKind(const Expression& node, Frame& frame) {
  switch (node.kind) {
    case K::kConstant:
      return node.constant;
    case K::kName:
      RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(frame.num_names())));
      return frame.Get(node.name);
    case K::kTuple:
    case K::kList:
      return EvaluateItems(node, frame);
    case K::kDict:
      return EvaluateDict(node, frame);
    case K::kConditional:
      return EvaluateConditional(node, frame);
    case K::kOr:
    case K::kAnd: {
      ASSIGN_OR_RETURN(const Value left, Evaluate(*node.parts[0], frame));
      return left.Truthy() == (node.kind == K::kOr) ? left : Evaluate(*node.parts[1], frame);
    }
    case K::kNot: {
      ASSIGN_OR_RETURN(const Value value, Evaluate(*node.parts[0], frame));
      return Value::Bool(!value.Truthy());
    }
    case K::kCompare:
      return EvaluateCompare(node, frame);
    case K::kArithmetic:
      return EvaluateArithmetic(node, frame);
    case K::kSigned: {
      ASSIGN_OR_RETURN(const Value value, Evaluate(*node.parts[0], frame));
      return Signed(node.name, value);
    }
    case K::kConcat:
      return EvaluateConcat(node, frame);
    case K::kAttribute:
    case K::kItem:
    case K::kSlice:
      return EvaluateSubscript(node, frame);
    case K::kCall:
      return Call(node, frame);
    case K::kFilter: {
      ASSIGN_OR_RETURN(const Value input, Evaluate(*node.parts[0], frame));
      ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(node, frame));
      return Filtered(node.name, input, arguments);
    }
    case K::kTest:
      return EvaluateTest(node, frame);
    case K::kNamespaceAttribute:
      break;
  }
  return Unsupported("an attribute of a namespace there");
}

absl::StatusOr<Value> Evaluator::EvaluateArithmetic(const Expression& node, Frame& frame) {
  ASSIGN_OR_RETURN(const Value left, Evaluate(*node.parts[0], frame));
  ASSIGN_OR_RETURN(const Value right, Evaluate(*node.parts[1], frame));
  RETURN_IF_ERROR(budget_.TakeBytes(WorkOfOperator(node.name, left, right)));
  ASSIGN_OR_RETURN(Value result, Arithmetic(node.name, left, right));
  RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(result.weight())));
  return result;
}

absl::StatusOr<Value> Evaluator::EvaluateTest(const Expression& node, Frame& frame) {
  ASSIGN_OR_RETURN(const Value value, Evaluate(*node.parts[0], frame));
  ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(node, frame));
  RETURN_IF_ERROR(budget_.TakeBytes(WorkOfTest(value, arguments)));
  ASSIGN_OR_RETURN(const bool passes, ApplyTest(node.name, value, arguments));
  return Value::Bool(passes);
}

absl::StatusOr<Value> Evaluator::EvaluateItems(const Expression& node, Frame& frame) {
  std::vector<Value> items;
  for (const ExpressionPtr& part : node.parts) {
    ASSIGN_OR_RETURN(items.emplace_back(), Evaluate(*part, frame));
  }
  return Value::Sequence(node.kind == K::kTuple ? Kind::kTuple : Kind::kList, std::move(items));
}

absl::StatusOr<Value> Evaluator::EvaluateDict(const Expression& node, Frame& frame) {
  Entries entries;
  for (size_t i = 0; i < node.parts.size(); i += 2) {
    RETURN_IF_ERROR(budget_.TakeBytes(8 * static_cast<double>(entries.size())));
    ASSIGN_OR_RETURN(const Value key, Evaluate(*node.parts[i], frame));
    ASSIGN_OR_RETURN(const Value value, Evaluate(*node.parts[i + 1], frame));
    RETURN_IF_ERROR(SetKey(entries, key, value));
  }
  return Value::Dict(std::move(entries));
}

absl::StatusOr<Value> Evaluator::EvaluateConditional(const Expression& node, Frame& frame) {
  ASSIGN_OR_RETURN(const Value condition, Evaluate(*node.parts[0], frame));
  if (condition.Truthy()) return Evaluate(*node.parts[1], frame);
  if (node.parts.size() > 2) return Evaluate(*node.parts[2], frame);
  return Value::Undefined("an inline if without else that is false");
}

absl::StatusOr<Value> Evaluator::EvaluateCompare(const Expression& node, Frame& frame) {
  ASSIGN_OR_RETURN(Value left, Evaluate(*node.parts[0], frame));
  for (size_t i = 0; i < node.names.size(); ++i) {
    ASSIGN_OR_RETURN(Value right, Evaluate(*node.parts[i + 1], frame));
    RETURN_IF_ERROR(budget_.TakeBytes(WorkOfOperator(node.names[i], left, right)));
    ASSIGN_OR_RETURN(const bool holds, Compare(node.names[i], left, right));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

absl::StatusOr<Value> Evaluator::EvaluateConcat(const Expression& node, Frame& frame) {
  std::string text;
  for (const ExpressionPtr& part : node.parts) {
    ASSIGN_OR_RETURN(const Value value, Evaluate(*part, frame));
    if (value.is_markup()) return Unsupported("~ on a string marked safe");
    RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(value.weight())));
    ASSIGN_OR_RETURN(const std::string piece, Str(value));
    text += piece;
    RETURN_IF_ERROR(CheckTextSize(text.size()));
  }
  return Value::String(std::move(text));
}

absl::StatusOr<Value> Evaluator::EvaluateSubscript(const Expression& node, Frame& frame) {
  ASSIGN_OR_RETURN(const Value value, Evaluate(*node.parts[0], frame));
  if (in_loop_test_ && value.is(Kind::kNamespace)) {
    return Unsupported("a namespace read in the `if` of a loop");
  }
  const bool by_name = node.kind == K::kAttribute && !value.is(Kind::kDict);
  RETURN_IF_ERROR(budget_.TakeBytes(node.kind == K::kSlice ? WorkOfSlice(value)
                                    : by_name              ? 1
                                                           : WorkOfItem(value)));
  if (node.kind == K::kAttribute) return GetAttribute(value, node.name);
  ASSIGN_OR_RETURN(const Value first, Evaluate(*node.parts[1], frame));
  if (node.kind == K::kItem) return GetItem(value, first);
  ASSIGN_OR_RETURN(const Value stop, Evaluate(*node.parts[2], frame));
  ASSIGN_OR_RETURN(const Value step, Evaluate(*node.parts[3], frame));
  return GetSlice(value, first, stop, step);
}

absl::StatusOr<Arguments> Evaluator::EvaluateArguments(const Expression& node, Frame& frame) {
  Arguments arguments;
  const size_t num_positional = node.parts.size() - node.names.size();
  for (size_t i = 1; i < node.parts.size(); ++i) {
    ASSIGN_OR_RETURN(Value value, Evaluate(*node.parts[i], frame));
    if (i < num_positional) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(node.names[i - num_positional], std::move(value));
    }
  }
  return arguments;
}

absl::StatusOr<Value> Evaluator::Call(const Expression& call, Frame& frame,
                                      const std::pair<std::string, Value>* extra) {
  ASSIGN_OR_RETURN(const Value callee, Evaluate(*call.parts[0], frame));
  ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(call, frame));
  if (extra) arguments.named.push_back(*extra);
  if (callee.is(Kind::kUndefined)) return Wrong(callee.missing(), "a function to call");
  if (callee.is(Kind::kLoop)) return Unsupported("calling loop()");
  if (!callee.is(Kind::kFunction))
    return Wrong(absl::StrCat("a call of ", callee.TypeName()), "a function");
  const Function& function = callee.function();
  if (function.macro) {
    if (in_loop_test_) return Unsupported("a macro called in the `if` of a loop");
    return call_macro_(function, arguments);
  }
  RETURN_IF_ERROR(budget_.TakeBytes(WorkOfCall(function, arguments)));
  absl::StatusOr<Value> result = function.is_method ? CallMethod(function, arguments)
                                                    : CallGlobal(function.name, arguments, now_);
  if (result.ok()) RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(result->weight())));
  return result;
}

absl::StatusOr<Value> Evaluator::Filtered(const std::string& name, const Value& input,
                                          const Arguments& arguments) {
  RETURN_IF_ERROR(budget_.TakeBytes(WorkOfFilter(name, input, arguments)));
  ASSIGN_OR_RETURN(Value result, ApplyFilter(name, input, arguments));
  // A value that is passed on unchanged costs nothing.
  if (!result.SameObject(input))
    RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(result.weight())));
  return result;
}

absl::StatusOr<Value> Evaluator::EvaluateFilter(const Expression& filter, const Value& text,
                                                Frame& frame) {
  Value input = text;
  if (filter.parts[0]) {
    ASSIGN_OR_RETURN(input, EvaluateFilter(*filter.parts[0], text, frame));
  }
  ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(filter, frame));
  absl::StatusOr<Value> result = Filtered(filter.name, input, arguments);
  if (!result.ok()) return AtLine(result.status(), filter.line);
  return result;
}

}  // namespace deduce::jinja
