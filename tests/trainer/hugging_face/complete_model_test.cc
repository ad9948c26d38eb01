#include "trainer/hugging_face/complete_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/parse_text.h"
#include "tests/trainer/hugging_face/tiny_folder.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

class RunModelTest : public ::testing::Test {
 protected:
  RunModelTest() { WriteTinyFolder(TinyRoutedModel(), dir_ / "m"); }

  // A run of the folder's model with `more` beside it.
  RunConfig Run(const std::string& more) {
    const auto config =
        ParseConfigText("model { hugging_face: \"" + (dir_ / "m") + "\" " + more + " }", "test");
    EXPECT_TRUE(config.ok()) << config.status();
    return *config;
  }

  ScratchDir dir_;
};

TEST_F(RunModelTest, TheShapeAndTheTokenizerComeFromTheFolder) {
  RunConfig config = Run("");
  ASSERT_EQ(CompleteFromHuggingFace(config), absl::OkStatus());
  EXPECT_EQ(config.model().kv_lora_rank(), 10);
  EXPECT_EQ(config.model().moe().topk_group(), 2);
  EXPECT_EQ(config.tokenizer(), dir_ / "m/tokenizer.json");
}

TEST_F(RunModelTest, WhatWasPrintedInFullAgreesWithItself) {
  RunConfig config = Run("");
  config.set_tokenizer("t.json");
  ASSERT_EQ(CompleteFromHuggingFace(config), absl::OkStatus());
  RunConfig again = *ParseConfigText(ConfigText(config), "test");
  ASSERT_EQ(CompleteFromHuggingFace(again), absl::OkStatus());
  EXPECT_EQ(ConfigText(again), ConfigText(config));
  EXPECT_EQ(again.tokenizer(), "t.json");
}

TEST_F(RunModelTest, WhatOnlyTrainingUsesMayBeChosen) {
  RunConfig config = Run("max_position_embeddings: 32 compute: bf16 moe { bias_update_speed: 0 }");
  ASSERT_EQ(CompleteFromHuggingFace(config), absl::OkStatus());
  EXPECT_EQ(config.model().max_position_embeddings(), 32);
  EXPECT_EQ(config.model().compute(), ModelConfig::bf16);
  EXPECT_EQ(config.model().moe().bias_update_speed(), 0);
  EXPECT_EQ(config.model().moe().n_routed_experts(), 8);
}

TEST_F(RunModelTest, WhatDisagreesIsNamed) {
  for (const auto& [more, says] :
       {std::pair{"hidden_size: 32", "model.hidden_size: found another value than in "},
        std::pair{"moe { num_experts_per_tok: 2 }", "model.moe.num_experts_per_tok: found another"},
        std::pair{"max_position_embeddings: 128",
                  "model.max_position_embeddings: found 128, expected at most the 64"}}) {
    RunConfig config = Run(more);
    const absl::Status status = CompleteFromHuggingFace(config);
    EXPECT_THAT(std::string(status.message()), HasSubstr(says));
    EXPECT_EQ(ExitCodeOf(status), 2);
  }
}

TEST_F(RunModelTest, WithoutNeedOfWeightsAConfigIsEnough) {
  std::filesystem::remove(dir_ / "m/model.safetensors");
  RunConfig config = Run("");
  EXPECT_EQ(ExitCodeOf(CompleteFromHuggingFace(config)), 3);
  ASSERT_EQ(CompleteFromHuggingFace(config, /*weights=*/false), absl::OkStatus());
  EXPECT_EQ(config.model().kv_lora_rank(), 10);
}

TEST_F(RunModelTest, FewerPositionsMakeAWindowNone) {
  const std::string dir = dir_ / "mistral";
  WriteTinyFolder(TinyDenseModel(), dir);
  nlohmann::json json = nlohmann::json::parse(Slurp(dir + "/config.json"));
  json.update({{"model_type", "mistral"},
               {"architectures", {"MistralForCausalLM"}},
               {"sliding_window", 32}});
  Spill(dir + "/config.json", json.dump());
  RunConfig config;
  config.mutable_model()->set_hugging_face(dir);
  EXPECT_EQ(ExitCodeOf(CompleteFromHuggingFace(config)), 3);
  config.mutable_model()->set_max_position_embeddings(32);
  EXPECT_EQ(CompleteFromHuggingFace(config), absl::OkStatus());
}

TEST_F(RunModelTest, AFolderThatIsNotThereIsBadData) {
  RunConfig config = Run("");
  config.mutable_model()->set_hugging_face(dir_ / "none");
  EXPECT_EQ(ExitCodeOf(CompleteFromHuggingFace(config)), 3);
}

TEST_F(RunModelTest, OtherRunsAreLeftAlone) {
  RunConfig config;
  ASSERT_EQ(CompleteFromHuggingFace(config), absl::OkStatus());
  EXPECT_EQ(config.ShortDebugString(), "");
}

}  // namespace
}  // namespace deduce
