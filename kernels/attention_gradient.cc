#include "kernels/attention_gradient.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "kernels/attention_row.h"
#include "kernels/double_precision.h"

namespace deduce {
namespace {

constexpr int64_t kQueryBlock =
    8;  // queries whose key gradients are added in one pass over the keys

float Dot(const float* a, const float* b, int64_t n) {
  FloatVector sum(0.0f);
  ForEachVector(n, [&](int64_t i, int64_t count) {
    sum = at::vec::fmadd(LoadMasked(a + i, count), LoadMasked(b + i, count), sum);
  });
  return SumLanes(sum);
}

// target += sum over the block's queries i of weights[i] * row i, in their order; the weights of
// missing queries are zero.
void AddWeighted(const float (&weights)[kQueryBlock], const float* const (&rows)[kQueryBlock],
                 int64_t width, float* target) {
  FloatVector weight[kQueryBlock];
  Unroll<kQueryBlock>([&](int i) { weight[i] = FloatVector(weights[i]); });
  int64_t d = 0;
  for (; d + kLanes <= width; d += kLanes) {
    FloatVector sum = FloatVector::loadu(target + d);
    Unroll<kQueryBlock>(
        [&](int i) { sum = at::vec::fmadd(weight[i], FloatVector::loadu(rows[i] + d), sum); });
    sum.store(target + d);
  }
  if (d == width) return;
  FloatVector sum = LoadMasked(target + d, width - d);
  Unroll<kQueryBlock>(
      [&](int i) { sum = at::vec::fmadd(weight[i], LoadMasked(rows[i] + d, width - d), sum); });
  StoreMasked(sum, target + d, width - d);
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
        stride_(PaddedKeys(rows.length)),
        keys_(RowsOf(in.k_gxk, kv_head, rows.first)),
        values_(RowsOf(in.v_gxv, kv_head, rows.first)),
        probability_(static_cast<size_t>(stride_ * kQueryBlock)),
        score_grad_(static_cast<size_t>(stride_ * kQueryBlock)) {}

  void Run() {
    const int64_t group = heads_ / in_.k_gxk.size(0);
    for (int64_t head = kv_head_ * group; head < (kv_head_ + 1) * group; ++head) {
      for (int64_t query = rows_.query_begin; query < rows_.query_end;) {
        const int64_t queries = BlockAt(query);
        for (int64_t i = 0; i < queries; ++i) QueryGradient(head, query + i, i);
        KeyGradients(head, query, queries);
        query += queries;
      }
    }
  }

 private:
  int64_t VisibleTo(int64_t query) const { return visible_t_[static_cast<size_t>(query)]; }

  // How many queries from this one on see as many keys, but for the last vector of them: rows of
  // scores are then zero from a query's last key to the last query's.
  int64_t BlockAt(int64_t query) const {
    const int64_t padded = PaddedKeys(VisibleTo(query));
    int64_t count = 1;
    while (count < kQueryBlock && query + count < rows_.query_end &&
           PaddedKeys(VisibleTo(query + count)) == padded) {
      ++count;
    }
    return count;
  }

  // Row i of the block: probabilities, gradients of the scaled scores, and the query's gradient.
  // Beyond the query's own keys, up to the end of the block, both rows are zero.
  void QueryGradient(int64_t head, int64_t query, int64_t i) {
    const int64_t row = query * heads_ + head;
    const int64_t count = VisibleTo(query);
    const float* grad = in_.grad_thv.const_data_ptr<float>() + row * v_width_;
    float* probability = probability_.data() + i * stride_;
    float* score_grad = score_grad_.data() + i * stride_;
    DotRows(in_.q_thk.const_data_ptr<float>() + row * k_width_, keys_, count, softmax_scale_,
            -std::numeric_limits<float>::infinity(), probability);
    DotRows(grad, values_, count, 1.0f, 0.0f, score_grad);
    const FloatVector log_sum_exp(
        in_.log_sum_exp_ht.const_data_ptr<float>()[head * in_.q_thk.size(0) + query]);
    const FloatVector mean(
        Dot(grad, in_.out_thv.const_data_ptr<float>() + row * v_width_, v_width_));
    for (int64_t j = 0; j < PaddedKeys(count); j += kLanes) {
      const FloatVector p = (FloatVector::loadu(probability + j) - log_sum_exp).exp();
      p.store(probability + j);
      (p * (FloatVector::loadu(score_grad + j) - mean) * FloatVector(softmax_scale_))
          .store(score_grad + j);
    }
    WeightRows(score_grad, keys_, count, 1.0f, out_.grad_q_thk.data_ptr<float>() + row * k_width_);
  }

  void KeyGradients(int64_t head, int64_t first_query, int64_t queries) {
    const float* q[kQueryBlock];
    const float* grad[kQueryBlock];
    for (int64_t i = 0; i < kQueryBlock; ++i) {
      const int64_t row = (first_query + std::min(i, queries - 1)) * heads_ + head;
      q[i] = in_.q_thk.const_data_ptr<float>() + row * k_width_;
      grad[i] = in_.grad_thv.const_data_ptr<float>() + row * v_width_;
    }
    const int64_t key_row = kv_head_ * in_.k_gxk.size(1) + rows_.first;
    float* grad_k = out_.grad_k_gxk.data_ptr<float>() + key_row * k_width_;
    float* grad_v = out_.grad_v_gxv.data_ptr<float>() + key_row * v_width_;
    const int64_t keys = VisibleTo(first_query + queries - 1);
    for (int64_t j = 0; j < keys; ++j) {
      float score_grad[kQueryBlock] = {};
      float probability[kQueryBlock] = {};
      for (int64_t i = 0; i < queries; ++i) {
        score_grad[i] = score_grad_[static_cast<size_t>(i * stride_ + j)];
        probability[i] = probability_[static_cast<size_t>(i * stride_ + j)];
      }
      AddWeighted(score_grad, q, k_width_, grad_k + j * k_width_);
      AddWeighted(probability, grad, v_width_, grad_v + j * v_width_);
    }
  }

  const AttentionState& in_;
  const std::vector<int64_t>& visible_t_;
  const float softmax_scale_;
  const AttentionGradients& out_;
  const SequenceRows rows_;
  const int64_t kv_head_, heads_, k_width_, v_width_, stride_;
  const HeadRows keys_, values_;
  std::vector<float> probability_, score_grad_;
};

static_assert(kQueryBlock == kLanes, "the masked end of a block's rows relies on this");

}  // namespace

AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale) {
  if (state.q_thk.scalar_type() == at::kDouble)
    return fp64::KeyBlockGradients(state, runs, softmax_scale);
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

}  // namespace deduce
