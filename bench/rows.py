"""The rows of Table 2: what is trained for each, what others published, and what was measured here.

A row is a model with options. Its name is the model's, and what tells it apart where there are several: `caser`,
`caser-bce`. `bench/quality.py FOLDER --row NAME` redoes it, one result file a data set and seed; `make table2` reads them.
"""

import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench/results"


@dataclass(frozen=True)
class DataSet:
    """As docs/data.md says how to make it."""
    title: str
    users: int
    items: int
    interactions: int
    taken: str  # fingerprint of who took what in which order, and of the ids
    text: str  # fingerprint of what models read of the items
    checksums: tuple  # dataset.json's, prepared with the items' text and without: what old result files have instead


DATA_SETS = {
    "ml-1m": DataSet("MovieLens-1M", 6040, 3416, 999611,
                     taken="e304b6e50c9b11d6654bbdd39932417164fe540d38a64ed813ef8d114a654fd1",
                     text="73b7bd3be999ed1b947f537804c867519662354dd8e6a37b1b467a6720e329c1",
                     checksums=("0a29dec4481783e1cfc7f02185c66d4a905425e33c657bcebba95d855353c27a",
                                "7637c242567185fc3be0db8ba6478b0ec62be5d2f5f75c621d31df064e9e4d63")),
    "beauty": DataSet("Amazon Beauty", 22363, 12101, 198502,
                      taken="aa2c1c5803af771a3015ab4d4ba90d8d0673d2ffb18d0b687059e294723aba77",
                      text="0057e1b3e0bc36b47a51a33f63f8fd979adb335634d092e11bbe0daba3fa5a80",
                      checksums=("eec9745941e55d9d28cfa2b4ed70cc0d359c537b649adff33f42d6a4629c14c1",
                                 "eb594362a2f1c5ce9771bd91ebcb4d3daf7cea71936bb946ca90d54eef7db0ec")),
}
DATA = {name: each.title for name, each in DATA_SETS.items()}
BOTH = tuple(DATA)
# Which columns of a data set are which; of its price and sales rank no row makes use.
COLUMNS = {"taken": ("interactions.", "users.id.", "items.id."),
           "text": ("items.title.", "items.brand.", "items.categories.", "items.year")}


def fingerprints(dataset):
    """Of the contents that dataset.json lists. Its own checksum is of the files too, and so of how they were packed."""
    def of(prefixes):
        own = sorted([column[key] for key in ("name", "type", "count", "blake2b")]
                     for column in dataset["columns"] if column["name"].startswith(prefixes))
        return hashlib.sha256(json.dumps(own).encode()).hexdigest()
    return {what: of(prefixes) for what, prefixes in COLUMNS.items()}


def unlike(data, found, text):
    """What of a data set with these fingerprints is not what the table is about, "" for nothing; its text if it is read."""
    known = DATA_SETS[data]
    if found["taken"] != known.taken:
        return "other interactions"
    return "other titles, brands or categories, or none" if text and found["text"] != known.text else ""


@dataclass(frozen=True, eq=False)
class Row:
    model: str  # as `rapport train --model` takes it; "" for what only others published
    about: str
    label: str = ""
    set: tuple = ()  # KEY=VALUE
    set_on: dict = field(default_factory=dict)  # more of them: data set → KEY=VALUE
    members: dict = field(default_factory=dict)  # trained models that it is made of: data set → names of other rows
    made_of: str = "models"  # the option that names them
    embeddings: bool = False  # what an embedding model makes of the items' texts is among them
    text: tuple = ()  # data sets on which it reads the items' text
    data: tuple = BOTH
    seeded: bool = True  # False: nothing is left to chance, one run is all
    paper: str = ""  # its name in the paper's Table 2

    @property
    def name(self):
        return "-".join(filter(None, (self.model, self.label)))


