#include "parallel/watch/watch_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

namespace deduce {
namespace {

using ::testing::ElementsAre;

const std::string kSecret = "0123456789abcdef0123456789abcdef";
constexpr int64_t kMaxBytes = 1000;

WatchMessage From(int rank) {
  WatchMessage message;
  message.set_from(rank);
  return message;
}

// A connection, and the other end of it, which writes into its buffer at once.
class WatchConnectionTest : public ::testing::Test {
 protected:
  WatchConnectionTest() { Connect(); }
  void Connect() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    other_ = Socket(ends[0]);
    connection_ = std::make_unique<WatchConnection>(Socket(ends[1]), kSecret, kMaxBytes);
  }
  void Send(const std::string& bytes) {
    ASSERT_EQ(send(other_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  bool Read() {
    std::vector<WatchMessage> messages;
    const bool open = connection_->Read(messages);
    for (const WatchMessage& message : messages) read_.push_back(message.from());
    return open;
  }

  Socket other_;
  std::unique_ptr<WatchConnection> connection_;
  std::vector<int> read_;  // the ranks that messages came from
};

TEST_F(WatchConnectionTest, MessagesArriveInWhateverPiecesTheyCome) {
  const std::string bytes = kSecret + Frame(From(1)) + Frame(From(2));
  for (const char byte : bytes) {
    Send(std::string(1, byte));
    ASSERT_TRUE(Read());
  }
  Send(Frame(From(3)) + Frame(From(4)));
  EXPECT_TRUE(Read());
  EXPECT_THAT(read_, ElementsAre(1, 2, 3, 4));
}

TEST_F(WatchConnectionTest, IsKnownOnceTheSecretHasCome) {
  Send(kSecret.substr(0, kSecretBytes - 1));
  EXPECT_TRUE(Read());
  EXPECT_FALSE(connection_->known());
  Send(kSecret.substr(kSecretBytes - 1));
  EXPECT_TRUE(Read());
  EXPECT_TRUE(connection_->known());
}

TEST_F(WatchConnectionTest, OfAStrangerNoMoreIsReadThanASecret) {
  Send(std::string(kSecretBytes, 'x') + std::string(5000, 'y'));
  EXPECT_FALSE(Read());
  char left[8192];
  EXPECT_EQ(recv(connection_->fd(), left, sizeof(left), MSG_DONTWAIT), 5000);
}

TEST_F(WatchConnectionTest, TheLastWordsBeforeAnEndAreHeard) {
  Send(kSecret + Frame(From(5)));
  other_ = Socket();
  EXPECT_FALSE(Read());
  EXPECT_THAT(read_, ElementsAre(5));
}

TEST_F(WatchConnectionTest, AFrameThatIsNoneEndsIt) {
  for (const std::string& frame : {std::string("\x00\x00\x10\x00", 4),  // larger than allowed
                                   std::string("\x00\x00\x00\x01\xff", 5)}) {  // no message
    Connect();
    Send(kSecret + frame);
    EXPECT_FALSE(Read());
    EXPECT_THAT(read_, ElementsAre());
  }
}

TEST_F(WatchConnectionTest, AnswersAreSentAsTheyAreTaken) {
  WatchMessage large;
  large.mutable_record()->set_action(std::string(1 << 16, 'x'));
  size_t expected = 0;
  for (int i = 0; i < 100; ++i) {
    connection_->Queue(large);
    expected += Frame(large).size();
  }
  ASSERT_TRUE(connection_->Write());
  EXPECT_TRUE(connection_->wants_to_write()) << "found 6 MB in a buffer, expected less";
  std::string taken(expected, '\0');
  size_t size = 0;
  while (size < expected) {
    const ssize_t got = recv(other_.fd(), taken.data() + size, expected - size, MSG_DONTWAIT);
    ASSERT_GT(got, 0);
    size += got;
    ASSERT_TRUE(connection_->Write());
  }
  EXPECT_FALSE(connection_->wants_to_write());
}

}  // namespace
}  // namespace deduce
