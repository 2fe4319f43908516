"""A run that is killed at any moment, and started again, ends with the bytes of one that was not."""

import os
import random
import signal
import time

import pytest

from resumen.runtime.locks import resume_dir
from tests.helpers.kills import survives
from tests.helpers.processes import ended, start
from tests.helpers.training import outputs


@pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP there")
def test_a_second_run_waits_and_takes_over_what_the_first_has_made(training):
    first = start("stages.finetune", "flan-small")
    while not list(resume_dir().glob("finetune-*/*/checkpoint-*/manifest.json")):
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)
    second = start("stages.finetune", "flan-small")
    second.wait_for("finetune-flan-small is under way in this folder")
    first.send_signal(signal.SIGCONT)
    ended(first)
    whole = outputs()
    assert "epoch 1:" not in ended(second)  # none was trained again
    assert outputs() == whole


@pytest.mark.parametrize(
    ("stage", "precision"),
    [
        ("stages.finetune flan-small", "fp32"),
        ("stages.finetune flan-small", "bf16"),
        ("stages.generate flan-small", "fp32"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="no process groups there")
def test_three_kills_change_no_byte(training, set_params, stage, precision):
    set_params({"finetune.precision": precision})
    survived, with_work = survives(stage.split(), 3, random.Random(5))
    assert survived == 3
    assert with_work
