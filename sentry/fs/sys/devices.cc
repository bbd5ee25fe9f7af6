// /sys/devices/virtual, and the names of the same devices in /sys/class and /sys/dev.
#include <functional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/sys/sys_node.h"

namespace sentry {
namespace {

using base::Result;

// A class and its devices, all under devices/virtual.
struct SysDevice {
  const char* name;
  uint32_t major, minor;
  uint32_t mode;  // of its node in /dev
};
struct SysClass {
  const char* name;
  std::span<const SysDevice> devices;
};

constexpr SysDevice kMemoryDevices[] = {
    {"full", 1, 7, 0666}, {"null", 1, 3, 0666}, {"random", 1, 8, 0666}, {"urandom", 1, 9, 0666}, {"zero", 1, 5, 0666}};
constexpr SysDevice kTerminals[] = {{"ptmx", 5, 2, 0666}, {"tty", 5, 0, 0666}};
constexpr SysClass kCharClasses[] = {{"mem", kMemoryDevices}, {"tty", kTerminals}};

SysNodes DeviceEntries(const SysDevice& device, const char* class_name) {
  const std::string uevent = absl::StrFormat("MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVMODE=%04o", device.major, device.minor,
                                             device.name, device.mode);
  return {Constant("dev", absl::StrCat(device.major, ":", device.minor)),
          Link("subsystem", absl::StrCat("../../../../class/", class_name)), Constant("uevent", uevent)};
}

SysNode VirtualClass(const SysClass& devices) {
  return Directory(devices.name, [&devices](const SysSource&) {
    SysNodes nodes;
    for (const SysDevice& device : devices.devices) {
      nodes.push_back(Directory(device.name, [&](const SysSource&) { return DeviceEntries(device, devices.name); }));
    }
    return nodes;
  });
}

SysNode Class(const SysClass& devices) {
  return Directory(devices.name, [&devices](const SysSource&) {
    SysNodes nodes;
    for (const SysDevice& device : devices.devices) {
      nodes.push_back(Link(device.name, absl::StrCat("../../devices/virtual/", devices.name, "/", device.name)));
    }
    return nodes;
  });
}

SysNodes CharNumbers(const SysSource&) {
  SysNodes nodes;
  for (const SysClass& devices : kCharClasses) {
    for (const SysDevice& device : devices.devices) {
      nodes.push_back(Link(absl::StrCat(device.major, ":", device.minor),
                           absl::StrCat("../../devices/virtual/", devices.name, "/", device.name)));
    }
  }
  return nodes;
}

// --- Network interfaces ---

std::string AddressText(const std::vector<uint8_t>& address) {
  std::string out;
  for (const uint8_t byte : address) absl::StrAppendFormat(&out, "%s%02x", out.empty() ? "" : ":", byte);
  return out;
}

constexpr uint32_t kIffUp = 1, kIffRunning = 0x40, kIffLowerUp = 1 << 16, kIffDormant = 1 << 17;
// Those that only the kernel derives: SIOCGIFFLAGS shows them, sysfs does not.
constexpr uint32_t kDerivedFlags = kIffRunning | kIffLowerUp | kIffDormant;

using NetText = std::function<Result<std::string>(const NetDevice&)>;

// Read afresh each time: the interface may have changed, or gone.
SysNode NetAttribute(const char* attribute, const std::string& device, NetText text) {
  return Attribute(attribute, [device, text = std::move(text)](const SysSource& source) -> Result<std::string> {
    for (const NetDevice& d : source.net->List()) {
      if (d.name == device) return TRY(text(d)) + "\n";
    }
    return base::Errno::kENODEV;
  });
}

struct NetRow {
  const char* name;
  Result<std::string> (*text)(const NetDevice&);
};
using Text = Result<std::string>;
constexpr NetRow kNetRows[] = {
    {"addr_len", [](const NetDevice& d) -> Text { return absl::StrCat(d.address.size()); }},
    {"address", [](const NetDevice& d) -> Text { return AddressText(d.address); }},
    {"broadcast", [](const NetDevice& d) -> Text { return AddressText(d.broadcast); }},
    {"carrier",
     [](const NetDevice& d) -> Text {
       if ((d.flags & kIffUp) == 0) return base::Errno::kEINVAL;
       return std::string(d.operstate == "down" ? "0" : "1");
     }},
    {"dev_id", [](const NetDevice&) -> Text { return std::string("0x0"); }},
    {"dev_port", [](const NetDevice&) -> Text { return std::string("0"); }},
    {"dormant",
     [](const NetDevice& d) -> Text {
       if ((d.flags & kIffUp) == 0) return base::Errno::kEINVAL;
       return std::string(d.operstate == "dormant" ? "1" : "0");
     }},
    {"duplex",
     [](const NetDevice& d) -> Text {
       if (!d.speed_mbps) return base::Errno::kEINVAL;
       return std::string("full");
     }},
    {"flags", [](const NetDevice& d) -> Text { return absl::StrFormat("0x%x", d.flags & ~kDerivedFlags); }},
    {"ifindex", [](const NetDevice& d) -> Text { return absl::StrCat(d.index); }},
    {"iflink", [](const NetDevice& d) -> Text { return absl::StrCat(d.link_index); }},
    {"link_mode", [](const NetDevice&) -> Text { return std::string("0"); }},
    {"mtu", [](const NetDevice& d) -> Text { return absl::StrCat(d.mtu); }},
    {"netdev_group", [](const NetDevice&) -> Text { return std::string("0"); }},
    {"operstate", [](const NetDevice& d) -> Text { return d.operstate; }},
    {"speed",
     [](const NetDevice& d) -> Text {
       if (!d.speed_mbps) return base::Errno::kEINVAL;
       return absl::StrCat(*d.speed_mbps);
     }},
    {"tx_queue_len", [](const NetDevice& d) -> Text { return absl::StrCat(d.tx_queue_length); }},
    {"type", [](const NetDevice& d) -> Text { return absl::StrCat(d.type); }},
    {"uevent", [](const NetDevice& d) -> Text { return absl::StrCat("INTERFACE=", d.name, "\nIFINDEX=", d.index); }},
};

SysNode Statistics(const std::string& device) {
  return Directory("statistics", [device](const SysSource&) {
    SysNodes nodes;
    for (size_t i = 0; i < kNetStatistics.size(); ++i) {
      nodes.push_back(NetAttribute(kNetStatistics[i], device, [i](const NetDevice& d) -> Text {
        if (!d.statistics) return base::Errno::kENODEV;
        return absl::StrCat((*d.statistics)[i]);
      }));
    }
    return nodes;
  });
}

SysNode NetDirectory(const NetDevice& device) {
  return Directory(device.name, [name = device.name, counted = device.statistics.has_value()](const SysSource&) {
    SysNodes nodes;
    for (const NetRow& row : kNetRows) nodes.push_back(NetAttribute(row.name, name, row.text));
    nodes.push_back(Link("subsystem", "../../../../class/net"));
    if (counted) nodes.push_back(Statistics(name));
    return nodes;
  });
}

SysNodes NetDirectories(const SysSource& source) {
  SysNodes nodes;
  for (const NetDevice& device : source.net->List()) nodes.push_back(NetDirectory(device));
  return nodes;
}

SysNodes NetLinks(const SysSource& source) {
  SysNodes nodes;
  for (const NetDevice& device : source.net->List()) {
    nodes.push_back(Link(device.name, absl::StrCat("../../devices/virtual/net/", device.name)));
  }
  return nodes;
}

SysNodes Virtual(const SysSource&) {
  SysNodes nodes = {ChangingDirectory("net", NetDirectories)};
  for (const SysClass& devices : kCharClasses) nodes.push_back(VirtualClass(devices));
  return nodes;
}

SysNodes Classes(const SysSource&) {
  SysNodes nodes = {EmptyDirectory("block"), ChangingDirectory("net", NetLinks)};
  for (const SysClass& devices : kCharClasses) nodes.push_back(Class(devices));
  return nodes;
}

}  // namespace

SysNode SysVirtualDevices() { return Directory("virtual", Virtual); }
SysNode SysClasses() { return Directory("class", Classes); }
SysNode SysDeviceNumbers() {
  return Directory("dev", [](const SysSource&) -> SysNodes {
    return {EmptyDirectory("block"), Directory("char", CharNumbers)};
  });
}

}  // namespace sentry
