"""The rows of Table 2: what is trained for each, what others published, and what was measured here.

A row is a model with options. Its name is the model's, and what tells it apart where there are several: `caser`,
`caser-bce`. `bench/quality.py FOLDER --row NAME` redoes it, one result file a data set and seed; `make table2` reads them.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench/results"
DATA = {"ml-1m": "MovieLens-1M", "beauty": "Amazon Beauty"}
BOTH = tuple(DATA)


@dataclass(frozen=True, eq=False)
class Row:
    model: str  # as `rapport train --model` takes it; "" for what only others published
    about: str
    label: str = ""
    set: tuple = ()  # KEY=VALUE
    members: dict = field(default_factory=dict)  # trained models that it is made of: data set → names of other rows
    made_of: str = "models"  # the option that names them
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


def results(folder=RESULTS):
    """What was measured: {(row, data set): [result, …], by seed}."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if "test" in result:
            name = "-".join(filter(None, (result["model"], result["label"])))
            found.setdefault((name, result["data"]), []).append(result)
    for runs in found.values():
        runs.sort(key=lambda result: result["seed"])
    return found
