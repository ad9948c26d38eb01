#include "rl/commands/result_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "trainer/checkpoint/checked_file.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

// The bytes that come out of a pipe into which `text` is written, in pieces of so many bytes.
std::string Through(const std::string& text, size_t piece) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe(ends.data()), 0);
  const FileDescriptor from(ends[0]);
  {
    const FileDescriptor to(ends[1]);
    ResultStream out(to.get(), "pipe");
    for (size_t i = 0; i < text.size(); i += piece) out << text.substr(i, piece);
    EXPECT_TRUE(out.Finish().ok());
  }
  std::string all(text.size() * 6 + 1, '\0');
  const ssize_t size = read(from.get(), all.data(), all.size());
  all.resize(size > 0 ? size : 0);
  return all;
}

TEST(ResultStreamTest, TextPassesUnchanged) {
  const std::string text = "a\tb\n\"\\\" é ß ° \u00a0 三 \U0001F600\n";
  for (const size_t piece : {size_t{1}, size_t{2}, text.size()})
    EXPECT_EQ(Through(text, piece), text);
}

TEST(ResultStreamTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Through("\x1b[31m \x7f \u0080 \u009b2J \u009f\r", 1),
            "\\u001b[31m \\u007f \\u0080 \\u009b2J \\u009f\\u000d");
}

TEST(ResultStreamTest, JsonKeepsItsValue) {
  const nlohmann::json line = {{"completion", "\u009b2J\x7f\x1b\n\u0085é"}};
  const std::string written = Through(line.dump() + "\n", 1);
  EXPECT_EQ(nlohmann::json::parse(written), line);
  EXPECT_THAT(written, HasSubstr("\\u009b"));
}

TEST(ResultStreamTest, AByteThatBeginsNothingIsKept) {
  EXPECT_EQ(Through("\xC2", 1), "\xC2");
  EXPECT_EQ(Through("\xC2\xC2\x9B", 1), "\xC2\\u009b");
}

TEST(ResultStreamTest, AFullDeviceIsAnErrorHoweverLittleIsWritten) {
  for (const size_t size : {size_t{1}, size_t{1} << 20}) {
    const FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
    ResultStream out(full.get(), "standard output");
    out << std::string(size, 'x');
    EXPECT_EQ(out.Finish().message(),
              "standard output: found error 'No space left on device', expected all results to be "
              "written");
  }
}

TEST(ResultStreamTest, IsBadOnceSomethingIsLostSoThatCommandsCanStop) {
  const FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ResultStream out(full.get(), "standard output");
  out << std::string(1 << 20, 'x');
  EXPECT_FALSE(out);
}

TEST(ResultStreamTest, NothingToWriteIsNoError) {
  const FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ResultStream out(full.get(), "standard output");
  EXPECT_TRUE(out.Finish().ok());
}

TEST(ResultStreamTest, ADescriptorThatWasClosedTakesNoResultsAndNoFilesNumber) {
  const int before = dup(STDOUT_FILENO);
  close(STDOUT_FILENO);
  OpenStandardDescriptors();
  const FileDescriptor file(open("/dev/zero", O_RDWR | O_CLOEXEC));
  ResultStream out(STDOUT_FILENO, "standard output");
  out << "x";
  const absl::Status status = out.Finish();
  dup2(before, STDOUT_FILENO);
  close(before);
  EXPECT_NE(file.get(), STDOUT_FILENO);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Bad file descriptor"));
}

}  // namespace
}  // namespace deduce
