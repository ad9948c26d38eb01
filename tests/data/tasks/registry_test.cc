#include "data/tasks/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace deduce {
namespace {

using ::testing::HasSubstr;

TaskConfig Named(const std::string& name) {
  TaskConfig config;
  config.set_name(name);
  return config;
}

TEST(TaskRegistryTest, EveryNameMakesATaskWithHelp) {
  std::set<std::string> names;
  for (const TaskKind* kind : TaskKinds()) {
    EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
    EXPECT_NE(std::string(kind->help), "");
    EXPECT_TRUE(MakeTask(Named(kind->name), 1).ok()) << kind->name;
  }
  EXPECT_TRUE(names.contains("chain_sum"));
}

TEST(TaskRegistryTest, ATaskGradesItsOwnExamples) {
  for (const TaskKind* kind : TaskKinds()) {
    if (kind->grade == nullptr) continue;
    const auto task = MakeTask(Named(kind->name), 1);
    ASSERT_TRUE(task.ok()) << task.status();
    for (uint64_t n = 0; n < 20; ++n) {
      const Problem problem = (*task)->MakeProblem(Split::kTrain, n);
      EXPECT_EQ(problem.verifier, kind->name);
      EXPECT_EQ(kind->grade(problem, (*task)->MakeCompletion(Split::kTrain, n, false)),
                Verdict::kRight);
      EXPECT_EQ(kind->grade(problem, ""), Verdict::kWrong);
    }
  }
}

// A misspelt option would never be read, and a field without one could not be set.
TEST(TaskRegistryTest, OptionsAreTheFieldsOfTheSchema) {
  std::set<std::string> options, fields;
  for (const TaskKind* kind : TaskKinds()) {
    for (const TaskOption& option : kind->options) options.insert(option.field);
  }
  for (int i = 0; i < TaskConfig::descriptor()->field_count(); ++i) {
    fields.insert(TaskConfig::descriptor()->field(i)->name());
  }
  fields.erase("name");
  EXPECT_EQ(options, fields);
}

TEST(TaskRegistryTest, AnUnknownNameIsAnErrorWithItsPathAndTheKnownOnes) {
  const absl::Status status = MakeTask(Named("chess"), 1, "stage[0].data.task").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "stage[0].data.task.name: found \"chess\", expected one of chain_sum, arithmetic");
}

TEST(TaskRegistryTest, AFieldThatTheTaskDoesNotReadIsRefusedUnlessItIsTheDefault) {
  TaskConfig config = Named("arithmetic");
  config.set_min_terms(3);
  config.set_guess_rate(0);
  EXPECT_TRUE(MakeTask(config, 1).ok());
  config.set_guess_rate(1e-9);
  EXPECT_THAT(std::string(MakeTask(config, 1, "t").status().message()),
              HasSubstr("t.guess_rate: found 1e-09, expected nothing, as arithmetic has no use"));
}

TEST(TaskRegistryTest, ATextThatTheTaskDoesNotReadIsRefused) {
  TaskConfig config = Named("chain_sum");
  config.set_operators("+-");
  EXPECT_THAT(std::string(MakeTask(config, 1, "t").status().message()),
              HasSubstr("t.operators: found \"+-\", expected nothing"));
}

}  // namespace
}  // namespace deduce
