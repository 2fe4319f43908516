"""MLSUM and the published checkpoints, as the README's commands fetch them, from a hub on loopback."""

from tests.helpers.sources import runs_as_documented


def test_the_documented_command_of_course_runs_as_it_stands(fresh_clone, published):
    runs_as_documented("course", fresh_clone, published)
