import random

import pytest
from random_overrides import fault

CHANCE = random.Random(16)


@pytest.mark.parametrize("number", CHANCE.sample(range(10_000), 60))
def test_whatever_is_typed_is_right_or_a_config_error(number: int) -> None:
    assert fault(number) is None
