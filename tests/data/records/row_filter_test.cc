#include "data/records/row_filter.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

DataConfig Dropping(bool too_long, bool bad) {
  DataConfig config;
  config.set_drop_too_long(too_long);
  config.set_drop_bad_rows(bad);
  return config;
}

const absl::Status kTooLong = absl::OutOfRangeError("d.jsonl:2: found 9 tokens"),
                   kBad = absl::InvalidArgumentError("d.jsonl:3: found no answer"),
                   kSetting = absl::FailedPreconditionError("d.jsonl:4: found no chat");

TEST(RowFilterTest, RowsAreLeftOutAsFarAsTheConfigSays) {
  for (const bool too_long : {false, true}) {
    for (const bool bad : {false, true}) {
      RowFilter filter(Dropping(too_long, bad), 4);
      EXPECT_EQ(filter.Uses(0, absl::OkStatus()).value(), true);
      EXPECT_EQ(filter.Uses(1, kTooLong).status(), too_long ? absl::OkStatus() : kTooLong);
      EXPECT_EQ(filter.Uses(2, kBad).status(), bad ? absl::OkStatus() : kBad);
      EXPECT_EQ(filter.Uses(3, kSetting).status(), kSetting);
    }
  }
}

TEST(RowFilterTest, TheReportCountsThemAndNamesTheFirstOfEachKind) {
  RowFilter filter(Dropping(true, true), 7473);
  EXPECT_EQ(filter.Uses(1, kTooLong).value(), false);
  EXPECT_EQ(filter.Uses(2, kBad).value(), false);
  EXPECT_EQ(filter.Uses(5, absl::OutOfRangeError("d.jsonl:6: long")).value(), false);
  EXPECT_EQ(filter.Finish("d.jsonl")->Text(),
            "7,473 rows, 2 too long (first: d.jsonl:2: found 9 tokens), 1 bad (first: d.jsonl:3: "
            "found no answer) left out");
  RowReport report = *RowFilter(DataConfig(), 1).Finish("d.jsonl");
  EXPECT_EQ(report.Text(), "1 row");
  report.remark = "of these none is long";
  EXPECT_EQ(report.Text(), "1 row; of these none is long");
}

TEST(RowFilterTest, NothingLeftIsAnError) {
  RowFilter filter(Dropping(true, false), 1);
  EXPECT_EQ(filter.Uses(0, kTooLong).value(), false);
  EXPECT_EQ(filter.Finish("d.jsonl").status(),
            absl::InvalidArgumentError("d.jsonl: found 1 row, 1 too long (first: d.jsonl:2: found "
                                       "9 tokens) left out, expected some that can be used"));
}

TEST(RowFilterTest, WhatAnotherReaderLeftOutStaysOutAndIsCountedOnce) {
  RowFilter first(Dropping(true, true), 3);
  EXPECT_EQ(first.Uses(1, kTooLong).value(), false);
  RowFilter second(Dropping(true, true), 3, *first.Finish("d.jsonl"));
  EXPECT_TRUE(second.LeftOutAlready(1));
  EXPECT_FALSE(second.LeftOutAlready(2));
  EXPECT_EQ(second.Uses(2, kBad).value(), false);
  EXPECT_EQ(second.Finish("d.jsonl")->NumTooLong(), 1);
  EXPECT_EQ(second.Finish("d.jsonl")->NumBad(), 1);
}

}  // namespace
}  // namespace deduce
