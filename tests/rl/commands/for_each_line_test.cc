#include "rl/commands/for_each_line.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace deduce {
namespace {

TEST(ForEachLineTest, NothingIsReadOnceTheResultsGoNowhere) {
  std::istringstream in("a\nb\nc\n");
  std::ostringstream out;
  std::string seen;
  const auto use = [&](const std::string& line, const std::string& where) {
    seen += where + "=" + line + " ";
    if (line == "b") out.setstate(std::ios::badbit);
    return absl::OkStatus();
  };
  EXPECT_TRUE(ForEachLine(LineReader(in, "in"), out, use).ok());
  EXPECT_EQ(seen, "in:1=a in:2=b ");
}

TEST(ForEachLineTest, TheFirstErrorEndsIt) {
  std::istringstream in("a\nb\nc\n");
  std::ostringstream out;
  const auto fail = [](const std::string& line, const std::string& where) {
    return line == "b" ? absl::InvalidArgumentError(where) : absl::OkStatus();
  };
  EXPECT_EQ(ForEachLine(LineReader(in, "in"), out, fail).message(), "in:2");
  EXPECT_FALSE(ForEachLine("/nowhere/lines", out, fail).ok());
}

}  // namespace
}  // namespace deduce
