#include "trainer/hugging_face/folder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/trainer/hugging_face/tiny_folder.h"

namespace deduce {
namespace {

TEST(FolderTest, ThePredictionModuleIsThereIfItsTensorsAre) {
  const ScratchDir dir;
  WriteTinyFolder(TinyRoutedModel(), dir / "with");
  EXPECT_EQ(HuggingFaceFolder::Open(dir / "with")->model.num_nextn_predict_layers(), 1);
  ModelConfig without = TinyRoutedModel();
  without.clear_num_nextn_predict_layers();
  WriteTinyFolder(without, dir / "without");
  std::filesystem::copy_file(dir / "with/config.json", dir / "without/config.json",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(HuggingFaceFolder::Open(dir / "without")->model.num_nextn_predict_layers(), 0);
}

TEST(FolderTest, AConfigAloneIsEnoughForWhoeverNeedsNoWeights) {
  const ScratchDir dir;
  WriteTinyFolder(TinyRoutedModel(), dir / "m");
  std::filesystem::remove(dir / "m/model.safetensors");
  const auto model = ReadHuggingFaceModel(dir / "m");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->num_nextn_predict_layers(), 1);
  EXPECT_FALSE(HuggingFaceFolder::Open(dir / "m").ok());
}

TEST(FolderTest, KeepsTokenizerFilesAndTheTypesOfTensors) {
  const ScratchDir dir;
  WriteTinyFolder(TinyDenseModel(), dir / "m");
  Spill(dir / "m/tokenizer_config.json", "{\"a\": 1}");
  Spill(dir / "m/notes.txt", "not kept");
  const auto files = HuggingFaceFolder::Open(dir / "m")->KeptFiles();
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->size(), 3u);
  EXPECT_EQ(files->at("tokenizer_config.json"), "{\"a\": 1}");
  EXPECT_EQ(files->at("config.json"), Slurp(dir / "m/config.json"));
  EXPECT_EQ(nlohmann::json::parse(files->at(kSourceDtypes))["model.norm.weight"], "F32");
}

TEST(FolderTest, OnlyAConfigWithoutAManifestMakesAHuggingFaceFolder) {
  const ScratchDir dir;
  EXPECT_FALSE(IsHuggingFaceFolder(dir.path()));
  Spill(dir / "config.json", "{}");
  EXPECT_TRUE(IsHuggingFaceFolder(dir.path()));
  Spill(dir / "manifest.json", "{}");
  EXPECT_FALSE(IsHuggingFaceFolder(dir.path()));
}

}  // namespace
}  // namespace deduce
