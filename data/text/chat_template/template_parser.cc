#include "data/text/chat_template/template_parser.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "data/text/chat_template/expression_parser.h"
#include "data/text/chat_template/lexer.h"
#include "data/text/chat_template/scopes.h"
#include "data/text/chat_template/token_stream.h"

namespace deduce::jinja {
namespace {

using StatementKind = Statement::Kind;
using Ends = std::initializer_list<const char*>;

constexpr int kMaxStatementDepth = 50;
constexpr size_t kMaxParameters = 255;

class TemplateParser {
 public:
  explicit TemplateParser(std::vector<Token> tokens)
      : stream_(std::move(tokens)), expressions_(stream_) {}

  // Up to one of the tags `ends`, which is taken with its `{%`, or to the end of the template where
  // there are none.
  absl::StatusOr<Body> ParseBody(Ends ends);

  int line() const { return stream_.line(); }
  absl::Status WrongHere(const std::string& expected) {
    return Wrong(stream_.Describe(), expected);
  }

 private:
  using Result = absl::StatusOr<Statement>;

  // The rest of a tag that opens a block, and the block up to one of `ends`.
  absl::StatusOr<Body> ParseBlock(Ends ends);
  // The same for a block that `break` and `continue` cannot leave.
  absl::StatusOr<Body> ParseClosedBlock(Ends ends);

  Result ParseStatement();
  Result ParseIf(int line);
  Result ParseFor(int line);
  Result ParseSet(int line);
  Result ParseMacro(int line);
  Result ParseCall(int line);
  Result ParseFilterBlock(int line);
  Result ParseWith(int line);
  Result ParseGeneration(int line);
  Result ParseJump(StatementKind kind, int line);
  absl::Status ParseParameters(Statement& statement);

