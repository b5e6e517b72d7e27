"""What the ids in label files mean: ids to classes and back, names and colours of classes."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.fields import Config, field


@dataclass(frozen=True)
class LabelSpec(Config):
    """How the label files of a data set name its classes.

    Files hold ids, networks know classes 0 to `num_classes` - 1. An id stands for class `id - first_id`; `unknown_id`,
    where there is one, stands for the last class, and no other id does. In ADE20K's files, for example, 1 to 150 are
    classes 0 to 149 and 0, unlabelled, is class 150: `LabelSpec(151, first_id=1, unknown_id=0)`; 151 is no class.

    Raises:
        UserError: there are names or colours of fewer or more than all classes, or `unknown_id` is the id of a class
            before the last.
    """

    num_classes: int = field(dataclasses.MISSING, "classes as the networks see them, the unknown one included")
    first_id: int = field(0, "the id in the files that is class 0")
    unknown_id: int | None = field(None, "the id in the files that means unlabelled: it becomes the last class")
    class_names: tuple = field((), "names by class, where known")
    palette: tuple = field((), "colours by class as (red, green, blue), where the data set has its own")

    def __post_init__(self):
        self._check_positive("num_classes")
        for name in ("class_names", "palette"):
            entries = len(getattr(self, name))
            if entries not in (0, self.num_classes):
                raise UserError(
                    f"`{name}` must have an entry for each of {self.num_classes} classes, or none. Received: {entries}."
                )
        if self.unknown_id in range(self.first_id, self._after - 1):
            raise UserError(
                f"`unknown_id` must be none of the ids {self.first_id} to {self._after - 2}, which stand for the "
                f"classes before the last. Received: {self.unknown_id}. Give another `unknown_id`, `first_id` "
                "or `num_classes`."
            )

    @property
    def _after(self):
        """The first id that would be too many if all classes were counted up from `first_id`."""
        return self.first_id + self.num_classes

    @property
    def known_ids(self):
        """The ids that count up from `first_id`, a range: without the last class where `unknown_id` stands for that."""
        return range(self.first_id, self._after if self.unknown_id is None else self._after - 1)

    @property
    def ids(self):
        """The ids by class, a tuple."""
        return tuple(self.known_ids) + (() if self.unknown_id is None else (self.unknown_id,))

    def to_classes(self, ids, where=np.where):
        """The classes that ids stand for; ids that stand for none become numbers outside of 0 to `num_classes` - 1.

        Args:
            ids: array of any shape, of signed integers, from which `first_id` can be subtracted.
            where: `np.where` for a NumPy array, `tf.where` for a TensorFlow tensor.

        Returns:
            An array or tensor of the same shape.
        """
        classes = ids - self.first_id
        if self.unknown_id is None:
            return classes
        # The id that would count up to the last class is not the unknown one, and would be lost in it.
        counted = where(classes == self.num_classes - 1, -1, classes)
        return where(ids == self.unknown_id, self.num_classes - 1, counted)

    def id_of(self, index):
        """The id that stands for a class in label files: `unknown_id`, where there is one, for the last."""
        return self.ids[index]

    def name_of(self, index):
        """The name of a class, or `None` where the data set's names are not known."""
        return self.class_names[index] if self.class_names else None

    def describe_ids(self):
        """The ids that stand for classes as a text for messages, for example "0 to 33 and 255"."""
        known = self.known_ids
        texts = [f"{known[0]} to {known[-1]}"] if len(known) else []
        return " and ".join(texts + ([] if self.unknown_id is None else [str(self.unknown_id)]))
