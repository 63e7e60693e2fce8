// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/assemble.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "millrace/api/host.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/exec/detect.h"
#include "millrace/host/credentials.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/version.h"
#include "millrace/log/log.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/remote_link.h"
#include "millrace/serve/process_watch.h"

namespace millrace::host {
namespace {

// "cmake=3.25.1" or "docker".
Tool ToolOf(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos) return {text, ""};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Offer OfferOf(const Options& options, const Registry& registry) {
  const exec::Machine machine = exec::DetectMachine();
  Offer offer;
  offer.os = options.os.empty() ? machine.os : options.os;
  offer.arch = options.arch.empty() ? machine.arch : options.arch;
  offer.cpus = options.max_parallel_modules != 0 ? options.max_parallel_modules : machine.cpus;
  offer.memory = options.memory != 0 ? options.memory : machine.memory;
  offer.tags = options.tags;
  offer.resources = options.resources;
  offer.modules = registry.Offered();
  for (const std::string& text : options.installed_tools) offer.tools.push_back(ToolOf(text));
  if (options.detect_tools) {
    for (const exec::InstalledTool& found : exec::DetectTools()) {
      bool said = false;  // what somebody says beats what is found
      for (const Tool& tool : offer.tools) said |= tool.name == found.name;
      if (!said) offer.tools.push_back({found.name, found.version});
    }
  }
  return offer;
}

}  // namespace

std::string Version() { return kVersion; }

serve::BrokerOptions BrokerOptionsOf(const Options& options, bool with_network) {
  serve::BrokerOptions broker;
  broker.data_dir = options.data_dir;
  broker.cache = !options.no_cache;
  broker.durability = options.durability;
  broker.history = options.history;
  broker.history_limits = {.age = options.history_age,
                           .runs = options.history_runs,
                           .bytes = static_cast<std::uint64_t>(options.history_size)};
  // As if it had been killed: workers keep what they have, and the next broker goes on from what is on disk.
  broker.on_disk_failure = [](const absl::Status&) { _exit(kDisk); };
  broker.on_open_gate = [](const absl::Status& status) {
    log::Error("%s", TextOf(status));
    _exit(kOurFault);
  };
  sched::Config& brain = broker.brain;
  brain.version = Version();
  brain.heartbeat_interval = options.worker_heartbeat_interval;
  brain.lease = options.worker_heartbeat_timeout;
  brain.capability_timeout = options.capability_timeout;
  brain.execution_timeout = options.remote_execution_timeout;
  brain.max_retry_attempts = options.max_retry_attempts;
  brain.crash_limit = options.crash_limit;
  brain.expect_workers = options.expect_workers;
  brain.max_payload = static_cast<std::uint64_t>(options.max_payload_size);
  brain.compression = options.enable_compression;
  brain.prefer_local = options.prefer_local_execution;
  brain.prefetch_limit = options.prefetch_limit;
  brain.run_retention = options.run_retention;
  brain.runs_kept = options.runs_kept;
  if (!with_network) {
    brain.expect_workers = 0;
    return broker;
  }
  serve::BrokerNetwork& network = broker.network.emplace();
  network.bind = options.bind;
  network.port = options.orchestrator_port;
  network.http = options.http;
  network.http_port = options.http_port;
  network.http_bind = options.http_bind;
  network.keys_dir = options.keys_dir;
  network.insecure_allow_plaintext_on = options.insecure_allow_plaintext_on;
  return broker;
}

// A folder that is not there is a mistake to hear of at the start, not from a task that fails.
absl::StatusOr<exec::SecretSource> SecretsOf(const Options& options) {
  exec::SecretSource source{.directory = {}, .environment = options.secrets_from_env};
  if (options.secrets_dir.empty()) return source;
  std::error_code error;
  source.directory = std::filesystem::canonical(options.secrets_dir, error).string();
  if (!error && !std::filesystem::is_directory(source.directory, error))
    error = std::error_code(ENOTDIR, std::generic_category());
  if (error) return ErrnoStatus(error.value(), absl::StrFormat("--secrets-dir %s", options.secrets_dir));
  return source;
}

absl::StatusOr<serve::WorkerOptions> WorkerOptionsOf(const Options& options, const Registry& registry, bool local,
                                                     const std::string& key_name) {
  serve::WorkerOptions worker;
  std::error_code error;
  const auto work_dir = std::filesystem::canonical(options.work_dir, error);
  if (error) return ErrnoStatus(error.value(), absl::StrFormat("--work-dir %s", options.work_dir));
  agent::Config& brain = worker.brain;
  brain.host = serve::HostName();
  brain.pid = static_cast<std::uint32_t>(getpid());
  brain.name = options.worker_id;
  if (brain.name.empty()) brain.name = local ? "local" : DefaultWorkerId();
  // A key speaks for ids that begin with its name.
  if (options.worker_id.empty() && !key_name.empty() && brain.name != key_name)
    brain.name = key_name + "." + brain.name;
  brain.incarnation = Incarnation{EntropyFromSystem() | 1};  // never 0, which means none
  brain.version = Version();
  brain.local = local;
  brain.offer = OfferOf(options, registry);
  brain.work_dir = work_dir.string();
  brain.seed = EntropyFromSystem();
  brain.broker_lost_timeout = options.broker_lost_timeout;
  brain.kill_grace = options.kill_grace;
  brain.drain_timeout = options.drain_timeout;
  worker.store = {.folder = std::filesystem::absolute(options.store, error),  // "" stays so
                  .limit_bytes = static_cast<std::uint64_t>(options.store_limit)};
  worker.registry = &registry;
  worker.host_args = {kModuleHostWord};
  worker.in_process = options.in_process;
  worker.confinement = {.new_privileges = options.new_privileges, .limits = options.task_limits};
  MILLRACE_RETURN_IF_ERROR(exec::CheckTaskLimits(options.task_limits));
  MILLRACE_ASSIGN_OR_RETURN(worker.secrets, SecretsOf(options));
  brain.hosts_only = !options.task_limits.empty();
  // A worker beside its broker ends with it. One without an id of its own has no successor that would look there.
  if (!local && !options.worker_id.empty() && !options.state_dir.empty()) {
    worker.state_dir = std::filesystem::path(options.state_dir) / "workers" / options.worker_id;
  }
  return worker;
}

absl::StatusOr<RemoteBroker> Dial(net::SocketContext& context, const Options& options, bool changes) {
  if (options.orchestrator_url.empty()) {
    return FailedPrecondition(
        "which broker? give --orchestrator tcp://HOST:PORT, or set ORCHESTRATOR_URL (start one with millrace-broker)");
  }
  MILLRACE_ASSIGN_OR_RETURN(net::Endpoint control, net::ParseOrchestratorUrl(options.orchestrator_url));
  if (!options.key_file.empty()) MILLRACE_RETURN_IF_ERROR(UseKeyFile(context, options).status());
  RemoteBroker broker;
  net::RemoteLinkOptions link;
  link.insecure_allow_plaintext_on = options.insecure_allow_plaintext_on;
  link.changes = changes;
  MILLRACE_ASSIGN_OR_RETURN(broker.link, net::ConnectRemote(context, control, link));
  broker.blobs = std::make_unique<net::BulkClient>(context, control, options.insecure_allow_plaintext_on);
  return broker;
}

client::ClientOptions ClientOptionsOf(const Options& options) {
  client::ClientOptions client;
  client.version = Version();
  client.compression = options.enable_compression;
  return client;
}

absl::Status WriteReadyFile(const std::string& file, const std::string& endpoint) {
  if (file.empty()) return absl::OkStatus();
  const std::string temporary = file + ".tmp";
  {
    std::ofstream out(temporary, std::ios::trunc);
    out << endpoint << "\n";
    if (!out.flush()) return ErrnoStatus(errno, temporary);
  }
  if (std::rename(temporary.c_str(), file.c_str()) != 0) return ErrnoStatus(errno, file);
  return absl::OkStatus();
}

}  // namespace millrace::host
