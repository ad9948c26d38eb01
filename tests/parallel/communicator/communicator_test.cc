// The contract of Communicator, on threads in a plain run and over MPI under mpirun.
#include "parallel/communicator/communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/testing/rank_group.h"
#include "tests/testing/same_bits.h"

namespace deduce {
namespace {

// Floats of widely different sizes, so that every order of addition has its own rounding.
at::Tensor RoughFloats(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-6, 6);
  at::Tensor values = at::empty({count}, at::kFloat);
  for (int64_t i = 0; i < count; ++i)
    values.data_ptr<float>()[i] = std::ldexp(normal(random), exponent(random));
  return values;
}

at::Tensor Ints(std::initializer_list<int64_t> values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

class CommunicatorTest : public ::testing::TestWithParam<int> {
 protected:
  void Run(const std::function<void(Communicator&)>& body) { RunRanks(GetParam(), body); }
};

INSTANTIATE_TEST_SUITE_P(Ranks, CommunicatorTest, ::testing::Values(1, 2, 3, 4));

TEST_P(CommunicatorTest, RanksAreNumberedFromZero) {
  Run([&](Communicator& group) {
    EXPECT_EQ(group.size(), GetParam());
    group.Barrier();
    const at::Tensor ranks = group.AllGather(Ints({group.rank()}));
    EXPECT_TRUE(at::equal(ranks.flatten(), at::arange(GetParam(), at::kLong)));
  });
}

TEST_P(CommunicatorTest, BroadcastCopiesFromEachRoot) {
  Run([](Communicator& group) {
    for (int root = 0; root < group.size(); ++root) {
      at::Tensor tensor = at::full({2, 3}, group.rank(), at::kFloat);
      group.Broadcast(tensor, root);
      EXPECT_TRUE(at::equal(tensor, at::full({2, 3}, root, at::kFloat))) << "root " << root;
    }
  });
}

TEST_P(CommunicatorTest, BroadcastWritesIntoAParameter) {
  Run([](Communicator& group) {
    at::Tensor parameter = at::full({5}, group.rank(), at::kFloat).set_requires_grad(true);
    group.Broadcast(parameter, group.size() - 1);
    EXPECT_TRUE(at::equal(parameter, at::full({5}, group.size() - 1, at::kFloat)));
    EXPECT_TRUE(parameter.is_leaf());
  });
}

TEST_P(CommunicatorTest, AllGatherStacksInRankOrderForAnyTypeAndShape) {
  Run([](Communicator& group) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kLong, at::kByte, at::kBool}) {
      const at::Tensor gathered = group.AllGather(at::full({2, 2}, group.rank() % 2, type));
      EXPECT_EQ(gathered.sizes(), (std::vector<int64_t>{group.size(), 2, 2}));
      EXPECT_EQ(gathered.scalar_type(), type);
      for (int r = 0; r < group.size(); ++r)
        EXPECT_TRUE(at::equal(gathered[r], at::full({2, 2}, r % 2, type)));
    }
    EXPECT_EQ(group.AllGather(at::full({}, 1.5)).sizes(), (std::vector<int64_t>{group.size()}));
    EXPECT_EQ(group.AllGather(at::empty({0, 4})).sizes(),
              (std::vector<int64_t>{group.size(), 0, 4}));
  });
}

TEST_P(CommunicatorTest, AllGatherSharesNoMemoryWithItsInput) {
  Run([](Communicator& group) {
    at::Tensor mine = at::ones({3});
    const at::Tensor gathered = group.AllGather(mine);
    mine.zero_();
    EXPECT_TRUE(at::equal(gathered, at::ones({group.size(), 3})));
  });
}

TEST_P(CommunicatorTest, AllGatherBytesKeepsLengthsAndZeroBytes) {
  const auto text = [](int rank) {
    return std::string(rank * 1000, '\0') + std::string(rank, 'x');
  };  // rank 0: empty
  Run([&](Communicator& group) {
    const std::vector<std::string> all = group.AllGatherBytes(text(group.rank()));
    ASSERT_EQ(all.size(), static_cast<size_t>(group.size()));
    for (int r = 0; r < group.size(); ++r) EXPECT_EQ(all[r], text(r));
  });
}

