#include "trainer/model/resolve_compute_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cpu/bfloat16_product.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

TEST(ChooseComputeTest, NativeBecomesWhatTheCpusHaveOnEveryRank) {
  RunRanks(2, [](Communicator& world) {
    ModelConfig config;
    config.set_compute(ModelConfig::bf16_where_native);
    const std::string line = ResolveComputeType(config, c10::kCPU, world);
    EXPECT_EQ(config.compute(), MultipliesBfloat16() ? ModelConfig::bf16 : ModelConfig::fp32);
    EXPECT_THAT(line, HasSubstr(MultipliesBfloat16() ? "products of bf16 on AVX512-BF16 or AMX"
                                                     : "fp32, as not all ranks' CPUs have AVX512"));
  });
}

TEST(ChooseComputeTest, WhatIsAskedForStays) {
  RunRanks(1, [](Communicator& world) {
    ModelConfig config;
    EXPECT_EQ(ResolveComputeType(config, c10::kCPU, world), "compute: fp32, as asked");
    EXPECT_EQ(config.compute(), ModelConfig::fp32);
    config.set_compute(ModelConfig::bf16);
    EXPECT_THAT(ResolveComputeType(config, c10::kCPU, world),
                HasSubstr("compute: products of bf16"));
    EXPECT_EQ(config.compute(), ModelConfig::bf16);
  });
}

}  // namespace
}  // namespace deduce
