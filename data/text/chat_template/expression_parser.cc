#include "data/text/chat_template/expression_parser.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce::jinja {
namespace {

using K = Expression::Kind;

absl::Status TooDeep() {
  return Wrong("a deeper expression",
               absl::StrCat("at most ", ExpressionParser::kMaxDepth, " levels"));
}

absl::Status Adopt(Expression& parent, ExpressionPtr part) {
  if (part) parent.depth = std::max(parent.depth, part->depth + 1);
  parent.parts.push_back(std::move(part));
  return parent.depth > ExpressionParser::kMaxDepth ? TooDeep() : absl::OkStatus();
}

ExpressionPtr Node(K kind, int line, std::string name = "") {
  return std::make_unique<Expression>(Expression{kind, line, std::move(name)});
}

ExpressionPtr Constant(Value value, int line) {
  ExpressionPtr node = Node(K::kConstant, line);
  node->constant = std::move(value);
  return node;
}

// Counts levels of recursion.
class Level {
 public:
  explicit Level(int& depth) : depth_(++depth) {}
  ~Level() { --depth_; }
  bool TooMany() const { return depth_ > ExpressionParser::kMaxDepth; }

 private:
  int& depth_;
};

}  // namespace

using Result = absl::StatusOr<ExpressionPtr>;

Result ExpressionParser::ParseExpression() { return ParseConditional(); }

bool ExpressionParser::AtTupleEnd() const {
  const TokenKind kind = stream_.Now().kind;
  return kind == TokenKind::kVariableEnd || kind == TokenKind::kBlockEnd ||
         stream_.IsOperator(")") || kind == TokenKind::kEnd;
}

