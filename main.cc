// The one door: `deduce COMMAND ...`. Finds the command, runs it, and is the only place that
// catches: every failure ends as one line on standard error and an exit code, on all ranks.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "data/tasks/registry.h"
#include "kernels/tensor_memory.h"
#include "parallel/communicator/communicator.h"
#include "parallel/communicator/launcher.h"
#include "parallel/communicator/mpi_communicator.h"
#include "parallel/layout.h"
#include "parallel/watch/hang_watch.h"
#include "rl/commands/command_line.h"
#include "rl/commands/export_command.h"
#include "rl/commands/inspect.h"
#include "rl/commands/model_commands.h"
#include "rl/commands/plan_command.h"
#include "rl/commands/result_stream.h"
#include "rl/commands/score_command.h"
#include "rl/report/report.h"
#include "rl/reward/registry.h"
#include "rl/run/describe_run.h"
#include "rl/run/find_model.h"
#include "rl/run/run_stages.h"
#include "rl/run/validate_run.h"
#include "trainer/checkpoint/checked_file.h"
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

absl::Status ReportCommand(const Arguments& arguments, std::ostream& out) {
  if (arguments.Has("out")) {
    RETURN_IF_ERROR(WithExitCode(CheckReplaceable(arguments.Text("out")), ExitCode::kBadConfig));
  }
  const absl::StatusOr<std::string> path =
      WriteReport(arguments.positionals(), arguments.Text("out"));
  if (absl::IsNotFound(path.status()) || absl::IsInvalidArgument(path.status())) {
    return WithExitCode(path.status(), ExitCode::kBadData);
  }
  RETURN_IF_ERROR(path.status());
  out << *path << "\n";
  return absl::OkStatus();
}

struct Command {
  CommandSpec spec;
  // For a command of one process; its results go to `out`.
  std::function<absl::Status(const Arguments&, std::ostream& out)> run;
  // For a command of all ranks; it has no results but files.
  std::function<absl::Status(const Arguments&, Communicator& world)> run_on_ranks = nullptr;
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
       [](const Arguments& a, std::ostream& out) { return ExportCommand(a, out); }},
      {{"inspect",
        "what is in a run, checkpoint or Hugging Face folder; JSON lines",
        {{"verify", Flag::kSwitch, "read everything and check every hash"}},
        "RUN_DIR | CHECKPOINT"},
       [](const Arguments& a, std::ostream& out) {
         return WithExitCode(Inspect(a.positionals()[0], a.Has("verify"), out), ExitCode::kBadData);
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
       nullptr,
       TrainCommand},
      {kPlan, PlanCommand},
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
       GenerateCommand},
      {{"logprobs",
        "log-probabilities of given tokens; JSON lines",
        {kModelFlag, kComputeFlag, {"input", Flag::kText, "JSON lines with \"tokens\"", true}},
        ""},
       LogProbsCommand},
      {kTokenize,
       [](const Arguments& a, std::ostream& out) { return TokenizeCommand(a, std::cin, out); }},
      {kDetokenize,
       [](const Arguments& a, std::ostream& out) { return DetokenizeCommand(a, std::cin, out); }},
      {{"score",
        "grades answers as training does: right, wrong or unscorable",
        {{"verifier", Flag::kText, absl::StrJoin(AnswerVerifiers(), " or "), true},
         {"input", Flag::kText,
          "F.jsonl: lines {\"answer\", \"completion\"}; else lines gold<TAB>answer", true}},
        ""},
       ScoreCommand},
      {{"report",
        "curves, tables and samples of one or more runs as one page; prints its path",
        {{"out", Flag::kText, "the page (RUN_DIR/report.html)"}},
        "RUN_DIR",
        true},
       ReportCommand},
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

absl::Status BadCommand(const std::string& found, const std::string& expected) {
  return WithExitCode(
      absl::InvalidArgumentError(absl::StrCat("deduce: found ", found, ", expected ", expected)),
      ExitCode::kBadConfig);
}

bool AsksForHelp(const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), "--help") != words.end() ||
         (!words.empty() && words[0] == "-h");
}

