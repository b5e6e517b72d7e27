"""What Keras is told of the package's classes."""

import importlib
import pkgutil

import keras

import dagan_tf
from dagan_tf.registration import CLASSES, PACKAGE, register
from tests.helpers import run_python
from tests.networks.helpers import SMALL


def test_all_registered_classes_are_in_the_table():
    names = [module.name for module in pkgutil.walk_packages(dagan_tf.__path__, "dagan_tf.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith(".__main__")]
    registered = {
        (name, value.__module__.removeprefix("dagan_tf."))
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and keras.saving.get_registered_name(value) == f"{PACKAGE}>{name}"
    }
    assert registered == set(CLASSES.items())
    assert len(CLASSES) > 15


def test_after_keras_was_imported(monkeypatch):
    """The stand-in of a class makes an object of that class; the other order is a test of saved models."""
    known, name = keras.saving.get_custom_objects(), f"{PACKAGE}>Generator"
    monkeypatch.delitem(known, name)
    register()
    assert not isinstance(known[name], type)
    config = dagan_tf.Generator(SMALL).get_config()
    assert isinstance(known[name].from_config(config), dagan_tf.Generator)


def test_whoever_only_asks_for_keras_changes_nothing():
    script = """
import importlib.util
import dagan_tf
assert importlib.util.find_spec("keras") is not None
import keras
print(keras.saving.get_registered_object("dagan_tf>DAGAN") is not None)
"""
    assert run_python(script).split()[-1] == "True"
