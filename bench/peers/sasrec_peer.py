#!/usr/bin/env python3
"""A PyTorch training step of SASRec, timed: what Rapport's training speed is held against.

    bench/peers/sasrec_peer.py ml-1m  SEQUENCES.txt.gz --loss padded|real [--steps 10]
    bench/peers/sasrec_peer.py beauty SEQUENCES.txt.gz --loss padded|real
    bench/peers/sasrec_peer.py check  tests/retrieval/data/sasrec_reference.json

`--loss padded` computes logits over all items at every position of the padded batch and lets the
cross-entropy ignore the padding, as most public code does; `--loss real` picks the positions that hold an
item first. Model, optimiser and batches are the same. Prints one JSON document. `check` holds loss and
gradients of both to the figures that the tests of Rapport's own model are held to.

SEQUENCES: `user item item …` a line, or `user item` a line in time order; the last two items of a user are
left for validation and test.
"""

import argparse
import gzip
import json
import math
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

# The recipes; batch and length make the padded positions of a step: 25,600 in both.
RECIPES = {
    "ml-1m": {"batch": 128, "length": 200, "dropout": 0.1, "learning_rate": 1e-3, "weight_decay": 1e-6},
    "beauty": {"batch": 512, "length": 50, "dropout": 0.6, "learning_rate": 5e-4, "weight_decay": 1e-8},
}
DIMENSION, BLOCKS, HEADS = 64, 2, 1
EPSILON = 1e-8


class Block(nn.Module):
    def __init__(self, dimension, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm = nn.LayerNorm(dimension, eps=EPSILON)
        self.query, self.key, self.value, self.output = (nn.Linear(dimension, dimension) for _ in range(4))
        self.feed_forward_norm = nn.LayerNorm(dimension, eps=EPSILON)
        self.feed_forward = nn.ModuleList(nn.Linear(dimension, dimension) for _ in range(2))

    def drop(self, x):
        return functional.dropout(x, self.dropout, self.training)

    def forward(self, h):
        users, length, dimension = h.shape
        query, key, value = (
            part(x).view(users, length, self.heads, -1).transpose(1, 2)
            for part, x in ((self.query, self.attention_norm(h)), (self.key, h), (self.value, h))
        )
        attended = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, dropout_p=self.dropout if self.training else 0.0
        )
        h = h + self.output(attended.transpose(1, 2).reshape(users, length, dimension))
        f = self.feed_forward_norm(h)
        return f + self.drop(self.feed_forward[1](self.drop(functional.relu(self.feed_forward[0](f)))))


class SASRec(nn.Module):
    """Items 0 … items-1; the number `items` is padding, to the left of a user's items."""

    def __init__(self, items, dimension, blocks, heads, length, dropout):
        super().__init__()
        self.items, self.dropout = items, dropout
        self.item_embedding = nn.Embedding(items + 1, dimension, padding_idx=items)
        self.position_embedding = nn.Embedding(length, dimension)
        self.blocks = nn.ModuleList(Block(dimension, heads, dropout) for _ in range(blocks))
        self.final_norm = nn.LayerNorm(dimension, eps=EPSILON)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)

    def forward(self, inputs):
        """[users x length] numbers of items to [users x length x dimension] hidden states."""
        # Padding is zero before every block, and attended to.
        padding = (inputs == self.items)[:, :, None]
        h = self.item_embedding(inputs) * math.sqrt(self.item_embedding.embedding_dim) + self.position_embedding.weight
        h = functional.dropout(h, self.dropout, self.training).masked_fill(padding, 0)
        for block in self.blocks:
            h = block(h).masked_fill(padding, 0)
        return self.final_norm(h)

    def loss(self, inputs, targets, which):
        hidden = self(inputs)
        embedding = self.item_embedding.weight[: self.items]
        if which == "padded":
            logits = hidden @ embedding.T
            return functional.cross_entropy(logits.view(-1, self.items), targets.view(-1), ignore_index=self.items)
        real = targets != self.items
        return functional.cross_entropy(hidden[real] @ embedding.T, targets[real])


