// JSON-lines files: supervised samples and problems, with errors that name the line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "data/records/chat_text.h"
#include "data/tasks/task.h"
#include "data/text/chat_template/chat_template.h"

namespace deduce {

// A file held in memory, with the index of its lines. Every error is InvalidArgument with
// `PATH:LINE: found X, expected Y`.
class JsonlReader {
 public:
  // Messages are written by `chat_template`. Errors: no such file or not readable (NotFound), no
  // lines, an empty line, text that is not UTF-8.
  static absl::StatusOr<JsonlReader> Open(
      const std::string& path, absl::StatusOr<ChatTemplate> chat_template = NoChatTemplate());

  int64_t size() const { return static_cast<int64_t>(starts_.size()) - 1; }
  // `PATH:LINE` of line i; lines count from 1 there, i from 0.
  std::string Where(int64_t i) const;

  // Line i as {"prompt", "completion"}, as {"messages": [{"role", "content"}, ...]} whose last
  // message is the assistant's (ChatSample), or as {"text"} (an empty prompt).
  absl::StatusOr<TextSample> ReadSample(int64_t i) const;

  // Line i as {"prompt": text or messages, "answer", "verifier"} with an optional "language".
  absl::StatusOr<Problem> ReadProblem(int64_t i) const;

 private:
  JsonlReader() = default;
  std::string_view Line(int64_t i) const;

  std::string path_;
  std::string text_;
  absl::StatusOr<ChatTemplate> chat_template_;
  std::vector<size_t> starts_;  // offset of every line, and the end
};

}  // namespace deduce
