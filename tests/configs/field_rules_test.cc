#include "configs/field_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <set>
#include <string>

#include "configs/config.h"
#include "configs/run.pb.h"

namespace deduce {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

void ForEachField(const Descriptor* message, std::set<const Descriptor*>& seen,
                  const std::function<void(const FieldDescriptor*)>& visit) {
  if (!seen.insert(message).second) return;
  for (int i = 0; i < message->field_count(); ++i) {
    visit(message->field(i));
    if (message->field(i)->message_type() != nullptr)
      ForEachField(message->field(i)->message_type(), seen, visit);
  }
}

TEST(FieldRulesTest, EveryNumberOfTheSchemaHasARange) {
  std::set<const Descriptor*> seen;
  int numbers = 0;
  ForEachField(RunConfig::descriptor(), seen, [&](const FieldDescriptor* field) {
    const bool number = field->cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
                        field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
    numbers += number;
    // Tasks have the ranges of their options (data/tasks/registry).
    const bool option = field->containing_type() == TaskConfig::descriptor();
    EXPECT_TRUE(!number || option || HasRange(field) || !HasRules(field->containing_type()))
        << field->full_name();
  });
  EXPECT_GT(numbers, 50);
}

// Whoever adds a field says what becomes of runs that go on with another value.
TEST(FieldRulesTest, EveryFieldOfTheSchemaHasAResumeClass) {
  std::set<const Descriptor*> seen;
  int fields = 0;
  ForEachField(RunConfig::descriptor(), seen, [&](const FieldDescriptor* field) {
    ++fields;
    EXPECT_TRUE(ResumeClassOf(field).has_value()) << field->full_name();
  });
  EXPECT_GT(fields, 150);
}

// Forgotten rows would let any number pass: whoever wants a message without rows says so here. Such
// a message is the settings of one kind of stage, whose maker checks them.
TEST(FieldRulesTest, NoMessageOfTheSchemaIsWithoutRules) {
  std::set<const Descriptor*> seen;
  ForEachField(RunConfig::descriptor(), seen, [](const FieldDescriptor*) {});
  std::set<std::string> without;
  for (const Descriptor* message : seen) {
    if (!HasRules(message)) without.insert(message->name());
  }
  EXPECT_THAT(without, ::testing::IsEmpty());
}

TEST(FieldRulesTest, AMessageWithoutRulesNeverChanges) {
  const Descriptor* foreign = google::protobuf::UninterpretedOption::descriptor();
  ASSERT_FALSE(HasRules(foreign));
  EXPECT_EQ(ResumeClassOf(foreign->FindFieldByName("double_value")), ResumeClass::kNever);
}

TEST(FieldRulesTest, NumbersOfAMessageWithoutRulesAreFinite) {
  google::protobuf::UninterpretedOption foreign;
  foreign.set_double_value(-3);
  EXPECT_EQ(CheckFields(foreign, "x"), absl::OkStatus());
  foreign.set_double_value(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(CheckFields(foreign, "x").message(),
            "x.double_value: found nan, expected a finite number");
}

TEST(FieldRulesTest, NoStageChangesItsKind) {
  const auto* work = StageConfig::descriptor()->FindOneofByName("work");
  for (int i = 0; i < work->field_count(); ++i)
    EXPECT_EQ(ResumeClassOf(work->field(i)), ResumeClass::kNever) << work->field(i)->full_name();
}

// Unset fields are not checked, so every default has to be a value that would pass.
TEST(FieldRulesTest, EveryDefaultIsInRange) {
  RunConfig config;
  config.set_name("n");
  config.set_tokenizer("t");
  ModelConfig& model = *config.mutable_model();
  model.set_vocab_size(1);
  model.set_hidden_size(1);
  model.set_intermediate_size(1);
  model.set_num_hidden_layers(1);
  model.set_num_attention_heads(1);
  model.mutable_rope()->mutable_yarn();
  model.mutable_moe()->set_n_routed_experts(1);
  model.mutable_moe()->set_num_experts_per_tok(1);
  model.mutable_moe()->set_moe_intermediate_size(1);
  StageConfig& stage = *config.add_stage();
  stage.set_name("s");
  stage.set_steps(1);
  stage.mutable_data()->mutable_task()->set_name("t");
  stage.mutable_grpo()->add_reward()->set_verifier("v");
  stage.mutable_evaluate();
  config.mutable_plan()->mutable_cluster();
  CalibrationConfig& calibration = *config.mutable_plan()->mutable_calibration();
  calibration.set_micro_batches(1);
  calibration.set_sequence_length(1);
  calibration.set_forward_seconds(1);
  calibration.set_backward_seconds(1);
  config.mutable_plan()->mutable_published();
  RolloutPlanConfig& rollout = *config.mutable_plan()->add_rollout();
  rollout.set_stage("s");
  rollout.set_mean_completion_tokens(1);
  rollout.set_sequence_tokens_per_second(1);
  rollout.set_rank_tokens_per_second(1);
  EXPECT_EQ(CheckFields(WithDefaults(config), ""), absl::OkStatus());
}

TEST(FieldRulesTest, EveryNumberOfAListIsInRange) {
  LayoutConfig layout;
  layout.add_stage_layers(3);
  layout.add_stage_layers(0);
  EXPECT_EQ(CheckFields(layout, "layout"), absl::OkStatus());
  layout.add_stage_layers(-1);
  EXPECT_EQ(CheckFields(layout, "layout").message(),
            "layout.stage_layers[2]: found -1, expected a number in [0, 10000]");
}

TEST(FieldRulesTest, PathBeginsWithTheGivenOne) {
  EXPECT_EQ(CheckFields(ModelConfig(), "imported").message(),
            "imported.vocab_size: found nothing, expected a value");
}

}  // namespace
}  // namespace deduce
