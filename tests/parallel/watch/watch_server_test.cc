#include "parallel/watch/watch_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

namespace deduce {
namespace {

const std::string kSecret(kSecretBytes, 's');
constexpr int64_t kMaxBytes = MaxFrameBytes(3);

// Rank 0's server of a job of three ranks, and what others say to it.
class WatchServerTest : public ::testing::Test {
 protected:
  Socket ConnectWith(const std::string& bytes) {
    Socket socket;
    EXPECT_EQ(Connect(address_, true, 20, socket), Reach::kConnected);
    EXPECT_TRUE(SendSecret(socket, bytes));
    return socket;
  }
  Socket ConnectAs(int rank, WatchMessage::Kind kind) {
    Socket socket = ConnectWith(kSecret);
    EXPECT_TRUE(Say(socket, rank, kind, {}));
    return socket;
  }
  // True if it answers within a time that only a server that is held up would need.
  bool Answers() {
    const Socket socket = ConnectAs(1, WatchMessage::ask_record);
    WatchMessage answer;
    return ReadMessage(socket, 60, kMaxBytes, answer);
  }
  static bool IsClosed(const Socket& socket) {
    char byte;
    return Readable(socket, 60) && recv(socket.fd(), &byte, 1, MSG_DONTWAIT) <= 0;
  }
  bool Say(const Socket& socket, int rank, WatchMessage::Kind kind, const LedgerRecord& record) {
    WatchMessage message;
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
  WatchServer server_{*Listen(true, address_), kSecret, ledger_, news_, [this] { ended_ = true; }};
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
  ASSERT_TRUE(ReadMessage(socket, 20, kMaxBytes, answer));
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

TEST_F(WatchServerTest, AWrongSecretIsDroppedAndWhatFollowsItIsNotRead) {
  std::string guess = kSecret;
  guess.back() = 't';
  WatchMessage end;
  end.set_from(1);
  end.set_kind(WatchMessage::end);
  const Socket stranger = ConnectWith(guess + Frame(end));
  EXPECT_TRUE(IsClosed(stranger));
  EXPECT_TRUE(Answers());
  EXPECT_FALSE(ended_);
}

TEST_F(WatchServerTest, EndsWithTheJob) {
  const Socket friendly = ConnectAs(1, WatchMessage::end);
  WaitUntil([&] { return news_.over; });
  EXPECT_TRUE(ended_);
}

TEST_F(WatchServerTest, AStrangerThatHoldsAByteHoldsNobody) {
  const Socket stranger = ConnectWith("s");
  const Socket silent = ConnectWith("");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Answers());
}

TEST_F(WatchServerTest, ARankThatHoldsAByteHoldsNobodyAndIsNotLost) {
  const Socket lifeline = ConnectAs(2, WatchMessage::hello);
  WatchMessage bye;
  bye.set_from(2);
  bye.set_kind(WatchMessage::bye);
  const std::string frame = Frame(bye);
  ASSERT_EQ(send(lifeline.fd(), frame.data(), 1, 0), 1);
  EXPECT_TRUE(Answers());
  ASSERT_EQ(send(lifeline.fd(), frame.data() + 1, frame.size() - 1, 0),
            static_cast<ssize_t>(frame.size() - 1));
  WaitUntil([&] { return news_.left[2]; });
  EXPECT_FALSE(news_.gone[2]);
}

TEST_F(WatchServerTest, ARankThatReadsNoAnswersHoldsNobody) {
  const Socket deaf = ConnectAs(1, WatchMessage::ask_record);
  // More answers than the buffers of a connection take.
  ledger_.BeginAction(std::string(1 << 20, 'x'));
  for (int i = 0; i < 16; ++i) Say(deaf, 1, WatchMessage::ask_record, {});
  EXPECT_TRUE(Answers());
}

TEST_F(WatchServerTest, OfManyStrangersTheOldestAreDropped) {
  std::vector<Socket> strangers;
  for (int i = 0; i < 200; ++i) strangers.push_back(ConnectWith(""));
  EXPECT_TRUE(IsClosed(strangers.front()));
  EXPECT_TRUE(Answers());
}

TEST_F(WatchServerTest, TooLargeAFrameEndsAConnection) {
  const Socket socket = ConnectWith(kSecret);
  ASSERT_TRUE(SendSecret(socket, std::string("\x03\xe0\x00\x00", 4)));  // 62 MiB
  EXPECT_TRUE(IsClosed(socket));
  EXPECT_TRUE(Answers());
}

}  // namespace
}  // namespace deduce