// Rank s sends (s + 2 r) mod 3 rows to rank r; the rows say from whom, to whom and the how-manieth.
TEST_P(CommunicatorTest, AllToAllMovesUnevenRows) {
  const auto count = [](int from, int to) { return (from + 2 * to) % 3; };
  Run([&](Communicator& group) {
    std::vector<int64_t> send_rows, recv_rows;
    std::vector<at::Tensor> expected;
    at::Tensor send = at::zeros({3 * group.size(), 3}, at::kLong);
    int64_t num_sent = 0;
    for (int peer = 0; peer < group.size(); ++peer) {
      send_rows.push_back(count(group.rank(), peer));
      recv_rows.push_back(count(peer, group.rank()));
      for (int i = 0; i < send_rows.back(); ++i)
        send[num_sent++].copy_(Ints({group.rank(), peer, i}));
      for (int i = 0; i < recv_rows.back(); ++i) expected.push_back(Ints({peer, group.rank(), i}));
    }
    const at::Tensor received = group.AllToAll(send.narrow(0, 0, num_sent), send_rows, recv_rows);
    ASSERT_EQ(received.sizes(), (std::vector<int64_t>{static_cast<int64_t>(expected.size()), 3}));
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(at::equal(received[i], expected[i])) << "row " << i;
  });
}

// Two exchanges under way at once, with other calls between their starts and ends.
TEST_P(CommunicatorTest, AStartedAllToAllLetsOtherCallsPass) {
  Run([](Communicator& group) {
    const std::vector<int64_t> one_each(group.size(), 1);
    std::vector<RowExchange> exchanges;
    for (int i = 0; i < 2; ++i) {
      exchanges.push_back(
          group.StartAllToAll(at::full({group.size()}, 10 * i + group.rank()), one_each, one_each));
      group.Barrier();
    }
    const at::Tensor ranks = group.AllGather(at::full({}, group.rank()));
    for (int i = 1; i >= 0; --i) {
      exchanges[i].transfer->Wait();
      EXPECT_TRUE(at::equal(exchanges[i].received, ranks + 10 * i));
    }
  });
}

TEST_P(CommunicatorTest, AllToAllOfNoRowsKeepsTheWidthAndType) {
  Run([](Communicator& group) {
    const std::vector<int64_t> none(group.size(), 0);
    const at::Tensor received = group.AllToAll(at::empty({0, 7}, at::kBFloat16), none, none);
    EXPECT_EQ(received.sizes(), (std::vector<int64_t>{0, 7}));
    EXPECT_EQ(received.scalar_type(), at::kBFloat16);
  });
}

// A ring, in which a rank alone is its own neighbour. Tags are met out of order and receives waited
// for in reverse.
TEST_P(CommunicatorTest, MessagesMatchByTagInOrderOfIssue) {
  Run([](Communicator& group) {
    const int next = (group.rank() + 1) % group.size();
    const int previous = (group.rank() + group.size() - 1) % group.size();
    const at::Tensor first = Ints({1, group.rank()}), other = Ints({2, group.rank()}),
                     second = Ints({3, group.rank()});
    at::Tensor got_first = at::zeros({2}, at::kLong), got_other = got_first.clone(),
               got_second = got_first.clone();
    std::vector<std::unique_ptr<Transfer>> sends;
    sends.push_back(group.Send(first, next, 5));
    sends.push_back(group.Send(other, next, 0));
    sends.push_back(group.Send(second, next, 5));
    const auto receive_other = group.Receive(got_other, previous, 0);
    const auto receive_first = group.Receive(got_first, previous, 5);
    const auto receive_second = group.Receive(got_second, previous, 5);
    receive_second->Wait();
    receive_first->Wait();
    receive_other->Wait();
    for (const auto& send : sends) send->Wait();
    EXPECT_TRUE(at::equal(got_first, Ints({1, previous})));
    EXPECT_TRUE(at::equal(got_other, Ints({2, previous})));
    EXPECT_TRUE(at::equal(got_second, Ints({3, previous})));
  });
}

