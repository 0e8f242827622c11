#include "rapport/engine/curator.h"

#include <fmt/format.h>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/log.h"
#include "rapport/data/prepare.h"
#include "rapport/data/source.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/registry.h"

namespace rapport::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDemo = "ml-100k";
constexpr const char* kPopularity = "popularity";
// A training that is killed again and again (a machine that sleeps) is begun again: it goes on from
// its checkpoint. One that fails by itself fails each time, so that a few attempts are plenty.
constexpr std::int32_t kAttempts = 10;

std::string training_is_missing(const std::string& model) {
  return fmt::format(
      "this build cannot train {} (RAPPORT_TRAINING=OFF): train it with one that can "
      "and put the folder there",
      model);
}

// Not one that is made of others.
bool trains_by_itself(const std::string& model) {
  const auto kind = retrieval::find_retriever_kind(model);
  return !kind || !(*kind)->needs_options;  // of an unknown one the training says what is wrong
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

Curator::Curator(RecommendOptions options, CuratorPaths paths, store::Store& store,
                 CatalogueSlot& slot, const base::Clock& clock)
    : options_(std::move(options)),
      paths_(std::move(paths)),
      store_(store),
      slot_(slot),
      clock_(clock) {}

bool Curator::is_demo() const {
  return options_.dataset.empty() && !paths_.demo.empty();
}

fs::path Curator::dataset_path() const {
  if (is_demo()) return paths_.datasets / kDemo;
  if (options_.dataset.empty()) return {};
  if (options_.dataset.find('/') != std::string::npos) return options_.dataset;
  return paths_.datasets / options_.dataset;
}

fs::path Curator::model_path(const std::string& dataset) const {
  return paths_.retrievers / dataset / options_.model;
}

void Curator::open() {
  if (dataset_path().empty()) return;
  const auto opened = open_dataset();
  if (opened || (is_demo() && opened.error().code == ErrorCode::kNotFound)) return;
  base::log_warning("no recommendations", {{"error", opened.error().message}});
}

void Curator::start() {
  open();
  make_missing();
}

void Curator::make_missing() {
  const auto served = slot_.get();
  if (served == nullptr) {
    if (is_demo() && !is_there(dataset_path())) {
      enqueue(kPrepareDatasetJob, dataset_path().string(), {{"dataset", dataset_path().string()}});
    }
    return;
  }
  if (served->has_model() || options_.model == kPopularity || !options_.train) return;
  if (!trains_by_itself(options_.model)) return;
  // What is there and cannot be used may be somebody's: only what is missing is made.
  if (is_there(model_path(served->name())) || !retrieval::training_is_built()) return;
  enqueue(kTrainRetrieverJob, served->dataset()->catalogue_checksum() + options_.model,
          {{"dataset", dataset_path().string()}, {"model", options_.model}});
}

Result<void> Curator::open_dataset() {
  TRY(data::Dataset dataset, data::Dataset::open(dataset_path()));
  serve(std::make_shared<const data::Dataset>(std::move(dataset)));
  return {};
}

// True when it is the configured model that serves.
bool Curator::serve(std::shared_ptr<const data::Dataset> dataset) {
  std::shared_ptr<const retrieval::Retriever> model;
  std::string why;
  if (options_.model == kPopularity) {
    why = "recommend.model is popularity";
  } else if (auto loaded = retrieval::load_retriever(model_path(dataset->name()), *dataset)) {
    if ((*loaded)->items() >= options_.index_from) {
      slot_.put(
          ServedCatalogue::create(dataset, nullptr, "the index of the catalogue is being made"));
      const auto indexed = (*loaded)->index_items(options_.train_threads, options_.index_from);
      if (!(*loaded)->is_indexed())
        base::log_warning("the catalogue is scored whole, without an index",
                          {{"why", indexed ? "the model's scores are more than products"
                                           : indexed.error().message}});
    }
    model = *std::move(loaded);
  } else if (loaded.error().code != ErrorCode::kNotFound) {
    why = loaded.error().message;
    base::log_warning("popularity serves in place of a model", {{"error", why}});
  } else if (!retrieval::training_is_built()) {
    why = training_is_missing(options_.model);
    base::log_warning("popularity serves", {{"why", why}});
  } else if (!trains_by_itself(options_.model)) {
    why = fmt::format("no {} is there: make it with rapport train", options_.model);
    base::log_warning("popularity serves", {{"why", why}});
  } else if (!options_.train) {
    why = fmt::format("no {} is trained, and recommend.train is false", options_.model);
  } else {
    why = fmt::format("no {} is trained yet: /v1/jobs shows whether one is being trained",
                      options_.model);
  }
  slot_.put(ServedCatalogue::create(std::move(dataset), std::move(model), why));
  const auto served = slot_.get();
  base::log_info("recommendations", {{"catalogue", served->name()},
                                     {"items", served->catalogue().size()},
                                     {"model", std::string(served->model().kind())}});
  return served->has_model();
}

std::map<std::string, JobRunner::Work> Curator::work() {
  return {{kPrepareDatasetJob,
           [this](const store::Job&, JobContext&) -> Result<void> { return prepare_demo(); }},
          {kTrainRetrieverJob,
           [this](const store::Job& job, JobContext& context) { return train(job, context); }}};
}

Result<void> Curator::prepare_demo() {
  if (!is_demo()) return {};  // of a start that had one
  if (!is_there(dataset_path())) {
    TRY(const data::Source source,
        data::read_source(data::Format::kRecBole,
                          {.interactions = paths_.demo / fmt::format("{}.inter", kDemo)}, {}));
    TRY(const data::Preparation prepared, data::prepare(source, {.name = kDemo}));
    TRY_VOID(base::ensure_directory(paths_.datasets));
    TRY_VOID(prepared.dataset.save(dataset_path()));
  }
  TRY_VOID(open_dataset());
  make_missing();
  return {};
}

Result<void> Curator::train(const store::Job& job, JobContext& context) {
  const std::string model = job.payload.value("model", "");
  const fs::path path = job.payload.value("dataset", "");
  // The configuration may be another one than when the job was made.
  if (model != options_.model || path != dataset_path()) return {};
  TRY(data::Dataset opened, data::Dataset::open(path));
  const auto dataset = std::make_shared<const data::Dataset>(std::move(opened));
  // Killed between saving the model and finishing the job: it is there already.
  if (serve(dataset)) return {};
  const fs::path directory = model_path(dataset->name());
  TRY_VOID(base::ensure_directory(directory.parent_path()));
  const retrieval::FitContext fit_context{
      .clock = clock_,
      .threads = options_.train_threads,
      // Named by the data too: one of another data set is none to go on from.
      .checkpoint = directory.parent_path() /
                    fmt::format("{}-{}.checkpoint", model, dataset->checksum().substr(0, 8)),
      .resume = true,
      .on_progress =
          [&](const retrieval::FitProgress& at) {
            context.progress(at.done);
            base::log_debug("training", {{"model", model},
                                         {"epoch", at.epoch},
                                         {"loss", at.loss},
                                         {"validation_ndcg", at.validation_ndcg.value_or(0)}});
          },
      .stop_token = context.stop_token()};
  auto fit = retrieval::fit_retriever(model, *dataset, {}, fit_context);
  if (!fit &&
      (fit.error().code == ErrorCode::kConflict || fit.error().code == ErrorCode::kCorrupt)) {
    // What is left of other options, or damaged: nobody is here to say "begin anew".
    base::log_warning("a training begins anew", {{"why", fit.error().message}});
    std::error_code ignored;
    fs::remove_all(fit_context.checkpoint, ignored);
    fit = retrieval::fit_retriever(model, *dataset, {}, fit_context);
  }
  if (!fit) return fail(std::move(fit).error());
  TRY_VOID(retrieval::save_model(*fit, *dataset, directory, fit_context.checkpoint));
  serve(dataset);
  return {};
}

// One open job for the same thing, however often the server starts.
void Curator::enqueue(const char* kind, const std::string& what, Json payload) {
  const std::string stem = fmt::format("job_{}_{}_", kind, base::digest(what).substr(0, 12));
  for (std::int64_t n = 1;; ++n) {
    const std::string id = stem + std::to_string(n);
    const auto known = store_.job(id);
    if (known && (known->status == store::JobStatus::kQueued ||
                  known->status == store::JobStatus::kRunning)) {
      return;
    }
    if (known) continue;
    store::Job job;
    job.id = id;
    job.kind = kind;
    job.payload = std::move(payload);
    job.max_attempts = kAttempts;
    if (const auto enqueued = store_.enqueue(job); !enqueued) {
      base::log_warning("cannot enqueue a job", {{"error", enqueued.error().message}});
    } else {
      base::log_info("a job begins in the background", {{"kind", kind}, {"job", id}});
    }
    return;
  }
}

}  // namespace rapport::engine
