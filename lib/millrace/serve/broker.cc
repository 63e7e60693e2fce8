// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/broker.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "millrace/base/fail_point.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/exec/lock_file.h"
#include "millrace/log/log.h"
#include "millrace/net/topics.h"
#include "millrace/serve/broker_loop.h"
#include "millrace/serve/bulk_server.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/gate.h"
#include "millrace/serve/http.h"
#include "millrace/serve/local_blobs.h"
#include "millrace/store/epoch.h"
#include "millrace/store/journal.h"
#include "millrace/wire/frame.h"

namespace millrace::serve {
namespace {

namespace fs = std::filesystem;

// What a worker has handed over may be named by a report that is still to come, also from before a restart.
constexpr std::chrono::hours kHandOver{1};

absl::Status MakePrivateFolder(const fs::path& folder) {
  std::error_code error;
  const bool made = fs::create_directories(folder, error);
  if (error) return ErrnoStatus(error.value(), absl::StrFormat("--data-dir %s", folder.string()));
  // Results may be confidential. A folder that was there may be meant for others too, so it is only told.
  if (made && chmod(folder.c_str(), 0700) != 0) return ErrnoStatus(errno, folder.string());
  struct stat info {};
  if (!made && stat(folder.c_str(), &info) == 0 && (info.st_mode & 0077) != 0) {
    log::Warning("--data-dir %s is open to other users (mode %o); to keep results to yourself: chmod 700 %s",
                 folder.string(), info.st_mode & 07777, folder.string());
  }
  return absl::OkStatus();
}

// The cache is a help, not a need: trouble is said, and the run goes on without.
std::optional<store::ResultCache> OpenCache(const BrokerOptions& options) {
  if (!options.cache || options.data_dir.empty()) return std::nullopt;
  auto cache = store::ResultCache::Open(options.data_dir / "cache.sqlite");
  if (cache.ok()) return *std::move(cache);
  log::Warning("no result cache: %s", TextOf(cache.status()));
  return std::nullopt;
}

// Bearer tokens go over it as they are.
absl::Status WarnOfOpenHttp(const std::string& bind) {
  MILLRACE_ASSIGN_OR_RETURN(const bool loopback, net::IsLoopback({.host = bind}));
  if (!loopback) {
    log::Warning(
        "HTTP on %s is not encrypted, and whoever can listen in can read bearer tokens: put a proxy with TLS "
        "before it",
        bind);
  }
  return absl::OkStatus();
}

}  // namespace

struct Broker::State {
  std::unique_ptr<Gate> gate;  // before all that has sockets
  std::optional<exec::LockFile> lock;
  std::optional<store::BlobStore> blobs;
  net::LocalHub hub;
  SnapshotBoard board;
  std::string control_endpoint;
  Planes planes;
  std::unique_ptr<LocalBlobs> local_blobs;
  std::unique_ptr<BulkServer> bulk;
  std::unique_ptr<BrokerLoop> loop;
  std::unique_ptr<HttpServer> http;
  std::thread thread;

