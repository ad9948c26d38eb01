#include "data/records/jsonl_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/data/byte_level_tokenizer.h"
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
  const auto reader = JsonlReader::Open(file.path(), {.chat_template = chat});
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

TEST(JsonlReaderTest, BlankLinesAreNoRowsButAreCountedAsLines) {
  const TemporaryFile file("blank.jsonl", "\n" + std::string(kGood) + " \t\r\n" + kGood + "\n");
  const auto reader = JsonlReader::Open(file.path());
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_EQ(reader->size(), 2);
  EXPECT_EQ(reader->Where(1), file.path() + ":4");
  EXPECT_EQ(reader->ReadSample(1)->completion, "c");
}

TEST(JsonlReaderTest, BadFilesAreRefused) {
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {"", "bad.jsonl: found an empty file, expected one JSON object a line"},
      {"\n \r\n\n", "bad.jsonl: found blank lines alone, expected one JSON object a line"},
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
      {"{\"prompt\": \"p\"", "found text that is not JSON at byte"},
      {"{\"prompt\": \"\xff\"}", "found 0xff at byte 12"},
      {"[1]", "found array, expected a JSON object"},
      {"{\"prompt\": \"p\"}", "found no field \"completion\", expected a string"},
      {"{\"completion\": \"c\"}", "found no field \"prompt\""},
      {"{\"prompt\": 3, \"completion\": \"c\"}", "found number in field \"prompt\""},
      {"{\"messages\": \"m\"}", "found string in field \"messages\", expected a list of messages"},
      {"{\"messages\": []}", "found array in field \"messages\", expected a list of messages"},
      {"{\"messages\": [3]}", "found number in \"messages[0]\", expected an object"},
      {"{\"messages\": [{\"role\": \"user\"}]}", "found no field \"messages[0].content\""},
      {"{\"messages\": [{\"role\": \"king\", \"content\": \"\"}]}",
       "found another role in \"messages[0]\", expected system, developer, user, assistant or "
       "tool"},
      {"{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"weight\": 2}]}",
       "found 2 in field \"messages[0].weight\", expected 0 or 1"},
      {"{\"messages\": [{\"role\": \"user\", \"content\": \"\", \"weight\": 1}, {\"role\": "
       "\"assistant\", \"content\": \"\"}]}",
       "found 1 in field \"messages[0].weight\", expected 0, as only the assistant's"},
      {"{\"messages\": [{\"role\": \"assistant\", \"content\": \"\"}], \"tools\": {}}",
       "found object in field \"tools\", expected a list"},
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
      {"{\"prompt\": \"p\", \"answer\": true, \"verifier\": \"math\"}",
       "found boolean in field \"answer\", expected a string or a number"},
      {"{\"prompt\": 3, \"answer\": \"2\", \"verifier\": \"math\"}",
       "found number in field \"prompt\", expected a text or a list of messages"},
      {"{\"messages\": \"m\", \"answer\": \"2\", \"verifier\": \"math\"}",
       "found string in field \"messages\", expected a list of messages"},
      {"{\"prompt\": \"p\", \"tools\": [1], \"answer\": \"2\", \"verifier\": \"math\"}",
       "found tools beside a prompt that is a text, expected messages"},
      {"{\"prompt\": \"p\", \"answer\": \"2\"}",
       ":1: found no field \"verifier\", expected a string, or data.verifier"},
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

// The problem or the sample of a file of one line.
absl::StatusOr<Problem> ProblemOf(const std::string& line, const RowOptions& options = {}) {
  const TemporaryFile file("one.jsonl", line);
  return JsonlReader::Open(file.path(), options)->ReadProblem(0);
}
absl::StatusOr<TextSample> SampleOfLine(const std::string& line, const RowOptions& options = {}) {
  const TemporaryFile file("one.jsonl", line);
  return JsonlReader::Open(file.path(), options)->ReadSample(0);
}

TEST(JsonlReaderTest, ANumberIsAnAnswerAsItIsWritten) {
  const auto problem = ProblemOf(R"({"prompt": "p", "verifier": "math", "answer": 2.50})");
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->answer, "2.50");
}

TEST(JsonlReaderTest, RowsWithoutAVerifierHaveThatOfTheOptions) {
  const RowOptions options{.verifier = "math"};
  EXPECT_EQ(ProblemOf(R"({"prompt": "p", "answer": "1"})", options)->verifier, "math");
  EXPECT_EQ(
      ProblemOf(R"({"prompt": "p", "answer": "1", "verifier": "chain_sum"})", options)->verifier,
      "chain_sum");
}

TEST(JsonlReaderTest, AProblemKnowsItsLine) {
  EXPECT_THAT(ProblemOf(R"({"prompt": "p", "answer": "1", "verifier": "math"})")->where,
              ::testing::EndsWith("one.jsonl:1"));
}

constexpr char kAsked[] =
    R"({"messages": [{"role": "user", "content": "q"}], "answer": 1, "verifier": "math"})";
constexpr char kAskedUnder[] =
    R"({"messages": [{"role": "system", "content": "own"}, {"role": "user", "content": "q"}],
        "answer": 1, "verifier": "math"})";

TEST(JsonlReaderTest, MessagesMayTakeThePlaceOfAPrompt) {
  const auto problem = ProblemOf(kAsked, {.chat_template = ChatMl()});
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->prompt, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_TRUE(problem->whole_prompt);
}

