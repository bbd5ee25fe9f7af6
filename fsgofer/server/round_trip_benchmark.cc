// What a message costs: client and server in two processes, as in use.
#include <unistd.h>

#include <memory>

#include "benchmark/benchmark.h"
#include "fsgofer/protocol/client.h"
#include "fsgofer/protocol/transport.h"
#include "fsgofer/server/server.h"

namespace fsgofer {
namespace {

// One gofer over /usr for all benchmarks, outside of a jail (the jail changes
// nothing in a call).
struct Fixture {
  Fixture() {
    ConnectionFds fds = std::move(MakeConnection(4)).value();
    if (fork() == 0) {
      fds.client = {};
      std::vector<Export> exports;
      exports.push_back(std::move(OpenExport("/usr", true)).value());
      Session session(std::move(exports), DefaultLimits());
      auto server = std::move(ChannelServer::Start(session, std::move(fds.server))).value();
      server->Open();
      server->AwaitPeerGone();
      _exit(0);
    }
    fds.server = {};
    client = std::move(Client::Create(std::move(fds.client))).value();
    root = client->Attach(0)->node;
  }
  std::unique_ptr<Client> client;
  NodeId root = 0;
};

Fixture& Gofer() {
  static Fixture* fixture = new Fixture();
  return *fixture;
}

void BM_GetAttr(benchmark::State& state) {
  Fixture& g = Gofer();
  for (auto _ : state) benchmark::DoNotOptimize(g.client->GetAttr(g.root));
}
BENCHMARK(BM_GetAttr)->UseRealTime();

void BM_Walk(benchmark::State& state) {
  Fixture& g = Gofer();
  const std::string_view names[] = {"bin", "env"};
  const OpenMode mode = state.range(0) != 0 ? OpenMode::kReadOnly : OpenMode::kNone;
  for (auto _ : state) {
    auto r = g.client->Walk(g.root, names, mode);
    if (!r.ok() || r->steps.size() != 2) return state.SkipWithError("walk failed");
  }
}
BENCHMARK(BM_Walk)->ArgName("open")->Arg(0)->Arg(1)->UseRealTime();

void BM_ReadDir(benchmark::State& state) {
  Fixture& g = Gofer();
  const std::string_view name = "bin";
  const NodeId bin = g.client->Walk(g.root, {&name, 1})->steps[0].node;
  size_t entries = 0;
  for (auto _ : state) entries += g.client->ReadDir(bin, 0)->entries.size();
  state.SetItemsProcessed(static_cast<int64_t>(entries));
}
BENCHMARK(BM_ReadDir)->UseRealTime();

}  // namespace
}  // namespace fsgofer
