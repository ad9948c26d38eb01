// The main of every test program. Under mpirun, tests that use RunRanks run on the processes of the
// job instead of threads.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/testing/rank_group.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  at::set_num_threads(1);
  deduce::StartTestRanks(&argc, &argv);
  return RUN_ALL_TESTS();
}
