#include "trainer/metrics/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "trainer/metrics/clock.h"

namespace deduce {
namespace {

constexpr double kTerminalInterval = 0.1;  // seconds
constexpr double kPlainInterval = 10;
constexpr int kBarWidth = 24;

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  return hours > 0 ? absl::StrFormat("%d:%02d:%02d", hours, minutes, whole % 60)
                   : absl::StrFormat("%d:%02d", minutes, whole % 60);
}

}  // namespace

int StandardErrorWidth() {
  if (::isatty(STDERR_FILENO) == 0) return 0;
  winsize size{};
  constexpr int kUsualWidth = 80;
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualWidth;
  return size.ws_col;
}

Progress::Progress(const ProgressOptions& options, std::ostream& out, int terminal_width,
                   std::function<double()> now)
    : options_(options),
      out_(out),
      terminal_width_(terminal_width),
      now_(now ? std::move(now) : SecondsNow),
      start_(now_()),
      next_print_(start_) {
  if (options_.interval <= 0) {
    options_.interval = terminal_width_ > 0 ? kTerminalInterval : kPlainInterval;
  }
}

std::string Progress::Line(int64_t done, const std::string& note) const {
  std::string line = options_.label + " ";
  if (terminal_width_ > 0) {
    const int64_t filled = options_.total > 0 ? kBarWidth * done / options_.total : 0;
    const auto marks = static_cast<size_t>(std::clamp<int64_t>(filled, 0, kBarWidth));
    line += "[" + std::string(marks, '#') + std::string(kBarWidth - marks, '.') + "] ";
  }
  absl::StrAppendFormat(&line, "%s %d/%d", options_.unit, done, options_.total);
  const double elapsed = now_() - start_;
  const int64_t fresh = done - options_.begin;
  if (fresh > 0 && elapsed > 0) {
    const double rate = fresh / elapsed;
    absl::StrAppendFormat(&line, ", %.3g/s, %s left", rate,
                          Duration((options_.total - done) / rate));
  }
  if (!note.empty()) line += ", " + note;
  return line;
}

void Progress::Update(int64_t done, const std::string& note, bool worth_a_line) {
  const bool is_last = done >= options_.total;
  const double time = now_();
  if (!is_last && !worth_a_line && time < next_print_) return;
  next_print_ = time + options_.interval;
  const std::string line = Line(done, note);
  if (terminal_width_ > 0) {
    // One column stays free: a full line would wrap, and its return would not reach the start.
    out_ << "\r\033[K" << line.substr(0, terminal_width_ - 1);
    line_is_open_ = true;
    if (is_last) Break();
  } else {
    out_ << line << "\n";
  }
  out_.flush();
}

void Progress::Break() {
  if (line_is_open_) out_ << "\n" << std::flush;
  line_is_open_ = false;
}

}  // namespace deduce
