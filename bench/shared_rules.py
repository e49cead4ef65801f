"""Which rules of each peer have a counterpart in ours, and how fast the peer runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.peer import (
    DATA_JUICER,
    DATATROVE,
    DOLMA,
    NEMO_CURATOR,
    ask_peer,
    peer_python,
)


@dataclass(frozen=True)
class Peer:
    """A peer of the filter bench.

    Attributes:
        name: as it is asked for.
        folder: of its environment, inside the folder of all of them.
        packages: what pip is asked for.
        script: beside this file, run by the peer's Python.
        shared: rule of the peer -> what ours is called.
        constrained: packages that get the version of constraints.txt.
        sets: our rule sets that count as this peer does; empty: the published four.
    """

    name: str
    folder: str
    packages: tuple[str, ...]
    script: str
    shared: Mapping[str, str]
    constrained: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

    def python(self, venvs: Path) -> Path:
        """Its Python; the environment is made if it is not there."""
        return peer_python(venvs / self.folder, self.packages, constrained=self.constrained)

    def ask(self, python: Path, sample: Path, folder: Path) -> dict[str, Any]:
        """What its script prints about the sample."""
        words = [str(sample), str(folder)] if self.name == "data-juicer" else [str(sample)]
        told: dict[str, Any] = ask_peer(python, self.script, *words)
        return told


@dataclass(frozen=True)
class Speed:
    """How fast a peer is at something.

    Attributes:
        speed: MB/s of JSON.
        what: it does.
        whole: it is JSON in, decision out; else one rule, without parsing.
    """

    speed: float
    what: str
    whole: bool = True


_N_GRAMS = {f"repeating_dup_{n}gram": f"gopher_repetition.dup_{n}_grams" for n in range(5, 11)}
_TOP_GRAMS = {f"repeating_top_{n}grams": f"gopher_repetition.top_{n}_gram" for n in range(2, 5)}

PEERS: Final[Mapping[str, Peer]] = {
    peer.name: peer
    for peer in (
        Peer(
            "datatrove",
            "datatrove",
            DATATROVE,
            "datatrove_filters.py",
            {
                "GopherQualityFilter": "gopher_quality, all 10 rules",
                "GopherRepetitionFilter": "gopher_repetition, all 14 rules",
                "C4QualityFilter": "c4, 3 rules and the line edits",
                "FineWebQualityFilter": "fineweb, all 5 rules",
            },
        ),
        Peer(
            "nemo-curator",
            "nemo_curator",
            NEMO_CURATOR,
            "nemo_filters.py",
            {
                "symbol_to_word": "gopher_quality.hash_ratio and .ellipsis_ratio",
                "boilerplate_string_ratio": "c4.lorem_ipsum and C4's policy lines",
                "repeated_lines": "gopher_repetition.dup_line_frac",
                "repeated_paragraphs": "gopher_repetition.dup_para_frac",
                "repeated_lines_char": "gopher_repetition.dup_line_char_frac",
                "repeated_paragraphs_char": "gopher_repetition.dup_para_char_frac",
                "word_count": "gopher_quality.min_words and .max_words",
                "punctuation": "fineweb.line_punct_ratio",
                "words_without_alphabets": "gopher_quality.alphabetic_words",
                "common_english_words": "gopher_quality.stop_words",
                "mean_word_length": "gopher_quality.min_mean_word_length and .max_mean_word_length",
                "max_word_length": "C4's lines with a word of over 1,000 characters",
                "ellipsis": "gopher_quality.ellipsis_lines",
                **_TOP_GRAMS,
                **_N_GRAMS,
                "bullet_ratio": "gopher_quality.bullet_lines",
            },
            constrained=("torch",),
        ),
        Peer(
            "data-juicer",
            "data_juicer",
            DATA_JUICER,
            "juicer_filters.py",
            {
                "text_length_filter": "gopher_repetition.empty",
                "words_num_filter": "gopher_quality.min_words and .max_words",
                "stopwords_filter": "gopher_quality.stop_words",
                "word_repetition_filter": "gopher_repetition.dup_10_grams",
            },
        ),
        Peer(
            "dolma",
            "dolma",
            DOLMA,
            "dolma_filters.py",
            {
                "gopher_v1": "dolma_gopher",
                "gopher_v2": "the same, blank lines ignored",
                "c4_v1": "dolma_c4 and c4 but sentences; its naughty words are left out",
                "c4_v2": "the same",
            },
            sets=("dolma_gopher", "dolma_c4"),
        ),
    )
}


def speeds(peer: Peer, told: Mapping[str, Any], megabytes: float) -> list[Speed]:
    """The peer's speeds, from what its script printed about so many megabytes."""
    if peer.name == "datatrove":
        return [
            Speed(megabytes / told["chain_seconds"], "chain, a dropped document goes no further"),
            Speed(megabytes / told["each_seconds"], "all four filters on every document"),
        ]
    rules: Mapping[str, float] = told["rules"]
    alone = [
        Speed(megabytes / seconds, f"{name}: {_counterpart(peer, name)}", whole=False)
        for name, seconds in rules.items()
    ]
    if peer.name == "dolma":
        fastest = [min(rules[f"{name}_v1"], rules[f"{name}_v2"]) for name in ("gopher", "c4")]
        both = megabytes / (told["parse"] + sum(fastest))
        return [Speed(both, "both taggers, the faster version of each"), *alone]
    kept = f"{told['kept']} of {told['documents']} documents kept"
    return [
        Speed(megabytes / told["chain"], f"chain, a dropped document goes no further ({kept})"),
        Speed(megabytes / told["each"], f"its {len(peer.shared)} rules on every document"),
        *(
            [Speed(megabytes / told["chain_all"], "chain with its other filters of text")]
            if "chain_all" in told
            else []
        ),
        *alone,
    ]


def _counterpart(peer: Peer, rule: str) -> str:
    return peer.shared.get(rule, "no rule of ours")
