#include "data/text/tokenizer/metaspace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

std::string ErrorOf(const char* text) {
  const Json json = Json::parse(text);
  JsonFields fields(json, "f", "m");
  ReadMetaspace(fields);
  return std::string(fields.Done().message());
}

TEST(MetaspaceTest, ReadsOldAndNewFiles) {
  const Json json =
      Json::parse(R"({"replacement": "_", "add_prefix_space": true, "str_rep": "_"})");
  JsonFields fields(json, "f", "m");
  const MetaspaceSettings settings = ReadMetaspace(fields);
  EXPECT_TRUE(fields.Done().ok());
  EXPECT_EQ(settings.prepend, MetaspaceSettings::kAlways);
  EXPECT_TRUE(settings.split);
}

TEST(MetaspaceTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(ErrorOf(R"({"replacement": "__"})"),
            "f: m.replacement: found \"__\", expected one character");
  EXPECT_EQ(ErrorOf(R"({"replacement": "_", "prepend_scheme": "last"})"),
            "f: m.prepend_scheme: found \"last\", expected always, first or never");
  EXPECT_EQ(ErrorOf(R"({"replacement": "_", "add_prefix_space": false})"),
            "f: m.add_prefix_space: found false, expected true, as prepend_scheme has it");
}

TEST(MetaspaceTest, ReplacesEveryOccurrence) {
  EXPECT_EQ(ReplaceText(" a  b ", " ", "__"), "__a____b__");
  EXPECT_EQ(ReplaceText("", " ", "_"), "");
}

}  // namespace
}  // namespace deduce
