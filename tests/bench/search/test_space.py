"""What Optuna may choose from: Hydra's sweep syntax as Optuna's distributions."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from leyden.bench.config.compose import ConfigError
from leyden.bench.search.space import distribution, space


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("k=interval(1,5)", FloatDistribution(1.0, 5.0)),
        ("k=interval(1e-4,1e-2)", FloatDistribution(1e-4, 1e-2)),
        ("k=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("k=int(interval(1,5))", IntDistribution(1, 5)),
        ("k=tag(log,int(interval(1,64)))", IntDistribution(1, 64, log=True)),
        ("k=int(tag(log,interval(1,64)))", IntDistribution(1, 64, log=True)),
        ("k=range(1,10,2)", IntDistribution(1, 9, step=2)),
        ("k=range(3)", IntDistribution(0, 2)),
        ("k=range(5,0,-2)", IntDistribution(1, 5, step=2)),
        ("k=range(0,1,0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("k=choice(a,b,a)", CategoricalDistribution(["a", "b"])),
        ("k=1e-3,null,true", CategoricalDistribution(["0.001", "null", "True"])),
        ("k=[1,2],[3]", CategoricalDistribution(["[1,2]", "[3]"])),
        ("k=shuffle(choice(x,y))", CategoricalDistribution(["x", "y"])),
        ("+k.new=interval(2,2)", FloatDistribution(2.0, 2.0)),
    ],
)
def test_sweeps_are_distributions(word: str, expected: BaseDistribution) -> None:
    [override] = OverridesParser.create().parse_overrides([word])
    found = distribution(override)
    if "shuffle" in word:
        found = CategoricalDistribution(sorted(found.choices))
    assert found == expected


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("k=interval(2,1)", r"not from 2\.0 to 1\.0"),
        ("k=tag(log,interval(0,1))", "ends above 0"),
        ("k=interval(0,inf)", "two finite ends"),
        ("k=range(3,3)", "matches nothing"),
        ("k=tag(lin,interval(0,1))", "there is one, log"),
        ("k=tag(log,range(1,9))", "only intervals may have it"),
        ("k=3", "nothing to search"),
    ],
)
def test_ranges_without_sense(word: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        space(["seed=1", word])


def test_last_override_of_a_key_counts() -> None:
    found = space(["a=1,2", "b=interval(0,1)", "c=5", "b=3", "c=x,y,z"])
    assert found.fixed == ["b=3"]
    assert list(found.searched) == ["a", "c"]
    assert found.ends() == [["b=3", "a=1", "c=x"], ["b=3", "a=2", "c=y"], ["b=3", "a=2", "c=z"]]
    with pytest.raises(ConfigError) as error:
        space(["a=interval(1,0)", "b=1,2", "c=tag(log,interval(-1,1))"])
    assert [mistake.partition(":")[0] for mistake in error.value.mistakes] == [
        "a=interval(1,0)",
        "c=tag(log,interval(-1,1))",
    ]
