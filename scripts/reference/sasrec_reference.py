#!/usr/bin/env python3
"""Reference figures for the tests of SASRec: hidden states, logits, loss and the gradient of every
parameter, worked out in NumPy (double precision) on tiny seeded models. The backward pass is written
out by hand and checked here against central differences. It shares no code with libtorch or with us.

    pip install numpy
    scripts/reference/sasrec_reference.py tests/retrieval/data/sasrec_reference.json

The model (Kang & McAuley 2018, with softmax cross-entropy over all items at every position):

    h = E[x] * sqrt(d) + P[max_length - L + p]      right-aligned: the newest item has the last position
    per block:  h += causal_attention(LN(h) Wq + bq, h Wk + bk, h Wv + bv) Wo + bo
                f = LN(h);  h = f + relu(f W1 + b1) W2 + b2
    h = LN(h);  logits = h E^T;  loss = mean over all positions of -log softmax(logits)[target]

The sequence is padded on the left to max_length with rows that are zero before every block; they are attended to,
by keys bk and values bv.

Weights are stored [in x out] and applied as x W. A user's inputs are all items but the last, the targets
all but the first, of each the last `max_length`. No dropout.

The document is {"cases": [{"name", "config", "parameters", "sequences", "loss", "gradients"}]}; a
parameter and a gradient are nested lists of rows; a sequence has "items" (as the user lived it), "inputs" and
"targets" [L], "hidden" [L x d] after the final norm, and "last_logits" [items].
"""

import json
import math
import pathlib
import re
import sys

import numpy

EPSILON = 1e-8

CASES = [
    {"name": "two heads", "items": 7, "dimension": 8, "blocks": 2, "heads": 2, "max_length": 5, "seed": 1},
    {"name": "one head", "items": 7, "dimension": 8, "blocks": 2, "heads": 1, "max_length": 5, "seed": 2},
]
# Ragged: shorter than max_length, a single input, and longer than max_length, which is cut; an item that repeats.
SEQUENCES = [[3, 1, 4, 0], [6, 2], [0, 5, 2, 2, 1, 6, 4, 3]]


def make_parameters(config):
    random = numpy.random.default_rng(config["seed"])
    d = config["dimension"]

    def weight(*shape):
        return random.normal(0, 0.35, shape)

    parameters = {
        "item_embedding": weight(config["items"], d),
        "position_embedding": weight(config["max_length"], d),
    }
    # Norms away from one and zero, biases away from zero: a swapped or forgotten one must show.
    for block in range(config["blocks"]):
        at = f"blocks.{block}."
        parameters[at + "attention_norm.weight"] = 1 + weight(d)
        parameters[at + "attention_norm.bias"] = weight(d)
        for part in ("query", "key", "value", "output"):
            parameters[at + part + ".weight"] = weight(d, d)
            parameters[at + part + ".bias"] = weight(d)
        parameters[at + "feed_forward_norm.weight"] = 1 + weight(d)
        parameters[at + "feed_forward_norm.bias"] = weight(d)
        for layer in range(2):
            parameters[at + f"feed_forward.{layer}.weight"] = weight(d, d)
            parameters[at + f"feed_forward.{layer}.bias"] = weight(d)
    parameters["final_norm.weight"] = 1 + weight(d)
    parameters["final_norm.bias"] = weight(d)
    return parameters


# Each layer returns its output and a function from the gradient of the output to that of the input; the function adds
# the gradients of the layer's parameters to `gradients` on the way.


def linear(x, parameters, gradients, name):
    weight = parameters[name + ".weight"]

    def backward(dy):
        gradients[name + ".weight"] += x.T @ dy
        gradients[name + ".bias"] += dy.sum(axis=0)
        return dy @ weight.T

    return x @ weight + parameters[name + ".bias"], backward


def layer_norm(x, parameters, gradients, name):
    weight = parameters[name + ".weight"]
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = numpy.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
    normal = centred / deviation

    def backward(dy):
        gradients[name + ".weight"] += (dy * normal).sum(axis=0)
        gradients[name + ".bias"] += dy.sum(axis=0)
        dn = dy * weight
        along = (dn * normal).mean(axis=1, keepdims=True)
        return (dn - dn.mean(axis=1, keepdims=True) - normal * along) / deviation

    return normal * weight + parameters[name + ".bias"], backward


def softmax(scores):
    raised = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def attend(query, key, value):
    """Attention of one head, causal: query is that of the newest rows of the [max_length x d/heads] keys and values."""
    length, width = query.shape
    padding = len(key) - length
    later = numpy.triu(numpy.ones((length, len(key)), dtype=bool), padding + 1)
    shares = softmax(numpy.where(later, -numpy.inf, query @ key.T / math.sqrt(width)))

    def backward(dy):
        d_shares = dy @ value.T
        d_scores = shares * (d_shares - (d_shares * shares).sum(axis=1, keepdims=True)) / math.sqrt(width)
        return d_scores @ key, d_scores.T @ query, shares.T @ dy

    return shares @ value, backward


