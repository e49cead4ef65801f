import pyarrow as pa
import pytest

from curator.clean.wordlists import BlockWords, find_words
from curator.errors import RecipeError
from curator.stage import Site


def judged(folder, lists, texts, **settings):
    for name, entries in lists.items():
        (folder / name).write_text("\n".join(entries), "utf-8")
    paths = {name: str(folder / name) for name in lists}
    stage = BlockWords(lists=find_words(paths), paths=tuple(paths.values()), **settings)
    return stage.process(stage.load(Site()), pa.table({"text": pa.array(texts, pa.large_string())}))


def test_a_document_with_a_listed_word_goes_as_c4_has_it(tmp_path):
    texts = ["a bad word", "a badger", "", "BAD"]

    table = judged(tmp_path, {"c4": ["bad", "very bad"]}, texts)

    assert table["reason"].to_pylist() == ["words:c4", None, None, "words:c4"]
    assert table["listed_c4"].to_pylist() == [1, 0, 0, 1]


def test_a_share_lets_long_documents_say_a_word(tmp_path):
    texts = ["bad " + "good " * 99, "bad good"]

    table = judged(tmp_path, {"c4": ["bad"]}, texts, max_words=None, max_share=0.02)

    assert table["keep"].to_pylist() == [True, False]
    assert table["listed_c4_share"].to_pylist() == [0.01, 0.5]


def test_the_first_list_that_is_too_many_is_the_reason(tmp_path):
    lists = {"mild": ["bad", "worse"], "harsh": ["worst"]}

    table = judged(tmp_path, lists, ["bad worst", "worst", "worse worse"], max_words=1)

    assert table["reason"].to_pylist() == [None, None, "words:mild"]
    assert table["listed_harsh"].to_pylist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("entry", "text", "times"),
    [
        ("a$$", "A$$ Obama$$ a$$a (a$$)", 3),
        ("$hit", "$HIT u$hit $hits", 2),
        ("🖕", "🖕🖕x", 2),
        ("f***", "f*** f off", 1),
        ("f.*", "f.* fab", 1),
    ],
)
def test_what_does_not_end_in_letters_is_looked_for_as_it_stands(tmp_path, entry, text, times):
    assert judged(tmp_path, {"odd": [entry]}, [text])["listed_odd"].to_pylist() == [times]


def test_annotating_counts_and_decides_nothing(tmp_path):
    table = judged(tmp_path, {"c4": ["bad"]}, ["bad"], action="annotate")

    assert table.column_names == ["listed_c4", "listed_c4_share"]


def test_every_broken_list_is_told_at_once(tmp_path):
    (tmp_path / "empty").write_text("\n \n")
    (tmp_path / "latin").write_bytes(b"f\xfcr")
    lists = {"a": "empty", "b": "latin", "c": "nowhere", "c_share": "empty"}

    with pytest.raises(
        RecipeError, match=r"a: .*no entry.*b: .*not UTF-8.*c: .*cannot be read.*'c'; rename"
    ):
        find_words({name: str(tmp_path / path) for name, path in lists.items()})


def test_a_list_that_changes_during_a_run_stops_it(tmp_path):
    (tmp_path / "words").write_text("one\n")
    paths = {"w": str(tmp_path / "words")}
    stage = BlockWords(lists=find_words(paths), paths=tuple(paths.values()))
    (tmp_path / "words").write_text("two\n")

    with pytest.raises(RecipeError, match="changed after the run began"):
        stage.load(Site())
