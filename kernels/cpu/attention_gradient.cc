#include "kernels/cpu/attention_gradient.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "kernels/cpu/attention_row.h"

namespace deduce::cpu {
namespace {

float Dot(const float* a, const float* b, int64_t n) {
  FloatVector sum(0.0f);
  ForEachVector(n, [&](int64_t i, int64_t count) {
    sum = at::vec::fmadd(LoadMasked(a + i, count), LoadMasked(b + i, count), sum);
  });
  return SumLanes(sum);
}

// A sequence's keys in the block, from `first`, and the queries that are of it: rows of q.
struct SequenceRows {
  int64_t first, length;
  int64_t query_begin, query_end;
};

// The gradients of one sequence and one key-value head. Key and value gradients are summed by head,
// then query, in order.
class HeadBackward {
 public:
  HeadBackward(const AttentionState& in, const std::vector<int64_t>& visible_t, float softmax_scale,
               const AttentionGradients& out, const SequenceRows& rows, int64_t kv_head)
      : in_(in),
        visible_t_(visible_t),
        softmax_scale_(softmax_scale),
        out_(out),
        rows_(rows),
        kv_head_(kv_head),
        heads_(in.q_thk.size(1)),
        k_width_(in.q_thk.size(2)),
        v_width_(in.v_gxv.size(2)),
        keys_(RowsOf(in.k_gxk, kv_head, rows.first)),
        values_(RowsOf(in.v_gxv, kv_head, rows.first)),
        probability_(kQueriesAtATime, rows.length),
        score_grad_(kQueriesAtATime, rows.length) {}

  void Run() {
    const int64_t group = heads_ / in_.k_gxk.size(0);
    for (int64_t head = kv_head_ * group; head < (kv_head_ + 1) * group; ++head) {
      for (int64_t query = rows_.query_begin; query < rows_.query_end; query += kQueriesAtATime)
        Block(head, query, std::min(kQueriesAtATime, rows_.query_end - query));
    }
  }

 private:
  // Adds the parts of `count` neighbouring queries of a head.
  void Block(int64_t head, int64_t first_query, int64_t count) {
    const int64_t row = first_query * heads_ + head;
    const float* q = in_.q_thk.const_data_ptr<float>() + row * k_width_;
    const float* grad = in_.grad_thv.const_data_ptr<float>() + row * v_width_;
    const int64_t* visible = &visible_t_[static_cast<size_t>(first_query)];
    const QueryRows queries{q, heads_ * k_width_, visible, count};
    const QueryRows grads{grad, heads_ * v_width_, visible, count};
    DotVisible(queries, keys_, softmax_scale_, -std::numeric_limits<float>::infinity(),
               probability_);
    DotVisible(grads, values_, 1.0f, 0.0f, score_grad_);
    for (int64_t i = 0; i < count; ++i) ScoreGradients(head, first_query + i, i);

    float* grad_q = out_.grad_q_thk.data_ptr<float>() + row * k_width_;
    for (int64_t i = 0; i < count; ++i) std::fill_n(grad_q + i * heads_ * k_width_, k_width_, 0.0f);
    AddVisible(queries, score_grad_, keys_, grad_q, heads_ * k_width_);

    const int64_t key_row = kv_head_ * in_.k_gxk.size(1) + rows_.first;
    const int64_t keys = queries.most_visible();
    for (int64_t i = 0; i < count; ++i) {  // those that it does not see
      std::fill(probability_.row(i) + visible[i], probability_.row(i) + keys, 0.0f);
      std::fill(score_grad_.row(i) + visible[i], score_grad_.row(i) + keys, 0.0f);
    }
    AddWeightedRows({score_grad_.row(0), 1, score_grad_.stride()}, q, heads_ * k_width_, count,
                    out_.grad_k_gxk.data_ptr<float>() + key_row * k_width_, k_width_, keys,
                    k_width_);
    AddWeightedRows({probability_.row(0), 1, probability_.stride()}, grad, heads_ * v_width_, count,
                    out_.grad_v_gxv.data_ptr<float>() + key_row * v_width_, v_width_, keys,
                    v_width_);
  }

  // Scores become probabilities, and their gradients those of the scaled scores, in row i.
  void ScoreGradients(int64_t head, int64_t query, int64_t i) {
    const int64_t row = query * heads_ + head;
    float* probability = probability_.row(i);
    float* score_grad = score_grad_.row(i);
    const FloatVector log_sum_exp(
        in_.log_sum_exp_ht.const_data_ptr<float>()[head * in_.q_thk.size(0) + query]);
    const FloatVector mean(Dot(in_.grad_thv.const_data_ptr<float>() + row * v_width_,
                               in_.out_thv.const_data_ptr<float>() + row * v_width_, v_width_));
    const int64_t padded = PaddedKeys(visible_t_[static_cast<size_t>(query)]);
    for (int64_t j = 0; j < padded; j += kLanes) {
      const FloatVector p = (FloatVector::loadu(probability + j) - log_sum_exp).exp();
      p.store(probability + j);
      (p * (FloatVector::loadu(score_grad + j) - mean) * FloatVector(softmax_scale_))
          .store(score_grad + j);
    }
  }

  const AttentionState& in_;
  const std::vector<int64_t>& visible_t_;
  const float softmax_scale_;
  const AttentionGradients& out_;
  const SequenceRows rows_;
  const int64_t kv_head_, heads_, k_width_, v_width_;
  const HeadRows keys_, values_;
  ScoreRows probability_, score_grad_;
};

}  // namespace

AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale) {
  const AttentionGradients out{at::empty_like(state.q_thk), at::zeros_like(state.k_gxk),
                               at::zeros_like(state.v_gxv)};
  const int64_t kv_heads = state.k_gxk.size(0);
  const int64_t sequences = static_cast<int64_t>(runs.key_starts.size()) - 1;
  at::parallel_for(0, kv_heads * sequences, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto s = static_cast<size_t>(i % sequences);
      const SequenceRows rows{runs.key_starts[s], runs.key_starts[s + 1] - runs.key_starts[s],
                              runs.query_starts[s], runs.query_starts[s + 1]};
      HeadBackward(state, runs.visible_t, static_cast<float>(softmax_scale), out, rows,
                   i / sequences)
          .Run();
    }
  });
  return out;
}

}  // namespace deduce::cpu
