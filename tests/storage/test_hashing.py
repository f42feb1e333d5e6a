import hashlib
import os

from nlptl.storage.hashing import fingerprint, sha256_of, sha256_once


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
