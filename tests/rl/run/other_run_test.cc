#include "rl/run/other_run.h"

#include <gtest/gtest.h>

#include <string>

#include "configs/exit_code.h"
#include "rl/run/run.h"
#include "tests/rl/run/tiny_run.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

// A run in root/new whose first stage starts from stage `base` of root/old.
class OtherRunTest : public ::testing::Test {
 protected:
  OtherRunTest() : config_(TinyRun(root_.file("new"))), old_(TinyRun(root_.file("old"))) {
    config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#base");
  }

  // Makes the other run, as far as `step` of its first stage.
  void RunOther(int64_t step, const std::string& tokenizer = TinyTokenizer()->json()) {
    absl::StatusOr<deduce::Run> run =
        deduce::Run::Open(old_.run_dir(), deduce::Run::Access::kWrite);
    ASSERT_TRUE(run.ok()) << run.status();
    ASSERT_TRUE(run->GoOn(old_, std::vector<std::vector<Artifact>>(3)).ok());
    Publish(old_.run_dir(), "base", step, "hash", {}, {{"tokenizer.json", tokenizer}});
  }

  absl::StatusOr<std::string> Weights() {
    return WeightsOfAnotherRun(config_, 0, *TinyTokenizer());
  }

  void ExpectError(ExitCode code, const std::string& message) {
    EXPECT_EQ(ExitCodeOf(Weights().status()), static_cast<int>(code));
    EXPECT_EQ(Weights().status().message(), "stage[0].init_from: found " + message);
  }

  RunDirectory root_;
  RunConfig config_, old_;
};

TEST_F(OtherRunTest, TheWeightsAreThoseOfTheStagesLastStep) {
  RunOther(10);
  EXPECT_EQ(*Weights(), CheckpointDir(old_.run_dir(), "base", 10));
}

TEST_F(OtherRunTest, WithoutTheRunTheDataIsBad) {
  ExpectError(ExitCode::kBadData,
              "no run in " + old_.run_dir() + " (" + old_.run_dir() +
                  "/config.textproto: found nothing, expected the config of a run), expected one "
                  "with stage base");
}

TEST_F(OtherRunTest, WithoutTheStageTheDataIsBad) {
  RunOther(10);
  config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#bass");
  ExpectError(ExitCode::kBadData, "no stage bass in " + old_.run_dir() + ", expected one");
}

TEST_F(OtherRunTest, AnUnfinishedStageIsBadData) {
  RunOther(9);
  ExpectError(ExitCode::kBadData, "no " + CheckpointDir(old_.run_dir(), "base", 10) +
                                      ", expected stage base to be finished there");
}

TEST_F(OtherRunTest, AnotherModelIsABadConfig) {
  old_.mutable_model()->set_hidden_size(7);
  RunOther(10);
  ExpectError(ExitCode::kBadConfig, "a run in " + old_.run_dir() +
                                        " that differs in model.hidden_size, expected one of the "
                                        "same model");
}

TEST_F(OtherRunTest, AnotherTokenizerIsABadConfig) {
  RunOther(10, "{}");
  ExpectError(ExitCode::kBadConfig, "another tokenizer in " +
                                        CheckpointDir(old_.run_dir(), "base", 10) +
                                        ", expected that of t.json");
}

}  // namespace
}  // namespace deduce
