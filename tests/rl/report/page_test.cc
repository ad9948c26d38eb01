#include "rl/report/page.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

StageMetrics Stage(const std::string& name, const std::string& kind, const std::string& metric,
                   double first, double last) {
  return {.name = name,
          .kind = kind,
          .points = {{.step = 1, .values = {{metric, first}}},
                     {.step = 2, .values = {{metric, last}}, .weights_hash = "hash-of-" + name}}};
}

ReportedRun RunOf(const std::string& name, std::vector<StageMetrics> stages) {
  return {.metrics = {.directory = "runs/" + name, .name = name, .stages = std::move(stages)},
          .samples = {}};
}

TEST(PageTest, NumbersReadWellAtEverySize) {
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(0.123456), "0.1235");
  EXPECT_EQ(FormatNumber(-2.5), "-2.5");
  EXPECT_EQ(FormatNumber(0.0001), "0.0001");
  EXPECT_EQ(FormatNumber(3e-7), "3e-07");
  EXPECT_EQ(FormatNumber(999), "999");
  EXPECT_EQ(FormatNumber(1000), "1,000");
  EXPECT_EQ(FormatNumber(1234567), "1,234,567");
  EXPECT_EQ(FormatNumber(-123456), "-123,456");
}

TEST(PageTest, EscapingLeavesNoMarkup) {
  EXPECT_EQ(EscapeHtml("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
}

TEST(PageTest, EveryMetricStandsOnceInTheDataOfItsStage) {
  StageMetrics stage = Stage("rl", "grpo", "zeta/one", 1, 2);
  stage.points[1].values["zeta/two"] = 3;
  const std::string page = RenderPage({RunOf("r", {stage})});
  EXPECT_EQ(Count(page, "\"zeta/one\""), 1u);
  EXPECT_EQ(Count(page, "\"zeta/two\""), 1u);
}

TEST(PageTest, TheHeadlineGivesRewardAndAccuracyFromFirstToLast) {
  StageMetrics rl = Stage("rl", "grpo", "reward", 0.25, 0.75);
  rl.points[0].values["eval/sums/pass@1"] = 0.125;
  rl.points[1].values["eval/sums/pass@1"] = 0.5;
  rl.points[1].intervals["eval/sums/pass@1"] = {0.375, 0.625};
  const std::string page = RenderPage({RunOf("r", {Stage("base", "pretrain", "loss", 4, 2), rl})});
  const std::string arrow = " <span class=\"arrow\">&rarr;</span> ";
  EXPECT_EQ(Count(page, "<dt>reward <b>rl</b></dt><dd>0.25" + arrow + "0.75</dd>"), 1u);
  EXPECT_EQ(Count(page, "<dt>held-out accuracy <b>sums</b></dt><dd>0.125" + arrow +
                            "0.5 <span class=\"interval\">[0.375, 0.625]</span></dd>"),
            1u);
  EXPECT_EQ(Count(page, "loss 4" + arrow + "2"), 1u);
  EXPECT_EQ(Count(page, "<code>hash-of-base</code>"), 1u);
}

TEST(PageTest, SeveralRunsShareOnePageInDifferentColours) {
  const std::string page = RenderPage({RunOf("first", {Stage("a", "sft", "loss", 2, 1)}),
                                       RunOf("second", {Stage("a", "sft", "loss", 3, 1)})});
  EXPECT_EQ(Count(page, "<title>first, second &middot; deduce report</title>"), 1u);
  EXPECT_EQ(Count(page, "<i class=\"swatch run0\"></i>first"), 2u) << "headline and table";
  EXPECT_EQ(Count(page, "<i class=\"swatch run1\"></i>second"), 2u);
  EXPECT_EQ(Count(page, "\"directory\":\"runs/"), 2u);
}

TEST(PageTest, HostileTextAddsNoElement) {
  const std::string hostile =
      "</title></script><script>alert('x')</script><img src=x onerror=\"y\">";
  const std::string plain = RenderPage({RunOf("r", {Stage("s", "grpo", "reward", 0, 1)})});
  StageMetrics stage = Stage(hostile, "grpo", "reward", 0, 1);
  stage.points[1].values["eval/" + hostile + "/pass@1"] = 1;
  stage.points[1].weights_hash = hostile;
  ReportedRun run = RunOf(hostile, {stage});
  ReportedSample reported;
  reported.sample.set_prompt(hostile);
  reported.sample.set_completion(hostile);
  reported.sample.set_verdict(Sample::right);
  run.samples = {{.stage = hostile, .num_steps = 1, .steps = {{.step = 1, .samples = {reported}}}}};
  const std::string page = RenderPage({run});
  for (const char* tag : {"<script", "</script", "</title", "<img", "onerror=\"y"}) {
    EXPECT_EQ(Count(page, tag), Count(plain, tag)) << tag;
  }
}

TEST(PageTest, ThePageAsksForNothingFromOutside) {
  const std::string page = RenderPage({RunOf("r", {Stage("s", "sft", "loss", 1, 0)})});
  EXPECT_EQ(Count(page, "default-src 'none'"), 1u);
  for (const char* reference : {" src=", " href=", "url(", "@import", "fetch(", "https:"}) {
    EXPECT_EQ(Count(page, reference), 0u) << reference;
  }
  EXPECT_EQ(Count(page, "http:"), 1u) << "the name of the SVG namespace";
}

}  // namespace
}  // namespace deduce
