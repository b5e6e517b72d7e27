"""The ways in which people use Keras models, on `DAGAN`: each works, or says in one sentence what to do instead."""

import gc
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.data.pipeline import Pipeline
from dagan_tf.data.procedural import ProceduralFacades
from dagan_tf.errors import UserError
from dagan_tf.images import to_uint8
from dagan_tf.training.dagan import DAGAN
from tests.training.helpers import CLASSES, SIZE, examples, make_model


@pytest.fixture(scope="module")
def learner():
    """Another one, which tests may train."""
    return make_model()


def named(label, image):
    return {"label": label, "image": image}


class Batches(keras.utils.PyDataset):
    """One batch as a `PyDataset`."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


class Source(list):
    """Examples for a `Pipeline`."""

    def name(self, index):
        return f"example {index}"


def pipeline(label, image):
    source = Source(named(*pair) for pair in zip(label, to_uint8(image), strict=True))
    return Pipeline(source, SIZE, len(source), training=False)


def in_batches(batch):
    return tf.data.Dataset.from_tensors(batch)


FORMS = {
    "a dictionary": lambda label, image: (named(label, image),),
    "x=labels, y=images": lambda label, image: (label, image),
    "x=dictionary, y=images": lambda label, image: ({"label": label}, image),
    "tensors": lambda label, image: (tf.constant(label), tf.constant(image)),
    "a dataset of dictionaries": lambda label, image: (in_batches(named(label, image)),),
    "a dataset of pairs": lambda label, image: (in_batches((label, image)),),
    "a dataset of unknown shapes": lambda label, image: (
        tf.data.Dataset.from_generator(lambda: iter([(label, image)]), output_types=("uint8", "float32")),
    ),
    "a generator of pairs": lambda label, image: ((batch for batch in [(label, image)]),),
    "a generator of dictionaries": lambda label, image: ((batch for batch in [named(label, image)]),),
    "a PyDataset of pairs": lambda label, image: (Batches((label, image)),),
    "a PyDataset of dictionaries": lambda label, image: (Batches(named(label, image)),),
    "a Pipeline": lambda label, image: (pipeline(label, image),),
    "labels (B, H, W, 1)": lambda label, image: (label[..., None], image),
    "images of 8 bits": lambda label, image: (label, to_uint8(image)),
    "images of float64": lambda label, image: (label, image.astype("float64")),
}
ENDLESS = ("a dataset of unknown shapes", "a generator of pairs", "a generator of dictionaries")
"""Of these nobody knows how many batches there are."""
INTEGERS = ("int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")


@pytest.fixture(scope="module")
def expected(model):
    """The losses of the examples, and their pictures: of the networks as such, without Keras' methods."""
    label, image = examples()
    batch = {"label": tf.constant(label), "image": tf.constant(image)}
    picture = model.generator({"label": batch["label"]})
    drawn = model.drawn(batch, picture)
    d_fake, d_real = model.discriminator_losses(drawn)
    values = {"d_fake": d_fake, "d_real": d_real, **model.generator_losses(drawn)}
    return {name: float(value) for name, value in values.items()}, np.asarray(picture)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_data(model, expected, form):
    options = {"verbose": 0} | ({"steps": 1} if form in ENDLESS else {})
    losses = model.evaluate(*FORMS[form](*examples()), return_dict=True, **options)
    assert {name: float(value) for name, value in losses.items()} == pytest.approx(expected[0], rel=1e-4)
    np.testing.assert_allclose(model.predict(FORMS[form](*examples())[0], **options), expected[1], atol=1e-5)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_dtypes_of_labels(model, expected, dtype):
    label = examples()[0].astype(dtype)
    for picture in (model.predict_on_batch(label), model.generator(label)):
        np.testing.assert_allclose(picture, expected[1], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_images_of_fewer_bits(model, dtype):
    label, image = examples()
    image = tf.cast(image, dtype)
    losses = model.test_on_batch(label, tf.cast(image, "float32"))
    assert [float(x) for x in model.test_on_batch(label, image)] == pytest.approx([float(x) for x in losses], rel=1e-5)


def test_label_maps_alone(model, expected):
    label = examples()[0]
    for picture in (model.predict(label, verbose=0), model(label), model.generator(label)):
        np.testing.assert_allclose(picture, expected[1], atol=1e-5)
    for given in (label, label[..., None], label.astype("float64")):
        assert np.abs(model.generate(given) - (expected[1] + 1) * 127.5).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(model.generate(label[1]), model.generate(label)[1])


@pytest.mark.parametrize("form", FORMS)
def test_fit(learner, form):
    done, steps = learner.steps_done, 1 if form in ENDLESS else None
    history = learner.fit(*FORMS[form](*examples()), verbose=0, shuffle=False, steps_per_epoch=steps)
    assert learner.steps_done == done + 1
    assert np.isfinite([value for values in history.history.values() for value in values]).all()


def test_fit_in_a_graph(graph_model):
    """The same numbers as of a step that ran eagerly."""
    twin, data = make_model(), FORMS["a Pipeline"]
    histories = [each.fit(*data(*examples()), verbose=0).history for each in (graph_model, twin)]
    for name, values in histories[1].items():
        assert histories[0][name] == pytest.approx(values, rel=1e-3)


WRONG = {
    "one-hot labels": (lambda label, image: (np.eye(CLASSES)[label], image), r"shape \(2, 32, 64, 13\). .*argmax"),
    "grey images": (lambda label, image: (label, image[..., 0]), r"RGB .*shape \(2, 32, 64\). Grey .*repeat"),
    "grey images (B, H, W, 1)": (lambda label, image: (label, image[..., :1]), r"RGB .*Grey"),
    "RGBA images": (lambda label, image: (label, image[..., [0, 1, 2, 2]]), r"32, 64, 4\). Leave out the alpha"),
    "channels first": (lambda label, image: (label, np.moveaxis(image, -1, 1)), r"2, 3, 32, 64\). Channels come last"),
    "labels of another size": (lambda label, image: (label[:, :16], image), r"\(B, 32, 64\): .*Resize"),
    "images of another size": (lambda label, image: (label, image[:, :, :32]), r"\(B, 32, 64, 3\). .*Resize"),
    "one example without a batch": (lambda label, image: (label[0], image[0]), r"an axis for the batch: label\[None"),
    "one image without a batch": (lambda label, image: (label[:1], image[0]), r"an axis for the batch: image\[None"),
    "no images": (lambda label, image: (label,), r"need images beside label maps"),
    "no labels": (lambda label, image: ({"image": image},), r"Received: 'image', without 'label'"),
    "other names": (lambda label, image: ({"labels": label, "image": image},), r"also 'labels'. Rename"),
    "images of 0..255 as floats": (lambda label, image: (label, (image + 1) * 127.5), r"values from 0\S* to 255"),
    "images that are NaN": (lambda label, image: (label, image * np.nan), r"values from nan to nan"),
    "images of whole numbers": (lambda label, image: (label, to_uint8(image).astype("int32")), r"Received: int32"),
    "an id that is no class": (lambda label, image: (np.where(label == 3, 77, label), image), r"0\.\.12.*77"),
    "a negative id": (lambda label, image: (np.where(label == 3, -1, label.astype(int)), image), r"0\.\.12.*-1"),
    "fractions": (lambda label, image: (label * 0.9, image), r"must be whole numbers. Received: fractions"),
    "bool for 13 classes": (lambda label, image: (label > 0, image), r"two classes. Received: bool, for 13"),
    "strings": (lambda label, image: (label.astype("U2"), image), r"integers"),
}
OF_BATCHES = {
    "a dataset": lambda batch: in_batches(batch),
    "a generator": lambda batch: (batch for batch in [batch]),
}


def assert_stands_alone(error):
    """The message is the error's first words, with nothing of Keras or TensorFlow around it."""
    message = str(error.value)
    assert not re.search(r"Exception encountered|Arguments received|\x1b|Node|Graph execution|\[\[|\n", message)
    assert message[0].isupper() or message[0] in "\"`'"


@pytest.mark.parametrize("wrong", WRONG)
def test_arrays_that_are_refused_before_anything_is_traced(untraced, wrong):
    make, message = WRONG[wrong]
    for method in (untraced.fit, untraced.evaluate, untraced.train_on_batch, untraced.test_on_batch):
        with pytest.raises(UserError, match=message) as error:
            method(*make(*examples()))
        assert_stands_alone(error)


@pytest.fixture(scope="module")
def graph_model():
    return make_model(eager=False)


@pytest.fixture
def untraced(graph_model, monkeypatch):
    """A model whose steps must not be reached."""

    def fail(*arguments):
        pytest.fail("a step was traced")

    for step in ("train_step", "test_step", "predict_step"):
        monkeypatch.setattr(DAGAN, step, fail)
    return graph_model


@pytest.fixture
def collected():
    """Ends iterators that errors have left: the longer one waits for that, the longer TensorFlow's tuner sleeps."""
    yield
    gc.collect()


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("wrong", [name for name in WRONG if name not in ("strings", "no images")])
def test_batches_that_are_refused(model, wrong):
    make, message = WRONG[wrong]
    given = make(*examples())
    batch = given if len(given) == 2 else given[0]
    before = model.get_weights()
    for kind, data in OF_BATCHES.items():
        method, options = (model.fit, {"shuffle": False}) if kind == "a dataset" else (model.evaluate, {})
        with pytest.raises(UserError, match=message) as error:
            method(data(batch), verbose=0, **options)
        assert_stands_alone(error)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(("method", "options"), [("fit", {"shuffle": False}), ("evaluate", {}), ("predict", {})])
def test_values_are_checked_inside_graphs(graph_model, method, options):
    """Of a dataset they are known only there; the error is the same sentence all the same."""
    label, image = examples()
    label[1, 2, 3] = 77
    before = graph_model.get_weights()
    with pytest.raises(UserError, match=r"^Label ids must lie in 0\.\.12\. Received: ids from 0 to 77\.$") as error:
        getattr(graph_model, method)(in_batches((label, image)), verbose=0, **options)
    assert_stands_alone(error)
    for old, new in zip(before, graph_model.get_weights(), strict=True):
        assert np.array_equal(old, new)


@pytest.mark.usefixtures("collected")
def test_a_batch_that_micro_batches_do_not_divide():
    model = make_model(eager=False)
    model.compile("sgd", "sgd", accumulate=2)
    label, image = examples(3)
    with pytest.raises(UserError, match="`accumulate` divides a device's examples into 2 micro-batches") as error:
        model.fit(label, image, batch_size=3, verbose=0)
    assert_stands_alone(error)


def test_images_in_0_to_1_are_told_once(capfd):
    model = make_model()
    label, image = examples()
    for _ in range(2):
        model.train_on_batch(label, (image + 1) / 2)
    assert capfd.readouterr().err.count("images of the first batch lie in 0..1") == 1
    make_model().train_on_batch(label, image)
    assert "0..1" not in capfd.readouterr().err


@pytest.mark.usefixtures("collected")
def test_instance_maps(edged):
    label, image = examples()
    maps = {"label": label, "instance": label.astype("int32")}
    losses = [edged.test_on_batch(*data) for data in (({**maps, "image": image},), (maps, image))]
    assert losses[0] == losses[1]
    picture = edged.predict({**maps, "image": image}, verbose=0)
    np.testing.assert_allclose(picture, edged.predict(in_batches((maps, image)), verbose=0), atol=1e-6)
    for ask in (edged.predict, edged, edged.generate, lambda x: edged.fit(x, image)):
        with pytest.raises(UserError, match="reads instance edges: give a dictionary with 'label' and 'instance'") as e:
            ask(label)
        assert_stands_alone(e)
    with pytest.raises(UserError, match=r'"instance" must be a batch of maps of instance ids'):
        edged.predict({**maps, "instance": label[:, :16]})
    with pytest.raises(UserError, match="2 of 'label', 1 of 'instance'"):
        edged.predict({**maps, "instance": label[:1]})


def test_two_classes_may_be_bool():
    model = make_model(num_classes=2)
    label = examples()[0] > 6
    np.testing.assert_allclose(model.predict(label, verbose=0), model(label.astype("uint8")), atol=1e-5)


@pytest.mark.usefixtures("collected")
def test_weights_of_examples_are_refused(model):
    label, image = examples()
    triple = (label, image, np.ones(2))
    for ask in (
        lambda: model.fit(label, image, sample_weight=np.ones(2)),
        lambda: model.fit(in_batches((label, image)), class_weight={0: 1.0}),
        lambda: model.fit(label, image, validation_data=triple),
        lambda: model.train_on_batch(named(label, image), class_weight={0: 1.0}),
        lambda: model.evaluate(in_batches(triple), verbose=0),
    ):
        with pytest.raises(UserError, match="take no sample or class weights") as error:
            ask()
        assert_stands_alone(error)


def test_what_is_no_data(model):
    with pytest.raises(UserError, match=r"Expected data: .* Received: none"):
        model.fit()
    with pytest.raises(UserError, match=r"examples of a ProceduralFacades. Put them into a pipeline: dagan_tf.Pip"):
        model.fit(ProceduralFacades(2, SIZE))
    for ask in (model, model.generator, model.predict):
        with pytest.raises(UserError, match="Received: a tuple of 2") as error:
            ask(examples())
        assert_stands_alone(error)


@pytest.mark.usefixtures("collected")
def test_fractions_are_found_wherever_maps_are_read(model, edged):
    label, image = examples()
    for ask in (model, lambda x: model.predict(in_batches(x), verbose=0), model.generate):
        with pytest.raises(UserError, match='Ids of "label" must be whole numbers'):
            ask(label * 0.9)
    maps = {"label": label, "instance": label * 0.1}
    for x in (maps, in_batches((maps, image))):
        with pytest.raises(UserError, match='Ids of "instance" must be whole numbers'):
            edged.evaluate(x, image if x is maps else None, verbose=0)


def test_validation_data(learner):
    label, image = examples()
    generator = (batch for batch in [named(label, image)])
    for data in ((label, image), named(label, image), in_batches(named(label, image)), pipeline(label, image)):
        history = learner.fit(label, image, validation_data=data, verbose=0).history
        assert np.isfinite(history["val_d_real"]).all()
    history = learner.fit(label, image, None, 1, 0, None, 0.0, generator, validation_steps=1).history  # by position
    assert "val_g_hinge" in history
    assert "val_g_hinge" in learner.fit(label, image, validation_split=0.5, verbose=0).history
    done = learner.steps_done
    for data in ((label, np.moveaxis(image, -1, 1)), [label, np.moveaxis(image, -1, 1)]):
        with pytest.raises(UserError, match="Channels come last"):
            learner.fit(label, image, validation_data=data)
    assert learner.steps_done == done


@pytest.mark.usefixtures("collected")
def test_files_of_a_pipeline_that_cannot_be_read(learner):
    class Damaged(Source):
        def __getitem__(self, index):
            if index:
                raise UserError("b.png is damaged.")
            return super().__getitem__(index)

    label, image = examples()
    broken = Pipeline(Damaged(map(named, label, to_uint8(image))), SIZE, 2, training=False)
    for options in ({"x": broken}, {"x": label, "y": image, "validation_data": broken}):
        with pytest.raises(UserError, match=r"^b\.png is damaged\.$"):
            learner.fit(verbose=0, **options)


def test_a_backup_is_restored(tmp_path):
    """Keras' own way to go on after an interruption."""

    class Interrupted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model, data = make_model(), FORMS["a dictionary"](*examples())
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=2, verbose=0, callbacks=[backup, Interrupted()])
    again = make_model()
    history = again.fit(*data, epochs=2, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")])
    assert (again.steps_done, history.epoch) == (2, [1])


def test_predict_and_generate_reuse_what_was_traced(graph_model):
    graph_model.compile()  # nothing is traced yet
    label = examples(7)[0]
    for count in (1, 3, 7, 2, 5, 4, 6):
        graph_model.generate(label[:count].astype(INTEGERS[count - 1]), batch_size=3)
        graph_model.generate(label[0])
    assert graph_model.predict_function.experimental_get_tracing_count() <= 2
    for count in (7, 1, 5, 3):
        graph_model.predict(label[:count], batch_size=2, verbose=0)
    # TensorFlow's own warning is no measure: it counts by addresses, which functions of earlier tests have had, too.
    assert graph_model.predict_function.experimental_get_tracing_count() <= 4
