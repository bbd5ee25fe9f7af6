#include "runsc-cpp/dbus/connection.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/dbus/fake_peer.h"

namespace runsc::dbus {
namespace {

using std::chrono::milliseconds;

std::string StringBody(const std::string& text) {
  BodyWriter body;
  body.PutString(text);
  return body.bytes();
}

Message Call(const std::string& member) {
  Message call;
  call.path = "/p";
  call.interface = "a.b";
  call.member = member;
  call.destination = "c.d";
  return call;
}

Message Signal(const std::string& member) {
  Message signal;
  signal.type = MessageType::kSignal;
  signal.serial = 5;
  signal.path = "/p";
  signal.interface = "a.b";
  signal.member = member;
  return signal;
}

TEST(ParseAddress, TakesUnixSockets) {
  const auto list = ParseAddress("tcp:host=x;unix:path=/run/user/0/b%20us,guid=12;unix:abstract=/tmp/x");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].path, "/run/user/0/b us");
  EXPECT_EQ(list[1].path, "@/tmp/x");
}

TEST(Connection, SaysHelloToABusOnly) {
  std::vector<std::string> members;
  {
    FakePeer peer([&](const Message& call) {
      members.push_back(absl::StrCat(call.destination, " ", call.member));
      return std::vector<Message>{FakePeer::Reply(call)};
    });
    ASSERT_TRUE(Connection::Connect({PeerKind::kBus, peer.path()}).ok());
    const auto direct = Connection::Connect({PeerKind::kDirect, peer.path()});
    ASSERT_TRUE(direct.ok());
    ASSERT_TRUE((*direct)->Call(Call("Get")).ok());
  }
  EXPECT_EQ(members, (std::vector<std::string>{"org.freedesktop.DBus Hello", " Get"}));
}

TEST(Connection, AuthenticatesAsTheEffectiveUser) {
  std::string auth;
  {
    FakePeer peer([](const Message& call) { return std::vector<Message>{FakePeer::Reply(call)}; });
    { ASSERT_TRUE(Connection::Connect({PeerKind::kBus, peer.path()}).ok()); }
    auth = peer.auth();
  }
  EXPECT_EQ(auth,
            absl::StrCat(std::string(1, '\0'), "AUTH EXTERNAL ", absl::BytesToHexString(absl::StrCat(geteuid()))));
}

TEST(Connection, KeepsSignalsThatComeBeforeTheAnswer) {
  FakePeer peer([](const Message& call) {
    return std::vector<Message>{Signal("First"), Signal("Second"), FakePeer::Reply(call, "s", StringBody("done"))};
  });
  const auto connection = Connection::Connect({PeerKind::kDirect, peer.path()});
  ASSERT_TRUE(connection.ok()) << connection.status();
  const auto answer = (*connection)->Call(Call("Do"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(BodyReader(answer->body).String(), "done");
  const auto second =
      (*connection)->WaitSignal(milliseconds(1000), [](const Message& m) { return m.member == "Second"; });
  ASSERT_TRUE(second.ok()) << second.status();
  const auto none = (*connection)->WaitSignal(milliseconds(1), [](const Message& m) { return m.member == "Second"; });
  EXPECT_EQ(none.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(Connection, ErrorAnswerHasNameAndText) {
  FakePeer peer([](const Message& call) {
    return std::vector<Message>{FakePeer::Error(call, "org.x.UnitExists", "Unit u was already loaded.")};
  });
  const auto connection = Connection::Connect({PeerKind::kDirect, peer.path()});
  ASSERT_TRUE(connection.ok());
  const auto answer = (*connection)->Call(Call("Do"));
  EXPECT_EQ(answer.status().message(), "a.b.Do: org.x.UnitExists: Unit u was already loaded.");
  EXPECT_EQ(ErrorName(answer.status()), "org.x.UnitExists");
}

TEST(Connection, NobodyThereIsAnErrorWithThePath) {
  const auto connection = Connection::Connect({PeerKind::kBus, "/nonexistent/bus"});
  EXPECT_EQ(connection.status().message(), "D-Bus: connect to /nonexistent/bus: No such file or directory");
}

}  // namespace
}  // namespace runsc::dbus
