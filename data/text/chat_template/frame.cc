#include "data/text/chat_template/frame.h"

#include "absl/strings/str_cat.h"
#include "data/text/chat_template/globals.h"

namespace deduce::jinja {

Frame::Frame(const Scope& scope, Frame* outer, const Variables& variables)
    : outer_(outer),
      num_names_(scope.size() + (outer ? outer->num_names_ : 0)),
      variables_(variables) {
  slots_.reserve(scope.size());
  for (const auto& [name, entry] : scope) {
    std::optional<Value> value;
    if (entry == Entry::kResolve) value = Resolve(name);
    if (entry == Entry::kOuter) {
      const std::optional<Value>* slot = outer->Find(name);
      if (slot) value = *slot;
    }
    slots_.emplace_back(&name, std::move(value));
  }
}

const std::optional<Value>* Frame::Find(const std::string& name) const {
  for (const Frame* frame = this; frame; frame = frame->outer_) {
    for (const auto& [known, value] : frame->slots_) {
      if (*known == name) return &value;
    }
  }
  return nullptr;
}

std::optional<Value> Frame::Resolve(const std::string& name) const {
  for (const auto& [known, value] : variables_) {
    if (known == name) return value;
  }
  return FindGlobal(name);
}

Value Frame::Get(const std::string& name) const {
  const std::optional<Value>* slot = Find(name);
  const std::optional<Value> value = slot ? *slot : Resolve(name);
  return value ? *value : Value::Undefined(absl::StrCat("the undefined name ", name));
}

void Frame::Set(const std::string& name, Value value) {
  for (auto& [known, slot] : slots_) {
    if (*known == name) {
      slot = std::move(value);
      return;
    }
  }
}

}  // namespace deduce::jinja
