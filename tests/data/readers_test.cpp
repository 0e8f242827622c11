// Each format, as its publishers write it; then each as broken files have it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/data/source.h"
#include "source_files.h"

namespace rapport::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

struct Texts {
  std::string_view interactions;
  std::string_view items = {};
  std::string_view users = {};
  std::string_view user_map = {};
};

Result<Source> read_all(Format format, const Texts& texts) {
  const SourceFiles files;
  const auto write = [&](const char* name, std::string_view text) {
    return text.empty() ? std::string() : files.write(name, text);
  };
  return read_source(format,
                     {.interactions = files.write("interactions", texts.interactions),
                      .items = write("items", texts.items),
                      .users = write("users", texts.users),
                      .user_map = write("user_map", texts.user_map)},
                     {});
}

Source read(Format format, const Texts& texts) {
  auto source = read_all(format, texts);
  EXPECT_TRUE(source) << source.error().message;
  return source ? *std::move(source) : Source{};
}

const Item& item(const Source& source, std::string_view id) {
  return source.item_facts[static_cast<std::size_t>(source.items.find(id).value())];
}

const Person& person(const Source& source, std::string_view id) {
  return source.user_facts[static_cast<std::size_t>(source.users.find(id).value())];
}

TEST(MovieLens, OneMillion) {
  const Source source =
      read(Format::kMovieLens, {.interactions = "1::1193::5::978300760\n1::661::3::978302109\n"
                                                "2::1193::4::978298413\n",
                                .items = "1::Toy Story (1995)::Animation|Children's|Comedy\n"
                                         "661::James and the Giant Peach (1996)::Animation\n"
                                         "1193::Mis\xE9rables, Les (1995)::Drama|Musical\n",
                                .users = "1::F::1::10::48067\n2::M::56::16::70072\n"
                                         "3::M::25::15::55117\n"});
  EXPECT_EQ(pairs(source), "1 1193, 1 661, 2 1193");
  EXPECT_THAT(source.time_ms, ElementsAre(978300760000, 978302109000, 978298413000));
  EXPECT_EQ(item(source, "1193").title, "Misérables, Les (1995)");
  EXPECT_EQ(item(source, "1193").year, 1995);
  EXPECT_THAT(item(source, "1193").categories, ElementsAre("Drama", "Musical"));
  EXPECT_EQ(person(source, "1").age_band, "under 18");
  EXPECT_EQ(person(source, "2").occupation, "self-employed");
  EXPECT_EQ(person(source, "2").region, "7");
  EXPECT_THAT(source.notes,
              ElementsAre(Pair("items described that nobody interacted with", 1),
                          Pair("lines read as ISO 8859-1", 1),
                          Pair("users described who did not interact with anything", 1)));
}

TEST(MovieLens, RatingsMayLackTheirTimes) {
  const Source source = read(Format::kMovieLens, {.interactions = "1::1193::5\n1::661::3\n"});
  EXPECT_EQ(pairs(source), "1 1193, 1 661");
  EXPECT_THAT(source.time_ms, IsEmpty());
}

TEST(MovieLens, HundredThousand) {
  const Source source = read(
      Format::kMovieLens,
      {.interactions = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
       .items =
           "242|Kolya (1996)|24-Jan-1997||http://x|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
           "302|L.A. Confidential|01-Jan-1997||http://x|0|0|0|0|0|0|1|0|0|0|1|0|0|1|0|0|1|0|0\n",
       .users = "196|49|M|writer|55105\n186|39|F|executive|V3N4P\n"});
  EXPECT_EQ(pairs(source), "196 242, 186 302");
  EXPECT_THAT(item(source, "242").categories, ElementsAre("Comedy"));
  EXPECT_EQ(item(source, "242").year, 1996);
  EXPECT_THAT(item(source, "302").categories,
              ElementsAre("Crime", "Film-Noir", "Mystery", "Thriller"));
  EXPECT_EQ(item(source, "302").year, 1997) << "from the date where the title has none";
  EXPECT_EQ(person(source, "196").age_band, "45-49");
  EXPECT_EQ(person(source, "196").gender, "M");
  EXPECT_EQ(person(source, "186").occupation, "executive");
  EXPECT_EQ(person(source, "186").region, "V");
}

