// Looks after what is recommended from: opens the data set and the model that are there, and has
// what is missing made by durable jobs while popularity serves.
//
//   Curator curator(options, paths, store, slot, clock);
//   curator.start();                                         // never waits for a training
//   JobRunner jobs(store, clock, curator.work());            // a runner of its own: minutes
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "rapport/base/clock.h"
#include "rapport/engine/job_runner.h"
#include "rapport/engine/recommend.h"
#include "rapport/engine/served_catalogue.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Prepares the demo's data set, then has a model trained.
inline constexpr const char* kPrepareDatasetJob = "prepare_dataset";
/// {"dataset": path, "model": kind}.
inline constexpr const char* kTrainRetrieverJob = "train_retriever";

struct CuratorPaths {
  std::filesystem::path datasets;    // $RAPPORT_HOME/datasets: one folder a data set
  std::filesystem::path retrievers;  // $RAPPORT_HOME/retrievers: DATASET/MODEL
  std::filesystem::path demo;        // RecBole's files of the demo; "" for none
};

/// Thread-safe.
class Curator {
 public:
  Curator(RecommendOptions options, CuratorPaths paths, store::Store& store, CatalogueSlot& slot,
          const base::Clock& clock);

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
  std::filesystem::path model_path(const std::string& dataset) const;
  bool is_demo() const;
  Result<void> open_dataset();
  void make_missing();
  bool serve(std::shared_ptr<const data::Dataset> dataset);
  Result<void> prepare_demo();
  Result<void> train(const store::Job& job, JobContext& context);
  void enqueue(const char* kind, const std::string& what, Json payload);

  const RecommendOptions options_;
  const CuratorPaths paths_;
  store::Store& store_;
  CatalogueSlot& slot_;
  const base::Clock& clock_;
};

}  // namespace rapport::engine
