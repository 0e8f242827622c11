// Looks after what is recommended from: opens the data set and the model that are there, and has
// what is missing made by durable jobs while popularity serves.
//
//   Curator curator(options, paths, store, slot, clock);
//   curator.start();                                         // never waits for a training
//   JobRunner jobs(store, clock, curator.work());            // a runner of its own: minutes
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "rapport/base/clock.h"
#include "rapport/engine/job_runner.h"
#include "rapport/engine/recommend.h"
#include "rapport/engine/served_catalogue.h"
#include "rapport/retrieval/registry.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Prepares the demo's data set, then has a model trained.
inline constexpr const char* kPrepareDatasetJob = "prepare_dataset";
/// {"dataset": path, "model": kind}.
inline constexpr const char* kTrainRetrieverJob = "train_retriever";
/// {"dataset": path, "models": [kind]}: what is missing of these retrievers, then the ranker that
/// orders what they propose.
inline constexpr const char* kTrainRankerJob = "train_ranker";

struct CuratorPaths {
  std::filesystem::path datasets;    // $RAPPORT_HOME/datasets: one folder a data set
  std::filesystem::path retrievers;  // $RAPPORT_HOME/retrievers: DATASET/MODEL
  std::filesystem::path rankers;     // $RAPPORT_HOME/rankers: DATASET/MODEL+MODEL…
  std::filesystem::path demo;        // RecBole's files of the demo; "" for none
};

/// Thread-safe.
class Curator {
 public:
  /// `language_model` is asked where a ranking was learned from one's answers; null: none can be.
  Curator(RecommendOptions options, CuratorPaths paths, store::Store& store, CatalogueSlot& slot,
          language::EmbeddedModel* language_model, const base::Clock& clock);

  /// Opens what there is and enqueues jobs for what there is not. What cannot be used is told in
  /// the log and in ServedCatalogue::why_no_model, with what to do: a server whose recommendations
  /// fail must still chat.
  void start();
  /// As `start`, but makes nothing: for commands.
  void open();

  /// What the jobs do.
  std::map<std::string, JobRunner::Work> work();

 private:
  std::filesystem::path dataset_path() const;  // "" when there is none to be had
  std::filesystem::path model_path(const std::string& dataset, const std::string& model) const;
  std::vector<std::string> ranked_models() const;  // whose candidates a ranker orders
  bool is_demo() const;
  Result<void> open_dataset();
  std::filesystem::path ranking_path(const std::string& dataset) const;  // "" for none
  void make_missing();
  void make_ranking(const ServedCatalogue& served);
  bool serve(std::shared_ptr<const data::Dataset> dataset);
  void add_ranking();
  Result<std::shared_ptr<const palr::ListRanker>> open_ranking(const ServedCatalogue& served) const;
  std::optional<retrieval::Assignments> training_options(const std::string& model,
                                                         const std::string& dataset) const;
  Result<void> check_models(const ServedCatalogue& served) const;
  Result<void> prepare_demo();
  Result<void> train(const store::Job& job, JobContext& context);
  Result<void> train_model(const std::string& model, const data::Dataset& dataset,
                           JobContext& context, double from, double to) const;
  Result<void> train_ranker(const store::Job& job, JobContext& context);
  Result<void> learn_ranking(const data::Dataset& dataset, const std::filesystem::path& directory,
                             JobContext& context) const;
  void enqueue(const char* kind, const std::string& what, Json payload, std::int32_t attempts);

  const RecommendOptions options_;
  const CuratorPaths paths_;
  store::Store& store_;
  CatalogueSlot& slot_;
  language::EmbeddedModel* const language_model_;
  const base::Clock& clock_;
};

}  // namespace rapport::engine
