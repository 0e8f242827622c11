"""The official Python client against the real server with the real model."""

import base64
import json
import struct
import unittest

import program  # first: it puts the client on the path

import openai
import pydantic

MESSAGES = [{"role": "user", "content": "Name one fruit."}]


class PythonClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rapport = program.Program().start()
        cls.client = openai.OpenAI(base_url=cls.rapport.url + "/v1", api_key="unused", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.rapport.__exit__()

    def ask(self, user, text, **more):
        return self.client.chat.completions.create(
            model="default", user=user, temperature=0, max_tokens=48,
            messages=[{"role": "user", "content": text}], **more)

    def test_what_sam_said_changes_sams_answer_and_not_kims(self):
        question = "What should I cook tonight?"
        generic = self.ask("nobody", question, extra_headers={"X-Rapport-Degree": "0"}).choices[0].message.content
        kim_before = self.ask("kim", question).choices[0].message.content
        self.ask("sam", "I'm vegetarian, by the way")
        sam = self.ask("sam", question)
        kim = self.ask("kim", question).choices[0].message.content
        self.assertEqual(kim, kim_before)
        self.assertEqual(kim, generic)
        self.assertNotEqual(sam.choices[0].message.content, kim)

        why = self.rapport.get(f"/v1/responses/{sam.id}/explanation")
        self.assertEqual([fact["text"] for fact in why["used"]["facts"]], ["I'm vegetarian"])
        self.assertIn("I'm vegetarian", why["summary"])

        # Sam at degree 0 gets word for word what anybody gets.
        sam_generic = self.ask("sam", question, extra_headers={"X-Rapport-Degree": "0"})
        self.assertEqual(sam_generic.choices[0].message.content, generic)
        self.assertEqual(sam_generic.usage.prompt_tokens, self.ask("kim", question).usage.prompt_tokens)

    def test_an_answer_is_whole(self):
        answer = self.client.chat.completions.create(model="default", messages=MESSAGES, temperature=0, max_tokens=24)
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertGreater(answer.created, 1_700_000_000)
        self.assertTrue(answer._request_id)

    def test_a_stream_says_what_an_answer_says(self):
        whole = self.client.chat.completions.create(model="default", messages=MESSAGES, temperature=0, max_tokens=24)
        chunks = list(self.client.chat.completions.create(
            model="default", messages=MESSAGES, temperature=0, max_tokens=24, stream=True,
            stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
        self.assertEqual(finishes[-1], whole.choices[0].finish_reason)
        self.assertEqual(set(finishes[:-1]), {None})
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)

    def test_choices_stop_seed_and_logprobs(self):
        options = dict(model="default", messages=MESSAGES, temperature=0.8, max_tokens=12, n=2, seed=5)
        answer = self.client.chat.completions.create(**options, logprobs=True, top_logprobs=3)
        again = self.client.chat.completions.create(**options)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])
        self.assertEqual([c.message.content for c in answer.choices], [c.message.content for c in again.choices])
        for choice in answer.choices:
            tokens = choice.logprobs.content
            self.assertEqual("".join(token.token for token in tokens), choice.message.content)
            for token in tokens:
                self.assertLessEqual(token.logprob, 0)
                self.assertEqual(len(token.top_logprobs), 3)
        stopped = self.client.chat.completions.create(
            model="default", temperature=0, max_tokens=60, stop=["3"],
            messages=[{"role": "user", "content": "Count from 1 to 9 with digits."}])
        self.assertNotIn("3", stopped.choices[0].message.content)

    def test_structured_output_parses(self):
        class Person(pydantic.BaseModel):
            name: str
            age: int

        parsed = self.client.chat.completions.parse(
            model="default", temperature=0, max_tokens=80, response_format=Person,
            messages=[{"role": "user", "content": "Ana is 34 years old. Give her name and age as JSON."}])
        self.assertIsInstance(parsed.choices[0].message.parsed, Person)
        free = self.client.chat.completions.create(
            model="default", temperature=0, max_tokens=80, response_format={"type": "json_object"},
            messages=[{"role": "user", "content": "A JSON object with one key, colour."}])
        if free.choices[0].finish_reason == "stop":
            self.assertIsInstance(json.loads(free.choices[0].message.content), dict)

    def test_embeddings(self):
        texts = ["What should I cook tonight?", "Ideas for dinner", "The stock market fell"]
        vectors = [item.embedding for item in self.client.embeddings.create(model="all-minilm-l6-v2-f32", input=texts).data]
        self.assertEqual({len(vector) for vector in vectors}, {384})

        def cosine(a, b):
            return sum(x * y for x, y in zip(a, b))

        self.assertAlmostEqual(cosine(vectors[0], vectors[0]), 1, places=4)
        self.assertGreater(cosine(vectors[0], vectors[1]), cosine(vectors[0], vectors[2]))
        raw = self.client.embeddings.with_raw_response.create(
            model="all-minilm-l6-v2-f32", input="x", encoding_format="base64").http_response.json()
        self.assertEqual(len(struct.unpack("<384f", base64.b64decode(raw["data"][0]["embedding"]))), 384)

    def test_models(self):
        ids = [model.id for model in self.client.models.list()]
        self.assertIn("smollm2-135m-instruct-q8_0", ids)
        self.assertEqual(self.client.models.retrieve(ids[0]).id, ids[0])

    def test_errors_have_their_classes(self):
        create = self.client.chat.completions.create
        with self.assertRaises(openai.BadRequestError) as bad:
            create(model="default", messages=[{"role": "user", "content": 3}])
        self.assertTrue(bad.exception.param.startswith("messages[0]"), bad.exception.param)
        self.assertTrue(bad.exception.request_id)
        with self.assertRaises(openai.NotFoundError) as missing:
            create(model="no-such-model", messages=MESSAGES)
        self.assertEqual(missing.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError) as long:
            create(model="default", messages=[{"role": "user", "content": "word " * 20_000}])
        self.assertEqual(long.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("no-such-model")
        with self.assertRaises(openai.BadRequestError) as unknown:
            create(model="default", messages=MESSAGES, extra_body={"no_such_parameter": 1})
        self.assertEqual(unknown.exception.param, "no_such_parameter")

    def test_tools_are_called_when_required(self):
        tool = {"type": "function", "function": {
            "name": "get_weather", "description": "The weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
        answer = self.client.chat.completions.create(
            model="default", temperature=0, max_tokens=120, tools=[tool], tool_choice="required",
            messages=[{"role": "user", "content": "What is the weather in Oslo?"}])
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual(call.function.name, "get_weather")
        self.assertIn("city", json.loads(call.function.arguments))


class Keys(unittest.TestCase):
    def test_a_key_is_asked_for_once_there_is_one_and_binds_its_user(self):
        with program.Program() as rapport:
            admin = json.loads(rapport.command("--json", "keys", "create", "--label", "admin", "--role", "admin"))
            sam = json.loads(rapport.command("--json", "keys", "create", "--label", "sam", "--role", "user", "--user", "sam"))
            rapport.stop()
            rapport.start()
            with self.assertRaises(openai.AuthenticationError):
                openai.OpenAI(base_url=rapport.url + "/v1", api_key="wrong", max_retries=0).models.list()
            client = openai.OpenAI(base_url=rapport.url + "/v1", api_key=sam["secret"], max_retries=0)
            client.chat.completions.create(model="default", user="kim", max_tokens=4,
                                           messages=[{"role": "user", "content": "I'm vegan"}])
            facts = rapport.get("/v1/users/sam/facts", key=sam["secret"])
            self.assertEqual([fact["text"] for fact in facts["data"]], ["I'm vegan"])
            for path in ("/v1/users/kim/facts", "/v1/keys"):
                with self.assertRaises(program.urllib.error.HTTPError) as refused:
                    rapport.get(path, key=sam["secret"])
                self.assertEqual(refused.exception.code, 403, path)
                refused.exception.close()
            rapport.get("/v1/keys", key=admin["secret"])


if __name__ == "__main__":
    unittest.main()
