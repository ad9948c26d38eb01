#include "rl/run/outside_weights.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "configs/exit_code.h"
#include "rl/run/run.h"
#include "tests/rl/run/tiny_run.h"
#include "tests/trainer/hugging_face/tiny_folder.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

// A run in root/new whose first stage starts from stage `base` of root/old.
class OutsideWeightsTest : public ::testing::Test {
 protected:
  OutsideWeightsTest() : config_(TinyRun(root_.file("new"))), old_(TinyRun(root_.file("old"))) {
    config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#base");
  }

  // Makes the other run, as far as `step` of its first stage.
  void RunOther(int64_t step, const std::string& tokenizer = TinyTokenizer()->json()) {
    absl::StatusOr<deduce::Run> run =
        deduce::Run::Open(old_.run_dir(), deduce::Run::Access::kWrite);
    ASSERT_TRUE(run.ok()) << run.status();
    ASSERT_TRUE(run->GoOn(old_, std::vector<std::vector<Artifact>>(3)).ok());
    Publish(old_.run_dir(), "base", step, "hash", {},
            {{"tokenizer.json", tokenizer}, {"config.textproto", ConfigText(old_)}});
  }

  absl::StatusOr<std::string> Weights() {
    const absl::StatusOr<OutsideWeights> found = FindOutsideWeights(config_, 0, *TinyTokenizer());
    if (!found.ok()) return found.status();
    return found->checkpoint;
  }

  void ExpectError(ExitCode code, const std::string& message) {
    EXPECT_EQ(ExitCodeOf(Weights().status()), static_cast<int>(code));
    EXPECT_EQ(Weights().status().message(), "stage[0].init_from: found " + message);
  }

  RunDirectory root_;
  RunConfig config_, old_;
};

TEST_F(OutsideWeightsTest, TheWeightsAreThoseOfTheStagesLastStep) {
  RunOther(10);
  EXPECT_EQ(*Weights(), CheckpointDir(old_.run_dir(), "base", 10));
}

TEST_F(OutsideWeightsTest, WithoutTheRunTheDataIsBad) {
  ExpectError(ExitCode::kBadData,
              "no run in " + old_.run_dir() + " (" + old_.run_dir() +
                  "/config.textproto: found nothing, expected the config of a run), expected one "
                  "with stage base");
}

TEST_F(OutsideWeightsTest, WithoutTheStageTheDataIsBad) {
  RunOther(10);
  config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#bass");
  ExpectError(ExitCode::kBadData,
              "no stage bass in " + old_.run_dir() + ", expected one of base, cold, rl");
}

TEST_F(OutsideWeightsTest, AnUnfinishedStageIsBadData) {
  RunOther(9);
  ExpectError(ExitCode::kBadData, "no " + CheckpointDir(old_.run_dir(), "base", 10) +
                                      ", expected stage base to be finished there, or " +
                                      old_.run_dir() + "#NAME of base/9");
}

TEST_F(OutsideWeightsTest, AStepCanBeNamed) {
  RunOther(10);
  Publish(old_.run_dir(), "base", 4);
  config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#base/4");
  EXPECT_EQ(*Weights(), CheckpointDir(old_.run_dir(), "base", 4));
  config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#base/5");
  EXPECT_EQ(Weights().status().message(),
            old_.run_dir() + ": found no checkpoint base/5, expected one of base/4, base/10");
  EXPECT_EQ(ExitCodeOf(Weights().status()), static_cast<int>(ExitCode::kBadData));
}

TEST_F(OutsideWeightsTest, ACheckpointIsNamedByItsPath) {
  RunOther(10);
  const std::string path = CheckpointDir(old_.run_dir(), "base", 10);
  config_.mutable_stage(0)->set_init_from(path);
  EXPECT_EQ(*Weights(), path);
  config_.mutable_model()->set_hidden_size(7);
  ExpectError(ExitCode::kBadConfig, "a checkpoint in " + path +
                                        " that differs in model.hidden_size, expected one of the "
                                        "same model");
}

TEST_F(OutsideWeightsTest, ARunMeansItsLastStage) {
  RunOther(10);
  config_.mutable_stage(0)->set_init_from(old_.run_dir());
  ExpectError(ExitCode::kBadData, "no " + CheckpointDir(old_.run_dir(), "rl", 10) +
                                      ", expected stage rl to be finished there, or " +
                                      old_.run_dir() + "#NAME of base/10");
  Publish(old_.run_dir(), "rl", 10);
  EXPECT_EQ(*Weights(), CheckpointDir(old_.run_dir(), "rl", 10));
}

TEST_F(OutsideWeightsTest, AHuggingFaceFolderMustHaveTheModelAndTheTokenizer) {
  const std::string dir = root_.file("folder");
  WriteTinyFolder(TinyDenseModel(), dir);
  config_.mutable_stage(0)->set_init_from(dir);
  const absl::StatusOr<HuggingFaceFolder> folder = HuggingFaceFolder::Open(dir);
  *config_.mutable_model() = folder->model;
  const auto found = FindOutsideWeights(config_, 0, *TinyTokenizer());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->checkpoint, "");
  EXPECT_EQ(found->folder->dir, dir);
  std::ofstream(dir + "/tokenizer.json") << "{}";
  ExpectError(ExitCode::kBadConfig, "another tokenizer in " + dir + ", expected that of t.json");
  config_.mutable_model()->set_hidden_size(7);
  ExpectError(ExitCode::kBadConfig, "a model in " + dir +
                                        " that differs in model.hidden_size, expected one of the "
                                        "same model");
}

TEST_F(OutsideWeightsTest, TheHashOfAFolderIsThatOfItsWeights) {
  const auto hash = [&](const ModelConfig& model, const std::string& name) {
    WriteTinyFolder(model, root_.file(name));
    return *HashOfFolder(*HuggingFaceFolder::Open(root_.file(name)));
  };
  ModelConfig other = TinyDenseModel();
  other.set_intermediate_size(2 * other.intermediate_size());
  const std::string first = hash(TinyDenseModel(), "a");
  EXPECT_EQ(hash(TinyDenseModel(), "b"), first);
  EXPECT_NE(hash(other, "c"), first);
}

TEST_F(OutsideWeightsTest, AnotherModelIsABadConfig) {
  old_.mutable_model()->set_hidden_size(7);
  RunOther(10);
  ExpectError(ExitCode::kBadConfig, "a run in " + old_.run_dir() +
                                        " that differs in model.hidden_size, expected one of the "
                                        "same model");
}

TEST_F(OutsideWeightsTest, AnotherTokenizerIsABadConfig) {
  RunOther(10, "{}");
  ExpectError(ExitCode::kBadConfig, "another tokenizer in " +
                                        CheckpointDir(old_.run_dir(), "base", 10) +
                                        ", expected that of t.json");
}

}  // namespace
}  // namespace deduce
