#include "data/records/json_lines.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

absl::Status Read(const std::string& path, std::vector<std::string>* lines) {
  return ForEachJsonLine(path, [&](const std::string& where, const Json& object) {
    lines->push_back(where + object.dump());
    return absl::OkStatus();
  });
}

TEST(JsonLinesTest, LinesAreCountedFromOne) {
  const TemporaryFile file("f.jsonl", "{\"a\":1}\n{}\n");
  const std::string path = file.path();
  std::vector<std::string> lines;
  ASSERT_TRUE(Read(path, &lines).ok());
  EXPECT_EQ(lines, (std::vector<std::string>{path + ":1{\"a\":1}", path + ":2{}"}));
}

TEST(JsonLinesTest, AnUnfinishedLastLineIsLeftOut) {
  const TemporaryFile file("f.jsonl", "{\"a\":1}\n{\"a\":");
  std::vector<std::string> lines;
  EXPECT_TRUE(Read(file.path(), &lines).ok());
  EXPECT_EQ(lines.size(), 1u);
}

TEST(JsonLinesTest, ABrokenLineWithItsLineFeedIsAnError) {
  for (const char* broken : {"{\"a\":\n", "\n", "[1]\n", "7\n", "{\"a\":\"\xff\"}\n"}) {
    std::vector<std::string> lines;
    const TemporaryFile file("f.jsonl", std::string("{}\n") + broken);
    const std::string path = file.path();
    const absl::Status status = Read(path, &lines);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << broken;
    const std::string message(status.message());
    EXPECT_EQ(message.rfind(path + ":2: found ", 0), 0u) << message;
    EXPECT_NE(message.find(", expected a JSON object"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(JsonLinesTest, AMissingFileIsNotFoundAndNamed) {
  std::vector<std::string> lines;
  const absl::Status status = Read("/nowhere/f.jsonl", &lines);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find("/nowhere/f.jsonl: found"), std::string::npos);
}

TEST(JsonLinesTest, ALongValueIsCutInItsError) {
  const absl::Status status = FieldError("f:1", "key", std::string(1000, 'x'), "a number");
  EXPECT_LT(status.message().size(), 100u);
}

TEST(JsonLinesTest, ACountIsNoNegativeNoFractionAndNoText) {
  for (const char* text : {"{\"n\":-1}", "{\"n\":1.5}", "{\"n\":\"1\"}", "{}"}) {
    int64_t value = 0;
    EXPECT_FALSE(ReadCount("f:1", Json::parse(text), "n", &value).ok()) << text;
  }
}

}  // namespace
}  // namespace deduce
