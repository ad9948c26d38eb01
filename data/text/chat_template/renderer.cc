#include "data/text/chat_template/renderer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/evaluator.h"
#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/python_repr.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce::jinja {
namespace {

using StatementKind = Statement::Kind;

// How a body ended: at its end, or at a jump on its way to a loop.
enum class Flow { kEnd, kBreak, kContinue };

// The steps that entering a scope takes; the body may be empty.
double NumNames(const Scope& scope) { return static_cast<double>(scope.size()) + 1; }

class Renderer {
 public:
  Renderer(const Variables& variables, std::time_t now)
      : variables_(variables),
        evaluator_(budget_, now, [this](const Function& macro, const Arguments& arguments) {
          return CallMacro(macro, arguments);
        }) {}

  absl::StatusOr<std::string> Run(const Template& whole) {
    Frame root(whole.scope, nullptr, variables_);
    return Capture(whole.body, root);
  }

 private:
  absl::StatusOr<Flow> RunBody(const Body& body, Frame& frame);
  absl::StatusOr<Flow> RunStatement(const Statement& statement, Frame& frame);
  absl::StatusOr<Flow> RunIf(const Statement& statement, Frame& frame);
  absl::StatusOr<Flow> RunFor(const Statement& statement, Frame& frame);
  absl::StatusOr<Flow> RunRounds(const Statement& statement, const std::shared_ptr<Loop>& loop,
                                 bool& reached_end, Frame& frame);
  absl::StatusOr<Flow> RunWith(const Statement& statement, Frame& frame);
  absl::Status RunSetBlock(const Statement& statement, Frame& frame);
  absl::Status RunFilterBlock(const Statement& statement, Frame& frame);
  absl::Status RunCallBlock(const Statement& statement, Frame& frame);

  // The items of a loop that pass its test.
  absl::StatusOr<std::vector<Value>> LoopItems(const Statement& statement, const Value& iterable,
                                               Frame& frame);
  // Renders a body into a text of its own.
  absl::StatusOr<std::string> Capture(const Body& body, Frame& frame);
  absl::StatusOr<Value> CallMacro(const Function& macro, const Arguments& arguments);
  absl::Status BindParameters(const Statement& macro, const Arguments& arguments, Frame& frame);

  absl::Status Assign(const Expression& target, const Value& value, Frame& frame);
  absl::Status AssignAttribute(const Expression& target, const Value& value, Frame& frame);
  absl::Status Print(std::string_view text);

  const Variables& variables_;
  Budget budget_;
  Evaluator evaluator_;
  std::string* output_ = nullptr;
};

absl::Status Renderer::Print(std::string_view text) {
  RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(text.size())));
  RETURN_IF_ERROR(CheckTextSize(output_->size() + text.size()));
  output_->append(text);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Renderer::Capture(const Body& body, Frame& frame) {
  std::string text;
  std::string* const around = std::exchange(output_, &text);
  const absl::Status status = RunBody(body, frame).status();
  output_ = around;
  RETURN_IF_ERROR(status);
  return text;
}

absl::StatusOr<Flow> Renderer::RunBody(const Body& body, Frame& frame) {
  for (const Statement& statement : body) {
    absl::Status status = budget_.Enter();
    if (status.ok()) {
      const absl::StatusOr<Flow> flow = RunStatement(statement, frame);
      --budget_.depth;
      if (flow.ok() && *flow != Flow::kEnd) return *flow;
      status = flow.status();
    }
    if (!status.ok()) return AtLine(std::move(status), statement.line);
  }
  return Flow::kEnd;
}

absl::StatusOr<Flow> Renderer::RunStatement(const Statement& statement, Frame& frame) {
  switch (statement.kind) {
    case StatementKind::kText:
      RETURN_IF_ERROR(Print(statement.text));
      return Flow::kEnd;
    case StatementKind::kOutput: {
      ASSIGN_OR_RETURN(const Value value, evaluator_.Evaluate(*statement.value, frame));
      RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(value.weight())));
      ASSIGN_OR_RETURN(const std::string text, Str(value));
      RETURN_IF_ERROR(Print(text));
      return Flow::kEnd;
    }
    case StatementKind::kIf:
      return RunIf(statement, frame);
    case StatementKind::kFor:
      return RunFor(statement, frame);
    case StatementKind::kSet: {
      ASSIGN_OR_RETURN(const Value value, evaluator_.Evaluate(*statement.value, frame));
      RETURN_IF_ERROR(Assign(*statement.target, value, frame));
      return Flow::kEnd;
    }
    case StatementKind::kSetBlock:
      RETURN_IF_ERROR(RunSetBlock(statement, frame));
      return Flow::kEnd;
    case StatementKind::kMacro:
      frame.Set(statement.text,
                Value::Callable({statement.text, Value(), false, &statement, &frame}));
      return Flow::kEnd;
    case StatementKind::kCallBlock:
      RETURN_IF_ERROR(RunCallBlock(statement, frame));
      return Flow::kEnd;
    case StatementKind::kFilterBlock:
      RETURN_IF_ERROR(RunFilterBlock(statement, frame));
      return Flow::kEnd;
    case StatementKind::kWith:
      return RunWith(statement, frame);
    case StatementKind::kGeneration: {
      Frame inner(statement.scope, &frame, variables_);
      return RunBody(statement.body, inner);
    }
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      break;
  }
  return Flow::kContinue;
}

