// A small catalogue of films, who watched them, and a model that reads a history: enough to see
// each step of a recommendation by hand.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "rapport/engine/served_catalogue.h"

namespace rapport::testing {

/// Ids "1" to "12", numbered from 0.
inline std::vector<data::Item> films() {
  const auto film = [](const char* id, const char* title, std::int32_t year,
                       std::vector<std::string> categories) {
    data::Item item;
    item.id = id;
    item.title = title;
    item.year = year;
    item.categories = std::move(categories);
    return item;
  };
  return {film("1", "Star Wars", 1977, {"Action", "Sci-Fi"}),
          film("2", "Alien", 1979, {"Horror", "Sci-Fi"}),
          film("3", "Blade Runner", 1982, {"Sci-Fi", "Film-Noir"}),
          film("4", "Airplane!", 1980, {"Comedy"}),
          film("5", "Annie Hall", 1977, {"Comedy", "Romance"}),
          film("6", "Casablanca", 1942, {"Drama", "Romance"}),
          film("7", "The Shining", 1980, {"Horror"}),
          film("8", "The Terminator", 1984, {"Action", "Sci-Fi"}),
          film("9", "Fargo", 1996, {"Crime", "Drama"}),
          film("10", "Clerks", 1994, {"Comedy"}),
          film("11", "Psycho", 1960, {"Horror", "Thriller"}),
          film("12", "Toy Story", 1995, {"Animation", "Children's", "Comedy"})};
}

/// By falling popularity: 1, 4, 9, 8, then 2 and 12, 5, 7, 3, then 6 and 10, 11.
inline std::shared_ptr<const data::Dataset> film_dataset() {
  const std::vector<std::vector<int>> histories = {
      {1, 8, 2, 3, 4, 9}, {1, 8, 2, 3, 9},     {1, 8, 2, 7, 4},        {4, 12, 10, 5, 1},
      {4, 12, 5, 10, 9},  {4, 5, 12, 6, 1},    {1, 4, 9, 8, 2, 12},    {9, 6, 5, 1, 4},
      {7, 11, 2, 1, 9},   {1, 4, 9, 8, 12, 7}, {1, 9, 4, 8, 2, 12, 5}, {1, 4, 9, 8, 3, 7}};
  data::DatasetParts parts;
  parts.name = "films";
  parts.offsets = {0};
  std::vector<data::Person> people;
  for (const std::vector<int>& history : histories) {
    for (const int film : history) {
      parts.sequence.push_back(static_cast<data::ItemIndex>(film - 1));
    }
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    data::Person person;
    person.id = std::to_string(people.size() + 1);
    people.push_back(person);
  }
  auto catalogue = data::Catalogue::create(films());
  auto everyone = data::People::create(std::move(people));
  if (!catalogue || !everyone) throw std::runtime_error("no films, no test");
  parts.catalogue = *std::move(catalogue);
  parts.people = *std::move(everyone);
  auto dataset = data::Dataset::create(std::move(parts));
  if (!dataset) throw std::runtime_error(dataset.error().message);
  return std::make_shared<const data::Dataset>(*std::move(dataset));
}

/// Scores an item by how often the histories of the data set have it together with those of the
/// query, the later ones counting more.
class Companions final : public retrieval::Retriever {
 public:
  explicit Companions(const data::Dataset& dataset)
      : Retriever(dataset.items()), together_(static_cast<std::size_t>(items() * items())) {
    for (data::UserIndex user = 0; user < dataset.users(); ++user) {
      for (const data::ItemIndex a : dataset.history(user)) {
        for (const data::ItemIndex b : dataset.history(user)) {
          if (a != b) together_[static_cast<std::size_t>(a * items() + b)] += 1;
        }
      }
    }
  }
  std::string_view kind() const override { return "companions"; }

 private:
  Result<void> do_score(std::span<const retrieval::Query> queries,
                        std::span<float> scores) const override {
    std::fill(scores.begin(), scores.end(), 0.0F);
    const auto n = static_cast<std::size_t>(items());
    for (std::size_t q = 0; q < queries.size(); ++q) {
      float weight = 1;
      const auto& history = queries[q].history;
      for (auto item = history.rbegin(); item != history.rend(); ++item, weight *= 0.8F) {
        for (std::size_t i = 0; i < n; ++i) {
          scores[q * n + i] += weight * together_[static_cast<std::size_t>(*item) * n + i];
        }
      }
    }
    return {};
  }
  Json do_options() const override { return Json::object(); }
  void do_save(base::SafetensorsWriter&) const override {}

  std::vector<float> together_;  // [items × items]
};

/// What is served of it: with the model above, or with popularity alone.
inline std::shared_ptr<const engine::ServedCatalogue> served_films(bool with_model = true) {
  auto dataset = film_dataset();
  std::shared_ptr<const retrieval::Retriever> model;
  if (with_model) model = std::make_shared<Companions>(*dataset);
  return engine::ServedCatalogue::create(std::move(dataset), std::move(model), "none is trained");
}

/// Six things with brands, prices and categories; somebody took the first.
inline std::shared_ptr<const engine::ServedCatalogue> served_shop() {
  const auto thing = [](const char* id, const char* title, const char* brand,
                        std::optional<double> price, std::vector<std::string> categories) {
    data::Item item;
    item.id = id;
    item.title = title;
    item.brand = brand;
    item.price = price;
    item.categories = std::move(categories);
    return item;
  };
  auto catalogue =
      data::Catalogue::create({thing("a", "Red Nail Lacquer", "OPI", 8.5, {"Nail Polish"}),
                               thing("b", "Ballet Slippers", "essie", 7.99, {"Nail Polish"}),
                               thing("c", "Age Perfect Cream", "L'Oreal Paris", 20, {"Skin Care"}),
                               thing("d", "Hand Cream", "Burt's Bees", 12, {"Skin Care"}),
                               thing("e", "Blush", "", 35, {"Makeup"}),
                               thing("f", "Sample", "OPI", std::nullopt, {"Makeup"})});
  data::DatasetParts parts;
  parts.name = "shop";
  parts.sequence = {0};
  parts.offsets = {0, 1};
  data::Person customer;
  customer.id = "1";
  auto customers = data::People::create({customer});
  if (!catalogue || !customers) throw std::runtime_error("no shop, no test");
  parts.people = *std::move(customers);
  parts.catalogue = *std::move(catalogue);
  auto dataset = data::Dataset::create(std::move(parts));
  if (!dataset) throw std::runtime_error(dataset.error().message);
  return engine::ServedCatalogue::create(std::make_shared<const data::Dataset>(*std::move(dataset)),
                                         nullptr, "none is trained");
}

}  // namespace rapport::testing