ROWS = [
    Row("popularity", "how often each item was taken", seeded=False),
    Row("bprmf", "BPR-MF", paper="BPR-MF"),
    Row("ncf", "NCF (NeuMF)", paper="NCF"),
    Row("lightgcn", "LightGCN"),
    Row("fpmc", "FPMC"),
    Row("ease", "EASE", seeded=False),
    Row("ridge", "directed ridge without text", label="no-text", set=("alpha=0",), data=("beauty",), seeded=False),
    Row("ridge", "directed ridge, closed form", text=("beauty",), seeded=False),
    Row("gru4rec", "GRU4Rec as its paper: TOP1", label="top1", set=("loss=top1",), paper="GRU4Rec"),
    Row("gru4rec", "GRU4Rec as its second paper: BPR-max", label="bpr-max", set=("loss=bpr-max",), paper="GRU4Rec"),
    Row("gru4rec", "GRU4Rec, cross-entropy", paper="GRU4Rec"),
    Row("caser", "Caser as its paper: BCE", label="bce", set=("loss=bce",), paper="Caser"),
    Row("caser", "Caser, cross-entropy", paper="Caser"),
    Row("bert4rec", "BERT4Rec"),
    Row("sasrec", "SASRec, cross-entropy", paper="SASRec"),
    Row("gru4rec", "GRU4Rec with text", label="text", set=("text=true",), text=BOTH),
    Row("sasrec", "SASRec with text", label="text", set=("text=true",), text=BOTH),
    Row("e4srec", "E4SRec: SmolLM2-135M reads items", set=("first_layers=8", "epochs=8", "batch_tokens=1024"), text=BOTH,
        members={"ml-1m": ("gru4rec-text", "sasrec"), "beauty": ("sasrec-text", "gru4rec-text")}, made_of="items"),
    Row("e4srec", "E4SRec beside SASRec: SmolLM2-135M reads its items and what MiniLM makes of their texts", label="texts",
        set=("first_layers=8", "batch_tokens=1024"), set_on={"ml-1m": ("windows=0", "epochs=2"), "beauty": ("epochs=8",)},
        text=BOTH, members={name: ("sasrec",) for name in BOTH}, made_of="items", embeddings=True),
    # Members are what cross-fitting on the validation items is best with.
    Row("fusion", "linear fusion without text",
        members={"ml-1m": ("sasrec", "gru4rec", "caser", "ridge", "ease"),
                 "beauty": ("sasrec", "gru4rec", "caser", "ridge-no-text", "ease")}),
    Row("fusion", "linear fusion with text", label="text", text=BOTH,
        members={"ml-1m": ("gru4rec-text", "sasrec", "gru4rec", "fpmc", "ease", "ridge"),
                 "beauty": ("sasrec-text", "gru4rec-text", "sasrec", "ridge", "ease")}),
    Row("", "PALR-1", paper="PALR-1"),
    Row("", "PALR-2", paper="PALR-2"),
]
BY_NAME = {row.name: row for row in ROWS if row.model}


@dataclass(frozen=True)
class Published:
    what: str
    figures: dict  # data set → (HR@10, NDCG@10)
    source: str = ""  # Markdown


def published(what, ml_1m, beauty, source=""):
    return Published(what, {name: pair for name, pair in zip(DATA, (ml_1m, beauty)) if pair}, source)


# Yang et al. 2023 (https://arxiv.org/abs/2305.07622), Table 2: the table that this one redoes.
PAPER = {one.what: one for one in [
    published("BPR-MF", (.0354, .0158), (.0299, .0122)),
    published("NCF", (.0313, .0143), (.0293, .0130)),
    published("GRU4Rec", (.1017, .0468), (.0194, .0091)),
    published("Caser", (.1338, .0614), (.0282, .0136)),
    published("SASRec", (.1978, .1192), (.0617, .0283)),
    published("PALR-1", (.1216, .0569), (.0181, .0101)),
    published("PALR-2", (.2110, .1276), (.0721, .0446)),
]}

