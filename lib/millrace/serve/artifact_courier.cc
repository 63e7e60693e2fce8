// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/artifact_courier.h"

#include <system_error>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_join.h"
#include "millrace/base/fail_point.h"
#include "millrace/base/status.h"
#include "millrace/content/bundle.h"
#include "millrace/content/collect.h"
#include "millrace/content/place.h"
#include "millrace/log/log.h"

namespace millrace::serve {
namespace {

// Each content once, without what is empty: that needs no transfer.
std::vector<content::Blob> BlobsOf(const content::Tree& tree) {
  std::vector<content::Blob> blobs;
  absl::flat_hash_set<Digest> seen;
  for (const content::TreeEntry& entry : tree.entries) {
    if (entry.is_file() && seen.insert(entry.digest).second) blobs.push_back({entry.digest, entry.size});
  }
  return blobs;
}

absl::Status CheckContent(const Produce& produce, const content::Tree& tree) {
  if (produce.may_be_empty || content::BytesOf(tree) > 0) return absl::OkStatus();
  return FailedPrecondition("what matches %s has no content (say may_be_empty if that is as it should be)",
                            absl::StrJoin(produce.paths, ", "));
}

}  // namespace

absl::StatusOr<content::ContentStore*> ArtifactCourier::Open() {
  // Somebody may have cleaned up the folder under our feet: then it is made anew, and not failed in for ever.
  std::error_code error;
  if (store_ != nullptr && !std::filesystem::exists(where_.folder / "objects", error)) {
    log::Warning("the store of files in %s is gone; it is made anew", where_.folder.string());
    kept_ = {};
    store_ = nullptr;
  }
  if (store_ == nullptr) {
    auto opened = content::ContentStore::Open(where_.folder, {.limit_bytes = where_.limit_bytes});
    if (!opened.ok()) return Annotate(opened.status(), "the store of files (--store)");
    store_ = *std::move(opened);
    kept_ = store_->NoPins();
  }
  return store_.get();
}

absl::StatusOr<ArtifactTree> ArtifactCourier::HandOver(const Making& making, const StoreBlob& store_blob) {
  MILLRACE_ASSIGN_OR_RETURN(content::ContentStore* const store, Open());
  content::Pins pins = store->NoPins();
  MILLRACE_ASSIGN_OR_RETURN(const content::Tree bundle, TakeIn(making, *store, pins));
  FailPoint("artifacts.collected");
  const std::string manifest = content::EncodeTree(bundle);
  const ArtifactTree described = content::DescribeBundle(bundle, manifest);
  MILLRACE_RETURN_IF_ERROR(store->Put(manifest, pins).status());
  if (blobs_.keeps_artifacts()) {
    MILLRACE_RETURN_IF_ERROR(SendAll(bundle, *store, store_blob));
    MILLRACE_RETURN_IF_ERROR(store_blob(described.digest, Bytes(manifest)));
    FailPoint("artifacts.handed-over");
  } else {
    kept_.Take(std::move(pins));
  }
  return described;
}

absl::StatusOr<content::Tree> ArtifactCourier::TakeIn(const Making& making, content::ContentStore& store,
                                                      content::Pins& pins) {
  content::FileLimit limit;
  if (blobs_.keeps_artifacts()) limit = {making.max_file, "--max-payload-size of the broker"};
  std::vector<content::NamedTree> artifacts;
  for (const Produce& produce : making.produces) {
    const std::string what = "artifact '" + produce.name + "'";
    std::vector<content::Glob> globs;
    for (const std::string& path : produce.paths) {
      globs.push_back({.pattern = path, .demanded = !produce.may_be_empty});
    }
    auto collected = content::Collect(making.work_dir, globs, store, limit);
    if (!collected.ok()) return Annotate(collected.status(), what);
    if (absl::Status status = CheckContent(produce, collected->tree); !status.ok()) return Annotate(status, what);
    pins.Take(std::move(collected->pins));
    artifacts.push_back({produce.name, std::move(collected->tree)});
  }
  return content::Bundle(std::move(artifacts));
}

absl::Status ArtifactCourier::SendAll(const content::Tree& bundle, content::ContentStore& store,
                                      const StoreBlob& store_blob) {
  for (const content::Blob& blob : BlobsOf(bundle)) {
    if (blob.size == 0) continue;
    if (stopping_) return Error(absl::StatusCode::kCancelled, "the worker stops");
    auto bytes = store.Read(blob.digest, blob.size);
    // Damaged between two looks at it: not the task's fault.
    if (!bytes.ok()) return Error(absl::StatusCode::kDataLoss, "%s", TextOf(bytes.status()));
    MILLRACE_RETURN_IF_ERROR(store_blob(blob.digest, Bytes(*std::move(bytes))));
  }
  return absl::OkStatus();
}

absl::Status ArtifactCourier::Bring(std::span<const agent::Consumed> consumed, const std::filesystem::path& work_dir,
                                    absl::FunctionRef<bool()> may_place) {
  MILLRACE_ASSIGN_OR_RETURN(content::ContentStore* const store, Open());
  content::Pins pins = store->NoPins();
  MILLRACE_ASSIGN_OR_RETURN(const content::Tree tree, Wanted(consumed, *store, pins));
  const std::vector<content::Blob> blobs = BlobsOf(tree);
  // What turns out to be damaged here has been put aside, and is fetched anew, once.
  absl::Status status;
  for (int tries = 0; tries < 2; ++tries) {
    MILLRACE_RETURN_IF_ERROR(FetchMissing(blobs, *store, pins));
    if (tries == 0 && !may_place()) return absl::CancelledError("given up before its artifacts were here");
    status = content::PlaceTree(tree, *store, work_dir).status();
    if (status.code() != absl::StatusCode::kDataLoss && status.code() != absl::StatusCode::kNotFound) break;
  }
  return status;
}

absl::StatusOr<content::Tree> ArtifactCourier::Wanted(std::span<const agent::Consumed> consumed,
                                                      content::ContentStore& store, content::Pins& pins) {
  std::vector<content::Part> parts;
  for (const agent::Consumed& one : consumed) {
    const std::string what = "the artifacts of '" + one.task + "'";
    const content::Blob manifest{one.tree.digest, one.tree.size};
    absl::StatusOr<std::string> bytes;
    for (int tries = 0; tries < 2; ++tries) {
      const absl::Status fetched = FetchMissing({&manifest, 1}, store, pins);
      if (!fetched.ok()) return Annotate(fetched, what);
      bytes = store.Read(manifest.digest, manifest.size);
      if (bytes.status().code() != absl::StatusCode::kDataLoss) break;
    }
    if (!bytes.ok()) return Annotate(bytes.status(), what);
    const auto bundle = content::DecodeTree(*bytes);
    if (!bundle.ok()) return Annotate(bundle.status(), what);
    auto taken = content::TakeOut(*bundle, one.artifact, one.into);
    if (!taken.ok()) return Annotate(taken.status(), what);
    parts.push_back({.whose = "'" + one.task + "'", .tree = *std::move(taken)});
  }
  return content::Merge(std::move(parts));
}

absl::Status ArtifactCourier::FetchMissing(std::span<const content::Blob> blobs, content::ContentStore& store,
                                           content::Pins& pins) {
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::size_t> missing, store.PinAndFindMissing(blobs, pins));
  for (const std::size_t index : missing) {
    const content::Blob& blob = blobs[index];
    if (stopping_) return Error(absl::StatusCode::kCancelled, "the worker stops");
    absl::StatusOr<Bytes> bytes = Bytes();
    if (blob.size > 0 && !blobs_.keeps_artifacts()) {
      return Error(absl::StatusCode::kDataLoss, "a file of %d bytes is not in %s any more, or damaged", blob.size,
                   store.folder().string());
    }
    if (blob.size > 0) bytes = blobs_.Fetch(blob.digest, blob.size);
    if (!bytes.ok()) return Annotate(bytes.status(), absl::StrFormat("fetching %d bytes", blob.size));
    MILLRACE_ASSIGN_OR_RETURN(content::ContentStore::Draft draft, store.Begin());
    MILLRACE_RETURN_IF_ERROR(draft.Write(bytes->view()));
    MILLRACE_RETURN_IF_ERROR(draft.Publish(pins, &blob.digest).status());
  }
  return absl::OkStatus();
}

}  // namespace millrace::serve
