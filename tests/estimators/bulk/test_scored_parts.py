import pytest

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.estimators.bulk.scored_parts import Output

SETTINGS = {"model": "m", "chunk_rows": 2}


@pytest.fixture
def output(tmp_path):
    made = Output(tmp_path / "out.csv")
    made.open(SETTINGS, overwrite=False)
    return made


def fill(output):
    output.keep(1, b"3\n", rows=1)
    output.keep(0, b"n\n1\n2\n", rows=2)


def test_parts_are_joined_in_order_recorded_and_removed(output):
    fill(output)
    record = output.join(2, SETTINGS)
    assert output.path.read_bytes() == b"n\n1\n2\n3\n"
    assert record["rows"] == 3
    assert output.finished(SETTINGS) == record
    assert output.finished({**SETTINGS, "model": "n"}) is None
    assert not output.folder.exists()
    output.path.write_bytes(b"changed")
    assert output.finished(SETTINGS) is None


def test_what_is_whole_is_kept_and_the_rest_removed(output):
    fill(output)
    (output.folder / ".draft").write_bytes(b"left by a killed process")
    assert output.verified() == ([0, 1], 0)
    damaged = next(output.folder.glob("0000001-*"))
    damaged.write_bytes(b"4\n")
    assert output.verified() == ([0], 1)
    assert len(list(output.folder.iterdir())) == 2


def test_a_missing_or_damaged_part_is_not_joined(output):
    fill(output)
    with pytest.raises(IntegrityError, match=r"2 parts of 3; missing or damaged: \[2\]"):
        output.join(3, SETTINGS)
    next(output.folder.glob("0000000-*")).write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"damaged: \[0\]"):
        output.join(2, SETTINGS)
    assert not output.path.exists()


def test_other_settings_are_refused_unless_told_to_replace(output):
    fill(output)
    output.open(SETTINGS, overwrite=False)
    assert output.verified()[0] == [0, 1]
    other = {**SETTINGS, "chunk_rows": 3}
    with pytest.raises(StorageError, match="holds parts .* with other settings: chunk_rows differ"):
        output.open(other, overwrite=False)
    output.open(other, overwrite=True)
    assert output.verified() == ([], 0)


def test_a_file_of_somebody_else_is_not_replaced(tmp_path):
    output = Output(tmp_path / "out.csv")
    output.path.write_text("mine")
    with pytest.raises(StorageError, match="was written with unknown settings"):
        output.open(SETTINGS, overwrite=False)
    output.folder.mkdir()
    (output.folder / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="only parts, got 'notes.txt'"):
        output.open(SETTINGS, overwrite=True)
    assert output.path.read_text() == "mine"


def test_a_file_changed_since_is_not_replaced_silently(output):
    fill(output)
    output.join(2, SETTINGS)
    output.path.write_text("edited")
    with pytest.raises(StorageError, match="changed since"):
        output.open(SETTINGS, overwrite=False)


def test_a_run_killed_between_the_file_and_its_record_goes_on(output):
    fill(output)
    output.path.write_bytes(b"n\n1\n2\n3\n")
    output.open(SETTINGS, overwrite=False)
    assert output.join(2, SETTINGS)["rows"] == 3


def test_two_runs_are_never_at_work_on_one_file(output):
    with output.alone():
        with pytest.raises(StorageError, match="Another run is writing"):
            with output.alone():
                pass
    with pytest.raises(KeyboardInterrupt), output.alone():
        raise KeyboardInterrupt
    with output.alone():
        pass
    assert not list(output.path.parent.glob("*.lock"))


def test_parts_of_another_number_of_rows_than_were_read_are_not_joined(output):
    fill(output)
    with pytest.raises(IntegrityError, match="4 rows were read and the parts .* have 3"):
        output.join(2, SETTINGS, n_rows=4)
    assert output.join(2, SETTINGS, n_rows=3)["rows"] == 3
