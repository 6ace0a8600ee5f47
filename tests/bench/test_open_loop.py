"""The open loop: who waits behind a slow answer is slow, too."""

from time import perf_counter

from bench.open_loop import one_by_one


def test_what_waits_behind_a_slow_answer_counts_from_when_it_was_due():
    def slow() -> None:
        end = perf_counter() + 0.05
        while perf_counter() < end:
            pass

    taken = one_by_one([lambda: None, slow, lambda: None, lambda: None], rate=100)
    assert taken[1] >= 0.05
    assert taken[2] >= 0.04 - 0.001
    assert taken[3] >= 0.03 - 0.001
