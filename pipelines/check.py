"""Every mistake of a recipe at once: its shape, its names, its files, its plug-ins' settings.

Each check looks at one section of the raw mapping and survives the mistakes of the others, so a
recipe with five mistakes is told all five. Nothing is written and nothing heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from curator.errors import CuratorError, RecipeError
from curator.recipe import (
    Recipe,
    arrange,
    find_recipe,
    override,
    read_yaml,
    shape_problems,
    suggestion,
)
from curator.section import is_name
from pipelines.check_corpus import corpus_problems, guarded, how_to_guard, splits
from pipelines.check_refine import refine_problems
from pipelines.check_staged import staged_problems
from pipelines.check_tags import tag_problems
from pipelines.conducting import conduct_problems
from pipelines.lenient import absent_models, listing, mapping, refusal, words
from pipelines.picking import pick_problems
from pipelines.placebos import placebo_problems, placebos
from pipelines.sharing import share_problems
from pipelines.starting import start_problems

Columns = tuple[str, ...] | None  # of a score; None: it has mistakes and makes none


def load_recipe(
    path: Path, *, corpus: Path | None = None, assignments: Iterable[str] = ()
) -> Recipe:
    """Return the recipe in a file, or of a name in configs/recipes, checked.

    Raises:
        RecipeError: with a line for every mistake; nothing ran and nothing was written.
    """
    file = find_recipe(path)
    content = override(arrange(read_yaml(file), file.parent, corpus), assignments)
    return checked(content, str(file))


def checked(content: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe in a mapping.

    Raises:
        RecipeError: with a line for every mistake, and `where` they are.
    """
    recipe, problems = shape_problems(content)
    problems += named_problems(content)
    if recipe is None or problems:
        lines = "\n".join(f"  {number}. {line}" for number, line in enumerate(problems, 1))
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise RecipeError(f"{count}; nothing ran\n{lines}", where=where)
    return recipe


def named_problems(content: Mapping[str, Any]) -> list[str]:
    """Return a line for every name, file and setting of a recipe that leads nowhere."""
    corpus = mapping(content.get("corpus"))
    checks = (
        corpus_problems(corpus),
        _scores(content, corpus),
        _arms(content, corpus),
        _training(content, corpus),
        pick_problems(content),
        conduct_problems(content),
        staged_problems(content),
        refine_problems(content),
        tag_problems(content),
        share_problems(content),
    )
    return [line for check in checks for line in check]


def _scores(content: Mapping[str, Any], corpus: Mapping[str, Any]) -> Iterator[str]:
    seen: dict[str, Columns] = {}
    for number, entry in enumerate(listing(content.get("score"))):
        where = f"score.{number}"
        if not isinstance(entry, Mapping) or "use" not in entry:
            yield f"{where}: {entry!r} does not say which scorer to `use`"
            continue
        from pipelines.scoring import entry_name

        if entry_name(entry) in seen:
            yield f"{where}: two scores are called {entry_name(entry)!r}; name one with `as:`"
        if not is_name(entry_name(entry)):
            yield f"{where}.as: found {entry_name(entry)!r}; wanted letters, digits, '_' and '-'"
        if entry_name(entry) in reserved_names():
            yield f"{where}.as: {entry_name(entry)!r} is a column already; choose another name"
        yield from _score(where, entry, seen, corpus)
        yield from _absent(where, entry, mapping(content.get("models")))
        seen[entry_name(entry)] = _columns(entry)


def _columns(entry: Mapping[str, Any]) -> Columns:
    """Return the columns that an entry of `score` makes; None where it has mistakes."""
    from curator.registry import make_scorer
    from pipelines.scoring import column_names, entry_name

    try:
        return tuple(column_names(entry_name(entry), make_scorer(entry).writes).values())
    except CuratorError:
        return None


def _absent(where: str, entry: Mapping[str, Any], trained: Mapping[str, Any]) -> Iterator[str]:
    """Yield the encoders and models that an entry of `score` asks for and that are not here."""
    from curator import weights
    from curator.registry import make_scorer

    try:
        beside = make_scorer(entry).beside
    except CuratorError:
        return  # told already
    encoders = {getattr(stage, "encoder", None) for stage in beside} - {None}
    for name in sorted(map(str, encoders)):
        yield from refusal(lambda n=name: weights.find(n), f"{where}.encoder")
    yield from absent_models(words(entry.get("models")), f"{where}.models", trained)


def _lacking(column: str, made: Mapping[str, Columns]) -> str:
    """Return what is wrong with a score's column, "" if there is one of that name."""
    name = column.partition(".")[0]
    if name not in made:
        return f"no score {column!r}{suggestion(column, made)}"
    columns = made[name]
    if columns is None or column in columns:
        return ""
    return f"score {name!r} has no column {column!r}{suggestion(column, columns)}"


