// Any bytes as a tokenizer.json: a tokenizer that encodes and decodes, or one line that says why
// not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/tokenizer/tokenizer.h"
#include "data/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = deduce::Tokenizer::FromJson(bytes, "f");
  if (!tokenizer.ok()) {
    if (tokenizer.status().message().find('\n') != absl::string_view::npos) std::abort();
    return 0;
  }
  const std::string text =
      deduce::ReplaceInvalidUtf8(bytes.substr(0, 4096)) + " a1 b\u00e9\u4e09 ab";
  const auto ids = tokenizer->Encode(text, /*add_special_tokens=*/true);
  if (!ids.ok()) return 0;
  std::vector<int32_t> all = *ids;
  for (int64_t id = 0; id < tokenizer->vocab_size() + 2; ++id)
    all.push_back(static_cast<int32_t>(id));
  for (const int32_t id : *ids) {
    if (id < 0 || id >= tokenizer->vocab_size()) std::abort();
  }
  if (deduce::FindInvalidUtf8(tokenizer->Decode(all))) std::abort();
  return 0;
}
