// The one door: `deduce COMMAND ...`. Finds the command, runs it, and is the only place that
// catches: every failure ends as one line on standard error and an exit code, on all ranks.
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "data/tasks/registry.h"
#include "kernels/tensor_memory.h"
#include "parallel/communicator/communicator.h"
#include "parallel/communicator/mpi_communicator.h"
#include "parallel/layout.h"
#include "parallel/watch/hang_watch.h"
#include "rl/commands/command_line.h"
#include "rl/commands/export_command.h"
#include "rl/commands/inspect.h"
#include "rl/commands/model_commands.h"
#include "rl/commands/plan_command.h"
#include "rl/report/report.h"
#include "rl/reward/registry.h"
#include "rl/run/describe_run.h"
#include "rl/run/find_model.h"
#include "rl/run/run_stages.h"
#include "rl/run/validate_run.h"
#include "trainer/hugging_face/complete_model.h"
#include "trainer/model/resolve_compute_type.h"

namespace deduce {
namespace {

// Collective. A watch over ranks that wait for each other, if the config wants one. A run goes on
// without where hosts do not let each other connect.
std::unique_ptr<HangWatch> WatchRanks(const RunConfig& config, Communicator& world) {
  const double hang_seconds = config.layout().hang_seconds();
  if (world.size() == 1 || hang_seconds == 0) return nullptr;
  absl::StatusOr<std::unique_ptr<HangWatch>> watch =
      HangWatch::Start(world, {.hang_seconds = hang_seconds});
  if (watch.ok()) return *std::move(watch);
  if (world.rank() == 0) {
    std::cerr << "deduce: warning: " << watch.status().message()
              << ": a hang would not be explained" << std::endl;
  }
  return nullptr;
}

absl::Status TrainCommand(const Arguments& arguments, Communicator& processes) {
  const std::string resume = arguments.Text("resume", "auto");
  if (resume != "auto" && resume != "must" && resume != "never") {
    return WithExitCode(absl::InvalidArgumentError(absl::StrCat(
                            "--resume: found \"", resume, "\", expected auto, must or never")),
                        ExitCode::kBadConfig);
  }
  if (resume == "never" && arguments.Has("resume_from")) {
    return WithExitCode(
        absl::InvalidArgumentError("--resume_from: found it with --resume=never, expected another "
                                   "--resume or none"),
        ExitCode::kBadConfig);
  }
  absl::StatusOr<RunConfig> config = LoadConfig(arguments.Text("config"), arguments.All("set"));
  if (!config.ok()) return WithExitCode(config.status(), ExitCode::kBadConfig);
  if (arguments.Has("run_dir")) config->set_run_dir(arguments.Text("run_dir"));
  std::ostream nowhere(nullptr);
  RETURN_IF_ERROR(FindTeachers(*config, processes.rank() == 0 ? std::cerr : nowhere));
  RETURN_IF_ERROR(CompleteFromHuggingFace(*config));
  RETURN_IF_ERROR(WithExitCode(ValidateRun(*config), ExitCode::kBadConfig));
  const std::unique_ptr<HangWatch> watch = WatchRanks(*config, processes);
  Communicator& world = watch ? watch->world() : processes;
  RETURN_IF_ERROR(
      WithExitCode(AgreeOnStatus(world, CheckDevice(config->layout())), ExitCode::kBadConfig));
  const std::string compute =
      ResolveComputeType(*config->mutable_model(), DeviceOf(config->layout()), world);
  if (world.rank() == 0) std::cerr << StartText(*config, world.size(), compute) << std::flush;
  return RunStages(*config,
                   {.resume = resume == "never"                                  ? Resume::kNever
                              : resume == "must" || arguments.Has("resume_from") ? Resume::kMust
                                                                                 : Resume::kAuto,
                    .resume_from = arguments.Text("resume_from")},
                   world);
}

absl::Status ReportCommand(const Arguments& arguments) {
  const absl::StatusOr<std::string> path =
      WriteReport(arguments.positionals(), arguments.Text("out"));
  if (absl::IsNotFound(path.status()) || absl::IsInvalidArgument(path.status())) {
    return WithExitCode(path.status(), ExitCode::kBadData);
  }
  RETURN_IF_ERROR(path.status());
  std::cout << *path << std::endl;
  return absl::OkStatus();
}

struct Command {
  CommandSpec spec;
  std::function<absl::Status(const Arguments&, Communicator& world)> run;
  bool parallel = false;  // all ranks take part; otherwise one works and MPI is not started
};

constexpr char kModelHelp[] =
    "a checkpoint, a Hugging Face folder, RUN_DIR (its newest checkpoint) or RUN_DIR#STAGE/STEP";
const Flag kModelFlag{"model", Flag::kText, kModelHelp, true};
const Flag kComputeFlag{"compute", Flag::kText,
                        "fp32, bf16 or bf16_where_native (as the model was trained; else fp32)"};

// Folders in, folders or lists of their contents out.
std::vector<Command> FolderCommands() {
  return {
      {{"export",
        "a model as a Hugging Face folder",
        {{"checkpoint", Flag::kText, kModelHelp, true},
         {"out", Flag::kText, "the folder to make", true},
         {"dtype", Flag::kText, "fp32, bf16 or fp16 (the types of the source folder, else fp32)"},
         {"max_shard_bytes", Flag::kInteger, "most bytes of tensors in one file (5000000000)"}},
        ""},
       [](const Arguments& a, Communicator&) { return ExportCommand(a, std::cout); }},
      {{"inspect",
        "what is in a run, checkpoint or Hugging Face folder; JSON lines",
        {{"verify", Flag::kSwitch, "read everything and check every hash"}},
        "RUN_DIR | CHECKPOINT"},
       [](const Arguments& a, Communicator&) {
         return WithExitCode(Inspect(a.positionals()[0], a.Has("verify"), std::cout),
                             ExitCode::kBadData);
       }},
  };
}

// The names that `task { name }` and `reward { verifier }` may give.
std::string TasksAndVerifiers() {
  std::string text = "tasks\n";
  for (const TaskKind* task : TaskKinds())
    absl::StrAppendFormat(&text, "  %-24s %s\n", task->name, task->help);
  text += "verifiers\n";
  for (const VerifierKind& kind : VerifierKinds())
    absl::StrAppendFormat(&text, "  %-24s %s\n", kind.name, kind.help);
  return text;
}

const Flag kTokenizerFlag{"model", Flag::kText,
                          "a folder with a tokenizer.json, or as for generate", true};

const CommandSpec kTokenize{
    "tokenize",
    "text lines on standard input to arrays of ids",
    {kTokenizerFlag,
     {"json", Flag::kSwitch, "lines are JSON strings, as detokenize writes them"},
     {"add_special_tokens", Flag::kSwitch, "what the tokenizer puts around a text, too"}},
    ""};

const CommandSpec kDetokenize{
    "detokenize",
    "arrays of ids on standard input to JSON strings",
    {kTokenizerFlag, {"skip_special_tokens", Flag::kSwitch, "leave those out"}},
    ""};

const CommandSpec kPlan{
    "plan",
    "layout, proof, memory, timeline and cost of a run, without running it",
    {{"config", Flag::kText, "the run's text file", true},
     {"set", Flag::kRepeated, "text of the config's language, merged over the file"},
     {"ranks", Flag::kInteger, "how many (the product of the layout's axes)"},
     {"json", Flag::kSwitch, "one JSON object"},
     {"trace", Flag::kText, "where to write the timeline as a Chrome trace"}},
    ""};

std::vector<Command> Commands() {
  std::vector<Command> commands = {
      {{"train",
        "runs what is left of a recipe; under mpirun on all its ranks",
        {{"config", Flag::kText, "the run's text file", true},
         {"set", Flag::kRepeated, "text of the config's language, merged over the file"},
         {"run_dir", Flag::kText, "where to write; overrides the config's"},
         {"resume", Flag::kText, "auto (default), must or never"},
         {"resume_from", Flag::kText,
          "STAGE/STEP: go on from that checkpoint; what came after is moved aside"}},
        "",
        false,
        TasksAndVerifiers()},
       TrainCommand,
       true},
      {kPlan, [](const Arguments& a, Communicator&) { return PlanCommand(a, std::cout); }},
      {{"generate",
        "completes prompts; JSON lines",
        {kModelFlag,
         kComputeFlag,
         {"prompt", Flag::kText, "one prompt"},
         {"prompts", Flag::kText, "JSON lines with \"prompt\" or \"messages\""},
         {"chat", Flag::kSwitch, "texts are a user's messages, put by the model's chat template"},
         {"max_new_tokens", Flag::kInteger,
          "most tokens of a completion (128, or what the context leaves)"},
         {"temperature", Flag::kReal, "0 for the most probable token (1)"},
         {"top_p", Flag::kReal, "probability mass to sample from (1)"},
         {"stop", Flag::kText, "a completion also ends with a token that holds this text"},
         {"seed", Flag::kInteger, "of the random numbers (0)"},
         {"n", Flag::kInteger, "completions of each prompt (1)"}},
        ""},
       [](const Arguments& a, Communicator&) { return GenerateCommand(a, std::cout); }},
      {{"logprobs",
        "log-probabilities of given tokens; JSON lines",
        {kModelFlag, kComputeFlag, {"input", Flag::kText, "JSON lines with \"tokens\"", true}},
        ""},
       [](const Arguments& a, Communicator&) { return LogProbsCommand(a, std::cout); }},
      {kTokenize,
       [](const Arguments& a, Communicator&) { return TokenizeCommand(a, std::cin, std::cout); }},
      {kDetokenize,
       [](const Arguments& a, Communicator&) { return DetokenizeCommand(a, std::cin, std::cout); }},
      {{"score",
        "grades gold<TAB>answer lines: right, wrong or unscorable",
        {{"verifier", Flag::kText, absl::StrJoin(AnswerVerifiers(), " or "), true},
         {"input", Flag::kText, "the lines", true}},
        ""},
       [](const Arguments& a, Communicator&) { return ScoreCommand(a, std::cout); }},
      {{"report",
        "curves, tables and samples of one or more runs as one page; prints its path",
        {{"out", Flag::kText, "the page (RUN_DIR/report.html)"}},
        "RUN_DIR",
        true},
       [](const Arguments& a, Communicator&) { return ReportCommand(a); }},
  };
  for (Command& command : FolderCommands()) commands.push_back(std::move(command));
  return commands;
}

std::string Usage(const std::vector<Command>& commands) {
  std::string text = "usage: deduce COMMAND [flags]; deduce COMMAND --help\n\n";
  for (const Command& command : commands) {
    absl::StrAppend(&text, "  ", command.spec.name, std::string(12 - command.spec.name.size(), ' '),
                    command.spec.summary, "\n");
  }
  return text;
}

absl::Status RunCommand(const std::vector<std::string>& words, Communicator& world) {
  const std::vector<Command> commands = Commands();
  if (words.empty() || words[0] == "--help" || words[0] == "help") {
    if (world.rank() == 0) std::cout << Usage(commands);
    return words.empty() ? WithExitCode(absl::InvalidArgumentError(
                                            "deduce: found no command, expected one of the above"),
                                        ExitCode::kBadConfig)
                         : absl::OkStatus();
  }
  for (const Command& command : commands) {
    if (command.spec.name != words[0]) continue;
    const std::vector<std::string> rest(words.begin() + 1, words.end());
    if (!rest.empty() && rest[0] == "--help") {
      if (world.rank() == 0) std::cout << HelpText(command.spec);
      return absl::OkStatus();
    }
    const absl::StatusOr<Arguments> arguments = ParseArguments(command.spec, rest);
    if (!arguments.ok()) return WithExitCode(arguments.status(), ExitCode::kBadConfig);
    return command.run(*arguments, world);
  }
  return WithExitCode(
      absl::InvalidArgumentError(absl::StrCat("deduce: found command \"", words[0],
                                              "\", expected one that deduce --help lists")),
      ExitCode::kBadConfig);
}

// Whether the words are a command of all ranks, and not a question about it. Everything else runs
// without MPI, which takes time to start, listens on ports and wants a place for its files.
bool NeedsRanks(const std::vector<std::string>& words) {
  if (words.empty() || std::find(words.begin(), words.end(), "--help") != words.end()) return false;
  const std::vector<Command> commands = Commands();
  return std::any_of(commands.begin(), commands.end(), [&](const Command& command) {
    return command.spec.name == words[0] && command.parallel;
  });
}

// Whether mpirun started this process beside another that is the first.
bool IsFurtherRank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    const char* rank = std::getenv(name);
    if (rank != nullptr && std::string(rank) != "0") return true;
  }
  return false;
}

// One line, whatever the message holds.
std::string OneLine(std::string message) {
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return message;
}

}  // namespace
}  // namespace deduce

int main(int argc, char** argv) {
  deduce::UseTensorMemory();
  const bool parallel = deduce::NeedsRanks({argv + 1, argv + argc});
  if (!parallel && deduce::IsFurtherRank()) return 0;
  const std::unique_ptr<deduce::Communicator> world =
      parallel ? deduce::MakeMpiWorld(&argc, &argv) : deduce::MakeOneMemberCommunicator();
  try {
    const absl::Status status = deduce::RunCommand({argv + 1, argv + argc}, *world);
    std::cout.flush();
    if (!status.ok() && world->rank() == 0) {
      std::cerr << "deduce: error: " << deduce::OneLine(std::string(status.message())) << std::endl;
    }
    return deduce::ExitCodeOf(status);
  } catch (const std::exception& error) {
    const std::string message = error.what();
    std::cerr << "deduce: error: rank " << world->rank() << ": "
              << message.substr(0, message.find('\n')) << std::endl;
    world->Abort(static_cast<int>(deduce::ExitCode::kFailed));
  }
}