XU = "[Xu et al. 2024](https://arxiv.org/abs/2402.06216)"
# The best known elsewhere of the same protocol and the same splits, by row.
ELSEWHERE = {
    "bprmf": published("MF-BPR", (.0740, .0377), (.0447, .0225)),
    "ncf": published("NeuMF", None, (.0196, .0094)),
    "lightgcn": published("LightGCN", None, (.0479, .0241)),
    "caser": published("Caser, cross-entropy", (.3135, .1864), (.0613, .0361), XU),
    "gru4rec": published("GRU4Rec, cross-entropy", (.3201, .1850), (.0691, .0397), XU),
    "bert4rec": published("BERT4Rec, cross-entropy", (.2922, .1634), (.0718, .0402), XU),
    "sasrec": published("SASRec, cross-entropy", (.3140, .1820), (.0986, .0597), XU),
}
# Models that are not here, but are what the best rows have to be held against.
ANCHORS = [
    published("ICSRec", (.3369, .2007), None, "[Qin et al. 2024](https://arxiv.org/abs/2310.14318)"),
    published("WEARec", (.3334, .1904), (.1016, .0599), "[Xu et al. 2025](https://arxiv.org/abs/2511.07028)"),
    published("FMLP-Rec, cross-entropy", (.3243, .1893), (.0992, .0597), XU),
    published("BSARec", None, (.1008, .0611), "[Shin et al. 2024](https://arxiv.org/abs/2312.10325)"),
    published("gSASRec", (.3003, .1726), None, "[Petrov & Macdonald 2023](https://arxiv.org/abs/2308.07192)"),
]


NEEDED = {"model", "data", "label", "seed", "options", "best_epoch", "training_seconds", "machine", "commit", "validation",
          "test"}


def shown(path):
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        sys.exit(f"{shown(path)} is no JSON ({error}): restore it, or remove it and make it anew")


def read_result(path):
    """What the file says of a row's run, or None: the folder has other results too."""
    result = read_json(path)
    if not isinstance(result, dict) or "test" not in result:
        return None
    missing = NEEDED - result.keys()
    if missing:
        sys.exit(f"{shown(path)} lacks {', '.join(sorted(missing))}: restore it, or make it anew with --again")
    if result["data"] not in DATA_SETS:
        sys.exit(f"{shown(path)} is of the data set {result['data']}, which Table 2 has not: remove it")
    return result


def name_of(result):
    return "-".join(filter(None, (result["model"], result["label"])))


def reads_text(result, measured):
    """Whether a run read the items' text: by its options, and those of the models that it is made of."""
    options = result["options"]
    if result["model"] == "e4srec" or options.get("text") or options.get("alpha"):
        return True
    members = options.get("models", ())
    return any(f"{name}-{data}-seed{run['seed']}" in members and reads_text(run, measured)
               for (name, data), runs in measured.items() for run in runs)


def wrong_data(result, text):
    """Why a run's data are not the table's; "" where they are."""
    if "fingerprints" in result:
        return unlike(result["data"], result["fingerprints"], text)
    with_text, without = DATA_SETS[result["data"]].checksums
    checksum = result["test"]["data"]["checksum"]
    return "" if checksum == with_text or checksum == without and not text else f"the data's checksum is {checksum}"


def results(folder=RESULTS):
    """What was measured: {(row, data set): [result, …], by seed}."""
    found, files = {}, []
    for path in sorted(folder.glob("*.json")):
        result = read_result(path)
        if result:
            found.setdefault((name_of(result), result["data"]), []).append(result)
            files.append((path, result))
    for path, result in files:
        row = BY_NAME.get(name_of(result))
        wrong = wrong_data(result, result["data"] in row.text if row else reads_text(result, found))
        if wrong:
            sys.exit(f"{shown(path)} was not measured on Table 2's {DATA[result['data']]}: {wrong}; remove it, or make it "
                     "anew with --again (docs/data.md says of which data)")
    for runs in found.values():
        runs.sort(key=lambda result: result["seed"])
    return found
