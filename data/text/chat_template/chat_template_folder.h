// The chat template of a Hugging Face model folder.
#pragma once

#include <string>

#include "data/text/chat_template/chat_template.h"

namespace deduce {

// Finds the template as transformers does: chat_template.jinja, else "chat_template" in
// tokenizer_config.json (a text, or a list of {"name", "template"} of which `name` is taken), else
// chat_template.json. The special tokens (bos_token, eos_token, unk_token, sep_token, pad_token,
// cls_token, mask_token and named extra_special_tokens, texts or AddedToken objects) come from
// tokenizer_config.json; null ones are left out. Errors: NotFound if the folder has no template or
// none of that name; those of ReadTextFile and ChatTemplate::Parse; InvalidArgument `PATH: found X,
// expected Y`.
absl::StatusOr<ChatTemplate> LoadChatTemplate(const std::string& folder,
                                              const std::string& name = "default");

}  // namespace deduce
