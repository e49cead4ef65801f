"""Commands on what runs have made: one more step, hand over, train, compare, tidy, begin a plug-in.

Parsing and printing only, as in `pipelines.cli`, which adds these to its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.printing import STORE, Address, Engine, Json, StoreFolder, Workers, finish

Arm = Annotated[str, typer.Option(help="Which arm of the run; not needed where there is one.")]


def export(
    path: Annotated[Path, typer.Argument(help="A run's folder, a mixture's, or a proxy's.")],
    form: Annotated[
        str,
        typer.Option(
            "--format", help="jsonl, jsonl.zst, parquet, hf; tokens, megatron, mds; transformers."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    arm: Arm = "",
    as_json: Json = False,
) -> None:
    """Hand over a mixture, as text or tokens in training order, or a proxy for transformers."""
    from pipelines.handing import export as hand_over

    finish(hand_over(path, form, out, arm), as_json=as_json)


def score(
    scorer: Annotated[str, typer.Argument(help="What a recipe would `use`.")],
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Option(help="The folder of the answer, a run of its own.")],
    name: Annotated[str, typer.Option("--as", help="Name of the score.")] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting: k=8")] = None,
    learns_from: Annotated[
        list[str] | None, typer.Option(help="Role and corpus: target=gsm8k/train, bad=source:web")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a run's documents once more; no arms, nothing trained."""
    from pipelines.stepping import score_once

    done = score_once(
        scorer, run, name=name, settings=set_ or [], learns_from=learns_from or [], out=out,
        quiet=as_json,
    )  # fmt: skip
    finish(done, as_json=as_json)


def select(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Option(help="The folder of the answer, a run of its own.")],
    by: Annotated[str, typer.Option(help="The score to rank by.")] = "",
    method: Annotated[str, typer.Option(help="random, topk, threshold, band, gumbel.")] = "",
    tokens: Annotated[int | None, typer.Option(min=1, help="The budget.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any other key.")] = None,
    as_json: Json = False,
) -> None:
    """Select from a run's pool once more; nothing trained."""
    from curator.recipe import override
    from pipelines.stepping import select_once

    given = {"by": by, "method": method, "tokens": tokens}
    settings = override({key: value for key, value in given.items() if value}, set_ or [])
    finish(select_once(run, settings=settings, out=out, quiet=as_json), as_json=as_json)


def mix(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Option(help="The folder of the answer, a run of its own.")],
    arm: Arm = "",
    weight: Annotated[list[str] | None, typer.Option(help="Source and weight: web=2")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Size of the mixture.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any other key.")] = None,
    as_json: Json = False,
) -> None:
    """Mix an arm of a run anew, by weights of sources; nothing trained."""
    from curator.recipe import override
    from pipelines.stepping import mix_once

    weights = override({}, weight or [])
    sources = [{"source": source, "weight": share} for source, share in weights.items()]
    given = {"sources": sources, "tokens": tokens}
    settings = override({key: value for key, value in given.items() if value}, set_ or [])
    finish(mix_once(run, arm=arm, mix=settings, out=out, quiet=as_json), as_json=as_json)


