// Jinja's expressions, with its precedences.
#pragma once

#include <initializer_list>
#include <string_view>

#include "data/text/chat_template/syntax_tree.h"
#include "data/text/chat_template/token_stream.h"

namespace deduce::jinja {

// Reads expressions off a stream it does not own. Errors: `found X, expected Y`, with the stream at
// X; constructs that are not supported (`*` and `**` in calls); more than kMaxDepth levels.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& stream) : stream_(stream) {}

  absl::StatusOr<ExpressionPtr> ParseExpression();
  // One expression or several with commas, a tuple. Without `with_if`, `a if b` is not read: `for x
  // in y if z`.
  absl::StatusOr<ExpressionPtr> ParseTuple(bool with_if = true);
  // The targets of `set` and `for`: names, tuples of them and, for `set`, attributes of namespaces.
  absl::StatusOr<ExpressionPtr> ParseTarget(bool with_namespace);
  // `|name(...)|...` behind a value; null if `input` is null and no filter follows.
  absl::StatusOr<ExpressionPtr> ParseFilters(ExpressionPtr input);
  // The same where the first filter has no bar: `{% filter name(...) %}`.
  absl::StatusOr<ExpressionPtr> ParseFilterOfBlock();

  static constexpr int kMaxDepth = 100;

 private:
  using Result = absl::StatusOr<ExpressionPtr>;
  using Parse = Result (ExpressionParser::*)();

  Result ParseConditional();
  Result ParseOr();
  Result ParseAnd();
  Result ParseNot();
  Result ParseCompare();
  Result ParseSum();
  Result ParseConcat();
  Result ParseProduct();
  Result ParsePower();
  Result ParseUnary(bool with_filters);
  Result ParsePrimary();
  Result ParseNamed();
  Result ParseNumber();
  Result ParseList();
  Result ParseDict();
  Result ParsePostfix(ExpressionPtr node);
  Result ParseFiltersAndTests(ExpressionPtr node);
  Result ParseCall(ExpressionPtr callee);
  Result ParseAttribute(ExpressionPtr node);
  Result ParseBrackets(ExpressionPtr node);
  Result ParseBound();
  Result ParseFilter(ExpressionPtr node);
  Result ParseTest(ExpressionPtr node);
  absl::Status ParseArguments(Expression& call);

  // Operators of one level, left to right.
  Result ParseBinary(Parse operand, std::initializer_list<std::string_view> operators);
  // A closed list: `more` says whether a comma stood at its end.
  Result ParseItems(bool with_if, bool target, bool with_namespace);
  bool AtTupleEnd() const;
  Result ParseTargetPart(bool with_namespace);

  TokenStream& stream_;
  int depth_ = 0;  // recursion depth
};

}  // namespace deduce::jinja
