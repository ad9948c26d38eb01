// The "byte level" of GPT-2: every byte as a printable character, so that tokens can be written in
// JSON. Bytes that print in Latin-1 are themselves; the others, in order, are U+0100, U+0101, ...
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace deduce {

// The character of each byte of `bytes`, joined.
std::string BytesToCharacters(std::string_view bytes);

// Appends the bytes of a token's characters; a token with any other character is appended as it
// stands.
void AppendTokenBytes(std::string_view token, std::string& bytes);

}  // namespace deduce
