// The names of a scope while a template runs.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/text/chat_template/syntax_tree.h"

namespace deduce::jinja {

// The variables a template is rendered with.
using Variables = std::vector<std::pair<std::string, Value>>;

// Lives on the stack of the block it belongs to. What can outlive the block (values of a namespace)
// can hold no macro, and macros are all that points to frames.
class Frame {
 public:
  // Binds the names of `scope`; parameters stay missing until they are set. `scope`, `outer` and
  // `variables` outlive the frame.
  Frame(const Scope& scope, Frame* outer, const Variables& variables);

  // The value of a name here or further out; undefined if it has none.
  Value Get(const std::string& name) const;
  // Names here and further out.
  size_t num_names() const { return num_names_; }
  // Gives a value to a name that this scope binds.
  void Set(const std::string& name, Value value);

 private:
  // The slot of a name here or further out; null if no scope binds it.
  const std::optional<Value>* Find(const std::string& name) const;
  std::optional<Value> Resolve(const std::string& name) const;

  Frame* outer_;
  size_t num_names_;
  const Variables& variables_;
  std::vector<std::pair<const std::string*, std::optional<Value>>> slots_;
};

}  // namespace deduce::jinja