// Every rank sends to both neighbours of a ring and receives from both, with the receives first in
// one exchange and last in the other: an exchange that waited for one of its messages before it
// began the next would never end.
TEST_P(CommunicatorTest, MessagesOfAnExchangeBeginTogether) {
  Run([](Communicator& group) {
    const int next = (group.rank() + 1) % group.size();
    const int previous = (group.rank() + group.size() - 1) % group.size();
    for (const bool receives_first : {true, false}) {
      const at::Tensor up = at::full({1 << 16}, group.rank(), at::kLong), down = up + 100;
      at::Tensor from_previous = at::zeros_like(up), from_next = at::zeros_like(up);
      std::vector<PointToPoint> messages = {{PointToPoint::kReceive, from_previous, previous, 1},
                                            {PointToPoint::kReceive, from_next, next, 2},
                                            {PointToPoint::kSend, up, next, 1},
                                            {PointToPoint::kSend, down, previous, 2}};
      if (!receives_first) std::reverse(messages.begin(), messages.end());
      const std::vector<std::unique_ptr<Transfer>> transfers = group.Exchange(messages);
      ASSERT_EQ(transfers.size(), messages.size());
      for (const std::unique_ptr<Transfer>& transfer : transfers) transfer->Wait();
      EXPECT_TRUE(at::equal(from_previous, at::full({1 << 16}, previous, at::kLong)));
      EXPECT_TRUE(at::equal(from_next, at::full({1 << 16}, next + 100, at::kLong)));
    }
  });
}

// A message that is alone at one end may be part of an exchange at the other.
TEST_P(CommunicatorTest, AnExchangeMeetsSinglesInOrderOfIssue) {
  Run([](Communicator& group) {
    const int next = (group.rank() + 1) % group.size();
    const int previous = (group.rank() + group.size() - 1) % group.size();
    const at::Tensor first = Ints({1, group.rank()}), second = Ints({2, group.rank()});
    const auto sends = group.Exchange(
        {{PointToPoint::kSend, first, next, 3}, {PointToPoint::kSend, second, next, 3}});
    at::Tensor got_first = at::zeros({2}, at::kLong), got_second = got_first.clone();
    group.Receive(got_first, previous, 3)->Wait();
    group.Receive(got_second, previous, 3)->Wait();
    for (const auto& send : sends) send->Release();
    EXPECT_TRUE(at::equal(got_first, Ints({1, previous})));
    EXPECT_TRUE(at::equal(got_second, Ints({2, previous})));
  });
}

TEST_P(CommunicatorTest, SplitGroupsByColorAndOrdersByKey) {
  Run([](Communicator& group) {
    const std::unique_ptr<Communicator> half = group.Split(group.rank() % 2, -group.rank());
    std::vector<int64_t> expected;
    for (int r = group.size() - 1; r >= 0; --r) {
      if (r % 2 == group.rank() % 2) expected.push_back(r);
    }
    ASSERT_EQ(half->size(), static_cast<int>(expected.size()));
    EXPECT_EQ(expected[half->rank()], group.rank());
    const at::Tensor members = half->AllGather(Ints({group.rank()}));
    for (int r = 0; r < half->size(); ++r) EXPECT_EQ(members[r].item<int64_t>(), expected[r]);
  });
}

// Small ones are sent to everybody, large ones are added up in shards.
constexpr int64_t kReductionSizes[] = {0, 1, 100, 40003};

// The rank's numbers of a reduction, rough or (of types that hold few digits) small integers.
at::Tensor PartOf(int rank, int64_t count, at::ScalarType type = at::kFloat) {
  if (type == at::kFloat) return RoughFloats(count, rank);
  return at::arange(count, at::kLong).add(rank).remainder(5).to(type);
}

std::vector<at::Tensor> PartsOf(int ranks, int64_t count, at::ScalarType type = at::kFloat) {
  std::vector<at::Tensor> parts;
  for (int r = 0; r < ranks; ++r) parts.push_back(PartOf(r, count, type));
  return parts;
}

TEST_P(CommunicatorTest, AllReduceByTreeHasTheBitsOfTreeSumOnEveryRank) {
  for (const int64_t count : kReductionSizes) {
    const std::vector<at::Tensor> parts = PartsOf(GetParam(), count);
    const at::Tensor expected = TreeSum(parts);
    Run([&](Communicator& group) {
      at::Tensor sum = parts[group.rank()].clone();
      group.AllReduce(sum, Reduction::kTreeSum);
      EXPECT_TRUE(SameBits(sum, expected)) << count;
      EXPECT_TRUE(SameBits(AllReduceSum(group, parts[group.rank()]), expected)) << count;
    });
  }
}

// Every order of n additions is within (n - 1) / 2 units in the last place of the sum of
// magnitudes.
TEST_P(CommunicatorTest, AllReduceInAnyOrderIsWithinRoundingAndTheSameOnEveryRank) {
  for (const int64_t count : kReductionSizes) {
    const std::vector<at::Tensor> parts = PartsOf(GetParam(), count);
    const at::Tensor expected = TreeSum(parts);
    at::Tensor bound = at::zeros({count});
    for (const at::Tensor& part : parts) bound += part.abs() * GetParam() * 0x1p-23;
    Run([&](Communicator& group) {
      at::Tensor sum = parts[group.rank()].clone();
      group.AllReduce(sum, Reduction::kSum);
      EXPECT_TRUE((sum - expected).abs().le(bound).all().item<bool>()) << count;
      at::Tensor of_first = sum.clone();
      group.Broadcast(of_first, 0);
      EXPECT_TRUE(SameBits(sum, of_first)) << count;
    });
  }
}

