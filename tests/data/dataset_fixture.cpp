#include "dataset_fixture.h"

namespace rapport::data {

DatasetParts small_parts() {
  DatasetParts parts;
  parts.name = "small";
  parts.source = {{"format", "test"}};
  parts.offsets = {0, 4, 7, 9};
  parts.sequence = {0, 1, 2, 3, /**/ 3, 2, 4, /**/ 1, 0};
  parts.times = {10, 20, 20, 30, /**/ 5, 6, 7, /**/ 1, 2};
  parts.catalogue = Catalogue::create({{.id = "a",
                                        .title = "Toy Story",
                                        .categories = {"Animation", "Comedy"},
                                        .brand = "Pixar",
                                        .year = 1995,
                                        .price = 9.5,
                                        .sales_rank = 17},
                                       {.id = "b", .title = "Amélie"},
                                       {.id = "c", .categories = {"Drama"}},
                                       {.id = "d", .year = -44},
                                       {.id = "e", .price = 0}})
                        .value();
  parts.people = People::create({{.id = "ann", .age_band = "18-24", .gender = "F"},
                                 {.id = "ben", .occupation = "writer", .region = "9"},
                                 {.id = "cid"}})
                     .value();
  parts.graph = KnowledgeGraph::create({{.item = 2, .relation = 0, .entity = 1},
                                        {.item = 0, .relation = 1, .entity = 0, .from_item = false},
                                        {.item = 0, .relation = 0, .entity = 1}},
                                       {"directed_by", "stars_in"}, {"Hanks", "Lasseter"}, 5)
                    .value();
  return parts;
}

Dataset small_dataset() {
  return Dataset::create(small_parts()).value();
}

}  // namespace rapport::data
