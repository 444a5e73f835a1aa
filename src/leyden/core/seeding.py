"""Random numbers that depend on what they are for and on nothing else."""

MASK = 0xFFFFFFFFFFFFFFFF


def mix(*numbers: int) -> int:
    """One 63-bit seed from several integers, such that neighbours give unrelated streams (splitmix64)."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = (state ^ (number & MASK)) + 0x9E3779B97F4A7C15 & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return state >> 1