  TokenStream stream_;
  ExpressionParser expressions_;
  std::string end_;  // the tag that ended the last body
  int depth_ = 0;
  int loops_ = 0;  // around, within this function
};

absl::StatusOr<Body> TemplateParser::ParseBody(Ends ends) {
  if (++depth_ > kMaxStatementDepth)
    return Wrong("deeper blocks", absl::StrCat("at most ", kMaxStatementDepth, " levels"));
  Body body;
  while (stream_.Now().kind != TokenKind::kEnd) {
    const Token& token = stream_.Take();
    if (token.kind == TokenKind::kData) {
      body.push_back({StatementKind::kText, token.line, token.text});
    } else if (token.kind == TokenKind::kVariableBegin) {
      Statement output{StatementKind::kOutput, token.line};
      ASSIGN_OR_RETURN(output.value, expressions_.ParseTuple());
      RETURN_IF_ERROR(stream_.Expect(TokenKind::kVariableEnd, "}}"));
      body.push_back(std::move(output));
    } else {
      for (const char* end : ends) {
        if (!stream_.IsName(end)) continue;
        end_ = stream_.Take().text;
        --depth_;
        return body;
      }
      ASSIGN_OR_RETURN(body.emplace_back(), ParseStatement());
      RETURN_IF_ERROR(stream_.Expect(TokenKind::kBlockEnd, "%}"));
    }
  }
  if (ends.size() > 0) return WrongHere(absl::StrJoin(ends, " or "));
  --depth_;
  return body;
}

absl::StatusOr<Body> TemplateParser::ParseBlock(Ends ends) {
  stream_.TakeOperator(":");
  RETURN_IF_ERROR(stream_.Expect(TokenKind::kBlockEnd, "%}"));
  return ParseBody(ends);
}

absl::StatusOr<Body> TemplateParser::ParseClosedBlock(Ends ends) {
  const int loops = std::exchange(loops_, 0);
  absl::StatusOr<Body> body = ParseBlock(ends);
  loops_ = loops;
  return body;
}

absl::StatusOr<Statement> TemplateParser::ParseStatement() {
  const int line = stream_.line();
  if (stream_.Now().kind != TokenKind::kName) return WrongHere("a tag's name");
  if (stream_.TakeName("if")) return ParseIf(line);
  if (stream_.TakeName("for")) return ParseFor(line);
  if (stream_.TakeName("set")) return ParseSet(line);
  if (stream_.TakeName("macro")) return ParseMacro(line);
  if (stream_.TakeName("call")) return ParseCall(line);
  if (stream_.TakeName("filter")) return ParseFilterBlock(line);
  if (stream_.TakeName("with")) return ParseWith(line);
  if (stream_.TakeName("generation")) return ParseGeneration(line);
  if (stream_.TakeName("break")) return ParseJump(StatementKind::kBreak, line);
  if (stream_.TakeName("continue")) return ParseJump(StatementKind::kContinue, line);
  return Unsupported(absl::StrCat("the tag ", stream_.Now().text));
}

absl::StatusOr<Statement> TemplateParser::ParseIf(int line) {
  Statement statement{StatementKind::kIf, line};
  do {
    Statement::Branch branch;
    ASSIGN_OR_RETURN(branch.condition, expressions_.ParseTuple(/*with_if=*/false));
    ASSIGN_OR_RETURN(branch.body, ParseBlock({"elif", "else", "endif"}));
    statement.branches.push_back(std::move(branch));
  } while (end_ == "elif");
  if (end_ == "else") {
    Statement::Branch branch;
    ASSIGN_OR_RETURN(branch.body, ParseBlock({"endif"}));
    statement.branches.push_back(std::move(branch));
  }
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseFor(int line) {
  Statement statement{StatementKind::kFor, line};
  ASSIGN_OR_RETURN(statement.target, expressions_.ParseTarget(/*with_namespace=*/false));
  RETURN_IF_ERROR(stream_.ExpectName("in"));
  ASSIGN_OR_RETURN(statement.value, expressions_.ParseTuple(/*with_if=*/false));
  if (stream_.TakeName("if")) {
    ASSIGN_OR_RETURN(statement.test, expressions_.ParseExpression());
  }
  if (stream_.IsName("recursive")) return Unsupported("a recursive loop");
  ++loops_;
  ASSIGN_OR_RETURN(statement.body, ParseBlock({"else", "endfor"}));
  --loops_;
  if (end_ == "else") {
    ASSIGN_OR_RETURN(statement.other, ParseBlock({"endfor"}));
  }
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseSet(int line) {
  Statement statement{StatementKind::kSet, line};
  ASSIGN_OR_RETURN(statement.target, expressions_.ParseTarget(/*with_namespace=*/true));
  if (stream_.TakeOperator("=")) {
    ASSIGN_OR_RETURN(statement.value, expressions_.ParseTuple());
    return statement;
  }
  statement.kind = StatementKind::kSetBlock;
  ASSIGN_OR_RETURN(statement.value, expressions_.ParseFilters(nullptr));
  ASSIGN_OR_RETURN(statement.body, ParseClosedBlock({"endset"}));
  return statement;
}

absl::Status TemplateParser::ParseParameters(Statement& statement) {
  RETURN_IF_ERROR(stream_.ExpectOperator("("));
  while (!stream_.IsOperator(")")) {
    if (!statement.parameters.empty()) RETURN_IF_ERROR(stream_.ExpectOperator(","));
    const std::string name = stream_.Now().text;
    RETURN_IF_ERROR(stream_.Expect(TokenKind::kName, "a parameter's name"));
    for (const char* special : {"caller", "varargs", "kwargs"}) {
      if (name == special) return Unsupported(absl::StrCat("a parameter ", name));
    }
    if (statement.parameters.size() == kMaxParameters) {
      return Wrong("more parameters of a macro", absl::StrCat("at most ", kMaxParameters));
    }
    if (std::count(statement.parameters.begin(), statement.parameters.end(), name) > 0) {
      return Wrong(absl::StrCat("two parameters ", name), "one");
    }
    statement.parameters.push_back(name);
    if (stream_.TakeOperator("=")) {
      ASSIGN_OR_RETURN(statement.defaults.emplace_back(), expressions_.ParseExpression());
    } else if (!statement.defaults.empty()) {
      return Wrong("a parameter without a default behind one with", "a default");
    }
  }
  return stream_.ExpectOperator(")");
}

absl::StatusOr<Statement> TemplateParser::ParseMacro(int line) {
  Statement statement{StatementKind::kMacro, line, stream_.Now().text};
  RETURN_IF_ERROR(stream_.Expect(TokenKind::kName, "the macro's name"));
  RETURN_IF_ERROR(ParseParameters(statement));
  ASSIGN_OR_RETURN(statement.body, ParseClosedBlock({"endmacro"}));
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseCall(int line) {
  Statement statement{StatementKind::kCallBlock, line};
  if (stream_.IsOperator("(")) RETURN_IF_ERROR(ParseParameters(statement));
  ASSIGN_OR_RETURN(statement.value, expressions_.ParseExpression());
  if (statement.value->kind != Expression::Kind::kCall)
    return Wrong("no call behind the tag call", "one");
  ASSIGN_OR_RETURN(statement.body, ParseClosedBlock({"endcall"}));
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseFilterBlock(int line) {
  Statement statement{StatementKind::kFilterBlock, line};
  ASSIGN_OR_RETURN(statement.value, expressions_.ParseFilterOfBlock());
  ASSIGN_OR_RETURN(statement.body, ParseClosedBlock({"endfilter"}));
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseWith(int line) {
  Statement statement{StatementKind::kWith, line};
  while (stream_.Now().kind != TokenKind::kBlockEnd) {
    if (!statement.targets.empty()) RETURN_IF_ERROR(stream_.ExpectOperator(","));
    // One name each: `a, b = 1, 2` would read as a tuple in Jinja too.
    ASSIGN_OR_RETURN(statement.targets.emplace_back(), expressions_.ParseTarget(false));
    RETURN_IF_ERROR(stream_.ExpectOperator("="));
    ASSIGN_OR_RETURN(statement.values.emplace_back(), expressions_.ParseExpression());
  }
  ASSIGN_OR_RETURN(statement.body, ParseBlock({"endwith"}));
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseGeneration(int line) {
  Statement statement{StatementKind::kGeneration, line};
  ASSIGN_OR_RETURN(statement.body, ParseClosedBlock({"endgeneration"}));
  return statement;
}

absl::StatusOr<Statement> TemplateParser::ParseJump(StatementKind kind, int line) {
  if (loops_ == 0) {
    return Wrong(
        absl::StrCat(kind == StatementKind::kBreak ? "break" : "continue", " without a loop"),
        "a loop around it, within the same block");
  }
  return Statement{kind, line};
}

}  // namespace

absl::StatusOr<Template> ParseTemplate(std::string_view source, const std::string& where) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source, where));
  TemplateParser parser(std::move(tokens));
  absl::StatusOr<Body> body = parser.ParseBody({});
  const auto located = [&](const absl::Status& status, int line) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ":", line, ": ", std::string(status.message())));
  };
  if (!body.ok()) return located(body.status(), parser.line());
  Template result{*std::move(body)};
  int line = 0;
  if (const absl::Status status = FindScopes(result, line); !status.ok())
    return located(status, line);
  return result;
}

}  // namespace deduce::jinja
