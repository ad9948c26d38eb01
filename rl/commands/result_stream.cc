#include "rl/commands/result_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_format.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {
namespace {

constexpr size_t kBufferBytes = 1 << 16;
constexpr unsigned char kLead = 0xC2;

}  // namespace

void ControlEscaper::Append(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = std::exchange(lead_, false);
    const bool high = continues && byte >= 0x80 && byte < 0xA0;
    if (continues && !high) out += static_cast<char>(kLead);
    if (byte == kLead) {
      lead_ = true;
    } else if (high || byte == 0x7F || (byte < 0x20 && c != '\n' && c != '\t')) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out += c;
    }
  }
}

void ControlEscaper::End(std::string& out) {
  if (std::exchange(lead_, false)) out += static_cast<char>(kLead);
}

ResultStream::Buffer::Buffer(int fd) : fd_(fd), is_terminal_(isatty(fd) == 1) {}

int ResultStream::Buffer::overflow(int c) {
  if (c == traits_type::eof()) return traits_type::not_eof(c);
  const char text = traits_type::to_char_type(c);
  return xsputn(&text, 1) == 1 ? c : traits_type::eof();
}

std::streamsize ResultStream::Buffer::xsputn(const char* text, std::streamsize size) {
  const std::string_view piece(text, static_cast<size_t>(size));
  escaper_.Append(piece, out_);
  const bool flushes =
      out_.size() >= kBufferBytes || (is_terminal_ && piece.find('\n') != std::string_view::npos);
  return flushes && sync() != 0 ? 0 : size;
}

int ResultStream::Buffer::sync() {
  size_t written = 0;
  while (written < out_.size() && error_ == 0) {
    const ssize_t n = ::write(fd_, out_.data() + written, out_.size() - written);
    if (n >= 0) {
      written += n;
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  out_.clear();
  return error_ == 0 ? 0 : -1;
}

ResultStream::ResultStream(int fd, std::string name)
    : std::ostream(nullptr), name_(std::move(name)), buffer_(fd) {
  rdbuf(&buffer_);
}

absl::Status ResultStream::Finish() {
  buffer_.End();
  flush();
  if (good()) return absl::OkStatus();
  return FileError(buffer_.error(), name_, "all results to be written");
}

void OpenStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is this one.
    static_cast<void>(open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

}  // namespace deduce
