// Any bytes as a safetensors file: tensors that lie within it, or one line that says why not.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "trainer/checkpoint/safetensors.h"

namespace {

void CheckLine(const absl::Status& status) {
  if (status.message().find('\n') != absl::string_view::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // In memory; one name a process, as libFuzzer runs several.
  static const std::string path = "/dev/shm/deduce_fuzz_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const auto file = deduce::SafetensorsFile::Open(path);
  if (!file.ok()) {
    CheckLine(file.status());
    return 0;
  }
  int64_t total = 0;
  for (const auto& [name, entry] : file->entries()) {
    if (entry.begin < 8 || entry.end < entry.begin || entry.end > static_cast<int64_t>(size)) {
      std::abort();
    }
    const auto tensor = file->Read(name);
    if (!tensor.ok()) std::abort();
    if (static_cast<int64_t>(tensor->nbytes()) != entry.end - entry.begin) std::abort();
    total += entry.end - entry.begin;
  }
  if (total > static_cast<int64_t>(size)) std::abort();  // tensors share no bytes
  return 0;
}
