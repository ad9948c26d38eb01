#include "rl/run/stop_request.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "configs/exit_code.h"

namespace deduce {
namespace {

struct StopSignalName {
  int signal;
  const char* name;
};

constexpr StopSignalName kStopSignals[] = {
    {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGUSR1, "SIGUSR1"}};

constexpr int64_t kSameRequestNs = 1'000'000'000;

std::atomic<int> asked = 0;
std::atomic<int64_t> asked_ns = 0;
std::atomic<int64_t> step_under_way = 1;
std::atomic<bool> says_nothing = false;
std::atomic<bool> on_terminal = false;

int64_t NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

const char* NameOf(int signal) {
  for (const StopSignalName& known : kStopSignals) {
    if (known.signal == signal) return known.name;
  }
  return "a signal";
}

// A line on standard error, of what a handler of signals may use.
class SignalLine {
 public:
  SignalLine& Add(const char* text) {
    while (*text != '\0' && size_ < sizeof(text_)) text_[size_++] = *text++;
    return *this;
  }
  SignalLine& Add(int64_t number) {
    char digits[24];
    int count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    while (count > 0 && size_ < sizeof(text_)) text_[size_++] = digits[--count];
    return *this;
  }
  void Write() const {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text_, size_);
  }

 private:
  char text_[160];
  size_t size_ = 0;
};

void StopAtOnce(int signal) {
  if (!says_nothing.load()) {
    SignalLine()
        .Add("deduce: error: second ")
        .Add(NameOf(signal))
        .Add(": stopping without saving\n")
        .Write();
  }
  ::_exit(static_cast<int>(ExitCode::kFailed));
}

void OnStopSignal(int signal) {
  int none = 0;
  if (!asked.compare_exchange_strong(none, signal)) {
    // Launchers repeat SIGUSR1 until the job ends.
    if (signal != SIGUSR1 && NowNs() - asked_ns.load() >= kSameRequestNs) StopAtOnce(signal);
    return;
  }
  asked_ns = NowNs();
  if (says_nothing.load()) return;
  SignalLine()
      .Add(on_terminal.load() ? "\n" : "")  // behind a bar
      .Add(NameOf(signal))
      .Add(": finishing step ")
      .Add(step_under_way.load())
      .Add(", then saving; again to stop at once\n")
      .Write();
}

bool IsIgnored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void CatchStopSignals(bool quiet) {
  says_nothing = quiet;
  on_terminal = ::isatty(STDERR_FILENO) == 1;
  for (const StopSignalName& known : kStopSignals) {
    if (IsIgnored(known.signal)) continue;
    struct sigaction action {};
    action.sa_handler = OnStopSignal;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(known.signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

int StopSignal() { return asked.load(); }

void SetStepUnderWay(int64_t step) { step_under_way = step; }

std::string SignalName(int signal) { return NameOf(signal); }

}  // namespace deduce