  absl::Status Restore(const BrokerOptions& options);
  absl::Status Bind(net::SocketContext& context, const BrokerNetwork& network, std::uint64_t max_payload,
                    BrokerSockets& sockets);
};

// What an earlier life has accepted, before anybody can ask for it.
absl::Status Broker::State::Restore(const BrokerOptions& options) {
  std::optional<std::set<Digest>> named(std::in_place);
  const fs::path file = options.data_dir / store::kJournalName;
  if (options.durability != Durability::kOff) {
    const auto sync = options.durability == Durability::kSync ? store::Sync::kFull : store::Sync::kNormal;
    MILLRACE_ASSIGN_OR_RETURN(store::Journal journal, store::Journal::Open(file, sync));
    MILLRACE_RETURN_IF_ERROR(loop->Restore(std::move(journal), options.durability, named));
  } else if (fs::exists(file)) {
    log::Warning("--durability off: the runs in %s are neither gone on with nor forgotten", file.string());
  }
  if (!named) {
    log::Warning("large results are not tidied up at this start: of some it could not be seen whether they are needed");
    return absl::OkStatus();
  }
  const absl::Status collected = blobs->Collect(options.blob_limit, *named, kHandOver);
  if (!collected.ok()) log::Warning("cannot tidy up large results: %s", TextOf(collected));
  return absl::OkStatus();
}

absl::Status Broker::State::Bind(net::SocketContext& context, const BrokerNetwork& network, std::uint64_t max_payload,
                                 BrokerSockets& sockets) {
  MILLRACE_ASSIGN_OR_RETURN(const net::Endpoint control, net::MakeBindEndpoint(network.bind, network.port));
  net::RouterOptions router;
  router.insecure_allow_plaintext_on = network.insecure_allow_plaintext_on;
  router.probe = Bytes(wire::EncodeMessage(Ping{}));
  MILLRACE_ASSIGN_OR_RETURN(sockets.control, net::Router::Bind(context, control, router));
  control_endpoint = sockets.control->endpoint().ToString();
  net::PubSubOptions pubsub;
  pubsub.insecure_allow_plaintext_on = network.insecure_allow_plaintext_on;
  MILLRACE_ASSIGN_OR_RETURN(const net::Endpoint heartbeat, net::PlaneEndpoint(control, net::Plane::kHeartbeat));
  const std::string beats(1, net::kBeatTopic);
  MILLRACE_ASSIGN_OR_RETURN(sockets.heartbeat, net::Subscriber::Bind(context, heartbeat, beats, pubsub));
  MILLRACE_ASSIGN_OR_RETURN(const net::Endpoint events, net::PlaneEndpoint(control, net::Plane::kEvents));
  MILLRACE_ASSIGN_OR_RETURN(sockets.events, net::Publisher::Bind(context, events, pubsub));
  MILLRACE_ASSIGN_OR_RETURN(const net::Endpoint bulk_endpoint, net::PlaneEndpoint(control, net::Plane::kBulk));
  BulkServer::Admits admits;
  if (gate) admits = [raw = gate.get()](const std::string& user) { return raw->Find(user) != nullptr; };
  router.zap_domain = net::kSideDomain;
  MILLRACE_ASSIGN_OR_RETURN(bulk, BulkServer::Start(context, bulk_endpoint, router, *blobs, max_payload, admits));
  planes.heartbeat = sockets.heartbeat->endpoint().ToString();
  planes.events = sockets.events->endpoint().ToString();
  planes.bulk = bulk->endpoint();
  if (gate) MILLRACE_RETURN_IF_ERROR(gate->Test(sockets.control->endpoint()));
  if (!network.http) return absl::OkStatus();
  Bearers bearers;
  if (gate) {
    bearers = [raw = gate.get()](std::string_view bearer) { return raw->FindBearer(bearer); };
    MILLRACE_RETURN_IF_ERROR(WarnOfOpenHttp(network.http_bind));
  } else {
    const net::Endpoint web{.host = network.http_bind, .port = 0};
    MILLRACE_RETURN_IF_ERROR(net::CheckPlaintextAllowed(web, network.insecure_allow_plaintext_on, true));
  }
  const int http_port = network.http_port >= 0 ? network.http_port : (network.port == 0 ? 0 : network.port + 10);
  MILLRACE_ASSIGN_OR_RETURN(http, HttpServer::Start(network.http_bind, http_port, board, std::move(bearers)));
  planes.http = http->url();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Broker>> Broker::Start(net::SocketContext* context, BrokerOptions options) {
  auto state = std::make_unique<State>();
  BrokerLoop::Parts parts;
  parts.brain = std::move(options.brain);
  parts.brain.unix_at_zero = UnixAtZero();
  parts.brain.seed = EntropyFromSystem();
  parts.log_limit = options.log_limit;
  parts.on_disk_failure = options.on_disk_failure;
  if (!options.data_dir.empty()) {
    MILLRACE_RETURN_IF_ERROR(MakePrivateFolder(options.data_dir));
    MILLRACE_ASSIGN_OR_RETURN(state->blobs, store::BlobStore::Open(options.data_dir / "blobs"));
    parts.blobs = state->blobs;
  }
  state->local_blobs = std::make_unique<LocalBlobs>(state->blobs, options.network.has_value());
  if (options.network) {
    if (options.data_dir.empty()) return InvalidArgument("a broker with a network needs --data-dir");
    MILLRACE_ASSIGN_OR_RETURN(state->lock, exec::LockFile::Acquire(options.data_dir / "lock"));
    MILLRACE_ASSIGN_OR_RETURN(parts.brain.epoch, store::RaiseEpoch(options.data_dir));
    MILLRACE_ASSIGN_OR_RETURN(parts.brain.identity, store::IdentityOf(options.data_dir, EntropyFromSystem()));
    parts.audit_file = options.data_dir / "audit.log";
    if (!options.network->keys_dir.empty()) {
      MILLRACE_ASSIGN_OR_RETURN(state->gate, Gate::Start(*context, keys::Keyring(options.network->keys_dir),
                                                         std::move(options.on_open_gate)));
      parts.gate = state->gate.get();
    }
  }
  parts.cache = OpenCache(options);
  if (options.network && options.history) {
    HistoryThread::Options& history = parts.history.emplace();
    history.file = options.data_dir / store::kHistoryName;
    history.limits = options.history_limits;
  }
  const std::uint64_t max_payload = parts.brain.max_payload;
  state->loop = std::make_unique<BrokerLoop>(std::move(parts), state->hub, state->board);
  if (options.network) {
    MILLRACE_RETURN_IF_ERROR(state->Restore(options));
    FailPoint("broker.restored");
    BrokerSockets sockets;
    MILLRACE_RETURN_IF_ERROR(state->Bind(*context, *options.network, max_payload, sockets));
    FailPoint("broker.bound");
    const std::string& insecure_on = options.network->insecure_allow_plaintext_on;
    state->loop->Connect(std::move(sockets), state->planes, insecure_on);
    if (!insecure_on.empty()) {
      log::Warning("INSECURE: plaintext is allowed on %s; anyone who reaches it can run commands as this user",
                   insecure_on);
    }
  }
  state->thread = std::thread([loop = state->loop.get()] { loop->Run(); });
  return std::unique_ptr<Broker>(new Broker(std::move(state)));
}

Broker::Broker(std::unique_ptr<State> state) : state_(std::move(state)) {}

Broker::~Broker() { Stop(Duration::zero()); }

void Broker::Stop(Duration patience) {
  if (!state_->thread.joinable()) return;
  state_->loop->AskStop(patience);
  state_->thread.join();
  state_->http.reset();
  state_->bulk.reset();
  state_->loop.reset();
}

std::unique_ptr<net::Link> Broker::ConnectLocal() { return state_->hub.Connect(); }
net::BlobAccess& Broker::local_blobs() { return *state_->local_blobs; }
const std::string& Broker::control_endpoint() const { return state_->control_endpoint; }
const Planes& Broker::planes() const { return state_->planes; }
const SnapshotBoard& Broker::board() const { return state_->board; }

}  // namespace millrace::serve
