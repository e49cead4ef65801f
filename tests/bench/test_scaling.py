from bench.scaling import Timed, recipe, report


def timed(seconds, step, artifacts="same"):
    return Timed(seconds, 2.0, 1.0, {"clean": step}, {"clean": step - 0.5}, {"clean": artifacts})


def test_the_ratio_is_without_what_every_command_takes(capsys):
    assert report([timed(22.0, 19.0)] * 3, [timed(12.0, 9.5)] * 3) == 0

    told = capsys.readouterr().out
    assert "whole command: 1.83" in told
    assert "2.00 times (wanted 1.8)" in told
    assert "the same bytes: yes" in told


def test_other_bytes_or_too_little_gain_fail(capsys):
    assert report([timed(22.0, 19.0)], [timed(12.0, 9.5, "other")]) == 1
    assert report([timed(22.0, 19.0)], [timed(20.0, 9.5)]) == 1
    assert "NO" in capsys.readouterr().out


def test_a_recipe_has_the_steps_that_are_asked_for(tmp_path):
    assert set(recipe(tmp_path, 16, ())["corpus"]) == {"ingest", "shard_bytes"}
    assert "clean" in recipe(tmp_path, 16, ("clean",))["corpus"]