absl::StatusOr<Flow> Renderer::RunIf(const Statement& statement, Frame& frame) {
  for (const Statement::Branch& branch : statement.branches) {
    if (branch.condition) {
      ASSIGN_OR_RETURN(const Value condition, evaluator_.Evaluate(*branch.condition, frame));
      if (!condition.Truthy()) continue;
    }
    return RunBody(branch.body, frame);
  }
  return Flow::kEnd;
}

absl::StatusOr<std::vector<Value>> Renderer::LoopItems(const Statement& statement,
                                                       const Value& iterable, Frame& frame) {
  if (iterable.is_markup()) return Unsupported("a loop over a string marked safe");
  RETURN_IF_ERROR(budget_.TakeBytes(static_cast<double>(iterable.weight())));
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(iterable));
  if (!statement.test) return items;
  std::vector<Value> kept;
  for (Value& item : items) {
    RETURN_IF_ERROR(budget_.Take(NumNames(statement.test_scope)));
    Frame inner(statement.test_scope, &frame, variables_);
    RETURN_IF_ERROR(Assign(*statement.target, item, inner));
    const bool nested = evaluator_.in_loop_test();
    evaluator_.set_in_loop_test(true);
    const absl::StatusOr<Value> passes = evaluator_.Evaluate(*statement.test, inner);
    evaluator_.set_in_loop_test(nested);
    if (!passes.ok()) return passes.status();
    if (passes->Truthy()) kept.push_back(std::move(item));
  }
  return kept;
}

absl::StatusOr<Flow> Renderer::RunRounds(const Statement& statement,
                                         const std::shared_ptr<Loop>& loop, bool& reached_end,
                                         Frame& frame) {
  for (size_t i = 0; i < loop->items.size(); ++i) {
    loop->index0 = i;
    RETURN_IF_ERROR(budget_.Take(NumNames(statement.scope)));
    Frame inner(statement.scope, &frame, variables_);
    inner.Set("loop", Value::LoopState(loop));
    RETURN_IF_ERROR(Assign(*statement.target, loop->items[i], inner));
    ASSIGN_OR_RETURN(const Flow flow, RunBody(statement.body, inner));
    if (flow == Flow::kBreak) return flow;
    reached_end |= flow == Flow::kEnd;
  }
  return Flow::kEnd;
}

absl::StatusOr<Flow> Renderer::RunFor(const Statement& statement, Frame& frame) {
  ASSIGN_OR_RETURN(const Value iterable, evaluator_.Evaluate(*statement.value, frame));
  const auto loop = std::make_shared<Loop>();
  ASSIGN_OR_RETURN(loop->items, LoopItems(statement, iterable, frame));
  if (iterable.is(Kind::kIterator)) iterable.iterator().busy = true;
  // Depth counts recursive loops only, which there are none of.
  bool reached_end = false;
  ASSIGN_OR_RETURN(const Flow flow, RunRounds(statement, loop, reached_end, frame));
  if (iterable.is(Kind::kIterator)) iterable.iterator().busy = flow == Flow::kBreak;
  // As in Jinja, a round that jumps before its end does not count.
  if (reached_end || statement.other.empty()) return Flow::kEnd;
  Frame inner(statement.other_scope, &frame, variables_);
  return RunBody(statement.other, inner);
}

absl::StatusOr<Flow> Renderer::RunWith(const Statement& statement, Frame& frame) {
  Frame inner(statement.scope, &frame, variables_);
  for (size_t i = 0; i < statement.targets.size(); ++i) {
    ASSIGN_OR_RETURN(const Value value, evaluator_.Evaluate(*statement.values[i], frame));
    RETURN_IF_ERROR(Assign(*statement.targets[i], value, inner));
  }
  return RunBody(statement.body, inner);
}

absl::Status Renderer::RunSetBlock(const Statement& statement, Frame& frame) {
  Frame inner(statement.scope, &frame, variables_);
  ASSIGN_OR_RETURN(std::string text, Capture(statement.body, inner));
  Value value = Value::String(std::move(text));
  if (statement.value) {
    ASSIGN_OR_RETURN(value, evaluator_.EvaluateFilter(*statement.value, value, inner));
  }
  return Assign(*statement.target, value, frame);
}

