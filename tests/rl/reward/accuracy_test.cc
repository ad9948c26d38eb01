#include "rl/reward/accuracy.h"

#include <gtest/gtest.h>

#include "c10/util/Exception.h"

namespace deduce {
namespace {

// Its own score for everything.
class Constant : public Verifier {
 public:
  explicit Constant(double score) : score_(score) {}
  std::string name() const override { return "constant"; }
  Grade Verify(const Problem&, const std::string&) const override {
    return {Verdict::kRight, score_};
  }

 private:
  double score_;
};

AccuracyVerifier OfTwoRules() {
  return AccuracyVerifier(
      {{"a", std::make_shared<Constant>(0.25)}, {"b", std::make_shared<Constant>(0.75)}});
}

TEST(AccuracyTest, AProblemIsGradedByTheRuleItNames) {
  EXPECT_EQ(OfTwoRules().Verify({.verifier = "a"}, "").score, 0.25);
  EXPECT_EQ(OfTwoRules().Verify({.verifier = "b"}, "").score, 0.75);
}

TEST(AccuracyTest, AProblemWithAnotherRuleIsAMistakeOfTheProgram) {
  EXPECT_THROW(OfTwoRules().Verify({.verifier = "code"}, ""), c10::Error);
}

}  // namespace
}  // namespace deduce
