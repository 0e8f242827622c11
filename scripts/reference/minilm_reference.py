#!/usr/bin/env python3
"""Reference sentence vectors for tests/language/minilm_test.cpp: all-MiniLM-L6-v2 worked out by a
NumPy forward pass of BERT (double precision, exact GELU) over the original safetensors and the
original tokenizer. It shares no code with llama.cpp or with us.

    pip install numpy tokenizers
    scripts/reference/minilm_reference.py FOLDER tests/language/data/minilm_reference.json

FOLDER holds model.safetensors, tokenizer.json and config.json.
"""

import json
import math
import pathlib
import struct
import sys

import numpy
from tokenizers import Tokenizer

TEXTS = [
    "hi",
    "What should I cook tonight?",
    "I'm vegetarian, by the way.",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG",
    "e-mail me at sam@example.org -- it's 50% off (until 31/12)!!! #sale $9.99 & more...",
    "Crème brûlée à la façon de Zoë: déjà vu, naïve Ångström, Łódź.",
    "机器学习很有趣, 你觉得呢？",
    "東京で寿司を食べたい",
    "Привет, как дела? Γειά σου Κόσμε. مرحبا",
    "한국어 문장도 읽습니다",
    "🙂 emoji and \u200bzero\u00a0width\tspaces\nand lines",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "A recommender system learns what each person likes from what they have read, watched and "
    "bought; a language model can then explain its choice in plain words. " * 6,
    "",
]


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values = numpy.frombuffer(data[begin:end], dtype="<f4").astype(numpy.float64)
            tensors[name] = values.reshape(entry["shape"])
    return tensors


ERF = numpy.vectorize(math.erf)


def layer_norm(x, weights, name, epsilon):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / numpy.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return scaled * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def encode(ids, weights, config):
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    x = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = layer_norm(x, weights, "embeddings.LayerNorm", epsilon)
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        query, key, value = (
            linear(x, weights, at + "attention.self." + part)
            .reshape(len(ids), heads, -1)
            .transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        attended = (scores @ value).transpose(1, 0, 2).reshape(x.shape)
        attended = linear(attended, weights, at + "attention.output.dense")
        x = layer_norm(x + attended, weights, at + "attention.output.LayerNorm", epsilon)
        inner = linear(x, weights, at + "intermediate.dense")
        inner = inner * 0.5 * (1 + ERF(inner / math.sqrt(2)))
        inner = linear(inner, weights, at + "output.dense")
        x = layer_norm(x + inner, weights, at + "output.LayerNorm", epsilon)
    mean = x.mean(axis=0)
    return mean / numpy.linalg.norm(mean)


def main():
    folder, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    weights = read_safetensors(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        vector = [round(float(value), 6) for value in encode(ids, weights, config)]
        rows.append({"text": text, "tokens": ids, "vector": vector})
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    output.write_text("[\n" + lines + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
