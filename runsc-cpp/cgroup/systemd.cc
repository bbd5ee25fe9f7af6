#include "runsc-cpp/cgroup/systemd.h"

#include <stdlib.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace runsc::cgroup {
namespace {

using dbus::BodyReader;
using dbus::BodyWriter;
using dbus::Message;

constexpr char kName[] = "org.freedesktop.systemd1";
constexpr char kPath[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
constexpr char kMode[] = "replace";
constexpr std::chrono::milliseconds kJobLimit(30'000);

}  // namespace

std::vector<dbus::Address> SystemAddresses() {
  return {{dbus::PeerKind::kDirect, "/run/systemd/private"},
          {dbus::PeerKind::kBus, "/run/dbus/system_bus_socket"},
          {dbus::PeerKind::kBus, "/var/run/dbus/system_bus_socket"}};
}

std::vector<dbus::Address> UserAddresses() {
  std::vector<dbus::Address> addresses;
  if (const char* const bus = getenv("DBUS_SESSION_BUS_ADDRESS")) addresses = dbus::ParseAddress(bus);
  if (const char* const runtime = getenv("XDG_RUNTIME_DIR")) {
    addresses.push_back({dbus::PeerKind::kBus, absl::StrCat(runtime, "/bus")});
    addresses.push_back({dbus::PeerKind::kDirect, absl::StrCat(runtime, "/systemd/private")});
  }
  return addresses;
}

int ParseSystemdVersion(absl::string_view text) {
  absl::ConsumePrefix(&text, "v");
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  int version;
  return absl::SimpleAtoi(text.substr(0, digits), &version) ? version : -1;
}

absl::StatusOr<std::unique_ptr<Systemd>> Systemd::Connect(const std::vector<dbus::Address>& addresses) {
  absl::Status last = absl::FailedPreconditionError(
      "could not detect DBUS_SESSION_BUS_ADDRESS from the environment; is a user session running?");
  for (const dbus::Address& address : addresses) {
    auto connection = dbus::Connection::Connect(address);
    if (!connection.ok()) {
      last = connection.status();
      continue;
    }
    std::unique_ptr<Systemd> systemd(new Systemd(*std::move(connection)));
    if (absl::Status s = systemd->Subscribe(); !s.ok()) return s;
    return systemd;
  }
  return absl::Status(last.code(), absl::StrCat("can't reach systemd: ", last.message()));
}

// So that JobRemoved reaches us. Its own socket sends it to everybody.
absl::Status Systemd::Subscribe() {
  if (connection_->kind() == dbus::PeerKind::kDirect) return absl::OkStatus();
  Message match;
  match.path = "/org/freedesktop/DBus";
  match.interface = match.destination = "org.freedesktop.DBus";
  match.member = "AddMatch";
  match.signature = "s";
  BodyWriter rule;
  rule.PutString(absl::StrCat("type='signal',sender='", kName, "',interface='", kManager, "',member='JobRemoved'"));
  match.body = rule.bytes();
  if (const auto answer = connection_->Call(std::move(match)); !answer.ok()) return answer.status();
  return Call("Subscribe", "", "").status();
}

absl::StatusOr<Message> Systemd::Call(const std::string& member, std::string signature, std::string body) {
  Message call;
  call.path = kPath;
  call.destination = kName;
  call.interface = kManager;
  call.member = member;
  call.signature = std::move(signature);
  call.body = std::move(body);
  return connection_->Call(std::move(call));
}

absl::StatusOr<std::string> Systemd::GetProperty(const std::string& name) {
  BodyWriter body;
  body.PutString(kManager);
  body.PutString(name);
  Message call;
  call.path = kPath;
  call.destination = kName;
  call.interface = "org.freedesktop.DBus.Properties";
  call.member = "Get";
  call.signature = "ss";
  call.body = body.bytes();
  const auto answer = connection_->Call(std::move(call));
  if (!answer.ok()) return answer.status();
  BodyReader reader(answer->body);
  dbus::Value value = reader.Variant();
  const auto* text = std::get_if<std::string>(&value);
  if (!reader.ok() || answer->signature != "v" || text == nullptr) {
    return absl::DataLossError(absl::StrCat("systemd's property ", name, " is no string"));
  }
  return *text;
}

int Systemd::Version() {
  if (version_ == 0) {
    const auto text = GetProperty("Version");
    version_ = text.ok() ? ParseSystemdVersion(*text) : -1;
  }
  return version_;
}

absl::StatusOr<std::string> Systemd::ControlGroup() { return GetProperty("ControlGroup"); }

absl::StatusOr<std::string> Systemd::JobResult(const Message& answer) {
  const std::string job = answer.signature == "o" ? BodyReader(answer.body).String() : "";
  if (job.empty()) return absl::DataLossError("systemd names no job");
  std::string result;
  const auto removed = connection_->WaitSignal(kJobLimit, [&](const Message& signal) {
    if (signal.interface != kManager || signal.member != "JobRemoved" || signal.signature != "uoss") return false;
    BodyReader body(signal.body);
    body.Uint32();  // the job's number
    const std::string path = body.String();
    body.String();  // its unit
    result = body.String();
    return body.ok() && path == job;
  });
  if (!removed.ok()) return removed.status();
  return result;
}

absl::Status Systemd::ResetFailed(const std::string& unit) {
  BodyWriter body;
  body.PutString(unit);
  return Call("ResetFailedUnit", "s", body.bytes()).status();
}

absl::Status Systemd::StartTransient(const std::string& unit, const std::vector<dbus::Property>& properties,
                                     IfExists if_exists) {
  BodyWriter body;
  body.PutString(unit);
  body.PutString(kMode);
  body.PutProperties(properties);
  body.EndArray(body.BeginArray(8));  // no auxiliary units
  connection_->ForgetSignals();
  auto answer = Call("StartTransientUnit", "ssa(sv)a(sa(sv))", body.bytes());
  if (absl::StrContains(dbus::ErrorName(answer.status()), "UnitExists")) {
    if (if_exists == IfExists::kAccept) return absl::OkStatus();
    // What a container of that name left when it failed.
    (void)ResetFailed(unit);
    answer = Call("StartTransientUnit", "ssa(sv)a(sa(sv))", body.bytes());
  }
  if (!answer.ok()) return answer.status();
  const auto result = JobResult(*answer);
  if (result.ok() && *result == "done") return absl::OkStatus();
  (void)ResetFailed(unit);
  if (!result.ok()) {
    return absl::Status(result.status().code(),
                        absl::StrCat("Timeout waiting for systemd to create ", unit, ": ", result.status().message()));
  }
  return absl::FailedPreconditionError(absl::StrCat("error creating systemd unit `", unit, "`: got `", *result, "`"));
}

absl::Status Systemd::Stop(const std::string& unit) {
  BodyWriter body;
  body.PutString(unit);
  body.PutString(kMode);
  connection_->ForgetSignals();
  const auto answer = Call("StopUnit", "ss", body.bytes());
  absl::Status status;
  if (answer.ok()) {
    // Whatever the result: what is left is removed as a directory.
    if (const auto result = JobResult(*answer); !result.ok()) {
      status = absl::Status(result.status().code(), absl::StrCat("Timed out while waiting for systemd to remove ", unit,
                                                                 ": ", result.status().message()));
    }
  } else if (!absl::StrContains(dbus::ErrorName(answer.status()), "NoSuchUnit")) {
    status = answer.status();
  }
  (void)ResetFailed(unit);
  return status;
}

absl::Status Systemd::Attach(const std::string& unit, absl::string_view below, pid_t pid) {
  BodyWriter body;
  body.PutString(unit);
  body.PutString(absl::StrCat("/", below));
  body.Put(std::vector<uint32_t>{static_cast<uint32_t>(pid)});
  return Call("AttachProcessesToUnit", "ssau", body.bytes()).status();
}

absl::Status Systemd::SetProperties(const std::string& unit, const std::vector<dbus::Property>& properties) {
  if (properties.empty()) return absl::OkStatus();
  BodyWriter body;
  body.PutString(unit);
  body.Put(true);  // "runtime"
  body.PutProperties(properties);
  return Call("SetUnitProperties", "sba(sv)", body.bytes()).status();
}

}  // namespace runsc::cgroup
