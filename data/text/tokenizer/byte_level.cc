#include "data/text/tokenizer/byte_level.h"

#include <array>

#include "data/text/utf8.h"

namespace deduce {
namespace {

bool PrintsInLatin1(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

struct ByteTable {
  std::array<uint32_t, 256> code_of{};  // by byte
  std::array<int, 0x144> byte_of{};     // by code point; -1: none

  ByteTable() {
    byte_of.fill(-1);
    uint32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      code_of[byte] = PrintsInLatin1(byte) ? static_cast<uint32_t>(byte) : next++;
      byte_of[code_of[byte]] = byte;
    }
  }
};

const ByteTable& Table() {
  static const ByteTable table;
  return table;
}

}  // namespace

std::string BytesToCharacters(std::string_view bytes) {
  std::string characters;
  characters.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    AppendCharacter(Table().code_of[static_cast<uint8_t>(byte)], characters);
  }
  return characters;
}

void AppendTokenBytes(std::string_view token, std::string& bytes) {
  const size_t before = bytes.size();
  for (size_t i = 0; i < token.size();) {
    const size_t length = CharacterLength(token, i);
    const uint32_t code = CodePoint(token.substr(i, length));
    const int byte = code < Table().byte_of.size() ? Table().byte_of[code] : -1;
    if (byte < 0) {
      bytes.resize(before);
      bytes += token;
      return;
    }
    bytes += static_cast<char>(byte);
    i += length;
  }
}

}  // namespace deduce
