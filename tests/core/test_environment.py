from leyden.core.environment import changes


def test_what_changed_is_told() -> None:
    then = {
        "packages": {"torch": "2.11", "numpy": "2.0"}, "python": "3.11.9", "platform": "Linux", "cpu": "a", "data": "x",
        "git": {"commit": "abc", "dirty": False}, "devices": {"kind": "cpu", "count": 1, "threads": 2},
    }  # fmt: skip
    assert changes(then, then) == []
    assert changes({**then, "data": None}, then) == []  # a run that has not begun has not looked at its data
    now = {
        **then, "packages": {"torch": "2.12"}, "cpu": "b", "data": "y", "git": {"commit": "abd", "dirty": True},
        "devices": {"kind": "NVIDIA H100", "count": 2, "threads": 2},
    }  # fmt: skip
    assert changes(then, now) == [
        "numpy: 2.0 then, none now",
        "torch: 2.11 then, 2.12 now",
        "cpu: a then, b now",
        "data: x then, y now",
        "devices.kind: cpu then, NVIDIA H100 now",
        "devices.count: 1 then, 2 now",
        "git commit: abc then, abd now",
        "git: the code had changes that no commit holds (now)",
    ]
