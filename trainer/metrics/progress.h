// How far a stage is: a bar with rate and time left on a terminal, now and then a plain line
// elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

namespace deduce {

struct ProgressOptions {
  std::string label;  // the stage
  std::string unit = "step";
  int64_t begin = 0;  // done before this start; does not count towards the rate
  int64_t total = 0;
  double interval = 0;  // least seconds between two prints; 0: 0.1 on a terminal, 10 elsewhere
};

// Columns of the terminal that standard error is; 0 if it is none.
int StandardErrorWidth();

// For one rank.
class Progress {
 public:
  // `out` is usually std::cerr and `terminal_width` StandardErrorWidth() (0: plain lines). `now`
  // gives seconds on a steady clock; the default is the machine's.
  Progress(const ProgressOptions& options, std::ostream& out, int terminal_width,
           std::function<double()> now = nullptr);

  // `note` is a few words, as "loss 1.25". The last unit (done == total) and those that are worth a
  // line are always printed; the last one ends the bar's line.
  void Update(int64_t done, const std::string& note, bool worth_a_line = false);

  // Ends an unfinished bar's line, so that other messages can follow.
  void Break();

 private:
  std::string Line(int64_t done, const std::string& note) const;
  ProgressOptions options_;
  std::ostream& out_;
  int terminal_width_;
  std::function<double()> now_;
  double start_;
  double next_print_;
  bool line_is_open_ = false;  // a bar is on the screen, without its newline
};

}  // namespace deduce