// A line of a file may not be broken.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

TEST(JsonlReaderTest, ASystemMessageIsPutBeforeConversationsThatBringNone) {
  const RowOptions options{.chat_template = ChatMl(), .system = "S"};
  EXPECT_EQ(
      ProblemOf(kAsked, options)->prompt,
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_THAT(ProblemOf(OneLine(kAskedUnder), options)->prompt,
              ::testing::StartsWith("<|im_start|>system\nown<|im_end|>\n<|im_start|>user"));
  const auto sample = SampleOfLine(
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})",
      options);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_THAT(sample->prompt, ::testing::StartsWith("<|im_start|>system\nS<|im_end|>\n"));
}

constexpr char kWithTools[] =
    R"({"messages": [{"role": "user", "content": "q"}], "tools": [{"name": "add"}], "answer": 1, )"
    R"("verifier": "math"})";

TEST(JsonlReaderTest, ToolsGoToATemplateThatReadsThem) {
  const auto chat = ChatTemplate::Parse(
      "{% for t in tools %}[{{ t.name }}]{% endfor %}{% for m in messages %}{{ m.content }}{% "
      "endfor %}",
      "test");
  const auto problem = ProblemOf(kWithTools, {.chat_template = chat});
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->prompt, "[add]q");
}

TEST(JsonlReaderTest, ToolsForATemplateThatDoesNotReadThemAreRefused) {
  EXPECT_THAT(std::string(ProblemOf(kWithTools, {.chat_template = ChatMl()}).status().message()),
              HasSubstr("one.jsonl:1: messages: found tools, expected none, as the chat template"));
  EXPECT_THAT(std::string(ProblemOf(kWithTools).status().message()),
              HasSubstr("found tools, expected none without a chat template"));
}

TEST(JsonlReaderTest, ToolCallsForATemplateThatDoesNotReadThemAreRefused) {
  const std::string line =
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", )"
      R"("tool_calls": [{"name": "add"}]}]})";
  EXPECT_THAT(std::string(SampleOfLine(line, {.chat_template = ChatMl()}).status().message()),
              HasSubstr("messages: found tool_calls, expected none, as the chat template"));
  EXPECT_THAT(std::string(SampleOfLine(line).status().message()),
              HasSubstr("found tool_calls, expected none without a chat template"));
}

constexpr char kTwoTurns[] =
    R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, )"
    R"({"role": "user", "content": "r"}, {"role": "assistant", "content": "b"WEIGHT}]})";

std::string TwoTurns(const std::string& weight = "") {
  std::string line = kTwoTurns;
  return line.replace(line.find("WEIGHT"), 6, weight);
}

TEST(JsonlReaderTest, TheOptionsOrAWeightChooseWhatIsLearnedOfAConversation) {
  const auto parts = [](const std::string& line, LearnedTurns turns) {
    const auto sample = SampleOfLine(line, {.chat_template = ChatMl(), .turns = turns});
    EXPECT_TRUE(sample.ok()) << sample.status();
    return sample->learned.size();
  };
  EXPECT_EQ(parts(TwoTurns(), LearnedTurns::kLast), 0U);  // the completion
  EXPECT_EQ(parts(TwoTurns(), LearnedTurns::kEvery), 2U);
  EXPECT_EQ(parts(TwoTurns(", \"weight\": 0"), LearnedTurns::kEvery), 1U);
  EXPECT_EQ(parts(TwoTurns(", \"weight\": 1"), LearnedTurns::kLast), 1U);
}

TEST(JsonlReaderTest, AWeightIsRefusedWhereAllTextIsLearned) {
  const RowOptions options{.chat_template = ChatMl(), .turns = LearnedTurns::kAllText};
  EXPECT_TRUE(SampleOfLine(TwoTurns(), options).ok());
  EXPECT_THAT(std::string(SampleOfLine(TwoTurns(", \"weight\": 1"), options).status().message()),
              HasSubstr("one.jsonl:1: found a \"weight\" in \"messages\", expected none"));
}

TEST(JsonlReaderTest, ARowIsASampleOrAProblemByItsFields) {
  const auto kinds = [](const std::string& line) {
    const TemporaryFile file("one.jsonl", line);
    const auto found = JsonlReader::Open(file.path())->KindsOf(0);
    if (!found.ok()) return std::string(found.status().message().substr(file.path().size()));
    return std::string(found->sample ? "sample" : "") + (found->problem ? "problem" : "");
  };
  EXPECT_EQ(kinds(R"({"prompt": "p", "completion": "c"})"), "sample");
  EXPECT_EQ(kinds(R"({"text": "t"})"), "sample");
  EXPECT_EQ(kinds(TwoTurns()), "sample");
  EXPECT_EQ(kinds(R"({"prompt": "p", "answer": 1})"), "problem");
  EXPECT_EQ(kinds(kAsked), "problem");
  EXPECT_EQ(kinds(R"({"prompt": "p", "completion": "c", "answer": "c"})"), "sampleproblem");
  EXPECT_THAT(kinds(R"({"prompt": "p"})"),
              HasSubstr(":1: found neither an answer nor a completion"));
}

}  // namespace
}  // namespace deduce
