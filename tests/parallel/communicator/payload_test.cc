#include "parallel/communicator/payload.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <vector>

namespace deduce {
namespace {

TEST(CheckPayloadTest, OnlyContiguousDefinedTensorsPass) {
  EXPECT_NO_THROW(CheckPayload(at::zeros({2, 3}), "Send"));
  EXPECT_NO_THROW(CheckPayload(at::zeros({0, 3}), "Send"));
  EXPECT_THROW(CheckPayload(at::zeros({2, 3}).t(), "Send"), c10::Error);
  EXPECT_THROW(CheckPayload(at::Tensor(), "Send"), c10::Error);
}

TEST(CheckRowsTest, CountsMustFitRanksAndRows) {
  struct Case {
    std::vector<int64_t> send, receive;
    bool fits;
  };
  const Case cases[] = {{{3, 2}, {0, 7}, true},    {{5, 0}, {0, 0}, true},
                        {{3, 1}, {0, 0}, false},   {{6, -1}, {0, 0}, false},
                        {{3, 2}, {0, -1}, false},  {{5}, {0, 0}, false},
                        {{3, 2}, {0, 0, 0}, false}};
  const at::Tensor send = at::zeros({5, 2});
  for (size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    const auto check = [&] { CheckRows(send, cases[i].send, cases[i].receive, 2); };
    if (cases[i].fits) {
      EXPECT_NO_THROW(check());
    } else {
      EXPECT_THROW(check(), c10::Error);
    }
  }
  EXPECT_THROW(CheckRows(at::zeros({}), {1, 0}, {0, 0}, 2), c10::Error);
}

TEST(CheckShardsTest, ShardsAreAllRowsAndOneForEachRank) {
  const at::Tensor tensor = at::zeros({5, 2});
  EXPECT_NO_THROW(CheckShards(tensor, {5, 0}, 2, "AllGatherInto"));
  EXPECT_THROW(CheckShards(tensor, {5}, 2, "AllGatherInto"), c10::Error);
  EXPECT_THROW(CheckShards(tensor, {5, 1}, 2, "AllGatherInto"), c10::Error);
  EXPECT_THROW(CheckShards(tensor, {6, -1}, 2, "AllGatherInto"), c10::Error);
  EXPECT_THROW(CheckShards(at::zeros({}), {1, 0}, 2, "AllGatherInto"), c10::Error);
}

TEST(CheckMemberTest, RanksAreThoseOfTheGroup) {
  EXPECT_NO_THROW(CheckMember(0, 2, "Broadcast"));
  EXPECT_NO_THROW(CheckMember(1, 2, "Broadcast"));
  EXPECT_THROW(CheckMember(2, 2, "Broadcast"), c10::Error);
  EXPECT_THROW(CheckMember(-1, 2, "Broadcast"), c10::Error);
}

TEST(CopyPayloadTest, TheCopySharesNeitherMemoryNorHistory) {
  at::Tensor source = at::arange(4, at::kFloat).requires_grad_(true);
  const at::Tensor copy = CopyPayload(source);
  EXPECT_TRUE(at::equal(copy, source));
  EXPECT_NE(copy.data_ptr(), source.data_ptr());
  EXPECT_FALSE(copy.requires_grad());
}

TEST(OverwritePayloadTest, WritesIntoAParameterInPlace) {
  at::Tensor parameter = at::zeros({2, 2}).requires_grad_(true);
  const void* memory = parameter.data_ptr();
  const at::Tensor message = at::arange(4, at::kFloat).reshape({2, 2});
  OverwritePayload(parameter, message, "Broadcast");
  EXPECT_TRUE(at::equal(parameter, message));
  EXPECT_EQ(parameter.data_ptr(), memory);
}

TEST(OverwritePayloadTest, AnotherShapeOrTypeThrows) {
  at::Tensor to = at::zeros({2, 2});
  EXPECT_THROW(OverwritePayload(to, at::zeros({4}), "Receive"), c10::Error);
  EXPECT_THROW(OverwritePayload(to, at::zeros({2, 2}, at::kInt), "Receive"), c10::Error);
}

TEST(EmptyRowsTest, KeepsTypeAndOtherDimensions) {
  const at::Tensor rows = EmptyRows(at::zeros({2, 3, 4}, at::kLong), 7);
  EXPECT_EQ(rows.sizes(), (std::vector<int64_t>{7, 3, 4}));
  EXPECT_EQ(rows.scalar_type(), at::kLong);
}

TEST(RowBytesTest, DoesNotDependOnTheNumberOfRows) {
  EXPECT_EQ(RowBytes(at::zeros({5, 3, 2}, at::kFloat)), 24);
  EXPECT_EQ(RowBytes(at::zeros({0, 3, 2}, at::kFloat)), 24);
  EXPECT_EQ(RowBytes(at::zeros({5}, at::kByte)), 1);
}

TEST(PayloadBytesTest, AViewBeginsAtItsOwnFirstElement) {
  const at::Tensor whole = at::arange(6, at::kInt);
  EXPECT_EQ(PayloadBytes(whole.narrow(0, 2, 3)) - PayloadBytes(whole), 8);
}

}  // namespace
}  // namespace deduce