def _score(
    where: str, entry: Mapping[str, Any], earlier: Mapping[str, Columns], corpus: Mapping[str, Any]
) -> Iterator[str]:
    from curator.registry import make_scorer
    from pipelines.scoring import learned_from

    if not isinstance(entry.get("learns_from", {}), Mapping):
        yield f"{where}.learns_from: found {entry['learns_from']!r}; wanted {{ROLE: CORPUS}}"
        return
    told = mapping(entry.get("learns_from"))
    strange = [role for role, what in told.items() if not isinstance(what, str | list)]
    for role in strange:
        yield f"{where}.learns_from.{role}: found {told[role]!r}; wanted a corpus by name"
    faults = list(refusal(lambda: make_scorer(entry), where))
    yield from faults
    if faults or strange:
        return
    scorer = make_scorer(entry)
    for name in scorer.scores:
        if name not in earlier:
            yield f"{where}: no earlier score {name!r}{suggestion(name, earlier)}"
    for column in dict.fromkeys(scorer.reads):
        if column.partition(".")[0] in set(scorer.scores) & set(earlier):
            told_of = _lacking(column, earlier)
            yield from [f"{where}: {told_of}"] if told_of else []
    wanted, roles = getattr(scorer, "learns_from", ()), mapping(corpus.get("roles"))
    faults = list(refusal(lambda: learned_from(entry, wanted, roles), where))
    yield from faults
    if not faults:
        what = [one for _, each in learned_from(entry, wanted, roles) for one in each]
        yield from _learned(where, what, corpus)


