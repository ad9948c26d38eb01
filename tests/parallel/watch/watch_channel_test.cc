#include "parallel/watch/watch_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

namespace deduce {
namespace {

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
  sent.set_text(std::string(1 << 12, 'x'));
  ASSERT_TRUE(SendMessage(pair.client, sent));
  ASSERT_TRUE(SendMessage(pair.client, {}));
  WatchMessage received;
  ASSERT_TRUE(ReadMessage(pair.server, 20, received));
  EXPECT_EQ(received.text(), sent.text());
  ASSERT_TRUE(ReadMessage(pair.server, 20, received));
  EXPECT_EQ(received.text(), "");
}

TEST(WatchChannelTest, AnEndIsReadableAndHoldsNoMessage) {
  Pair pair;
  EXPECT_FALSE(Readable(pair.server, 0));
  pair.client = Socket();
  EXPECT_TRUE(Readable(pair.server, 20));
  WatchMessage received;
  EXPECT_FALSE(ReadMessage(pair.server, 20, received));
}

TEST(WatchChannelTest, TooLargeAMessageIsRefusedUnread) {
  const Pair pair;
  const std::string size = "\x7f\xff\xff\xff";
  ASSERT_EQ(send(pair.client.fd(), size.data(), size.size(), 0), 4);
  WatchMessage received;
  EXPECT_FALSE(ReadMessage(pair.server, 20, received));
}

TEST(WatchChannelTest, WhereNobodyListensIsRefusedAndWhereNobodyAnswersIsSilence) {
  WatchAddress address;
  Socket listener = *Listen(/*loopback_only=*/true, address);
  Socket client;
  ASSERT_EQ(Connect(address, true, 20, client), Reach::kConnected);
  WatchMessage answer;
  EXPECT_FALSE(ReadMessage(client, /*seconds=*/0.01, answer));
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
