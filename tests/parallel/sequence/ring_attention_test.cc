#include "parallel/sequence/ring_attention.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <string>

#include "kernels/causal_attention.h"
#include "parallel/communicator/thread_communicator.h"
#include "parallel/sequence/token_split.h"
#include "parallel/watch/hang_watch.h"
#include "parallel/watch/recorded_communicator.h"
#include "tests/kernels/oracle.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kScale = 0.3;

struct Shape {
  int64_t heads, kv_heads, k, v;
};
constexpr Shape kShapes[] = {{4, 2, 16, 16}, {3, 3, 10, 7}};

// Uneven; with one token in all, so that most ranks have none; and with none at all.
const std::vector<std::vector<int64_t>> kStarts = {{0, 1, 1, 12, 61}, {0, 1}, {0, 0}};

struct Inputs {
  at::Tensor q_thk, k_tgk, v_tgv, grad_thv;
};

// Of all tokens, or of some.
Inputs MakeInputs(const Shape& shape, int64_t tokens, at::ScalarType type,
                  const std::vector<int64_t>* some = nullptr) {
  const auto rows = [&](const char* name, int64_t heads, int64_t width) {
    const at::Tensor all = NormalTensor(name, {tokens, heads, width}).to(type);
    return some == nullptr ? all : at::index_select(all, 0, at::tensor(*some, at::kLong));
  };
  Inputs in{rows("q", shape.heads, shape.k), rows("k", shape.kv_heads, shape.k),
            rows("v", shape.kv_heads, shape.v), rows("grad", shape.heads, shape.v)};
  for (at::Tensor* tensor : {&in.q_thk, &in.k_tgk, &in.v_tgv}) tensor->set_requires_grad(true);
  return in;
}

// The result and the gradients of queries, keys and values.
std::vector<at::Tensor> RunRing(Communicator& group, const Shape& shape, at::ScalarType type,
                                const std::vector<int64_t>& starts) {
  const TokenShare share =
      SplitTokens(starts, {.context_parallel = group.size(), .context_rank = group.rank()});
  const Inputs in = MakeInputs(shape, starts.back(), type, &share.context_tokens);
  const at::Tensor out =
      RingAttention(in.q_thk, in.k_tgk, in.v_tgv, share.runs_of_context_rank, kScale, group);
  out.backward(in.grad_thv);
  return {out.detach(), in.q_thk.grad(), in.k_tgk.grad(), in.v_tgv.grad()};
}

void ExpectAsOneRank(Communicator& group, const Shape& shape, at::ScalarType type,
                     const std::vector<int64_t>& starts, double bound) {
  const Inputs all = MakeInputs(shape, starts.back(), type);
  const at::Tensor out = CausalAttention(all.q_thk, all.k_tgk, all.v_tgv, starts, kScale);
  out.backward(all.grad_thv);
  const std::vector<at::Tensor> expected = {out, all.q_thk.grad(), all.k_tgk.grad(),
                                            all.v_tgv.grad()};
  const at::Tensor token_t = at::tensor(
      SplitTokens(starts, {.context_parallel = group.size(), .context_rank = group.rank()})
          .context_tokens,
      at::kLong);
  const std::vector<at::Tensor> found = RunRing(group, shape, type, starts);
  for (size_t i = 0; i < found.size(); ++i)
    ExpectNear(found[i], at::index_select(expected[i], 0, token_t), bound, std::to_string(i));
}

class RingAttentionTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, RingAttentionTest, ::testing::Values(1, 2, 3, 4));

TEST_P(RingAttentionTest, ResultAndGradientsAreThoseOfOneRankWithinRounding) {
  RunRanks(GetParam(), [](Communicator& group) {
    for (const Shape& shape : kShapes) {
      for (const std::vector<int64_t>& starts : kStarts) {
        ExpectAsOneRank(group, shape, at::kDouble, starts, 1e-13);
        ExpectAsOneRank(group, shape, at::kFloat, starts, 2e-5);
      }
    }
  });
}

TEST_P(RingAttentionTest, TwoRunsHaveTheSameBits) {
  RunRanks(GetParam(), [](Communicator& group) {
    const std::vector<at::Tensor> first = RunRing(group, kShapes[0], at::kFloat, kStarts[0]);
    const std::vector<at::Tensor> second = RunRing(group, kShapes[0], at::kFloat, kStarts[0]);
    for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(SameBits(first[i], second[i])) << i;
  });
}

TEST(RingAttentionLedgerTest, EveryHopIsRecorded) {
  RunRanks(3, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto group = MakeRecordedCommunicator(transport, recording);
    RunRing(*group, kShapes[0], at::kFloat, kStarts[0]);
    const int before = (transport.rank() + 2) % 3, after = (transport.rank() + 1) % 3;
    std::vector<std::string> calls;
    const LedgerRecord record = recording->ledger.Record(100);
    for (const LedgerCall& call : record.call()) {
      const bool sends = call.operation() == LedgerCall::Send;
      EXPECT_EQ(call.peer(), sends ? after : before);
      EXPECT_GE(call.ended_ns(), call.began_ns());
      if (!sends) calls.push_back(call.action() + ", tag " + std::to_string(call.tag()));
    }
    // The last block is not passed on; sums of gradients are, to the rank that they are of.
    EXPECT_THAT(
        calls,
        ElementsAre("attention hop 0 of 3, tag 0", "attention hop 1 of 3, tag 0",
                    "attention gradient hop 0 of 3, tag 0", "attention gradient hop 0 of 3, tag 1",
                    "attention gradient hop 1 of 3, tag 0", "attention gradient hop 1 of 3, tag 1",
                    "attention gradient hop 2 of 3, tag 1"));
  });
}

TEST(RingAttentionLedgerTest, ARankThatLeavesTheRingIsNamed) {
  std::mutex mutex;
  std::vector<std::string> errors;
  RunThreadRanks(3, [&](Communicator& ranks) {
    const auto watch = HangWatch::Start(
        ranks, {.hang_seconds = 600, .look_seconds = 0.05, .on_hang = [&](const std::string& text) {
                  const std::lock_guard lock(mutex);
                  errors.push_back(text);
                }});
    ASSERT_TRUE(watch.ok()) << watch.status();
    Communicator& world = (*watch)->world();
    RunRing(world, kShapes[0], at::kFloat, kStarts[0]);
    if (world.rank() == 2) return;
    EXPECT_ANY_THROW(RunRing(world, kShapes[0], at::kFloat, kStarts[0]));
  });
  EXPECT_THAT(errors, ElementsAre(AllOf(HasSubstr("rank 2: found the end of its run after Receive"),
                                        HasSubstr("expected Send 4 to rank 0, tag 0"),
                                        HasSubstr("for which rank 0 waits: skipped"))));
}

TEST(RingAttentionRefusalTest, RunsOfOtherRanksAndRows) {
  const auto self = MakeOneMemberCommunicator();
  const at::Tensor x_tgk = NormalTensor("x", {2, 2, 8});
  const KeyRuns two = {{0, 2}, {0, 2}, {1, 2}}, three = {{0, 2}, {0, 3}, {1, 2}};
  EXPECT_THROW(RingAttention(x_tgk, x_tgk, x_tgk, {two, two}, kScale, *self), c10::Error);
  EXPECT_THROW(RingAttention(x_tgk, x_tgk, x_tgk, {three}, kScale, *self), c10::Error);
  EXPECT_THROW(RingAttention(x_tgk, x_tgk, x_tgk.narrow(0, 0, 1), {two}, kScale, *self),
               c10::Error);
}

}  // namespace
}  // namespace deduce