def _learned(where: str, learned: Iterable[str], corpus: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the benchmarks that a scorer learns from."""
    known = splits(corpus)
    against = guarded(corpus)
    for what in dict.fromkeys(learned):
        test = f"{what.split('/')[0]}/test"
        if what == "pool" or what.startswith("source:"):
            continue
        if what not in known:
            yield f"{where}.learns_from: no benchmark split {what!r}{suggestion(what, known)}"
        elif what.endswith("/test"):
            yield f"{where}.learns_from: {what!r} is a test split; learn from {what[:-4]}train"
        elif test in known and test not in against:
            yield (
                f"{where}: what learns from {what!r} pulls in copies of its test items; "
                f"{how_to_guard(test, corpus)}"
            )


def _taught(where: str, learns_from: Any, corpus: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the text that a reference model is trained on."""
    from pipelines.modeling import texts_called

    if not isinstance(learns_from, str | list):
        return  # none, or told as a mistake of its shape
    roles = mapping(corpus.get("roles"))
    faults = list(refusal(lambda: texts_called(learns_from, roles), where))
    yield from faults
    if not faults:
        yield from _learned(where, texts_called(learns_from, roles), corpus)


def _arms(content: Mapping[str, Any], corpus: Mapping[str, Any]) -> Iterator[str]:
    from curator.mix.spec import parse_mix
    from curator.select.spec import parse_select
    from pipelines.scoring import entry_name

    arms = mapping(content.get("arms"))
    made = {
        entry_name(entry): _columns(entry)
        for entry in listing(content.get("score"))
        if isinstance(entry, Mapping) and "use" in entry
    }
    for name, arm in arms.items():
        select = mapping(mapping(arm).get("select"))
        yield from refusal(lambda s=select: parse_select(s), f"arms.{name}.select")
        mix = mapping(arm).get("mix")
        if mix is not None:
            yield from refusal(lambda m=mix: parse_mix(m), f"arms.{name}.mix")
        grouped = ["within"] if "band" in select else []
        for key in ("by", "unseen", "quota_by", "quotas", *grouped):
            column = select.get(key)
            if isinstance(column, str) and column not in ("", "source"):
                told = _lacking(column, made)
                yield from [f"arms.{name}.select.{key}: {told}"] if told else []
        column = mapping(mapping(arm).get("order")).get("by")
        told = _lacking(column, made) if isinstance(column, str) else ""
        yield from [f"arms.{name}.order.by: {told}"] if told else []
    selects = {name: mapping(mapping(arm).get("select")) for name, arm in arms.items()}
    yield from placebo_problems(placebos(selects), arms)
    baseline = content.get("baseline")
    if isinstance(baseline, str) and arms and baseline not in arms:
        yield f"baseline: no arm {baseline!r}{suggestion(str(baseline), arms)}"


def _training(content: Mapping[str, Any], corpus: Mapping[str, Any]) -> Iterator[str]:
    from curator.train.proxy import find_proxy

    trained = [("train", mapping(content.get("train")))]
    for name, spec in mapping(content.get("models")).items():
        trained.append((f"models.{name}.train", mapping(mapping(spec).get("train"))))
    for where, section in trained:
        if isinstance(section.get("proxy"), str):
            yield from refusal(lambda p=section["proxy"]: find_proxy(p), f"{where}.proxy")
            yield from _too_few_tokens(where, section)
            if section.get("state") is True:
                yield from _holds_its_rate(where, section["proxy"])
        yield from _taught(where, section.get("learns_from"), corpus)
    yield from _trunk(content)
    yield from start_problems(content)
    evaluate = mapping(content.get("evaluate"))
    held = mapping(corpus.get("heldout"))
    for what in words(evaluate.get("heldout")):
        if what not in held:
            yield f"evaluate.heldout: source {what!r} has nothing held out{suggestion(what, held)}"
    known = splits(corpus)
    against = guarded(corpus)
    target = evaluate.get("final_target")
    final = [target.partition("#")[0]] if isinstance(target, str) and target else []
    yield from _kind(str(target), corpus) if final and final[0] in known else ()
    for what in words([*listing(evaluate.get("benchmarks")), *final]):
        if what not in known:
            yield f"evaluate: no benchmark split {what!r}{suggestion(str(what), known)}"
        elif what not in against and (what in final or what.endswith("/test")):
            yield (
                f"evaluate: {what!r} may stand in the pool, so nothing could be learned from it; "
                f"{how_to_guard(str(what), corpus)}"
            )


def _trunk(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the runs that the arms would branch from."""
    section = mapping(content.get("train"))
    trunk = mapping(section.get("trunk"))
    if not trunk or not isinstance(section.get("proxy"), str):
        return
    arms = mapping(content.get("arms"))
    if isinstance(trunk.get("arm"), str) and trunk["arm"] not in arms:
        yield f"train.trunk.arm: no arm {trunk['arm']!r}{suggestion(trunk['arm'], arms)}"
    yield from _too_few_tokens("train.trunk", {"proxy": section["proxy"], **trunk})
    yield from _holds_its_rate("train.trunk", section["proxy"])


def _holds_its_rate(where: str, proxy: str) -> Iterator[str]:
    """Yield a line if a proxy's schedule cannot stop before its decay."""
    from curator.train.proxy import find_proxy

    try:
        schedule = find_proxy(proxy).schedule
    except CuratorError:
        return  # told already
    yield from refusal(schedule.of_trunk, where)


def _kind(target: str, corpus: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line where a final target names a kind of metric that its benchmark has not."""
    from curator.evaluate.metrics import OF_CHOICES, OF_PAIRS
    from pipelines.evaluating import ALONE

    split, mark, kind = target.partition("#")
    spec = mapping(mapping(corpus.get("benchmarks")).get(split.partition("/")[0]))
    known: tuple[str, ...] = OF_PAIRS if spec.get("pairs") else ()
    if choices := mapping(spec.get("choices")):
        known = OF_CHOICES if choices.get("answer") else ALONE
    if mark and kind not in known:
        yield f"evaluate.final_target: {split!r} has no metric {kind!r}{suggestion(kind, known)}"


def _too_few_tokens(where: str, section: Mapping[str, Any]) -> Iterator[str]:
    from curator.train.proxy import find_proxy

    try:
        batch = find_proxy(section["proxy"]).batch_tokens
    except CuratorError:
        return  # told already
    tokens = section.get("tokens")
    if isinstance(tokens, int) and 0 < tokens < batch:
        yield f"{where}.tokens: {tokens} is less than one batch of {batch} tokens; ask for more"


def reserved_names() -> set[str]:
    """Return the columns that documents, decisions and counts have: no score may be called so."""
    from curator.clean.boilerplate import CutBoilerplate
    from curator.clean.encoding import RepairEncoding
    from curator.clean.further import FURTHER
    from curator.clean.licenses import NOTES as LICENSE
    from curator.clean.lines import EditLines
    from curator.clean.measuring import LANGUAGE
    from curator.clean.pii import PiiSpans
    from curator.clean.statistics import measured_schema
    from curator.clean.urls import NOTES
    from curator.dedup.contamination import VERDICTS
    from curator.dedup.survivors import DECISIONS
    from curator.rewrite import cut_column
    from curator.schema import DOCUMENT, DRAW, SELECTION

    measured = measured_schema(tuple(FURTHER))
    rewriters = (RepairEncoding, EditLines, CutBoilerplate)
    notes = (NOTES, LICENSE, PiiSpans().writes, *(each.notes for each in rewriters))
    schemas = (DOCUMENT, SELECTION, DRAW, LANGUAGE, measured, VERDICTS, DECISIONS, *notes)
    cut = {cut_column(step) for step in ("dedup.paragraphs", "dedup.substring")}
    names = {name for schema in schemas for name in schema.names}
    return names | cut | {"n_tokens", "role", "row"}
