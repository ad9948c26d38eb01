#include "parallel/sequence/token_split.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace deduce {
namespace {

using Longs = std::vector<int64_t>;

Layout PartOf(int contexts, int context, int tensors = 1, int tensor = 0) {
  return {.context_parallel = contexts,
          .tensor_parallel = tensors,
          .context_rank = context,
          .tensor_rank = tensor};
}

TEST(TokenSplitTest, ContextRanksTakeTheEndsAndTheMiddle) {
  EXPECT_EQ(SplitTokens({0, 8}, PartOf(2, 0)).tokens, Longs({0, 1, 6, 7}));
  EXPECT_EQ(SplitTokens({0, 8}, PartOf(2, 1)).tokens, Longs({2, 3, 4, 5}));
  EXPECT_EQ(SplitTokens({0, 6, 18}, PartOf(3, 1)).tokens, Longs({1, 4, 8, 9, 14, 15}));
}

TEST(TokenSplitTest, ContextRanksSeeAboutAsManyKeys) {
  for (const int contexts : {2, 4, 8}) {
    Longs keys;
    for (int c = 0; c < contexts; ++c) {
      int64_t sum = 0;
      for (const int64_t token : SplitTokens({0, 1024}, PartOf(contexts, c)).tokens)
        sum += token + 1;
      keys.push_back(sum);
    }
    EXPECT_EQ(*std::min_element(keys.begin(), keys.end()), keys[0]) << contexts;
    EXPECT_EQ(*std::max_element(keys.begin(), keys.end()), keys[0]) << contexts;
  }
}

TEST(TokenSplitTest, EveryTokenIsOfOnePart) {
  const Longs starts = {0, 1, 1, 4, 31, 64};
  for (const int contexts : {1, 2, 3, 5}) {
    for (const int tensors : {1, 2, 3}) {
      Longs all;
      for (int c = 0; c < contexts; ++c) {
        Longs of_context;
        for (int t = 0; t < tensors; ++t) {
          const TokenShare share = SplitTokens(starts, PartOf(contexts, c, tensors, t));
          EXPECT_EQ(static_cast<int64_t>(share.tokens.size()), share.rows_of_tensor_rank[t]);
          EXPECT_EQ(static_cast<int64_t>(share.context_tokens.size()),
                    share.runs_of_context_rank[c].key_starts.back());
          of_context.insert(of_context.end(), share.tokens.begin(), share.tokens.end());
          if (t == tensors - 1) {
            EXPECT_EQ(of_context, share.context_tokens);
          }
        }
        EXPECT_TRUE(std::is_sorted(of_context.begin(), of_context.end()));
        all.insert(all.end(), of_context.begin(), of_context.end());
      }
      std::sort(all.begin(), all.end());
      Longs expected(64);
      for (int64_t i = 0; i < 64; ++i) expected[i] = i;
      EXPECT_EQ(all, expected);
    }
  }
}

TEST(TokenSplitTest, ATokenSeesTheRowsOfEachRankThatAreNotBehindItInItsSequence) {
  const Longs starts = {0, 1, 1, 4, 31, 64};
  for (const int contexts : {1, 2, 3, 5}) {
    std::vector<TokenShare> shares;
    for (int c = 0; c < contexts; ++c) shares.push_back(SplitTokens(starts, PartOf(contexts, c)));
    for (const TokenShare& share : shares) {
      for (int c = 0; c < contexts; ++c) {
        const Longs& keys = shares[c].context_tokens;
        const KeyRuns& runs = share.runs_of_context_rank[c];
        EXPECT_EQ(runs.key_starts.back(), static_cast<int64_t>(keys.size()));
        for (size_t i = 0; i < share.context_tokens.size(); ++i) {
          const int64_t query = share.context_tokens[i];
          const int64_t begin = *(std::upper_bound(starts.begin(), starts.end(), query) - 1);
          Longs expected, found;
          for (const int64_t key : keys)
            if (key >= begin && key <= query) expected.push_back(key);
          const int64_t first = FirstKeys(runs)[i];
          for (int64_t row = first; row < first + runs.visible_t[i]; ++row)
            found.push_back(keys[static_cast<size_t>(row)]);
          EXPECT_EQ(found, expected) << "token " << query << " on rank " << c;
        }
      }
    }
  }
}

TEST(TokenSplitTest, GatheredRowsOfAllContextRanksGoBackIntoTheirOrder) {
  const Longs starts = {0, 5, 12};
  Longs gathered;
  TokenShare share;
  for (int c = 0; c < 3; ++c) {
    Layout layout = PartOf(3, c);
    layout.gathers_keys = true;
    share = SplitTokens(starts, layout);
    gathered.insert(gathered.end(), share.tokens.begin(), share.tokens.end());
    for (size_t i = 0; i < share.tokens.size(); ++i) {
      const int64_t position = share.context_positions_t[static_cast<int64_t>(i)].item<int64_t>();
      EXPECT_EQ(share.runs_of_all.visible_t[i], position + 1);
    }
  }
  const at::Tensor back =
      at::index_select(at::tensor(gathered, at::kLong), 0, share.gathered_row_x);
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(back[i].item<int64_t>(), i);
}

TEST(TokenSplitTest, PositionsCountWithinTheWholeSequence) {
  const TokenShare share = SplitTokens({0, 8, 12}, PartOf(2, 1, 2, 0));
  const at::Tensor& positions = share.context_positions_t;
  const Longs found(positions.const_data_ptr<int64_t>(),
                    positions.const_data_ptr<int64_t>() + positions.numel());
  EXPECT_EQ(found, Longs({2, 3, 4, 5, 1, 2}));
}

TEST(TokenSplitTest, RejectsStartsThatFall) {
  EXPECT_THROW(SplitTokens({0, 5, 3}, PartOf(2, 0)), c10::Error);
  EXPECT_THROW(SplitTokens({}, PartOf(2, 0)), c10::Error);
}

}  // namespace
}  // namespace deduce
