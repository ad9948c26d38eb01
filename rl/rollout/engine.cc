#include "rl/rollout/engine.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <deque>
#include <span>
#include <utility>

#include "kernels/random.h"
#include "rl/rollout/sampler.h"

namespace deduce {
namespace {

constexpr int64_t kNone = -1;

// One place of the cache and the sequence that grows in it.
struct Slot {
  bool busy = false;
  int64_t request = kNone;  // whose prompt lies in the cache here; stays after the sequence has
                            // ended, for its group
  Completion sequence;
};

class Engine {
 public:
  Engine(RankModel& model, const std::vector<GenerationRequest>& requests,
         const GenerationOptions& options)
      : model_(model), requests_(requests), options_(options), prompt_row_v_(requests.size()) {
    int64_t longest_prompt = 0;
    for (size_t r = 0; r < requests.size(); ++r) {
      TORCH_CHECK(!requests[r].prompt.empty(), "Generate: found an empty prompt in request ", r,
                  ", expected tokens");
      longest_prompt = std::max<int64_t>(longest_prompt, requests[r].prompt.size());
      const uint64_t end = requests[r].first_sample + requests[r].num_generations;
      TORCH_CHECK(options.step >> 32 == 0 && end >> 32 == 0, "Generate: found step ", options.step,
                  " and samples up to ", end, ", expected both below 2^32");
      for (int64_t i = 0; i < requests[r].num_generations; ++i) {
        waiting_.push_back({static_cast<int64_t>(r), requests[r].first_sample + i});
      }
    }
    TORCH_CHECK(options.max_new_tokens > 0 && options.max_batch > 0,
                "Generate: found max_new_tokens ", options.max_new_tokens, ", max_batch ",
                options.max_batch, ", expected both positive");
    const int64_t positions = longest_prompt + options.max_new_tokens;
    TORCH_CHECK(positions <= model.config().max_position_embeddings(), "Generate: found ",
                longest_prompt, " prompt tokens and ", options.max_new_tokens,
                " new ones, expected at most ", model.config().max_position_embeddings());
    const int64_t num_slots = std::clamp<int64_t>(waiting_.size(), 1, options.max_batch);
    slots_.resize(num_slots);
    cache_ = model.MakeCache(num_slots, positions);
  }

  int64_t num_unfinished() const { return static_cast<int64_t>(waiting_.size()) + num_busy_; }

  // Lets waiting sequences in, runs the model once (with 0 rows when there is nothing to do) and
  // draws a token for each.
  void Step() {
    Rows rows;
    for (size_t s = 0; s < slots_.size(); ++s) {
      if (slots_[s].busy) AddDecodeRow(s, rows);
    }
    std::vector<std::pair<int64_t, int64_t>> entering;  // slot, slot whose prompt is under way
    for (size_t s = 0; s < slots_.size() && !waiting_.empty(); ++s) {
      if (!slots_[s].busy) entering.emplace_back(s, Admit(s, rows));
    }
    at::Tensor log_prob_nv = model_.NextLogProbs(
        at::tensor(rows.tokens, at::TensorOptions(at::kCPU).dtype(at::kLong)), rows.slots,
        rows.positions, rows.wanted, options_.temperature == 0 ? 1 : options_.temperature, cache_);
    if (log_prob_nv.defined()) log_prob_nv = log_prob_nv.to(at::kCPU, at::kFloat);  // to draw from
    for (size_t i = 0; i < rows.wanted.size(); ++i) {
      if (rows.prompt_of[i] != kNone) {
        prompt_row_v_[rows.prompt_of[i]] = log_prob_nv.select(0, i).clone();
      } else {
        Draw(slots_[rows.slots[rows.wanted[i]]], log_prob_nv.select(0, i));
      }
    }
    for (const auto& [slot, source] : entering) {
      const int64_t request = slots_[slot].request;
      if (source != kNone && source != slot) CopyPrompt(source, slot);
      Draw(slots_[slot], prompt_row_v_[request]);
    }
  }

  std::vector<Completion> TakeCompletions() {
    std::sort(finished_.begin(), finished_.end(),
              [](const Completion& a, const Completion& b) { return a.sample < b.sample; });
    return std::move(finished_);
  }

 private:
  struct Waiting {
    int64_t request;
    uint64_t sample;
  };

