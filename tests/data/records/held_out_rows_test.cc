#include "data/records/held_out_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const Tokenizer> Tiny() {
  return std::make_shared<const Tokenizer>(
      *Tokenizer::Load(DEDUCE_SOURCE_DIR "/configs/recipes/tiny_tokenizer.json"));
}

absl::StatusOr<HeldOutRows> Read(const TemporaryFile& file, const HeldOutOptions& options,
                                 bool drops = false) {
  DataConfig config;
  config.set_path(file.path());
  config.set_verifier("math");
  config.set_prompt_template("1+{prompt}");
  config.set_drop_too_long(drops);
  config.set_drop_bad_rows(drops);
  return ReadHeldOutRows(config, Tiny(), options, "data");
}

constexpr char kRows[] =
    "{\"prompt\": \"1=?\", \"answer\": 2}\n"
    "{\"prompt\": \"2=?\", \"completion\": \"3\"}\n"
    "{\"prompt\": \"3=?\", \"completion\": \"4\", \"answer\": 4}\n"
    "{\"text\": \"5\"}\n";

TEST(HeldOutRowsTest, RowsAreProblemsSamplesOrBothFramedAsTheStagesData) {
  const TemporaryFile file("held.jsonl", kRows);
  const auto rows = Read(file, {.max_prompt_tokens = 20, .max_sample_tokens = 20});
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::vector<std::string> prompts, samples;
  for (const Prompt& prompt : rows->problems)
    prompts.push_back(prompt.problem.prompt + " " + prompt.problem.answer);
  for (const TokenSample& sample : rows->samples) samples.push_back(Tiny()->Decode(sample.tokens));
  EXPECT_THAT(prompts, ElementsAre("1+1=? 2", "1+3=? 4"));
  EXPECT_THAT(samples,
              ElementsAre("<|begin|>1+2=?3<|end|>", "<|begin|>1+3=?4<|end|>", "<|begin|>5<|end|>"));
  EXPECT_THAT(rows->end_ids, ElementsAre(Tiny()->eos_id()));
}

TEST(HeldOutRowsTest, CompletionsAreNotReadWhereTheyAreNotWanted) {
  const TemporaryFile file("held.jsonl", kRows);
  const auto rows = Read(file, {.max_prompt_tokens = 20});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->problems.size(), 2U);
  EXPECT_TRUE(rows->samples.empty());
  const TemporaryFile texts("texts.jsonl", "{\"text\": \"5\"}\n");
  EXPECT_THAT(std::string(Read(texts, {.max_prompt_tokens = 20}).status().message()),
              HasSubstr("texts.jsonl: found no row with an \"answer\""));
}

TEST(HeldOutRowsTest, WhatCannotBeUsedIsAnErrorOrLeftOut) {
  const TemporaryFile file("held.jsonl",
                           std::string(kRows) + "{\"prompt\": \"1\", \"answer\": true}\n");
  const HeldOutOptions options{.max_prompt_tokens = 20, .max_sample_tokens = 7};
  EXPECT_THAT(std::string(Read(file, options).status().message()),
              HasSubstr("held.jsonl:2: found 8 tokens, expected at most 7"));
  const auto rows = Read(file, options, /*drops=*/true);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->report.NumTooLong(), 2);
  EXPECT_EQ(rows->report.NumBad(), 1);
  EXPECT_EQ(rows->problems.size(), 1U);  // a row of both kinds is left out as a whole
  EXPECT_EQ(rows->samples.size(), 1U);
}

}  // namespace
}  // namespace deduce
