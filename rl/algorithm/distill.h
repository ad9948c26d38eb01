// Distillation: a student is fine-tuned on what a teacher writes (arXiv 2501.12948, section 2.4).
// Completions are made as they are needed, by named random numbers, so there is no data set to keep
// and a resumed run sees the same ones.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/records/sample.pb.h"
#include "data/records/streams.h"
#include "data/text/tokenizer/tokenizer.h"
#include "rl/reward/rewards.h"
#include "trainer/hugging_face/model_folder.h"
#include "trainer/metrics/metrics.h"
#include "trainer/step/train_step.h"

namespace deduce {

// The model that writes, whole on every rank.
struct Teacher {
  ModelFolder folder;
  RankGroups ranks;  // every rank a replica
};

// Collective over the world. Errors: those of LoadModelFolder.
absl::StatusOr<Teacher> LoadTeacher(const std::string& dir, ModelConfig::Compute compute,
                                    Communicator& world);

struct DistillResult {
  std::optional<StepStats> update;  // none if no completion was kept
  // Completions that were left out, and why: each is counted once, by the first that holds.
  int64_t truncated = 0, not_right = 0, too_long = 0;
  MetricsRecord metrics;  // completions/..., distill/kept_ratio, timing_s/...
};

class Distill {
 public:
  // Checks prompts with both tokenizers; a row that either has to leave out is left out for both.
  // `max_tokens` bounds what the student is trained on;
  // `where` is the stage's field path. Errors: those of PromptStream and of the teacher's
  // tokenizer.
  static absl::StatusOr<Distill> Create(const StageConfig& stage, uint64_t seed,
                                        std::shared_ptr<const Tokenizer> student,
                                        int64_t max_tokens, const std::string& where);

  // Collective over the world. Optimizer step `step` (from 0): one completion of each of
  // prompts_per_step prompts, as text from one tokenizer to the other. Left out are completions
  // that did not end, with only_right those not graded right, and those that are too long for the
  // student. If none is left, the step trains nothing.
  absl::StatusOr<DistillResult> Step(TrainState& state, Teacher& teacher, int64_t step,
                                     const StepOptions& options) const;

  const RowReport& report() const { return student_prompts_.report(); }
  const std::vector<Prompt>* problems() const { return student_prompts_.problems(); }

 private:
  Distill(const StageConfig& stage, PromptStream teacher_prompts, PromptStream student_prompts,
          RewardSet rewards)
      : stage_(stage),
        teacher_prompts_(std::move(teacher_prompts)),
        student_prompts_(std::move(student_prompts)),
        rewards_(std::move(rewards)) {}

  // The completions that the student learns; counts the others in `result`.
  absl::StatusOr<std::vector<TokenSample>> Kept(const SampleTable& table,
                                                DistillResult& result) const;

  StageConfig stage_;
  PromptStream teacher_prompts_, student_prompts_;  // the same problems, framed for each
  RewardSet rewards_;
  std::shared_ptr<const Tokenizer> teacher_tokenizer_, student_tokenizer_;
  int64_t max_tokens_ = 0;
  uint64_t stream_ = 0;
};

}  // namespace deduce
