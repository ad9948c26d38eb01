#include "rl/reward/make_verifier.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(MakeVerifierTest, EveryNameMakesItsVerifier) {
  for (const char* name : {"accuracy", "format", "language"}) {
    EXPECT_EQ(MakeVerifier(name).value()->name(), name);
  }
}

TEST(MakeVerifierTest, AnUnknownNameIsAnError) {
  const auto verifier = MakeVerifier("taste", "stage[2].grpo.reward[0].verifier");
  EXPECT_EQ(verifier.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(verifier.status().message(),
            "stage[2].grpo.reward[0].verifier: found \"taste\", expected \"accuracy\", \"format\" "
            "or \"language\"");
}

}  // namespace
}  // namespace deduce
