#include "rl/commands/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CommandSpec Spec() {
  return {.name = "cook",
          .summary = "makes a meal",
          .flags = {{"dish", Flag::kText, "what to make", /*required=*/true},
                    {"guests", Flag::kInteger, "how many eat"},
                    {"heat", Flag::kReal, "how hot"},
                    {"vegan", Flag::kSwitch, "without animals"},
                    {"add", Flag::kRepeated, "what else goes in"}},
          .positional = "GUEST",
          .many_positionals = true};
}

TEST(CommandLineTest, EveryKindOfFlagIsRead) {
  const auto arguments = ParseArguments(Spec(), {"--dish=a=b", "Ann", "--guests=-3", "--heat=1.5e2",
                                                 "--vegan", "--add=x", "--add=", "Bob"});
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_EQ(arguments->Text("dish"), "a=b");
  EXPECT_EQ(arguments->Integer("guests", 0), -3);
  EXPECT_EQ(arguments->Real("heat", 0), 150);
  EXPECT_TRUE(arguments->Has("vegan"));
  EXPECT_THAT(arguments->All("add"), ElementsAre("x", ""));
  EXPECT_THAT(arguments->positionals(), ElementsAre("Ann", "Bob"));
}

TEST(CommandLineTest, AValueMayFollowItsFlagAsAWord) {
  const auto arguments = ParseArguments(Spec(), {"--dish", "a=b", "Ann", "--heat", "-1.5",
                                                 "--vegan", "Bob", "--add", "x", "--add", ""});
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_EQ(arguments->Text("dish"), "a=b");
  EXPECT_EQ(arguments->Real("heat", 0), -1.5);
  EXPECT_TRUE(arguments->Has("vegan"));
  EXPECT_THAT(arguments->All("add"), ElementsAre("x", ""));
  EXPECT_THAT(arguments->positionals(), ElementsAre("Ann", "Bob"));
}

TEST(CommandLineTest, TheNearestWordIsTheOneWithFewestEdits) {
  const std::vector<std::string> known = {"train", "plan", "generate", "tokenize", "detokenize"};
  EXPECT_EQ(Nearest("trian", known), "train");
  EXPECT_EQ(Nearest("genrate", known), "generate");
  EXPECT_EQ(Nearest("tokenise", known), "tokenize");
  EXPECT_EQ(Nearest("detokenise", known), "detokenize");
  EXPECT_EQ(Nearest("dance", known), "");
  EXPECT_EQ(Nearest("", known), "");
}

TEST(CommandLineTest, AFlagThatIsNotGivenHasTheCallersValue) {
  const auto arguments = ParseArguments(Spec(), {"--dish=soup", "Ann"});
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_EQ(arguments->Integer("guests", 4), 4);
  EXPECT_EQ(arguments->Real("heat", 0.5), 0.5);
  EXPECT_EQ(arguments->Text("guests", "none"), "none");
  EXPECT_FALSE(arguments->Has("vegan"));
  EXPECT_THAT(arguments->All("add"), ElementsAre());
}

TEST(CommandLineTest, EveryRefusalNamesTheFlag) {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } cases[] = {
      {{"Ann"}, "--dish: found nothing, expected what to make"},
      {{"--dish=x"}, "cook: found no GUEST, expected one"},
      {{"--dish=x", "A", "--wine=y"},
       "cook: found --wine, expected a flag that deduce cook --help lists"},
      {{"--dish=x", "A", "--dish=y"}, "--dish: found it twice, expected it once"},
      {{"A", "--dish"}, "--dish: found \"--dish\", expected --dish=VALUE"},
      {{"--dish", "--vegan", "A"}, "--dish: found \"--dish\", expected --dish=VALUE"},
      {{"--dish=x", "A", "--guest", "3"},
       "cook: found --guest, expected --guests or another flag that deduce cook --help lists"},
      {{"--dish=x", "A", "--vegan=1"}, "--vegan: found \"--vegan=1\", expected --vegan"},
      {{"--dish=x", "A", "--guests=2.5"}, "--guests: found \"2.5\", expected a whole number"},
      {{"--dish=x", "A", "--guests=9223372036854775808"},
       "--guests: found \"9223372036854775808\", expected a whole number"},
      {{"--dish=x", "A", "--guests="}, "--guests: found \"\", expected a whole number"},
      {{"--dish=x", "A", "--heat=hot"}, "--heat: found \"hot\", expected a number"},
      {{"--dish=x", "A", "--heat=1e999"}, "--heat: found \"1e999\", expected a number"},
      {{"--dish=x", "A", "--heat=nan"}, "--heat: found \"nan\", expected a number"},
  };
  for (const auto& bad : cases) {
    const absl::Status status = ParseArguments(Spec(), bad.words).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.message;
    EXPECT_EQ(status.message(), bad.message);
  }
}

TEST(CommandLineTest, WordsBeyondThePositionalsAreRefused) {
  CommandSpec one = Spec(), none = Spec();
  one.many_positionals = false;
  none.positional = "";
  EXPECT_TRUE(ParseArguments(one, {"--dish=x", "Ann"}).ok());
  EXPECT_EQ(ParseArguments(one, {"--dish=x", "Ann", "Bob"}).status().message(),
            "cook: found \"Bob\", expected --flag=value");
  EXPECT_EQ(ParseArguments(none, {"--dish=x", "Ann"}).status().message(),
            "cook: found \"Ann\", expected --flag=value");
}

TEST(CommandLineTest, ANumberTooSmallForANormalOneIsRead) {
  const auto arguments = ParseArguments(Spec(), {"--dish=x", "Ann", "--heat=1e-310"});
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_EQ(arguments->Real("heat", 0), 1e-310);
}

TEST(CommandLineTest, HelpListsEveryFlagWithItsForm) {
  const std::string help = HelpText(Spec());
  EXPECT_THAT(help, HasSubstr("deduce cook GUEST... [flags]\n  makes a meal\n"));
  for (const Flag& flag : Spec().flags) {
    EXPECT_THAT(help,
                HasSubstr("\n  --" + flag.name + (flag.kind == Flag::kSwitch ? " " : "=VALUE")));
    EXPECT_THAT(help, HasSubstr(flag.help));
  }
  EXPECT_THAT(help, HasSubstr("what to make (required)\n"));
  EXPECT_THAT(help, HasSubstr("what else goes in (may be repeated)\n"));
}

TEST(CommandLineTest, NotesStandBelowTheFlags) {
  CommandSpec spec = Spec();
  spec.notes = "dishes\n  soup\n";
  EXPECT_EQ(HelpText(spec), HelpText(Spec()) + "\n" + spec.notes);
}

}  // namespace
}  // namespace deduce
