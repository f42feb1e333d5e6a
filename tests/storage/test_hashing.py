import hashlib
import os

from nlptl.storage.hashing import (
    content_hash,
    fingerprint,
    has_checksums,
    sha256_of,
    sha256_once,
    write_checksums,
)


def test_the_hash_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 500_000)
    assert sha256_of(path) == hashlib.sha256(b"abc" * 500_000).hexdigest()


def test_a_changed_file_is_hashed_again(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = sha256_once(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert sha256_once(path) != before


def test_equal_settings_have_one_name_whatever_their_order():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_a_folder_with_checksums_shows_every_change(tmp_path):
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "a"
    path.write_bytes(b"one")
    assert not has_checksums(tmp_path)
    write_checksums(tmp_path)
    assert has_checksums(tmp_path)
    path.write_bytes(b"onf")
    assert not has_checksums(tmp_path)
    path.write_bytes(b"one")
    (tmp_path / "further").write_bytes(b"")
    assert not has_checksums(tmp_path)
    (tmp_path / "further").unlink()
    (tmp_path / "checksums.json").write_text("{")
    assert not has_checksums(tmp_path)


def test_equal_names_and_contents_have_equal_hashes(tmp_path):
    hashes = []
    for folder, name, content in [
        ("a", "x", "1"),
        ("b", "x", "1"),
        ("c", "y", "1"),
        ("d", "x", "2"),
    ]:
        path = tmp_path / folder / name
        path.parent.mkdir()
        path.write_text(content)
        hashes.append(content_hash(tmp_path / folder, [path]))
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
