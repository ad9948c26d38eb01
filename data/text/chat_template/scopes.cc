#include "data/text/chat_template/scopes.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce::jinja {
namespace {

using E = Expression::Kind;
using S = Statement::Kind;

constexpr size_t kMostCopiedNames = 1'000'000;

// The names of one scope while it is being looked through.
class Symbols {
 public:
  Symbols(const Symbols* parent, bool in_macro)
      : parent_(parent), in_macro_(in_macro || (parent && parent->in_macro_)) {}

  bool Binds(const std::string& name) const {
    return entries_.count(name) > 0 || BoundOutside(name);
  }
  bool in_macro() const { return in_macro_; }

  void Load(const std::string& name) {
    if (!Binds(name)) entries_[name] = Entry::kResolve;
  }
  void Store(const std::string& name) {
    stores_.insert(name);
    if (entries_.count(name) == 0)
      entries_[name] = BoundOutside(name) ? Entry::kOuter : Entry::kMissing;
  }
  void Declare(const std::string& name) {
    stores_.insert(name);
    entries_[name] = Entry::kParameter;
  }

  // Takes over the branches of an `if`, each of which changed a copy of this. Code behind them may
  // read a name that only some of them set from where it would otherwise have come.
  void Merge(const std::vector<Symbols>& branches) {
    std::set<std::string> stores;
    for (const Symbols& branch : branches) {
      for (const std::string& name : branch.stores_) {
        if (stores_.count(name) == 0) stores.insert(name);
      }
    }
    for (const Symbols& branch : branches) {
      for (const auto& [name, entry] : branch.entries_) entries_[name] = entry;
      stores_.insert(branch.stores_.begin(), branch.stores_.end());
    }
    for (const std::string& name : stores) {
      entries_[name] = BoundOutside(name) ? Entry::kOuter : Entry::kResolve;
    }
  }

  size_t size() const { return entries_.size() + stores_.size(); }

  Scope Finish() const { return Scope(entries_.begin(), entries_.end()); }

 private:
  bool BoundOutside(const std::string& name) const { return parent_ && parent_->Binds(name); }

  const Symbols* parent_;
  bool in_macro_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> stores_;
};

class ScopeFinder {
 public:
  absl::Status FindIn(Body& body,
                      const Symbols& outer);  // the scopes of blocks within a finished scope
  // Collects the names that a body's own statements load and store, blocks with a scope aside.
  absl::Status Look(const Body& body, Symbols& symbols);
  int line = 0;

 private:
  absl::Status LookAt(const Statement& statement, Symbols& symbols);
  absl::Status LookAtIf(const Statement& statement, Symbols& symbols);
  absl::Status LookAtExpression(const Expression& node, Symbols& symbols);
  void Assign(const Expression& target, Symbols& symbols, bool as_parameter);

  absl::Status FindOf(Statement& statement, const Symbols& outer);
  absl::Status FindOfFor(Statement& statement, const Symbols& outer);

