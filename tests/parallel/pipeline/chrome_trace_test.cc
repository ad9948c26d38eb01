#include "parallel/pipeline/chrome_trace.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"

namespace deduce {
namespace {

using nlohmann::json;

TEST(ChromeTraceTest, EveryActionIsACompleteEventInItsRanksLane) {
  const Timeline timeline = Simulate(OneFOneB(2, 2), {.forward = 3, .backward = 5});
  const json trace = json::parse(ChromeTrace(timeline, 7, "planned"));
  int events = 0;
  for (const json& event : trace.at("traceEvents")) {
    EXPECT_EQ(event.at("pid"), 7);
    if (event.at("ph") == "X") ++events;
  }
  EXPECT_EQ(events, 2 * (2 + 2));
  // Rank 1's first forward begins when rank 0's has ended, in microseconds.
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") != "X" || event.at("tid") != 1 || event.at("name") != "F0.0") continue;
    EXPECT_EQ(event.at("ts"), 3e6);
    EXPECT_EQ(event.at("dur"), 3e6);
    EXPECT_EQ(event.at("cat"), "F");
    EXPECT_EQ(event.at("args").at("micro_batch"), 0);
  }
}

TEST(ChromeTraceTest, LanesHaveNamesAndTextIsQuoted) {
  const Timeline timeline = Simulate(OneFOneB(2, 2), {});
  const json trace = json::parse(ChromeTrace(timeline, 0, "a \"plan\" \\ of\nmine"));
  std::map<int, std::string> lanes;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("name") == "process_name") {
      EXPECT_EQ(event.at("args").at("name"), "a \"plan\" \\ of mine");
    }
    if (event.at("name") == "thread_name") lanes[event.at("tid")] = event.at("args").at("name");
  }
  EXPECT_EQ(lanes, (std::map<int, std::string>{{0, "pipeline rank 0"}, {1, "pipeline rank 1"}}));
}

TEST(ChromeTraceTest, AnOverlappedPairIsOneEvent) {
  const Schedule schedule = DualPipe(2, 4);
  size_t steps = 0, pairs = 0;
  for (const auto& of_rank : schedule.ranks) {
    steps += of_rank.size();
    for (const Step& step : of_rank) pairs += step.second.has_value();
  }
  const json trace = json::parse(ChromeTrace(Simulate(schedule, {}), 0, "p", 0.001));
  size_t events = 0, pair_events = 0;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") != "X") continue;
    ++events;
    if (event.at("cat") != "FB") continue;
    ++pair_events;
    EXPECT_NE(event.at("name").get<std::string>().find("&B"), std::string::npos);
  }
  EXPECT_EQ(events, steps);
  EXPECT_EQ(pair_events, pairs);
}

}  // namespace
}  // namespace deduce
