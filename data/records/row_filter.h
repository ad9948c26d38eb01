// Rows of a data file that cannot be used: an error, or left out and counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/data.pb.h"

namespace deduce {

// Counts the rows of a file that were read and left out. A task has none.
struct RowReport {
  struct LeftOut {
    bool too_long = false;  // else it could not be read
    std::string reason;     // PATH:LINE: found X, expected Y
  };
  int64_t num_rows = 0;                 // rows of the file, blank lines aside
  std::map<int64_t, LeftOut> left_out;  // by row, from 0
  std::string remark;                   // more to say about the rows; may be empty

  int64_t NumTooLong() const;
  int64_t NumBad() const { return static_cast<int64_t>(left_out.size()) - NumTooLong(); }

  // "7,473 rows, 12 too long (first: d.jsonl:31: found ...), 3 bad (first: ...) left out".
  std::string Text() const;
};

// Decides on one row after the other.
class RowFilter {
 public:
  // `before`: rows that are left out already, for another reader of the same file.
  RowFilter(const DataConfig& config, int64_t num_rows, RowReport before = {});

  // Whether a row is used whose reading ended with `status`: OutOfRange for a row that is too long,
  // InvalidArgument for one that is bad. Errors: such a status, if `config` does not say to leave
  // such rows out; any other.
  absl::StatusOr<bool> Uses(int64_t row, const absl::Status& status);

  bool LeftOutAlready(int64_t row) const { return report_.left_out.contains(row); }

  // After the last row. InvalidArgument if none is left; `path` is the file's.
  absl::StatusOr<RowReport> Finish(const std::string& path) const;

 private:
  bool drop_too_long_, drop_bad_;
  RowReport report_;
};

}  // namespace deduce