Result ExpressionParser::ParseItems(bool with_if, bool target, bool with_namespace) {
  ExpressionPtr tuple = Node(K::kTuple, stream_.line());
  bool is_tuple = false;
  while (true) {
    if (!tuple->parts.empty()) RETURN_IF_ERROR(stream_.ExpectOperator(","));
    if (AtTupleEnd() || (target && stream_.IsName("in"))) break;
    Result part = target    ? ParseTargetPart(with_namespace)
                  : with_if ? ParseConditional()
                            : ParseOr();
    if (!part.ok()) return part;
    RETURN_IF_ERROR(Adopt(*tuple, *std::move(part)));
    if (!stream_.IsOperator(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return tuple;
  if (tuple->parts.empty()) return Wrong(stream_.Describe(), "an expression");
  return std::move(tuple->parts.front());
}

Result ExpressionParser::ParseTuple(bool with_if) { return ParseItems(with_if, false, false); }

Result ExpressionParser::ParseTarget(bool with_namespace) {
  return ParseItems(false, true, with_namespace);
}

Result ExpressionParser::ParseTargetPart(bool with_namespace) {
  const Level level(depth_);
  if (level.TooMany()) return TooDeep();
  const int line = stream_.line();
  if (stream_.TakeOperator("(")) {
    ASSIGN_OR_RETURN(ExpressionPtr node, ParseItems(false, true, false));
    RETURN_IF_ERROR(stream_.ExpectOperator(")"));
    return node;
  }
  if (stream_.Now().kind != TokenKind::kName)
    return Wrong(stream_.Describe(), "a name to assign to");
  const std::string name = stream_.Take().text;
  for (const char* constant : {"true", "false", "none", "True", "False", "None", "loop"}) {
    if (name == constant) return Wrong(absl::StrCat("an assignment to ", name), "another name");
  }
  if (!with_namespace || !stream_.TakeOperator(".")) return Node(K::kName, line, name);
  ExpressionPtr node = Node(K::kNamespaceAttribute, line, name);
  node->constant = Value::String(stream_.Now().text);
  RETURN_IF_ERROR(stream_.Expect(TokenKind::kName, "an attribute's name"));
  return node;
}

Result ExpressionParser::ParseConditional() {
  const Level level(depth_);
  if (level.TooMany()) return TooDeep();
  ASSIGN_OR_RETURN(ExpressionPtr node, ParseOr());
  while (stream_.IsName("if")) {
    ExpressionPtr conditional = Node(K::kConditional, stream_.Take().line);
    ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
    RETURN_IF_ERROR(Adopt(*conditional, std::move(condition)));
    RETURN_IF_ERROR(Adopt(*conditional, std::move(node)));
    if (stream_.TakeName("else")) {
      ASSIGN_OR_RETURN(ExpressionPtr other, ParseConditional());
      RETURN_IF_ERROR(Adopt(*conditional, std::move(other)));
    }
    node = std::move(conditional);
  }
  return node;
}

Result ExpressionParser::ParseOr() {
  ASSIGN_OR_RETURN(ExpressionPtr node, ParseAnd());
  while (stream_.IsName("or")) {
    ExpressionPtr either = Node(K::kOr, stream_.Take().line);
    ASSIGN_OR_RETURN(ExpressionPtr right, ParseAnd());
    RETURN_IF_ERROR(Adopt(*either, std::move(node)));
    RETURN_IF_ERROR(Adopt(*either, std::move(right)));
    node = std::move(either);
  }
  return node;
}

Result ExpressionParser::ParseAnd() {
  ASSIGN_OR_RETURN(ExpressionPtr node, ParseNot());
  while (stream_.IsName("and")) {
    ExpressionPtr both = Node(K::kAnd, stream_.Take().line);
    ASSIGN_OR_RETURN(ExpressionPtr right, ParseNot());
    RETURN_IF_ERROR(Adopt(*both, std::move(node)));
    RETURN_IF_ERROR(Adopt(*both, std::move(right)));
    node = std::move(both);
  }
  return node;
}

Result ExpressionParser::ParseNot() {
  if (!stream_.IsName("not")) return ParseCompare();
  const Level level(depth_);
  if (level.TooMany()) return TooDeep();
  ExpressionPtr node = Node(K::kNot, stream_.Take().line);
  ASSIGN_OR_RETURN(ExpressionPtr part, ParseNot());
  RETURN_IF_ERROR(Adopt(*node, std::move(part)));
  return node;
}

Result ExpressionParser::ParseCompare() {
  ASSIGN_OR_RETURN(ExpressionPtr first, ParseSum());
  ExpressionPtr node = Node(K::kCompare, first->line);
  RETURN_IF_ERROR(Adopt(*node, std::move(first)));
  while (true) {
    std::string op;
    for (const char* known : {"==", "!=", "<", "<=", ">", ">="}) {
      if (stream_.IsOperator(known)) op = known;
    }
    if (stream_.IsName("in")) op = "in";
    if (stream_.IsName("not") && stream_.Ahead().kind == TokenKind::kName &&
        stream_.Ahead().text == "in") {
      stream_.Take();
      op = "not in";
    }
    if (op.empty()) break;
    stream_.Take();
    ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSum());
    RETURN_IF_ERROR(Adopt(*node, std::move(operand)));
    node->names.push_back(op);
  }
  if (node->names.empty()) return std::move(node->parts.front());
  return node;
}

Result ExpressionParser::ParseBinary(Parse operand,
                                     std::initializer_list<std::string_view> operators) {
  ASSIGN_OR_RETURN(ExpressionPtr node, (this->*operand)());
  while (std::any_of(operators.begin(), operators.end(),
                     [&](std::string_view op) { return stream_.IsOperator(op); })) {
    const Token& op = stream_.Take();
    ExpressionPtr binary = Node(K::kArithmetic, op.line, op.text);
    ASSIGN_OR_RETURN(ExpressionPtr right, (this->*operand)());
    RETURN_IF_ERROR(Adopt(*binary, std::move(node)));
    RETURN_IF_ERROR(Adopt(*binary, std::move(right)));
    node = std::move(binary);
  }
  return node;
}

Result ExpressionParser::ParseSum() {
  return ParseBinary(&ExpressionParser::ParseConcat, {"+", "-"});
}

Result ExpressionParser::ParseConcat() {
  ASSIGN_OR_RETURN(ExpressionPtr first, ParseProduct());
  if (!stream_.IsOperator("~")) return first;
  ExpressionPtr node = Node(K::kConcat, first->line);
  RETURN_IF_ERROR(Adopt(*node, std::move(first)));
  while (stream_.TakeOperator("~")) {
    ASSIGN_OR_RETURN(ExpressionPtr part, ParseProduct());
    RETURN_IF_ERROR(Adopt(*node, std::move(part)));
  }
  return node;
}

Result ExpressionParser::ParseProduct() {
  return ParseBinary(&ExpressionParser::ParsePower, {"*", "/", "//", "%"});
}

Result ExpressionParser::ParsePower() {
  ASSIGN_OR_RETURN(ExpressionPtr node, ParseUnary(true));
  while (stream_.IsOperator("**")) {
    ExpressionPtr power = Node(K::kArithmetic, stream_.Take().line, "**");
    ASSIGN_OR_RETURN(ExpressionPtr right, ParseUnary(true));
    RETURN_IF_ERROR(Adopt(*power, std::move(node)));
    RETURN_IF_ERROR(Adopt(*power, std::move(right)));
    node = std::move(power);
  }
  return node;
}

Result ExpressionParser::ParseUnary(bool with_filters) {
  const Level level(depth_);
  if (level.TooMany()) return TooDeep();
  ExpressionPtr node;
  if (stream_.IsOperator("-") || stream_.IsOperator("+")) {
    const Token& sign = stream_.Take();
    node = Node(K::kSigned, sign.line, sign.text);
    ASSIGN_OR_RETURN(ExpressionPtr part, ParseUnary(false));
    RETURN_IF_ERROR(Adopt(*node, std::move(part)));
  } else {
    ASSIGN_OR_RETURN(node, ParsePrimary());
  }
  ASSIGN_OR_RETURN(node, ParsePostfix(std::move(node)));
  if (!with_filters) return node;
  return ParseFiltersAndTests(std::move(node));
}

Result ExpressionParser::ParsePrimary() {
  const int line = stream_.line();
  switch (stream_.Now().kind) {
    case TokenKind::kName:
      return ParseNamed();
    case TokenKind::kString: {
      std::string text;  // strings side by side are one
      while (stream_.Now().kind == TokenKind::kString) text += stream_.Take().text;
      return Constant(Value::String(std::move(text)), line);
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return ParseNumber();
    default:
      break;
  }
  if (stream_.IsOperator("[")) return ParseList();
  if (stream_.IsOperator("{")) return ParseDict();
  if (!stream_.TakeOperator("(")) return Wrong(stream_.Describe(), "an expression");
  if (stream_.TakeOperator(")")) return Node(K::kTuple, line);
  ASSIGN_OR_RETURN(ExpressionPtr node, ParseTuple());
  RETURN_IF_ERROR(stream_.ExpectOperator(")"));
  return node;
}

Result ExpressionParser::ParseNamed() {
  const Token& token = stream_.Take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return Constant(Value::Bool(true), token.line);
  if (name == "false" || name == "False") return Constant(Value::Bool(false), token.line);
  if (name == "none" || name == "None") return Constant(Value::None(), token.line);
  return Node(K::kName, token.line, name);
}

Result ExpressionParser::ParseNumber() {
  const Token& token = stream_.Take();
  double number = 0;
  int64_t integer = 0;
  if (token.kind == TokenKind::kFloat) {
    if (!absl::SimpleAtod(token.text, &number)) return Wrong(token.text, "a number");
    return Constant(Value::Float(number), token.line);
  }
  if (!absl::SimpleAtoi(token.text, &integer))
    return Unsupported(absl::StrCat("the integer ", token.text));
  return Constant(Value::Int(integer), token.line);
}

Result ExpressionParser::ParseList() {
  ExpressionPtr node = Node(K::kList, stream_.Take().line);
  while (!stream_.IsOperator("]")) {
    if (!node->parts.empty()) RETURN_IF_ERROR(stream_.ExpectOperator(","));
    if (stream_.IsOperator("]")) break;
    ASSIGN_OR_RETURN(ExpressionPtr part, ParseExpression());
    RETURN_IF_ERROR(Adopt(*node, std::move(part)));
  }
  RETURN_IF_ERROR(stream_.ExpectOperator("]"));
  return node;
}

Result ExpressionParser::ParseDict() {
  ExpressionPtr node = Node(K::kDict, stream_.Take().line);
  while (!stream_.IsOperator("}")) {
    if (!node->parts.empty()) RETURN_IF_ERROR(stream_.ExpectOperator(","));
    if (stream_.IsOperator("}")) break;
    ASSIGN_OR_RETURN(ExpressionPtr key, ParseExpression());
    RETURN_IF_ERROR(stream_.ExpectOperator(":"));
    ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
    RETURN_IF_ERROR(Adopt(*node, std::move(key)));
    RETURN_IF_ERROR(Adopt(*node, std::move(value)));
  }
  RETURN_IF_ERROR(stream_.ExpectOperator("}"));
  return node;
}

Result ExpressionParser::ParseCall(ExpressionPtr callee) {
  ExpressionPtr call = Node(K::kCall, stream_.line());
  RETURN_IF_ERROR(Adopt(*call, std::move(callee)));
  RETURN_IF_ERROR(ParseArguments(*call));
  return call;
}

Result ExpressionParser::ParsePostfix(ExpressionPtr node) {
  while (true) {
    if (stream_.IsOperator(".")) {
      ASSIGN_OR_RETURN(node, ParseAttribute(std::move(node)));
    } else if (stream_.IsOperator("[")) {
      ASSIGN_OR_RETURN(node, ParseBrackets(std::move(node)));
    } else if (stream_.IsOperator("(")) {
      ASSIGN_OR_RETURN(node, ParseCall(std::move(node)));
    } else {
      return node;
    }
  }
}

Result ExpressionParser::ParseFiltersAndTests(ExpressionPtr node) {
  while (true) {
    if (stream_.IsOperator("|")) {
      ASSIGN_OR_RETURN(node, ParseFilters(std::move(node)));
    } else if (stream_.IsName("is")) {
      ASSIGN_OR_RETURN(node, ParseTest(std::move(node)));
    } else if (stream_.IsOperator("(")) {
      ASSIGN_OR_RETURN(node, ParseCall(std::move(node)));
    } else {
      return node;
    }
  }
}

Result ExpressionParser::ParseAttribute(ExpressionPtr node) {
  const int line = stream_.Take().line;
  if (stream_.Now().kind == TokenKind::kInteger) {
    ExpressionPtr item = Node(K::kItem, line);
    ASSIGN_OR_RETURN(ExpressionPtr index, ParseNumber());
    RETURN_IF_ERROR(Adopt(*item, std::move(node)));
    RETURN_IF_ERROR(Adopt(*item, std::move(index)));
    return item;
  }
  ExpressionPtr attribute = Node(K::kAttribute, line, stream_.Now().text);
  RETURN_IF_ERROR(stream_.Expect(TokenKind::kName, "an attribute's name"));
  RETURN_IF_ERROR(Adopt(*attribute, std::move(node)));
  return attribute;
}

// A bound of a slice; none where a colon or the end follows.
Result ExpressionParser::ParseBound() {
  if (stream_.IsOperator(":") || stream_.IsOperator("]"))
    return Constant(Value::None(), stream_.line());
  return ParseExpression();
}

Result ExpressionParser::ParseBrackets(ExpressionPtr node) {
  const int line = stream_.Take().line;
  if (stream_.IsOperator("]")) return Wrong("[]", "a key");
  ASSIGN_OR_RETURN(ExpressionPtr first, ParseBound());
  ExpressionPtr item = Node(stream_.IsOperator(":") ? K::kSlice : K::kItem, line);
  RETURN_IF_ERROR(Adopt(*item, std::move(node)));
  RETURN_IF_ERROR(Adopt(*item, std::move(first)));
  if (item->kind == K::kSlice) {
    for (int i = 0; i < 2; ++i) {
      ExpressionPtr bound = Constant(Value::None(), line);
      if (stream_.TakeOperator(":")) {
        ASSIGN_OR_RETURN(bound, ParseBound());
      }
      RETURN_IF_ERROR(Adopt(*item, std::move(bound)));
    }
  }
  if (stream_.IsOperator(",")) return Unsupported("several keys in one subscript");
  RETURN_IF_ERROR(stream_.ExpectOperator("]"));
  return item;
}

absl::Status ExpressionParser::ParseArguments(Expression& call) {
  RETURN_IF_ERROR(stream_.ExpectOperator("("));
  for (bool first = true; !stream_.IsOperator(")"); first = false) {
    if (!first) RETURN_IF_ERROR(stream_.ExpectOperator(","));
    if (stream_.IsOperator(")") && !first) break;
    if (stream_.IsOperator("*") || stream_.IsOperator("**")) {
      return Unsupported("arguments spread with * or **");
    }
    const bool named = stream_.Now().kind == TokenKind::kName &&
                       stream_.Ahead().kind == TokenKind::kOperator && stream_.Ahead().text == "=";
    if (named) {
      const std::string& name = stream_.Take().text;
      if (std::count(call.names.begin(), call.names.end(), name) > 0) {
        return Wrong(absl::StrCat("two arguments ", name), "one");
      }
      call.names.push_back(name);
      stream_.Take();
    } else if (!call.names.empty()) {
      return Wrong("an argument behind one with a name", "a name");
    }
    ASSIGN_OR_RETURN(ExpressionPtr argument, ParseExpression());
    RETURN_IF_ERROR(Adopt(call, std::move(argument)));
  }
  return stream_.ExpectOperator(")");
}

Result ExpressionParser::ParseFilter(ExpressionPtr node) {
  ExpressionPtr filter = Node(K::kFilter, stream_.line(), stream_.Now().text);
  RETURN_IF_ERROR(stream_.Expect(TokenKind::kName, "a filter's name"));
  if (stream_.IsOperator(".")) return Unsupported("a filter with a dotted name");
  RETURN_IF_ERROR(Adopt(*filter, std::move(node)));
  if (stream_.IsOperator("(")) RETURN_IF_ERROR(ParseArguments(*filter));
  return filter;
}

Result ExpressionParser::ParseFilters(ExpressionPtr node) {
  while (stream_.TakeOperator("|")) {
    ASSIGN_OR_RETURN(node, ParseFilter(std::move(node)));
  }
  return node;
}

Result ExpressionParser::ParseFilterOfBlock() {
  ASSIGN_OR_RETURN(ExpressionPtr node, ParseFilter(nullptr));
  return ParseFilters(std::move(node));
}

Result ExpressionParser::ParseTest(ExpressionPtr node) {
  const int line = stream_.Take().line;
  const bool negated = stream_.TakeName("not");
  ExpressionPtr test = Node(K::kTest, line, stream_.Now().text);
  RETURN_IF_ERROR(stream_.Expect(TokenKind::kName, "a test's name"));
  if (stream_.IsOperator(".")) return Unsupported("a test with a dotted name");
  RETURN_IF_ERROR(Adopt(*test, std::move(node)));
  const TokenKind next = stream_.Now().kind;
  if (stream_.IsOperator("(")) {
    RETURN_IF_ERROR(ParseArguments(*test));
  } else if (stream_.IsName("is")) {
    return Wrong("two tests in a row", "brackets around the first");
  } else if (next == TokenKind::kString || next == TokenKind::kInteger ||
             next == TokenKind::kFloat || stream_.IsOperator("[") || stream_.IsOperator("{") ||
             (next == TokenKind::kName && !stream_.IsName("else") && !stream_.IsName("or") &&
              !stream_.IsName("and"))) {
    // One argument may stand without brackets; what else follows is not part of it.
    ASSIGN_OR_RETURN(ExpressionPtr argument, ParsePrimary());
    ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
    RETURN_IF_ERROR(Adopt(*test, std::move(argument)));
  }
  if (!negated) return test;
  ExpressionPtr negation = Node(K::kNot, line);
  RETURN_IF_ERROR(Adopt(*negation, std::move(test)));
  return negation;
}

}  // namespace deduce::jinja
