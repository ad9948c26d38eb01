// How commands write their results: text or JSON lines, to a descriptor of which every write is
// checked.
#pragma once

#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace deduce {

// Writes control characters, which may come from a model or a file and would steer a terminal, as
// JSON does: \u009b. Line feeds and tabs stay. In JSON they can only be within strings, so this
// changes no value.
class ControlEscaper {
 public:
  // Appends UTF-8 that comes in any pieces.
  void Append(std::string_view text, std::string& out);
  void End(std::string& out);

 private:
  bool lead_ = false;  // the first byte of U+0080 to U+00BF has come
};

class ResultStream : public std::ostream {
 public:
  // `fd` stays open; `name` is what errors call it.
  ResultStream(int fd, std::string name);

  // Writes what is left. An error if anything could not be written; the stream has been bad since.
  absl::Status Finish();

 private:
  class Buffer : public std::streambuf {
   public:
    explicit Buffer(int fd);
    int error() const { return error_; }
    void End() { escaper_.End(out_); }

   protected:
    int overflow(int c) override;
    std::streamsize xsputn(const char* text, std::streamsize size) override;
    int sync() override;

   private:
    int fd_;
    bool is_terminal_;
    int error_ = 0;  // errno of the first write that failed
    ControlEscaper escaper_;
    std::string out_;
  };

  std::string name_;
  Buffer buffer_;
};

// Gives each of the standard descriptors that are closed something to stand for it, so that no file
// takes its number and the results with it. Writing to it fails.
void OpenStandardDescriptors();

}  // namespace deduce
