#include "parallel/watch/watch_server.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace deduce {
namespace {

constexpr char kJob[] = "secret";

// Rank 0's server of a job of three ranks, and what others say to it.
class WatchServerTest : public ::testing::Test {
 protected:
  Socket ConnectAs(int rank, WatchMessage::Kind kind) {
    Socket socket;
    EXPECT_EQ(Connect(address_, true, 20, socket), Reach::kConnected);
    EXPECT_TRUE(Say(socket, rank, kind, {}));
    return socket;
  }
  bool Say(const Socket& socket, int rank, WatchMessage::Kind kind, const LedgerRecord& record,
           const char* job = kJob) {
    WatchMessage message;
    message.set_job(job);
    message.set_from(rank);
    message.set_kind(kind);
    *message.mutable_record() = record;
    return SendMessage(socket, message);
  }
  template <typename Condition>
  void WaitUntil(const Condition& condition) {
    std::unique_lock lock(news_.mutex);
    news_.changed.wait(lock, condition);
  }
  static LedgerRecord Calls(int rank, int num_calls, int different_call) {
    Ledger ledger(rank);
    const int world = ledger.AddGroup("world", "world", {0, 1, 2});
    for (int i = 0; i < num_calls; ++i) {
      ledger.BeginCollective(world,
                             i == different_call ? LedgerCall::Broadcast : LedgerCall::Barrier, {});
    }
    return ledger.Record(1);
  }

  WatchAddress address_;
  Ledger ledger_{0};
  WatchNews news_{3};
  bool ended_ = false;
  WatchServer server_{*Listen(true, address_), kJob, ledger_, news_, [this] { ended_ = true; }};
};

TEST_F(WatchServerTest, ALifelineThatEndsWithoutAWordIsADeadRank) {
  { const Socket lifeline = ConnectAs(2, WatchMessage::hello); }
  WaitUntil([&] { return news_.gone[2] && news_.examine; });
  EXPECT_FALSE(news_.gone[1]);
}

TEST_F(WatchServerTest, ARankThatSaysByeIsNotDead) {
  {
    const Socket lifeline = ConnectAs(1, WatchMessage::hello);
    Say(lifeline, 1, WatchMessage::bye, {});
  }
  WaitUntil([&] { return news_.left[1]; });
  { const Socket other = ConnectAs(2, WatchMessage::hello); }
  WaitUntil([&] { return static_cast<bool>(news_.gone[2]); });
  EXPECT_FALSE(news_.gone[1]);
}

TEST_F(WatchServerTest, AnswersWithTheLedger) {
  ledger_.BeginAction("step 7");
  const Socket socket = ConnectAs(1, WatchMessage::ask_record);
  WatchMessage answer;
  ASSERT_TRUE(ReadMessage(socket, 20, answer));
  EXPECT_EQ(answer.record().action(), "step 7");
}

TEST_F(WatchServerTest, DigestsOfRanksThatCalledTheSameAgreeHoweverFarTheyAre) {
  server_.TakeDigests(Calls(0, 100, -1));
  server_.TakeDigests(Calls(1, 40, -1));
  server_.TakeDigests(Calls(2, 123, -1));
  EXPECT_EQ(news_.contradiction, "");
  EXPECT_FALSE(news_.examine);
}

TEST_F(WatchServerTest, ADifferentCallLongAgoIsSeen) {
  server_.TakeDigests(Calls(0, 100, -1));
  const Socket lifeline = ConnectAs(2, WatchMessage::hello);
  Say(lifeline, 2, WatchMessage::digest, Calls(2, 90, 20));
  WaitUntil([&] { return news_.examine; });
  EXPECT_EQ(news_.contradiction,
            "rank 2: found the first 32 calls of world to differ, expected those of rank 0");
}

TEST_F(WatchServerTest, EndsWithTheJobAndOnlyForThoseWhoKnowItsSecret) {
  const Socket stranger = ConnectAs(1, WatchMessage::hello);
  Say(stranger, 1, WatchMessage::end, {}, "guess");
  WatchMessage answer;
  EXPECT_FALSE(ReadMessage(stranger, 20, answer)) << "found an answer, expected to be dropped";
  EXPECT_FALSE(ended_);
  const Socket friendly = ConnectAs(1, WatchMessage::end);
  WaitUntil([&] { return news_.over; });
  EXPECT_TRUE(ended_);
}

}  // namespace
}  // namespace deduce
