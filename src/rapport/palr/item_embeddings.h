// What an embedding model makes of the items' texts: how alike items are in meaning, where their
// words differ. Made once for a catalogue, and kept within the ranking model that reads it.
//
//   TRY(const ItemEmbeddings made, embed_items(dataset, embedder, step));
//   TRY_VOID(save_item_embeddings(made, dataset, "embeddings/beauty"));
//   TRY(const ItemEmbeddings again, load_item_embeddings("embeddings/beauty", dataset));
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/safetensors.h"
#include "rapport/data/dataset.h"
#include "rapport/language/text_embedder.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::palr {

struct ItemEmbeddings {
  std::string embedder;         // its id
  std::int64_t dimensions = 0;  // d
  std::vector<float> values;    // [items × d]; 0 where an item has no text

  std::span<const float> row(data::ItemIndex item) const;
};

/// What is embedded of an item: its title, brand and categories; "" where it has none of them. Cut
/// to what every BERT reads.
std::string embedded_text(const data::Item& item);

/// Errors: those of the embedder and of `step`.
Result<ItemEmbeddings> embed_items(const data::Dataset& dataset, language::TextEmbedder& embedder,
                                   const retrieval::WorkStep& step);

/// The same vectors, less their mean, in a basis in which they spread alike in all directions
/// (whitening, Su et al. 2021, with the covariance shrunk towards a ball), each of length 1:
/// sentence vectors all point one way, which hides how they differ.
ItemEmbeddings whitened(const ItemEmbeddings& embeddings);

/// Errors: kConflict where `directory` is something else; kIo.
Result<void> save_item_embeddings(const ItemEmbeddings& embeddings, const data::Dataset& dataset,
                                  const std::filesystem::path& directory);
/// Errors: kNotFound; kCorrupt; kUnsupported; kConflict for another catalogue.
Result<ItemEmbeddings> load_item_embeddings(const std::filesystem::path& directory,
                                            const data::Dataset& dataset);

// As tensors of another file.
void add_item_embeddings(const ItemEmbeddings& embeddings, base::SafetensorsWriter& writer);
/// Errors: kCorrupt.
Result<ItemEmbeddings> read_item_embeddings(const base::Safetensors& file, std::string embedder,
                                            std::int64_t items);

}  // namespace rapport::palr
