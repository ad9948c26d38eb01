#include "rl/commands/plan_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "configs/exit_code.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

const char* const kConfig =
    "--config=" DEDUCE_SOURCE_DIR "/configs/recipes/deepseek_v3_2048_h800.textproto";

struct Outcome {
  absl::Status status;
  std::string out;
};

Outcome Plan(const std::vector<std::string>& words) {
  const CommandSpec spec{"plan",
                         "",
                         {{"config", Flag::kText, "", true},
                          {"set", Flag::kRepeated, ""},
                          {"ranks", Flag::kInteger, ""},
                          {"json", Flag::kSwitch, ""},
                          {"trace", Flag::kText, ""}},
                         ""};
  const absl::StatusOr<Arguments> arguments = ParseArguments(spec, words);
  EXPECT_TRUE(arguments.ok()) << arguments.status();
  std::ostringstream out;
  const absl::Status status = PlanCommand(*arguments, out);
  return {status, out.str()};
}

void ExpectRefused(const std::vector<std::string>& words, const std::string& message) {
  const Outcome outcome = Plan(words);
  EXPECT_EQ(ExitCodeOf(outcome.status), 2) << outcome.status;
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr(message));
  EXPECT_EQ(outcome.out, "");
}

TEST(PlanCommandTest, WordsOrOneJsonObject) {
  const Outcome text = Plan({kConfig});
  EXPECT_EQ(text.status, absl::OkStatus());
  EXPECT_THAT(text.out, HasSubstr("layout: 2048 ranks"));
  const Outcome json = Plan({kConfig, "--json"});
  EXPECT_EQ(json.status, absl::OkStatus());
  EXPECT_EQ(nlohmann::json::parse(json.out).at("layout").at("ranks"), 2048);
}

TEST(PlanCommandTest, TheTraceIsWrittenWhereItIsAskedFor) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "plan_command_test_trace.json";
  EXPECT_EQ(Plan({kConfig, "--trace=" + path.string()}).status, absl::OkStatus());
  std::ifstream file(path);
  const nlohmann::json trace = nlohmann::json::parse(file);
  size_t works = 0;  // an overlapped forward and backward are one event, "F0.3&B1.2"
  for (const nlohmann::json& event : trace.at("traceEvents")) {
    works += event.at("name").get<std::string>().find('&') == std::string::npos ? 1 : 2;
  }
  EXPECT_GT(works, 16u * 120 * 2);
  std::filesystem::remove(path);
  const Outcome nowhere = Plan({kConfig, "--trace=/nowhere/at/all.json"});
  EXPECT_EQ(ExitCodeOf(nowhere.status), 2);
  EXPECT_EQ(nowhere.out, "");
}

TEST(PlanCommandTest, WhatCannotBePlannedIsRefusedBeforeAnythingIsPrinted) {
  ExpectRefused({kConfig, "--ranks=100"}, "expected the 100 ranks");
  ExpectRefused({kConfig, "--ranks=-1"}, "--ranks: found -1, expected at least 1");
  ExpectRefused({kConfig, "--set=plan { cluster { name: 'abacus' } }"},
                "plan.cluster.name: found \"abacus\", expected one of cpu, h800, h100");
  ExpectRefused({kConfig, "--set=plan { cluster { memory_gb: 50 } }"},
                "plan: rank 0 of the pipeline: found ");
  ExpectRefused({kConfig, "--set=layout { schedule: 'magic' }"},
                "layout.schedule: found \"magic\"");
  ExpectRefused({kConfig, "--set=layout { stage_layers: [1, 2] }"}, "layout.stage_layers: found 2");
  ExpectRefused({kConfig, "--set=layout { stage_layers: [-1, 2] }"},
                "layout.stage_layers[0]: found -1");
  ExpectRefused({"--config=/nowhere.textproto"}, "/nowhere.textproto");
}

TEST(PlanCommandTest, RanksMayTakeThePlaceOfAnAxis) {
  EXPECT_EQ(Plan({kConfig, "--set=layout { data_parallel: 0 }", "--ranks=2048"}).status,
            absl::OkStatus());
}

}  // namespace
}  // namespace deduce
