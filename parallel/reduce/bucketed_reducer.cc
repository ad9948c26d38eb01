#include "parallel/reduce/bucketed_reducer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace deduce {
namespace {

struct Bucket {
  int64_t begin = 0, end = 0;
  int64_t num_final = 0;
  RowExchange shard = {};  // of its sum; once it is started
};

// [from, to) in buckets, appended in the order in which they are started.
void AppendBuckets(int64_t from, int64_t to, int64_t elements, std::vector<Bucket>& buckets) {
  for (int64_t end = to; end > from; end = std::max(from, end - elements))
    buckets.push_back({.begin = std::max(from, end - elements), .end = end});
}

class BucketedReduction : public GradientReduction {
 public:
  BucketedReduction(GradientShares shares, at::Tensor gradient, int64_t bucket_elements)
      : shares_(std::move(shares)), gradient_(std::move(gradient)) {
    if (shares_.holders->size() == 1) return;
    AppendBuckets(0, shares_.in_backward_order, bucket_elements, buckets_);
    AppendBuckets(shares_.in_backward_order, shares_.size(), bucket_elements, buckets_);
  }

  void MarkFinal(int64_t begin, int64_t end) override {
    for (Bucket& bucket : buckets_)
      bucket.num_final +=
          std::max<int64_t>(0, std::min(end, bucket.end) - std::max(begin, bucket.begin));
    while (num_started_ < buckets_.size() &&
           buckets_[num_started_].num_final ==
               buckets_[num_started_].end - buckets_[num_started_].begin)
      StartNext();
  }

  void Start() override {
    if (!gradient_.defined()) gradient_ = at::zeros({shares_.size()}, shares_.options);
    while (num_started_ < buckets_.size()) StartNext();
  }

  at::Tensor Finish() override {
    if (shares_.holders->size() == 1) return std::move(gradient_);
    const int64_t own_begin = shares_.own_begin();
    // Who keeps everything has its shard where the gradient was.
    const at::Tensor own = shares_.sharded ? at::empty({shares_.own_size()}, shares_.options)
                                           : gradient_.narrow(0, own_begin, shares_.own_size());
    for (Bucket& bucket : buckets_) bucket.shard.transfer->Wait();
    for (Bucket& bucket : buckets_) {
      const at::Tensor& part = bucket.shard.received;
      if (part.numel() > 0)
        own.narrow(0, std::max(bucket.begin, own_begin) - own_begin, part.numel()).copy_(part);
    }
    buckets_.clear();
    if (shares_.sharded) return own;
    shares_.holders->AllGatherInto(gradient_, shares_.rows);
    return std::move(gradient_);
  }

 private:
  void StartNext() {
    Bucket& bucket = buckets_[num_started_++];
    std::vector<int64_t> rows;  // of each shard, those in the bucket
    int64_t begin = 0;
    for (const int64_t size : shares_.rows) {
      rows.push_back(
          std::max<int64_t>(0, std::min(begin + size, bucket.end) - std::max(begin, bucket.begin)));
      begin += size;
    }
    bucket.shard = shares_.holders->StartReduceScatter(
        gradient_.narrow(0, bucket.begin, bucket.end - bucket.begin), rows, Reduction::kSum);
  }

  const GradientShares shares_;
  at::Tensor gradient_;
  std::vector<Bucket> buckets_;
  size_t num_started_ = 0;
};

class BucketedReducer : public GradientReducer {
 public:
  explicit BucketedReducer(int64_t bucket_elements) : bucket_elements_(bucket_elements) {}

  bool starts_early() const override { return true; }

  std::unique_ptr<GradientReduction> Begin(const GradientShares& shares, at::Tensor gradient,
                                           int /*num_present*/) override {
    return std::make_unique<BucketedReduction>(shares, std::move(gradient), bucket_elements_);
  }

 private:
  const int64_t bucket_elements_;
};

}  // namespace

std::unique_ptr<GradientReducer> MakeBucketedReducer(int64_t bucket_elements) {
  TORCH_CHECK(bucket_elements > 0, "MakeBucketedReducer: found buckets of ", bucket_elements,
              " elements, expected at least one");
  return std::make_unique<BucketedReducer>(bucket_elements);
}

}  // namespace deduce