  size_t copied_names_ = 0;
  int caller_reads_ = 0;  // times that the name caller was read so far
};

void ScopeFinder::Assign(const Expression& target, Symbols& symbols, bool as_parameter) {
  if (target.kind == E::kNamespaceAttribute) {
    symbols.Load(target.name);
  } else if (target.kind == E::kName) {
    if (as_parameter) {
      symbols.Declare(target.name);
    } else {
      symbols.Store(target.name);
    }
  }
  for (const ExpressionPtr& part : target.parts) Assign(*part, symbols, as_parameter);
}

absl::Status ScopeFinder::LookAtExpression(const Expression& node, Symbols& symbols) {
  line = node.line;
  if (node.kind == E::kName) {
    if (symbols.in_macro() && (node.name == "varargs" || node.name == "kwargs")) {
      return Unsupported(absl::StrCat(node.name, " in a macro"));
    }
    symbols.Load(node.name);
    caller_reads_ += node.name == "caller";
  }
  for (const ExpressionPtr& part : node.parts) {
    if (part) RETURN_IF_ERROR(LookAtExpression(*part, symbols));
  }
  return absl::OkStatus();
}

// An `elif` counts as an `if` within the `else` of what comes before, as far as copies are
// concerned.
absl::Status ScopeFinder::LookAtIf(const Statement& statement, Symbols& symbols) {
  RETURN_IF_ERROR(LookAtExpression(*statement.branches.front().condition, symbols));
  // Each `if`, and each `elif` below, copies the names so far.
  copied_names_ += 3 * symbols.size() + (statement.branches.size() - 1) * (symbols.size() + 1);
  if (copied_names_ > kMostCopiedNames) {
    return Wrong("more names times branches", absl::StrCat("at most ", kMostCopiedNames));
  }
  std::vector<Symbols> branches(3, symbols);  // body, all elifs one behind the other, else
  RETURN_IF_ERROR(Look(statement.branches.front().body, branches[0]));
  for (size_t i = 1; i < statement.branches.size(); ++i) {
    const Statement::Branch& branch = statement.branches[i];
    if (!branch.condition) {
      RETURN_IF_ERROR(Look(branch.body, branches[2]));
      continue;
    }
    RETURN_IF_ERROR(LookAtExpression(*branch.condition, branches[1]));
    std::vector<Symbols> inner(1, branches[1]);
    RETURN_IF_ERROR(Look(branch.body, inner[0]));
    branches[1].Merge(inner);
  }
  symbols.Merge(branches);
  return absl::OkStatus();
}

absl::Status ScopeFinder::LookAt(const Statement& statement, Symbols& symbols) {
  switch (statement.kind) {
    case S::kIf:
      return LookAtIf(statement, symbols);
    case S::kSet:
      RETURN_IF_ERROR(LookAtExpression(*statement.value, symbols));
      Assign(*statement.target, symbols, false);
      return absl::OkStatus();
    case S::kSetBlock:
      Assign(*statement.target, symbols, false);
      return absl::OkStatus();
    case S::kMacro:
      symbols.Store(statement.text);
      return absl::OkStatus();
    case S::kWith:
      for (const ExpressionPtr& value : statement.values)
        RETURN_IF_ERROR(LookAtExpression(*value, symbols));
      return absl::OkStatus();
    case S::kOutput:
    case S::kFor:
    case S::kCallBlock:
    case S::kFilterBlock:
      return LookAtExpression(*statement.value, symbols);
    default:
      return absl::OkStatus();
  }
}

absl::Status ScopeFinder::Look(const Body& body, Symbols& symbols) {
  for (const Statement& statement : body) RETURN_IF_ERROR(LookAt(statement, symbols));
  return absl::OkStatus();
}

absl::Status ScopeFinder::FindOfFor(Statement& statement, const Symbols& outer) {
  Symbols body(&outer, false), other(&outer, false), test(&outer, false);
  body.Declare("loop");
  Assign(*statement.target, body, true);
  RETURN_IF_ERROR(Look(statement.body, body));
  RETURN_IF_ERROR(Look(statement.other, other));
  if (statement.test) {
    Assign(*statement.target, test, true);
    RETURN_IF_ERROR(LookAtExpression(*statement.test, test));
  }
  statement.scope = body.Finish();
  statement.other_scope = other.Finish();
  statement.test_scope = test.Finish();
  RETURN_IF_ERROR(FindIn(statement.body, body));
  return FindIn(statement.other, other);
}

absl::Status ScopeFinder::FindOf(Statement& statement, const Symbols& outer) {
  line = statement.line;
  switch (statement.kind) {
    case S::kFor:
      return FindOfFor(statement, outer);
    case S::kIf:
      for (Statement::Branch& branch : statement.branches)
        RETURN_IF_ERROR(FindIn(branch.body, outer));
      return absl::OkStatus();
    case S::kSetBlock:
    case S::kMacro:
    case S::kCallBlock:
    case S::kFilterBlock:
    case S::kWith:
    case S::kGeneration:
      break;
    default:
      return absl::OkStatus();
  }
  const bool is_macro = statement.kind == S::kMacro || statement.kind == S::kCallBlock ||
                        statement.kind == S::kGeneration;  // which Jinja makes a call block of
  Symbols inner(&outer, is_macro);
  const int caller_reads = caller_reads_;
  if (is_macro) inner.Declare("caller");
  for (const std::string& name : statement.parameters) inner.Declare(name);
  for (const ExpressionPtr& value : statement.defaults)
    RETURN_IF_ERROR(LookAtExpression(*value, inner));
  for (const ExpressionPtr& target : statement.targets) Assign(*target, inner, true);
  RETURN_IF_ERROR(Look(statement.body, inner));
  if (statement.value && statement.kind != S::kCallBlock)
    RETURN_IF_ERROR(LookAtExpression(*statement.value, inner));
  statement.scope = inner.Finish();
  RETURN_IF_ERROR(FindIn(statement.body, inner));
  statement.reads_caller = caller_reads_ > caller_reads;
  return absl::OkStatus();
}

absl::Status ScopeFinder::FindIn(Body& body, const Symbols& outer) {
  for (Statement& statement : body) RETURN_IF_ERROR(FindOf(statement, outer));
  return absl::OkStatus();
}

}  // namespace

absl::Status FindScopes(Template& whole, int& line) {
  ScopeFinder finder;
  Symbols root(nullptr, false);
  absl::Status status = finder.Look(whole.body, root);
  if (status.ok()) {
    whole.scope = root.Finish();
    status = finder.FindIn(whole.body, root);
  }
  line = finder.line;
  return status;
}

}  // namespace deduce::jinja
