#include "rl/report/report.h"

#include <gtest/gtest.h>

#include "tests/rl/report/run_directory.h"

namespace deduce {
namespace {

constexpr char kMetrics[] =
    R"({"stage":"rl","stage_kind":"grpo","step":1,"num_tokens":64,"reward":0.5})"
    "\n";
constexpr char kRollout[] =
    R"({"step":1,"sample":0,"group":0,"prompt":"1+1","completion":"two","verdict":"right"})"
    "\n";

TEST(ReportTest, ThePageGoesIntoTheFirstRunDirectory) {
  RunDirectory first("first"), second("second");
  for (const RunDirectory* run : {&first, &second}) run->Write("metrics.jsonl", kMetrics);
  second.Write("rollouts/rl/1.jsonl", kRollout);
  const auto path = WriteReport({first.path(), second.path()}, "");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, first.file("report.html"));
  const std::string page = ReadWhole(*path);
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
  for (const char* part :
       {"\"name\":\"first\"", "\"name\":\"second\"", "\"prompt\":\"1+1\"", "</html>"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_FALSE(std::filesystem::exists(second.file("report.html")));
}

TEST(ReportTest, RunsOfTheSameNameGoByTheirPaths) {
  RunDirectory one("seed1"), two("seed1");
  for (const RunDirectory* run : {&one, &two}) run->Write("metrics.jsonl", kMetrics);
  const auto path = WriteReport({one.path(), two.path()}, one.file("both.html"));
  ASSERT_TRUE(path.ok()) << path.status();
  const std::string page = ReadWhole(*path);
  for (const RunDirectory* run : {&one, &two}) {
    EXPECT_NE(page.find("\"name\":\"" + run->path() + "\""), std::string::npos) << run->path();
  }
}

TEST(ReportTest, AFailureLeavesTheOlderPage) {
  RunDirectory run;
  const std::string metrics = run.Write("metrics.jsonl", std::string(kMetrics) + "oops\n");
  run.Write("report.html", "older");
  const absl::Status status = WriteReport({run.path()}, "").status();
  EXPECT_EQ(status.message(),
            metrics +
                ":2: found text that is not JSON at byte 1 (syntax error while parsing value - "
                "invalid literal), expected a JSON object");
  EXPECT_EQ(ReadWhole(run.file("report.html")), "older");
}

TEST(ReportTest, APlaceThatCannotBeWrittenIsNamed) {
  RunDirectory run;
  run.Write("metrics.jsonl", kMetrics);
  const std::string out = run.file("no/such/folder.html");
  const absl::Status status = WriteReport({run.path()}, out).status();
  EXPECT_EQ(status.message(),
            out + ": found error 'No such file or directory', expected a file that can be written");
}

TEST(ReportTest, NoRunDirectoryIsAnError) {
  EXPECT_EQ(WriteReport({}, "").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace deduce
