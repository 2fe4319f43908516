"""A subfolder of a larger repository has a queue, as a clone has."""

from tests.helpers.clone import copied, moved_into_a_repository, run


def test_in_a_subfolder_of_a_repository_seeds_run_and_are_compared(finished_run, tmp_path):
    folder = moved_into_a_repository(copied(finished_run, tmp_path / "clone"))
    message = run(folder, "python", "-m", "resumen", "seeds", "--seeds", "13,14")
    assert "finetuned, ROUGE-L on 12 articles, by seed\nseed-13 " in message
    message = run(folder, "python", "-m", "resumen", "compare", "seed-13", "seed-14", "--system", "finetuned")
    assert "seed-13 → seed-14" in message
