#include "data/text/chat_template/values/value.h"

#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

TEST(TemplateValueTest, NumbersOfAllKindsAreEqualByValue) {
  EXPECT_TRUE(Equal(Value::Int(1), Value::Bool(true)));
  EXPECT_TRUE(Equal(Value::Int(2), Value::Float(2.0)));
  EXPECT_FALSE(Equal(Value::Int(1), Value::String("1")));
  // 2^53 + 1 has no double; as a double it would be 2^53.
  EXPECT_FALSE(Equal(Value::Int((int64_t{1} << 53) + 1), Value::Float(0x1p53)));
}

TEST(TemplateValueTest, AListIsNoTuple) {
  const Value list = Value::List({Value::Int(1)});
  EXPECT_TRUE(Equal(list, Value::List({Value::Float(1)})));
  EXPECT_FALSE(Equal(list, Value::Sequence(Kind::kTuple, {Value::Int(1)})));
}

TEST(TemplateValueTest, AKeyIsReplacedInItsPlace) {
  Entries entries;
  ASSERT_TRUE(SetKey(entries, Value::Int(1), Value::String("a")).ok());
  ASSERT_TRUE(SetKey(entries, Value::Int(2), Value::String("b")).ok());
  ASSERT_TRUE(SetKey(entries, Value::Bool(true), Value::String("c")).ok());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].second.text(), "c");
  EXPECT_FALSE(SetKey(entries, Value::List({}), Value::None()).ok());
}

TEST(TemplateValueTest, AGeneratorGivesOnce) {
  const Value generator = Value::Generator({Value::Int(1), Value::Int(2)});
  EXPECT_TRUE(generator.Truthy());
  EXPECT_EQ(Iterate(generator)->size(), 2u);
  EXPECT_EQ(Iterate(generator)->size(), 0u);
}

TEST(TemplateValueTest, LengthsCountCharacters) {
  EXPECT_EQ(*Length(Value::String("a\u4e09\U0001f600")), 3);
  EXPECT_EQ(*Length(Value()), 0);
  EXPECT_FALSE(Length(Value::Int(3)).ok());
}

TEST(TemplateValueTest, WeightCountsEachMention) {
  const uint64_t item = sizeof(Value);
  const Value text = Value::String("abc");  // 3 + 1
  const Value pair = Value::List({text, text});
  EXPECT_EQ(pair.weight(), 2 * (item + 4) + 1);
  EXPECT_EQ(Value::List({pair, pair}).weight(), 2 * (item + pair.weight()) + 1);
  EXPECT_EQ(Value::List({pair}).nesting(), 2);
}

}  // namespace
}  // namespace deduce::jinja
