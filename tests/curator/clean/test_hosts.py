import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.clean.hosts import Place, canonical, places

SPELLINGS = [
    ("http://Example.COM:8080/A/b/?Q=1#x", ("example.com", "/a/b", "?q=1")),
    ("https://user:pw@EXAMPLE.com./", ("example.com", "", "")),
    ("http://a.b:80@evil.com/", ("evil.com", "", "")),
    ("http:\\\\evil.com\\x", ("evil.com", "/x", "")),
    ("http:evil.com", ("evil.com", "", "")),
    ("\x00 ht\ntp://ev\til.com/ ", ("evil.com", "", "")),
    ("ex.com/a//b/../c/", ("ex.com", "/a/c", "")),
    ("https://evil。com/%7Euser", ("evil.com", "/~user", "")),
    ("http://%65vil.com", ("evil.com", "", "")),
    ("http://ＥＶＩＬ.com", ("evil.com", "", "")),
    ("http://bücher.example/", ("xn--bcher-kva.example", "", "")),
    ("http://0x7f.1/", ("127.0.0.1", "", "")),
    ("http://2130706433", ("127.0.0.1", "", "")),
    ("http://0177.0.0.01", ("127.0.0.1", "", "")),
    ("http://[::FFFF:1.2.3.4]:80/x", ("1.2.3.4", "/x", "")),
    ("http://[2001:DB8::1]/", ("2001:db8::1", "", "")),
    ("http://[nonsense/", ("", "", "")),
    ("http://1.2.3.4.5/", ("1.2.3.4.5", "", "")),
    ("http://..a..b../", ("a.b", "", "")),
    ("", ("", "", "")),
]


@pytest.mark.parametrize(("url", "place"), SPELLINGS)
def test_every_spelling_of_a_place_is_one(url, place):
    assert places(pa.array([url])).row(0) == place


def test_no_url_leads_nowhere():
    assert places(pa.array([None], pa.string())).row(0) == ("", "", "")


def test_an_endless_url_is_read_in_part():
    found = places(pa.array(["http://" + "a." * 10**6 + "com/", "http://a.de/" + "x/" * 10**6]))

    assert len(found.row(0)[0]) <= 253
    assert found.row(1)[0] == "a.de"


WEBLIKE = st.text(st.sampled_from("htp:/\\@.?#%[]0x19aZé。 -_~\t"), max_size=40)


@given(st.lists(st.one_of(WEBLIKE, st.text(max_size=20)), min_size=1, max_size=8))
def test_reading_a_column_agrees_with_reading_each_url(urls):
    urls = [url.encode("utf-8", "ignore").decode() for url in urls]

    assert places(pa.array(urls)).rows() == [tuple(canonical(url)) for url in urls]


@given(
    st.from_regex(
        r"[a-z]{1,8}(\.[a-z0-9-]{1,8}){0,3}\.[a-z]{2,4}(/[a-z0-9~_]{1,5}){0,3}", fullmatch=True
    )
)
def test_ordinary_urls_agree_too(url):
    assert places(pa.array([f"https://{url}"])).row(0) == canonical(url)
    assert canonical(url).host == url.partition("/")[0]
    assert isinstance(canonical(url), Place)
