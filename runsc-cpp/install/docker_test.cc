#include "runsc-cpp/install/docker.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace runsc {
namespace {

constexpr char kFile[] = "/etc/docker/daemon.json";
constexpr char kBusy[] = R"({
    "log-driver": "json-file",
    "max-concurrent-downloads": 18446744073709551615,
    "ratio": 1.50e3,
    "features": {"buildkit": true, "none": null},
    "runtimes": {
        "other": {"path": "/bin/other"}
    },
    "empty": [], "list": ["a", {"b": "\u003c"}]
})";
constexpr char kAdded[] = R"({
    "log-driver": "json-file",
    "max-concurrent-downloads": 18446744073709551615,
    "ratio": 1.50e3,
    "features": {
        "buildkit": true,
        "none": null
    },
    "runtimes": {
        "other": {
            "path": "/bin/other"
        },
        "runsc-cpp": {
            "path": "/usr/local/bin/runsc-cpp",
            "runtimeArgs": [
                "--debug"
            ]
        }
    },
    "empty": [],
    "list": [
        "a",
        {
            "b": "\u003c"
        }
    ]
}
)";

RuntimeEntry Entry() {
  RuntimeEntry entry;
  entry.name = "runsc-cpp";
  entry.binary = "/usr/local/bin/runsc-cpp";
  entry.args = {"--debug"};
  return entry;
}

TEST(Docker, KeepsAllElse) {
  const auto added = AddToDocker(kBusy, kFile, Entry());
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(*added, kAdded);
}

TEST(Docker, WhatChangesNothingStaysByteForByte) {
  EXPECT_EQ(*AddToDocker(kAdded, kFile, Entry()), kAdded);
  const char unformatted[] =
      "{\"runtimes\":{\"runsc-cpp\":{\"path\":\"/usr/local/bin/runsc-cpp\",\"runtimeArgs\":[\"--debug\"]}}}";
  EXPECT_EQ(*AddToDocker(unformatted, kFile, Entry()), unformatted);
  EXPECT_EQ(*RemoveFromDocker(kBusy, kFile, "runsc-cpp"), kBusy);
}

TEST(Docker, AnEmptyFileBecomesAWholeOne) {
  RuntimeEntry entry = Entry();
  entry.args.clear();
  EXPECT_EQ(*AddToDocker(" \n", kFile, entry),
            "{\n    \"runtimes\": {\n        \"runsc-cpp\": {\n            \"path\": \"/usr/local/bin/runsc-cpp\"\n"
            "        }\n    }\n}\n");
}

TEST(Docker, RemovalTakesAnEmptyMapAlong) {
  EXPECT_FALSE(absl::StrContains(*RemoveFromDocker(kAdded, kFile, "runsc-cpp"), "runsc-cpp"));
  EXPECT_EQ(*RemoveFromDocker(*AddToDocker("{\"a\": 1}", kFile, Entry()), kFile, "runsc-cpp"), "{\n    \"a\": 1\n}\n");
}

TEST(Docker, TheDefaultRuntimeIsNotRemoved) {
  EXPECT_EQ(RemoveFromDocker("{\"default-runtime\": \"x\", \"runtimes\": {\"x\": {}}}", kFile, "x").status().message(),
            "/etc/docker/daemon.json: default-runtime is \"x\": choose another one first");
}

TEST(Docker, WhatIsNoConfigurationIsRefused) {
  EXPECT_EQ(AddToDocker("[]", kFile, Entry()).status().message(), "/etc/docker/daemon.json: not a JSON object");
  EXPECT_EQ(AddToDocker("{\"runtimes\": 1}", kFile, Entry()).status().message(),
            "/etc/docker/daemon.json: runtimes is not an object");
  EXPECT_FALSE(AddToDocker("{", kFile, Entry()).ok());
}

}  // namespace
}  // namespace runsc
