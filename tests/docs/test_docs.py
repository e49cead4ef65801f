"""What the pages say is so: commands, recipe keys, defaults, readers, scorers, errors, links."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from curator import arm_spec, corpus_spec, errors, recipe
from curator.clean.rules import GROUPS, RULES
from curator.evaluate.metrics import KINDS
from curator.ingest.reader import READERS, Reader, reader_class
from curator.mix.share import SCHEMES
from curator.mix.spec import MixSpec
from curator.registry import find_scorer, scorer_names, scorer_package
from curator.section import Section
from curator.select.spec import METHODS, SHORTFALLS, SelectSpec
from curator.testing import check_scorer
from pipelines.check import named_problems
from pipelines.cli import commands
from tests.architecture.sources import ROOT, modules
from tests.docs.pages import PAGES, blocks, links, rows, sections, text_of

RECIPES = "docs/recipes.md"
SECTIONS = {
    "Recipe": recipe.Recipe,
    "corpus": corpus_spec.CorpusSpec,
    "corpus.clean": corpus_spec.CleanSpec,
    "corpus.dedup": corpus_spec.DedupSpec,
    "corpus.clean.urls": corpus_spec.UrlsSpec,
    "corpus.clean.words": corpus_spec.WordsSpec,
    "corpus.clean.lines": corpus_spec.LinesSpec,
    "corpus.clean.licenses": corpus_spec.LicensesSpec,
    "corpus.clean.pii": corpus_spec.PiiSpec,
    "corpus.dedup.minhash": corpus_spec.MinhashSpec,
    "corpus.dedup.paragraphs": corpus_spec.ParagraphsSpec,
    "corpus.dedup.substring": corpus_spec.SubstringSpec,
    "corpus.dedup.semantic": corpus_spec.SemanticSpec,
    "corpus.dedup.survivors": corpus_spec.SurvivorsSpec,
    "corpus.benchmarks.NAME": corpus_spec.BenchmarkSpec,
    "corpus.benchmarks.NAME.choices": corpus_spec.ChoicesSpec,
    "corpus.benchmarks.NAME.pairs": corpus_spec.PairsSpec,
    "corpus.decontaminate": corpus_spec.DecontaminateSpec,
    "corpus.heldout.SOURCE": corpus_spec.HeldoutSpec,
    "corpus.tokenizer": corpus_spec.TokenizerSpec,
    "models.NAME": recipe.ModelSpec,
    "models.NAME.train": recipe.TrainModelSpec,
    "models.NAME.pruned": recipe.PrunedModelSpec,
    "arms.NAME": arm_spec.ArmSpec,
    "arms.NAME.pick": arm_spec.PickSpec,
    "arms.NAME.prune": arm_spec.PruneSpec,
    "arms.NAME.reweight": arm_spec.ReweightSpec,
    "arms.NAME.order": arm_spec.OrderSpec,
    "arms.NAME.staged": arm_spec.StagedSpec,
    "train": recipe.TrainSpec,
    "train.trunk": recipe.TrunkSpec,
    "evaluate": recipe.EvaluateSpec,
    "evaluate.samples": recipe.SamplesSpec,
}
# Defaults that are words because what fills them in is not the model.
TOLD_IN_WORDS = {
    "corpus": "the embedded corpus",
    "baseline": "the first arm",
    "better": "the column's own",
    "text": "`text`",
    "id": "`id`",
}


def yaml(text: str):
    return YAML(typ="safe", pure=True).load(text)


def plain(default):
    if isinstance(default, BaseModel):
        return default.model_dump(exclude_unset=True)
    return list(default) if isinstance(default, tuple) else default


def commands_of_the_cli() -> set[str]:
    return {each.name or each.callback.__name__ for each in commands.registered_commands} | {
        f"{group.name} {each.name or each.callback.__name__}"
        for group in commands.registered_groups
        for each in group.typer_instance.registered_commands
    }


def stated(section: str) -> dict[str, list[str]]:
    return rows(sections(RECIPES)[section])


def check_default(key: str, cell: str, default: object) -> None:
    if default is PydanticUndefined:
        assert cell == "required", key
    elif key in TOLD_IN_WORDS and cell == TOLD_IN_WORDS[key]:
        return
    elif default in (None, ""):
        assert cell == "none", key
    else:
        assert yaml(cell.strip("`")) == plain(default), key


@pytest.mark.parametrize("section", SECTIONS)
def test_every_recipe_key_is_told_with_its_default(section: str):
    fields = SECTIONS[section].model_fields
    told = stated(section)

    assert list(told) == list(fields)
    for key, field in fields.items():
        check_default(key, told[key][1], field.default)


def test_every_section_of_a_recipe_is_on_the_page():
    made = {
        each
        for module in (recipe, arm_spec, corpus_spec)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Section)
    }

    assert made - {Section} == set(SECTIONS.values())


def test_every_kind_of_metric_is_told_with_its_threshold():
    told = stated("Metrics of benchmarks")

    assert [name.partition("#")[2] for name in told] == list(KINDS)
    for kind, (_, unit, better, threshold, _) in zip(KINDS.values(), told.values(), strict=True):
        assert (unit, better, float(threshold)) == (kind.unit, kind.better, kind.threshold)


def test_every_key_of_a_selection_is_told_with_its_default():
    told = stated("arms.NAME.select")
    fields = {field.name: field for field in dataclasses.fields(SelectSpec)}

    assert list(told) == list(fields)
    for key, (_, default, meaning) in told.items():
        known = fields[key].default
        check_default(key, default, {} if key == "quotas" else known)
        for word in {"method": METHODS, "shortfall": SHORTFALLS}.get(key, ()):
            assert f"`{word}`" in meaning


def test_every_key_of_a_mixture_is_told_with_its_default():
    told = stated("arms.NAME.mix")
    fields = {field.name: field for field in dataclasses.fields(MixSpec)}

    assert set(told) == set(fields) - {"entries"} | {"sources"}
    for key, (_, default, _) in told.items():
        check_default(key, default, fields["entries" if key == "sources" else key].default)
    assert all(f"`{scheme}`" in told["scheme"][2] for scheme in SCHEMES)


def test_every_reader_is_told_with_its_settings():
    told = stated("Readers")
    shared = {field.name for field in dataclasses.fields(Reader)}

    assert set(told) == set(READERS)
    for name, (_, settings) in told.items():
        own = [f.name for f in dataclasses.fields(reader_class(name)) if f.name not in shared]
        assert re.findall(r"`(\w+)`", settings) == own


def test_every_built_in_scorer_is_told_with_its_settings():
    told = stated("score")
    built_in = {name for name in scorer_names() if scorer_package(name) == "curator-lm"}

    assert set(told) == built_in
    for name, (settings, *_) in told.items():
        own = [field.name for field in dataclasses.fields(find_scorer(name))]
        assert re.findall(r"`(\w+)`", settings) == own


def test_every_rule_set_is_told():
    assert all(f"`{name}`" in stated("corpus.clean")["rules"][2] for name in [*RULES, *GROUPS])


def test_every_error_class_is_told():
    made = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.CuratorError)
    }

    assert set(stated("Errors and exit codes")) >= made - {"CuratorError"}
    assert "`CuratorError`" in text_of(RECIPES)


def test_every_command_is_told_and_no_other():
    page = sections(RECIPES)["Commands"]
    told = re.findall(r"^\| `curator ([a-z]+(?: [a-z]+)?)", page, re.MULTILINE)

    assert set(told) == commands_of_the_cli()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_only_commands_that_exist(page: Path):
    text = page.read_text()
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    named = set(re.findall(r"`curator ([a-z]+)", text))
    named |= set(re.findall(r"^curator ([a-z]+)", fenced, re.MULTILINE))
    known = {command.split()[0] for command in commands_of_the_cli()}

    assert named <= known


def test_the_readme_has_the_two_commands_of_the_makefile():
    first = re.search(r"^```\n(.*?)```", text_of("README.md"), re.DOTALL | re.MULTILINE)[1]
    told = [line.split("#")[0].strip() for line in first.splitlines()]
    verbs = set(re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE))

    assert told == ["make demo", "make test"]
    assert {line.removeprefix("make ") for line in told} <= verbs


def test_the_readmes_scorer_runs_and_keeps_the_contract(tmp_path, monkeypatch):
    code = next(block for block in blocks("README.md", "python") if "Scorer" in block)
    (tmp_path / "question_marks.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))

    check_scorer(find_scorer("question_marks:Questions")())
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("page", ["README.md", RECIPES])
def test_recipes_on_pages_have_no_mistake(page: str, tmp_path: Path, monkeypatch):
    for name in re.findall(r'files: "(.+?)"', text_of(page)):  # a recipe's files must be there
        file = tmp_path / name.replace("*", "any")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "yaml"):
        content = {"name": "page", **yaml(block)}
        wrong = recipe.shape_problems(content)[1]
        if "corpus" in content:
            wrong += named_problems(content)
        assert wrong == []


def test_links_lead_to_files():
    assert [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target in links()
        if not (page.parent / target).exists()
    ] == []


def test_files_that_pages_name_are_there():
    path = re.compile(
        r"\b(?:bench|configs|curator|docs|pipelines|scorers|tests)/[\w./-]+\.(?:py|md|yaml)"
    )
    named = {(page, name) for page in PAGES for name in path.findall(page.read_text())}

    assert {(page.name, name) for page, name in named if not (ROOT / name).exists()} == set()


def test_the_readmes_tree_has_every_folder_of_the_packages():
    tree = re.search(r"^```\ncurator/.*?```", text_of("README.md"), re.DOTALL | re.MULTILINE)[0]
    named = set(re.findall(r"^ *([\w.]+/?) ", tree, re.MULTILINE))
    folders = {f"{name.split('.')[1]}/" for name in modules() if name.count(".") > 1}
    files = {path.name for path in (ROOT / "curator").glob("*.py")} - {"__init__.py"}

    assert folders | files <= named


def test_decisions_are_numbered_once_and_short():
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]

    assert len(set(numbers)) == len(numbers)
    for page in pages:
        text = page.read_text()
        assert len(text.splitlines()) <= 45, page.name
        wanted = ["Context", "Decision", "Consequences", "Not chosen"]
        found = [head for head in re.findall(r"^## (.+)$", text, re.MULTILINE) if head in wanted]
        assert found == wanted, page.name
