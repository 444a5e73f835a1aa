from leyden.core.seeding import mix


def test_mix_separates_neighbours() -> None:
    seeds = {mix(a, b, c) for a in range(8) for b in range(8) for c in range(8)}
    assert len(seeds) == 512
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mix(0) == 0x6E789E6AA1B965F4 >> 1  # splitmix64's published second output for state 0
