#include "parallel/watch/watch_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <numeric>
#include <string>
#include <vector>

#include "parallel/watch/ledger.h"

namespace deduce {
namespace {

constexpr int64_t kMaxBytes = MaxFrameBytes(2);

struct Pair {
  Pair() {
    listener = *Listen(/*loopback_only=*/true, address);
    EXPECT_EQ(Connect(address, /*loopback=*/true, /*seconds=*/20, client), Reach::kConnected);
    EXPECT_TRUE(Readable(listener, 20));
    server = Socket(accept(listener.fd(), nullptr, nullptr));
  }
  WatchAddress address = OwnAddress();
  Socket listener, client, server;
};

TEST(WatchChannelTest, MessagesArriveWhole) {
  const Pair pair;
  WatchMessage sent;
  sent.mutable_record()->set_action(std::string(1 << 12, 'x'));
  ASSERT_TRUE(SendMessage(pair.client, sent));
  ASSERT_TRUE(SendMessage(pair.client, {}));
  WatchMessage received;
  ASSERT_TRUE(ReadMessage(pair.server, 20, kMaxBytes, received));
  EXPECT_EQ(received.record().action(), sent.record().action());
  ASSERT_TRUE(ReadMessage(pair.server, 20, kMaxBytes, received));
  EXPECT_EQ(received.record().action(), "");
}

TEST(WatchChannelTest, AnEndIsReadableAndHoldsNoMessage) {
  Pair pair;
  EXPECT_FALSE(Readable(pair.server, 0));
  pair.client = Socket();
  EXPECT_TRUE(Readable(pair.server, 20));
  WatchMessage received;
  EXPECT_FALSE(ReadMessage(pair.server, 20, kMaxBytes, received));
}

TEST(WatchChannelTest, TooLargeAMessageIsRefusedUnread) {
  const Pair pair;
  const std::string size = "\x7f\xff\xff\xff";
  ASSERT_EQ(send(pair.client.fd(), size.data(), size.size(), 0), 4);
  WatchMessage received;
  EXPECT_FALSE(ReadMessage(pair.server, 20, kMaxBytes, received));
}

TEST(WatchChannelTest, ARecordOfManyRanksFitsInAFrame) {
  constexpr int kRanks = 64;
  Ledger ledger(0);
  std::vector<int> all(kRanks);
  std::iota(all.begin(), all.end(), 0);
  const int world = ledger.AddGroup("world", "world", all);
  const std::vector<int64_t> rows(kRanks, int64_t{1} << 40);
  ledger.BeginAction(
      "reasoning_rl step 100000, forward and backward of chunk 3, exchange of experts");
  for (int i = 0; i < 1024; ++i) {
    ledger.BeginCollective(world, LedgerCall::AllToAll,
                           {.type = 6, .sizes = rows, .send_rows = rows, .receive_rows = rows});
  }
  EXPECT_LT(static_cast<int64_t>(ledger.Record(512).ByteSizeLong()), MaxFrameBytes(kRanks));
}

TEST(WatchChannelTest, WhereNobodyListensIsRefusedAndWhereNobodyAnswersIsSilence) {
  WatchAddress address;
  Socket listener = *Listen(/*loopback_only=*/true, address);
  Socket client;
  ASSERT_EQ(Connect(address, true, 20, client), Reach::kConnected);
  WatchMessage answer;
  EXPECT_FALSE(ReadMessage(client, /*seconds=*/0.01, kMaxBytes, answer));
  listener = Socket();
  EXPECT_EQ(Connect(address, true, 20, client), Reach::kRefused);
}

TEST(WatchChannelTest, ChildProgramsDoNotInheritTheSockets) {
  const Pair pair;
  EXPECT_TRUE(fcntl(pair.listener.fd(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(fcntl(pair.client.fd(), F_GETFD) & FD_CLOEXEC);
}

TEST(WatchChannelTest, RanksOfOneProcessShareAHost) {
  EXPECT_EQ(OwnAddress().host(), OwnAddress().host());
  EXPECT_NE(OwnAddress().host(), "");
}

}  // namespace
}  // namespace deduce