TEST(MovieLens, TwentyFiveMillion) {
  const Source source =
      read(Format::kMovieLens,
           {.interactions = "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n",
            .items = "movieId,title,genres\n296,\"Pulp, Fiction (1994)\",Crime|Drama\n"
                     "297,x,(no genres listed)\n"});
  EXPECT_EQ(pairs(source), "1 296");
  EXPECT_EQ(item(source, "296").title, "Pulp, Fiction (1994)");
  EXPECT_THAT(item(source, "296").categories, ElementsAre("Crime", "Drama"));
}

TEST(Amazon, ReviewsAndMetadataOf2014And2018) {
  const Source source = read(
      Format::kAmazon,
      {.interactions =
           R"({"reviewerID": "A1", "asin": "0001", "overall": 5.0, "unixReviewTime": 1369699200})"
           "\n"
           R"({"reviewerID": "A2", "asin": "0002", "overall": 1, "unixReviewTime": 1369699201})"
           "\n"
           R"({"reviewerID": "A2", "asin": "0003", "overall": 1, "unixReviewTime": 1369699202})",
       .items =
           R"({"asin": "0001", "title": " Polish ", "brand": "OPI", "price": 12.5, "categories": [["Beauty", "Nails"], ["Gifts"]], "salesRank": {"Beauty": 7}})"
           "\n"
           R"({"asin": "0002", "title": "Soap", "price": "$1,012.50", "category": ["Bath"]})"
           "\n"
           R"({"asin": "0002", "title": "Soap again"})"
           "\n"
           R"({"asin": "0003", "price": "$5.00 - $7.50"})"});
  EXPECT_EQ(pairs(source), "A1 0001, A2 0002, A2 0003");
  EXPECT_THAT(source.time_ms, ElementsAre(1369699200000, 1369699201000, 1369699202000));
  EXPECT_EQ(item(source, "0001").title, "Polish");
  EXPECT_EQ(item(source, "0001").brand, "OPI");
  EXPECT_THAT(item(source, "0001").categories, ElementsAre("Beauty", "Nails"));
  EXPECT_EQ(item(source, "0001").sales_rank, 7);
  EXPECT_EQ(item(source, "0002").title, "Soap");
  EXPECT_EQ(item(source, "0002").price, 1012.5);
  EXPECT_EQ(item(source, "0003").price, std::nullopt);
  EXPECT_THAT(source.notes, ElementsAre(Pair("descriptions of an item that had one", 1),
                                        Pair("prices that are no single number", 1)));
}

TEST(Amazon, ReviewsOf2023AreByParentAndInMilliseconds) {
  const Source source = read(
      Format::kAmazon,
      {.interactions =
           R"({"user_id": "AE", "asin": "B1", "parent_asin": "P1", "rating": 4.0, "timestamp": 1588687728923})",
       .items =
           R"({"parent_asin": "P1", "title": "Cup", "store": "Acme", "categories": ["Home"]})"});
  EXPECT_EQ(pairs(source), "AE P1");
  EXPECT_THAT(source.time_ms, ElementsAre(1588687728923));
  EXPECT_EQ(item(source, "P1").brand, "Acme");
}

TEST(Amazon, RatingsCsvWhicheverComesFirst) {
  const char* of_year[] = {"A39HTATAQ9V7YF,0205616461,5.0,1369699200\n",
                           "0205616461,A39HTATAQ9V7YF,5.0,1369699200\n",
                           "user_id,parent_asin,rating,timestamp\n"
                           "A39HTATAQ9V7YF,0205616461,5.0,1369699200000\n"};
  for (const char* csv : of_year) {
    const Source source = read(Format::kAmazon, {.interactions = csv});
    EXPECT_EQ(pairs(source), "A39HTATAQ9V7YF 0205616461") << csv;
    EXPECT_THAT(source.time_ms, ElementsAre(1369699200000)) << csv;
  }
}