def attention(h, parameters, gradients, at, config):
    heads, padding = config["heads"], config["max_length"] - len(h)
    normed, norm_backward = layer_norm(h, parameters, gradients, at + "attention_norm")
    padded = numpy.concatenate([numpy.zeros((padding, h.shape[1])), h])
    query, query_backward = linear(normed, parameters, gradients, at + "query")
    key, key_backward = linear(padded, parameters, gradients, at + "key")
    value, value_backward = linear(padded, parameters, gradients, at + "value")
    split = [numpy.split(whole, heads, axis=1) for whole in (query, key, value)]
    attended = [attend(*head) for head in zip(*split)]
    joined = numpy.concatenate([out for out, _ in attended], axis=1)
    output, output_backward = linear(joined, parameters, gradients, at + "output")

    def backward(dy):
        parts = numpy.split(output_backward(dy), heads, axis=1)
        per_head = [head_backward(part) for (_, head_backward), part in zip(attended, parts)]
        dq, dk, dv = (numpy.concatenate(part, axis=1) for part in zip(*per_head))
        return dy + norm_backward(query_backward(dq)) + (key_backward(dk) + value_backward(dv))[padding:]

    return h + output, backward


def feed_forward(h, parameters, gradients, at):
    normed, norm_backward = layer_norm(h, parameters, gradients, at + "feed_forward_norm")
    inner, inner_backward = linear(normed, parameters, gradients, at + "feed_forward.0")
    output, output_backward = linear(numpy.maximum(inner, 0), parameters, gradients, at + "feed_forward.1")
    return normed + output, lambda dy: norm_backward(dy + inner_backward(output_backward(dy) * (inner > 0)))


def encode(inputs, parameters, gradients, config):
    """Hidden states [L x d] after the final norm, and the backward pass down to the embeddings."""
    d, length = config["dimension"], len(inputs)
    first = config["max_length"] - length
    h = parameters["item_embedding"][inputs] * math.sqrt(d) + parameters["position_embedding"][first:]
    steps = []
    for block in range(config["blocks"]):
        at = f"blocks.{block}."
        h, attention_backward = attention(h, parameters, gradients, at, config)
        h, feed_forward_backward = feed_forward(h, parameters, gradients, at)
        steps += [attention_backward, feed_forward_backward]
    hidden, final_backward = layer_norm(h, parameters, gradients, "final_norm")

    def backward(dy):
        dh = final_backward(dy)
        for step_backward in reversed(steps):
            dh = step_backward(dh)
        gradients["position_embedding"][first:] += dh
        numpy.add.at(gradients["item_embedding"], inputs, dh * math.sqrt(d))

    return hidden, backward


def run(parameters, config):
    """What the document says of one case but for its configuration."""
    gradients = {name: numpy.zeros_like(value) for name, value in parameters.items()}
    pairs = [(items[:-1][-config["max_length"] :], items[1:][-config["max_length"] :]) for items in SEQUENCES]
    positions = sum(len(inputs) for inputs, _ in pairs)
    loss, sequences = 0.0, []
    for items, (inputs, targets) in zip(SEQUENCES, pairs):
        hidden, backward = encode(inputs, parameters, gradients, config)
        logits = hidden @ parameters["item_embedding"].T
        shares = softmax(logits)
        at_target = (numpy.arange(len(targets)), targets)
        loss -= numpy.log(shares[at_target]).sum() / positions
        d_logits = shares / positions
        d_logits[at_target] -= 1 / positions
        gradients["item_embedding"] += d_logits.T @ hidden
        backward(d_logits @ parameters["item_embedding"])
        sequences.append(
            {"items": items, "inputs": inputs, "targets": targets, "hidden": hidden, "last_logits": logits[-1]}
        )
    return loss, gradients, sequences


def check_gradients(parameters, gradients, config):
    """Holds the backward pass to central differences of the loss, parameter by parameter."""
    step = 1e-5
    for name, value in parameters.items():
        for index in numpy.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + step
            above = run(parameters, config)[0]
            value[index] = kept - step
            below = run(parameters, config)[0]
            value[index] = kept
            difference = (above - below) / (2 * step)
            if abs(difference - gradients[name][index]) > 1e-7 + 1e-5 * abs(difference):
                sys.exit(f"{config['name']}: {name}{list(index)}: {gradients[name][index]}, by differences {difference}")


def nested(array):
    """Ten significant digits: far below the error of single precision, and readable."""
    if isinstance(array, numpy.ndarray) and array.ndim > 0:
        return [nested(row) for row in array]
    return float(f"{float(array):.10g}")


def main():
    cases = []
    for config in CASES:
        parameters = make_parameters(config)
        loss, gradients, sequences = run(parameters, config)
        check_gradients(parameters, gradients, config)
        for sequence in sequences:
            sequence["hidden"], sequence["last_logits"] = nested(sequence["hidden"]), nested(sequence["last_logits"])
        cases.append(
            {
                "name": config["name"],
                "config": {**{key: config[key] for key in ("items", "dimension", "blocks", "heads", "max_length")},
                           "layer_norm_epsilon": EPSILON},
                "parameters": {name: nested(value) for name, value in parameters.items()},
                "sequences": sequences,
                "loss": nested(loss),
                "gradients": {name: nested(value) for name, value in gradients.items()},
            }
        )
    text = json.dumps({"cases": cases}, indent=1)
    one_row_a_line = re.sub(r"\[([^][{}]*)\]", lambda row: "[" + " ".join(row[1].split()) + "]", text)
    pathlib.Path(sys.argv[1]).write_text(one_row_a_line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
