#include "data/records/jsonl_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = "{\"prompt\": \"p\", \"completion\": \"c\"}\n";

TEST(JsonlReaderTest, ReadsBothFormsOfSamplesAndPlainText) {
  const TemporaryFile file(
      "sft.jsonl",
      std::string(kGood) +
          "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", "
          "\"content\": \"u\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}\r\n"
          "{\"text\": \"\\u4e09\"}");
  const auto reader = JsonlReader::Open(file.path());
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_EQ(reader->size(), 3);
  EXPECT_EQ(reader->ReadSample(0)->prompt, "p");
  EXPECT_EQ(reader->ReadSample(0)->completion, "c");
  EXPECT_EQ(reader->ReadSample(1)->prompt, "s\nu");
  EXPECT_EQ(reader->ReadSample(1)->completion, "a");
  EXPECT_EQ(reader->ReadSample(2)->prompt, "");
  EXPECT_EQ(reader->ReadSample(2)->completion, "\u4e09");
  EXPECT_EQ(reader->Where(2), file.path() + ":3");
}

TEST(JsonlReaderTest, ReadsProblems) {
  const TemporaryFile file(
      "rl.jsonl",
      "{\"prompt\": \"1+1=?\", \"answer\": \"2\", \"verifier\": \"chain_sum\", \"language\": "
      "\"ascii\", \"level\": 3}\n"
      "{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"}], \"answer\": \"2\", \"verifier\": "
      "\"math\"}\n");
  const auto reader = JsonlReader::Open(file.path());
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto first = reader->ReadProblem(0), second = reader->ReadProblem(1);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->prompt, "1+1=?");
  EXPECT_EQ(first->language, "ascii");
  EXPECT_EQ(second->prompt, "q");
  EXPECT_EQ(second->answer, "2");
  EXPECT_EQ(second->verifier, "math");
  EXPECT_EQ(second->language, "");
}

TEST(JsonlReaderTest, MessagesAreWrittenByTheChatTemplate) {
  const auto chat = ChatTemplate::Parse(
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}"
      "{% if add_generation_prompt %}a:{% endif %}",
      "test");
  const TemporaryFile file(
      "chat.jsonl",
      "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", "
      "\"content\": "
      "\"r\"}]}\n"
      "{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"}], \"answer\": \"2\", \"verifier\": "
      "\"math\"}\n"
      "{\"messages\": [{\"role\": \"assistant\", \"content\": \"r\"}]}\n");
  const auto reader = JsonlReader::Open(file.path(), chat);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto sample = reader->ReadSample(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->prompt, "u:q;a:");
  EXPECT_EQ(sample->completion, "r;");
  EXPECT_TRUE(sample->whole);
  const auto problem = reader->ReadProblem(1);
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->prompt, "u:q;a:");
  EXPECT_TRUE(problem->whole_prompt);
  EXPECT_THAT(std::string(reader->ReadSample(2).status().message()),
              HasSubstr("chat.jsonl:3: messages: found one message"));
}

TEST(JsonlReaderTest, BadFilesAreRefusedWithTheirLine) {
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {"", "bad.jsonl: found an empty file, expected one JSON object a line"},
      {std::string(kGood) + "\n" + kGood, "bad.jsonl:2: found an empty line"},
      {std::string(kGood) + "\n", "bad.jsonl:2: found an empty line"},
      {std::string(kGood) + "{\"prompt\": \"\xff\"}", "bad.jsonl:2: found 0xff at byte 12"},
  };
  for (const auto& bad : cases) {
    const TemporaryFile file("bad.jsonl", bad.text);
    const auto reader = JsonlReader::Open(file.path());
    EXPECT_EQ(reader.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(reader.status().message()), HasSubstr(bad.message));
  }
  EXPECT_EQ(JsonlReader::Open("no/such.jsonl").status().code(), absl::StatusCode::kNotFound);
}

TEST(JsonlReaderTest, BadSamplesAreRefusedWithTheirLineAndField) {
  const struct {
    const char* line;
    const char* message;
  } cases[] = {
      {"{\"prompt\": \"p\"", "found text that is not JSON from byte 16, expected a JSON object"},
      {"[1]", "found array, expected a JSON object"},
      {"{\"prompt\": \"p\"}", "found no field \"completion\", expected a string"},
      {"{\"completion\": \"c\"}", "found no field \"prompt\""},
      {"{\"prompt\": 3, \"completion\": \"c\"}", "found number in field \"prompt\""},
      {"{\"messages\": \"m\"}", "found string in field \"messages\", expected a list of messages"},
      {"{\"messages\": []}", "found array in field \"messages\", expected a list of messages"},
      {"{\"messages\": [3]}", "found number in \"messages[0]\", expected an object"},
      {"{\"messages\": [{\"role\": \"user\"}]}", "found no field \"messages[0].content\""},
      {"{\"messages\": [{\"role\": \"king\", \"content\": \"\"}]}",
       "found another role in \"messages[0]\", expected system, user or assistant"},
      {"{\"messages\": [{\"role\": \"user\", \"content\": \"\"}]}",
       "found a last message of the user, expected one of the assistant"},
  };
  for (const auto& bad : cases) {
    const TemporaryFile file("bad.jsonl", std::string(kGood) + bad.line + "\n");
    const auto reader = JsonlReader::Open(file.path());
    ASSERT_TRUE(reader.ok());
    const auto sample = reader->ReadSample(1);
    EXPECT_EQ(sample.status().code(), absl::StatusCode::kInvalidArgument) << bad.line;
    EXPECT_THAT(std::string(sample.status().message()),
                HasSubstr(std::string("bad.jsonl:2: ") + bad.message));
  }
}

TEST(JsonlReaderTest, BadProblemsAreRefusedWithTheirField) {
  const struct {
    const char* line;
    const char* message;
  } cases[] = {
      {"{\"answer\": \"2\", \"verifier\": \"math\"}", ":1: found no field \"prompt\""},
      {"{\"prompt\": \"p\", \"verifier\": \"math\"}", ":1: found no field \"answer\""},
      {"{\"prompt\": \"p\", \"answer\": 2, \"verifier\": \"math\"}", "number in field \"answer\""},
      {"{\"prompt\": \"p\", \"answer\": \"2\"}", ":1: found no field \"verifier\""},
      {"{\"prompt\": \"p\", \"answer\": \"2\", \"verifier\": \"math\", \"language\": 1}",
       "number in field \"language\""},
      {"{\"prompt\": [{\"role\": \"assistant\", \"content\": \"\"}], \"answer\": \"2\"}",
       "found a last message of the assistant, expected one of the user"},
  };
  for (const auto& bad : cases) {
    const TemporaryFile file("bad.jsonl", bad.line);
    const auto problem = JsonlReader::Open(file.path())->ReadProblem(0);
    EXPECT_EQ(problem.status().code(), absl::StatusCode::kInvalidArgument) << bad.line;
    EXPECT_THAT(std::string(problem.status().message()), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace deduce
