#include "parallel/watch/call_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/parallel/call_script.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CallHistoryTest, WhoWaitsInACollectiveWaitsForThoseWhoHaveNotCome) {
  CallScript script(4);
  script.All({0, 1, 2, 3}, LedgerCall::Barrier);
  script.Enter(0, LedgerCall::Barrier);
  script.Enter(2, LedgerCall::Barrier);
  const std::vector<RankState> states = script.States();
  const CallHistory history(states);
  EXPECT_THAT(history.WaitsFor(0), ElementsAre(1, 3));
  EXPECT_THAT(history.WaitsFor(1), IsEmpty());
  ASSERT_NE(history.Blocking(2), nullptr);
  EXPECT_EQ(history.Blocking(2)->number(), 1);
}

TEST(CallHistoryTest, WhoWaitsForAMessageWaitsForItsOtherEnd) {
  CallScript script(2);
  script.Pass(0, 1);
  script.ledger(1).BeginWait(script.Receive(1, 0));
  const std::vector<RankState> before = script.States();
  EXPECT_THAT(CallHistory(before).WaitsFor(1), ElementsAre(0));
  script.Send(0, 1);
  const std::vector<RankState> after = script.States();
  EXPECT_THAT(CallHistory(after).WaitsFor(1), IsEmpty()) << "it is on its way";
}

TEST(CallHistoryTest, LaysCallsOfAGroupSideBySide) {
  CallScript script(4);
  script.AllHalf({0, 2, 3}, LedgerCall::Barrier);
  script.All({0, 1}, LedgerCall::AllGather, 3);
  const std::vector<RankState> states = script.States();
  const CallHistory history(states);
  ASSERT_EQ(history.collectives().size(), 3U);
  EXPECT_EQ(history.collectives().at({"world/0:0", 0}).calls.size(), 2U);
  EXPECT_EQ(history.collectives().at({"world/0:1", 0}).calls.size(), 1U);
  EXPECT_EQ(history.collectives().at({"world", 0}).calls.size(), 2U);
  EXPECT_EQ(history.LastCallText(0), "AllGather 0 of world (Float [3])");
  EXPECT_EQ(history.LastCallText(2), "Barrier 0 of half");
}

TEST(CallHistoryTest, ARankSurprisesWhenItDoesNotDoWhatItDidBefore) {
  CallScript script(2);
  for (int step = 0; step < 3; ++step) {
    script.All({0, 1}, LedgerCall::Barrier);
    script.All({0, 1}, LedgerCall::AllGather, 3);
    script.All({0, 1}, LedgerCall::AllGather, 5);
  }
  script.All({0, 1}, LedgerCall::Barrier);
  script.Enter(0, LedgerCall::AllGather, 3);
  script.Enter(1, LedgerCall::AllGather, 5);
  const std::vector<RankState> states = script.States();
  const CallHistory history(states);
  EXPECT_FALSE(history.Surprises(0, *history.Blocking(0)));
  EXPECT_TRUE(history.Surprises(1, *history.Blocking(1)));
  EXPECT_FALSE(history.Surprises(0, states[0].record.call(0))) << "nothing was before";
}

TEST(CallHistoryTest, StrayMessagesAreThoseThatOneEndKnows) {
  CallScript script(3);
  script.Pass(0, 1);
  script.Send(0, 1);
  script.Send(0, 1);
  script.Send(0, 2);
  script.Receive(1, 2);
  const std::vector<RankState> states = script.States();
  const CallHistory history(states);
  const std::vector<CallHistory::Stray> sends = history.Strays(/*sends=*/true);
  ASSERT_EQ(sends.size(), 2U);
  EXPECT_EQ(sends[0].call->peer(), 1);
  EXPECT_EQ(sends[0].call->number(), 1);
  EXPECT_FALSE(sends[0].new_lane);
  EXPECT_EQ(sends[1].call->peer(), 2);
  EXPECT_TRUE(sends[1].new_lane);
  const std::vector<CallHistory::Stray> receives = history.Strays(/*sends=*/false);
  ASSERT_EQ(receives.size(), 1U);
  EXPECT_EQ(receives[0].rank, 1);
}

}  // namespace
}  // namespace deduce
