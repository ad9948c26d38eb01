// A parsed template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

struct Expression {
  enum class Kind {
    kConstant,            // constant
    kName,                // name
    kNamespaceAttribute,  // name.constant, as a target of `set` only
    kTuple,               // parts
    kList,                // parts
    kDict,                // parts: key, value, key, value, ...
    kConditional,         // parts: condition, then and, if given, else
    kOr,                  // parts: two
    kAnd,                 // parts: two
    kNot,                 // parts: one
    kCompare,             // parts: n + 1; names: n operators
    kArithmetic,          // name: the operator; parts: two
    kConcat,              // parts
    kSigned,              // name: + or -; parts: one
    kAttribute,           // parts[0].name
    kItem,                // parts[0][parts[1]]
    kSlice,               // parts[0][parts[1]:parts[2]:parts[3]]
    kCall,                // parts[0](the others)
    kFilter,              // parts[0]|name(the others); parts[0] may be null: the body of a block
    kTest,                // parts[0] is name(the others)
  };
  Kind kind;
  int line;
  std::string name;
  Value constant;
  std::vector<std::unique_ptr<Expression>> parts;
  // kCompare: operators. Calls: the names of the last arguments, those given by name.
  std::vector<std::string> names;
  int depth = 1;  // levels of expressions
};
using ExpressionPtr = std::unique_ptr<Expression>;

// How a name that a scope binds gets its value when the scope is entered.
enum class Entry { kParameter, kResolve, kOuter, kMissing };
// The names that a scope binds. Jinja decides this before it runs a template.
using Scope = std::vector<std::pair<std::string, Entry>>;

struct Statement {
  enum class Kind {
    kText,         // text
    kOutput,       // value
    kIf,           // branches: conditions (null for else) and bodies
    kFor,          // target, value, test (may be null), body, other (else)
    kSet,          // target, value
    kSetBlock,     // target, value (a filter; may be null), body
    kMacro,        // text: its name; parameters, defaults (of the last ones), body
    kCallBlock,    // value: the call; parameters, defaults, body
    kFilterBlock,  // value: the filter, body
    kWith,         // targets and values, body
    kGeneration,   // body
    kBreak,
    kContinue,
  };
  struct Branch {
    ExpressionPtr condition;
    std::vector<Statement> body;
  };

  Kind kind;
  int line;
  std::string text;
  ExpressionPtr target, value, test;
  std::vector<Statement> body, other;
  std::vector<Branch> branches;
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;
  std::vector<ExpressionPtr> targets, values;
  // Filled in by FindScopes. Of a macro: whether its body reads the name caller.
  bool reads_caller = false;
  // Scopes: of the body, of the else of a loop, of the test of a loop.
  Scope scope, other_scope, test_scope;
};
using Body = std::vector<Statement>;

struct Template {
  Body body;
  Scope scope;
};

}  // namespace deduce::jinja