TEST_P(CommunicatorTest, AllReduceAddsAndComparesNumbersOfAnyType) {
  for (const at::ScalarType type : {at::kDouble, at::kInt, at::kLong, at::kBFloat16}) {
    const std::vector<at::Tensor> parts = PartsOf(GetParam(), 7, type);
    const at::Tensor sum = TreeSum(parts), most = at::amax(at::stack(parts), 0);
    Run([&](Communicator& group) {
      at::Tensor summed = parts[group.rank()].clone(), compared = summed.clone();
      group.AllReduce(summed, Reduction::kSum);
      group.AllReduce(compared, Reduction::kMax);
      EXPECT_TRUE(at::equal(summed, sum)) << type;
      EXPECT_TRUE(at::equal(compared, most)) << type;
    });
  }
}

// Uneven shards: rank r has r rows of 3.
std::vector<int64_t> UnevenRows(int ranks) {
  std::vector<int64_t> rows;
  for (int r = 0; r < ranks; ++r) rows.push_back(r);
  return rows;
}

TEST_P(CommunicatorTest, ReduceScatterGivesEveryRankItsRowsOfTheSum) {
  const int ranks = GetParam(), all = ranks * (ranks - 1) / 2;
  const std::vector<at::Tensor> parts = PartsOf(ranks, 3 * all);
  const at::Tensor expected = TreeSum(parts).view({all, 3});
  const std::vector<int64_t> rows = UnevenRows(ranks);
  Run([&](Communicator& group) {
    const at::Tensor own = parts[group.rank()].view({all, 3});
    const int64_t begin = group.rank() * (group.rank() - 1) / 2;
    const at::Tensor mine = expected.narrow(0, begin, rows[group.rank()]);
    EXPECT_TRUE(SameBits(group.ReduceScatter(own, rows, Reduction::kTreeSum), mine));
    EXPECT_TRUE(at::allclose(group.ReduceScatter(own, rows, Reduction::kSum), mine));
    EXPECT_THROW(group.ReduceScatter(own, rows, Reduction::kMax), c10::Error);
  });
}

TEST_P(CommunicatorTest, AStartedReduceScatterLetsOtherCallsPass) {
  const int ranks = GetParam(), all = ranks * (ranks - 1) / 2;
  const std::vector<int64_t> rows = UnevenRows(ranks);
  Run([&](Communicator& group) {
    std::vector<RowExchange> sums;
    for (int i = 0; i < 2; ++i) {
      sums.push_back(group.StartReduceScatter(at::full({all, 3}, i + 1.0), rows, Reduction::kSum));
      group.Barrier();
    }
    for (int i = 1; i >= 0; --i) {
      sums[i].transfer->Wait();
      EXPECT_TRUE(
          at::equal(sums[i].received, at::full({rows[group.rank()], 3}, (i + 1.0) * ranks)));
    }
  });
}

TEST_P(CommunicatorTest, StartTreeSumLeavesOutTheLastRanks) {
  const int ranks = GetParam();
  const std::vector<at::Tensor> parts = PartsOf(ranks, 2 * ranks);
  const std::vector<int64_t> rows(ranks, 2);
  Run([&](Communicator& group) {
    for (int adding = 1; adding <= ranks; ++adding) {
      const at::Tensor own =
          group.rank() < adding ? parts[group.rank()] : at::empty({0}, at::kFloat);
      RowExchange sum = StartTreeSum(group, own, rows, adding);
      sum.transfer->Wait();
      const at::Tensor expected = TreeSum({parts.begin(), parts.begin() + adding});
      EXPECT_TRUE(SameBits(sum.received, expected.narrow(0, 2 * group.rank(), 2))) << adding;
    }
  });
}

