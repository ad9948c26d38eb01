// JSON-lines files: supervised samples and problems, with errors that name the line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/records/chat_text.h"
#include "data/tasks/task.h"
#include "data/text/chat_template/chat_template.h"
#include "data/text/tokenizer/tokenizer.h"
#include "nlohmann/json_fwd.hpp"

namespace deduce {

// The part of a conversation that is learned where its messages have no "weight".
enum class LearnedTurns {
  kLast,     // the last message
  kEvery,    // every message of the assistant's
  kAllText,  // all text, and a weight is an error
};

// Settings for all rows of a file.
struct RowOptions {
  absl::StatusOr<ChatTemplate> chat_template = NoChatTemplate();
  std::optional<std::string> system;    // the system message of conversations that bring none
  std::optional<std::string> verifier;  // the rule for rows that name none
  LearnedTurns turns = LearnedTurns::kLast;
};

// As `config` has them.
RowOptions OptionsOfRows(const DataConfig& config, const Tokenizer& tokenizer, LearnedTurns turns);

// A file held in memory, with the index of its rows: its lines without the blank ones. Errors are
// `PATH:LINE: found X, expected Y`.
class JsonlReader {
 public:
  // Errors: no such file or not readable (NotFound), no rows.
  static absl::StatusOr<JsonlReader> Open(const std::string& path, RowOptions options = {});

  int64_t size() const { return static_cast<int64_t>(rows_.size()); }
  // `PATH:LINE` of row i; lines count from 1, rows from 0.
  std::string Where(int64_t i) const;

  // Rows are read by one of these. Errors: InvalidArgument for a row of another form, with its
  // field; those of ParseRow.

  // Row i as {"prompt", "completion"}, as {"messages": [{"role", "content"}, ...]} whose last
  // message is the assistant's (ChatSample, ChatTurns), or as {"text"} (an empty prompt).
  absl::StatusOr<TextSample> ReadSample(int64_t i) const;

  // Row i as {"prompt": text or messages, "answer": text or number, "verifier"} with an optional
  // "language"; "messages" may take the place of "prompt". The verifier is one of `verifiers`;
  // without those, any name is taken.
  absl::StatusOr<Problem> ReadProblem(int64_t i,
                                      const std::vector<std::string>& verifiers = {}) const;

  // The ways in which row i can be read, by its fields.
  struct Kinds {
    bool sample = false;   // it has a completion, a text, or messages that end with the assistant's
    bool problem = false;  // it has an answer, and a prompt or other messages
  };
  absl::StatusOr<Kinds> KindsOf(int64_t i) const;

 private:
  struct Row {
    size_t begin, end;  // bytes of the text
    int64_t line;       // from 1
  };

  JsonlReader() = default;
  absl::StatusOr<nlohmann::ordered_json> Parse(int64_t i) const;
  absl::StatusOr<TextSample> ReadConversation(const nlohmann::ordered_json& row,
                                              const std::string& where) const;
  nlohmann::ordered_json WithSystem(const nlohmann::ordered_json& messages) const;

  std::string path_;
  std::string text_;
  RowOptions options_;
  std::vector<Row> rows_;
};

}  // namespace deduce
