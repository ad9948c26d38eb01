// Plans of configs in the tree, for tests of what is told of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "configs/config.h"
#include "trainer/forecast/forecast.h"
#include "trainer/forecast/job_forecast.h"

namespace deduce {

struct ForecastJob {
  Forecast plan;
  JobForecast job;
};

// configs/recipes/NAME.textproto with `sets` merged over it. Ends the test program's work if it
// cannot be planned.
inline ForecastJob PlanOf(const std::string& name, const std::vector<std::string>& sets = {}) {
  const absl::StatusOr<RunConfig> config =
      LoadConfig(DEDUCE_SOURCE_DIR "/configs/recipes/" + name + ".textproto", sets);
  EXPECT_TRUE(config.ok()) << config.status();
  const absl::StatusOr<int> ranks = NumPlannedRanks(config->layout(), 0);
  EXPECT_TRUE(ranks.ok()) << ranks.status();
  absl::StatusOr<Forecast> plan = MakeForecast(WithDefaults(*config), *ranks);
  EXPECT_TRUE(plan.ok()) << plan.status();
  absl::StatusOr<JobForecast> job = MakeJobForecast(*plan);
  EXPECT_TRUE(job.ok()) << job.status();
  return {*std::move(plan), *std::move(job)};
}

}  // namespace deduce