  // Input of one run of the model, and the rows of its result that a distribution is wanted of.
  struct Rows {
    std::vector<int64_t> tokens, slots, positions;
    std::vector<int64_t> wanted;  // row
    std::vector<int64_t>
        prompt_of;  // per wanted row: the request that it ends the prompt of, or kNone

    void Add(int64_t token, int64_t slot, int64_t position) {
      tokens.push_back(token);
      slots.push_back(slot);
      positions.push_back(position);
    }
    void Want(int64_t request) {
      wanted.push_back(static_cast<int64_t>(tokens.size()) - 1);
      prompt_of.push_back(request);
    }
  };

  void AddDecodeRow(int64_t s, Rows& rows) {
    const Slot& slot = slots_[s];
    const size_t length = requests_[slot.request].prompt.size() + slot.sequence.tokens.size();
    rows.Add(slot.sequence.tokens.back(), s, static_cast<int64_t>(length) - 1);
    rows.Want(kNone);
  }

  // Puts the next waiting sequence into a free slot. Returns the slot in which its prompt is
  // computed by this very step, or kNone when the prompt was there before (and has been copied: its
  // slot may be taken over next).
  int64_t Admit(int64_t s, Rows& rows) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    const auto holder = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
      return slot.request == next.request;
    });
    // Groups enter one after another, so as long as members wait no other prompt has displaced
    // theirs everywhere.
    const int64_t source = holder == slots_.end() ? s : holder - slots_.begin();
    if (holder == slots_.end()) {
      const std::vector<int32_t>& prompt = requests_[next.request].prompt;
      for (size_t p = 0; p < prompt.size(); ++p) rows.Add(prompt[p], s, p);
      rows.Want(next.request);
    }
    Slot& slot = slots_[s];
    slot.busy = true;
    slot.request = next.request;
    slot.sequence = {.sample = next.sample, .tokens = {}, .log_probs = {}, .truncated = false};
    ++num_busy_;
    if (!prompt_row_v_[next.request].defined()) return source;
    if (source != s) CopyPrompt(source, s);
    return kNone;
  }

  void CopyPrompt(int64_t from, int64_t to) {
    cache_.CopySlot(from, to, static_cast<int64_t>(requests_[slots_[to].request].prompt.size()));
  }

  // Appends the next token to a sequence; frees the slot if it was the last.
  void Draw(Slot& slot, const at::Tensor& log_prob_v) {
    Completion& sequence = slot.sequence;
    const std::span<const float> row(log_prob_v.const_data_ptr<float>(), log_prob_v.numel());
    const int64_t token =
        options_.temperature == 0
            ? GreedyToken(row)
            : SampleToken(row, options_.top_p,
                          RandomUniform(options_.stream, options_.step << 32 | sequence.sample,
                                        sequence.tokens.size()));
    sequence.tokens.push_back(static_cast<int32_t>(token));
    sequence.log_probs.push_back(row[token]);
    const bool ended = std::binary_search(options_.end_ids.begin(), options_.end_ids.end(), token);
    if (!ended && static_cast<int64_t>(sequence.tokens.size()) < options_.max_new_tokens) return;
    sequence.truncated = !ended;
    finished_.push_back(std::move(sequence));
    slot.busy = false;
    --num_busy_;
  }

  RankModel& model_;
  const std::vector<GenerationRequest>& requests_;
  const GenerationOptions& options_;
  std::vector<at::Tensor>
      prompt_row_v_;  // per request: distribution after its prompt, once computed
  std::deque<Waiting> waiting_;
  std::vector<Slot> slots_;
  RolloutCache cache_;
  int64_t num_busy_ = 0;
  std::vector<Completion> finished_;
};

// Collective. Whether any rank still has work.
bool AnyUnfinished(int64_t unfinished, Communicator& group) {
  if (group.size() == 1) return unfinished > 0;
  const at::Tensor own = at::tensor({unfinished}, at::TensorOptions(at::kCPU).dtype(at::kLong));
  return group.AllGather(own).gt(0).any().item<bool>();
}

}  // namespace

std::vector<Completion> Generate(RankModel& model, const std::vector<GenerationRequest>& requests,
                                 const GenerationOptions& options) {
  const c10::NoGradGuard no_grad;
  const WholeWeights whole(model.StoresByStage());
  const RoundedChunks rounded(model);
  Engine engine(model, requests, options);
  while (AnyUnfinished(engine.num_unfinished(), *model.ranks().experts)) engine.Step();
  return engine.TakeCompletions();
}

}  // namespace deduce
