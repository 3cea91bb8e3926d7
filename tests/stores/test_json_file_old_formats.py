from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.stores.json_file.old_formats import identified

documents = st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, 1)), max_size=8)


@given(documents)
def test_every_record_gets_an_id_of_its_own_and_the_same_one_again(documents: list[dict[str, int]]) -> None:
    found = list(identified(documents, ()))
    assert [{name: value for name, value in one.items() if name != "record_id"} for one in found] == documents
    assert len({one["record_id"] for one in found}) == len(documents)
    assert list(identified(documents, ())) == found


@given(documents, documents)
def test_what_is_added_to_a_file_changes_no_id_before_it(
    documents: list[dict[str, int]], more: list[dict[str, int]]
) -> None:
    before = list(identified(documents, ()))
    assert list(identified([*documents, *more], ()))[: len(documents)] == before


def test_a_given_id_is_kept_counts_once_and_is_never_made_again() -> None:
    (made,) = identified([{"a": 1}], ())
    found = list(identified([made, {"a": 1}, made], {made["record_id"]}))
    assert found[0] == made
    assert len(found) == len({one["record_id"] for one in found}) == 2