TEST_P(CommunicatorTest, AllGatherIntoFillsInTheShardsOfTheOthers) {
  const int ranks = GetParam(), all = ranks * (ranks - 1) / 2;
  const std::vector<int64_t> rows = UnevenRows(ranks);
  Run([&](Communicator& group) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kLong}) {
      const at::Tensor whole = at::arange(3 * all, at::kLong).to(type).view({all, 3});
      at::Tensor buffer = at::full_like(whole, -1).set_requires_grad(type == at::kFloat);
      const int64_t begin = group.rank() * (group.rank() - 1) / 2;
      at::Tensor own = buffer.detach().narrow(0, begin, rows[group.rank()]);
      own.copy_(whole.narrow(0, begin, rows[group.rank()]));
      group.AllGatherInto(buffer, rows);
      EXPECT_TRUE(at::equal(buffer, whole)) << type;
    }
  });
}

TEST_P(CommunicatorTest, AgreeOnStatusReturnsTheErrorOfTheLowestRank) {
  Run([](Communicator& group) {
    EXPECT_TRUE(AgreeOnStatus(group, absl::OkStatus()).ok());
    for (int lowest = 0; lowest < group.size(); ++lowest) {
      const absl::Status local = group.rank() < lowest
                                     ? absl::OkStatus()
                                     : absl::DataLossError("from " + std::to_string(group.rank()));
      EXPECT_EQ(AgreeOnStatus(group, local), absl::DataLossError("from " + std::to_string(lowest)));
    }
    EXPECT_EQ(AgreeOnStatus(group, absl::NotFoundError("")).code(), absl::StatusCode::kNotFound);
  });
}

TEST(CommunicatorPayloadTest, WrongArgumentsAreProgrammingErrors) {
  const std::unique_ptr<Communicator> alone = MakeOneMemberCommunicator();
  at::Tensor tensor = at::zeros({2, 3});
  EXPECT_THROW(alone->AllGather(tensor.t()), c10::Error);
  EXPECT_THROW(alone->AllGather(at::Tensor()), c10::Error);
  EXPECT_THROW(alone->Broadcast(tensor, 1), c10::Error);
  EXPECT_THROW(alone->AllToAll(tensor, {1}, {1}), c10::Error);
  EXPECT_THROW(alone->AllToAll(tensor, {2}, {1}), c10::Error);
  EXPECT_THROW(alone->AllToAll(tensor, {1, 1}, {1, 1}), c10::Error);
  EXPECT_THROW(alone->Send(tensor, -1, 0), c10::Error);
  EXPECT_THROW(alone->AllGatherInto(tensor, {1}), c10::Error);
  EXPECT_THROW(alone->ReduceScatter(tensor, {1, 1}, Reduction::kSum), c10::Error);
  EXPECT_THROW(alone->Receive(tensor, 0, 0)->Wait(), c10::Error);
}

TEST(TreeSumTest, FollowsTheTreeOfItsDefinition) {
  std::vector<at::Tensor> p;
  for (int i = 0; i < 5; ++i) p.push_back(RoughFloats(100, i));
  EXPECT_TRUE(SameBits(TreeSum({p[0]}), p[0]));
  EXPECT_TRUE(SameBits(TreeSum({p[0], p[1], p[2]}), (p[0] + p[2]) + p[1]));
  EXPECT_TRUE(SameBits(TreeSum(p), ((p[0] + p[4]) + p[2]) + (p[1] + p[3])));
  EXPECT_FALSE(SameBits(TreeSum(p),
                        (((p[0] + p[1]) + p[2]) + p[3]) + p[4]));  // the data can tell orders apart
}

TEST(TreeSumTest, LeavesItsPartsAsTheyWere) {
  std::vector<at::Tensor> parts, copies;
  for (int i = 0; i < 9; ++i) {
    parts.push_back(RoughFloats(10, i));
    copies.push_back(parts.back().clone());
  }
  TreeSum(parts);
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(SameBits(parts[i], copies[i])) << i;
}

// The property that lets ranks add up their own micro-batches before they meet.
TEST(TreeSumTest, StridedClassesAreCompleteSubtrees) {
  for (int n = 1; n <= 17; ++n) {
    std::vector<at::Tensor> parts;
    for (int i = 0; i < n; ++i) parts.push_back(RoughFloats(100, i));
    for (const int q : {2, 4}) {
      std::vector<at::Tensor> classes;
      for (int r = 0; r < std::min(q, n); ++r) {
        std::vector<at::Tensor> members;
        for (int i = r; i < n; i += q) members.push_back(parts[i]);
        classes.push_back(TreeSum(members));
      }
      EXPECT_TRUE(SameBits(TreeSum(classes), TreeSum(parts)))
          << n << " parts in " << q << " classes";
    }
  }
}

}  // namespace
}  // namespace deduce