TEST(Sequences, OfPairsAndOfWholeHistories) {
  EXPECT_EQ(pairs(read(Format::kSequences, {.interactions = "1 1\n1 2\n2 1\n1 3\n"})),
            "1 1, 1 2, 2 1, 1 3");
  EXPECT_EQ(pairs(read(Format::kSequences, {.interactions = "1 1 2 3\n2\t1  4 \n"})),
            "1 1, 1 2, 1 3, 2 1, 2 4");
}

TEST(Sequences, ItemsByTabsAndUsersByAMap) {
  const Source source =
      read(Format::kSequences,
           {.interactions = "1 7\n2 7\n",
            .items = "item_id\tasin\ttitle\tbrand\tcategories\tprice\tsales_rank\tsales_type\n"
                     "7\tB0\tSoap \"x\"\tUnknown\tBeauty|Bath\t\t5.0\tBeauty\n",
            .users = "5988::M::25::20::55455\n5989::F::18::4::02460\n",
            .user_map = "1 5989\n2 5988\n"});
  EXPECT_EQ(item(source, "7").title, "Soap \"x\"");
  EXPECT_EQ(item(source, "7").brand, "") << "Unknown is no brand";
  EXPECT_EQ(item(source, "7").price, std::nullopt);
  EXPECT_EQ(item(source, "7").sales_rank, 5);
  EXPECT_EQ(person(source, "1").gender, "F");
  EXPECT_EQ(person(source, "2").occupation, "writer");
}

TEST(RecBole, AtomicFilesOfOneStemAreReadTogether) {
  const SourceFiles files;
  const std::string interactions =
      files.write("ml.inter",
                  "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
                  "196\t242\t3\t881250949\n196\t302\t3\t891717742.5\n");
  files.write("ml.item",
              "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
              "242\tKolya\t1996\tComedy Drama\n302\tToy Story\tunkonwn\tAnimation\n");
  files.write("ml.user",
              "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
              "196\t24\tM\ttechnician\t85711\n");
  files.write("ml.kg",
              "head_id:token\trelation_id:token\ttail_id:token\n"
              "m.1\tfilm.directed_by\tm.9\nm.9\tdirector.film\tm.2\n");
  files.write("ml.link", "item_id:token\tentity_id:token\n242\tm.1\n302\tm.2\n999\tm.3\n");
  const auto source = read_source(Format::kRecBole, {.interactions = interactions}, {});
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ(pairs(*source), "196 242, 196 302");
  EXPECT_THAT(source->time_ms, ElementsAre(881250949000, 891717742500));
  EXPECT_EQ(item(*source, "242").title, "Kolya");
  EXPECT_EQ(item(*source, "242").year, 1996);
  EXPECT_EQ(item(*source, "302").year, std::nullopt);
  EXPECT_THAT(item(*source, "242").categories, ElementsAre("Comedy", "Drama"));
  EXPECT_EQ(person(*source, "196").age_band, "18-24");
  EXPECT_EQ(person(*source, "196").occupation, "technician");
  EXPECT_EQ(source->triples.size(), 2u);
  EXPECT_EQ(source->links.size(), 2u);
  EXPECT_THAT(source->notes, ElementsAre(Pair("links of items that nobody interacted with", 1),
                                         Pair("years that are no whole number", 1)));
  EXPECT_EQ(source->description["files"]["graph"]["file"], "ml.kg");
  EXPECT_EQ(source->description["files"]["interactions"]["sha256"].get<std::string>().size(), 64u);
}

TEST(Csv, NamesOfColumnsAreThoseThatPeopleUse) {
  const Source source = read(Format::kCsv, {.interactions = "time,item_id,userId,note\n"
                                                            "7,\"a,1\",u,x\n8,b,u,\"\"\n",
                                            .items = "id,name,category,price,year\n"
                                                     "\"a,1\",\"The \"\"A\"\"\",X|Y,9.5,2001\n",
                                            .users = "user,age_band,region\nu,18-24,north\n"});
  EXPECT_EQ(pairs(source), "u a,1, u b");
  EXPECT_EQ(item(source, "a,1").title, "The \"A\"");
  EXPECT_EQ(item(source, "a,1").year, 2001);
  EXPECT_EQ(item(source, "b").id, "");
  EXPECT_EQ(person(source, "u").age_band, "18-24");
  EXPECT_EQ(person(source, "u").region, "north");
}