def read_histories(path):
    """The items of each user, numbered from 0 as they come."""
    histories, numbers = {}, {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            user, *items = line.split()
            histories.setdefault(user, []).extend(numbers.setdefault(item, len(numbers)) for item in items)
    return list(histories.values()), len(numbers)


def padded(sequence, length, padding):
    kept = sequence[-length:]
    return [padding] * (length - len(kept)) + kept


def batches(histories, items, batch, length, generator):
    """Endless epochs of shuffled users: pairs of [batch x length] inputs and targets."""
    training = [history[:-2] for history in histories if len(history) >= 4]
    while True:
        order = torch.randperm(len(training), generator=generator).tolist()
        for start in range(0, len(order), batch):
            users = [training[user] for user in order[start : start + batch]]
            inputs = torch.tensor([padded(user[:-1], length, items) for user in users])
            targets = torch.tensor([padded(user[1:], length, items) for user in users])
            yield inputs, targets


def measure(recipe, histories, items, arguments):
    torch.manual_seed(arguments.seed)
    model = SASRec(items, DIMENSION, BLOCKS, HEADS, recipe["length"], recipe["dropout"])
    optimiser = torch.optim.Adam(
        model.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"]
    )
    generator = torch.Generator().manual_seed(arguments.seed)
    source = batches(histories, items, recipe["batch"], recipe["length"], generator)
    seconds, loss = [], None
    for step in range(arguments.warm_up + arguments.steps):
        started = time.perf_counter()
        inputs, targets = next(source)
        optimiser.zero_grad(set_to_none=True)
        loss = model.loss(inputs, targets, arguments.loss)
        loss.backward()
        optimiser.step()
        if step >= arguments.warm_up:
            seconds.append(time.perf_counter() - started)
    if not math.isfinite(loss.item()):
        sys.exit(f"the loss became {loss.item()}: these times mean nothing")
    return statistics.median(seconds), loss.item()


def time_training(arguments):
    recipe = RECIPES[arguments.what]
    histories, items = read_histories(arguments.path)
    median, loss = measure(recipe, histories, items, arguments)
    lengths = [min(len(history) - 3, recipe["length"]) for history in histories if len(history) >= 4]
    # As many whole batches as the users make: a last, smaller one costs its share.
    steps = len(lengths) / recipe["batch"]
    return {
        "peer": f"PyTorch {torch.__version__}",
        "data": arguments.what,
        "loss": arguments.loss,
        "threads": torch.get_num_threads(),
        "users": len(histories),
        "items": items,
        "batch": recipe["batch"],
        "length": recipe["length"],
        "timed_steps": arguments.steps,
        "median_step_seconds": round(median, 4),
        "steps_per_epoch": round(steps, 2),
        "seconds_per_epoch": round(median * steps, 2),
        "padded_positions_per_step": recipe["batch"] * recipe["length"],
        "real_positions_per_epoch": sum(lengths),
        "last_loss": round(loss, 4),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def load_reference(model, parameters):
    """Fills the model; returns a function from a name in the reference to our gradient of it, in its shape."""
    ours = dict(model.named_parameters())

    def is_linear(name):
        return name.endswith(".weight") and "norm" not in name and "blocks" in name

    with torch.no_grad():
        for name, values in parameters.items():
            tensor = torch.tensor(values, dtype=torch.float64)
            if name == "item_embedding":
                tensor = torch.cat([tensor, torch.zeros(1, tensor.shape[1], dtype=torch.float64)])
            target = ours[name if name in ours else name + ".weight"]
            target.copy_(tensor.T if is_linear(name) else tensor)

    def gradient(name):
        found = ours[name if name in ours else name + ".weight"].grad
        if name == "item_embedding":
            return found[:-1]
        return found.T if is_linear(name) else found

    return gradient


def check(path):
    """Loss and gradients of both kinds of loss against the reference, in double precision."""
    worst = 0.0
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    for case in cases:
        config = case["config"]
        for which in ("padded", "real"):
            model = SASRec(
                config["items"], config["dimension"], config["blocks"], config["heads"], config["max_length"], 0.0
            ).double()
            gradient = load_reference(model, case["parameters"])
            rows = [
                [padded(sequence[part], config["max_length"], config["items"]) for sequence in case["sequences"]]
                for part in ("inputs", "targets")
            ]
            loss = model.loss(torch.tensor(rows[0]), torch.tensor(rows[1]), which)
            loss.backward()
            differences = [abs(loss.item() - case["loss"])]
            for name, values in case["gradients"].items():
                expected = torch.tensor(values, dtype=torch.float64)
                differences.append((gradient(name) - expected).abs().max().item())
            worst = max(worst, *differences)
    if worst > 1e-8:
        sys.exit(f"the peer is {worst} away from {path}: it is another model")
    return {"cases": len(cases), "largest_difference": worst}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*RECIPES, "check"])
    parser.add_argument("path")
    parser.add_argument("--loss", choices=["padded", "real"], default="padded")
    parser.add_argument("--steps", type=int, default=10, help="timed steps")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them")
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    print(json.dumps(check(arguments.path) if arguments.what == "check" else time_training(arguments)))


if __name__ == "__main__":
    main()