absl::Status Renderer::RunFilterBlock(const Statement& statement, Frame& frame) {
  Frame inner(statement.scope, &frame, variables_);
  ASSIGN_OR_RETURN(std::string text, Capture(statement.body, inner));
  ASSIGN_OR_RETURN(const Value value, evaluator_.EvaluateFilter(
                                          *statement.value, Value::String(std::move(text)), inner));
  ASSIGN_OR_RETURN(const std::string filtered, Str(value));
  return Print(filtered);
}

absl::Status Renderer::RunCallBlock(const Statement& statement, Frame& frame) {
  const std::pair<std::string, Value> caller = {
      "caller", Value::Callable({"caller", Value(), false, &statement, &frame})};
  ASSIGN_OR_RETURN(const Value value, evaluator_.Call(*statement.value, frame, &caller));
  ASSIGN_OR_RETURN(const std::string text, Str(value));
  return Print(text);
}

absl::Status Renderer::BindParameters(const Statement& macro, const Arguments& arguments,
                                      Frame& frame) {
  const std::vector<std::string>& names = macro.parameters;
  if (arguments.positional.size() > names.size()) {
    return Wrong(absl::StrCat(arguments.positional.size(), " arguments of the macro ", macro.text),
                 absl::StrCat("at most ", names.size()));
  }
  std::vector<const Value*> given(names.size());
  for (size_t i = 0; i < arguments.positional.size(); ++i) given[i] = &arguments.positional[i];
  frame.Set("caller", Value::Undefined("no caller"));
  for (const auto& [name, value] : arguments.named) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end() && name == "caller" && macro.reads_caller) {
      frame.Set(name, value);
    } else if (it == names.end() || given[it - names.begin()]) {
      return Wrong(absl::StrCat("the argument ", name, " of the macro ", macro.text),
                   it == names.end() ? "a parameter's name" : "one value");
    } else {
      given[it - names.begin()] = &value;
    }
  }
  const size_t first_default = names.size() - macro.defaults.size();
  for (size_t i = 0; i < names.size(); ++i) {
    if (given[i]) {
      frame.Set(names[i], *given[i]);
    } else if (i < first_default) {
      frame.Set(names[i], Value::Undefined(absl::StrCat("the parameter ", names[i], " not given")));
    }
  }
  // A default may name the parameters.
  for (size_t i = first_default; i < names.size(); ++i) {
    if (given[i]) continue;
    ASSIGN_OR_RETURN(Value value, evaluator_.Evaluate(*macro.defaults[i - first_default], frame));
    frame.Set(names[i], std::move(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<Value> Renderer::CallMacro(const Function& macro, const Arguments& arguments) {
  RETURN_IF_ERROR(budget_.Enter());
  RETURN_IF_ERROR(budget_.Take(NumNames(macro.macro->scope)));
  Frame frame(macro.macro->scope, macro.frame, variables_);
  RETURN_IF_ERROR(BindParameters(*macro.macro, arguments, frame));
  ASSIGN_OR_RETURN(std::string text, Capture(macro.macro->body, frame));
  --budget_.depth;
  return Value::String(std::move(text));
}

absl::Status Renderer::AssignAttribute(const Expression& target, const Value& value, Frame& frame) {
  const Value object = frame.Get(target.name);
  const std::string& name = target.constant.text();
  if (!object.is(Kind::kNamespace)) {
    return Wrong(absl::StrCat("an attribute of ", object.TypeName(), " set"), "a namespace");
  }
  if (absl::StartsWith(name, "_"))
    return Wrong(absl::StrCat("the attribute ", name), "no _ in front");
  if (value.nesting() > kMaxNesting) {
    return Unsupported(absl::StrCat(value.TypeName(), " in a namespace"));
  }
  object.attributes()[name] = value;
  return absl::OkStatus();
}

absl::Status Renderer::Assign(const Expression& target, const Value& value, Frame& frame) {
  if (target.kind == Expression::Kind::kNamespaceAttribute) {
    return AssignAttribute(target, value, frame);
  }
  if (target.kind == Expression::Kind::kName) {
    frame.Set(target.name, value);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(value));
  if (items.size() != target.parts.size()) {
    return Wrong(absl::StrCat(items.size(), " values for ", target.parts.size(), " names"),
                 "as many as names");
  }
  for (size_t i = 0; i < items.size(); ++i) {
    RETURN_IF_ERROR(Assign(*target.parts[i], items[i], frame));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RenderTemplate(const Template& whole, const Variables& variables,
                                           std::time_t now) {
  return Renderer(variables, now).Run(whole);
}

}  // namespace deduce::jinja
