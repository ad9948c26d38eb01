#include "trainer/hugging_face/rope_fields.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

constexpr double kDefaultTheta = 10000;

// Under "rope_type", or "type" in older files.
std::string Kind(ConfigFields& scaling) {
  const std::string older = scaling.Text("type", "default");
  const std::string kind = scaling.Text("rope_type", older);
  if (scaling.Has("type") && kind != older) scaling.Refuse("type", absl::StrCat("\"", kind, "\""));
  return kind;
}

void ReadLlama3(ConfigFields& scaling, int64_t max_positions, RopeConfig& rope) {
  Llama3RopeConfig& llama3 = *rope.mutable_llama3();
  llama3.set_factor(scaling.Real("factor"));
  llama3.set_low_freq_factor(scaling.Real("low_freq_factor"));
  llama3.set_high_freq_factor(scaling.Real("high_freq_factor"));
  llama3.set_original_max_position_embeddings(
      scaling.Integer("original_max_position_embeddings", max_positions));
}

void ReadYarn(ConfigFields& scaling, int64_t max_positions, RopeConfig& rope) {
  YarnConfig& yarn = *rope.mutable_yarn();
  yarn.set_factor(scaling.Real("factor"));
  yarn.set_original_max_position_embeddings(
      scaling.Integer("original_max_position_embeddings", max_positions));
  yarn.set_beta_fast(scaling.Real("beta_fast", 32));
  yarn.set_beta_slow(scaling.Real("beta_slow", 1));
  // Implementations disagree about one without the other.
  const bool both = scaling.Has("mscale") && scaling.Has("mscale_all_dim");
  yarn.set_mscale(scaling.Real("mscale", 1));
  yarn.set_mscale_all_dim(scaling.Real("mscale_all_dim", 0));
  if (!both && scaling.Has("mscale")) scaling.Refuse("mscale_all_dim", "a number beside mscale");
  if (!both && scaling.Has("mscale_all_dim")) {
    scaling.Refuse("mscale", "a number beside mscale_all_dim");
  }
  if (both && !(yarn.mscale() > 0)) scaling.Refuse("mscale", "a number above 0");
  if (both && !(yarn.mscale_all_dim() > 0)) scaling.Refuse("mscale_all_dim", "a number above 0");
  if (scaling.Has("attention_factor")) {
    yarn.set_attention_factor(scaling.Real("attention_factor"));
  } else {
    scaling.Ignore({"attention_factor"});
  }
  scaling.Require("truncate", true);
}

}  // namespace

RopeConfig ReadRope(ConfigFields& fields, int64_t max_positions) {
  RopeConfig rope;
  const double older_theta = fields.Real("rope_theta", kDefaultTheta);
  rope.set_theta(older_theta);
  fields.Require("partial_rotary_factor", 1.0);
  const nlohmann::json* parameters = fields.Object("rope_parameters");
  const nlohmann::json* scaling_only = fields.Object("rope_scaling");
  if (parameters && scaling_only && *parameters != *scaling_only) {
    fields.Refuse("rope_scaling", "nothing beside other rope_parameters");
  }
  if (!parameters && !scaling_only) return rope;
  ConfigFields scaling(
      parameters ? *parameters : *scaling_only,
      absl::StrCat(fields.where(), ": ", parameters ? "rope_parameters" : "rope_scaling"));
  rope.set_theta(scaling.Real("rope_theta", older_theta));
  if (fields.Has("rope_theta") && rope.theta() != older_theta) {
    scaling.Refuse("rope_theta", absl::StrCat(older_theta, ", as beside it"));
  }
  scaling.Require("partial_rotary_factor", 1.0);
  const std::string kind = Kind(scaling);
  if (kind == "linear") {
    rope.set_linear_factor(scaling.Real("factor"));
  } else if (kind == "llama3") {
    ReadLlama3(scaling, max_positions, rope);
  } else if (kind == "yarn") {
    ReadYarn(scaling, max_positions, rope);
  } else if (kind != "default") {
    scaling.Refuse(scaling.Has("rope_type") ? "rope_type" : "type",
                   "default, linear, llama3 or yarn");
  }
  fields.Fail(scaling.Finish());
  return rope;
}

nlohmann::json WriteRope(const RopeConfig& rope) {
  nlohmann::json json = {{"rope_theta", rope.theta()}, {"rope_type", "default"}};
  if (rope.linear_factor() != 1) {
    json["rope_type"] = "linear";
    json["factor"] = rope.linear_factor();
  }
  if (rope.has_llama3()) {
    json["rope_type"] = "llama3";
    json["factor"] = rope.llama3().factor();
    json["low_freq_factor"] = rope.llama3().low_freq_factor();
    json["high_freq_factor"] = rope.llama3().high_freq_factor();
    json["original_max_position_embeddings"] = rope.llama3().original_max_position_embeddings();
  }
  if (rope.has_yarn()) {
    const YarnConfig& yarn = rope.yarn();
    json["rope_type"] = "yarn";
    json["factor"] = yarn.factor();
    json["beta_fast"] = yarn.beta_fast();
    json["beta_slow"] = yarn.beta_slow();
    json["original_max_position_embeddings"] = yarn.original_max_position_embeddings();
    if (yarn.mscale_all_dim() > 0) {
      json["mscale"] = yarn.mscale();
      json["mscale_all_dim"] = yarn.mscale_all_dim();
    }
    if (yarn.has_attention_factor()) json["attention_factor"] = yarn.attention_factor();
  }
  return json;
}

}  // namespace deduce
