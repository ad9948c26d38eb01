#include "parallel/sequence/ring_attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/backward/autograd.h"
#include "kernels/key_block_attention.h"

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Nothing else is sent in a context group; its collectives have tags of their own.
constexpr int kKeysTag = 0;
constexpr int kGradientsTag = 1;

struct BlockShape {
  int64_t kv_heads, k_width, v_width;
  int64_t NumElements(int64_t rows) const { return kv_heads * rows * (k_width + v_width); }
};

// The rows of one rank, keys and then values, each by head: one message, and what the kernel reads.
struct Block {
  at::Tensor flat_n, k_gxk, v_gxv;
};

Block BlockOf(const at::Tensor& flat_n, const BlockShape& shape) {
  const int64_t rows = flat_n.numel() / shape.NumElements(1);
  const int64_t in_keys = shape.kv_heads * rows * shape.k_width;
  return {flat_n, flat_n.narrow(0, 0, in_keys).view({shape.kv_heads, rows, shape.k_width}),
          flat_n.narrow(0, in_keys, flat_n.numel() - in_keys)
              .view({shape.kv_heads, rows, shape.v_width})};
}

at::Tensor Flat(const at::Tensor& k_gxk, const at::Tensor& v_gxv) {
  return at::cat({k_gxk.reshape({-1}), v_gxv.reshape({-1})});
}

// A group seen from this rank: blocks come from the rank before and go to the next.
class Ring {
 public:
  Ring(Communicator& group, const std::vector<KeyRuns>& runs_of_rank, const BlockShape& shape)
      : group_(group), runs_of_rank_(runs_of_rank), shape_(shape) {}

  int size() const { return group_.size(); }

  // The runs of the block that is here at a hop: after the last hop, this rank's own again.
  const KeyRuns& RunsAt(int hop) const {
    return runs_of_rank_[(group_.rank() + size() - hop % size()) % size()];
  }

  std::string HopText(const char* what, int hop) const {
    return absl::StrCat(what, " hop ", hop, " of ", size());
  }

  // body(hop, block) with each rank's block, this rank's first, while the next one is on its way.
  template <typename Body>
  void ForEachBlock(const char* what, const at::Tensor& own_n, const Body& body) {
    Block block = BlockOf(own_n, shape_);
    for (int hop = 0; hop < size(); ++hop) {
      const ActionScope action(group_, HopText(what, hop));
      Block next;
      std::unique_ptr<Transfer> receive, send;
      if (hop + 1 < size()) {
        next = EmptyBlock(hop + 1, own_n);
        std::tie(receive, send) = Exchange(next.flat_n, block.flat_n, kKeysTag);
      }
      body(hop, block);
      if (receive == nullptr) continue;
      receive->Wait();
      send->Wait();
      block = std::move(next);
    }
  }

  Block EmptyBlock(int hop, const at::Tensor& like) const {
    const int64_t rows = RunsAt(hop).key_starts.back();
    return BlockOf(at::empty({shape_.NumElements(rows)}, like.options()), shape_);
  }

  // Receives from the rank before and sends to the next one. Every other rank sends first, so that
  // a transport which does one after another gets through too.
  std::pair<std::unique_ptr<Transfer>, std::unique_ptr<Transfer>> Exchange(
      at::Tensor& coming_n, const at::Tensor& going_n, int tag) {
    std::unique_ptr<Transfer> receive, send;
    if (group_.rank() % 2 == 0) send = group_.Send(going_n, after(), tag);
    receive = group_.Receive(coming_n, before(), tag);
    if (send == nullptr) send = group_.Send(going_n, after(), tag);
    return {std::move(receive), std::move(send)};
  }
  std::pair<std::unique_ptr<Transfer>, std::unique_ptr<Transfer>> ExchangeGradients(
      Block& coming, const Block& going) {
    return Exchange(coming.flat_n, going.flat_n, kGradientsTag);
  }

 private:
  int before() const { return (group_.rank() + size() - 1) % size(); }
  int after() const { return (group_.rank() + 1) % size(); }

  Communicator& group_;
  const std::vector<KeyRuns>& runs_of_rank_;
  const BlockShape shape_;
};

PartialAttention Attend(Ring& ring, const at::Tensor& q_thk, const at::Tensor& own_n,
                        double softmax_scale) {
  PartialAttention sum;
  ring.ForEachBlock("attention", own_n, [&](int hop, const Block& block) {
    PartialAttention part =
        AttendKeyBlock(q_thk, block.k_gxk, block.v_gxv, ring.RunsAt(hop), softmax_scale);
    if (hop == 0) {
      sum = std::move(part);
    } else {
      MergeAttention(sum, part);
    }
  });
  return sum;
}

// Sums of a block's gradients follow it a hop behind, so that they travel while the next block's
// are computed: they begin where the block is at home, and come back there after the last hop.
class GradientSums {
 public:
  explicit GradientSums(Ring& ring) : ring_(ring) {}

