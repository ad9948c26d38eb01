#include "data/tasks/make_task.h"

#include <gtest/gtest.h>

#include "data/tasks/chain_sum.h"

namespace deduce {
namespace {

TEST(MakeTaskTest, ANameMakesItsTask) {
  TaskConfig config;
  config.set_name("chain_sum");
  const auto task = MakeTask(config, 1);
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_NE(dynamic_cast<const ChainSum*>(task->get()), nullptr);
}

TEST(MakeTaskTest, AnUnknownNameIsAnErrorWithItsPath) {
  TaskConfig config;
  config.set_name("chess");
  const absl::Status status = MakeTask(config, 1, "stage[0].data.task").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "stage[0].data.task.name: found \"chess\", expected \"chain_sum\" or \"arithmetic\"");
}

}  // namespace
}  // namespace deduce
