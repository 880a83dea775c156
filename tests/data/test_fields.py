"""Fields of view that a checkpoint keeps of its training pictures, and the one that a seed draws of them."""

from __future__ import annotations

import numpy as np

from siamese.data.batches import BOX, FIELDS, OUTSIDE, VIEW_SIZE, drawn_view, fields_of_view, typical_view


def cut(width: int, size: int = VIEW_SIZE) -> np.ndarray:
    """A view map whose first `width` columns of 96 are outside, with a box in the last corner."""
    view = np.zeros((size, size), np.uint8)
    view[:, : width * size // VIEW_SIZE] = OUTSIDE
    view[-size // 8 :, -size // 8 :] = BOX
    return view


def test_they_go_from_the_least_to_the_most_without_boxes() -> None:
    maps = np.stack([cut(width, 192) for width in np.random.default_rng(0).permutation(64)])
    fields = fields_of_view(maps)
    assert fields.shape == (FIELDS, VIEW_SIZE, VIEW_SIZE)
    near = [*range(3, 32, 4), *range(32, 64, 4)]  # of four each that most like the typical one, cut to 31
    assert [int(one[0].sum()) for one in fields] == near
    assert set(np.unique(fields)) == {0, OUTSIDE}


def test_pictures_with_a_box_are_left_out_where_others_are_without() -> None:
    """The box cuts its corner off the field of view that is found."""
    boxed, clear = np.stack([cut(width) for width in range(40, 60)]), cut(5) & OUTSIDE
    maps = np.concatenate([boxed, clear[None]])
    assert (fields_of_view(maps) == clear).all() and (fields_of_view(boxed) != clear).any()
    assert (typical_view(maps) == clear | cut(5) & BOX).all()
    assert int((typical_view(boxed) & OUTSIDE)[0].sum()) == 49


def test_fewer_pictures_than_fields_stand_several_times() -> None:
    assert (fields_of_view(cut(7, 192)[None]) == cut(7) * (cut(7) == OUTSIDE)).all()


def test_a_seed_draws_the_same_one_and_hides_no_lesion() -> None:
    fields = fields_of_view(np.stack([cut(width) for width in range(64)]))
    typical, labels = cut(10), np.zeros((384, 384), np.uint8)
    labels[100:200, 30 * 4 : 60 * 4] = 2
    drawn = [drawn_view(fields, typical, labels, seed) for seed in range(64)]
    assert all((drawn_view(fields, typical, labels, seed) == one).all() for seed, one in enumerate(drawn))
    assert {int(((one & OUTSIDE) > 0)[0].sum()) for one in drawn} == {3, 7, 11, 15, 19, 23, 27}
    assert all(((one & BOX) == (typical & BOX)).all() for one in drawn)


def test_what_the_typical_one_hides_may_be_hidden() -> None:
    fields, labels = fields_of_view(cut(20)[None]), np.zeros((VIEW_SIZE, VIEW_SIZE), np.uint8)
    labels[30:40, 5:50] = 1
    assert (drawn_view(fields, cut(20), labels, 1) & OUTSIDE == fields[0]).all()
    assert (drawn_view(fields, cut(19), labels, 1) == cut(19)).all()  # the one field hides more