  // Adds this rank's part of the gradients of a hop's block to the sum that the rank before sent.
  // Keys and sums take turns in the messages of two ranks, on both ends.
  void Add(int hop, const AttentionGradients& gradients) {
    Block sum;
    if (hop == 0) {
      sum.flat_n = Flat(gradients.grad_k_gxk, gradients.grad_v_gxv);
    } else {
      sum = Come();
      sum.k_gxk += gradients.grad_k_gxk;
      sum.v_gxv += gradients.grad_v_gxv;
    }
    if (send_ != nullptr) send_->Wait();
    going_ = std::move(sum);
    coming_ = ring_.EmptyBlock(hop + 1, going_.flat_n);
    std::tie(receive_, send_) = ring_.ExchangeGradients(coming_, going_);
  }

  // After the last hop: those of this rank's own block.
  Block Home() {
    Block own = Come();
    send_->Wait();
    return own;
  }

 private:
  Block Come() {
    receive_->Wait();
    return std::move(coming_);
  }

  Ring& ring_;
  Block coming_, going_;  // outlive their transfers
  std::unique_ptr<Transfer> receive_, send_;
};

AttentionGradients Gradients(Ring& ring, const at::Tensor& own_n, AttentionState state,
                             double softmax_scale) {
  GradientSums sums(ring);
  at::Tensor grad_q_thk;
  ring.ForEachBlock("attention gradient", own_n, [&](int hop, const Block& block) {
    state.k_gxk = block.k_gxk;
    state.v_gxv = block.v_gxv;
    const AttentionGradients part = KeyBlockGradients(state, ring.RunsAt(hop), softmax_scale);
    if (hop == 0) {
      grad_q_thk = part.grad_q_thk;
    } else {
      grad_q_thk += part.grad_q_thk;
    }
    sums.Add(hop, part);
  });
  const Block own = sums.Home();
  return {grad_q_thk, own.k_gxk, own.v_gxv};
}

class RingAttentionFunction : public torch::autograd::Function<RingAttentionFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& q_thk, const Variable& k_tgk,
                          const Variable& v_tgv, const std::vector<KeyRuns>* runs_of_rank,
                          double softmax_scale, Communicator* group) {
    const BelowAutograd guard;
    const BlockShape shape = {k_tgk.size(1), k_tgk.size(2), v_tgv.size(2)};
    const at::Tensor q = q_thk.contiguous();
    const at::Tensor own_n = Flat(k_tgk.transpose(0, 1), v_tgv.transpose(0, 1));
    Ring ring(*group, *runs_of_rank, shape);
    const PartialAttention result = Attend(ring, q, own_n, softmax_scale);
    context->save_for_backward({q, own_n, result.out_thv, result.log_sum_exp_ht});
    context->saved_data["shape"] =
        std::vector<int64_t>{shape.kv_heads, shape.k_width, shape.v_width};
    context->saved_data["runs_of_rank"] = reinterpret_cast<int64_t>(runs_of_rank);
    context->saved_data["softmax_scale"] = softmax_scale;
    context->saved_data["group"] = reinterpret_cast<int64_t>(group);
    return result.out_thv;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::vector<int64_t> sizes = context->saved_data["shape"].toIntVector();
    const auto* runs_of_rank =
        reinterpret_cast<const std::vector<KeyRuns>*>(context->saved_data["runs_of_rank"].toInt());
    auto* group = reinterpret_cast<Communicator*>(context->saved_data["group"].toInt());
    const BelowAutograd guard;
    Ring ring(*group, *runs_of_rank, {sizes[0], sizes[1], sizes[2]});
    const AttentionGradients out = Gradients(ring, saved[1],
                                             {.q_thk = saved[0],
                                              .k_gxk = {},
                                              .v_gxv = {},
                                              .out_thv = saved[2],
                                              .log_sum_exp_ht = saved[3],
                                              .grad_thv = gradients[0].contiguous()},
                                             context->saved_data["softmax_scale"].toDouble());
    return {out.grad_q_thk,
            out.grad_k_gxk.transpose(0, 1),
            out.grad_v_gxv.transpose(0, 1),
            Variable(),
            Variable(),
            Variable()};
  }
};

}  // namespace

at::Tensor RingAttention(const at::Tensor& q_thk, const at::Tensor& k_tgk, const at::Tensor& v_tgv,
                         const std::vector<KeyRuns>& runs_of_rank, double softmax_scale,
                         Communicator& group) {
  TORCH_CHECK(k_tgk.dim() == 3 && v_tgv.dim() == 3 && k_tgk.size(0) == v_tgv.size(0) &&
                  k_tgk.size(1) == v_tgv.size(1),
              "RingAttention: found k ", k_tgk.sizes(), ", v ", v_tgv.sizes(),
              ", expected [t, kv_heads, k], [t, kv_heads, v]");
  TORCH_CHECK(static_cast<int>(runs_of_rank.size()) == group.size(),
              "RingAttention: found runs of ", runs_of_rank.size(), " ranks, expected ",
              group.size());
  const std::vector<int64_t>& own_starts = runs_of_rank[group.rank()].key_starts;
  TORCH_CHECK(!own_starts.empty() && own_starts.back() == k_tgk.size(0), "RingAttention: found ",
              k_tgk.size(0), " keys here, expected ", own_starts.empty() ? 0 : own_starts.back());
  return RingAttentionFunction::apply(q_thk, k_tgk, v_tgv, &runs_of_rank, softmax_scale, &group);
}

}  // namespace deduce
