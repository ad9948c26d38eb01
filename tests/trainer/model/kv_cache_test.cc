#include "trainer/model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

// Where generation of one sequence stands.
struct Cursor {
  int64_t sequence = 0;
  int64_t slot = 0;
  int64_t next = 0;
};

struct Step {
  std::vector<int64_t> tokens, slots, positions;
};

at::Tensor Feed(Transformer& model, const Step& step, KvCache& cache) {
  return model.ForwardCached(at::tensor(step.tokens), step.slots, step.positions, cache);
}

// Feeds `count` tokens of every cursor in one call and compares each row with the packed forward.
void Advance(Transformer& model, const Sequences& sequences, const PackedBatch& packed,
             const at::Tensor& packed_hidden, const std::vector<Cursor*>& cursors,
             const std::vector<int64_t>& counts, KvCache& cache) {
  Step step;
  std::vector<int64_t> rows;
  for (size_t c = 0; c < cursors.size(); ++c) {
    for (int64_t i = 0; i < counts[c]; ++i) {
      Cursor& cursor = *cursors[c];
      step.tokens.push_back(sequences[cursor.sequence][cursor.next]);
      step.slots.push_back(cursor.slot);
      step.positions.push_back(cursor.next);
      rows.push_back(packed.sequence_starts[cursor.sequence] + cursor.next++);
    }
  }
  const at::Tensor hidden = Feed(model, step, cache);
  EXPECT_TRUE(at::equal(hidden, packed_hidden.index_select(0, at::tensor(rows))))
      << "in a batch of " << rows.size() << " rows";
}

void ExpectCachedEqualsPacked(const ModelConfig& config) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(config, *group);
  const Sequences sequences = RandomSequences({13, 30, 9, 21}, config.vocab_size(), 6);
  const PackedBatch packed = Pack(sequences);
  const at::Tensor hidden = model->Forward(packed, false).hidden_xd.detach();
  KvCache cache = model->MakeCache(6, 40);
  Cursor a{0, 4, 0}, b{1, 1, 0}, c{2, 5, 0}, d{3, 0, 0};

  // Prefill of two together, one alone; then decoding, with sequences entering and leaving.
  Advance(*model, sequences, packed, hidden, {&a, &b}, {7, 19}, cache);
  Advance(*model, sequences, packed, hidden, {&c}, {3}, cache);
  for (int64_t i = 0; i < 6; ++i) {
    Advance(*model, sequences, packed, hidden, {&a, &c, &b}, {1, 1, 1}, cache);
  }
  Advance(*model, sequences, packed, hidden, {&d, &b}, {20, 1}, cache);
  Advance(*model, sequences, packed, hidden, {&b, &d}, {4, 1}, cache);
  EXPECT_EQ(a.next + b.next + c.next + d.next, packed.num_tokens());
}

TEST(KvCacheTest, CachedDenseGqaHasTheBitsOfThePackedForward) {
  ExpectCachedEqualsPacked(TinyDenseModel());
}

TEST(KvCacheTest, CachedRoutedMlaHasTheBitsOfThePackedForward) {
  ExpectCachedEqualsPacked(TinyRoutedModel());
}

TEST(KvCacheTest, CachedVariationsHaveTheBitsOfThePackedForward) {
  ExpectCachedEqualsPacked(TinyVariedModel());
}

TEST(KvCacheTest, CopiedSlotContinuesLikeItsSource) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  KvCache cache = model->MakeCache(3, 16);
  Feed(*model, {{5, 9, 2, 30}, {0, 0, 0, 0}, {0, 1, 2, 3}}, cache);
  cache.CopySlot(0, 2, 4);
  const at::Tensor hidden = Feed(*model, {{8, 8}, {0, 2}, {4, 4}}, cache);
  EXPECT_TRUE(at::equal(hidden[0], hidden[1]));
}

TEST(KvCacheTest, CopyLeavesLaterPositionsAlone) {
  KvCache cache;
  cache.k_spgk = {NormalTensor({2, 4, 1, 3}, 1)};
  cache.v_spgv = {NormalTensor({2, 4, 1, 2}, 2)};
  const at::Tensor before = cache.k_spgk[0].clone();
  cache.CopySlot(1, 0, 3);
  EXPECT_TRUE(at::equal(cache.k_spgk[0][0].narrow(0, 0, 3), before[1].narrow(0, 0, 3)));
  EXPECT_TRUE(at::equal(cache.k_spgk[0][0][3], before[0][3]));
  EXPECT_TRUE(at::equal(cache.v_spgv[0][0].narrow(0, 0, 3), cache.v_spgv[0][1].narrow(0, 0, 3)));
  EXPECT_TRUE(at::equal(cache.k_spgk[0][1], before[1]));
}

TEST(KvCacheTest, PlacesOutsideTheCacheThrow) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyDenseModel(), 1, *group);
  KvCache cache = model->MakeCache(2, 8);
  EXPECT_THROW(Feed(*model, {{1}, {2}, {0}}, cache), c10::Error);
  EXPECT_THROW(Feed(*model, {{1}, {0}, {8}}, cache), c10::Error);
  EXPECT_THROW(cache.CopySlot(0, 2, 1), c10::Error);
  EXPECT_THROW(cache.CopySlot(0, 1, 9), c10::Error);
}

TEST(KvCacheTest, NoRowsAreAllowed) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyRoutedModel(), 1, *group);
  KvCache cache = model->MakeCache(2, 8);
  const at::Tensor none = at::empty({0}, at::kLong);
  EXPECT_EQ(model->ForwardCached(none, {}, {}, cache).sizes(), at::IntArrayRef({0, 24}));
}

}  // namespace
}  // namespace deduce
