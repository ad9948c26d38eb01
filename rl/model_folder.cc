#include "rl/model_folder.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/exit_code.h"
#include "configs/parse_text.h"
#include "configs/status.h"
#include "parallel/rank_groups.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/parameter_store.h"
#include "trainer/snapshot.h"

namespace deduce {
namespace {

absl::StatusOr<ModelFolder> Load(const std::string& dir) {
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(dir));
  ASSIGN_OR_RETURN(const std::string config_text, reader.ReadExtraFile("config.textproto"));
  ASSIGN_OR_RETURN(const std::string tokenizer_text, reader.ReadExtraFile("tokenizer.json"));
  ModelFolder folder;
  ASSIGN_OR_RETURN(folder.config, ParseConfigText(config_text, dir + "/config.textproto"));
  ASSIGN_OR_RETURN(Tokenizer tokenizer,
                   Tokenizer::FromJson(tokenizer_text, dir + "/tokenizer.json"));
  if (tokenizer.vocab_size() > folder.config.model().vocab_size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        dir, "/tokenizer.json: found ", tokenizer.vocab_size(),
        " tokens, expected at most model.vocab_size (", folder.config.model().vocab_size(), ")"));
  }
  folder.tokenizer = std::make_shared<const Tokenizer>(std::move(tokenizer));
  folder.experts = MakeOneMemberCommunicator();
  folder.model = Transformer::Create(folder.config.model(), folder.config.seed(), *folder.experts);
  const std::unique_ptr<Communicator> world = MakeOneMemberCommunicator();
  const RankGroups ranks = MakeRankGroups(*world, Layout{});
  ParameterStore store(folder.model->parameters(), ranks, /*sharded=*/true);
  RETURN_IF_ERROR(ReadWeights(reader, "", *folder.model, store));
  at::set_num_threads(static_cast<int>(folder.config.layout().threads_per_rank()));
  return folder;
}

}  // namespace

absl::StatusOr<ModelFolder> LoadModelFolder(const std::string& dir) {
  absl::StatusOr<ModelFolder> folder = Load(dir);
  if (!folder.ok()) return WithExitCode(folder.status(), ExitCode::kBadData);
  return folder;
}

}  // namespace deduce