// The command that the first word names.
absl::StatusOr<Command> FindCommand(const std::string& name) {
  std::vector<std::string> known;
  for (Command& command : Commands()) {
    if (command.spec.name == name) return std::move(command);
    known.push_back(command.spec.name);
  }
  const std::string nearest = Nearest(name, known);
  return BadCommand(absl::StrCat("command \"", name, "\""),
                    nearest.empty()
                        ? "one that deduce --help lists"
                        : absl::StrCat(nearest, ", or another that deduce --help lists"));
}

// LibTorch puts where it was thrown behind the message.
std::string FirstLine(const std::exception& error) {
  const std::string message = error.what();
  return message.substr(0, message.find('\n'));
}

// One line, whatever the message holds.
std::string OneLine(absl::string_view message) {
  std::string text;
  ControlEscaper escaper;
  escaper.Append(absl::StrReplaceAll(message, {{"\n", " "}, {"\r", " "}, {"\t", " "}}), text);
  escaper.End(text);
  return text;
}

// Standard output, of which every write is checked.
absl::Status WriteResults(const std::function<absl::Status(std::ostream& out)>& write) {
  ResultStream out(STDOUT_FILENO, "standard output");
  const absl::Status status = write(out);
  const absl::Status written = out.Finish();
  return status.ok() ? written : status;
}

absl::Status WriteText(const std::string& text) {
  return WriteResults([&](std::ostream& out) {
    out << text;
    return absl::OkStatus();
  });
}

// A process that no launcher started, or that is its job's only one, does not start MPI, which
// takes time, listens on ports and wants a place for its files.
absl::Status RunOnRanks(const Command& command, const Arguments& arguments,
                        const std::optional<LaunchedRank>& launched, int* argc, char*** argv) {
  const std::unique_ptr<Communicator> world =
      launched && launched->needs_mpi() ? MakeMpiWorld(argc, argv) : MakeOneMemberCommunicator();
  try {
    return command.run_on_ranks(arguments, *world);
  } catch (const std::exception& error) {
    std::cerr << "deduce: error: rank " << world->rank() << ": " << OneLine(FirstLine(error))
              << std::endl;
    world->Abort(static_cast<int>(ExitCode::kFailed));
    return absl::OkStatus();  // never; g++ does not see that of a virtual function
  }
}

absl::Status RunCommand(const std::vector<std::string>& words,
                        const std::optional<LaunchedRank>& launched, int* argc, char*** argv) {
  const bool is_first = !launched || launched->rank == 0;
  const std::string name = words.empty() ? "" : words[0];
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    if (is_first) RETURN_IF_ERROR(WriteText(Usage(Commands())));
    return name.empty() ? BadCommand("no command", "one of the above") : absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Command command, FindCommand(name));
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (AsksForHelp(rest)) return is_first ? WriteText(HelpText(command.spec)) : absl::OkStatus();
  const absl::StatusOr<Arguments> arguments = ParseArguments(command.spec, rest);
  if (!arguments.ok()) return WithExitCode(arguments.status(), ExitCode::kBadConfig);
  if (command.run_on_ranks) return RunOnRanks(command, *arguments, launched, argc, argv);
  // The job's other processes have nothing to do.
  if (!is_first) return absl::OkStatus();
  return WriteResults([&](std::ostream& out) { return command.run(*arguments, out); });
}

}  // namespace
}  // namespace deduce

int main(int argc, char** argv) {
  using deduce::OneLine;
  deduce::OpenStandardDescriptors();
  std::signal(SIGXFSZ, SIG_IGN);  // writing beyond `ulimit -f` is then an error like a full disk
  deduce::UseTensorMemory();
  const std::optional<deduce::LaunchedRank> launched = deduce::ReadLaunchedRank();
  absl::Status status;
  try {
    status = deduce::RunCommand({argv + 1, argv + argc}, launched, &argc, &argv);
  } catch (const std::exception& error) {
    status = absl::InternalError(deduce::FirstLine(error));
  }
  if (!status.ok() && (!launched || launched->rank == 0))
    std::cerr << "deduce: error: " << OneLine(status.message()) << std::endl;
  return deduce::ExitCodeOf(status);
}
