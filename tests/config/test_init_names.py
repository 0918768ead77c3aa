"""What an init can be called, and what is said of a name that is none."""

import pytest

from fpt_bench.config.inits import read_init


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("rank:0", "expected K to be a whole number from 1 to 100000, got 0"),
        ("rank:1.5", "expected K to be a whole number from 1 to 100000, got 1.5"),
        ("rank", "init 'rank': expected K, as in 'rank:1'"),
        ("random-gain:0.50", "expected it to be written as 'random-gain:0.5'"),
        ("random-gain:-0", "expected it to be written as 'random-gain:0'"),
        ("mimetic-qk:0.7:0.7", "expected it to be written as 'mimetic-qk', so that equal runs have one name"),
        ("mimetic-qk:0.7:-0.70+norms", "expected it to be written as 'mimetic-qk:0.7:-0.7+norms'"),
        ("random-fanin+norms+query-key", "expected it to be written as 'random-fanin+query-key+norms'"),
        ("rank:1_0", "expected it to be written as 'rank:10'"),
        ("random-gain:nan", "expected G to be a number from 0 to 100, got nan"),
        ("random-gain:", "expected G to be a number from 0 to 100, got -"),
        ("mimetic-qk:0.7:0.7:0.7", "expected it as mimetic-qk:NOISE:DIAGONAL or mimetic-qk, got 3 numbers"),
        ("spectrum:3", "expected it as spectrum, got 1 number"),
        ("random-fanin+querykey", "unknown part of init 'random-fanin+querykey' 'querykey'. Did you mean 'query-key'?"),
        ("random-fanin+norms+norms", "expected each part once"),
        ("pretrained+norms", "on top of an init that does not keep it already"),
        ("mimetick", "unknown init 'mimetick'. Did you mean 'mimetic'?"),
    ],
)
def test_a_wrong_name_of_an_init_is_one_sentence(init: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_init(init)
    assert message in str(caught.value)
