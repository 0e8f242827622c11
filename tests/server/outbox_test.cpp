#include "rapport/server/outbox.h"

#include <gtest/gtest.h>

namespace rapport::server {
namespace {

struct Box {
  explicit Box(std::size_t max_bytes = 100)
      : outbox(std::make_shared<Outbox>(
            max_bytes, [this] { ++wakes; }, too_slow)) {}
  int wakes = 0;
  std::stop_source too_slow;
  std::shared_ptr<Outbox> outbox;
};

HttpResponse page(int status = 200) {
  return HttpResponse::text("x", "text/plain", status);
}

TEST(Outbox, HandsOverAnAnswerInOnePiece) {
  Box box;
  EXPECT_TRUE(open_reply(box.outbox)->send(page(201)));
  EXPECT_EQ(box.wakes, 1);
  const Outbox::Batch batch = box.outbox->take();
  ASSERT_TRUE(batch.head);
  EXPECT_EQ(batch.head->status, 201);
  EXPECT_FALSE(batch.streams);
  EXPECT_TRUE(batch.ended);
}

TEST(Outbox, HoldsTheHeadOfAStreamUntilItHasBytes) {
  Box box;
  const auto reply = open_reply(box.outbox);
  reply->begin_stream(page());
  EXPECT_FALSE(box.outbox->take().head);
  reply->write("a");
  reply->write("b");
  const Outbox::Batch batch = box.outbox->take();
  EXPECT_TRUE(batch.head && batch.streams);
  EXPECT_EQ(batch.bytes, "ab");
  EXPECT_FALSE(batch.ended);
  reply->end();
  EXPECT_TRUE(box.outbox->take().ended);
}

TEST(Outbox, AnErrorBeforeTheFirstByteReplacesTheStream) {
  Box box;
  const auto reply = open_reply(box.outbox);
  reply->begin_stream(page());
  EXPECT_TRUE(reply->send(page(502)));
  const Outbox::Batch batch = box.outbox->take();
  ASSERT_TRUE(batch.head);
  EXPECT_EQ(batch.head->status, 502);
  EXPECT_FALSE(batch.streams);
}

TEST(Outbox, AnErrorAfterTheHeadLeftMustGoIntoTheStream) {
  Box box;
  const auto reply = open_reply(box.outbox);
  reply->begin_stream(page());
  EXPECT_TRUE(box.outbox->take(/*with_head=*/true).head)
      << "a keep-alive comment takes the head along";
  EXPECT_FALSE(reply->send(page(502)));
  EXPECT_TRUE(reply->write("data: error"));
}

TEST(Outbox, WakesOnceBetweenTwoTakes) {
  Box box;
  const auto reply = open_reply(box.outbox);
  reply->begin_stream(page());
  EXPECT_EQ(box.wakes, 0);
  for (int i = 0; i < 5; ++i) reply->write("x");
  EXPECT_EQ(box.wakes, 1);
  box.outbox->take();
  reply->write("x");
  EXPECT_EQ(box.wakes, 2);
}

TEST(Outbox, StopsAProducerWhoseReaderIsTooSlow) {
  Box box(10);
  const auto reply = open_reply(box.outbox);
  reply->begin_stream(page());
  EXPECT_TRUE(reply->write("12345"));
  EXPECT_FALSE(reply->write("678901"));
  EXPECT_TRUE(box.too_slow.stop_requested());
  EXPECT_FALSE(reply->write("x"));
  EXPECT_TRUE(box.outbox->take().overflowed);
}

TEST(Outbox, AForgottenAnswerIsA500) {
  Box box;
  open_reply(box.outbox);
  const Outbox::Batch batch = box.outbox->take();
  ASSERT_TRUE(batch.head);
  EXPECT_EQ(batch.head->status, 500);
}

TEST(Outbox, AForgottenStreamIsCutSoThatItDoesNotLookWhole) {
  Box box;
  {
    const auto reply = open_reply(box.outbox);
    reply->begin_stream(page());
    reply->write("half");
  }
  EXPECT_TRUE(box.outbox->take().overflowed);
}

TEST(Outbox, OnlyTheFirstAnswerCounts) {
  Box box;
  const auto reply = open_reply(box.outbox);
  EXPECT_TRUE(reply->send(page(200)));
  EXPECT_FALSE(reply->send(page(500)));
  reply->begin_stream(page());
  EXPECT_FALSE(reply->write("late"));
  EXPECT_EQ(box.outbox->take().head->status, 200);
}

TEST(Outbox, AClosedOneDropsAllAndWakesNobody) {
  Box box;
  const auto reply = open_reply(box.outbox);
  box.outbox->close();
  EXPECT_FALSE(reply->send(page()));
  reply->begin_stream(page());
  EXPECT_FALSE(reply->write("x"));
  reply->end();
  EXPECT_EQ(box.wakes, 0);
}

}  // namespace
}  // namespace rapport::server
