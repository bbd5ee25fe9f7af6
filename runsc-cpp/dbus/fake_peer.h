// A D-Bus daemon for tests: one thread, one connection at a time.
#ifndef RUNSC_CPP_DBUS_FAKE_PEER_H_
#define RUNSC_CPP_DBUS_FAKE_PEER_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "runsc-cpp/dbus/message.h"

namespace runsc::dbus {

class FakePeer {
 public:
  // Called for each method call, on the peer's thread; what it returns is
  // sent. Reply() and Error() fill in what belongs to an answer.
  using Handler = std::function<std::vector<Message>(const Message& call)>;

  explicit FakePeer(Handler handler);
  ~FakePeer();
  FakePeer(const FakePeer&) = delete;
  FakePeer& operator=(const FakePeer&) = delete;

  const std::string& path() const { return path_; }
  // To be read once the client is gone.
  const std::string& auth() const { return auth_; }

  static Message Reply(const Message& call, std::string signature = "", std::string body = "");
  static Message Error(const Message& call, std::string name, std::string text);

 private:
  void Serve();
  void Talk(int fd);

  Handler handler_;
  std::string directory_, path_, auth_;
  base::UniqueFd listener_;
  std::thread thread_;
};

}  // namespace runsc::dbus

#endif  // RUNSC_CPP_DBUS_FAKE_PEER_H_
