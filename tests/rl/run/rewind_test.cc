#include "rl/run/rewind.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "rl/run/find_model.h"
#include "tests/rl/run/tiny_run.h"

namespace deduce {
namespace {

class RewindTest : public ::testing::Test {
 protected:
  RewindTest() : config_(TinyRun(root_.path())) {
    for (const int64_t step : {4, 10}) Publish(root_.path(), "base", step);
    Publish(root_.path(), "cold", 6);
    Publish(root_.path(), "another", 3);  // a stage that the config does not have
    for (const char* room : {"rollouts/base/", "rollouts/cold/", "traces/base/"}) {
      std::filesystem::create_directories(root_.file(room));
      for (const char* step : {"4", "9"}) root_.Write(std::string(room) + step + ".jsonl", room);
    }
    root_.Write("metrics.jsonl", "lines\n");
  }

  std::string Back(const std::string& stage, int64_t step) {
    const auto aside = MoveAside(config_, root_.path(), {stage, step, ""});
    EXPECT_TRUE(aside.ok()) << aside.status();
    return aside.ok() ? *aside : "";
  }
  std::string Names(const std::string& dir) { return CheckpointNames(*ListCheckpoints(dir)); }
  bool Exists(const std::string& name) { return std::filesystem::exists(root_.file(name)); }

  RunDirectory root_;
  RunConfig config_;
};

TEST_F(RewindTest, LaterStepsAndStagesAreMoved) {
  EXPECT_EQ(Back("base", 4), root_.file("rewound/1"));
  EXPECT_EQ(Names(root_.path()), "another/3, base/4");
  EXPECT_EQ(Names(root_.file("rewound/1")), "base/10, cold/6");
  for (const char* moved :
       {"rollouts/base/9.jsonl", "rollouts/cold/4.jsonl", "traces/base/9.jsonl"}) {
    EXPECT_FALSE(Exists(moved)) << moved;
    EXPECT_TRUE(Exists(std::string("rewound/1/") + moved)) << moved;
  }
  EXPECT_TRUE(Exists("rollouts/base/4.jsonl"));
  EXPECT_EQ(ReadWhole(root_.file("metrics.jsonl")), "lines\n");
  EXPECT_EQ(ReadWhole(root_.file("rewound/1/metrics.jsonl")), "lines\n");
}

TEST_F(RewindTest, EveryTimeHasAFolderOfItsOwn) {
  EXPECT_EQ(Back("base", 10), root_.file("rewound/1"));
  EXPECT_EQ(Back("base", 4), root_.file("rewound/2"));
  EXPECT_EQ(Names(root_.file("rewound/1")), "cold/6");
  EXPECT_EQ(Names(root_.file("rewound/2")), "base/10");
}

TEST_F(RewindTest, WithNothingAfterThePointNothingIsDone) {
  EXPECT_EQ(Back("cold", 6), "");
  EXPECT_FALSE(Exists("rewound"));
}

}  // namespace
}  // namespace deduce
