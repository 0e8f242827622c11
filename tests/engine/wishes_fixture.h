// Wishes in short, over the films.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "rapport/engine/wishes.h"
#include "testing/films.h"

namespace rapport::engine {

class WishesTest : public ::testing::Test {
 protected:
  std::string in_short(const Wishes& wishes) const { return in_short(wishes, *served_); }
  static std::string in_short(const Wishes& wishes, const ServedCatalogue& served) {
    std::string text;
    const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
    const auto brand = [&](BrandIndex each) {
      return served.brand_names()[static_cast<std::size_t>(each)];
    };
    const auto name = [&](CategoryIndex each) {
      return served.category_names()[static_cast<std::size_t>(each)];
    };
    for (const CategoryIndex each : wishes.categories) add("+" + name(each));
    for (const CategoryIndex each : wishes.without_categories) add("-" + name(each));
    for (const BrandIndex each : wishes.brands) add("by " + brand(each));
    for (const BrandIndex each : wishes.without_brands) add("not by " + brand(each));
    if (wishes.year_from) add("from" + std::to_string(*wishes.year_from));
    if (wishes.year_to) add("to" + std::to_string(*wishes.year_to));
    if (wishes.price_from) add(fmt::format("${:g} up", *wishes.price_from));
    if (wishes.price_to) add(fmt::format("${:g} at most", *wishes.price_to));
    for (const data::ItemIndex each : wishes.like)
      add("like " + std::string(served.catalogue().title(each)));
    for (const Mood& each : wishes.moods) add("~" + each.words);
    for (const std::string& each : wishes.unread) add("?" + each);
    return text;
  }

  std::shared_ptr<const ServedCatalogue> served_ = testing::served_films();
};

}  // namespace rapport::engine
