"""The part ``external memory`` trains the same model from memory and from a file."""

from bench import external_memory

ROWS, ROUNDS = 1_500, 5


def test_from_a_file_the_model_is_the_same(tmp_path):
    near = external_memory.train(ROWS, ROUNDS, 400, "")
    assert external_memory.train(ROWS, ROUNDS, 400, str(tmp_path)) == near
    assert (tmp_path / "values.f64").stat().st_size == ROWS * len(
        external_memory.MODEL_FEATURES
    ) * 8


def test_as_many_rows_are_made_as_are_asked_for():
    assert [len(frame) for frame in external_memory.frames(120_000)] == [50_000, 50_000, 20_000]