TEST(RecBole, AnItemIsOneEntityOfTheGraphAndNoOtherItemIs) {
  const SourceFiles files;
  const std::string interactions =
      files.write("f.inter", "user_id:token\titem_id:token\n1\t2\n1\t3\n");
  files.write("f.kg", "head_id:token\trelation_id:token\ttail_id:token\nm\tr\tn\n");
  for (const char* links : {"2\tm\n2\tn\n", "2\tm\n3\tm\n"}) {
    files.write("f.link", std::string("item_id:token\tentity_id:token\n") + links);
    const auto source = read_source(Format::kRecBole, {.interactions = interactions}, {});
    ASSERT_FALSE(source) << links;
    EXPECT_THAT(source.error().message, HasSubstr("f.link:3: "));
    EXPECT_THAT(source.error().message, HasSubstr("is linked twice"));
  }
}

struct Broken {
  Format format;
  Texts texts;
  const char* message;
};

TEST(Readers, NameTheLineTheFieldAndTheValueOfWhatIsWrong) {
  constexpr const char* kRating = "1::1::5::7\n";
  const Broken cases[] = {
      // Fields missing, or too many.
      {Format::kMovieLens, {"1::1::5::7\n1::2\n"}, "interactions:2: 2 fields, expected 4"},
      {Format::kMovieLens, {"1;1;5\n"}, "is no line of MovieLens"},
      {Format::kMovieLens, {kRating, "1::Toy Story\n"}, "items:1: 2 fields, expected 3"},
      {Format::kMovieLens, {kRating, {}, "1::F::1\n"}, "users:1: 3 fields, expected 5"},
      {Format::kAmazon, {"A,B\n"}, "interactions:1: 2 fields, expected 4"},
      {Format::kAmazon, {"{\"asin\": \"1\"}\n"}, "interactions:1: there is no user"},
      {Format::kAmazon, {"{\"reviewerID\": \"1\"}\n"}, "interactions:1: there is no item"},
      {Format::kAmazon,
       {R"({"reviewerID": "1", "asin": "2"})"},
       "interactions:1: there is no time"},
      {Format::kAmazon, {"[1]\n{}\n"}, "interactions:1: 1 field"},
      {Format::kSequences, {"1 2\n3\n"}, "interactions:2: user \"3\" without an item"},
      {Format::kRecBole, {"user_id:token\tthing:token\n"}, "there is no column for the item"},
      {Format::kRecBole, {"user_id\titem_id\n"}, "the column \"user_id\" has no type"},
      {Format::kCsv, {"user,product\n1,2\n"}, "interactions:1: there is no column for the item"},
      {Format::kCsv, {"user,item\n1,2,3\n"}, "interactions:2: 3 fields, expected 2"},
      {Format::kCsv, {"user,item\n1,\"2\n"}, "interactions:2: a quoted field does not end"},
      // What is no number.
      {Format::kMovieLens, {"1::1::five::7\n"}, "interactions:1: rating is \"five\""},
      {Format::kMovieLens, {"1::1::5::today\n"}, "interactions:1: timestamp is \"today\""},
      {Format::kMovieLens, {"1::1::5::1e17\n"}, "interactions:1: the time is \"1e17\""},
      {Format::kMovieLens, {"1::1::5::\n"}, "interactions:1: the time is empty"},
      {Format::kMovieLens, {kRating, {}, "1::F::old::1::1\n"}, "users:1: age is \"old\""},
      {Format::kMovieLens, {kRating, {}, "1::F::200::1::1\n"}, "users:1: the age is 200"},
      {Format::kMovieLens, {kRating, {}, "1::F::1::77::1\n"}, "users:1: the occupation is 77"},
      {Format::kMovieLens,
       {kRating, "1|T|||x|2|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"},
       "items:1: the flag of genre 0 is \"2\""},
      {Format::kAmazon,
       {R"({"reviewerID": "1", "asin": "2", "unixReviewTime": "x"})"},
       "the time is"},
      {Format::kAmazon,
       {R"({"reviewerID": "1", "asin": "2", "overall": "5", "unixReviewTime": 1})"},
       "interactions:1: the rating is no number"},
      {Format::kCsv, {"user,item\n1,2\n", "item,price\n2,cheap\n"}, "items:2: price is \"cheap\""},
      // What is no JSON.
      {Format::kAmazon, {"{\"reviewerID\": \"1\"\n"}, "interactions:1: byte"},
      {Format::kAmazon,
       {R"({"reviewerID": "1", "asin": "2", "unixReviewTime": 1})", "{'asin': '2'}\n"},
       "items:1: the line is a Python literal"},
      {Format::kAmazon,
       {R"({"reviewerID": 1, "asin": "2", "unixReviewTime": 1})"},
       "interactions:1: the user is no text"},
      // Ids that are empty or there twice.
      {Format::kMovieLens, {"::1::5::7\n"}, "interactions:1: the user is empty"},
      {Format::kCsv, {"user,item\n1,\n"}, "interactions:2: the item is empty"},
      {Format::kMovieLens,
       {kRating, "1::A::X\n1::B::Y\n"},
       "items:2: the id \"1\" is that of line 1"},
      {Format::kMovieLens,
       {kRating, {}, "1::F::1::1::1\n1::F::1::1::1\n"},
       "users:2: the id \"1\" is that of line 1"},
      {Format::kSequences, {"1 2 3\n2 4 5\n1 6 7\n"}, "user \"1\" has two: lines 1 and 3"},
      {Format::kSequences, {"1 2\n1 3\n2 4 5\n"}, "user \"1\" has two: lines 1 and 2"},
      {Format::kSequences,
       {"1 2\n", {}, "5::F::1::1::1\n", "1 5 6\n"},
       "user_map:1: \"1 5 6\": expected"},
      {Format::kSequences,
       {"1 2\n2 2\n", {}, "5::F::1::1::1\n", "1 5\n2 5\n"},
       "user_map:2: user \"5\" is mapped to twice"},
      // Text that is none, and files without any.
      {Format::kAmazon, {"{\"reviewerID\": \"\xFF\"}\n"}, "interactions:1: the line is not UTF-8"},
      {Format::kSequences, {"1 2\n\xFF 2\n"}, "interactions:2: the line is not UTF-8"},
      {Format::kRecBole, {"user_id:token\titem_id:token\n\xFF\t2\n"}, "interactions:2: the line"},
      {Format::kCsv,
       {"user,item\n1,2\n", "item,title\n2,\xE9\n"},
       "items:2: the line is not UTF-8"},
      {Format::kMovieLens, {""}, "interactions is empty"},
      {Format::kAmazon, {""}, "interactions is empty"},
      {Format::kSequences, {""}, "interactions is empty"},
      {Format::kRecBole, {""}, "interactions is empty"},
      {Format::kCsv, {""}, "interactions is empty"},
      {Format::kAmazon, {"\n\n"}, "blank lines only"},
  };
  for (const Broken& broken : cases) {
    const auto source = read_all(broken.format, broken.texts);
    ASSERT_FALSE(source) << broken.message;
    EXPECT_EQ(source.error().code, ErrorCode::kInvalidArgument) << broken.message;
    EXPECT_THAT(source.error().message, HasSubstr(broken.message));
  }
}

TEST(Readers, AnUnknownFormatAndAMissingFileAreNamed) {
  EXPECT_EQ(parse_format("recbole"), Format::kRecBole);
  EXPECT_THAT(parse_format("netflix").error().message, HasSubstr("movielens, amazon, sequences"));
  const SourceFiles files;
  const auto missing = read_source(Format::kCsv, {.interactions = files.path("none.csv")}, {});
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("none.csv"));
}

}  // namespace
}  // namespace rapport::data
