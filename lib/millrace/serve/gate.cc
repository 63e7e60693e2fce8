// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/gate.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "millrace/base/fail_point.h"
#include "millrace/base/fd.h"
#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/net/dealer.h"
#include "millrace/net/poller.h"
#include "millrace/net/zap.h"
#include "millrace/serve/clock.h"

namespace millrace::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTestPatience = std::chrono::seconds(20);
constexpr std::size_t kMostNews = 10'000;  // a flood of strangers must not fill the memory

struct Admitted {
  absl::flat_hash_map<std::string, std::shared_ptr<const Caller>> by_key;
  absl::flat_hash_map<std::string, std::shared_ptr<const Caller>> by_bearer;  // by its digest
};

// Which file it is, and in which state: a new list is a new file.
using Stamp = std::tuple<ino_t, off_t, std::int64_t, std::int64_t>;
Stamp StampOf(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  // The time of the last change of its mode, too: one that was refused may have been put right.
  return {info.st_ino, info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec,
          info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

std::shared_ptr<const Admitted> AdmittedBy(const keys::KeyList& list) {
  auto admitted = std::make_shared<Admitted>();
  for (const keys::AdmittedKey& key : list.keys) {
    if (key.revoked != 0) continue;
    auto caller = std::make_shared<const Caller>(Caller{key.role, key.name, key.public_key, key.tags});
    admitted->by_key[key.public_key] = caller;
    if (!key.bearer.empty()) admitted->by_bearer[key.bearer] = std::move(caller);
  }
  // Over or not: the bearer of an old token is told what is the matter with it.
  for (const keys::JoinToken& token : list.tokens) {
    if (token.revoked != 0) continue;
    admitted->by_key[token.public_key] =
        std::make_shared<const Caller>(Caller{Standing::kJoin, token.name, token.public_key, {}});
  }
  return admitted;
}

KeysChanged Difference(const Admitted& before, const Admitted& after) {
  KeysChanged changed;
  // Sorted, so that the log has an order.
  std::map<std::string, std::string> lines;
  for (const auto& [key, caller] : before.by_key) {
    const auto now = after.by_key.find(key);
    if (now != after.by_key.end() && *now->second == *caller) continue;
    changed.gone.push_back(key);
    lines[caller->name] = absl::StrFormat("-%s %s %s", StandingName(caller->standing), caller->name, key.substr(0, 8));
  }
  for (const auto& [key, caller] : after.by_key) {
    const auto old = before.by_key.find(key);
    if (old != before.by_key.end() && *old->second == *caller) continue;
    std::string& line = lines[caller->name];
    if (!line.empty()) line += ", ";
    line += absl::StrFormat("+%s %s %s", StandingName(caller->standing), caller->name, key.substr(0, 8));
  }
  for (auto& [name, line] : lines) changed.lines.push_back(std::move(line));
  return changed;
}

struct EndGate {};
struct TestGate {
  net::Endpoint control;
  std::shared_ptr<std::promise<absl::Status>> result;
};
struct JoinBy {
  PeerId peer;
  std::string token_key;
  Command command;
};
using Order = std::variant<EndGate, TestGate, JoinBy>;

}  // namespace

struct Gate::State {
  State(net::SocketContext& context_in, keys::Keyring keyring_in)
      : context(context_in), keyring(std::move(keyring_in)) {}

  void Run();
  bool Obey();  // false: the end
  void Answer();
  void Reload();
  void Join(const JoinBy& order);
  void BeginTest();
  void LookAtTest();
  void EndTest(const absl::Status& status);
  void Tell(GateNews item) { news.TryPush(std::move(item), kMostNews); }
  std::shared_ptr<const Admitted> Latest() const {
    const std::lock_guard lock(mutex);
    return admitted;
  }

  net::SocketContext& context;
  keys::Keyring keyring;
  std::function<void(const absl::Status&)> on_open;
  std::chrono::nanoseconds test_again{};
  std::unique_ptr<net::ZapSocket> zap;
  UniqueFd watch;
  net::Mailbox<GateNews> news;
  net::Mailbox<Order> orders;
  mutable std::mutex mutex;
  std::shared_ptr<const Admitted> admitted = std::make_shared<const Admitted>();
  Stamp stamp;
  bool troubled = false;

  net::Endpoint control;
  std::shared_ptr<std::promise<absl::Status>> first_result;
  std::unique_ptr<net::Dealer> stranger;
  std::string stranger_key;
  Clock::time_point test_at = Clock::time_point::max();  // begin it, or give it up
  std::thread thread;
};

void Gate::State::Reload() {
  const Stamp now = StampOf(keyring.list_file());
  if (now == stamp) return;
  stamp = now;
  const absl::StatusOr<keys::KeyList> list = keyring.Load();
  if (!list.ok()) {
    troubled = true;
    log::Error("keys: %s; who was admitted before still is", TextOf(list.status()));
    Tell(GateTrouble{list.status()});
    return;
  }
  if (std::exchange(troubled, false)) Tell(GateTrouble{});
  auto fresh = AdmittedBy(*list);
  KeysChanged changed = Difference(*Latest(), *fresh);
  {
    const std::lock_guard lock(mutex);
    admitted = std::move(fresh);
  }
  // Never dropped: a revocation must arrive.
  if (!changed.lines.empty()) news.Push(std::move(changed));
}

void Gate::State::Answer() {
  net::ZapRequest request;
  while (zap->Receive(request)) {
    const auto may = [&]() -> bool {
      const auto latest = Latest();
      const auto found = latest->by_key.find(request.public_key);
      if (found == latest->by_key.end()) return false;
      return found->second->standing != Standing::kJoin || request.domain == net::kControlDomain;
    };
    bool good = !request.public_key.empty() && may();
    if (!good && !request.public_key.empty()) {
      Reload();
      good = may();
    }
    if (good) {
      zap->Admit(request.public_key);
      continue;
    }
    zap->Refuse();
    // A token's bearer tries the other planes, too, before it has a key of its own.
    const bool foreseen = request.public_key == stranger_key || Latest()->by_key.contains(request.public_key);
    if (!foreseen) Tell(KeyRefused{request.address, request.public_key});
  }
}

void Gate::State::Join(const JoinBy& order) {
  JoinAnswered answered{order.peer, {}};
  answered.answer.request = order.command.request;
  const absl::Status status = keyring.Update([&](keys::KeyList& list) -> absl::Status {
    const std::int64_t now = UnixMs() / 1000;
    MILLRACE_ASSIGN_OR_RETURN(const keys::AdmittedKey key,
                              keys::Join(list, order.token_key, order.command.target, order.command.reason, now));
    answered.answer.lines = {key.name, std::string(StandingName(key.role))};
    return absl::OkStatus();
  });
  FailPoint("gate.joined");
  answered.answer.code = static_cast<std::int32_t>(status.code());
  if (!status.ok()) answered.answer.message = TextOf(status);
  Reload();  // before the answer, upon which it comes with its own key
  Tell(std::move(answered));
}

void Gate::State::BeginTest() {
  stranger.reset();
  const auto pair = net::MakeKeyPair();
  if (!pair.ok()) return EndTest(pair.status());
  net::DealerOptions options;
  options.keys = net::SocketKeys{*pair, context.keys()->own.public_key};
  stranger_key = pair->public_key;
  auto dealer = net::Dealer::Connect(context, control, options);
  if (!dealer.ok()) return EndTest(dealer.status());
  stranger = *std::move(dealer);
  test_at = Clock::now() + kTestPatience;
}

void Gate::State::LookAtTest() {
  for (const net::ConnectionEvent& event : stranger->TakeConnectionEvents()) {
    if (event.kind == net::ConnectionEvent::Kind::kConnected) {
      return EndTest(Internal("a key that is on no list was let in: the broker is open to everybody"));
    }
    if (event.refused) return EndTest(absl::OkStatus());
  }
}

void Gate::State::EndTest(const absl::Status& status) {
  stranger.reset();
  test_at = Clock::now() + test_again;
  const bool open = status.code() == absl::StatusCode::kInternal;
  if (first_result) {
    std::exchange(first_result, nullptr)->set_value(status);
  } else if (open) {
    on_open(status);
  } else if (!status.ok()) {
    log::Warning("keys: the self-test could not be done: %s", TextOf(status));
  }
}

bool Gate::State::Obey() {
  std::vector<Order> taken;
  orders.DrainInto(taken);
  for (Order& order : taken) {
    if (std::holds_alternative<EndGate>(order)) return false;
    if (const auto* join = std::get_if<JoinBy>(&order)) {
      Join(*join);
    } else if (auto* test = std::get_if<TestGate>(&order)) {
      control = std::move(test->control);
      first_result = std::move(test->result);
      BeginTest();
    }
  }
  return true;
}

void Gate::State::Run() {
  net::Poller poller;
  while (true) {
    std::vector<net::PollItem> items(3);
    items[0].socket = zap->native();
    items[1].fd = watch.get();
    items[2].fd = orders.fd();
    if (stranger) items.emplace_back().fd = stranger->wake_fd();
    const auto ready = poller.Wait(items, test_at);
    if (!ready.ok()) log::Error("keys: %s", TextOf(ready.status()));
    Answer();
    if (items[1].readable) {
      char events[4096];
      while (::read(watch.get(), events, sizeof events) > 0) {
      }
      Reload();
    }
    if (!Obey()) return;
    if (stranger) LookAtTest();
    if (Clock::now() < test_at) continue;
    if (stranger) {
      EndTest(Unavailable("a foreign key got no answer within %s", FormatDuration(kTestPatience)));
    } else {
      BeginTest();
    }
  }
}

Gate::Gate(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<Gate>> Gate::Start(net::SocketContext& context, keys::Keyring keyring,
                                                  std::function<void(const absl::Status&)> on_open,
                                                  std::chrono::nanoseconds test_again) {
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyFile own, keyring.Broker());
  MILLRACE_RETURN_IF_ERROR(keyring.Load().status());
  context.UseKeys(net::SocketKeys{own.pair, own.pair.public_key});
  auto state = std::make_unique<State>(context, std::move(keyring));
  state->on_open = std::move(on_open);
  state->test_again = test_again;
  state->watch = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const auto folder = state->keyring.folder().string();
  constexpr std::uint32_t kWatched = IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ATTRIB;
  if (!state->watch.valid() || ::inotify_add_watch(state->watch.get(), folder.c_str(), kWatched) < 0) {
    return ErrnoStatus(errno, "watching " + folder);
  }
  MILLRACE_ASSIGN_OR_RETURN(state->zap, net::ZapSocket::Bind(context));
  state->Reload();
  std::vector<GateNews> at_start;
  state->news.DrainInto(at_start);  // nobody was here before
  state->thread = std::thread([raw = state.get()] { raw->Run(); });
  return std::unique_ptr<Gate>(new Gate(std::move(state)));
}

Gate::~Gate() {
  state_->orders.Push(EndGate{});
  state_->thread.join();
}

absl::Status Gate::Test(const net::Endpoint& control) {
  net::Endpoint reachable = control;
  if (reachable.host == "*" || reachable.host == "0.0.0.0") reachable.host = "127.0.0.1";
  if (reachable.host == "::") reachable.host = "::1";
  auto result = std::make_shared<std::promise<absl::Status>>();
  auto told = result->get_future();
  state_->orders.Push(TestGate{reachable, std::move(result)});
  return Annotate(told.get(), "the self-test of the keys");
}

std::shared_ptr<const Caller> Gate::Find(std::string_view public_key) const {
  const auto latest = state_->Latest();
  const auto found = latest->by_key.find(std::string(public_key));
  return found == latest->by_key.end() ? nullptr : found->second;
}

std::shared_ptr<const Caller> Gate::FindBearer(std::string_view bearer) const {
  const auto latest = state_->Latest();
  const auto found = latest->by_bearer.find(keys::BearerDigest(bearer));
  return found == latest->by_bearer.end() ? nullptr : found->second;
}

void Gate::Join(PeerId peer, const std::string& token_key, Command command) {
  state_->orders.Push(JoinBy{peer, token_key, std::move(command)});
}

net::Mailbox<GateNews>& Gate::news() { return state_->news; }

}  // namespace millrace::serve
