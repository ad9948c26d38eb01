#include "rl/commands/plan_command.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "parallel/pipeline/chrome_trace.h"
#include "rl/commands/forecast_json.h"
#include "rl/commands/forecast_text.h"
#include "rl/run/validate_run.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/forecast/forecast.h"
#include "trainer/forecast/job_forecast.h"
#include "trainer/hugging_face/complete_model.h"

namespace deduce {
namespace {

absl::StatusOr<Forecast> PlanConfigFile(const Arguments& arguments) {
  absl::StatusOr<RunConfig> config = LoadConfig(arguments.Text("config"), arguments.All("set"));
  RETURN_IF_ERROR(WithExitCode(config.status(), ExitCode::kBadConfig));
  RETURN_IF_ERROR(CompleteFromHuggingFace(*config, /*weights=*/false));
  RETURN_IF_ERROR(WithExitCode(ValidateRun(*config), ExitCode::kBadConfig));
  const int64_t asked = arguments.Integer("ranks", 0);
  if (arguments.Has("ranks") && asked < 1) {
    return WithExitCode(
        absl::InvalidArgumentError(absl::StrCat("--ranks: found ", asked, ", expected at least 1")),
        ExitCode::kBadConfig);
  }
  const absl::StatusOr<int> ranks = NumPlannedRanks(config->layout(), asked);
  RETURN_IF_ERROR(WithExitCode(ranks.status(), ExitCode::kBadConfig));
  return MakeForecast(WithDefaults(*config), *ranks);
}

}  // namespace

absl::Status PlanCommand(const Arguments& arguments, std::ostream& out) {
  if (arguments.Has("trace")) {
    RETURN_IF_ERROR(WithExitCode(CheckReplaceable(arguments.Text("trace")), ExitCode::kBadConfig));
  }
  const absl::StatusOr<Forecast> plan = PlanConfigFile(arguments);
  RETURN_IF_ERROR(WithExitCode(plan.status(), ExitCode::kBadConfig));
  const absl::StatusOr<JobForecast> job = MakeJobForecast(*plan);
  RETURN_IF_ERROR(WithExitCode(job.status(), ExitCode::kBadConfig));
  if (arguments.Has("trace")) {
    RETURN_IF_ERROR(ReplaceFile(
        arguments.Text("trace"),
        ChromeTrace(plan->update.timeline, /*pid=*/0, "planned: " + plan->config.name())));
  }
  out << (arguments.Has("json") ? ForecastJson(*plan, *job) + "\n" : ForecastText(*plan, *job));
  return absl::OkStatus();
}

}  // namespace deduce
