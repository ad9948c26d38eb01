// A byte-level BPE tokenizer in the form of SmolLM2's and Qwen2's, small enough to write here.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

// A token a byte of ASCII text, of "\u4e09" (three bytes) and of U+FF0C (likewise); "\n\n" and "ab"
// are tokens too; <|im_start|> begins a message and <|im_end|> ends one.
inline std::shared_ptr<const Tokenizer> ByteLevelTokenizer(
    absl::StatusOr<ChatTemplate> chat_template = NoChatTemplate()) {
  nlohmann::json vocab = nlohmann::json::object();
  const auto add = [&](const std::string& token) { vocab[token] = vocab.size(); };
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c));
  // As GPT-2 writes the bytes ' ', '\n', E4 B8 89, EF BC 8C.
  for (const char* byte :
       {"\u0120", "\u010a", "\u00e4", "\u00b8", "\u012b", "\u00ef", "\u00bc", "\u012e"})
    add(byte);
  add("\u010a\u010a");
  add("ab");
  nlohmann::json added = nlohmann::json::array();
  for (const char* token : {"<|im_start|>", "<|im_end|>"}) {
    added.push_back({{"id", vocab.size() + added.size()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const nlohmann::json byte_level = {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"trim_offsets", true},
                                     {"use_regex", false}};
  const nlohmann::json json = {{"version", "1.0"},
                               {"added_tokens", added},
                               {"pre_tokenizer", byte_level},
                               {"decoder", byte_level},
                               {"model",
                                {{"type", "BPE"},
                                 {"vocab", vocab},
                                 {"merges", nlohmann::json::array({"\u010a \u010a", "a b"})}}}};
  auto tokenizer = Tokenizer::FromJson(json.dump(), "tok.json",
                                       R"({"eos_token": "<|im_end|>", "add_bos_token": false})",
                                       std::move(chat_template));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return std::make_shared<const Tokenizer>(*std::move(tokenizer));
}

// As ChatML, which those models are asked in.
inline constexpr char kChatMlTemplate[] =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

inline ChatTemplate ChatMl() {
  return *ChatTemplate::Parse(kChatMlTemplate, "test", {{"eos_token", "<|im_end|>"}});
}

}  // namespace deduce
