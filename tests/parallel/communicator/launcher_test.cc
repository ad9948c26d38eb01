#include "parallel/communicator/launcher.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

namespace deduce {
namespace {

constexpr const char* kVariables[] = {"OMPI_COMM_WORLD_RANK",
                                      "OMPI_COMM_WORLD_SIZE",
                                      "OMPI_COMM_WORLD_LOCAL_SIZE",
                                      "PMIX_RANK",
                                      "PMI_RANK",
                                      "PMI_SIZE"};

// An environment with these variables of launchers and no others; the process may have been started
// by one itself.
class LauncherTest : public ::testing::Test {
 protected:
  LauncherTest() {
    for (const char* name : kVariables) {
      if (const char* value = std::getenv(name)) before_[name] = value;
    }
  }
  ~LauncherTest() override { Set(before_); }
  static void Set(const std::map<std::string, std::string>& variables) {
    for (const char* name : kVariables) unsetenv(name);
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(LauncherTest, WithoutALauncherThereIsNone) {
  Set({});
  EXPECT_FALSE(ReadLaunchedRank());
  Set({{"OMPI_COMM_WORLD_SIZE", "2"}});
  EXPECT_FALSE(ReadLaunchedRank());
}

TEST_F(LauncherTest, OpenMpiSaysHowManyAreHere) {
  Set({{"OMPI_COMM_WORLD_RANK", "3"},
       {"OMPI_COMM_WORLD_SIZE", "4"},
       {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
       {"PMIX_RANK", "3"}});
  const std::optional<LaunchedRank> launched = ReadLaunchedRank();
  ASSERT_TRUE(launched);
  EXPECT_EQ(launched->rank, 3);
  EXPECT_TRUE(launched->needs_mpi());
  EXPECT_TRUE(launched->on_one_machine());
  Set({{"OMPI_COMM_WORLD_RANK", "3"},
       {"OMPI_COMM_WORLD_SIZE", "4"},
       {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  EXPECT_FALSE(ReadLaunchedRank()->on_one_machine());
}

TEST_F(LauncherTest, AJobOfOneNeedsNoMpi) {
  Set({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}});
  EXPECT_FALSE(ReadLaunchedRank()->needs_mpi());
}

TEST_F(LauncherTest, WhatALauncherDoesNotSayIsLeftToMpi) {
  for (const char* name : {"PMIX_RANK", "PMI_RANK"}) {
    Set({{name, "0"}});
    ASSERT_TRUE(ReadLaunchedRank()) << name;
    EXPECT_TRUE(ReadLaunchedRank()->needs_mpi());
    EXPECT_FALSE(ReadLaunchedRank()->on_one_machine());
  }
}

}  // namespace
}  // namespace deduce