def train(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder, or a run's with --arm.")],
    proxy: Annotated[str, typer.Option(help="A file of configs/proxies, or a depth: d2.")],
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a run.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many: 1, 2, ... this.")] = 3,
    arm: Arm = "",
    store: StoreFolder = STORE,
    workers: Workers = None,
    device: Annotated[str, typer.Option(help="cpu or cuda: there, all seeds at once.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Train proxies on one mixture, one a seed; finished ones are served."""
    from pipelines.measuring import train_mixture

    found = train_mixture(
        mixture, arm=arm, proxy=proxy, tokens=tokens, seeds=seeds, store=store, workers=workers,
        quiet=as_json, device=device,
    )  # fmt: skip
    finish(found, as_json=as_json)


def evaluate(
    proxy: Annotated[Path, typer.Argument(help="A proxy's folder.")],
    file: Annotated[Path, typer.Argument(help="JSON lines, one item a line.")],
    choices: Annotated[
        str, typer.Option(help="Fields: context=query,options=choices,answer=gold")
    ] = "",
    pairs: Annotated[str, typer.Option(help="Fields: good=FIELD,bad=FIELD,group=FIELD")] = "",
    text: Annotated[str, typer.Option(help="Fields of the text, with commas between.")] = "",
    id_field: Annotated[str, typer.Option("--id", help="The field that names an item.")] = "id",
    items: Annotated[int | None, typer.Option(min=1, help="So many, evenly over the file.")] = None,
    as_json: Json = False,
) -> None:
    """Ask one proxy about one file: bits per byte, and answers to questions or pairs."""
    from pipelines.asking import ask_proxy

    found = ask_proxy(
        proxy, file, text=text, choices=choices, pairs=pairs, id_field=id_field, items=items
    )
    finish(found, as_json=as_json)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    baseline: Annotated[str, typer.Option(help="ARM, or RUN/ARM where runs are several.")] = "",
    metric: Annotated[str, typer.Option(help="Only this one.")] = "",
    as_json: Json = False,
) -> None:
    """Compare the arms of runs, paired by seed: intervals, verdicts, seeds that would decide."""
    from pipelines.measuring import compare_run_folders

    finish(compare_run_folders(runs, baseline, metric), as_json=as_json)


def leaderboard(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes on one corpus, YAML files.")],
    corpus: Annotated[
        Path | None, typer.Option(help="A corpus file that stands in for each recipe's own.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Of each arm: 1, 2, ... this.")] = 5,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a run.")] = 1_000_000,
    proxy: Annotated[str, typer.Option(help="A file of configs/proxies, or a depth: d2.")] = "d2",
    baseline: Annotated[str, typer.Option(help="The arm to compare with; else the recipes'.")] = "",
    multiplier: Annotated[
        bool,
        typer.Option(
            "--multiplier",
            help="Train the baseline at 1/4, 1/2, 2, 4 ... --reach times the tokens too, and say "
            "how many times its tokens each arm is worth.",
        ),
    ] = False,
    reach: Annotated[
        int, typer.Option(min=2, help="With --multiplier: doublings of the tokens, up to so often.")
    ] = 2,
    plan: Annotated[bool, typer.Option("--plan", help="Print the cost and stop.")] = False,
    device: Annotated[str, typer.Option(help="What to train on: cpu or cuda.")] = "cpu",
    store: StoreFolder = STORE,
    out: Annotated[Path, typer.Option(help="The folder of the answer.")] = Path("runs/leaderboard"),
    engine: Engine = "inline",
    address: Address = None,
    workers: Workers = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override every recipe: seed=17")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the arms of several recipes on one corpus: the cost first, then a table and a page.

    Every arm is trained alike from the same seeds and compared with one baseline, paired by seed.
    Finished runs are served, so a killed leaderboard goes on, and a recipe that is added trains
    its own arms only. Arms that several recipes have alike, such as the baseline, stand once.
    """
    from pipelines.leaderboard import Settings, run_leaderboard

    finish(
        run_leaderboard(
            recipes, proxy=proxy, tokens=tokens, seeds=seeds, corpus=corpus, baseline=baseline,
            settings=Settings(store, out, engine, address, workers, quiet=as_json),
            assignments=set_ or [], reach=reach if multiplier else 0, plan_only=plan, device=device,
        ),
        as_json=as_json,
    )  # fmt: skip


def diff(
    one: Annotated[Path, typer.Argument(help="A run's folder.")],
    other: Annotated[Path, typer.Argument(help="Another's.")],
    as_json: Json = False,
) -> None:
    """What changed between two runs: settings, counts, selections, verdicts."""
    from pipelines.differing import difference

    finish(difference(one, other), as_json=as_json)


def gc(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs to keep besides those the store knows of.")
    ] = None,
    store: StoreFolder = STORE,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Keep nothing that was begun and not finished.")
    ] = False,
    forget: Annotated[
        list[Path] | None, typer.Option(help="A run or a proxy to keep no longer.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what no run of this store stands on, and with --delete free it."""
    from pipelines.tidying import collect_garbage

    found = collect_garbage(
        runs or [Path("runs")], store, delete=delete, unfinished=unfinished, forgotten=forget or []
    )
    finish(found, as_json=as_json)


def contamination(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    n: Annotated[int, typer.Option("-n", min=0, help="Matches shown; --json has all.")] = 10,
    as_json: Json = False,
) -> None:
    """What a run's pool had in common with its benchmarks: items, documents, words, sources."""
    from pipelines.matching import matches_of_run

    finish(matches_of_run(str(run), n=n), as_json=as_json)


def new_scorer(
    name: Annotated[str, typer.Argument(help="What recipes will `use`: small letters.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder; curator-scorer-NAME unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a scorer's package that installs, runs and passes its tests."""
    from pipelines.scaffolding import new_scorer as write_package

    finish(write_package(name, out), as_json=as_json)


def register(commands: typer.Typer) -> None:
    """Add the commands of this module to a command line."""
    steps = (score, select, mix, export, train, evaluate, compare, leaderboard, diff)
    for command in (*steps, contamination, gc):
        commands.command()(command)
    new = typer.Typer(help="Begin something of your own.", no_args_is_help=True)
    new.command("scorer")(new_scorer)
    new.callback()(lambda: None)
    commands.add_typer(new, name="new")
