// A run directory without training: a config, and checkpoints that say what a test wants.
#pragma once

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "configs/config.h"
#include "parallel/communicator/communicator.h"
#include "tests/rl/report/run_directory.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {

// Three stages of ten steps; the second starts from the first, the third from the second.
inline RunConfig TinyRun(const std::string& run_dir) {
  RunConfig config;
  config.set_name("r");
  config.set_run_dir(run_dir);
  config.set_tokenizer("t.json");
  config.mutable_model()->set_vocab_size(48);
  for (const char* name : {"base", "cold", "rl"}) {
    StageConfig& stage = *config.add_stage();
    stage.set_name(name);
    stage.set_steps(10);
    stage.mutable_pretrain();
    stage.mutable_data()->mutable_task()->set_name("chain_sum");
  }
  return config;
}

// A checkpoint with weights of this hash. `more`: other entries of its state.
inline void Publish(const std::string& run_dir, const std::string& stage, int64_t step,
                    const std::string& hash = "hash", const nlohmann::json& more = {},
                    const std::map<std::string, std::string>& files = {}) {
  nlohmann::json state = {{"stage", stage}, {"step", step}, {"weights_hash", hash}};
  if (more.is_object()) state.update(more);
  const auto world = MakeOneMemberCommunicator();
  const absl::Status saved = SaveCheckpoint(
      *world, CheckpointDir(run_dir, stage, step),
      {{.name = "weight", .shape = {1}, .data = at::zeros({1})}}, state.dump(), files);
  ASSERT_TRUE(saved.ok()) << saved;
}

}  // namespace deduce
