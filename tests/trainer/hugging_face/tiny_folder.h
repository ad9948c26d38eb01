// Hugging Face folders of tiny models, written by our own export.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "parallel/rank_groups.h"
#include "tests/trainer/model/tiny_models.h"
#include "tests/trainer/scratch_dir.h"
#include "trainer/hugging_face/export.h"
#include "trainer/step/rank_model.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {

// A model of one rank with its flat buffers.
struct StoredModel {
  explicit StoredModel(const ModelConfig& config)
      : world(MakeOneMemberCommunicator()),
        ranks(MakeRankGroups(*world, Layout{})),
        model(config, /*seed=*/7, ranks, /*sharded=*/true) {
    MoveOffDefaults(*model.chunks().front().model);
  }

  std::unique_ptr<Communicator> world;
  RankGroups ranks;
  RankModel model;
};

inline ExportRequest TinyRequest(StoredModel& stored, const std::string& out,
                                 const std::map<std::string, std::string>& files = {},
                                 int64_t max_shard_bytes = int64_t{1} << 40) {
  return {.out = out,
          .model = stored.model.config(),
          .tensors = HeldTensors(stored.model),
          .files = files,
          .max_shard_bytes = max_shard_bytes};
}

// Writes the folder of MakeModel(config).
inline void WriteTinyFolder(const ModelConfig& config, const std::string& out,
                            int64_t max_shard_bytes = int64_t{1} << 40) {
  StoredModel stored(config);
  EXPECT_EQ(ExportHuggingFace(TinyRequest(stored, out, {}, max_shard_bytes)), absl::OkStatus());
}

}  // namespace deduce
