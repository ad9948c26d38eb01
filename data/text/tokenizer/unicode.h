// Questions about characters that the parts of a tokenizer ask, answered as the `tokenizers`
// package does where versions of Unicode differ.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace deduce {

bool IsWhiteSpace(uint32_t code);     // property White_Space
bool IsNumeric(uint32_t code);        // categories Nd, Nl, No
bool IsWordCharacter(uint32_t code);  // \w: alphabetic, marks, Nd, Pc, joiners

// Every character by its own full mapping, without regard to its neighbours.
std::string Lowercase(std::string_view text);

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// Normalises valid UTF-8 as Unicode 9 has it: that is the version the `tokenizers` package
// normalises by, for which later characters are unassigned and stay as and where they are.
std::string NormalizeUnicode(std::string_view text, UnicodeForm form);

}  // namespace deduce
