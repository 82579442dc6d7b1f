"""Several markets are tables of options, and each is walked into a folder of its name."""

from datetime import date

import pytest

from gradus_runtime.cli import main
from gradus_runtime.errors import ConfigError
from gradus_train.commands import walk as command
from gradus_train.walk.markets import load_markets

TWO = """
format = "gradus-markets/1"
[[markets]]
name = "btc-jpy"
candles = "btc_jpy.csv"
from = 2018-04-03
to = 2018-08-31
train_days = 90
[[markets]]
name = "btc-usdt"
candles = "data/btc_usdt.csv"
require = "direction"
"""


def written(folder, text):
    path = folder / "markets.toml"
    path.write_text(text)
    return path


def test_options_are_read_and_paths_are_relative_to_the_file(tmp_path):
    first, second = load_markets(written(tmp_path, TWO))
    assert first.name == "btc-jpy"
    assert first.options == {
        "candles": tmp_path / "btc_jpy.csv",
        "from": date(2018, 4, 3),
        "to": date(2018, 8, 31),
        "train_days": 90,
    }
    assert second.options["require"] == "direction"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"gradus-markets/1"', '"gradus-markets/9"', "format must be 'gradus-markets/1'"),
        ('name = "btc-usdt"', 'name = "btc-jpy"', "a market's name must occur once"),
        ('name = "btc-usdt"', 'name = "BTC/USDT"', "a market needs a name of lower-case words"),
        ("train_days = 90", 'train_days = "90"', "train_days must be an integer"),
        ("from = 2018-04-03", 'from = "2018-04-03"', "from must be a day such as 2024-07-01"),
        ("train_days = 90", "traindays = 90", "an option must be known"),
        ('candles = "btc_jpy.csv"', "candles = 3", "candles must be text"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_the_key(tmp_path, old, new, message):
    assert old in TWO
    with pytest.raises(ConfigError, match=message):
        load_markets(written(tmp_path, TWO.replace(old, new)))


def test_each_market_is_walked_with_its_options_into_its_folder(tmp_path, monkeypatch, capsys):
    seen = {}

    def noted(args, out, pool, progress):
        seen[out] = (args.market, args.candles, args.first, args.train_days, args.require)

    monkeypatch.setattr(command, "_walk", noted)
    monkeypatch.setattr(command.codec, "encode", lambda value: value)
    words = ["walk", "--markets", str(written(tmp_path, TWO)), "--out", str(tmp_path / "out")]
    assert main([*words, "--from", "2024-07-01", "--to", "2024-12-31", "--jobs", "1", "--json"]) == 0
    assert seen == {
        tmp_path / "out" / "btc-jpy": (
            "btc-jpy",
            tmp_path / "btc_jpy.csv",
            date(2018, 4, 3),
            90,
            "integrity",
        ),
        tmp_path / "out" / "btc-usdt": (
            "btc-usdt",
            tmp_path / "data" / "btc_usdt.csv",
            date(2024, 7, 1),
            180,
            "direction",
        ),
    }


def test_a_walk_without_days_is_refused(tmp_path, capsys):
    assert main(["walk", "--candles", "x.csv", "--out", str(tmp_path / "out"), "--jobs", "1"]) == 2
    assert "a walk needs its first and its last day" in capsys.readouterr().err
