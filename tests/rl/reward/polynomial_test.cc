#include "rl/reward/polynomial.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

Polynomial X() { return Polynomial::Atom("x"); }
Polynomial Whole(int value) { return Polynomial::Constant({value, 1}); }
Polynomial Root(int value) { return *Power(Whole(value), {1, 2}); }

TEST(PolynomialTest, ProductsAreMultipliedOut) {
  const Polynomial sum = *Add(X(), Whole(1)), difference = *Add(X(), Whole(-1));
  EXPECT_EQ(Multiply(sum, difference)->Text(), "-1+1*x^2");
  EXPECT_EQ(Power(sum, {2, 1})->Text(), "1+2*x+1*x^2");
}

TEST(PolynomialTest, SquaresAreTakenOutOfRoots) {
  EXPECT_EQ(Root(12).Text(), "2*3^1/2");
  EXPECT_EQ(Root(49).Text(), "7");
  EXPECT_EQ(Multiply(Root(2), Root(6))->Text(), Multiply(Whole(2), Root(3))->Text());
  EXPECT_EQ(Power(Polynomial::Constant({1, 8}), {1, 3})->Text(), "1/2");
  EXPECT_EQ(Power(Whole(1000003), {1, 2})->Text(), "1*1000003^1/2");
}

TEST(PolynomialTest, RootsAreTakenOutOfDenominators) {
  EXPECT_EQ(Inverse(Root(2))->Text(), "1/2*2^1/2");
  const Polynomial sum = *Add(Whole(1), Root(3));
  EXPECT_EQ(Inverse(sum)->Text(), "-1/2+1/2*3^1/2");
}

TEST(PolynomialTest, AnInverseSumIsOneAtomUpToAFactor) {
  const Polynomial sum = *Add(*Multiply(Whole(-2), X()), Whole(-2));
  EXPECT_EQ(Inverse(sum)->Text(), "-1/2*(1+1*x)^-1");
}

TEST(PolynomialTest, TheRootOfASquareOfANameIsNotTheName) {
  EXPECT_NE(Power(*Power(X(), {2, 1}), {1, 2})->Text(), X().Text());
}

TEST(PolynomialTest, WhatHasNoValueIsNothing) {
  EXPECT_FALSE(Inverse(Polynomial()));
  EXPECT_FALSE(Power(Polynomial(), {0, 1}));
  EXPECT_FALSE(Power(Whole(-4), {1, 2}));
}

TEST(PolynomialTest, SizesAreBounded) {
  Polynomial sum = Whole(1);
  for (const char* name : {"a", "b", "c", "d", "e"}) sum = *Add(sum, Polynomial::Atom(name));
  EXPECT_TRUE(Power(sum, {2, 1}));
  EXPECT_FALSE(Power(sum, {6, 1}));  // more than kMaxTerms
  EXPECT_FALSE(Power(*Add(X(), Whole(1)), {17, 1}));
  // Atoms in atoms end, too.
  std::optional<Polynomial> nested = X();
  int depth = 0;
  for (; nested && depth < 1000; ++depth) {
    nested = Multiply(*nested, *nested);
    if (nested) nested = Add(*nested, Whole(1));
    if (nested) nested = Inverse(*nested);
  }
  EXPECT_LT(depth, 1000);
}

TEST(PolynomialTest, APrimitiveHasWholeCoefficientsWithoutACommonDivisor) {
  const Polynomial sum = *Add(Polynomial::Constant({-1, 2}), *Multiply(Whole(3), X()));
  EXPECT_EQ(Primitive(sum)->Text(), "-1+6*x");
}

}  // namespace
}  // namespace deduce
