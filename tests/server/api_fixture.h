// Asks the whole stack and holds every answer to the specification.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json_schema.h"
#include "test_server.h"

namespace rapport::testing {

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() : specification(server.get("/openapi.json").json()) {}

  /// Sends, expects `status`, and holds the body to what the specification says of `path` (as it
  /// is written there).
  Json ask(const std::string& method, const std::string& path, const std::string& target,
           int status, const Json& body = {}, const Headers& headers = {}) {
    const Received received = server.send(method, target, body, headers);
    EXPECT_EQ(received.status, status) << method << " " << target << ": " << received.body;
    std::string verb = method;
    for (char& c : verb) c = static_cast<char>(std::tolower(c));
    const Json& operation = specification.at("paths").at(path).at(verb);
    const std::string key = std::to_string(received.status);
    const Json& described = operation.at("responses").contains(key)
                                ? operation.at("responses").at(key)
                                : operation.at("responses").at("default");
    const Json answer = received.json();
    EXPECT_THAT(schema_faults(answer, described.at("content").at("application/json").at("schema"),
                              specification),
                ::testing::ElementsAre())
        << method << " " << target << ": " << received.body;
    if (body.is_object() && status < 300) {
      EXPECT_THAT(
          schema_faults(
              body, operation.at("requestBody").at("content").at("application/json").at("schema"),
              specification),
          ::testing::ElementsAre())
          << "request " << body.dump();
    }
    return answer;
  }
  std::string param(const Json& error) { return error["error"].value("param", Json()).dump(); }

  TestServer server{{"Mushroom risotto."}};
  Json specification;
};

}  // namespace rapport::testing
