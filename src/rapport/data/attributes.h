// What the sources' codes and texts mean: ages, occupations, zip codes, years in titles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rapport::data {

/// The bands of MovieLens-1M, for its codes (1, 18, 25, …) as for ages in years: "under 18",
/// "18-24", "25-34", "35-44", "45-49", "50-55", "56+". "" for what is no age from 0 to 150.
std::string_view age_band(double age);

/// MovieLens-1M's occupation 0 to 20 in words ("college/grad student"); "" for others.
std::string_view occupation(double code);

/// The first digit of a zip code, which is a region of the USA; of a postal code that begins with a
/// letter (Canada) that letter. "" for anything else.
std::string region(std::string_view zip_code);

/// 1995 for "Toy Story (1995)"; nullopt when no year from 1800 to 2199 ends the title so.
std::optional<std::int32_t> title_year(std::string_view title);

}  // namespace rapport::data
