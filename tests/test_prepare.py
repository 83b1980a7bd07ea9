"""Preparation of a small phantom; what its tables and folders hold."""

from laudo import prepare
from laudo.config import Experiment
from laudo.plan import plan
from laudo.store import read


def test_what_a_killed_worker_left_beside_an_image_is_removed(tiny, tmp_path, one_core):
    made = plan(Experiment.model_validate(tiny), tmp_path / "first")
    prepare.run(made)
    image = read(made.studies)[0]["images"][0]["path"]
    again = plan(Experiment.model_validate(tiny), tmp_path / "second")
    torn = (again.run / image).with_name(".x.jpg.123.tmp")
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half")
    prepare.run(again)
    assert not torn.exists()
    assert (again.run / image).read_bytes() == (made.run / image).read_bytes()


def test_a_subset_does_not_depend_on_the_order_of_rows(tiny, tmp_path, one_core):
    """The studies of a smaller subset are among those of a larger one, as both follow one hash."""
    chosen = []
    for count in (2, 4):
        tiny["prepare"]["train"] = count
        made = plan(Experiment.model_validate(tiny), tmp_path / str(count))
        prepare.run(made)
        chosen.append({s["study_id"] for s in read(made.studies) if s["split"] == "train"})
    assert len(chosen[0]) == 2
    assert chosen[0] < chosen[1]
